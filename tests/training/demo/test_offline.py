import numpy as np
import pytest

from stream.broadcast import Meaning
from training.demo.offline import Guess, best_similarity_spans, similarity_span


def test_the_similarity_span_is_the_stretch_around_the_best_frame() -> None:
    """Other stretches above the threshold are not part of it."""
    similarity = np.array([0.0, 0.9, 0.0, 0.7, 1.0, 0.8, 0.1])

    assert similarity_span(similarity, 0.5, 0.5).tolist() == [[1.5, 3.0]]


def test_a_flat_similarity_answers_with_the_whole_window() -> None:
    """Where no frame stands out, all of them are equally right."""
    assert similarity_span(np.zeros(4), 0.5, 0.5).tolist() == [[0.0, 2.0]]


def test_the_baseline_gets_the_threshold_that_suits_the_data_best() -> None:
    """CLIP is given every advantage: its threshold is chosen on the very data it is scored on."""
    similarity = np.array([0.0, 0.5, 0.5, 1.0, 0.5, 0.5, 0.0])
    guesses = [Guess(Meaning("rain"), np.array([[0.5, 3.0]]), np.zeros((0, 2)), similarity)]
    spans, quantile = best_similarity_spans(guesses, 0.5)

    assert spans[0].tolist() == [[0.5, 3.0]]
    assert quantile == pytest.approx(0.3)
