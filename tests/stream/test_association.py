from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.association import Known, Rules, associate, carve, clip, iou, overlap_s, share
from stream.types import Span

RULES = Rules(enter=0.5, exit=0.3, merge_gap_s=1.0)


def known(start_s: float, end_s: float, score: float = 0.8, start_final: bool = False) -> Known:
    return Known(Span(start_s, end_s, score), start_final)


def bounds(spans: tuple[Span | None, ...]) -> list[tuple[float, float] | None]:
    return [None if span is None else (span.start_s, span.end_s) for span in spans]


def test_measures_of_overlap() -> None:
    """Half-open spans that touch have nothing in common."""
    a, b, inside, after = Span(0, 10, 1), Span(5, 15, 1), Span(2, 4, 1), Span(10, 12, 1)
    assert (overlap_s(a, b), overlap_s(a, after)) == (5, 0)
    assert iou(a, b) == pytest.approx(1 / 3)
    assert (iou(a, a), iou(a, after)) == (1, 0)
    assert (share(a, b), share(a, inside), share(a, after)) == (0.5, 1, 0)


def test_clip_keeps_what_lies_inside() -> None:
    """Nothing left is None."""
    assert clip(Span(0, 10, 0.4), 2, 8) == Span(2, 8, 0.4)
    assert clip(Span(0, 10, 0.4), 10, 20) is None


def test_carve_cuts_off_what_is_taken() -> None:
    """A little overlap is cut off at either end; much overlap means the same happening."""
    assert carve(Span(10, 20, 1), [Span(0, 12, 1), Span(19, 40, 1)]) == Span(12, 19, 1)
    assert carve(Span(10, 20, 1), [Span(12, 14, 1)]) is None
    assert carve(Span(10, 20, 1), [Span(0, 15, 1)]) is None


def test_a_moment_follows_the_nearest_strong_span() -> None:
    """Near counts as much as strong: a stronger span that barely overlaps does not pull the moment away."""
    result = associate([known(10, 14)], [Span(13, 30, 0.9), Span(10, 15, 0.6)], [], RULES)
    assert bounds(result.found) == [(10, 30)]  # ... but what it shows beyond is a continuation at no distance.
    result = associate([known(10, 14)], [Span(13, 30, 0.4), Span(10, 15, 0.6)], [], RULES)
    assert bounds(result.found) == [(10, 15)]


def test_a_weak_span_keeps_a_moment_but_opens_none() -> None:
    """Entering needs more than going on."""
    result = associate([known(10, 14)], [Span(10, 15, 0.35), Span(30, 35, 0.35)], [], RULES)
    assert (bounds(result.found), result.new) == ([(10, 15)], ())


def test_a_final_start_stays() -> None:
    """A moment longer than the window keeps the start that the window no longer shows."""
    result = associate([known(10, 50, start_final=True)], [Span(20, 52, 0.9)], [], RULES)
    assert bounds(result.found) == [(10, 52)]


def test_spans_within_the_merge_gap_are_one_moment() -> None:
    """Before, after, and among spans that are all new."""
    assert bounds(associate([known(10, 14)], [Span(10, 14, 0.8), Span(15, 18, 0.7)], [], RULES).found) == [(10, 18)]
    assert bounds(associate([known(10, 14)], [Span(10, 14, 0.8), Span(6, 9, 0.7)], [], RULES).found) == [(6, 14)]
    assert bounds(associate([known(10, 14)], [Span(15, 18, 0.7)], [], RULES).found) == [(10, 18)]
    assert bounds(associate([], [Span(10, 14, 0.8), Span(15, 18, 0.7)], [], RULES).new) == [(10, 18)]


def test_a_moment_in_many_pieces_stays_one() -> None:
    """It is found again by its strongest piece, and reaches the others one after the other, forwards and backwards."""
    seen = [Span(13.0, 16.0, 0.9), *(Span(start_s, start_s + 0.5, 0.6) for start_s in (10.0, 11.5, 17.0, 18.5))]
    result = associate([known(10.0, 16.0)], seen, [], RULES)
    assert bounds(result.found) == [(10.0, 19.0)] and result.new == ()


def test_spans_further_apart_are_several_moments() -> None:
    """In the order of time, whatever their order of score."""
    result = associate([known(10, 14)], [Span(10, 14, 0.8), Span(22, 25, 0.9), Span(16, 18, 0.7)], [], RULES)
    assert (bounds(result.found), bounds(result.new)) == ([(10, 14)], [(16, 18), (22, 25)])


