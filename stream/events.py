"""The messages of the wire: CloudEvents 1.0 in structured JSON, the same body on every sink.

An event is written to the log, which gives it its `cursor`, before anything is sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter

from stream.lifecycle import EndReason, EventKind, State
from stream.moment_update import MomentUpdate
from stream.types import Clock

Score = Annotated[float, Field(ge=0, le=1)]
MomentState = Literal["open", "ending", "ended", "retracted"]
StreamStateName = Literal["online", "offline", "stalled"]
MomentEventType = Literal[
    "r2stream.moment.started", "r2stream.moment.updated", "r2stream.moment.ended", "r2stream.moment.retracted"
]
ClipEventType = Literal["r2stream.clip.ready", "r2stream.clip.failed"]
ReelEventType = Literal["r2stream.reel.ready", "r2stream.reel.failed"]
StreamEventType = Literal["r2stream.stream.online", "r2stream.stream.offline", "r2stream.stream.stalled"]


class _Body(BaseModel):
    """Frozen; unknown fields are ignored, so that an older reader understands a newer writer."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Instant(_Body):
    """One end of a moment."""

    time: str | None
    """RFC 3339, UTC, milliseconds; None while unknown."""
    media_time_s: float | None
    final: bool
    """True once it will never change."""


ClipState = Literal["none", "pending", "ready", "failed", "removed"]
"""`pending` until the moment has ended and the file is complete; `removed` once retention has taken the file."""


class ClipInfo(_Body):
    """The video file cut out for a moment, if one is asked for."""

    state: ClipState = "none"
    url: str | None = None


class MomentData(_Body):
    """A moment as it is known at one revision."""

    moment_id: str
    """Stable: every event of the moment carries it."""
    revision: int = Field(ge=1)
    """Grows by one with each event of the moment."""
    state: MomentState
    stream: str
    query: str
    epoch: int = 0
    """Which connection of the stream its media times belong to."""
    text: str
    score: Score
    start: Instant
    end: Instant
    clock: Clock
    onset_to_alert_s: float | None
    """None when the moment began before the query watched the stream."""
    backfilled: bool
    """It began before the query watched the stream: found in the window already held."""
    reason: EndReason | None
    """Why the moment ended or was retracted."""
    model: str
    peak: Instant | None = None
    """Where it is most what was asked for, as far as that is known."""
    clip: ClipInfo = ClipInfo()
    thumbnail_url: str | None = None
    preview_url: str | None = None


class ClipData(_Body):
    """A clip: the video file of a moment, or of a time that somebody asked for."""

    clip_id: str
    """A moment's clip has the moment's id."""
    moment_id: str | None
    stream: str
    query: str | None
    state: ClipState
    reason: str | None
    """Why there is no file; None when there is one, or will be."""
    url: str | None
    thumbnail_url: str | None
    preview_url: str | None = None
    container: Literal["mp4", "webm"] | None
    start: Instant
    """What the file shows from, or was asked for while there is none; final once it is ready."""
    end: Instant
    bytes: int | None
    picture_rate_hz: float | None = None
    """Pictures per second of the file, on average; None while there is none."""
    has_sound: bool | None = None


ReelState = Literal["pending", "ready", "failed", "removed"]
CutOrder = Literal["time", "score"]


class ReelWish(_Body):
    """What a reel is to show: the best moments of some time."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: str | None = Field(default=None, validation_alias=AliasChoices("from", "since"), serialization_alias="from")
    """RFC 3339; moments that begin then or later."""
    until: str | None = Field(default=None, validation_alias=AliasChoices("to", "until"), serialization_alias="to")
    """Moments that begin before."""
    timezone: str = "UTC"
    """In which chapters tell times of day."""
    streams: tuple[str, ...] | None = None
    """None: every stream, or every query."""
    queries: tuple[str, ...] | None = None
    min_score: Score = 0.0
    best: int
    """At most so many moments."""
    max_length: float | None = None
    """At most so many seconds."""
    order: CutOrder = "time"


class ReelChapter(_Body):
    """Where a moment is in a reel."""

    start_s: float
    moment_id: str
    stream: str
    query: str
    text: str
    score: Score
    time: str | None
    """When the moment began."""


class LeftOut(_Body):
    """A moment that was chosen and is not in the reel."""

    moment_id: str
    reason: str


class ReelData(_Body):
    """A reel: one video file of the best moments of some time, joined from their clips."""

    reel_id: str
    state: ReelState
    reason: str | None = None
    """Why there is no file; None when there is one, or will be."""
    url: str | None = None
    container: Literal["mp4", "webm"] | None = None
    length_s: float | None = None
    bytes: int | None = None
    progress: float | None = None
    """From 0 to 1, while it is pending."""
    wish: ReelWish
    chapters: tuple[ReelChapter, ...] = ()
    """The moments that it shows, in its order."""
    left_out: tuple[LeftOut, ...] = ()


class StreamData(_Body):
    """A stream's new state."""

    stream: str
    state: StreamStateName
    cause: str | None
    """One word for programs."""
    reason: str | None
    """One sentence for people; None when online."""


class _Envelope(_Body):
    """What CloudEvents asks of every event."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(max_length=64)
    """Unique; a consumer that sees it twice has seen the same event twice."""
    source: str
    time: str
    cursor: int | None = None
    """Its place in the event log; None before it is written there."""

    def with_cursor(self, cursor: int) -> Self:
        """The same event at its place in the log."""
        return self.model_copy(update={"cursor": cursor})

    def to_json(self) -> str:
        """The body as every sink sends it."""
        return self.model_dump_json()


class MomentEvent(_Envelope):
    """Something became known about a moment."""

    type: MomentEventType
    data: MomentData


class ClipEvent(_Envelope):
    """A clip is complete, or will never be."""

    type: ClipEventType
    data: ClipData


class ReelEvent(_Envelope):
    """A reel is complete, or will never be. It is about no stream and no query alone."""

    type: ReelEventType
    data: ReelData


class StreamEvent(_Envelope):
    """A stream's state changed."""

    type: StreamEventType
    data: StreamData


