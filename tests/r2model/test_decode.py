"""From raw groundings to moments that can be used."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from r2model.decode import decode_moments, groundings
from r2model.model import R2Tuning
from r2model.outputs import Grounding


def grounding(spans: list[tuple[float, float]], scores: list[float]) -> Grounding:
    return Grounding(torch.zeros(4), torch.tensor(spans).reshape(-1, 2), torch.tensor(scores))


def test_moments_are_clamped_and_empty_ones_dropped() -> None:
    """Spans end within the window; what lies wholly outside disappears."""
    spans, scores = decode_moments(grounding([(-3, 2), (6, 99), (40, 50), (-9, -1)], [0.9, 0.8, 0.7, 0.6]), 10.0, 0.7)
    assert spans.tolist() == [[0, 2], [6, 10]]
    np.testing.assert_allclose(scores, [0.9, 0.8])


def test_overlapping_moments_are_suppressed_best_first() -> None:
    """Of spans that overlap too much the best remains; the order is by score."""
    found = grounding([(0, 4), (0, 5), (20, 24)], [0.5, 0.9, 0.7])
    assert decode_moments(found, 30.0, 0.7)[0].tolist() == [[0, 5], [20, 24]]
    assert decode_moments(found, 30.0, 0.9)[0].tolist() == [[0, 5], [20, 24], [0, 4]]


def test_nothing_found_is_empty() -> None:
    """Without spans there are no moments, in the usual shapes."""
    spans, scores = decode_moments(grounding([], []), 30.0, 0.7)
    assert spans.shape == (0, 2) and scores.shape == (0,)


def test_padded_points_are_never_moments(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """A short row of a batch yields only its own points, and at most `max_moments`."""
    model = make_model()
    video, query = make_tokens(0, 20, 4)
    mask = torch.arange(20) < torch.tensor([[3], [20]])
    with torch.no_grad():
        output = model(video.expand(2, *video.shape), query.expand(2, *query.shape), mask, torch.ones(2, 4).bool())
    short, long = groundings(output, [3, 20], 2.0, max_moments=30)
    assert len(short.spans) == 3 + 1 and short.saliency.shape == (3,)
    assert len(long.spans) == 30 < 20 + 10 + 5 + 2
    for found in (short, long):
        assert found.scores.equal(found.scores.sort(descending=True).values)
        assert all(map(math.isfinite, found.spans.flatten().tolist()))