def test_hypotheses_of_the_same_happening_are_one() -> None:
    """Of overlapping new spans the best wins."""
    result = associate([], [Span(10, 20, 0.9), Span(12, 19, 0.8), Span(9, 17, 0.7)], [], RULES)
    assert bounds(result.new) == [(10, 20)]


def test_final_time_is_never_touched() -> None:
    """A span about a final happening opens nothing; one that reaches into it a little is cut."""
    final = [Span(10, 14, 0.9)]
    assert associate([], [Span(9, 15, 0.9)], final, RULES).new == ()
    assert bounds(associate([], [Span(13, 20, 0.9)], final, RULES).new) == [(14, 20)]
    assert bounds(associate([known(15, 18)], [Span(12, 19, 0.9)], final, RULES).found) == [(14, 19)]


def test_a_moment_reaching_over_its_neighbour_swallows_it() -> None:
    """Two moments that turn out to be one go on as the one that is still found, the earlier if both are."""
    result = associate([known(10, 12), known(14, 16)], [Span(10, 16, 0.9)], [], RULES)
    assert len(result.swallowed) == 1
    assert [span for span in bounds(result.found) if span] == [(10, 16)]


def test_neighbours_that_overlap_a_little_are_cut_apart() -> None:
    """The earlier keeps what both want."""
    spans = [Span(10, 20.5, 0.9), Span(19.5, 25, 0.9)]
    result = associate([known(10, 20), known(20, 25)], spans, [], RULES)
    assert bounds(result.found) == [(10, 20.5), (20.5, 25)]


def test_a_cut_may_change_who_is_next_to_whom() -> None:
    """A span cut off where one moment ends begins after another that was not found: none is empty or reaches over."""
    moments = [known(0, 1), known(2, 4), known(8, 11), known(12, 16)]
    result = associate(moments, [Span(0, 10, 1.0), Span(5.5, 15.5, 1.0)], [], Rules(0.5, 0.3, 0.0))
    assert bounds(result.found) == [None, (0, 10), None, (10, 15.5)]
    assert result.swallowed == {0, 2}


def test_a_neighbour_that_was_not_found_keeps_its_place() -> None:
    """Missing evidence does not move a boundary."""
    result = associate([known(10, 20), known(21, 26)], [Span(10, 22, 0.9)], [], Rules(0.5, 0.3, 0.0))
    assert bounds(result.found) == [(10, 21), None]


def test_nothing_seen_finds_nothing() -> None:
    """Every moment is missing."""
    result = associate([known(1, 2), known(4, 5)], [], [], RULES)
    assert (result.found, result.new, result.swallowed) == ((None, None), (), frozenset())


@st.composite
def disjoint(draw: st.DrawFn, max_size: int) -> list[Span]:
    cuts = sorted(draw(st.lists(st.integers(0, 40), unique=True, max_size=2 * max_size)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return [Span(a, b, draw(st.floats(0.3, 1))) for a, b in pairs]


SPANS = st.lists(
    st.tuples(st.integers(0, 80), st.integers(1, 40), st.floats(0.3, 1)).map(
        lambda t: Span(t[0] / 2, t[0] / 2 + t[1] / 2, t[2])
    ),
    max_size=8,
)


@settings(deadline=None)
@given(taken=disjoint(6), data=st.data(), seen=SPANS, merge_gap_s=st.sampled_from([0.0, 1.0, 5.0]))
def test_everything_stays_disjoint(
    taken: list[Span], data: st.DataObject, seen: list[Span], merge_gap_s: float
) -> None:
    """Whatever is seen, no moment reaches into another or into final time, and none is empty."""
    is_final = data.draw(st.lists(st.booleans(), min_size=len(taken), max_size=len(taken)))
    moments = [Known(span, data.draw(st.booleans())) for span, final in zip(taken, is_final, strict=True) if not final]
    final = [span for span, final in zip(taken, is_final, strict=True) if final]
    result = associate(moments, seen, final, Rules(0.5, 0.3, merge_gap_s))
    extents = [span or moments[i].span for i, span in enumerate(result.found) if i not in result.swallowed]
    together = sorted([*final, *extents, *result.new], key=lambda span: span.start_s)
    assert all(span.end_s > span.start_s for span in together)
    assert all(a.end_s <= b.start_s for a, b in pairwise(together))
    assert all(span.score >= 0.5 for span in result.new)
    for moment, span in zip(moments, result.found, strict=True):
        assert not moment.start_final or span is None or span.start_s == moment.span.start_s
