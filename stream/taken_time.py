"""Time that opens nothing new, because what happened in it is final."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stream.association import SAME_SHARE, clip, share
from stream.types import Span


@dataclass
class _Taken:
    span: Span
    overlong: bool


class TakenTime:
    """The final moments of one query that still matter, and of overlong ones the rest of their happening too.

    Bounded: what lies before the window and before the cooldown is forgotten.
    """

    def __init__(self) -> None:
        self._taken: list[_Taken] = []

    def add(self, span: Span, *, overlong: bool) -> None:
        """Take the time of a final moment; `overlong` when its happening goes on after it."""
        self._taken.append(_Taken(span, overlong))

    def clear(self) -> None:
        """The time axis is a new one."""
        self._taken.clear()

    def forget_before(self, time_s: float) -> None:
        """Drop what ended before `time_s`."""
        if self._taken:
            self._taken = [taken for taken in self._taken if taken.span.end_s > time_s]

    def follow(self, seen: Sequence[Span], window_start_s: float, moments: Iterable[Span]) -> None:
        """Let overlong happenings take the time in which they go on, up to the next moment."""
        for taken in self._taken:
            if taken.overlong:
                others = [*moments, *(other.span for other in self._taken if other is not taken)]
                high_s = min((other.start_s for other in others if other.start_s >= taken.span.end_s), default=math.inf)
                taken.span = _grown(taken.span, seen, window_start_s, high_s)

    def visible(self, window_start_s: float) -> list[Span]:
        """What is taken, cut at the window's start: a happening that leaves the window must not look like a new one."""
        return [_visible(taken.span, window_start_s) for taken in self._taken]

    def cools_down(self, start_s: float, cooldown_s: float) -> bool:
        """Whether something ended less than `cooldown_s` before `start_s`."""
        return any(0 <= start_s - taken.span.end_s < cooldown_s for taken in self._taken)


def _visible(span: Span, window_start_s: float) -> Span:
    return clip(span, window_start_s, span.end_s) or span


def _grown(span: Span, seen: Sequence[Span], window_start_s: float, high_s: float) -> Span:
    visible = _visible(span, window_start_s)
    end_s = max((part.end_s for part in seen if share(part, visible) >= SAME_SHARE), default=span.end_s)
    return replace(span, end_s=max(span.end_s, min(end_s, high_s)))
