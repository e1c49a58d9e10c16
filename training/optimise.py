"""How the published weights were optimised: AdamW, a global gradient norm, a warm-up per step and decay per epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter


@dataclass(frozen=True)
class StepSchedule:
    """Learning rate of R²-Tuning: linear warm-up per step, then a factor at each milestone epoch."""

    base: float
    warmup_steps: int = 500
    warmup_ratio: float = 0.001
    """Fraction of `base` at step 0."""
    milestones: tuple[int, ...] = ()
    """0-based epochs at whose start the rate is multiplied with `decay`."""
    decay: float = 0.1

    def at(self, step: int, epoch: int = 0) -> float:
        """Rate for 0-based `step` of the whole run, in 0-based `epoch`; warm-up ignores milestones, as published."""
        if step < self.warmup_steps:
            return self.base * _warmup(step, self.warmup_steps, self.warmup_ratio)
        passed = sum(milestone <= epoch for milestone in self.milestones)
        return self.base * self.decay**passed


@dataclass(frozen=True)
class CosineSchedule:
    """Learning rate that warms up linearly and then falls along half a cosine to `final_ratio * base`."""

    base: float
    steps: int
    """Steps of the whole run, warm-up included."""
    warmup_steps: int = 500
    warmup_ratio: float = 0.001
    final_ratio: float = 0.01

    def at(self, step: int) -> float:
        """Rate for 0-based `step` of the whole run; constant after its end."""
        if step < self.warmup_steps:
            return self.base * _warmup(step, self.warmup_steps, self.warmup_ratio)
        progress = min(1.0, (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps))
        remaining = (1 + math.cos(math.pi * progress)) / 2
        return self.base * (self.final_ratio + (1 - self.final_ratio) * remaining)


def _warmup(step: int, steps: int, ratio: float) -> float:
    """Factor growing linearly from `ratio` at step 0 to 1 at `steps`."""
    return (ratio - 1) * (1 - step / steps) + 1


def adamw(parameters: Iterable[Parameter], lr: float, weight_decay: float = 1e-4) -> torch.optim.AdamW:
    """AdamW over one group: norms, biases and gates are decayed too, as published."""
    return torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate of every group for the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def optimise_step(
    optimizer: torch.optim.Optimizer, parameters: Iterable[Parameter], loss: Tensor, lr: float, max_norm: float = 35.0
) -> Tensor:
    """One step: gradients of `loss`, cut to a global L2 norm of `max_norm`, applied with rate `lr`.

    Returns:
        The norm before cutting, a scalar.

    Raises:
        RuntimeError: if the norm is not finite; parameters are left as they were.
    """
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, error_if_nonfinite=True)
    set_lr(optimizer, lr)
    optimizer.step()
    return norm
