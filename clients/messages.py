"""What the server says, as plain typed values. Fields a newer server adds are kept in `raw` and otherwise ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar

from .errors import ClientError

Json = Mapping[str, Any]
_T = TypeVar("_T")


class Threshold(TypedDict, total=False):
    """Scores at which a moment opens and closes, both in [0, 1]."""

    enter: float
    exit: float


class Rolls(TypedDict, total=False):
    """How much a clip shows before its moment and after it; seconds, or text such as `"500ms"`."""

    pre_roll: float | str
    post_roll: float | str


class QueryOptions(TypedDict, total=False):
    """Everything about a query but its name and text. Durations are seconds, or text such as `"500ms"`."""

    streams: list[str]
    threshold: Threshold
    min_duration: float | str
    max_duration: float | str
    merge_gap: float | str
    cooldown: float | str
    settle: float | str
    confirm_frames: int
    clip: Rolls | bool
    """False cuts no clips of its moments."""
    enabled: bool
    deliver: list[str]
    """Sinks that get its events, instead of every sink."""


class QueryChanges(QueryOptions, total=False):
    """What can be changed about a query: all but its name."""

    text: str


class StreamOptions(TypedDict, total=False):
    """Everything about a stream but its name and address."""

    transport: Literal["tcp", "udp"]
    """How RTSP carries its media."""
    pace: Literal["realtime", "fast"]
    """How fast a recording is played."""
    enabled: bool


class StreamChanges(StreamOptions, total=False):
    """What can be changed about a stream: all but its name."""

    url: str


@dataclass(frozen=True)
class Instant:
    """One end of a moment; `final` means that it will never change."""

    time: datetime | None
    media_time_s: float | None
    final: bool


@dataclass(frozen=True)
class Moment:
    """An interval that answers a query. The same `moment_id` comes again with a higher `revision` as it changes."""

    moment_id: str
    revision: int
    state: str
    stream: str
    query: str
    text: str
    score: float
    start: Instant
    end: Instant
    clock: str
    onset_to_alert_s: float | None
    """None for a moment that had begun before the query came."""
    backfilled: bool
    """It was found in what the server had seen before the query came."""
    reason: str | None
    """Why it is over, or was withdrawn; None while it is neither."""
    peak: Instant | None
    """Where it is most what was asked for, as far as that is known."""


@dataclass(frozen=True)
class Clip:
    """A video file, of a moment or of a time that was asked for. A moment's clip has the moment's id."""

    clip_id: str
    moment_id: str | None
    stream: str
    query: str | None
    state: str
    """`pending`, `ready`, `failed` or `removed`."""
    reason: str | None
    """Why there is no file; None when there is one, or will be."""
    url: str | None
    """Where the server answers with the file, once it is ready."""
    thumbnail_url: str | None
    preview_url: str | None
    """A small moving picture, as animated WebP."""
    start: Instant
    """What the file shows from; while there is none, what was asked for."""
    end: Instant
    bytes: int | None


@dataclass(frozen=True)
class StreamInfo:
    """One stream and how it is doing; `reason` says what is wrong when it is not online."""

    name: str
    url: str
    state: str
    reason: str | None
    since: datetime | None
    epoch: int | None
    frames: int
    clock: str | None
    frame_age_s: float | None
    raw: Json = field(repr=False, compare=False)


@dataclass(frozen=True)
class QueryInfo:
    """One standing query and how it is doing."""

    name: str
    text: str
    streams: tuple[str, ...] | None
    enabled: bool
    state: str
    reason: str | None
    raw: Json = field(repr=False, compare=False)


@dataclass(frozen=True)
class SinkInfo:
    """One way out of the server, such as a webhook; `reason` says what is wrong when it is not delivering."""

    name: str
    type: str
    state: str
    reason: str | None
    since: datetime
    cursor: int
    """Of the last event that is delivered, or need not be."""
    lag: int
    """How many events the log holds after it."""
    last_delivery: datetime | None
    dead_letters: int
    """Events that were given up, and can be delivered again with `redeliver`."""
    raw: Json = field(repr=False, compare=False)


def as_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """A list of names; a bare string is refused, for it would be taken letter by letter."""
    if isinstance(names, str):
        raise ClientError("invalid", f"Names are given as a list: [{names!r}] rather than {names!r}.")
    return None if names is None else tuple(names)


def parse_stream(body: Json) -> StreamInfo:
    """One stream's state."""
    since = body.get("since")
    return StreamInfo(
        name=_get(body, "name", str),
        url=_get(body, "url", str),
        state=_get(body, "state", str),
        reason=body.get("reason"),
        since=None if since is None else _time(since),
        epoch=body.get("epoch"),
        frames=_get(body, "frames", int),
        clock=body.get("clock"),
        frame_age_s=body.get("frame_age_s"),
        raw=body,
    )


def parse_query(body: Json) -> QueryInfo:
    """One query and its state."""
    streams = body.get("streams")
    return QueryInfo(
        name=_get(body, "name", str),
        text=_get(body, "text", str),
        streams=None if streams is None else tuple(streams),
        enabled=_get(body, "enabled", bool),
        state=_get(body, "state", str),
        reason=body.get("reason"),
        raw=body,
    )


def parse_clip(data: Json) -> Clip:
    """One clip and how it is doing."""
    return Clip(
        clip_id=_get(data, "clip_id", str),
        moment_id=data.get("moment_id"),
        stream=_get(data, "stream", str),
        query=data.get("query"),
        state=_get(data, "state", str),
        reason=data.get("reason"),
        url=data.get("url"),
        thumbnail_url=data.get("thumbnail_url"),
        preview_url=data.get("preview_url"),
        start=_parse_instant(_get(data, "start", dict)),
        end=_parse_instant(_get(data, "end", dict)),
        bytes=data.get("bytes"),
    )


def parse_sink(body: Json) -> SinkInfo:
    """One sink's state."""
    last_delivery = body.get("last_delivery")
    return SinkInfo(
        name=_get(body, "name", str),
        type=_get(body, "type", str),
        state=_get(body, "state", str),
        reason=body.get("reason"),
        since=_time(_get(body, "since", str)),
        cursor=_get(body, "cursor", int),
        lag=_get(body, "lag", int),
        last_delivery=None if last_delivery is None else _time(last_delivery),
        dead_letters=_get(body, "dead_letters", int),
        raw=body,
    )


def _parse_moment(data: Json) -> Moment:
    return Moment(
        moment_id=_get(data, "moment_id", str),
        revision=_get(data, "revision", int),
        state=_get(data, "state", str),
        stream=_get(data, "stream", str),
        query=_get(data, "query", str),
        text=_get(data, "text", str),
        score=float(_get(data, "score", (int, float))),
        start=_parse_instant(_get(data, "start", dict)),
        end=_parse_instant(_get(data, "end", dict)),
        clock=_get(data, "clock", str),
        onset_to_alert_s=data.get("onset_to_alert_s"),
        backfilled=bool(data.get("backfilled")),
        reason=data.get("reason"),
        peak=_parse_instant(data["peak"]) if data.get("peak") else None,
    )


def _parse_instant(body: Json) -> Instant:
    time = body.get("time")
    return Instant(None if time is None else _time(time), body.get("media_time_s"), _get(body, "final", bool))


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ClientError("protocol", f"The server sent {text!r} where a time was expected.") from error


def _get(body: Json, key: str, kind: type[_T] | tuple[type[_T], ...]) -> _T:
    value = body.get(key) if isinstance(body, Mapping) else None
    if not isinstance(value, kind):
        raise ClientError("protocol", f"The server sent a message whose {key!r} is missing or of another type.")
    return value
