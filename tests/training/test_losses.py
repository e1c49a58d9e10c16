from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from r2model.outputs import R2Output
from training.losses import (
    LossSettings,
    R2Losses,
    focal_loss,
    l1_loss,
    layer_calibration_loss,
    r2_losses,
    sampled_nce_loss,
    video_calibration_loss,
)
from training.targets import GroundTruth

if TYPE_CHECKING:
    from tests.training.conftest import Golden

PUBLISHED_NAMES = {
    "classification": "loss_cls",
    "regression": "loss_reg",
    "saliency": "loss_sal",
    "video_calibration": "loss_video_cal",
    "layer_calibration": "loss_layer_cal",
}


def trainable(output: R2Output) -> tuple[R2Output, list[Tensor]]:
    """The same output with leaves that collect gradients."""
    names = ("class_logits", "offsets", "video_embedding", "query_embedding", "layer_video", "layer_query")
    leaves = {name: getattr(output, name).clone().requires_grad_() for name in names}
    return replace(output, **leaves), list(leaves.values())


def absent(truth: GroundTruth, rows: list[int]) -> GroundTruth:
    """The same labels where the queries of `rows` have no moment."""
    gone = torch.zeros_like(truth.present)
    gone[rows] = True
    return replace(
        truth,
        boundary_mask=truth.boundary_mask & ~gone[:, None],
        saliency=truth.saliency * ~gone[:, None],
        present=truth.present & ~gone,
    )


def assert_finite_gradients(losses: R2Losses, leaves: list[Tensor]) -> None:
    assert losses.total.isfinite()
    for gradient in torch.autograd.grad(losses.total, leaves):
        assert gradient.isfinite().all()


def test_losses_equal_the_published_ones(golden: Golden) -> None:
    """From the recorded forward pass every loss comes out as recorded, to 1e-12."""
    losses = r2_losses(golden.output(), golden.truth(), golden.settings).as_floats()
    for ours, published in PUBLISHED_NAMES.items():
        if f"loss.{published}" in golden.values:
            assert losses[ours] == pytest.approx(float(golden.values[f"loss.{published}"]), abs=1e-12, rel=0)
        else:
            assert losses[ours] == 0
    assert losses["total"] == pytest.approx(float(golden.values["loss.total"]), abs=1e-12, rel=0)


def test_gradients_are_finite_where_the_published_ones_are_not(golden_tef: Golden, golden_dir: Path) -> None:
    """When no row may enter some column of the batch direction, values stay as published and gradients finite."""
    hazard = json.loads((golden_dir / "tef_hazard_nan_grad.json").read_text())
    truth = replace(golden_tef.truth(), positive_frame=torch.tensor(hazard["pos_clip"]).squeeze(1))
    kept = (truth.saliency <= truth.saliency.gather(1, truth.positive_frame[:, None])) & truth.video_mask
    assert not kept[:, hazard["time_steps_without_valid_sample"]].any()
    output, leaves = trainable(golden_tef.output())
    losses = r2_losses(output, truth)
    for ours, published in PUBLISHED_NAMES.items():
        assert getattr(losses, ours).item() == pytest.approx(hazard["losses"][published], abs=1e-6)
    assert_finite_gradients(losses, leaves)


@pytest.mark.parametrize("rows", [[0], [1, 3], [0, 1, 2, 3]])
def test_absent_queries_are_background_and_nothing_else(golden_tef: Golden, rows: list[int]) -> None:
    """Rows without a moment give finite losses and gradients; with none present only background is left."""
    output, leaves = trainable(golden_tef.output())
    losses = r2_losses(output, absent(golden_tef.truth(), rows))
    assert_finite_gradients(losses, leaves)
    assert losses.classification > 0
    if len(rows) == 4:
        contrasts = [losses.regression, losses.saliency, losses.video_calibration, losses.layer_calibration]
        assert [loss.item() for loss in contrasts] == [0, 0, 0, 0]


def test_absent_rows_are_no_anchors(golden_tef: Golden) -> None:
    """What the positive frame of an absent row is set to does not matter."""
    output, truth = golden_tef.output(), absent(golden_tef.truth(), [2])
    moved = replace(truth, positive_frame=truth.positive_frame.where(truth.present, torch.tensor(0)))
    first, second = r2_losses(output, truth).as_floats(), r2_losses(output, moved).as_floats()
    assert first == pytest.approx(second, abs=1e-12)


