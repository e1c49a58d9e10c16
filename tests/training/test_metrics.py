from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import best_guess_iou, mean_iou, recall_at_1, temporal_iou

EVAL = Path(__file__).parent.parent / "data" / "golden" / "eval"

spans = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (float(min(pair)), float(max(pair))))


def read_lines(name: str) -> list[dict[str, list[list[float]]]]:
    return [json.loads(line) for line in (EVAL / name).read_text().splitlines()]


def test_recall_equals_the_official_evaluator() -> None:
    """R1 at every threshold, and mean IoU, on recorded predictions, to the two decimals it prints."""
    official = json.loads((EVAL / "qvh_metrics.json").read_text())["metrics"]["full"]
    predictions = [np.array(line["pred_relevant_windows"]) for line in read_lines("qvh_predictions.jsonl")]
    truths = [np.array(line["relevant_windows"]) for line in read_lines("qvh_labels.jsonl")]
    thresholds = [float(key) for key in official["MR-R1"]]
    recall = recall_at_1(predictions, truths, thresholds)
    assert [round(value, 2) for value in recall.values()] == list(official["MR-R1"].values())
    assert round(mean_iou(predictions, truths), 2) == official["MR-mIoU"]


@given(spans, spans)
def test_iou_counts_shared_units(left: tuple[float, float], right: tuple[float, float]) -> None:
    """For whole units IoU is shared units over covered units, and 0 when nothing is covered."""
    a, b = (set(range(int(start), int(end))) for start, end in (left, right))
    expected = len(a & b) / len(a | b) if overlapping(left, right) else 0.0
    assert temporal_iou(np.array([left]), np.array([right])).item() == pytest.approx(expected)
    assert temporal_iou(np.array([right]), np.array([left])).item() == pytest.approx(expected)


def overlapping(left: tuple[float, float], right: tuple[float, float]) -> bool:
    return min(left[1], right[1]) > max(left[0], right[0])


@given(st.lists(spans, min_size=1, max_size=5), st.lists(spans, min_size=1, max_size=5), st.floats(-1e3, 1e3))
def test_iou_of_many_is_iou_of_each_wherever_they_lie(
    left: list[tuple[float, float]], right: list[tuple[float, float]], shift_s: float
) -> None:
    """The table holds every pair, and moving both sides together changes nothing."""
    table = temporal_iou(np.array(left), np.array(right))
    assert table.shape == (len(left), len(right))
    for i, j in np.ndindex(table.shape):
        assert table[i, j] == temporal_iou(np.array(left[i : i + 1]), np.array(right[j : j + 1])).item()
    np.testing.assert_allclose(temporal_iou(np.array(left) + shift_s, np.array(right) + shift_s), table, atol=1e-9)


def test_only_the_first_guess_counts_against_the_best_true_span() -> None:
    """A perfect second guess does not help; any of several true spans does."""
    predictions = [np.array([[0.0, 10.0, 0.9], [20.0, 30.0, 0.8]]), np.zeros((0, 3))]
    truths = [np.array([[100.0, 110.0], [0.0, 8.0]]), np.array([[0.0, 1.0]])]
    assert best_guess_iou(predictions, truths).tolist() == pytest.approx([0.8, 0.0])
    assert recall_at_1(predictions, truths) == {0.5: 50.0, 0.7: 50.0}


def test_recall_of_an_absent_query_is_refused() -> None:
    """A sample without a true span, or lists of different lengths, are errors and not zeros."""
    with pytest.raises(ValueError, match="sample 0 has no true span"):
        best_guess_iou([np.zeros((1, 2))], [np.zeros((0, 2))])
    with pytest.raises(ValueError, match="1 predictions for 0 truths"):
        best_guess_iou([np.zeros((1, 2))], [])
