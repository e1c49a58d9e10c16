"""The life of a moment, as one table. Everything that decides which event follows what stands in this file.

A *sight* is what one grounding, or the end of watching, says about one moment; `TRANSITIONS` gives the state after it
and the event it causes. Pairs that are not in the table cannot happen: `step` refuses them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

EventKind = Literal["started", "updated", "ended", "retracted"]

EndReason = Literal[
    "completed",
    "max_duration",
    "gap",
    "query_changed",
    "query_removed",
    "stream_removed",
    "shutdown",
    "restart",
    "vanished",
    "too_short",
    "merged",
]
"""Why a moment is final. The last three belong to retracted moments: the evidence went away while the whole moment
was still in view; it turned out shorter than `min_duration`; it turned out to be part of an earlier moment."""


class State(StrEnum):
    """Where a moment is in its life; the values are the words of the wire."""

    IDLE = "idle"
    """Not reported yet: nothing is seen, or too little."""
    OPEN = "open"
    """Reported and going on at the live edge."""
    ENDING = "ending"
    """Reported; its end is seen, or its evidence is missing, but that may still change."""
    ENDED = "ended"
    """Final: its boundaries never change."""
    RETRACTED = "retracted"
    """Final: it is withdrawn."""


class Sight(StrEnum):
    """What is seen of a moment."""

    RUNNING = "running"
    """Its evidence reaches the live edge."""
    END_SEEN = "end_seen"
    """Its evidence ends before the live edge."""
    SETTLED = "settled"
    """Its evidence ends so long before the live edge that nothing can follow."""
    MISSING = "missing"
    """Nothing matches it just now."""
    LOST = "lost"
    """Nothing has matched it for long, and there is nothing to take back: its end was seen, or its start is out of
    view."""
    VANISHED = "vanished"
    """Nothing has matched it for long although all of it is in view."""
    TOO_SHORT = "too_short"
    """It has ended and is shorter than `min_duration`."""
    TOO_LONG = "too_long"
    """It is longer than `max_duration`."""
    SWALLOWED = "swallowed"
    """An earlier moment turned out to reach over it."""
    CUT = "cut"
    """Watching ends: a gap, the query or the stream is removed, the service stops."""
    CUT_SHORT = "cut_short"
    """Watching ends before it has lasted `min_duration`."""


class Do(StrEnum):
    """What a transition tells the world."""

    NOTHING = "nothing"
    START = "start"
    START_AND_END = "start_and_end"
    UPDATE = "update"
    """Told only when it is material: see `stream.tracker`."""
    END = "end"
    RETRACT = "retract"


TRANSITIONS: dict[tuple[State, Sight], tuple[State, Do]] = {
    # Before anything is reported.
    (State.IDLE, Sight.RUNNING): (State.OPEN, Do.START),
    (State.IDLE, Sight.END_SEEN): (State.ENDING, Do.START),
    (State.IDLE, Sight.SETTLED): (State.ENDED, Do.START_AND_END),  # found whole, as in a window held before the query
    (State.IDLE, Sight.TOO_LONG): (State.ENDED, Do.START_AND_END),
    (State.IDLE, Sight.TOO_SHORT): (State.IDLE, Do.NOTHING),
    # Going on.
    (State.OPEN, Sight.RUNNING): (State.OPEN, Do.UPDATE),
    (State.OPEN, Sight.END_SEEN): (State.ENDING, Do.UPDATE),
    (State.OPEN, Sight.SETTLED): (State.ENDING, Do.UPDATE),  # one grounding alone never makes a running moment final
    (State.OPEN, Sight.TOO_SHORT): (State.ENDING, Do.UPDATE),
    (State.OPEN, Sight.MISSING): (State.ENDING, Do.NOTHING),
    (State.OPEN, Sight.LOST): (State.ENDED, Do.END),
    (State.OPEN, Sight.VANISHED): (State.RETRACTED, Do.RETRACT),
    (State.OPEN, Sight.TOO_LONG): (State.ENDED, Do.END),
    (State.OPEN, Sight.SWALLOWED): (State.RETRACTED, Do.RETRACT),
    (State.OPEN, Sight.CUT): (State.ENDED, Do.END),
    (State.OPEN, Sight.CUT_SHORT): (State.RETRACTED, Do.RETRACT),
    # Seen to end, or out of sight.
    (State.ENDING, Sight.RUNNING): (State.OPEN, Do.UPDATE),
    (State.ENDING, Sight.END_SEEN): (State.ENDING, Do.UPDATE),
    (State.ENDING, Sight.SETTLED): (State.ENDED, Do.END),
    (State.ENDING, Sight.MISSING): (State.ENDING, Do.NOTHING),
    (State.ENDING, Sight.LOST): (State.ENDED, Do.END),
    (State.ENDING, Sight.VANISHED): (State.RETRACTED, Do.RETRACT),
    (State.ENDING, Sight.TOO_SHORT): (State.RETRACTED, Do.RETRACT),
    (State.ENDING, Sight.TOO_LONG): (State.ENDED, Do.END),
    (State.ENDING, Sight.SWALLOWED): (State.RETRACTED, Do.RETRACT),
    (State.ENDING, Sight.CUT): (State.ENDED, Do.END),
    (State.ENDING, Sight.CUT_SHORT): (State.RETRACTED, Do.RETRACT),
}

REASONS: dict[Sight, EndReason] = {
    Sight.SETTLED: "completed",
    Sight.LOST: "completed",
    Sight.TOO_LONG: "max_duration",
    Sight.VANISHED: "vanished",
    Sight.TOO_SHORT: "too_short",
    Sight.CUT_SHORT: "too_short",
    Sight.SWALLOWED: "merged",
}
"""Why a sight makes a moment final. After `CUT` it is the reason for which watching ended."""

FINAL: frozenset[State] = frozenset({State.ENDED, State.RETRACTED})


def step(state: State, sight: Sight) -> tuple[State, Do]:
    """The state after `sight` and what to tell. Raises ValueError for a pair that cannot happen."""
    try:
        return TRANSITIONS[state, sight]
    except KeyError:
        raise ValueError(f"a moment that is {state} cannot see {sight}") from None
