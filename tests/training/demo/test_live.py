import numpy as np
import pytest

from stream.broadcast import Meaning
from stream.query import Query
from stream.types import Observation, Span
from training.demo.live import score_live
from training.demo.observe import Case

QUERY = Query("q", "q", enter=0.5, exit=0.35)


def _watched(truth: list[tuple[float, float]], said: list[tuple[float, float, float]], length_s: float = 60.0) -> Case:
    """A case whose model knows each of `said` (start, end, score) as far as it has happened."""
    observations = []
    for i in range(int(length_s / 0.5)):
        now_s = (i + 1) * 0.5
        spans = tuple(Span(a, min(b, now_s), score) for a, b, score in said if a < now_s - 0.5)
        start_s = max(0.0, now_s - 32.0)
        observations.append(Observation("s", "q", 0, start_s, now_s, now_s, "file", spans, np.zeros(64, np.float32)))
    return Case(0, Meaning("rain"), "it rains", truth, observations)


def test_a_moment_reported_with_fitting_boundaries_is_found() -> None:
    """The report at the deadline counts, with its delay from onset to first alert."""
    score = score_live([_watched([(10.0, 16.0)], [(10.5, 16.0, 0.9)])], QUERY)

    assert (score.moments, score.found, score.recall) == (1, 1, 100.0)
    assert score.median_delay_s == pytest.approx(1.5)


def test_a_moment_with_wrong_boundaries_is_missed() -> None:
    """An alert whose span fits by less than half is no answer."""
    score = score_live([_watched([(10.0, 16.0)], [(15.0, 30.0, 0.9)])], QUERY)

    assert (score.moments, score.found) == (1, 0)


def test_a_score_below_the_threshold_is_no_report() -> None:
    """What the model hardly believes is not told."""
    assert score_live([_watched([(10.0, 16.0)], [(10.0, 16.0, 0.4)])], QUERY).found == 0


def test_alerts_of_absent_queries_are_false_alarms_even_if_taken_back() -> None:
    """Whoever was alerted was alerted: per hour that the query was watched."""
    score = score_live([_watched([], [(10.0, 16.0, 0.9), (40.0, 44.0, 0.6)], length_s=60.0)], QUERY)

    assert score.alarms_absent == 2
    assert score.alarms_per_hour == pytest.approx(2 * 60)


def test_moments_too_close_to_the_end_of_the_replay_do_not_count() -> None:
    """Their deadline lies beyond what was replayed."""
    assert score_live([_watched([(55.0, 59.0)], [])], QUERY).moments == 0
