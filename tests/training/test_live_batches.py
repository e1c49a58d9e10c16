"""Batches of live training: several queries per window, windows of unequal length, queries that are absent."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from r2model.config import R2Config
from r2model.model import R2Tuning
from r2model.outputs import R2Output
from training.losses import r2_losses
from training.optimise import adamw, optimise_step
from training.targets import GroundTruth, negatives_by_id

CONFIG = R2Config(video_width=12, query_width=10, hidden=16, heads=2, layers=2, use_tef=False, max_frames=64)
WINDOW_OF_QUERY = torch.tensor([0, 0, 1, 1, 1])
QUERY = torch.tensor([0, 1, 0, 2, 3])


@pytest.fixture
def model() -> R2Tuning:
    torch.manual_seed(0)
    return R2Tuning(CONFIG).double()


def forward(model: R2Tuning, *, repeat_windows: bool = False) -> R2Output:
    """Five queries in two windows, of 20 and 11 frames; optionally each query with its own copy of its window."""
    draw = torch.Generator().manual_seed(1)
    video = torch.randn(2, 20, 2, 3, 12, generator=draw, dtype=torch.float64)
    words = torch.randn(4, 6, 2, 10, generator=draw, dtype=torch.float64)[QUERY]
    video_mask = torch.arange(20) < torch.tensor([[20], [11]])
    word_mask = torch.arange(6) < torch.tensor([3, 6, 4, 5])[QUERY, None]
    if repeat_windows:
        output: R2Output = model(video[WINDOW_OF_QUERY], words, video_mask[WINDOW_OF_QUERY], word_mask)
    else:
        output = model(video, words, video_mask, word_mask, window_of_query=WINDOW_OF_QUERY)
    return output


def labels() -> GroundTruth:
    """Rows 1 and 4 are absent; row 0 begins before the window and row 3 ends after it."""
    present = torch.tensor([True, False, True, True, False])
    boundaries = torch.tensor([[0.0, 5.0], [0.0, 0.0], [2.5, 7.5], [8.0, 11.0], [0.0, 0.0]]).double()[:, None]
    frame = torch.arange(20)
    inside = (frame >= boundaries[..., 0]) & (frame < boundaries[..., 1]) & present[:, None]
    return GroundTruth(
        boundaries=boundaries,
        boundary_mask=present[:, None],
        saliency=inside.double(),
        positive_frame=torch.tensor([2, 0, 5, 9, 0]),
        video_mask=(frame < torch.tensor([[20], [11]]))[WINDOW_OF_QUERY],
        present=present,
        negatives=negatives_by_id(WINDOW_OF_QUERY, QUERY),
    )


def gradients(model: R2Tuning, output: R2Output) -> tuple[Tensor, ...]:
    return torch.autograd.grad(r2_losses(output, labels()).total, list(model.parameters()))


def test_sharing_a_window_changes_nothing(model: R2Tuning) -> None:
    """Losses and gradients are those of a batch where every query brings its own copy of its window."""
    shared, repeated = forward(model), forward(model, repeat_windows=True)
    assert r2_losses(shared, labels()).as_floats() == pytest.approx(r2_losses(repeated, labels()).as_floats())
    for one, other in zip(gradients(model, shared), gradients(model, repeated), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_every_present_row_has_a_point_to_answer_for_it(model: R2Tuning) -> None:
    """Moments cut by the window's edge still give positive points, so regression has something to learn."""
    output = forward(model)
    for row in labels().present.nonzero().squeeze(1).tolist():
        alone = torch.zeros(5, 1, dtype=torch.bool)
        alone[row] = True
        truth = labels()
        only = GroundTruth(**{**vars(truth), "boundary_mask": truth.boundary_mask & alone})
        assert r2_losses(output, only).regression > 0


def test_training_separates_present_from_absent(model: R2Tuning) -> None:
    """After some steps the best point of each present row scores above those of every absent row."""
    optimizer = adamw(model.parameters(), lr=3e-3)
    first = r2_losses(forward(model), labels()).total.item()
    for _ in range(120):
        output = forward(model)
        optimise_step(optimizer, list(model.parameters()), r2_losses(output, labels()).total, lr=3e-3)
    output = forward(model)
    best = output.class_logits.masked_fill(~output.point_mask, -torch.inf).amax(dim=1).sigmoid()
    present = labels().present
    assert best[present].min() > best[~present].max() + 0.2
    assert r2_losses(output, labels()).total.item() < first / 2
