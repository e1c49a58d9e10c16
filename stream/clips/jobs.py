"""What is to be cut: from the moment of the log, or from a request, to media times of one connection."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from stream.clips.packets import Container, Selection
from stream.events import ClipData, Instant, MomentEvent, rfc3339
from stream.query import Rolls

SLACK_S: Final = 0.5
"""So much of a moment's beginning may be missing: less than anybody would miss."""


@dataclass(frozen=True)
class Job:
    """One clip that is still to be cut. Times are media time of one epoch of the stream."""

    data: ClipData
    created_s: float
    """Unix seconds."""
    epoch: int
    needed_s: tuple[float, float]
    """What the clip must show: the moment, or the time that was asked for."""
    wanted_s: tuple[float, float]
    """The same with what comes before and after it."""
    wall_offset_s: float
    """Unix time less media time."""
    until_s: float
    """Monotonic seconds at which it is cut with what is there."""

    @property
    def stream(self) -> str:
        return self.data.stream

    peak_s: float | None = None
    """Where the moment is most what was asked for; None where nobody knows."""

    @property
    def picture_s(self) -> float:
        """Where the thumbnail is taken: the peak, or else the middle."""
        start_s, end_s = self.needed_s
        here = self.peak_s is not None and start_s <= self.peak_s < end_s
        return self.peak_s if here and self.peak_s is not None else (start_s + end_s) / 2


def moment_job(event: MomentEvent, rolls: Rolls, *, now_s: float, until_s: float) -> Job | None:
    """The clip of a moment that has ended; None when its end is not known."""
    moment = event.data
    start_s, end_s = moment.start.media_time_s, moment.end.media_time_s
    if start_s is None or end_s is None or moment.start.time is None:
        return None
    offset_s = datetime.fromisoformat(moment.start.time).timestamp() - start_s
    wanted_s = (max(0.0, start_s - rolls.pre_roll_s), end_s + rolls.post_roll_s)
    data = _pending(moment.moment_id, moment.stream, wanted_s, offset_s)
    return Job(
        data=data.model_copy(update={"moment_id": moment.moment_id, "query": moment.query}),
        created_s=now_s,
        epoch=moment.epoch,
        needed_s=(start_s, end_s),
        wanted_s=wanted_s,
        wall_offset_s=offset_s,
        until_s=until_s,
        peak_s=None if moment.peak is None else moment.peak.media_time_s,
    )


def requested_job(
    clip_id: str,
    stream: str,
    epoch: int,
    wanted_s: tuple[float, float],
    wall_offset_s: float,
    *,
    now_s: float,
    until_s: float,
) -> Job:
    """A clip of a time that somebody asked for."""
    data = _pending(clip_id, stream, wanted_s, wall_offset_s)
    return Job(data, now_s, epoch, wanted_s, wanted_s, wall_offset_s, until_s)


def failed(data: ClipData, reason: str) -> ClipData:
    """The clip that will never be, and why."""
    gone = {"url": None, "thumbnail_url": None, "preview_url": None, "bytes": None}
    return data.model_copy(update={"state": "failed", "reason": reason, **gone})


def removed(data: ClipData, reason: str) -> ClipData:
    """The clip whose file retention has taken."""
    return failed(data, reason).model_copy(update={"state": "removed"})


def shown(job: Job, selection: Selection, container: Container, begin_s: float, size_bytes: int) -> ClipData:
    """The clip that is cut, with what it truly shows, and is not yet where it will be kept."""
    start, end = _instants((begin_s, selection.end_s), job.wall_offset_s, final=True)
    what = {
        "container": container,
        "start": start,
        "end": end,
        "bytes": size_bytes,
        "picture_rate_hz": selection.picture_rate_hz,
        "has_sound": selection.has_sound,
    }
    return job.data.model_copy(update=what)


def ready(data: ClipData, files: Collection[str]) -> ClipData:
    """The clip that is there, with the files it has, by their suffixes."""
    place = _place(data)
    done = {
        "state": "ready",
        "reason": None,
        "url": f"{place}/clip.{data.container}",
        "thumbnail_url": f"{place}/thumbnail.jpg" if "jpg" in files else None,
        "preview_url": f"{place}/preview.webp" if "webp" in files else None,
    }
    return data.model_copy(update=done)


def _place(data: ClipData) -> str:
    return f"/v1/moments/{data.moment_id}" if data.moment_id else f"/v1/clips/{data.clip_id}"


def _pending(clip_id: str, stream: str, wanted_s: tuple[float, float], offset_s: float) -> ClipData:
    start, end = _instants(wanted_s, offset_s, final=False)
    return ClipData(
        clip_id=clip_id,
        moment_id=None,
        stream=stream,
        query=None,
        state="pending",
        reason=None,
        url=None,
        thumbnail_url=None,
        container=None,
        start=start,
        end=end,
        bytes=None,
    )


def _instants(span_s: tuple[float, float], offset_s: float, *, final: bool) -> tuple[Instant, Instant]:
    start_s, end_s = span_s
    return (
        Instant(time=rfc3339(start_s + offset_s), media_time_s=round(start_s, 3), final=final),
        Instant(time=rfc3339(end_s + offset_s), media_time_s=round(end_s, 3), final=final),
    )