def test_absent_rows_still_push_other_rows(golden_tef: Golden) -> None:
    """An absent query is a negative of other rows' frames: its embedding receives a gradient."""
    output, _ = trainable(golden_tef.output())
    losses = r2_losses(output, absent(golden_tef.truth(), [0]))
    (gradient,) = torch.autograd.grad(losses.video_calibration, [output.layer_query])
    assert gradient[:, 0].abs().sum() > 0


def test_no_positive_point_costs_nothing() -> None:
    """Regression over no positive point is 0 with gradient 0, not 0/0."""
    offsets = torch.ones(2, 5, 2, requires_grad=True)
    loss = l1_loss(offsets, torch.zeros(2, 5, 2), torch.zeros(2, 5, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(loss, [offsets])
    assert loss.item() == 0
    assert gradient.eq(0).all()


@given(st.floats(-12, 12), st.booleans(), st.floats(0, 4))
def test_focal_loss_follows_its_formula(logit: float, positive: bool, gamma: float) -> None:
    """(1 - p_t)^gamma * -log p_t for one point."""
    probability = 1 / (1 + math.exp(-logit if positive else logit))
    loss = focal_loss(
        torch.tensor([[logit]], dtype=torch.float64), torch.tensor([[positive]]), torch.tensor([[True]]), gamma
    )
    assert loss.item() == pytest.approx((1 - probability) ** gamma * -math.log(probability), rel=1e-6, abs=1e-9)


def test_masked_points_and_frames_do_not_count(golden_tef: Golden) -> None:
    """Whatever padded points and frames hold, the losses stay the same."""
    output, truth = golden_tef.output(), golden_tef.truth()
    noisy = replace(
        output,
        class_logits=output.class_logits.where(output.point_mask, torch.tensor(3.0, dtype=torch.float64)),
        video_embedding=output.video_embedding.where(truth.video_mask[..., None], torch.randn(32).double()),
    )
    assert r2_losses(noisy, truth).as_floats() == pytest.approx(r2_losses(output, truth).as_floats(), abs=1e-12)


def test_negatives_confine_video_calibration(golden_tef: Golden) -> None:
    """A pair that is not a negative has no influence on the other's loss; all pairs allowed is the published loss."""
    output, truth = golden_tef.output(), golden_tef.truth()
    video = output.layer_video[:, torch.arange(4), truth.positive_frame]
    published = video_calibration_loss(video, output.layer_query, truth.present)
    everyone = ~torch.eye(4, dtype=torch.bool)
    assert video_calibration_loss(video, output.layer_query, truth.present, everyone) == published
    nobody = torch.zeros(4, 4, dtype=torch.bool)
    assert video_calibration_loss(video, output.layer_query, truth.present, nobody).item() == pytest.approx(
        0, abs=1e-12
    )

    blocks = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]).bool()
    halves = [
        video_calibration_loss(video[:, part], output.layer_query[:, part], truth.present[part])
        for part in (slice(0, 2), slice(2, 4))
    ]
    together = video_calibration_loss(video, output.layer_query, truth.present, blocks)
    torch.testing.assert_close(together, (halves[0] + halves[1]) / 2)


def test_one_layer_has_nothing_to_calibrate() -> None:
    """With a single layer the contrast between layers is 0."""
    loss = layer_calibration_loss(torch.randn(1, 3, 8), torch.randn(1, 3, 8), torch.ones(3, dtype=torch.bool))
    assert loss.item() == 0


def test_less_salient_positive_ignores_more_salient_frames(golden_tef: Golden) -> None:
    """Frames more salient than the drawn one are no negatives over time."""
    output, truth = golden_tef.output(), golden_tef.truth()
    best = truth.saliency.argmax(dim=1)
    assert (truth.saliency.gather(1, best[:, None]) > truth.saliency.gather(1, truth.positive_frame[:, None])).any()
    video = output.video_embedding.clone().requires_grad_()
    loss = sampled_nce_loss(video, output.query_embedding, truth, over_batch=False)
    (gradient,) = torch.autograd.grad(loss, [video])
    above = truth.saliency > truth.saliency.gather(1, truth.positive_frame[:, None])
    assert gradient[above].eq(0).all()
    assert gradient[torch.arange(4), truth.positive_frame].abs().sum(dim=-1).gt(0).all()


def test_weights_scale_their_own_loss(golden_tef: Golden) -> None:
    """Each weight of the settings multiplies one field."""
    output, truth = golden_tef.output(), golden_tef.truth()
    once = r2_losses(output, truth)
    twice = r2_losses(output, truth, LossSettings(saliency_weight=0.2))
    torch.testing.assert_close(twice.saliency, 2 * once.saliency)
    assert twice.classification == once.classification
