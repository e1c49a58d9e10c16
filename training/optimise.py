"""How the published weights were optimised: AdamW, a global gradient norm, a warm-up per step and decay per epoch.

And how the demo's R² is: Muon for the matrices, AdamW for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

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


class Optimiser(Protocol):
    """What a training loop needs of an optimiser; PyTorch's have it."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class MuonAdamW:
    """Muon (https://kellerjordan.github.io/posts/muon) for weight matrices, AdamW for everything else.

    Muon's rate is `muon_factor` times what `set_lr` says, with updates scaled to the size of AdamW's
    (arXiv 2502.16982, section 2.2).
    """

    def __init__(
        self, parameters: Iterable[Parameter], lr: float, weight_decay: float = 1e-2, muon_factor: float = 1.0
    ) -> None:
        parameters = list(parameters)
        matrices = [p for p in parameters if p.ndim == 2 and min(p.shape) > 1]
        others = [p for p in parameters if p.ndim != 2 or min(p.shape) == 1]
        groups = [{"params": matrices, "lr_factor": muon_factor}]
        self._muon = torch.optim.Muon(
            groups, lr=lr * muon_factor, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self._adamw = adamw(others, lr, weight_decay)
        self.param_groups = list(chain(self._muon.param_groups, self._adamw.param_groups))

    def zero_grad(self, set_to_none: bool = True) -> None:
        self._muon.zero_grad(set_to_none)
        self._adamw.zero_grad(set_to_none)

    def step(self) -> None:
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._muon.load_state_dict(state_dict["muon"])
        self._adamw.load_state_dict(state_dict["adamw"])
        self.param_groups = list(chain(self._muon.param_groups, self._adamw.param_groups))


def set_lr(optimizer: Optimiser, lr: float) -> None:
    """Set the rate of every group for the next step; a group's `lr_factor` multiplies it."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)


def optimise_step(
    optimizer: Optimiser, parameters: Iterable[Parameter], loss: Tensor, lr: float, max_norm: float = 35.0
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
