"""From one vector per frame to scores and boundaries: temporal pyramid, convolutional heads, query pooling.

Letters: B queries, T frames, D channels, L words, N points. A point is one position of one pyramid level; positions of
level s stand for frames j * s. Attributes carry the names of the published checkpoints.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Pyramid(nn.Module):
    """One level per stride (a power of two); each has its own convolutions and starts from the first level."""

    def __init__(self, d: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        self.blocks = nn.ModuleList(_level(d, int(math.log2(stride))) for stride in strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """`[B,T,D]` -> per level `[B, T // stride, D]`; levels coarser than T are left out."""
        first: Tensor = x.relu()
        levels = zip(self.blocks, self.strides, strict=True)
        return [first if s == 1 else block(first) for block, s in levels if x.shape[1] >= s]


def _level(d: int, halvings: int) -> nn.Sequential:
    if halvings == 0:
        return nn.Sequential(nn.ReLU())
    halve = [
        (SwapAxes(), nn.Conv1d(d, d, kernel_size=2, stride=2), SwapAxes(), nn.LayerNorm(d), nn.ReLU())
        for _ in range(halvings)
    ]
    return nn.Sequential(*(module for step in halve for module in step))


class SwapAxes(nn.Module):
    """`[B,T,D]` <-> `[B,D,T]`, between layers that disagree about where channels belong."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class ConvHead(nn.Module):
    """Two convolutions over time that see zeros beyond a row's end, as if the row were alone."""

    def __init__(self, d: int, outputs: int) -> None:
        super().__init__()
        # The keys are the positions in the published sequence; its even members have no parameters.
        self.module = nn.ModuleDict({"1": nn.Conv1d(d, d, 3, padding=1), "3": nn.Conv1d(d, outputs, 3, padding=1)})

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x [B,T,D]`, `mask [B,T]` (True where the row exists) -> `[B,T,outputs]`."""
        exists = mask[:, None, :].to(x.dtype)
        hidden = self.module["1"](x.transpose(1, 2) * exists).relu()
        out: Tensor = self.module["3"](hidden * exists).transpose(1, 2)
        return out


class QueryPooling(nn.Module):
    """Attentive mean of the words of a query."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.att = nn.Linear(d, 1, bias=False)

    def forward(self, q: Tensor, mask: Tensor) -> Tensor:
        """`q [B,L,...,D]`, `mask [B,L]` -> `[B,...,D]`."""
        mask = mask.reshape(*mask.shape, *[1] * (q.ndim - 2))
        weight = self.att(q).masked_fill(~mask, -math.inf).softmax(1)
        pooled: Tensor = (weight * q).sum(1)
        return pooled


def make_points(lengths: list[int], strides: tuple[int, ...], like: Tensor) -> Tensor:
    """Points `[N,4]` of levels with these lengths: position, shortest and longest reach answered here, stride; frames.

    A level answers for reaches of one to two strides; the first also for shorter, the last also for longer ones.
    """
    rows = []
    for level, (length, stride) in enumerate(zip(lengths, strides, strict=False)):
        low = 0.0 if level == 0 else float(stride)
        high = math.inf if level == len(strides) - 1 else 2.0 * stride
        position = torch.arange(length, device=like.device, dtype=like.dtype) * stride
        rows.append(torch.stack([position, *(torch.full_like(position, x) for x in (low, high, stride))], -1))
    return torch.cat(rows)


def spread_over_frames(levels: list[Tensor], strides: tuple[int, ...], lengths: Tensor, frames: int) -> Tensor:
    """Best score of any level for each frame: per level `[B, T // stride]` -> `[B,T]`, using each row's own length.

    A level with n positions over T frames repeats each score T // n times (not `stride` times) and its last score to
    the end. Scores must not be negative: a level coarser than a row's length counts as 0 there.
    """
    frame = torch.arange(frames, device=lengths.device)
    best = levels[0].new_zeros(len(lengths), frames)
    for scores, stride in zip(levels, strides, strict=False):
        own = lengths // stride  # [B]
        repeat = lengths // own.clamp(min=1)
        source = torch.minimum(frame // repeat[:, None], (own[:, None] - 1).clamp(min=0))  # [B, T]
        best = torch.maximum(best, scores.gather(1, source) * (own > 0)[:, None])
    return best
