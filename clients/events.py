"""Events of the log, and what a sink could not deliver of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .messages import Clip, Json, Moment, _get, _parse_moment, _time, parse_clip
from .reels import Reel, parse_reel


@dataclass(frozen=True)
class Event:
    """One message of the log. `cursor` says where to go on from; `kind` is for example `moment.started`."""

    cursor: int
    id: str
    kind: str
    time: datetime
    stream: str
    """Empty for a reel."""
    moment: Moment | None
    clip: Clip | None
    """What a `clip.ready` or `clip.failed` is about."""
    reel: Reel | None
    """What a `reel.ready` or `reel.failed` is about."""
    raw: Json = field(repr=False, compare=False)

    @property
    def data(self) -> Json:
        """The event's data as it was sent."""
        data: Json = self.raw["data"]
        return data


@dataclass(frozen=True)
class EventPage:
    """Some events of the log."""

    events: tuple[Event, ...]
    next: int
    """Cursor after which the next page begins; there is none yet when it equals `latest`."""
    latest: int
    """Cursor of the newest event."""
    missed: bool
    """Events after the cursor that was asked for had been removed by retention."""


@dataclass(frozen=True)
class DeadLetter:
    """An event that a sink gave up."""

    id: int
    event: Event
    reason: str
    tries: int
    failed_at: datetime
    raw: Json = field(repr=False, compare=False)


def parse_event(body: Json) -> Event:
    """The event in a CloudEvents body. Raises `ClientError("protocol")` when it is none."""
    kind = _get(body, "type", str).removeprefix("r2stream.")
    data, source = _get(body, "data", dict), _get(body, "source", str)
    return Event(
        cursor=_get(body, "cursor", int),
        id=_get(body, "id", str),
        kind=kind,
        time=_time(_get(body, "time", str)),
        stream=source.removeprefix("/streams/") if source.startswith("/streams/") else "",
        moment=_parse_moment(data) if kind.startswith("moment.") else None,
        clip=parse_clip(data) if kind.startswith("clip.") else None,
        reel=parse_reel(data) if kind.startswith("reel.") else None,
        raw=body,
    )


def parse_page(body: Json) -> EventPage:
    """One page of the log."""
    return EventPage(
        events=tuple(parse_event(event) for event in _get(body, "events", list)),
        next=_get(body, "next", int),
        latest=_get(body, "latest", int),
        missed=_get(body, "missed", bool),
    )


def parse_dead_letter(body: Json) -> DeadLetter:
    """One event that a sink gave up."""
    return DeadLetter(
        id=_get(body, "id", int),
        event=parse_event(_get(body, "event", dict)),
        reason=_get(body, "reason", str),
        tries=_get(body, "tries", int),
        failed_at=_time(_get(body, "failed_at", str)),
        raw=body,
    )
