"""Makes the files of clips, in threads of its own, so that whoever decides about clips never waits for one.

A clip that is begun comes back once, as ready or as failed with a reason.
"""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from stream.clips.cutter import CutError, begins_s, cut
from stream.clips.folder import ClipFolder
from stream.clips.jobs import Job, failed, ready
from stream.clips.packets import Selection
from stream.clips.thumbnail import thumbnail
from stream.clips.workers import Workers
from stream.errors import R2StreamError
from stream.events import ClipData
from stream.metrics import Metrics

WAITING: Final = 8
"""Selections that may wait to be cut: each keeps its packets in memory when the ring has let them go."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What has become of a job."""

    job: Job
    data: ClipData


class Workshop:
    """The stages from packets to a file. `begin` and `take` are called by one thread."""

    def __init__(self, folder: ClipFolder, metrics: Metrics, wake: Callable[[], None]) -> None:
        """`wake` is called, from any thread, when there is something to `take`."""
        self._folder = folder
        self._metrics = metrics
        self._wake = wake
        self._cutters = Workers("clips.cut", threads=1, capacity=WAITING)
        self._made: deque[Made] = deque()
        self._begun = 0

    @property
    def busy(self) -> int:
        """How many clips are begun and not taken."""
        return self._begun

    @property
    def has_room(self) -> bool:
        """Whether another clip can be begun now."""
        return self._cutters.has_room

    def begin(self, job: Job, selection: Selection) -> bool:
        """Make a clip of these packets; False when there is no room."""
        if not self._cutters.offer(partial(self._finish, job, selection)):
            return False
        self._begun += 1
        return True

    def take(self) -> list[Made]:
        """What has been made, or has failed, since the last time."""
        taken: list[Made] = []
        while self._made:
            taken.append(self._made.popleft())
        self._begun -= len(taken)
        return taken

    def stop(self, timeout_s: float) -> bool:
        """Begin nothing more; says whether what was being done ended in time."""
        return self._cutters.stop(timeout_s)

    def _finish(self, job: Job, selection: Selection) -> None:
        """Cut a clip; whatever goes wrong becomes its reason."""
        try:
            with self._metrics.clip_seconds.time():
                data = self._cut(job, selection)
        except OSError as error:
            data = because(job, CutError(_explain(error, self._folder)))
        except Exception as error:
            data = because(job, error)
        self._made.append(Made(job, data))
        self._wake()

    def _cut(self, job: Job, selection: Selection) -> ClipData:
        clip_id = job.data.clip_id
        part = self._folder.part(clip_id)
        cut(selection, part)
        size_bytes = part.stat().st_size
        picture = thumbnail(selection, job.middle_s)
        if picture is not None:
            self._folder.write(picture, self._folder.thumbnail(clip_id))
        container = selection.tracks.container
        assert container is not None, "the cutter refuses what has none"
        self._folder.publish(part, self._folder.video(clip_id, container))
        return ready(job, selection, begins_s(selection), size_bytes, with_thumbnail=picture is not None)


def because(job: Job, error: Exception) -> ClipData:
    """The clip that failed, with its reason as a sentence; an error that is none of ours is a mistake, and logged."""
    if isinstance(error, R2StreamError):
        reason = str(error)
    else:
        _log.error("a clip could not be cut by a mistake", exc_info=error)
        reason = f"it could not be cut, by a mistake ({type(error).__name__}); see the log"
    return failed(job.data, f"{reason[:1].upper()}{reason[1:].removesuffix('.')}.")


def _explain(error: OSError, folder: ClipFolder) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left in {folder.path}: make room, or lower clips.max_bytes"
    return f"{folder.path} cannot be written ({error.strerror or error}); check clips.folder and its permissions"
