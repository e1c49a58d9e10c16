"""What the model should have said: labels of a batch, and the target of every point of the pyramid.

Legend: B rows of a batch (one query in one window each), T frames, G ground-truth moments, N points over all levels.
Everything on the time axis is in frames of the window; frame `t` covers `[t, t + 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GroundTruth:
    """Labels of one batch. A row without any moment (`present` False) is a negative: all its points are background."""

    boundaries: Tensor
    """`[B, G, 2]` start and end in frames, clamped to the window; rows beyond `boundary_mask` may hold anything."""
    boundary_mask: Tensor
    """`[B, G]` bool, True on real moments."""
    saliency: Tensor
    """`[B, T]` relevance of each frame to the row's query, 0 outside moments."""
    positive_frame: Tensor
    """`[B]` int64, one salient frame drawn for the contrastive losses; any valid index where `present` is False."""
    video_mask: Tensor
    """`[B, T]` bool, True on real frames."""
    present: Tensor
    """`[B]` bool, True where the row's query has a moment in the row's window."""
    negatives: Tensor | None = None
    """`[B, B]` bool, `[i, j]` True when row j's query is known to be false at row i's positive frame.

    None: every other row is a negative, as published. Give it when windows or queries repeat within the batch.
    """


@dataclass(frozen=True)
class PointTargets:
    """Target of every point of every row."""

    positive: Tensor
    """`[B, N]` bool, True where the point answers for a moment."""
    offsets: Tensor
    """`[B, N, 2]` distances to the moment's start and end in strides; 0 where not positive."""


def negatives_by_id(*ids: Tensor) -> Tensor:
    """`[B, B]` True where two rows differ in every one of `ids` (each `[B]`): safe negatives when truth is unknown.

    With window and query ids, two rows of one window, or two of one query, are never each other's negatives.
    """
    different = torch.stack([one[:, None] != one[None, :] for one in ids])
    return different.all(dim=0)


def match_points(points: Tensor, boundaries: Tensor, boundary_mask: Tensor, radius: float = 1.5) -> PointTargets:
    """Assign to each point the shortest moment it may answer for (R²-Tuning's point generator, after FCOS).

    A point at `p` may answer for `[s, e]` when it lies inside it, at most `radius` strides from its centre, and its
    longer distance to an end is within the range of its level; every comparison includes equality.

    Args:
        points: `[N, 4]` position, range low, range high, stride; in frames.
        boundaries: `[B, G, 2]` moments in frames.
        boundary_mask: `[B, G]` bool, True on real moments.
        radius: half width of the central part, in strides.
    """
    # Padding may be inf, and inf - inf is NaN: replace it before any arithmetic.
    safe = torch.where(boundary_mask[..., None], boundaries, torch.zeros_like(boundaries))
    position, low, high, stride = points.unbind(dim=-1)
    start, end = safe[:, None, :, 0], safe[:, None, :, 1]  # [B, 1, G]
    to_start = position[:, None] - start  # [B, N, G]
    to_end = end - position[:, None]
    longest = torch.maximum(to_start, to_end)

    central = (position[:, None] - (start + end) / 2).abs() <= radius * stride[:, None]
    inside = torch.minimum(to_start, to_end) >= 0
    in_range = (longest >= low[:, None]) & (longest <= high[:, None])
    candidate = central & inside & in_range & boundary_mask[:, None, :]
    positive = candidate.any(dim=-1)

    if boundaries.shape[1] == 0:
        return PointTargets(positive, to_start.new_zeros(*positive.shape, 2))
    length = (end - start).expand_as(candidate).masked_fill(~candidate, torch.inf)
    chosen = length.argmin(dim=-1, keepdim=True)  # [B, N, 1]
    distances = torch.stack([to_start.gather(-1, chosen), to_end.gather(-1, chosen)], dim=-1).squeeze(-2)
    offsets = distances / stride[:, None]
    return PointTargets(positive, torch.where(positive[..., None], offsets, torch.zeros_like(offsets)))
