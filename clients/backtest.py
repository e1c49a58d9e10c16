"""What a backtest answers, as plain typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Required, TypedDict

from .messages import Instant, Json, Threshold, _get, _parse_instant


class Wording(TypedDict, total=False):
    """A sentence to test, and what of a query's settings differs from the defaults."""

    text: Required[str]
    threshold: Threshold
    min_duration: float | str
    max_duration: float | str
    merge_gap: float | str
    cooldown: float | str
    settle: float | str
    confirm_frames: int


@dataclass(frozen=True)
class Fired:
    """A moment that would have been told, as it was known in the end; `retracted` means told and withdrawn."""

    state: str
    score: float
    start: Instant
    end: Instant
    alert: Instant
    """When it would have been told."""
    onset_to_alert_s: float | None
    """None for one that had begun before the first frame that was looked at."""
    reason: str | None


@dataclass(frozen=True)
class BestSpan:
    """The strongest span that was ever seen, whatever the thresholds."""

    start: Instant
    end: Instant
    score: float


@dataclass(frozen=True)
class FramePeak:
    """The highest saliency that a frame has ever had."""

    epoch: int
    media_time_s: float
    peak: float


@dataclass(frozen=True)
class Outcome:
    """What one wording would have told."""

    text: str
    enter: float
    exit: float
    moments: tuple[Fired, ...]
    best: BestSpan | None
    saliency: tuple[FramePeak, ...]


@dataclass(frozen=True)
class Backtest:
    """Several wordings side by side, over the same frames, in the order in which they were given."""

    stream: str
    model: str
    clock: str | None
    frames: int
    start: Instant
    end: Instant
    outcomes: tuple[Outcome, ...]
    raw: Json = field(repr=False, compare=False)


def parse_backtest(body: Json) -> Backtest:
    """The backtest in an answer. Raises `ClientError("protocol")` when it is none."""
    return Backtest(
        stream=_get(body, "stream", str),
        model=_get(body, "model", str),
        clock=body.get("clock"),
        frames=_get(body, "frames", int),
        start=_parse_instant(_get(body, "start", dict)),
        end=_parse_instant(_get(body, "end", dict)),
        outcomes=tuple(_outcome(outcome) for outcome in _get(body, "outcomes", list)),
        raw=body,
    )


def _outcome(body: Json) -> Outcome:
    threshold = _get(body, "threshold", dict)
    best = body.get("best")
    return Outcome(
        text=_get(body, "text", str),
        enter=float(_get(threshold, "enter", (int, float))),
        exit=float(_get(threshold, "exit", (int, float))),
        moments=tuple(_fired(moment) for moment in _get(body, "moments", list)),
        best=_best(best) if isinstance(best, Mapping) else None,
        saliency=tuple(_peak(peak) for peak in _get(body, "saliency", list)),
    )


def _fired(body: Json) -> Fired:
    return Fired(
        state=_get(body, "state", str),
        score=float(_get(body, "score", (int, float))),
        start=_parse_instant(_get(body, "start", dict)),
        end=_parse_instant(_get(body, "end", dict)),
        alert=_parse_instant(_get(body, "alert", dict)),
        onset_to_alert_s=body.get("onset_to_alert_s"),
        reason=body.get("reason"),
    )


def _best(body: Json) -> BestSpan:
    start, end = _parse_instant(_get(body, "start", dict)), _parse_instant(_get(body, "end", dict))
    return BestSpan(start, end, float(_get(body, "score", (int, float))))


def _peak(body: Json) -> FramePeak:
    return FramePeak(
        epoch=_get(body, "epoch", int),
        media_time_s=float(_get(body, "media_time_s", (int, float))),
        peak=float(_get(body, "peak", (int, float))),
    )
