from stream.taken_time import TakenTime
from stream.types import Span


def taken(*spans: Span, overlong: bool = False) -> TakenTime:
    time = TakenTime()
    for span in spans:
        time.add(span, overlong=overlong)
    return time


def test_only_the_visible_part_counts() -> None:
    """A moment half out of the window is as much of it as the window shows; one before the window stays whole."""
    time = taken(Span(2, 4, 1), Span(10, 20, 1))
    assert time.visible(15.0) == [Span(2, 4, 1), Span(15, 20, 1)]


def test_the_past_is_forgotten() -> None:
    """So that a query watched for a year keeps a handful of spans."""
    time = taken(Span(2, 4, 1), Span(10, 20, 1))
    time.forget_before(4.0)
    assert time.visible(0.0) == [Span(10, 20, 1)]
    time.clear()
    assert time.visible(0.0) == []


def test_an_overlong_happening_takes_the_time_in_which_it_goes_on() -> None:
    """Up to the next moment, and never less than before."""
    time = taken(Span(10, 20, 1), overlong=True)
    time.follow([Span(12, 26, 0.5)], 5.0, [])
    time.follow([Span(13, 22, 0.5)], 5.0, [])
    assert time.visible(0.0) == [Span(10, 26, 1)]
    time.follow([Span(15, 40, 0.5)], 5.0, [Span(30, 35, 1)])
    assert time.visible(0.0) == [Span(10, 30, 1)]


def test_an_ordinary_final_moment_does_not_grow() -> None:
    """One wrong span must not hide what happens after it."""
    time = taken(Span(10, 20, 1))
    time.follow([Span(12, 26, 0.5)], 5.0, [])
    assert time.visible(0.0) == [Span(10, 20, 1)]


def test_cooldown_counts_from_the_end() -> None:
    """What starts before or long after is not silenced."""
    time = taken(Span(10, 20, 1))
    assert [time.cools_down(start_s, 5.0) for start_s in (9.0, 20.0, 24.9, 25.0)] == [False, True, True, False]
    assert not time.cools_down(20.0, 0.0)
