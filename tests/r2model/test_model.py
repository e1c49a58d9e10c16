"""The network against the published one, and its promises about batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from r2model.config import R2Config
from r2model.decode import groundings
from r2model.model import R2Tuning
from r2model.outputs import R2Output

Arrays = dict[str, NDArray[Any]]
CASES = ["T1_L3", "T2_L1", "T3_L4", "T5_L4", "T8_L7", "T13_L5", "T15_L6", "T23_L9", "T31_L3", "T40_L12", "T64_L8"]


def alone(model: R2Tuning, video: Tensor, query: Tensor) -> R2Output:
    masks = (torch.ones(1, len(x), dtype=torch.bool) for x in (video, query))
    with torch.no_grad():
        output: R2Output = model(video[None], query[None], *masks)
    return output


def padded(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of different length as one batch; the padding is large noise, so that a leak shows."""
    longest = max(map(len, rows))
    batch = 50 * torch.randn(len(rows), longest, *rows[0].shape[1:])
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, row in enumerate(rows):
        batch[i, : len(row)], mask[i, : len(row)] = row, True
    return batch, mask


@pytest.mark.parametrize(("dtype", "suffix", "atol"), [(torch.float64, "_f64", 1e-9), (torch.float32, "", 1e-5)])
@pytest.mark.parametrize("case", CASES)
def test_inference_equals_published(
    golden: Any, infer_inputs: Arrays, case: str, dtype: torch.dtype, suffix: str, atol: float
) -> None:
    """One query in one window gives the published saliency, logits, offsets and moments."""
    model, expected = golden.model(dtype), golden.arrays(f"infer{suffix}")
    video, query = (torch.from_numpy(infer_inputs[f"{case}.{x}"]).to(dtype) for x in ("video", "query"))
    frames, interval_s = len(video), 1 / float(infer_inputs[f"{case}.fps"])
    fused: list[Tensor] = []
    model.adapter.tem.register_forward_hook(lambda module, args, out: fused.append(out))
    output = alone(model, video, query)
    (grounding,) = groundings(output, [frames], interval_s)

    def check(ours: Tensor, name: str, atol: float = atol) -> None:
        np.testing.assert_allclose(ours.numpy(), expected[f"{case}.{name}"], rtol=0, atol=atol)

    check(grounding.saliency, "saliency")
    check(output.class_logits[0, :, None], "class_raw")
    check(fused[-1][0], "tem_out")
    if output.offsets is None:
        assert len(grounding.spans) == len(grounding.scores) == 0
        return
    level = torch.cat([torch.full((frames // s,), i) for i, s in enumerate((1, 2, 4, 8))])
    check((output.offsets[0] / model.coef[level, None]).log().detach(), "coord_raw")
    order = np.argsort(-expected[f"{case}.boundary"][:, 2], kind="stable")
    np.testing.assert_allclose(
        grounding.spans.numpy(), expected[f"{case}.boundary"][order, :2], rtol=0, atol=max(atol, 1e-4 * (suffix == ""))
    )
    np.testing.assert_allclose(grounding.scores.numpy(), expected[f"{case}.boundary"][order, 2], rtol=0, atol=atol)


def test_published_padding_equals_published_batch(golden: Any, train_inputs: Arrays) -> None:
    """A padded batch under the published semantics gives the published forward values, on real frames and words."""
    model, expected = golden.model(torch.float64), golden.arrays("train_f64")
    tensors = {name: torch.from_numpy(array) for name, array in train_inputs.items()}
    video, query = tensors["video"].double(), tensors["query"].double()
    masks = tensors["video_msk"].bool(), tensors["query_msk"].bool()
    with torch.no_grad():
        output: R2Output = model(video, query, *masks, published_padding=True)

    def check(ours: Tensor, name: str) -> None:
        np.testing.assert_allclose(ours.numpy(), expected[name], rtol=0, atol=1e-9)

    check(output.class_logits[..., None], "class_raw")
    check(output.points, "point")
    check(output.video_embedding, "video_emb")
    check(output.query_embedding[:, None], "query_emb")
    levels = sorted(name for name in expected if name.startswith("pyramid_msk"))
    np.testing.assert_array_equal(
        output.point_mask.numpy(), np.concatenate([expected[name] for name in levels], 1).astype(bool)
    )
    for layer in range(model.config.layers):
        check(output.layer_video[layer], f"layer{layer}.v_cls")
        check(output.layer_query[layer][:, None], f"layer{layer}.q_pooled")
    if output.offsets is not None:
        check(output.offsets, "out_coord")


def assert_row_equals(batch: R2Output, row: int, single: R2Output, frames: int) -> None:
    real = batch.point_mask[row]
    assert int(real.sum()) == single.class_logits.shape[1]
    torch.testing.assert_close(batch.points[real], single.points)
    torch.testing.assert_close(batch.class_logits[row, real], single.class_logits[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(batch.saliency[row, :frames], single.saliency[0], rtol=0, atol=1e-5)
    assert not batch.saliency[row, frames:].any()
    if batch.offsets is not None and single.offsets is not None:
        torch.testing.assert_close(batch.offsets[row, real], single.offsets[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("use_tef", [True, False])
def test_result_does_not_depend_on_the_batch(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]], use_tef: bool
) -> None:
    """A query alone and in a padded batch of other windows and queries gives the same result."""
    model = make_model(use_tef=use_tef)
    sizes = [(13, 5), (1, 2), (40, 12), (8, 7), (31, 1), (7, 3), (2, 4)]
    rows = [make_tokens(i, *size) for i, size in enumerate(sizes)]
    video, video_mask = padded([video for video, _ in rows])
    query, query_mask = padded([query for _, query in rows])
    with torch.no_grad():
        batch = model(video, query, video_mask, query_mask)
    for i, (one_video, one_query) in enumerate(rows):
        assert_row_equals(batch, i, alone(model, one_video, one_query), len(one_video))


@pytest.mark.parametrize("use_tef", [True, False])
def test_queries_share_windows(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]], use_tef: bool
) -> None:
    """Many queries per window, in any order, give what each gives with its window repeated."""
    model = make_model(use_tef=use_tef)
    videos = [make_tokens(i, frames, 1)[0] for i, frames in enumerate((9, 16, 5))]
    queries = [make_tokens(10 + i, 1, words)[1] for i, words in enumerate((3, 1, 6, 2, 4))]
    window_of_query = torch.tensor([2, 0, 2, 2, 0])
    (video, video_mask), (query, query_mask) = padded(videos), padded(queries)
    with torch.no_grad():
        batch = model(video, query, video_mask, query_mask, window_of_query=window_of_query)
        repeated = model(video[window_of_query], query, video_mask[window_of_query], query_mask)
    for name, value in vars(batch).items():
        torch.testing.assert_close(value, getattr(repeated, name), rtol=0, atol=1e-5)
    for i, window in enumerate(window_of_query.tolist()):
        assert_row_equals(batch, i, alone(model, videos[window], queries[i]), len(videos[window]))


def test_gradients_are_finite_and_ignore_padding(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """Every parameter gets a finite gradient through shared, padded windows; padding gets none."""
    model = make_model(use_tef=False)
    video, video_mask = padded([make_tokens(i, frames, 1)[0] for i, frames in enumerate((9, 16, 5))])
    query, query_mask = padded([make_tokens(10 + i, 1, words)[1] for i, words in enumerate((3, 1, 6))])
    video.requires_grad_()
    query.requires_grad_()
    output = model(video, query, video_mask, query_mask, window_of_query=torch.tensor([1, 0, 1]))
    logits, offsets = output.class_logits[output.point_mask], output.offsets[output.point_mask]
    (logits.sum() + offsets.sum() + output.saliency.sum() + output.layer_query.sum()).backward()
    assert video.grad is not None and query.grad is not None
    assert not video.grad[~video_mask].any() and not query.grad[~query_mask].any()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_inputs_are_not_changed(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """A forward pass leaves the caller's tensors as they were."""
    video, query = make_tokens(0, 9, 4)
    before = video.clone(), query.clone()
    alone(make_model(), video, query)
    assert video.equal(before[0]) and query.equal(before[1])


def test_dropout_acts_only_while_training(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """Map dropout and DropPath change the result of a training step and nothing else."""
    model = make_model(map_dropout=0.5, drop_path=0.5)
    video, query = make_tokens(0, 9, 4)
    still = alone(model, video, query).class_logits
    assert still.equal(alone(model, video, query).class_logits)
    model.train()
    torch.manual_seed(1)
    assert not still.equal(alone(model, video, query).class_logits)


def test_too_long_window_is_refused(
    make_model: Callable[..., R2Tuning], make_tokens: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """A window longer than the model allows is an error that says both lengths."""
    with pytest.raises(ValueError, match="9 frames is longer than this model's 8"):
        alone(make_model(max_frames=8), *make_tokens(0, 9, 4))


def test_initialisation_is_the_published_one(tiny: R2Config) -> None:
    """A new network starts with neutral gates, closed spatial pooling, and Xavier and Kaiming weights without bias."""
    torch.manual_seed(0)
    model = R2Tuning(tiny)
    assert not model.adapter.gate.any() and not model.adapter.scale.any() and bool((model.coef == 1).all())
    attention, first = model.adapter.tem.cross_att, model.adapter.tem.ffn.mapping[0]
    assert isinstance(first, torch.nn.Linear)
    assert attention.q.weight.abs().max() <= (6 / 64) ** 0.5 and not attention.m.bias.any() and not first.bias.any()
    assert first.weight.std().item() == pytest.approx((2 / first.out_features) ** 0.5, rel=0.1)
