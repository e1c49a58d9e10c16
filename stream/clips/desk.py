"""What the API asks of the clips: how one is doing, where its files are, and a clip of any time that is held."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn
from uuid import uuid4

from stream.clips.clocks import Clocks
from stream.clips.folder import ClipFolder, Kind
from stream.clips.jobs import requested_job
from stream.clips.packets import Container
from stream.clips.planner import GRACE_S
from stream.clips.remote import RemoteFile, RemoteFolder
from stream.clips.ring import PacketRing
from stream.clips.rings import Rings
from stream.clips.writer import ClipWriter
from stream.errors import ConfigError, ConflictError, NotFoundError
from stream.events import ClipData, MomentEvent
from stream.store import Store

MAX_CLIP_S: Final = 600.0
MAX_AHEAD_S: Final = 300.0
"""How far in the future the end of a clip may lie."""

Time = str | float
"""RFC 3339 with a time zone, or media time in seconds of the stream's newest connection."""


class ClipDesk:
    """Implements `stream.api.protocol.Clips`. Methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        rings: Rings,
        folder: ClipFolder | RemoteFolder,
        writer: ClipWriter,
        clocks: Clocks | None = None,
    ) -> None:
        """`folder` is where clips are kept in the end."""
        self._store = store
        self._rings = rings
        self._folder = folder
        self._writer = writer
        self._clocks = clocks or Clocks()

    def get(self, clip_id: str) -> ClipData:
        """How a clip is doing. Raises NotFoundError, and ConflictError while a moment's clip is not begun."""
        record = self._store.clips.find(clip_id)
        return self._not_begun(clip_id) if record is None else record.data

    def video(self, clip_id: str, container: Container) -> Path | RemoteFile:
        """A clip's file. Raises ConflictError while it is pending, and NotFoundError when there is none."""
        data = self._ready(clip_id)
        if data.container != container:
            raise NotFoundError(f"the clip '{clip_id}' is {data.container}: {data.url}")
        return self._open(clip_id, container, data.bytes)

    def thumbnail(self, clip_id: str) -> Path | RemoteFile:
        """A clip's picture; raises as `video` does."""
        data = self._ready(clip_id)
        if data.thumbnail_url is None:
            raise NotFoundError(f"no picture of the clip '{clip_id}' could be decoded")
        return self._open(clip_id, "jpg")

    def preview(self, clip_id: str) -> Path | RemoteFile:
        """A clip's moving picture; raises as `video` does."""
        data = self._ready(clip_id)
        if data.preview_url is None:
            raise NotFoundError(f"no preview of the clip '{clip_id}' was drawn: the machine was busy, or could not")
        return self._open(clip_id, "webp")

    def request(self, stream: str, start: Time, end: Time) -> ClipData:
        """A new clip of a stream, which is cut as soon as its last packet is there.

        Raises ConfigError for a time that cannot be, ConflictError when nothing is held or too many clips wait.
        """
        ring = self._rings.find(stream)
        epoch = None if ring is None else ring.newest_epoch
        if ring is None or epoch is None:
            raise ConflictError(f"no video of the stream '{stream}' has come yet; try again", code="no_video")
        now_s = self._clocks.wall_time_s()
        if isinstance(start, str) and isinstance(end, str):
            epoch, wanted_s = _media_times(ring, _unix_s(start, "start"), _unix_s(end, "end"))
            if _unix_s(end, "end") > now_s + MAX_AHEAD_S:
                raise ConfigError(f"must be at most {MAX_AHEAD_S:g} s from now", path="end")
        elif isinstance(start, str) or isinstance(end, str):
            raise ConfigError("must be written as the start is: both as times, or both as media time", path="end")
        else:
            wanted_s = (start, end)
        length_s = wanted_s[1] - wanted_s[0]
        if not 0 < length_s <= MAX_CLIP_S:
            raise ConfigError(f"must lie after the start, at most {MAX_CLIP_S:g} s", path="end")
        job = requested_job(
            uuid4().hex,
            stream,
            epoch,
            wanted_s,
            ring.wall_offset_s(epoch) or 0.0,
            now_s=now_s,
            until_s=self._clocks.monotonic_s() + length_s + MAX_AHEAD_S + GRACE_S,
        )
        if not self._writer.submit(job):
            raise ConflictError("too many clips are waiting to be cut; try again later", code="too_many_clips")
        return job.data

    def _not_begun(self, moment_id: str) -> NoReturn:
        event = self._store.moment(moment_id)
        if isinstance(event, MomentEvent) and event.data.clip.state == "pending":
            raise ConflictError(f"the moment '{moment_id}' is not over yet; try again", code="clip_pending")
        reason = "its query has clip: false, or its stream has no video to cut from"
        raise NotFoundError(f"no clip was cut of the moment '{moment_id}': {reason}", code="no_clip")

    def _open(self, clip_id: str, kind: Kind, size_bytes: int | None = None) -> Path | RemoteFile:
        if isinstance(self._folder, RemoteFolder):
            return self._folder.open(clip_id, kind, size_bytes)
        path = self._folder.file(clip_id, kind)
        if not path.is_file():
            raise NotFoundError(f"somebody has removed the file of the clip '{clip_id}'", code="clip_removed")
        return path

    def _ready(self, clip_id: str) -> ClipData:
        data = self.get(clip_id)
        if data.state == "pending":
            why = f" ({data.reason.removesuffix('.')})" if data.reason else ""
            raise ConflictError(f"the clip '{clip_id}' is not ready yet{why}; try again", code="clip_pending")
        if data.state != "ready":
            raise NotFoundError(data.reason or f"the clip '{clip_id}' has no file", code=f"clip_{data.state}")
        return data


def _media_times(ring: PacketRing, start_s: float, end_s: float) -> tuple[int, tuple[float, float]]:
    place = ring.media_time(start_s)
    if place is None:
        raise ConflictError("the stream's wall time is not known yet; try again", code="no_video")
    epoch, media_s = place
    return epoch, (media_s, media_s + end_s - start_s)


def _unix_s(text: str, path: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ConfigError("must be a time such as 2025-01-02T03:04:05Z, or media time in seconds", path=path)
    return time.timestamp()
