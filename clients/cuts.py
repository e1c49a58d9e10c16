"""Lists of cuts: the moments of a day, or of any time, with the files that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict

from .messages import Clip, Instant, Json, _get, _parse_instant, as_names, parse_clip


class CutOptions(TypedDict, total=False):
    """Which moments: all that have ended, unless something of this is given."""

    day: str
    """`today`, `yesterday` or `2025-01-02`, in the given time zone."""
    since: datetime
    """Instead of a day: moments that begin then or later; with a time zone."""
    until: datetime
    """And before this time."""
    timezone: str
    """Such as `Europe/Berlin` or `+02:00`; UTC if not given."""
    streams: Sequence[str]
    queries: Sequence[str]
    min_score: float
    best: int
    """Only so many, those with the highest scores."""
    order: Literal["time", "score"]


class EdlOptions(CutOptions, total=False):
    """The same, and how an EDL counts."""

    rate: str
    """Pictures per second: 23.976, 24, 25, 29.97, 29.97ndf, 30, 50, 59.94, 59.94ndf or 60."""
    timecode: Literal["clip", "day"]
    """Of the sources: of the clips' files, or the time of day."""


@dataclass(frozen=True)
class Cut:
    """A moment that has ended."""

    moment_id: str
    stream: str
    query: str
    text: str
    score: float
    start: Instant
    end: Instant
    clips: tuple[Clip, ...]
    """In the order of time; several where it was cut in parts, none where it was not to be cut."""
    raw: Json = field(repr=False, compare=False)


def cut_params(options: CutOptions | EdlOptions) -> dict[str, Any]:
    """The parameters of the request."""
    since, until = options.get("since"), options.get("until")
    params: dict[str, Any] = {
        "day": options.get("day"),
        "from": None if since is None else since.isoformat(),
        "to": None if until is None else until.isoformat(),
        "timezone": options.get("timezone"),
        "stream": as_names(options.get("streams")),
        "query": as_names(options.get("queries")),
        "min_score": options.get("min_score"),
        "best": options.get("best"),
        "order": options.get("order"),
        "rate": options.get("rate"),
        "timecode": options.get("timecode"),
    }
    return {key: value for key, value in params.items() if value is not None}


def parse_cuts(body: Json) -> tuple[Cut, ...]:
    """The cuts of an answer."""
    return tuple(_parse_cut(cut) for cut in _get(body, "cuts", list))


def _parse_cut(body: Json) -> Cut:
    return Cut(
        moment_id=_get(body, "moment_id", str),
        stream=_get(body, "stream", str),
        query=_get(body, "query", str),
        text=_get(body, "text", str),
        score=float(_get(body, "score", (int, float))),
        start=_parse_instant(_get(body, "start", dict)),
        end=_parse_instant(_get(body, "end", dict)),
        clips=tuple(parse_clip(clip) for clip in _get(body, "clips", list)),
        raw=body,
    )
