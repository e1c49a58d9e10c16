import math
from dataclasses import replace

import numpy as np
import pytest

from stream.broadcast import Meaning
from stream.query import Query
from stream.types import Observation, Span
from training.demo.calibrate import best_shift, shifted
from training.demo.live import score_live
from training.demo.observe import Case

QUERY = Query("q", "q")


def _absent(score: float) -> Case:
    """An hour in which nothing happens, and the model believes in one thing with that score."""
    observations = [
        Observation("s", "q", 0, now_s - 32.0, now_s, now_s, "file", (), np.zeros(64, np.float32))
        for now_s in np.arange(1.0, 3601.0)
    ]
    for i in range(100, 106):
        seen = Span(observations[i].now_s - 3.0, observations[i].now_s, score)
        observations[i] = replace(observations[i], spans=(seen,))
    return Case(0, Meaning("rain"), "it rains", [], observations)


def test_a_shift_moves_the_logit_of_every_score() -> None:
    """As the class head would have said it with another bias."""
    span = shifted(_absent(0.8), math.log(1 / 4)).observations[100].spans[0]

    assert span.score == pytest.approx(0.5)


def test_the_shift_lets_through_as_many_alarms_as_are_allowed() -> None:
    """Three queries for an hour each err once at 0.2, 0.6 and 0.9: one alarm in three hours spares the first two."""
    cases = [_absent(0.2), _absent(0.6), _absent(0.9)]
    shift = best_shift(cases, QUERY, target_per_hour=0.34)

    alarms = [score_live([shifted(case, shift)], QUERY).alarms_absent for case in cases]
    assert alarms == [0, 0, 1]
    assert shift == pytest.approx(math.log(0.4 / 0.6), abs=0.01)
