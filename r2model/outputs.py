"""What the model returns. Legend: B batch, T frames, N points over all pyramid levels, K layers, D hidden channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class HeadOutput:
    """What the heads say about each query: all that decoding needs."""

    class_logits: Tensor  # [B, N]
    offsets: Tensor | None  # [B, N, 2], exp(raw) * coef, in strides; None without a boundary head
    saliency: Tensor  # [B, T], padded frames 0
    points: Tensor  # [N, 4]: position, range low, range high, stride; in frames
    point_mask: Tensor  # [B, N] bool, True on real points
    video_embedding: Tensor  # [B, T, D], after the first pyramid level's ReLU
    query_embedding: Tensor  # [B, D], pooled query of the shallowest layer


@dataclass(frozen=True)
class R2Output(HeadOutput):
    """One forward pass; the same in training and inference. Losses and decoding are separate functions of it."""

    layer_video: Tensor  # [K, B, T, D], class-token embedding before pooling, shallowest first
    layer_query: Tensor  # [K, B, D], pooled query per layer, shallowest first


@dataclass(frozen=True)
class Grounding:
    """Moments of one query in one window, exactly as the model outputs them: not clamped, rounded or suppressed."""

    saliency: Tensor  # [T]
    spans: Tensor  # [N, 2], seconds from the window's start
    scores: Tensor  # [N], descending
