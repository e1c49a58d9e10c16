"""Training with our model, losses and optimiser is, number for number, the published training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from r2model.config import R2Config
from r2model.model import R2Tuning
from r2model.outputs import R2Output
from training.losses import R2Losses, r2_losses
from training.optimise import StepSchedule, adamw, optimise_step

if TYPE_CHECKING:
    from tests.training.conftest import Golden

FIELDS = {
    "loss_cls": "classification",
    "loss_reg": "regression",
    "loss_sal": "saliency",
    "loss_video_cal": "video_calibration",
    "loss_layer_cal": "layer_calibration",
    "loss": "total",
}


def tiny_model(golden: Golden, golden_dir: Path) -> R2Tuning:
    """Our model in float64 with the recorded starting weights of a variant."""
    highlights = golden.variant == "tvsum"
    config = R2Config(
        video_width=48,
        query_width=32,
        hidden=32,
        heads=4,
        layers=1 if golden.variant == "k1" else 4,
        strides=(1,) if highlights else (1, 2, 4, 8),
        use_tef=golden.variant in ("tef", "k1"),
        regress=not highlights,
        merge_saliency=not highlights,
        max_frames=64,
    )
    model = R2Tuning(config)
    published = load_file(golden_dir / f"{golden.variant}_model.safetensors")
    weights = {name: weight for name, weight in published.items() if not name.startswith("loss.")}
    model.load_state_dict(weights)
    return model.double().train()


def forward(model: R2Tuning, golden: Golden) -> R2Output:
    """The recorded batch, whose padding takes part as it does in published training."""
    video, query, video_mask, query_mask = (
        torch.from_numpy(golden.inputs[name]) for name in ("video", "query", "video_msk", "query_msk")
    )
    output: R2Output = model(
        video.double(), query.double(), video_mask.bool(), query_mask.bool(), published_padding=True
    )
    return output


def losses_of(model: R2Tuning, golden: Golden) -> R2Losses:
    return r2_losses(forward(model, golden), golden.truth(), golden.settings)


def gradients(model: R2Tuning, loss: Tensor) -> dict[str, Tensor | None]:
    named = dict(model.named_parameters())
    return dict(zip(named, torch.autograd.grad(loss, list(named.values()), allow_unused=True), strict=True))


def test_forward_of_a_padded_batch_equals_the_published_one(golden: Golden, golden_dir: Path) -> None:
    """Everything the losses read is as recorded, so a wrong loss can be told from a wrong model."""
    ours, published = forward(tiny_model(golden, golden_dir), golden), golden.output()
    assert torch.equal(ours.points, published.points)
    assert torch.equal(ours.point_mask, published.point_mask)
    for name in ("class_logits", "offsets", "video_embedding", "query_embedding", "layer_video", "layer_query"):
        torch.testing.assert_close(getattr(ours, name), getattr(published, name), rtol=0, atol=1e-9, msg=name)


def test_losses_and_every_gradient_equal_the_published_ones(golden: Golden, golden_dir: Path) -> None:
    """From weights and features alone, to 1e-9; parameters without a published gradient have none."""
    model = tiny_model(golden, golden_dir)
    losses = losses_of(model, golden)
    assert losses.total.item() == pytest.approx(float(golden.values["loss.total"]), abs=1e-9, rel=0)
    published = {name[5:] for name in golden.values if name.startswith("grad.")}
    ours = gradients(model, losses.total)
    assert {name for name, gradient in ours.items() if gradient is not None} == published
    for name in published:
        gradient = ours[name]
        assert gradient is not None
        np.testing.assert_allclose(gradient, golden.values[f"grad.{name}"], rtol=0, atol=1e-9, err_msg=name)


def test_hazardous_batch_trains(golden_tef: Golden, golden_dir: Path) -> None:
    """The batch whose published gradient is not a number gives every parameter a finite one."""
    model = tiny_model(golden_tef, golden_dir)
    golden_tef.inputs["pos_clip"] = np.array([[28], [7], [8], [16]])
    for name, gradient in gradients(model, losses_of(model, golden_tef).total).items():
        assert gradient is not None and gradient.isfinite().all(), name


@pytest.mark.parametrize(
    ("variant", "run", "schedule", "max_norm"),
    [
        ("tef", "tef_traj", StepSchedule(5e-4, warmup_steps=10), 35.0),
        ("tef", "tef_traj_clip", StepSchedule(2.5e-4, warmup_steps=10, milestones=(15,)), 1.0),
        ("tvsum", "tvsum_traj", StepSchedule(5e-4, warmup_steps=5), 35.0),
    ],
)
def test_twenty_steps_equal_the_published_ones(
    all_golden: dict[str, Golden], golden_dir: Path, variant: str, run: str, schedule: StepSchedule, max_norm: float
) -> None:
    """Rate, losses and gradient norm of every step, and the final weights, are as recorded, to 1e-9."""
    golden, recorded = all_golden[variant], np.load(golden_dir / f"{run}_f64.npz")
    model = tiny_model(golden, golden_dir)
    optimizer = adamw(model.parameters(), lr=schedule.base)
    for step in range(len(recorded["loss"])):
        lr = schedule.at(step, epoch=step)
        losses = losses_of(model, golden)
        norm = optimise_step(optimizer, list(model.parameters()), losses.total, lr, max_norm)
        assert lr == pytest.approx(float(recorded["lr"][step]), rel=1e-12)
        assert norm.item() == pytest.approx(float(recorded["grad_norm"][step]), abs=1e-9, rel=0)
        for name, field in FIELDS.items():
            if name in recorded:
                ours = getattr(losses, field).item()
                assert ours == pytest.approx(float(recorded[name][step]), abs=1e-9, rel=0), (step, name)
    for name, weight in model.named_parameters():
        np.testing.assert_allclose(weight.detach(), recorded[f"final.{name}"], rtol=0, atol=1e-9, err_msg=name)
