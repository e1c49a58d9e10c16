from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter

from training.optimise import CosineSchedule, MuonAdamW, StepSchedule, adamw, optimise_step

SCHEDULES = {
    "tef_traj": StepSchedule(5e-4, warmup_steps=10),
    "tef_traj_clip": StepSchedule(2.5e-4, warmup_steps=10, milestones=(15,)),
    "tvsum_traj": StepSchedule(5e-4, warmup_steps=5),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_equal_the_published_ones(name: str, golden_dir: Path) -> None:
    """Warm-up and milestones give the recorded rate at every step (one step per epoch there)."""
    recorded = np.load(golden_dir / f"{name}_f64.npz")["lr"]
    rates = [SCHEDULES[name].at(step, epoch=step) for step in range(len(recorded))]
    np.testing.assert_allclose(rates, recorded, rtol=1e-12)


def test_warmup_reaches_the_base_rate_exactly() -> None:
    """At the first step after warm-up the rate is the base rate itself."""
    assert StepSchedule(5e-4, warmup_steps=500).at(500) == 5e-4
    assert CosineSchedule(5e-4, steps=1000, warmup_steps=500).at(500) == 5e-4


@given(st.integers(0, 400), st.integers(1, 300), st.integers(0, 100))
def test_cosine_rises_then_falls_to_its_floor(step: int, steps: int, warmup: int) -> None:
    """The rate stays within its bounds, never rises after warm-up, and rests at the floor after the end."""
    schedule = CosineSchedule(1.0, steps=steps, warmup_steps=warmup, final_ratio=0.1)
    assert 0.001 <= schedule.at(step) <= 1 + 1e-12
    if step >= warmup:
        assert schedule.at(step + 1) <= schedule.at(step)
    assert schedule.at(max(steps, warmup + 1) + step) == pytest.approx(0.1)


def test_step_returns_the_norm_before_cutting_and_applies_the_cut_one() -> None:
    """A gradient of norm 5 under a limit of 1 moves plain SGD by a fifth of it."""
    weight = Parameter(torch.tensor([0.0, 0.0]))
    optimizer = torch.optim.SGD([weight], lr=9.0)
    norm = optimise_step(optimizer, [weight], (weight * torch.tensor([3.0, 4.0])).sum(), lr=1.0, max_norm=1.0)
    assert norm.item() == pytest.approx(5.0)
    assert weight.tolist() == pytest.approx([-0.6, -0.8], rel=1e-5)


def test_adamw_decays_every_parameter_alike() -> None:
    """One group with the published constants, biases and gates included; parameters without gradient stay."""
    gate, unused = Parameter(torch.ones(1)), Parameter(torch.ones(1))
    optimizer = adamw([gate, unused], lr=0.1)
    (group,) = optimizer.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 1e-4)
    optimise_step(optimizer, [gate, unused], gate.sum() * 0, lr=0.1)
    assert gate.item() == pytest.approx(1 - 0.1 * 1e-4)
    assert unused.item() == 1


def test_non_finite_gradient_changes_nothing() -> None:
    """A gradient that is not a number raises, and parameters keep their values."""
    weight = Parameter(torch.zeros(2))
    optimizer = adamw([weight], lr=0.1)
    with pytest.raises(RuntimeError, match="non-finite"):
        optimise_step(optimizer, [weight], (weight * torch.tensor([1.0, torch.nan])).sum(), lr=0.1)
    assert weight.tolist() == [0, 0]


def _step(optimizer: MuonAdamW, matrix: Parameter, vector: Parameter, target: torch.Tensor) -> None:
    loss = (matrix @ target - target).square().sum() + (vector - 2).square().sum()
    optimise_step(optimizer, [matrix, vector], loss, lr=0.01)


def test_muon_turns_matrices_and_adamw_moves_the_rest() -> None:
    """A matrix goes equally far in all directions of its gradient, whatever their strength; a vector as under AdamW."""
    matrix, vector = Parameter(torch.zeros(4, 4)), Parameter(torch.zeros(4))
    alone = Parameter(torch.zeros(4))
    strengths = torch.diag(torch.tensor([1.0, 0.5, 0.2, 0.1]))

    _step(MuonAdamW([matrix, vector], lr=0.01, weight_decay=0.0, muon_factor=3.0), matrix, vector, strengths)
    optimise_step(adamw([alone], 0.01, 0.0), [alone], (alone - 2).square().sum(), lr=0.01)

    moved = torch.linalg.svdvals(matrix.detach())
    assert 0.5 < float(moved.min() / moved.max()) <= 1  # Muon's iteration stops short of exactly orthogonal
    # Scaled to AdamW's usual size, 0.2 in the mean square of all entries (arXiv 2502.16982), times rate and factor.
    assert float(matrix.detach().square().mean().sqrt()) == pytest.approx(0.2 * 0.01 * 3.0, rel=0.3)
    assert torch.equal(vector, alone)


def test_muon_goes_on_from_its_state_as_if_it_had_never_stopped() -> None:
    """Momentum of both halves is in the state, and so is the rate's factor."""
    straight = [Parameter(torch.eye(3)), Parameter(torch.ones(3))]
    target = torch.tensor([[1.0, 0.2, 0.0], [0.0, 2.0, 0.1], [0.3, 0.0, 1.0]])
    first = MuonAdamW(straight, lr=0.01, muon_factor=2.0)
    _step(first, straight[0], straight[1], target)
    resumed = [Parameter(p.detach().clone()) for p in straight]
    second = MuonAdamW(resumed, lr=0.5)
    second.load_state_dict(deepcopy(first.state_dict()))

    _step(first, straight[0], straight[1], target)
    _step(second, resumed[0], resumed[1], target)

    assert all(torch.equal(a, b) for a, b in zip(straight, resumed, strict=True))
