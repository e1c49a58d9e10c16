"""The shapes of requests and answers, as the OpenAPI document shows them. JSON types are strict: `false` is no number.

Values are checked once more, and in relation to each other, by the rooms that own them (`Query.parse` and its like).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from stream.api.protocol import QueryState, QueryStatus, StreamState, StreamStatus
from stream.durations import parse_duration_s
from stream.query import MAX_TEXT_LENGTH
from stream.redact import HIDDEN, redact
from stream.section import NAME, nearest
from stream.types import Clock

Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$", description="chosen by the user")]
MAX_NAMES = 1000
MAX_URL_LENGTH = 4096


def _check_duration(value: object) -> object:
    if value is not None:
        parse_duration_s(value)
    return value


def _check_url(url: str) -> str:
    if HIDDEN in url:
        raise ValueError(f"holds {HIDDEN} where a secret was hidden; write the secret itself, or leave the url out")
    return url


Url = Annotated[str, AfterValidator(_check_url), Field(max_length=MAX_URL_LENGTH)]

Duration = Annotated[
    Any,
    PlainValidator(_check_duration),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}, {"type": "null"}],
            "description": "seconds, or text such as 5s, 500ms, 2m",
        }
    ),
]


class Body(BaseModel):
    """A mapping whose unknown keys are refused with a hint at the nearest valid one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, value: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                hint = nearest(str(key), known)
                raise PydanticCustomError("unknown_key", "unknown key; {hint}", {"key": str(key), "hint": hint})
        return value

    def given(self) -> dict[str, Any]:
        """What was sent, without defaults and without the name."""
        return self.model_dump(exclude_unset=True, exclude={"name"})


class StreamChanges(Body):
    """What of a stream can change; null resets a key to its default."""

    url: Url | None = None
    transport: Literal["tcp", "udp"] | None = None
    pace: Literal["realtime", "fast"] | None = None
    enabled: bool | None = None


class NewStream(StreamChanges):
    """A stream to watch from now on."""

    name: Name
    url: Url


class Threshold(Body):
    """Scores at which a moment opens and closes."""

    enter: float | None = Field(None, gt=0, le=1)
    exit: float | None = Field(None, gt=0, le=1)


class Rolls(Body):
    """How much a clip shows before its moment and after it."""

    pre_roll: Duration = None
    post_roll: Duration = None


class QueryChanges(Body):
    """What of a query can change; null resets a key to its default."""

    text: str | None = Field(None, max_length=MAX_TEXT_LENGTH)
    streams: list[Name] | None = Field(None, max_length=MAX_NAMES, description="null for every stream")
    threshold: Threshold | None = None
    min_duration: Duration = None
    max_duration: Duration = None
    merge_gap: Duration = None
    cooldown: Duration = None
    settle: Duration = None
    confirm_frames: int | None = Field(None, ge=1)
    clip: Rolls | bool | None = Field(None, description="false cuts no clips of its moments")
    enabled: bool | None = None
    deliver: list[Name] | None = Field(None, max_length=MAX_NAMES, description="sinks; null for every sink")


class NewQuery(QueryChanges):
    """A sentence to watch for from now on."""

    name: Name
    text: str = Field(max_length=MAX_TEXT_LENGTH)


class NewClip(Body):
    """A piece of a stream to cut out: both ends as times (RFC 3339), or both as media time in seconds."""

    stream: Name
    start: str | float
    end: str | float


class EventChoice(Body):
    """Which events of the log to answer with. Parameters arrive as text, hence not strict."""

    model_config = ConfigDict(strict=False)

    after: int = Field(0, ge=0, description="cursor of the last event already known")
    stream: list[Name] = Field([], max_length=MAX_NAMES, description="may be repeated; none for all")
    query: list[Name] = Field([], max_length=MAX_NAMES, description="may be repeated; none for all")
    limit: int = Field(100, ge=1, le=1000)


class EventSourceChoice(Body):
    """Which events to be sent. Parameters arrive as text, hence not strict."""

    model_config = ConfigDict(strict=False)

    after: int | None = Field(None, ge=0, description="cursor of the last event already known; none: from now on")
    stream: list[Name] = Field([], max_length=MAX_NAMES, description="may be repeated; none for all")
    query: list[Name] = Field([], max_length=MAX_NAMES, description="may be repeated; none for all")


class Subscribe(Body):
    """What a websocket client sends; it may be sent again to change what is received."""

    op: Literal["subscribe"]
    streams: list[Name] | None = Field(None, max_length=MAX_NAMES)
    queries: list[Name] | None = Field(None, max_length=MAX_NAMES)
    after: int | None = Field(None, ge=0)


class ClipsView(BaseModel):
    """Whether clips can be cut of a stream, and how much of it is held."""

    state: Literal["on", "off"]
    reason: str | None = Field(description="why none can be cut; while on, why the disk does not hold older video")
    held_s: float
    held_bytes: int = Field(description="in memory")
    disk_bytes: int


class StreamView(BaseModel):
    """One stream and how it is doing."""

    name: str
    url: str = Field(description="with its secrets hidden")
    transport: Literal["tcp", "udp"] | None
    pace: Literal["realtime", "fast"]
    enabled: bool
    state: StreamState
    reason: str | None
    since: datetime | None
    epoch: int | None
    frames: int
    clock: Clock | None
    frame_age_s: float | None
    clips: ClipsView

    @classmethod
    def of(cls, status: StreamStatus) -> Self:
        """What the API shows of a stream."""
        return cls.model_validate({**vars(status), "url": redact(status.url), "clips": vars(status.clips)})


class StreamList(BaseModel):
    """Every stream."""

    streams: list[StreamView]


class ThresholdView(BaseModel):
    """Scores at which a moment opens and closes."""

    enter: float
    exit: float


class RollsView(BaseModel):
    """How much a clip shows before its moment and after it, in seconds."""

    pre_roll: float
    post_roll: float


class QueryView(BaseModel):
    """One standing query and how it is doing; durations in seconds."""

    name: str
    text: str
    streams: list[str] | None
    threshold: ThresholdView
    min_duration: float
    max_duration: float
    merge_gap: float
    cooldown: float
    settle: float
    confirm_frames: int
    clip: RollsView | bool
    enabled: bool
    deliver: list[str] | None
    state: QueryState
    reason: str | None
    since: datetime | None

    @classmethod
    def of(cls, status: QueryStatus) -> Self:
        """What the API shows of a query."""
        condition = {"state": status.state, "reason": status.reason, "since": status.since}
        return cls.model_validate({"name": status.query.name, **status.query.to_mapping(), **condition})


class QueryList(BaseModel):
    """Every query."""

    queries: list[QueryView]