Event = MomentEvent | ClipEvent | ReelEvent | StreamEvent

_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])

_MOMENT_TYPES: dict[EventKind, MomentEventType] = {
    "started": "r2stream.moment.started",
    "updated": "r2stream.moment.updated",
    "ended": "r2stream.moment.ended",
    "retracted": "r2stream.moment.retracted",
}
_STREAM_TYPES: dict[StreamStateName, StreamEventType] = {
    "online": "r2stream.stream.online",
    "offline": "r2stream.stream.offline",
    "stalled": "r2stream.stream.stalled",
}
_MOMENT_STATES: dict[State, MomentState] = {
    State.OPEN: "open",
    State.ENDING: "ending",
    State.ENDED: "ended",
    State.RETRACTED: "retracted",
}


def decode_event(body: str | bytes) -> Event:
    """The event in a JSON text. Raises pydantic's ValidationError, a ValueError, when it is none."""
    return _EVENT.validate_json(body)


def event_schema() -> dict[str, Any]:
    """The JSON Schema of every event."""
    return _EVENT.json_schema(mode="serialization")


def rfc3339(time_s: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds, such as `2025-01-02T03:04:05.678Z`."""
    return datetime.fromtimestamp(round(time_s, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_event(update: MomentUpdate, *, text: str, model: str, time_s: float, with_clip: bool = False) -> MomentEvent:
    """The event for one revision of a moment, emitted at Unix time `time_s`; `with_clip` when one will be cut."""
    pending = with_clip and update.state is not State.RETRACTED
    data = MomentData(
        moment_id=update.moment_id,
        revision=update.revision,
        state=_MOMENT_STATES[update.state],
        stream=update.stream,
        query=update.query,
        epoch=update.epoch,
        text=text,
        score=round(update.score, 4),
        start=_instant(update.start_s, update, update.start_final),
        end=_instant(update.end_s, update, update.end_final),
        clock=update.clock,
        onset_to_alert_s=None if update.onset_to_alert_s is None else round(update.onset_to_alert_s, 3),
        backfilled=update.backfilled,
        reason=update.reason,
        model=model,
        peak=None if update.peak_s is None else _instant(update.peak_s, update, update.end_final),
        clip=ClipInfo(state="pending") if pending else ClipInfo(),
    )
    return MomentEvent(
        id=f"{update.moment_id}.{update.revision}",
        source=f"/streams/{update.stream}",
        type=_MOMENT_TYPES[update.kind],
        time=rfc3339(time_s),
        data=data,
    )


def with_clip(event: MomentEvent, clip: ClipData) -> MomentEvent:
    """The same event, with what is known of the moment's clip now."""
    info = ClipInfo(state=clip.state, url=clip.url)
    pictures = {"thumbnail_url": clip.thumbnail_url, "preview_url": clip.preview_url}
    data = event.data.model_copy(update={"clip": info, **pictures})
    return event.model_copy(update={"data": data})


def clip_event(data: ClipData, *, time_s: float) -> ClipEvent:
    """The event for a clip that is `ready` or has `failed`, at Unix time `time_s`. A clip has one such event."""
    return ClipEvent(
        id=f"clip-{data.clip_id}"[:64],
        source=f"/streams/{data.stream}",
        type="r2stream.clip.ready" if data.state == "ready" else "r2stream.clip.failed",
        time=rfc3339(time_s),
        data=data,
    )


def reel_event(data: ReelData, *, time_s: float) -> ReelEvent:
    """The event for a reel that is `ready` or has `failed`, at Unix time `time_s`. A reel has one such event."""
    return ReelEvent(
        id=f"reel-{data.reel_id}"[:64],
        source=f"/reels/{data.reel_id}",
        type="r2stream.reel.ready" if data.state == "ready" else "r2stream.reel.failed",
        time=rfc3339(time_s),
        data=data,
    )


def stream_of(event: Event) -> str | None:
    """The stream that an event is about."""
    return None if isinstance(event, ReelEvent) else event.data.stream


def query_of(event: Event) -> str | None:
    """The query that an event is about."""
    return event.data.query if isinstance(event, MomentEvent | ClipEvent) else None


def stream_event(
    stream: str, state: StreamStateName, *, time_s: float, cause: str | None = None, reason: str | None = None
) -> StreamEvent:
    """The event for a stream's new state, at Unix time `time_s`."""
    return StreamEvent(
        id=uuid4().hex,
        source=f"/streams/{stream}",
        type=_STREAM_TYPES[state],
        time=rfc3339(time_s),
        data=StreamData(stream=stream, state=state, cause=cause, reason=reason),
    )


def unix_s(instant: Instant) -> float | None:
    """When that was, in Unix seconds; None while nobody knows."""
    return None if instant.time is None else datetime.fromisoformat(instant.time).timestamp()


def _instant(media_time_s: float | None, update: MomentUpdate, final: bool) -> Instant:
    if media_time_s is None:
        return Instant(time=None, media_time_s=None, final=final)
    time = rfc3339(media_time_s + update.wall_offset_s)
    return Instant(time=time, media_time_s=round(media_time_s, 3), final=final)
