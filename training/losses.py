"""The losses R²-Tuning is trained with, as plain functions of tensors and explicit masks.

Legend: B rows (one query in one window each), T frames, N points over all pyramid levels, K layers, D hidden channels.
Formulas: R²-Tuning (arXiv 2404.00801, section 3.4); focal loss (arXiv 1708.02002); InfoNCE (arXiv 1807.03748).
A mean over nothing is 0, and masked entries never reach a logarithm, so values and gradients stay finite.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from r2model.outputs import R2Output
from training.targets import GroundTruth, match_points

INVERSE_TEMPERATURE = 1 / 0.07
"""What cosines are multiplied with before a softmax."""
SALIENCY_SCALE = 14.285714251833989
"""The same in the saliency loss; the published one keeps its logarithm as float32 (2.659260034561157)."""


@dataclass(frozen=True)
class LossSettings:
    """Which losses, and how much each counts."""

    classification: Literal["points", "saliency"] = "points"
    """`points`: focal loss on every pyramid point. `saliency`: soft cross entropy on frames (no boundaries)."""
    contrast_over_batch: bool = True
    """Whether the saliency loss also compares rows of the batch at the positive frame's time."""
    classification_weight: float = 1.0
    regression_weight: float = 0.2
    saliency_weight: float = 0.1
    video_calibration_weight: float = 0.1
    layer_calibration_weight: float = 0.1
    focal_gamma: float = 2.0
    centre_radius: float = 1.5
    """Strides around a moment's centre where points answer for it."""


@dataclass(frozen=True)
class R2Losses:
    """Each loss already weighted; scalars. Without a boundary head `regression` is 0."""

    classification: Tensor
    regression: Tensor
    saliency: Tensor
    video_calibration: Tensor
    layer_calibration: Tensor

    @property
    def total(self) -> Tensor:
        """What training minimises: the plain sum."""
        return torch.stack([getattr(self, field.name) for field in fields(self)]).sum()

    def as_floats(self) -> dict[str, float]:
        """Numbers for a log: every loss, and `total`."""
        named = {field.name: getattr(self, field.name).item() for field in fields(self)}
        return named | {"total": self.total.item()}


def r2_losses(output: R2Output, truth: GroundTruth, settings: LossSettings | None = None) -> R2Losses:
    """All losses of one batch.

    Rows whose query is absent count as background in the classification loss and are never anchors of the contrastive
    losses, but may serve there as negatives of other rows.
    """
    settings = settings or LossSettings()
    classification, regression = _point_losses(output, truth, settings)
    rows = torch.arange(len(truth.positive_frame), device=truth.positive_frame.device)
    layer_video = output.layer_video[:, rows, truth.positive_frame]  # [K, B, D]
    saliency = sampled_nce_loss(
        output.video_embedding, output.query_embedding, truth, over_batch=settings.contrast_over_batch
    )
    video = video_calibration_loss(layer_video, output.layer_query, truth.present, truth.negatives)
    layer = layer_calibration_loss(layer_video, output.layer_query, truth.present)
    return R2Losses(
        classification=settings.classification_weight * classification,
        regression=settings.regression_weight * regression,
        saliency=settings.saliency_weight * saliency,
        video_calibration=settings.video_calibration_weight * video,
        layer_calibration=settings.layer_calibration_weight * layer,
    )


def _point_losses(output: R2Output, truth: GroundTruth, settings: LossSettings) -> tuple[Tensor, Tensor]:
    """Classification and regression, unweighted."""
    nothing = output.class_logits.sum() * 0
    if settings.classification == "saliency":
        return dynamic_bce_loss(output.class_logits, truth.saliency, truth.video_mask), nothing
    targets = match_points(output.points, truth.boundaries, truth.boundary_mask, settings.centre_radius)
    positive = targets.positive & output.point_mask
    classification = focal_loss(output.class_logits, positive, output.point_mask, settings.focal_gamma)
    if output.offsets is None:
        return classification, nothing
    return classification, l1_loss(output.offsets, targets.offsets, positive)


