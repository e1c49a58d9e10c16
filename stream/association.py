"""Which of the spans a grounding found belong to which known moment. Pure functions on spans.

A grounding looks at the whole window afresh, so the same happening comes back at every tick with slightly other
boundaries, sometimes in two pieces, sometimes beside weaker hypotheses of itself. Everything returned is disjoint: no
moment reaches into another one, nor into time that is already final.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stream.types import Span

SAME_SHARE = 0.5
"""Two spans that share at least this part of the shorter one are about the same happening."""


@dataclass(frozen=True)
class Known:
    """A moment that is reported and not final."""

    span: Span
    start_final: bool
    """Its start has left the window and stays where it is."""


@dataclass(frozen=True)
class Association:
    """What was found for each known moment, in their order, and what is new."""

    found: tuple[Span | None, ...]
    """The moment's new extent; None where nothing matches it."""
    swallowed: frozenset[int]
    """Indices of known moments that turned out to be part of another."""
    new: tuple[Span, ...]
    """Spans of at least the entering score that belong to no known moment, in the order of time."""


@dataclass(frozen=True)
class Rules:
    """The part of a query that decides what belongs together."""

    enter: float
    exit: float
    merge_gap_s: float


def overlap_s(a: Span, b: Span) -> float:
    """Length of what two spans have in common, 0 or more."""
    return max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s))


def iou(a: Span, b: Span) -> float:
    """Intersection over union, in [0, 1]."""
    common_s = overlap_s(a, b)
    return common_s / (a.end_s - a.start_s + b.end_s - b.start_s - common_s) if common_s else 0.0


def share(a: Span, b: Span) -> float:
    """What part of the shorter span lies in the other one, in [0, 1]."""
    common_s = overlap_s(a, b)
    return common_s / min(a.end_s - a.start_s, b.end_s - b.start_s) if common_s else 0.0


def clip(span: Span, low_s: float, high_s: float) -> Span | None:
    """The part of `span` inside `[low_s, high_s)`; None when nothing is left."""
    start_s, end_s = max(span.start_s, low_s), min(span.end_s, high_s)
    if (start_s, end_s) == (span.start_s, span.end_s):
        return span if end_s > start_s else None
    return Span(start_s, end_s, span.score) if end_s > start_s else None


def carve(span: Span, taken: Iterable[Span]) -> Span | None:
    """`span` without what is taken; None when it is about the same happening as something taken."""
    for other in taken:
        part = share(span, other)
        if part >= SAME_SHARE:
            return None
        if part > 0:  # It reaches over one end only, for otherwise it would share all of the shorter one.
            before = other.start_s <= span.start_s
            span = replace(span, start_s=other.end_s) if before else replace(span, end_s=other.start_s)
    return span


def associate(known: Sequence[Known], seen: Sequence[Span], final: Sequence[Span], rules: Rules) -> Association:
    """Match `seen` spans, each of at least the exit score and inside the window, to `known` moments.

    `known` and `final` spans are disjoint from each other; `known` is in the order of time.
    """
    found, used = _match(known, seen, final)
    found, swallowed = _separate(known, found)
    rest = [span for index, span in enumerate(seen) if index not in used]
    pieces = _new_pieces(known, found, swallowed, rest, final, rules)
    new, before = sorted(pieces, key=lambda span: span.start_s), len(pieces) + 1
    while len(new) < before:  # A moment that has grown may reach a piece that was too far away.
        before = len(new)
        new = [piece for piece in new if not _absorb(piece, known, found, swallowed, final, rules.merge_gap_s)]
    found = [None if index in swallowed else span for index, span in enumerate(found)]
    blocked = [*final, *_extents(known, found, swallowed)]
    return Association(tuple(found), frozenset(swallowed), tuple(_merge(new, blocked, rules)))


def _match(known: Sequence[Known], seen: Sequence[Span], final: Sequence[Span]) -> tuple[list[Span | None], set[int]]:
    """The best span for each known moment, and the indices of the spans used. Score times IoU: near, then strong."""
    pairs: list[tuple[float, int, int, Span]] = []
    for k, moment in enumerate(known):
        low_s = max((f.end_s for f in final if f.start_s < moment.span.start_s), default=float("-inf"))
        high_s = min((f.start_s for f in final if f.start_s >= moment.span.start_s), default=float("inf"))
        for s, span in enumerate(seen):
            part = clip(span, low_s, high_s)
            fit = part.score * iou(part, moment.span) if part else 0.0
            if part and fit > 0:
                pairs.append((-fit, k, s, part))
    found: list[Span | None] = [None] * len(known)
    used: set[int] = set()
    for _, k, s, part in sorted(pairs, key=lambda pair: pair[:3]):
        if found[k] is None and s not in used:
            used.add(s)
            start_s = known[k].span.start_s if known[k].start_final else part.start_s
            found[k] = replace(part, start_s=start_s)
    return found, used


