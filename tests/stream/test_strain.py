"""Overload is told, and a hiccup is not."""

from __future__ import annotations

from stream.strain import PERIOD_S, Strain


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def strained(lost: list[int], clock: Clock, step_s: float = 0.5) -> Strain:
    strain = Strain(clock)
    for count in lost:
        strain.note(count)
        clock.now_s += step_s
    return strain


def test_nothing_is_said_while_all_is_well() -> None:
    """Nor of a single frame."""
    assert strained([0] * 20, Clock()).reason() is None
    assert strained([0, 0, 0, 1, 0, 0, 0, 0, 0, 0], Clock()).reason() is None


def test_lost_frames_are_told_with_what_to_do() -> None:
    """Their share, and the ways out."""
    reason = strained([1, 0] * 9, Clock()).reason()
    assert reason is not None and "50% of the newest frames" in reason and "fewer streams" in reason


def test_it_is_forgotten_once_it_is_over() -> None:
    """Two periods later at the latest, also when nothing comes any more."""
    clock = Clock()
    strain = strained([1] * 18, clock)
    assert strain.reason() is not None
    for _ in range(round(3 * PERIOD_S)):
        clock.now_s += 1.0
        strain.note(0)
    assert strain.reason() is None

    strain = strained([1] * 18, clock)
    clock.now_s += 3 * PERIOD_S
    assert strain.reason() is None
