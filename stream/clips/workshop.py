"""Makes the files of clips and brings them to where they are kept, in threads of its own, so that whoever decides about
clips never waits for one.

A clip that is begun comes back once, as ready or as failed with a reason; before that it may come back as still
pending, with what holds it up.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from stream.clips.cutter import CutError, begins_s, cut
from stream.clips.folder import ClipFolder
from stream.clips.jobs import Job, failed, ready, removed, shown
from stream.clips.packets import Selection
from stream.clips.preview import preview
from stream.clips.thumbnail import thumbnail
from stream.clips.uploads import Uploads
from stream.clips.workers import Workers
from stream.errors import R2StreamError, TargetError
from stream.events import ClipData
from stream.metrics import Metrics
from stream.store import ClipRecord

PREVIEW_S: Final = 0.5
"""A clip waits no longer for its preview, and goes without: a machine that is busy draws none."""
UNDRAWN: Final = 8
NICENESS: Final = 10
"""Of what may take long: streams that are watched come first."""
WAITING: Final = 8
"""Selections that may wait to be cut: each keeps its packets in memory when the ring has let them go."""
_log = logging.getLogger(__name__)


class Workshop:
    """The stages from packets to a file. Its methods are called by one thread."""

    def __init__(
        self, folder: ClipFolder, metrics: Metrics, wake: Callable[[], None], uploads: Uploads | None = None
    ) -> None:
        """Files are made in `folder` and stay there, unless there are `uploads`. `wake` is called, from any thread,
        when there is something to `take`."""
        self._folder = folder
        self._metrics = metrics
        self._wake = wake
        self._uploads = uploads
        self._cutters = Workers("clips.cut", threads=1, capacity=WAITING)
        self._drawers = Workers("clips.preview", threads=1, capacity=UNDRAWN, niceness=NICENESS)
        self._lock = threading.Lock()
        self._undrawn: dict[str, tuple[float, ClipRecord]] = {}
        """Clips that are cut and wait for their preview, until when at most."""
        self._made: deque[tuple[ClipRecord, bool]] = deque()
        """And whether that is the last that is heard of a clip which was begun."""
        self._begun = 0
        self._stuck: set[str] = set()
        self._leaving: dict[str, tuple[ClipRecord, str]] = {}
        """Clips that are to be removed, why, until that is known to the store."""
        self._unread: list[str] = []
        """Those of them that somebody reads still, or whose removal did not begin."""

    @property
    def busy(self) -> int:
        """How many clips are begun and not taken."""
        return self._begun

    @property
    def stuck(self) -> int:
        """How many of them wait for a place that does not answer."""
        return len(self._stuck)

    @property
    def has_room(self) -> bool:
        """Whether another clip can be begun now."""
        return self._cutters.has_room

    def begin(self, job: Job, select: Callable[[], Selection]) -> bool:
        """Make a clip of the packets that `select` gives, which may wait for the disk; False when there is no room now.

        Raises CutError when it cannot be made.
        """
        if self._uploads is not None and (reason := self._uploads.refusal()):
            raise CutError(reason)
        if not self._cutters.offer(partial(self._finish, job, select)):
            return False
        self._begun += 1
        return True

    def take_over(self, records: Iterable[ClipRecord]) -> list[ClipRecord]:
        """Go on with the clips of an earlier process whose files wait to be uploaded; returns the others.

        What else it left behind, half written or for no clip, is removed.
        """
        others: list[ClipRecord] = []
        resumed: list[ClipRecord] = []
        for record in records:
            (resumed if self._is_staged(record.data) else others).append(record)
        try:
            self._folder.clear_parts()
            if self._uploads is not None:
                self._folder.keep_only({record.data.clip_id for record in resumed})
        except OSError as error:
            _log.warning("the folder of clips cannot be tidied: %s", error)
        for record in resumed:
            self._begun += 1
            self._keep(record.data, record.created_s)
        return others

    def _is_staged(self, data: ClipData) -> bool:
        here = self._uploads is not None and data.state == "pending"
        return here and data.container in self._folder.kinds(data.clip_id)

    def take(self) -> list[ClipRecord]:
        """What is new about clips since the last time."""
        taken: list[ClipRecord] = []
        while self._made:
            record, last = self._made.popleft()
            self._begun -= last
            taken.append(record)
            if last:
                self._stuck.discard(record.data.clip_id)
            elif record.data.reason and record.data.state == "pending":
                self._stuck.add(record.data.clip_id)
            if record.data.state == "removed":
                self._leaving.pop(record.data.clip_id, None)
        for clip_id, (until_s, _) in list(self._undrawn.items()):
            if time.monotonic() >= until_s:
                self._go_on(clip_id, "late")
        self._remove_unread()
        return taken

    @property
    def leaving(self) -> Mapping[str, int]:
        """How large each of the clips is that are being removed."""
        return {clip_id: record.data.bytes or 0 for clip_id, (record, _) in self._leaving.items()}

    def remove(self, record: ClipRecord, reason: str) -> None:
        """Remove the files of a clip as soon as nobody reads them; it comes back as removed, with this reason.

        Raises OSError when the local disk does not do its part.
        """
        self._leaving[record.data.clip_id] = (record, reason)
        self._unread.append(record.data.clip_id)
        self._remove_unread()

    def stop(self, timeout_s: float) -> bool:
        """Begin nothing more; says whether what was being done ended in time."""
        ended = self._cutters.stop(timeout_s) & self._drawers.stop(timeout_s)
        return (self._uploads is None or self._uploads.stop(timeout_s)) and ended

    def _finish(self, job: Job, select: Callable[[], Selection]) -> None:
        """Cut a clip; whatever goes wrong becomes its reason."""
        try:
            with self._metrics.clip_seconds.time():
                selection = select()
                data = self._cut(job, selection)
        except OSError as error:
            data = because(job.data, CutError(_explain(error, self._folder)))
        except Exception as error:
            data = because(job.data, error)
        if data.state == "failed":
            self._give(ClipRecord(data, job.created_s, told=False), last=True)
            return
        record = ClipRecord(data, job.created_s, told=False)
        self._undrawn[data.clip_id] = (time.monotonic() + PREVIEW_S, record)
        if not self._drawers.offer(partial(self._draw, job, selection)):
            self._go_on(data.clip_id, "late")

    def _draw(self, job: Job, selection: Selection) -> None:
        clip_id = job.data.clip_id
        if clip_id not in self._undrawn:
            return
        picture: bytes | None = None
        try:
            with self._metrics.clip_preview_seconds.time():
                picture = preview(selection, job.needed_s)
        except Exception:
            _log.exception("the preview of the clip %s could not be drawn by a mistake", clip_id)
        self._go_on(clip_id, "failed" if picture is None else "drawn", picture)

    def _go_on(self, clip_id: str, result: str, picture: bytes | None = None) -> None:
        """With the preview of a clip, or without: whoever comes first, who draws it or who will not wait."""
        with self._lock:
            waiting = self._undrawn.pop(clip_id, None)
        if waiting is None:
            return
        self._metrics.clip_previews.labels(result).inc()
        if picture is not None:
            try:
                self._folder.write(picture, self._folder.preview(clip_id))
            except OSError as error:
                _log.warning("the preview of the clip %s could not be written: %s", clip_id, error)
        _, record = waiting
        self._keep(record.data, record.created_s)

    def _cut(self, job: Job, selection: Selection) -> ClipData:
        clip_id = job.data.clip_id
        part = self._folder.part(clip_id)
        cut(selection, part)
        size_bytes = part.stat().st_size
        picture = thumbnail(selection, job.picture_s)
        if picture is not None:
            self._folder.write(picture, self._folder.thumbnail(clip_id))
        container = selection.tracks.container
        assert container is not None, "the cutter refuses what has none"
        self._folder.publish(part, self._folder.video(clip_id, container))
        return shown(job, selection, container, begins_s(selection), size_bytes)

    def _keep(self, data: ClipData, created_s: float) -> None:
        """The files of a clip are whole: bring them to where they stay."""
        kinds = self._folder.kinds(data.clip_id)
        done = ready(data, kinds)
        if self._uploads is None:
            self._give(ClipRecord(done, created_s, told=False), last=True)
            return

        def end(error: TargetError | None) -> None:
            self._give(ClipRecord(done if error is None else because(data, error), created_s, told=False), last=True)

        def delayed(reason: str) -> None:
            waiting = data.model_copy(update={"reason": f"It waits to be uploaded: {reason}."})
            self._give(ClipRecord(waiting, created_s, told=False), last=False)

        self._give(ClipRecord(data, created_s, told=False), last=False)
        self._uploads.put(data.clip_id, kinds, end, delayed)

    def _remove_unread(self) -> None:
        for clip_id in list(self._unread):
            if self._uploads is None:
                self._folder.remove(clip_id)
                self._removed(clip_id, None)
            elif not self._uploads.target.leave(clip_id):
                continue
            elif not self._uploads.remove(clip_id, partial(self._removed, clip_id)):
                return
            self._unread.remove(clip_id)

    def _removed(self, clip_id: str, error: TargetError | None) -> None:
        record, reason = self._leaving[clip_id]
        if error is not None:
            _log.warning("the clip %s could not be removed yet: %s", clip_id, error)
            self._unread.append(clip_id)
            return
        self._give(ClipRecord(removed(record.data, reason), record.created_s, record.told), last=False)
        if self._uploads is not None:
            self._uploads.target.forget(clip_id)

    def _give(self, record: ClipRecord, *, last: bool) -> None:
        self._made.append((record, last))
        self._wake()


def because(data: ClipData, error: Exception) -> ClipData:
    """The clip that failed, with its reason as a sentence; an error that is none of ours is a mistake, and logged."""
    if isinstance(error, R2StreamError):
        reason = str(error)
    else:
        _log.error("a clip could not be cut by a mistake", exc_info=error)
        reason = f"it could not be cut, by a mistake ({type(error).__name__}); see the log"
    return failed(data, f"{reason[:1].upper()}{reason[1:].removesuffix('.')}.")


def _explain(error: OSError, folder: ClipFolder) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left in {folder.path}: make room, or lower clips.max_bytes"
    return f"{folder.path} cannot be written ({error.strerror or error}); check clips.folder and its permissions"
