from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from hypothesis import given
from hypothesis import strategies as st

from training.targets import match_points, negatives_by_id

if TYPE_CHECKING:
    from tests.training.conftest import Golden

RANGES = ((1, 0.0, 2.0), (2, 2.0, 4.0), (4, 4.0, 8.0), (8, 8.0, math.inf))
FRAMES = 24
POINTS = [(float(p), low, high, float(stride)) for stride, low, high in RANGES for p in range(0, FRAMES, stride)]

quarters = st.integers(0, 4 * FRAMES).map(lambda value: value / 4)
moments = st.tuples(quarters, quarters).map(lambda pair: (min(pair), max(pair)))


def expected(point: tuple[float, float, float, float], spans: list[tuple[float, float]]) -> tuple[float, float] | None:
    """The rule for one point, written as one would say it."""
    position, low, high, stride = point
    answers = [
        (end - start, (position - start) / stride, (end - position) / stride)
        for start, end in spans
        if start <= position <= end
        and abs(position - (start + end) / 2) <= 1.5 * stride
        and low <= max(position - start, end - position) <= high
    ]
    return min(answers, key=lambda answer: answer[0])[1:] if answers else None


def test_targets_equal_the_published_ones(golden_with_boundaries: Golden) -> None:
    """Every point's class, and the offsets of every positive point, equal the recorded ones."""
    golden = golden_with_boundaries
    truth = golden.truth()
    targets = match_points(golden.tensor("point"), truth.boundaries, truth.boundary_mask)
    positive = golden.tensor("cls_tgt").bool()
    assert torch.equal(targets.positive, positive)
    torch.testing.assert_close(targets.offsets[positive], golden.tensor("reg_tgt")[positive], rtol=0, atol=1e-12)


@given(st.lists(moments, max_size=4))
def test_each_point_answers_for_its_shortest_candidate(spans: list[tuple[float, float]]) -> None:
    """The vectorised matching equals the rule applied to one point at a time."""
    boundaries = torch.tensor(spans, dtype=torch.float64).reshape(1, -1, 2)
    mask = torch.ones(1, len(spans), dtype=torch.bool)
    targets = match_points(torch.tensor(POINTS, dtype=torch.float64), boundaries, mask)
    for index, point in enumerate(POINTS):
        answer = expected(point, spans)
        assert bool(targets.positive[0, index]) == (answer is not None)
        assert targets.offsets[0, index].tolist() == list(answer or (0.0, 0.0))


@given(st.lists(moments, min_size=1, max_size=4), st.floats(allow_nan=True))
def test_padding_never_matches(spans: list[tuple[float, float]], filler: float) -> None:
    """Rows of boundaries outside the mask change nothing, whatever they hold."""
    points = torch.tensor(POINTS, dtype=torch.float64)
    boundaries = torch.tensor(spans, dtype=torch.float64)[None]
    mask = torch.ones(boundaries.shape[:2], dtype=torch.bool)
    alone = match_points(points, boundaries, mask)
    padded_boundaries = torch.cat([boundaries, torch.full((1, 2, 2), filler, dtype=torch.float64)], dim=1)
    padded = match_points(points, padded_boundaries, torch.nn.functional.pad(mask, (0, 2)))
    assert torch.equal(alone.positive, padded.positive)
    assert torch.equal(alone.offsets, padded.offsets)


def test_absent_queries_have_no_positive_point() -> None:
    """A row whose moments are all masked out is background everywhere."""
    points = torch.tensor(POINTS)
    targets = match_points(points, torch.full((2, 3, 2), torch.inf), torch.zeros(2, 3, dtype=torch.bool))
    assert not targets.positive.any()
    assert targets.offsets.eq(0).all()


def test_rows_of_one_window_or_one_query_are_not_negatives() -> None:
    """Two rows are safe negatives only where both their windows and their queries differ."""
    windows, queries = torch.tensor([0, 0, 1]), torch.tensor([5, 6, 5])
    expected_negatives = [[False, False, False], [False, False, True], [False, True, False]]
    assert negatives_by_id(windows, queries).tolist() == expected_negatives
