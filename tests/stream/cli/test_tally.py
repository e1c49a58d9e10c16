"""The demo's comparison with the truth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.broadcast import Broadcast
from stream.cli.tally import DEADLINE_S, REACH_S, Report, Score, Tally, iou

GOAL = "a player scores a goal"


def tally(*spans: tuple[float, float], begin_s: float = 0.0) -> Tally:
    """A tally of one query whose truth is `spans`."""

    def truth(text: str, start_s: float, end_s: float) -> list[tuple[float, float]]:
        assert text == GOAL
        return [span for span in spans if span[0] < end_s and span[1] > start_s]

    return Tally(truth, {"goal": GOAL}, begin_s)


def seen(start_s: float, end_s: float | None, alert_s: float, moment_id: str = "m1") -> Report:
    return Report(moment_id, "goal", start_s, end_s, alert_s)


def test_iou_of_spans() -> None:
    """Equal spans give 1, spans that only touch give 0, an empty span gives 0."""
    assert iou((1, 3), (1, 3)) == 1
    assert iou((1, 3), (3, 5)) == 0
    assert iou((1, 3), (2, 4)) == pytest.approx(1 / 3)
    assert iou((2, 2), (1, 3)) == 0


def test_a_final_moment_on_a_happening_is_found_at_once() -> None:
    """The latency runs from the true start to the first event, not to the one that settled it."""
    compared = tally((10.0, 14.0))
    assert compared.report(seen(10.5, None, 12.0)) == "open"
    assert compared.report(replace(seen(10.5, 14.0, 16.5), final=True)) == "found"
    assert compared.score() == Score(found=1, missed=0, late=0, false=0, withdrawn=0, onset_to_alert_s=2.0)


def test_a_provisional_moment_counts_at_the_deadline() -> None:
    """What has both ends by then counts as it stands, even though it may still change."""
    compared = tally((10.0, 14.0))
    compared.report(seen(10.0, 13.5, 14.5))
    assert compared.advance(14.0 + DEADLINE_S - 0.1) == []
    assert [h.moment_id for h in compared.advance(14.0 + DEADLINE_S)] == ["m1"]
    assert compared.verdict("m1") == "found"


def test_a_moment_without_an_end_does_not_find() -> None:
    """A start alone is not what was promised."""
    compared = tally((10.0, 14.0))
    compared.report(seen(10.0, None, 12.0))
    assert [h.missed for h in compared.advance(18.0)] == [True]
    assert compared.score().missed == 1


def test_nothing_reported_is_missed_once() -> None:
    """A happening is counted when its deadline comes, and never again."""
    compared = tally((10.0, 14.0))
    assert len(compared.advance(30.0)) == 1
    assert compared.advance(31.0) == []
    assert compared.score().missed == 1


def test_a_moment_after_the_deadline_is_late() -> None:
    """It counts as missed and is no false alarm, whichever comes first, the moment or the deadline."""
    after = tally((10.0, 14.0))
    after.advance(18.0)
    assert after.report(replace(seen(10.0, 14.0, 19.0), final=True)) == "late"
    before = tally((10.0, 14.0))
    assert before.report(replace(seen(10.0, 14.0, 19.0), final=True)) == "late"
    before.advance(19.1)
    assert after.score() == before.score() == Score(0, 1, 1, 0, 0, None)


def test_a_moment_where_nothing_happens_is_false() -> None:
    """So is one that barely touches what happens: there it is both a false alarm and a miss."""
    compared = tally((10.0, 14.0))
    assert compared.report(replace(seen(13.0, 17.0, 18.0), final=True)) == "false"
    compared.advance(18.0)
    assert compared.score() == Score(0, 1, 0, 1, 0, None)


def test_the_same_thing_twice_is_false_the_second_time() -> None:
    """One moment counts per happening."""
    compared = tally((10.0, 14.0))
    assert compared.report(replace(seen(10.0, 14.0, 15.0), final=True)) == "found"
    assert compared.report(replace(seen(10.2, 14.0, 15.5, "m2"), final=True)) == "false"


def test_a_retracted_moment_is_withdrawn() -> None:
    """It was an alert all the same, so it is counted, but not as a final false one."""
    compared = tally()
    compared.report(seen(3.0, None, 4.0))
    assert compared.report(replace(seen(3.0, 4.0, 5.0), retracted=True)) == "withdrawn"
    assert compared.score() == Score(0, 0, 0, 0, 1, None)


def test_what_began_before_watching_does_not_count() -> None:
    """Nobody can be late for what began before they came."""
    compared = tally((10.0, 14.0), begin_s=12.0)
    assert compared.advance(60.0) == []


def test_the_truth_beside_a_moment() -> None:
    """A moment is shown next to what it found, else next to what it overlaps, else next to nothing."""
    compared = tally((10.0, 14.0))
    compared.report(seen(9.0, None, 10.0))
    assert compared.happening_of("m1") is None
    compared.report(seen(9.0, 11.0, 12.0))
    happening = compared.happening_of("m1")
    assert happening is not None and happening.span == (10.0, 14.0)


def test_memory_does_not_grow() -> None:
    """Running for hours, it keeps the counts and forgets the rest."""
    compared = tally(*((float(s), s + 4.0) for s in range(0, 20_000, 100)))
    for start_s in range(0, 20_000, 100):
        compared.report(replace(seen(start_s, start_s + 4.0, start_s + 5.0, f"m{start_s}"), final=True))
        compared.advance(start_s + 10.0)
    assert compared.score().found == 200
    with pytest.raises(KeyError):
        compared.verdict("m0")
    assert len(compared._happenings) < 6 * REACH_S / 100


def test_what_is_forgotten_is_not_counted_again() -> None:
    """A report about long ago does not bring old happenings back as new ones."""
    compared = tally((10.0, 14.0), (600.0, 604.0))
    compared.advance(500.0)
    compared.report(replace(seen(20.0, 499.0, 500.0), final=True))
    compared.advance(700.0)
    assert compared.score() == Score(0, 2, 0, 1, 0, None)


@settings(deadline=None, max_examples=25)  # a busy machine is no failure
@given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(0.1, 20), st.floats(0, 10)), max_size=12),
    st.integers(0, 5),
)
def test_every_happening_is_decided_once(moments: list[tuple[float, float, float]], seed: int) -> None:
    """Whatever is reported, found and missed add up to the truth, and verdicts to the moments."""
    programme = Broadcast(seed)
    compared = Tally(programme.truth, {"goal": GOAL})
    for i, (start_s, length_s, wait_s) in enumerate(sorted(moments, key=sum)):
        alert_s = start_s + length_s + wait_s
        compared.advance(alert_s)
        compared.report(Report(f"m{i}", "goal", start_s, start_s + length_s, alert_s, final=True))
    compared.advance(300.0)
    score = compared.score()
    assert score.found + score.missed == len([s for s in programme.truth(GOAL, 0, 300) if s[1] + DEADLINE_S <= 300])
    assert score.found + score.late + score.false == len(moments)
