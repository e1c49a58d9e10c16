"""Reels: the best moments of a day, or of any time, in one video file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict

from .messages import Json, _get, _time, as_names


class ReelOptions(TypedDict, total=False):
    """Which moments: the ten best that the log knows, unless something of this is given."""

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
    """So many at most, those with the highest scores."""
    max_length: float | str
    """Seconds, or text such as `"3m"`: the best come in up to it."""
    order: Literal["time", "score"]


@dataclass(frozen=True)
class ReelChapter:
    """Where a moment is in a reel."""

    start_s: float
    moment_id: str
    stream: str
    query: str
    text: str
    score: float
    time: datetime | None
    """When the moment began."""


@dataclass(frozen=True)
class Reel:
    """One reel and how it is doing."""

    reel_id: str
    state: str
    """`pending`, `ready`, `failed` or `removed`."""
    reason: str | None
    """Why there is no file; None when there is one, or will be."""
    url: str | None
    """Where the server answers with the file, once it is ready."""
    length_s: float | None
    bytes: int | None
    progress: float | None
    """From 0 to 1, while it is pending."""
    chapters: tuple[ReelChapter, ...]
    """The moments that it shows, in its order."""
    raw: Json = field(repr=False, compare=False)


def reel_body(options: ReelOptions) -> dict[str, Any]:
    """The body of the request."""
    body: dict[str, Any] = dict(options)
    for name, wire in (("since", "from"), ("until", "to")):
        if name in body:
            body[wire] = body.pop(name).isoformat()
    for name in ("streams", "queries"):
        if name in body:
            body[name] = as_names(body[name])
    return body


def parse_reel(body: Json) -> Reel:
    """One reel's state."""
    return Reel(
        reel_id=_get(body, "reel_id", str),
        state=_get(body, "state", str),
        reason=body.get("reason"),
        url=body.get("url"),
        length_s=body.get("length_s"),
        bytes=body.get("bytes"),
        progress=body.get("progress"),
        chapters=tuple(_parse_chapter(chapter) for chapter in _get(body, "chapters", list)),
        raw=body,
    )


def _parse_chapter(body: Json) -> ReelChapter:
    time = body.get("time")
    return ReelChapter(
        start_s=float(_get(body, "start_s", (int, float))),
        moment_id=_get(body, "moment_id", str),
        stream=_get(body, "stream", str),
        query=_get(body, "query", str),
        text=_get(body, "text", str),
        score=float(_get(body, "score", (int, float))),
        time=None if time is None else _time(time),
    )
