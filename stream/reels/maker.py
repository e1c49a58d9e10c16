"""Makes reels: one thread, one reel after the other, that nothing waits for.

What is asked for is a row of the store, then a file, then an event: `reel.ready` after the file is complete and on the
disk, or `reel.failed` with the reason. All that a reel is made of is on the disk, so that a restart goes on with what
was pending.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stream.backoff import Backoff
from stream.clips.clocks import Clocks
from stream.clips.cutter import CutError
from stream.clips.joiner import Piece, join
from stream.clips.retention import Retention
from stream.cuts.days import parse_zone
from stream.errors import ConflictError, R2StreamError, TargetError
from stream.events import ReelData, ReelWish, reel_event
from stream.metrics import Metrics
from stream.reels.collecting import ClipFiles, Collector, NotYetError, Step
from stream.reels.place import ReelPlace
from stream.reels.plan import plan, titles
from stream.reels.schedule import ReelSettings
from stream.store import ReelRecord, Store, StoreError

CAPACITY: Final = 16
"""Reels that may wait."""
POLL_S: Final = 1.0
TIDY_S: Final = 10.0
LATE_S: Final = 3600.0
"""A reel of the settings whose time came longer ago is made only if there is anything to show."""
TRIES: Final = 5
"""How often a reel is begun while the place of the clips does not do its part."""
FIRST_S: Final = 5.0
STOP_S: Final = 10.0
_log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """The service stops, or nobody wants the reel any more."""


class ReelMaker:
    """The reels of one service. `submit`, `cancel` and `progress` may be called from any thread."""

    def __init__(
        self,
        store: Store,
        clips: ClipFiles,
        place: ReelPlace,
        retention: Retention,
        metrics: Metrics,
        schedules: Sequence[ReelSettings] = (),
        clocks: Clocks | None = None,
    ) -> None:
        self._store = store
        self._place = place
        self._retention = retention
        self._metrics = metrics
        self._schedules = [schedule for schedule in schedules if schedule.enabled]
        self._clocks = clocks or Clocks()
        self._collector = Collector(store, clips, self._clocks)
        self._progress: dict[str, float] = {}
        self._cancelled: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._later_s: dict[str, float] = {}
        """Monotonic seconds before which a reel is not begun again."""
        self._known: set[str] = set()
        """Reels of the settings that are begun, or need not be."""
        self._tidy_at_s = float("-inf")
        self._problem: str | None = None
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reels", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """End after the clip that is being joined; what is pending goes on at the next start. Says whether in time."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def submit(self, reel_id: str, wish: ReelWish) -> ReelData:
        """A reel that is wanted, durable when it returns. Raises ConflictError when too many wait, and StoreError."""
        if len(self._store.reels.unfinished()) >= CAPACITY:
            raise ConflictError("too many reels are waiting to be made; try again later", code="too_many_reels")
        data = ReelData(reel_id=reel_id, state="pending", wish=wish)
        self._store.reels.add(ReelRecord(data, self._clocks.wall_time_s(), told=False))
        self._wake.set()
        return data

    def cancel(self, reel_id: str) -> None:
        """Nobody wants a reel any more; it is gone from the store already."""
        self._cancelled.add(reel_id)

    def progress(self, reel_id: str) -> float:
        """How much of a pending reel is made, from 0 to 1."""
        return self._progress.get(reel_id, 0.0)

    def _run(self) -> None:
        try:
            self._place.clear()
        except OSError as error:
            _log.warning("%s cannot be tidied: %s", self._place.shown, error)
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.round()
            except StoreError as error:
                if self._problem is None:
                    _log.error("reels wait for the event log: %s", error)
                self._problem = str(error)
            except Exception:
                _log.exception("reels were delayed by a mistake")
            else:
                self._problem = None
            self._wake.wait(POLL_S)

    def round(self) -> None:
        """Everything that can be done now. Called by the maker's own thread. Raises StoreError."""
        self._begin_due()
        for record in self._store.reels.unfinished():
            if self._stop.is_set():
                return
            if record.data.state == "pending":
                self._try(record)
            else:
                self._tell(record)
        self._tidy()

    def _begin_due(self) -> None:
        """Reels of the settings whose time has come, or came while nobody was there to see it."""
        for schedule in self._schedules:
            day = schedule.last_day(self._clocks.wall_time_s())
            reel_id = schedule.reel_id(day)
            if reel_id in self._known or self._store.reels.find(reel_id) is not None:
                continue
            wish = schedule.wish(day)
            # A reel that is new in the settings makes up for nothing that never was.
            if self._clocks.wall_time_s() - schedule.end_s(day) < LATE_S or self._collector.has_moments(wish):
                data = ReelData(reel_id=reel_id, state="pending", wish=wish)
                self._store.reels.add(ReelRecord(data, self._clocks.wall_time_s(), told=False))
            self._known.add(reel_id)

    def _try(self, record: ReelRecord) -> None:
        reel_id = record.data.reel_id
        if self._clocks.monotonic_s() < self._later_s.get(reel_id, 0.0):
            return
        try:
            data = self._make(record)
        except _StoppedError:
            return
        except (NotYetError, TargetError) as error:
            if self._may_try_again(reel_id, error):
                return
            data = _failed(record.data, str(error))
        except StoreError:
            raise
        except R2StreamError as error:
            data = _failed(record.data, str(error))
        except OSError as error:
            data = _failed(record.data, self._explain(error))
        except Exception as error:
            _log.exception("a reel could not be made by a mistake")
            data = _failed(record.data, f"it could not be made, by a mistake ({type(error).__name__}); see the log")
        finally:
            self._progress.pop(reel_id, None)
        self._settle(record, data)

    def _may_try_again(self, reel_id: str, error: NotYetError | TargetError) -> bool:
        if isinstance(error, NotYetError):
            return True
        self._tries[reel_id] += 1
        if error.lasting or self._tries[reel_id] >= TRIES:
            return False
        wait_s = FIRST_S * 2.0 ** self._tries[reel_id]
        self._later_s[reel_id] = self._clocks.monotonic_s() + Backoff(wait_s, wait_s).next_s()
        return True

    def _make(self, record: ReelRecord) -> ReelData:
        """The reel as it is in the end. Raises whatever goes wrong."""
        reel_id, wish = record.data.reel_id, record.data.wish
        with self._place.workroom() as room:
            found = self._collector.collect(wish, record.created_s, Path(room), self._goes_on(reel_id, 0.0))
            whole = plan(found.materials)
            self._check_size(whole.stretches)
            container = whole.stretches[0][0].container
            made = Path(room) / f"made.{container}"
            chapters = titles(whole.chapters, parse_zone(wish.timezone))
            join(whole.stretches, chapters, made, self._goes_on(reel_id, 0.5))
            size_bytes = made.stat().st_size
            self._place.keep(made, reel_id, container)
        done = {
            "state": "ready",
            "url": f"/v1/reels/{reel_id}/reel.{container}",
            "container": container,
            "length_s": round(whole.length_s, 3),
            "bytes": size_bytes,
            "chapters": whole.chapters,
            "left_out": found.left_out,
        }
        return record.data.model_copy(update=done)

    def _goes_on(self, reel_id: str, begin: float) -> Step:
        """Told how far half of the work is; raises _StoppedError when it need not go on."""

        def step(share: float) -> None:
            self._progress[reel_id] = round(begin + share / 2, 3)
            if self._stop.is_set() or reel_id in self._cancelled:
                raise _StoppedError

        return step

    def _check_size(self, stretches: Sequence[Sequence[Piece]]) -> None:
        size_bytes = sum(piece.path.stat().st_size for stretch in stretches for piece in stretch)
        if size_bytes > self._retention.max_bytes:
            raise CutError(
                f"it would have {size_bytes / 1e6:.0f} MB, more than clips.max_bytes: raise that, or choose less"
            )

    def _settle(self, record: ReelRecord, data: ReelData) -> None:
        """Keep what has become of a reel, unless somebody has removed it meanwhile, and tell."""
        settled = ReelRecord(data, record.created_s, told=False)
        if self._store.reels.save(settled, before="pending"):
            self._tell(settled)
        elif data.state == "ready":
            self._place.remove(data.reel_id)
        self._tries.pop(data.reel_id, None)
        self._later_s.pop(data.reel_id, None)
        self._cancelled.discard(data.reel_id)

    def _tell(self, record: ReelRecord) -> None:
        """First in the table, then as an event, so that a crash in between repeats it."""
        if record.data.state in ("ready", "failed"):
            self._store.append([reel_event(record.data, time_s=self._clocks.wall_time_s())])
            self._metrics.reels.labels(record.data.state).inc()
        if record.data.state == "failed":
            _log.warning("no reel %s: %s", record.data.reel_id, record.data.reason)
        self._store.reels.save(ReelRecord(record.data, record.created_s, told=True))

    def _tidy(self) -> None:
        """Remove the oldest reels while files are too many or too old, unless a clip is older."""
        now_s = self._clocks.monotonic_s()
        if now_s < self._tidy_at_s:
            return
        self._tidy_at_s = now_s + TIDY_S
        while (going := self._retention.next_to_go(self._store, self._clocks.wall_time_s())) is not None:
            record, reason = going
            if not isinstance(record, ReelRecord):
                return
            try:
                self._place.remove(record.data.reel_id)
            except (OSError, R2StreamError) as error:
                _log.warning("the reel %s could not be removed yet: %s", record.data.reel_id, error)
                return
            self._store.reels.save(ReelRecord(removed(record.data, reason), record.created_s, record.told))
            self._metrics.reels.labels("removed").inc()

    def _explain(self, error: OSError) -> str:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"no space left for {self._place.shown}: make room, or lower clips.max_bytes"
        return (
            f"{self._place.shown} cannot be written ({error.strerror or error}); check clips.folder and its permissions"
        )


def removed(data: ReelData, reason: str) -> ReelData:
    """The reel that has no file any more, and why."""
    return data.model_copy(update={"state": "removed", "reason": reason, "url": None, "bytes": None})


def _failed(data: ReelData, reason: str) -> ReelData:
    """The reel that will never be, and why."""
    return data.model_copy(update={"state": "failed", "reason": f"{reason[:1].upper()}{reason[1:].removesuffix('.')}."})
