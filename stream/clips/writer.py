"""Sees to the clips: one thread that follows the event log as any client does, so that nothing ever waits for it.

It decides what is cut, and when, and tells what has become of it; the files are made in the workshop's threads.

A moment that ends with `clip.state` pending becomes a row of the store, then, once the packets up to its end and its
post-roll are there, a file, and at last an event: `clip.ready` after the file is complete and on the disk, or
`clip.failed` with the reason.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from stream.clips.clocks import Clocks
from stream.clips.cutter import CutError, begins_s
from stream.clips.folder import ClipFolder
from stream.clips.jobs import SLACK_S, Job
from stream.clips.orders import Orders
from stream.clips.packets import Selection
from stream.clips.planner import CAPACITY, Planner, restarted
from stream.clips.retention import Retention
from stream.clips.rings import Rings
from stream.clips.selecting import Piece
from stream.clips.uploads import Uploads
from stream.clips.workshop import Workshop, because
from stream.events import clip_event
from stream.metrics import Metrics
from stream.query import Rolls
from stream.store import ClipRecord, Store, StoreError

POLL_S: Final = 0.1
STOP_S: Final = 5.0
"""How long the clips that wait when the service stops may take all together."""
TIDY_S: Final = 60.0
_log = logging.getLogger(__name__)


@dataclass
class _Worklist:
    """What the writer's thread alone knows."""

    jobs: list[Job] = field(default_factory=list)
    results: deque[ClipRecord] = field(default_factory=deque)
    """What has become of clips and is not in the log yet."""
    problem: str | None = None
    tidy_at_s: float = float("-inf")
    """Monotonic seconds; at once after every new clip."""


class ClipWriter:
    """The clips of one service. `submit` may be called from any thread; the rest happens in the writer's own."""

    def __init__(
        self,
        store: Store,
        rings: Rings,
        folder: ClipFolder,
        retention: Retention,
        metrics: Metrics,
        rolls: Callable[[str], Rolls | None],
        clocks: Clocks | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        """`rolls` tells those of a query by name. Moments that are in the log already were cut by another process.

        Clips stay in `folder`, or go on from there by `uploads`.
        """
        self._store = store
        self._rings = rings
        self._retention = retention
        self._metrics = metrics
        self._clocks = clocks or Clocks()
        self._planner = Planner(store, rolls, self._clocks)
        self._left_behind = self._planner.left_behind()
        self._work = _Worklist()
        self._orders = Orders(store.clips)
        self._waiting = 0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._workshop = Workshop(folder, metrics, self._wake.set, uploads)
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 2 * STOP_S) -> bool:
        """Cut what waits with what is there, and end; says whether that happened in time."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many clips are still to be cut."""
        return self._waiting + len(self._orders)

    def submit(self, job: Job) -> bool:
        """A clip that somebody asked for, durable when it returns; False when too many wait. Raises StoreError."""
        if self.waiting >= CAPACITY:
            return False
        self._orders.put(job)
        self._wake.set()
        return True

    def _run(self) -> None:
        self._work.results += map(restarted, self._workshop.take_over(self._left_behind))
        stop_s: float | None = None
        while True:
            self._wake.clear()
            if stop_s is None and self._stop.is_set():
                stop_s = self._clocks.monotonic_s() + STOP_S
            try:
                self._round(stopping=stop_s is not None)
            except StoreError as error:
                if self._work.problem is None:
                    _log.error("clips wait for the event log: %s", error)
                self._work.problem = str(error)
            except Exception:
                _log.exception("clips were delayed by a mistake")
            else:
                self._work.problem = None
            self._waiting = len(self._work.jobs) + self._workshop.busy
            left = self._waiting - self._workshop.stuck
            if stop_s is not None and (not left or self._clocks.monotonic_s() > stop_s):
                break
            self._wake.wait(POLL_S)
        self._workshop.stop(STOP_S)

    def _round(self, *, stopping: bool) -> None:
        """Everything that can be done now; when `stopping`, with what packets there are."""
        while (page := self._planner.next(len(self._work.jobs))) is not None:
            jobs, refused = page
            self._work.jobs += jobs
            self._work.results += refused
        self._work.jobs += self._orders.take()
        for job in list(self._work.jobs):
            if not self._workshop.has_room:
                break
            if stopping or self._is_due(job):
                self._begin(job)
        self._work.results += self._workshop.take()
        self._tell()
        self._tidy()

    def _is_due(self, job: Job) -> bool:
        ring = self._rings.find(job.stream)
        complete = ring is None or ring.is_complete(job.epoch, job.wanted_s[1])
        return complete or self._clocks.monotonic_s() >= job.until_s

    def _begin(self, job: Job) -> None:
        """Hand a job to the workshop, with the packets there are."""
        try:
            begun = self._workshop.begin(job, self._selecting(job))
        except Exception as error:
            self._work.results.append(ClipRecord(because(job.data, error), job.created_s, told=False))
            begun = True
        if begun:
            self._work.jobs.remove(job)

    def _selecting(self, job: Job) -> Callable[[], Selection]:
        """What finds a job's packets: those of this moment, however much later it is called. Raises CutError."""
        ring = self._rings.find(job.stream)
        if ring is None:
            raise CutError(f"no video of the stream {job.stream!r} is held any more")
        return partial(_select, job, ring.piece(job.epoch, *job.wanted_s), ring.held_s)

    def _tell(self) -> None:
        """Log what has become of clips: first in the table, then as an event, so that a crash in between repeats it."""
        results = self._work.results
        while results:
            record = results[0]
            self._store.clips.save(record)
            if record.data.state in ("ready", "failed") and not record.told:
                self._store.append([clip_event(record.data, time_s=self._clocks.wall_time_s())])
                self._store.clips.save(ClipRecord(record.data, record.created_s, told=True))
                self._work.tidy_at_s = float("-inf")
            if record.data.state != "pending":
                self._metrics.clips.labels(record.data.state).inc()
            if record.data.state == "failed":
                _log.warning("%s: no clip of %s: %s", record.data.stream, record.data.clip_id, record.data.reason)
            results.popleft()

    def _tidy(self) -> None:
        """Remove the oldest clips while files are too many or too old, unless a reel is older."""
        now_s = self._clocks.monotonic_s()
        if now_s < self._work.tidy_at_s:
            return
        self._work.tidy_at_s = now_s + TIDY_S
        wall_time_s = self._clocks.wall_time_s()
        while (going := self._retention.next_to_go(self._store, wall_time_s, self._workshop.leaving)) is not None:
            record, reason = going
            if not isinstance(record, ClipRecord):
                return  # the reels' own thread sees to it
            self._workshop.remove(record, reason)


def _select(job: Job, piece: Piece, held_s: float) -> Selection:
    """The packets of a clip. Raises CutError when the moment's beginning is not among them."""
    selection = piece.read()
    missing = "it" if selection is None else "its beginning"
    if selection is None or begins_s(selection) > job.needed_s[0] + SLACK_S:
        raise CutError(
            f"{missing} is not held: {held_s:.0f} s of the stream are; for more, raise clips.memory_per_stream or "
            "clips.disk_per_stream"
        )
    return selection
