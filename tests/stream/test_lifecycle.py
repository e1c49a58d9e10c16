from typing import get_args

import pytest

from stream.lifecycle import FINAL, REASONS, TRANSITIONS, Do, EventKind, Sight, State, step


def test_a_final_moment_sees_nothing_more() -> None:
    """Nothing leads out of a final state."""
    assert not [pair for pair in TRANSITIONS if pair[0] in FINAL]


@pytest.mark.parametrize("state", [State.OPEN, State.ENDING])
def test_a_reported_moment_has_an_answer_to_every_sight(state: State) -> None:
    """No grounding can leave a reported moment without a next state."""
    assert {sight for known, sight in TRANSITIONS if known is state} == set(Sight)


def test_final_states_are_reached_by_telling_so_and_only_then() -> None:
    """A consumer always hears `ended` or `retracted`, exactly when the moment becomes so."""
    for after, do in TRANSITIONS.values():
        assert (after is State.ENDED) == (do in (Do.END, Do.START_AND_END))
        assert (after is State.RETRACTED) == (do is Do.RETRACT)


def test_only_an_unreported_moment_starts() -> None:
    """`started` is told once."""
    for (before, _), (after, do) in TRANSITIONS.items():
        assert (do in (Do.START, Do.START_AND_END)) == (before is State.IDLE and after is not State.IDLE)


def test_every_final_step_has_a_reason() -> None:
    """One that the sight implies, or that of the end of watching."""
    final = {sight for (_, sight), (after, _) in TRANSITIONS.items() if after in FINAL}
    assert final == {*REASONS, Sight.CUT}


def test_every_state_can_be_reached() -> None:
    """No row of the table is dead."""
    reached, new = set[State](), {State.IDLE}
    while new:
        reached |= new
        new = {after for (before, _), (after, _) in TRANSITIONS.items() if before in reached} - reached
    assert reached == set(State)


@pytest.mark.parametrize("sight", list(Sight))
def test_a_step_that_cannot_happen_is_refused(sight: Sight) -> None:
    """A mistake in the tracker is an error at once, not a wrong event."""
    with pytest.raises(ValueError, match="cannot see"):
        step(State.ENDED, sight)


def test_the_kinds_of_events_are_the_four_of_the_wire() -> None:
    """started, updated, ended, retracted."""
    assert get_args(EventKind) == ("started", "updated", "ended", "retracted")
