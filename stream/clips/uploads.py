"""Brings files from the folder where they were made to the place where they are kept, and removes them there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from stream.backoff import Backoff
from stream.clips.folder import ClipFolder, Kind
from stream.clips.remote import RemoteFolder
from stream.clips.workers import Workers
from stream.errors import R2StreamError, TargetError
from stream.metrics import Metrics

UPLOADERS: Final = 4
CAPACITY: Final = 512
MAX_STAGED_BYTES: Final = 1 << 30
"""Of files that wait; clips that end while there are more fail, and are told why."""
FIRST_S: Final = 1.0
CAP_S: Final = 30.0
GIVE_UP_S: Final = 3600.0
"""A file that could not be sent for so long never will be."""
REMOVAL_S: Final = 300.0
"""The same for a removal, which is asked for again later."""

Done = Callable[[TargetError | None], None]


@dataclass(frozen=True)
class Persistence:
    """How long is waited for a target; a test has less time."""

    first_s: float = FIRST_S
    cap_s: float = CAP_S
    give_up_s: float = GIVE_UP_S
    removal_s: float = REMOVAL_S


class Uploads:
    """Several at once, each tried again until it is done. Callbacks come from threads of its own, each `done` once,
    unless `stop` was first: then the files are still there for the next start."""

    def __init__(
        self, staging: ClipFolder, target: RemoteFolder, metrics: Metrics, persistence: Persistence | None = None
    ) -> None:
        self.target = target
        self._staging = staging
        self._metrics = metrics
        self._persistence = persistence or Persistence()
        self._stopped = threading.Event()
        self._uploaders = Workers("clips.upload", threads=UPLOADERS, capacity=CAPACITY)
        self._removers = Workers("clips.remove", threads=1, capacity=CAPACITY)
        self._lock = threading.Lock()
        self._staged_bytes = 0
        self._problem: TargetError | None = None

    def refusal(self) -> str | None:
        """Why no more files can wait now, as the end of a sentence; None while some can."""
        if self._staged_bytes < MAX_STAGED_BYTES and self._uploaders.has_room:
            return None
        why = f" ({self._problem})" if self._problem else ""
        return f"{self._staged_bytes >> 20} MiB of clips wait to be uploaded already{why}"

    def put(self, clip_id: str, kinds: Sequence[Kind], done: Done, delayed: Callable[[str], None]) -> None:
        """Upload a clip's files, in this order, and remove them here; `delayed` hears why that takes longer."""
        size_bytes = sum(self._staging.file(clip_id, kind).stat().st_size for kind in kinds)
        self._count(size_bytes)

        def end(error: TargetError | None) -> None:
            self._count(-size_bytes)
            self._staging.remove(clip_id)
            done(error)

        task = partial(self._persist, "upload", partial(self._send, clip_id, kinds), self._persistence.give_up_s)
        if not self._uploaders.offer(partial(task, end, delayed)):
            end(TargetError(self.refusal() or "clips are not uploaded any more"))

    def remove(self, clip_id: str, done: Done) -> bool:
        """Remove a clip's files there; False when too many removals wait already."""
        task = partial(self._persist, "removal", partial(self.target.remove, clip_id), self._persistence.removal_s)
        return self._removers.offer(partial(task, done, lambda reason: None))

    def stop(self, timeout_s: float) -> bool:
        """Begin nothing more; says whether what was being done ended in time."""
        self._stopped.set()
        until_s = time.monotonic() + timeout_s
        ended = self._uploaders.stop(timeout_s) & self._removers.stop(max(0.0, until_s - time.monotonic()))
        self.target.close()
        return ended

    def _send(self, clip_id: str, kinds: Sequence[Kind]) -> None:
        for kind in kinds:
            self.target.upload(self._staging.file(clip_id, kind), clip_id, kind)

    def _persist(
        self, what: str, task: Callable[[], None], give_up_s: float, done: Done, delayed: Callable[[str], None]
    ) -> None:
        """Try until it is done, nobody can wait for it any more, or trying again would not help."""
        backoff = Backoff(self._persistence.first_s, self._persistence.cap_s)
        until_s = time.monotonic() + give_up_s
        while not self._stopped.is_set():
            error = self._try(task)
            if error is None or error.lasting or time.monotonic() >= until_s:
                self._metrics.clip_transfers.labels(what, "done" if error is None else "failed").inc()
                done(error)
                return
            self._metrics.clip_transfers.labels(what, "retried").inc()
            delayed(str(error))
            self._stopped.wait(backoff.next_s())

    def _try(self, task: Callable[[], None]) -> TargetError | None:
        try:
            task()
        except TargetError as error:
            self._problem = error
            return error
        except (OSError, R2StreamError) as error:  # of this machine's disk
            self._problem = TargetError(f"the file that was to be uploaded cannot be read ({error})", lasting=True)
            return self._problem
        self._problem = None
        return None

    def _count(self, size_bytes: int) -> None:
        with self._lock:
            self._staged_bytes += size_bytes
        self._metrics.clip_staging_bytes.set(self._staged_bytes)
