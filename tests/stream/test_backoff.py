"""Waits between tries grow, stay below the cap and never stop."""

import random

from hypothesis import given
from hypothesis import strategies as st

from stream.backoff import Backoff


@given(seed=st.integers(0, 1000), tries=st.integers(1, 200))
def test_waits_double_up_to_the_cap_with_jitter(seed: int, tries: int) -> None:
    """The n-th wait lies between half of, and all of, the doubled wait below the cap."""
    backoff = Backoff(0.25, 10.0, chance=random.Random(seed))
    for n in range(tries):
        longest = min(10.0, 0.25 * 2.0**n)
        assert longest / 2 <= backoff.next_s() <= longest


def test_a_good_try_starts_the_waits_anew() -> None:
    """After a reset the next wait is the shortest again."""
    backoff = Backoff(1.0, 60.0)
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_many_streams_do_not_return_together() -> None:
    """Sources that were lost at the same instant wait for different times."""
    waits = {Backoff(10.0, 10.0, chance=random.Random(seed)).next_s() for seed in range(20)}
    assert len(waits) == 20