def _separate(known: Sequence[Known], found: Sequence[Span | None]) -> tuple[list[Span | None], set[int]]:
    """Resolve overlaps between the moments' new extents: about the same means merged, less means cut apart.

    Cutting moves a start, and so may change which moments are neighbours: they are looked at anew after each step.
    """
    result = list(found)
    swallowed: set[int] = set()
    while (pair := _first_overlap(known, result, swallowed)) is not None:
        before, after = pair
        if share(result[before] or known[before].span, result[after] or known[after].span) < SAME_SHARE:
            _cut_apart(result, known, before, after)
        else:
            swallowed.add(before if result[before] is None else after)
    return result, swallowed


def _first_overlap(known: Sequence[Known], found: Sequence[Span | None], swallowed: set[int]) -> tuple[int, int] | None:
    """Two neighbours that overlap, in the order of time; None when all extents are disjoint."""
    extents = [(found[index] or known[index].span, index) for index in range(len(known)) if index not in swallowed]
    in_order = sorted(extents, key=lambda extent: extent[0].start_s)
    return next(((i, j) for (a, i), (b, j) in pairwise(in_order) if overlap_s(a, b) > 0), None)


def _cut_apart(result: list[Span | None], known: Sequence[Known], before: int, after: int) -> None:
    """Make two neighbours touch; one that was not found this time, or whose start is final, keeps its boundary."""
    first, second = result[before], result[after]
    if first is not None and (second is None or known[after].start_final):
        result[before] = replace(first, end_s=(second or known[after].span).start_s)
    elif second is not None:
        result[after] = replace(second, start_s=(first or known[before].span).end_s)


def _extents(known: Sequence[Known], found: Sequence[Span | None], swallowed: set[int]) -> list[Span]:
    return [span or known[i].span for i, span in enumerate(found) if i not in swallowed]


def _new_pieces(
    known: Sequence[Known],
    found: Sequence[Span | None],
    swallowed: set[int],
    rest: Sequence[Span],
    final: Sequence[Span],
    rules: Rules,
) -> list[Span]:
    """Disjoint parts of the unmatched spans that lie in free time, best first."""
    taken = [*final, *_extents(known, found, swallowed)]
    pieces: list[Span] = []
    for span in sorted(rest, key=lambda s: -s.score):
        inside_known = any(share(span, moment.span) >= SAME_SHARE for moment in known)
        piece = carve(span, taken) if span.score >= rules.enter or inside_known else None
        if piece is not None:
            pieces.append(piece)
            taken.append(piece)
    return pieces


def _absorb(
    piece: Span,
    known: Sequence[Known],
    found: list[Span | None],
    swallowed: set[int],
    final: Sequence[Span],
    merge_gap_s: float,
) -> bool:
    """Let a known moment at most `merge_gap_s` away grow over `piece`, unless something lies between."""
    for index, moment in enumerate(known):
        if index in swallowed:
            continue
        extent = found[index] or replace(moment.span, score=piece.score)
        if _distance_s(extent, piece) > merge_gap_s or (moment.start_final and piece.start_s < extent.start_s):
            continue
        grown = _union(extent, piece)
        others = [*final, *(_extents(known, found, swallowed | {index}))]
        if not any(overlap_s(grown, other) > 0 for other in others):
            found[index] = grown
            return True
    return False


def _merge(spans: Sequence[Span], blocked: Sequence[Span], rules: Rules) -> list[Span]:
    """Unite neighbours at most `merge_gap_s` apart with nothing between; keep those that may enter."""
    merged: list[Span] = []
    for span in spans:
        grown = _union(merged[-1], span) if merged else span
        near = bool(merged) and _distance_s(merged[-1], span) <= rules.merge_gap_s
        if near and not any(overlap_s(grown, other) > 0 for other in blocked):
            merged[-1] = grown
        else:
            merged.append(span)
    return [span for span in merged if span.score >= rules.enter]


def _distance_s(a: Span, b: Span) -> float:
    return max(0.0, max(a.start_s, b.start_s) - min(a.end_s, b.end_s))


def _union(a: Span, b: Span) -> Span:
    return Span(min(a.start_s, b.start_s), max(a.end_s, b.end_s), max(a.score, b.score))
