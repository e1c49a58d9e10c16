"""Rings outlive their streams for a while."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from stream.clips.rings import RETIRED_S, Rings


@dataclass
class Clock:
    now_s: float = 50.0

    def __call__(self) -> float:
        return self.now_s


def test_a_stream_keeps_its_ring() -> None:
    """Whoever asks again, after a change of the stream as well, gets the same."""
    rings = Rings(1000, Clock())
    ring = rings.ring("pitch")
    assert ring is not None and ring.max_bytes == 1000
    rings.retire("pitch")
    rings.keep("pitch")
    assert rings.ring("pitch") is rings.find("pitch") is ring
    assert rings.find("gate") is None


def test_a_removed_streams_packets_go_in_a_while() -> None:
    """Long enough for the clips of its last moments."""
    clock = Clock()
    rings = Rings(1000, clock)
    ring = rings.ring("pitch")
    rings.retire("pitch")
    rings.retire("nobody")
    clock.now_s += RETIRED_S - 1
    assert rings.find("pitch") is ring
    clock.now_s += 1
    assert rings.find("pitch") is None


def test_the_size_may_change() -> None:
    """Of those there are and of those to come; whether there are any may not."""
    rings = Rings(1000)
    ring = rings.ring("pitch")
    rings.resize(500)
    other = rings.ring("gate")
    assert ring is not None and other is not None and ring.max_bytes == other.max_bytes == 500
    with pytest.raises(ValueError, match="cannot be changed"):
        rings.resize(0)
    with pytest.raises(ValueError, match="cannot be changed"):
        Rings(0).resize(500)


def test_without_memory_there_are_no_rings() -> None:
    """0 switches it off."""
    rings = Rings(0)
    assert rings.ring("pitch") is None and rings.find("pitch") is None
