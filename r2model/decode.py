"""From the heads' output to moments in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from r2model.nms import Floats, Suppression, suppress
from r2model.outputs import Grounding, HeadOutput


def groundings(
    output: HeadOutput, frames: Sequence[int], frame_interval_s: float, max_moments: int = 50
) -> list[Grounding]:
    """One `Grounding` per query of the batch, at least float32; `frames` is how many frames each query's window has."""
    exact = torch.promote_types(output.class_logits.dtype, torch.float32)
    logits = output.class_logits.to(exact).masked_fill(~output.point_mask, -math.inf)
    saliency, points_at = output.saliency.to(exact), output.points.to(exact)
    if output.offsets is None:
        scores, best = logits.new_zeros(len(frames), 0), None
    else:
        scores, best = logits.sigmoid().topk(min(max_moments, logits.shape[1]), dim=1)
    found = []
    points = output.point_mask.sum(1).tolist()
    for i, length in enumerate(frames):
        spans = logits.new_zeros(0, 2)
        if best is not None and output.offsets is not None:
            keep = best[i, : points[i]]
            position, stride = points_at[keep, 0], points_at[keep, 3]
            reach = output.offsets[i, keep].to(exact) * stride[:, None]
            spans = torch.stack([position - reach[:, 0], position + reach[:, 1]], -1) * frame_interval_s
        found.append(Grounding(saliency[i, :length], spans, scores[i, : len(spans)]))
    return found


def decode_moments(
    grounding: Grounding, window_s: float, nms_iou: float = 0.7
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments fit for use: clamped to [0, `window_s`], empty ones dropped, overlaps suppressed, best first.

    Returns:
        spans `[M,2]` in seconds from the window's start, and their scores `[M]`.
    """
    spans = grounding.spans.double().cpu().numpy().clip(0, window_s)
    scores = grounding.scores.double().cpu().numpy()
    some = spans[:, 1] > spans[:, 0]
    picked, fallen = suppress(spans[some], scores[some], Suppression("normal", threshold=nms_iou))
    return picked[fallen > 0].astype(np.float64), fallen[fallen > 0].astype(np.float64)


def benchmark_moments(
    spans: Floats, scores: Floats, duration_s: float, *, unit_s: float | None = None, how: Suppression | None = None
) -> tuple[Floats, Floats]:
    """What the published evaluation makes of raw moments: clamp, round to the labels' unit, suppress and sort.

    A row whose raw end reaches `duration_s` is not rounded. Suppressed rows stay, NaN scores come first. Without `how`
    the order stays as it is.
    """
    inside = spans[:, 1] < duration_s
    spans = spans.clip(0, duration_s)
    if unit_s is not None:
        spans[inside] = (spans[inside] / unit_s).round() * unit_s
    if how is None:
        return spans, scores
    spans, scores = suppress(spans, scores, how)
    order = np.argsort(np.where(np.isnan(scores), -np.inf, -scores), kind="stable")
    return spans[order], scores[order]
