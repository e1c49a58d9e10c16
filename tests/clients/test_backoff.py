"""How long the client waits before it tries again."""

from __future__ import annotations

import random

from clients.backoff import Backoff


def test_delays_grow_to_a_cap_and_differ() -> None:
    """Each delay lies between half and all of a doubling ceiling that stops at the cap."""
    backoff = Backoff(first_s=1.0, cap_s=8.0, rng=random.Random(1))
    delays = [backoff.next_delay_s() for _ in range(100)]
    for delay_s, ceiling_s in zip(delays, [1.0, 2.0, 4.0] + [8.0] * 97, strict=True):
        assert ceiling_s / 2 <= delay_s <= ceiling_s
    assert len(set(delays)) == 100


def test_success_starts_over() -> None:
    """After a reset the first delay is short again."""
    backoff = Backoff(first_s=1.0, cap_s=8.0)
    for _ in range(5):
        backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() <= 1.0