def focal_loss(logits: Tensor, positive: Tensor, mask: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean over `mask` of `(1 - p_t)^gamma * -log p_t`, `p_t` the probability given to the true class.

    Args:
        logits: `[B, N]`.
        positive: `[B, N]` bool, the true class.
        mask: `[B, N]` bool, points that count.
        gamma: how much easy points are discounted.
    """
    target = positive.to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    missed = torch.where(positive, 1 - probability, probability)
    return _masked_mean(entropy * missed**gamma, mask)


def dynamic_bce_loss(logits: Tensor, saliency: Tensor, mask: Tensor) -> Tensor:
    """Mean over `mask` of the binary cross entropy against soft labels; all `[B, T]`, `saliency` in [0, 1]."""
    return _masked_mean(F.binary_cross_entropy_with_logits(logits, saliency, reduction="none"), mask)


def l1_loss(offsets: Tensor, target: Tensor, positive: Tensor) -> Tensor:
    """Mean absolute error over both coordinates of positive points; `[B, N, 2]`, `[B, N, 2]`, `[B, N]` bool."""
    return _masked_mean((offsets - target).abs(), positive[..., None].expand_as(offsets))


def sampled_nce_loss(
    video_embedding: Tensor, query_embedding: Tensor, truth: GroundTruth, *, over_batch: bool = True
) -> Tensor:
    """Contrast each row's positive frame with frames at most as salient: over time, and over the batch at that time.

    Over the batch, row b competes at time t with its own query, and only where its saliency there does not exceed
    that of its own positive frame. A batch column is built for the positive frames alone: a column that no row may
    enter would be a softmax over nothing, whose gradient is not a number.

    Args:
        video_embedding: `[B, T, D]`.
        query_embedding: `[B, D]`.
        truth: `saliency`, `positive_frame`, `video_mask` and `present` are used.
        over_batch: whether to add the second direction.
    """
    similarity = F.cosine_similarity(video_embedding, query_embedding[:, None], dim=-1) * SALIENCY_SCALE  # [B, T]
    positive = truth.positive_frame[:, None]  # [B, 1]
    kept = (truth.saliency <= truth.saliency.gather(1, positive)) & truth.video_mask
    loss = _masked_cross_entropy(similarity, kept, positive.squeeze(1), truth.present)
    if over_batch:
        rows = torch.arange(len(positive), device=positive.device)
        columns, kept_columns = similarity[:, truth.positive_frame].T, kept[:, truth.positive_frame].T  # [B anchor, B]
        loss = loss + _masked_cross_entropy(columns, kept_columns, rows, truth.present)
    return loss


def video_calibration_loss(video: Tensor, query: Tensor, present: Tensor, negatives: Tensor | None = None) -> Tensor:
    """InfoNCE between positive frames and queries of the same layer; negatives are other rows.

    A frame is compared with the queries known to be false there, those of absent rows included; a query is compared
    with the positive frames of present rows where it is false.

    Args:
        video: `[K, B, D]` per-layer embedding of each row's positive frame.
        query: `[K, B, D]` pooled query per layer.
        present: `[B]` bool, rows that are anchors.
        negatives: `[B, B]` bool, `[i, j]` True when query j is false at frame i; None takes every other row.
    """
    rows = torch.arange(len(present), device=present.device)
    itself = rows[:, None] == rows
    allowed = itself | (negatives if negatives is not None else ~itself)
    logits = _cosines(video, query)  # [K, B frames, B queries]
    layers, anchors = logits.shape[0], present.expand(logits.shape[0], -1)
    target = rows.expand(layers, -1)
    to_query = _masked_cross_entropy(logits, allowed.expand_as(logits), target, anchors)
    frames = (allowed & (present[:, None] | itself)).T
    to_frame = _masked_cross_entropy(logits.transpose(1, 2), frames.expand_as(logits), target, anchors)
    return (to_query + to_frame) / 2


def layer_calibration_loss(video: Tensor, query: Tensor, present: Tensor) -> Tensor:
    """InfoNCE between layers of one row, so that equal layers of frame and query agree; 0 with a single layer.

    Args:
        video: `[K, B, D]` per-layer embedding of each row's positive frame.
        query: `[K, B, D]` pooled query per layer.
        present: `[B]` bool, rows that count.
    """
    logits = _cosines(video.transpose(0, 1), query.transpose(0, 1))  # [B, K, K]
    target = torch.arange(logits.shape[-1], device=logits.device).expand(logits.shape[:2])
    anchors = present[:, None].expand_as(target)
    everything = torch.ones_like(logits, dtype=torch.bool)
    to_query = _masked_cross_entropy(logits, everything, target, anchors)
    return (to_query + _masked_cross_entropy(logits.transpose(1, 2), everything, target, anchors)) / 2


def _cosines(left: Tensor, right: Tensor) -> Tensor:
    """`[..., M, D]` and `[..., N, D]` to temperature-scaled cosines `[..., M, N]`."""
    return F.normalize(left, dim=-1) @ F.normalize(right, dim=-1).transpose(-1, -2) * INVERSE_TEMPERATURE


def _masked_cross_entropy(logits: Tensor, kept: Tensor, target: Tensor, anchors: Tensor) -> Tensor:
    """Mean over `anchors [...]` of -log softmax of `logits [..., M]` over `kept` at `target [...]`."""
    # The target always takes part, so no softmax is over nothing, not even in rows that do not count.
    kept = kept.scatter(-1, target[..., None], True)
    entropy = -logits.masked_fill(~kept, -torch.inf).log_softmax(dim=-1).gather(-1, target[..., None]).squeeze(-1)
    return _masked_mean(entropy, anchors)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask`; 0, with gradient 0, where nothing is."""
    return torch.where(mask, values, torch.zeros_like(values)).sum() / mask.sum().clamp(min=1)
