"""How well spans answer: temporal IoU, recall of the best guess, mean IoU. NumPy only; any unit of time will do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def temporal_iou(left: Array, right: Array) -> NDArray[np.float64]:
    """Intersection over union of every pair of `left [..., M, 2]` and `right [..., N, 2]`: `[..., M, N]` in [0, 1].

    Two empty spans have an IoU of 0.
    """
    a = np.asarray(left, np.float64)[..., :, None, :]
    b = np.asarray(right, np.float64)[..., None, :, :]
    overlap = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    intersection = np.maximum(overlap, 0)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - intersection
    iou: NDArray[np.float64] = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return iou


def best_guess_iou(predictions: Sequence[Array], truths: Sequence[Array]) -> NDArray[np.float64]:
    """IoU of each sample's first predicted span with the true span it fits best: `[samples]`.

    Args:
        predictions: per sample `[M, 2 or more]`, best first; further columns (scores) are ignored; none predicted is 0.
        truths: per sample `[G, 2]`, at least one.

    Raises:
        ValueError: if the lengths differ or a sample has no true span.
    """
    if len(predictions) != len(truths):
        raise ValueError(f"{len(predictions)} predictions for {len(truths)} truths")
    ious = np.zeros(len(truths))
    for sample, (predicted, true) in enumerate(zip(predictions, truths, strict=True)):
        if len(true) == 0:
            raise ValueError(f"sample {sample} has no true span, so recall is undefined for it")
        if len(predicted):
            ious[sample] = temporal_iou(np.asarray(predicted)[:1, :2], np.asarray(true)).max()
    return ious


def recall_at_1(
    predictions: Sequence[Array], truths: Sequence[Array], thresholds: Sequence[float] = (0.5, 0.7)
) -> dict[float, float]:
    """Share of samples, in percent, whose first span has IoU of at least each threshold (R1@m); NaN without samples."""
    ious = best_guess_iou(predictions, truths)
    return {threshold: _percent((ious >= threshold).astype(np.float64)) for threshold in thresholds}


def mean_iou(predictions: Sequence[Array], truths: Sequence[Array]) -> float:
    """Mean IoU of first spans, in percent; NaN without samples."""
    return _percent(best_guess_iou(predictions, truths))


def _percent(values: NDArray[np.float64]) -> float:
    return 100 * float(np.mean(values)) if values.size else float("nan")
