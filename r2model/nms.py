"""Greedy suppression of overlapping intervals, hard and soft (Bodla et al., arXiv 1704.04503), as published.

Empty intervals: the overlap of two of them is 0 / 0 = NaN. The hard form ignores it; the soft forms turn the score
into NaN, as the published evaluation does. Drop empty intervals first when that is not wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Suppression:
    """How much the score of an interval falls that overlaps a better one."""

    method: Literal["normal", "linear", "gaussian"] = "normal"
    """`normal`: to 0 from IoU `threshold` on. `linear`: by 1 - IoU. `gaussian`: by exp(-IoU² / `sigma`)."""
    threshold: float = 0.7
    sigma: float = 0.5

    def factor(self, iou: Floats) -> Floats:
        """Factor on the score for each IoU."""
        if self.method == "normal":
            return np.where(iou >= self.threshold, 0, 1).astype(iou.dtype)
        return 1 - iou if self.method == "linear" else np.exp(-(iou**2) / self.sigma)


def interval_iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of intervals `a [M,2]` and `b [N,2]` -> `[M,N]`; NaN between two empty ones."""
    overlap = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    overlap = overlap.clip(min=0)
    union = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None] - overlap
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(overlap / union)


def suppress(spans: Floats, scores: Floats, how: Suppression) -> tuple[Floats, Floats]:
    """Greedy suppression of `spans [N,2]` with `scores [N]`; no row is removed.

    Returns both in the order in which they were picked, with fallen scores; the inputs stay as they are.
    """
    factor = how.factor(interval_iou(spans, spans))
    scores = scores.copy()
    order = np.arange(len(scores))
    for i in range(len(order)):
        best = i + int(scores[order[i:]].argmax())
        if scores[order[best]] == 0:
            break
        order[[i, best]] = order[[best, i]]
        rest = order[i + 1 :]
        scores[rest] *= factor[order[i], rest]
    return spans[order], scores[order]
