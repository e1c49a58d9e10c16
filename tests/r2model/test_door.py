"""The door for researchers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from r2model import R2Model
from r2model.model import R2Tuning


def test_importing_r2model_is_light() -> None:
    """`import r2model` does not import open_clip, which takes seconds: only encoding does."""
    check = "import sys, r2model, r2model.incremental; sys.exit('open_clip' in sys.modules or 'rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=100)


def test_frame_interval_scales_spans_only(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """Spans are in seconds: proportional to the frame interval, by default the one the model was trained at."""
    r2 = make_model(frame_interval_s=0.5)
    model, (video, query) = R2Model(r2.config, r2), make_tokens(0, 12, 5)
    half, two = model.ground(video, query), model.ground(video, query, frame_interval_s=2.0)
    torch.testing.assert_close(half.spans * 4, two.spans)
    assert half.saliency.equal(two.saliency) and half.scores.equal(two.scores)
    assert half.saliency.shape == (12,) and half.spans.shape == (12 + 6 + 3 + 1, 2) and half.scores.shape == (22,)


def test_tokens_of_another_type_are_taken(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """Half-precision tokens, as feature files hold them, are computed in the model's own precision."""
    r2 = make_model()
    model, (video, query) = R2Model(r2.config, r2), make_tokens(0, 12, 5)
    stored = model.ground(video.half(), query.half())
    assert stored.saliency.dtype == torch.float32
    torch.testing.assert_close(stored.saliency, model.ground(video, query).saliency, rtol=0, atol=0.01)


def test_half_precision_weights_answer_in_full_precision(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """With bfloat16 weights the answer is close to float32's, and seconds are not rounded to bfloat16."""
    (video, query), r2 = make_tokens(0, 12, 5), make_model()
    full = R2Model(r2.config, r2).ground(video, query)
    half = R2Model(r2.config, make_model().to(torch.bfloat16)).ground(video, query)
    assert half.saliency.dtype == half.spans.dtype == half.scores.dtype == torch.float32
    torch.testing.assert_close(half.scores, full.scores, rtol=0, atol=0.05)
