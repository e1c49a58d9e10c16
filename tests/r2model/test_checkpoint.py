"""Model files are taken whole or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from r2model import CheckpointError, R2Config, R2Model, load_checkpoint, load_model, save_checkpoint
from r2model.checkpoint import PUBLISHED_CLIP, infer_config
from r2model.clip_encoder import ClipEncoder
from r2model.model import R2Tuning


@pytest.fixture
def published(golden_dir: Path) -> Path:
    """A training checkpoint as the published code writes it."""
    return golden_dir / "checkpoint" / "tiny_epoch_3.pth"


@pytest.fixture
def write_published(published: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the published checkpoint with some of its tensors changed."""

    def write(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
        state = torch.load(published, weights_only=True)["state_dict"]
        torch.save({"state_dict": change(dict(state)), "meta": {}}, tmp_path / "changed.pth")
        return tmp_path / "changed.pth"

    return write


@pytest.fixture
def model(make_model: Callable[..., R2Tuning], clip: ClipEncoder) -> R2Model:
    """A small model that carries its CLIP."""
    r2 = make_model(video_width=48, query_width=32, layers=2, use_tef=False)
    return R2Model(replace(r2.config, frame_interval_s=0.5, window_frames=64), r2, clip)


def test_published_checkpoint_loads(published: Path, tiny: R2Config) -> None:
    """Shapes tell the configuration; only the number of heads is asked for."""
    model = load_checkpoint(published, heads=4)
    assert model.config == tiny
    state = torch.load(published, weights_only=True)["state_dict"]
    assert all(value.equal(state[name]) for name, value in model.r2.state_dict().items())
    assert not model.r2.training


def test_golden_weights_ground_as_published(golden: Any, infer_inputs: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    """Every variant, written as a published `.pth`, gives the published moments through `ground`."""
    state = load_file(Path(golden.directory) / "tiny" / f"{golden.variant}_model.safetensors")
    torch.save({"state_dict": {f"module.{name}": x for name, x in state.items()}, "meta": {}}, tmp_path / "model.pth")
    model = load_checkpoint(tmp_path / "model.pth", heads=4)
    assert model.config == golden.config
    video, query, fps = (infer_inputs[f"T15_L6.{x}"] for x in ("video", "query", "fps"))
    grounding = model.ground(torch.from_numpy(video), torch.from_numpy(query), frame_interval_s=1 / float(fps))
    expected = golden.arrays("infer")
    np.testing.assert_allclose(grounding.saliency.numpy(), expected["T15_L6.saliency"], rtol=0, atol=1e-5)
    if golden.config.regress:
        np.testing.assert_allclose(grounding.spans.numpy(), expected["T15_L6.boundary"][:, :2], rtol=0, atol=1e-4)


def test_full_size_shapes_tell_the_published_models(golden_dir: Path) -> None:
    """The layout of the published full-size file means the published configuration and OpenAI's CLIP."""
    layout = json.loads((golden_dir / "checkpoint" / "layout.json").read_text())["published_checkpoint_full"]
    shapes = {
        name: tuple(json.loads(described.rpartition(" ")[2] if "[]" in described else described.split(" ", 2)[2]))
        for name, described in layout["state_dict"].items()
    }
    shapes.pop("loss._loss_sal.scale")
    config = infer_config(shapes)
    assert config == R2Config(clip=PUBLISHED_CLIP)
    with torch.device("meta"):
        assert {name: tuple(x.shape) for name, x in R2Tuning(config).state_dict().items()} == shapes


def test_every_unfitting_tensor_is_named(write_published: Callable[..., Path]) -> None:
    """Missing, unexpected and misshapen tensors are all listed in one refusal."""

    def change(state: dict[str, Tensor]) -> dict[str, Tensor]:
        state["adapter.typo"] = state.pop("adapter.q_map.weight")
        state["pooling.att.weight"] = state["pooling.att.weight"][:, :-1].clone()
        return state

    with pytest.raises(CheckpointError) as refusal:
        load_checkpoint(write_published(change), heads=4)
    for part in (
        "missing adapter.q_map.weight",
        "unexpected adapter.typo",
        "pooling.att.weight is [1, 31], not [1, 32]",
    ):
        assert part in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.pth", b"not a checkpoint", "damaged or not a PyTorch checkpoint"),
        ("model.pth", b"this is no video", "damaged or not a PyTorch checkpoint"),
        ("model.pth", b"", "damaged or not a PyTorch checkpoint"),
        ("model.safetensors", b"not a checkpoint", "damaged or not a safetensors file"),
        ("model.onnx", b"", r"should end in \.pth or \.safetensors"),
        ("model.pth", None, "there is no model file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """A file that is absent, damaged or of another kind is an error that says which."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=says):
        load_model(tmp_path / name)


@pytest.mark.parametrize("kept_bytes", [100, 5000, -1])
def test_truncated_files_are_refused(published: Path, model: R2Model, tmp_path: Path, kept_bytes: int) -> None:
    """Half a download, of either kind, is an error that says to fetch it again."""
    ours = tmp_path / "ours.safetensors"
    save_checkpoint(ours, model)
    for whole in (published, ours):
        cut = tmp_path / f"cut{whole.suffix}"
        cut.write_bytes(whole.read_bytes()[:kept_bytes])
        with pytest.raises(CheckpointError, match="fetch it again"):
            load_checkpoint(cut, heads=4)


@pytest.mark.parametrize("content", [{"state_dict": {"fc.weight": torch.zeros(2)}}, {"weights": {}}, [1, 2]])
def test_other_checkpoints_are_refused(tmp_path: Path, content: object) -> None:
    """A PyTorch file of another network is an error that says so."""
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not an R²-Tuning checkpoint"):
        load_checkpoint(tmp_path / "other.pth")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    """A pickle that wants to run something is refused unread."""
    torch.save({"state_dict": {}, "meta": Path.cwd}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="not a PyTorch checkpoint"):
        load_checkpoint(tmp_path / "evil.pth")


def test_saved_model_comes_back(model: R2Model, tmp_path: Path) -> None:
    """Configuration, R² and CLIP survive a save; R² exactly, CLIP to half precision."""
    save_checkpoint(tmp_path / "model.safetensors", model)
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.clip is not None and model.clip is not None
    assert loaded.config == replace(model.config, clip=model.clip.config)
    assert all(x.equal(model.r2.state_dict()[name]) for name, x in loaded.r2.state_dict().items())
    pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)
    torch.testing.assert_close(loaded.encode_images(pictures), model.encode_images(pictures), rtol=0, atol=0.02)
    grounding = loaded.ground(loaded.encode_images(pictures), loaded.encode_text("a red square"))
    assert grounding.saliency.shape == (5,) and grounding.spans.shape == (8, 2)


def test_cut_vocabulary_is_saved(model: R2Model, tmp_path: Path) -> None:
    """A model with a cut vocabulary comes back with it, much smaller."""
    assert model.clip is not None
    cut = R2Model(model.config, model.r2, model.clip.cut_vocabulary(model.clip.tokenise("a red square")))
    save_checkpoint(tmp_path / "cut.safetensors", cut, clip_dtype=torch.float32)
    assert (tmp_path / "cut.safetensors").stat().st_size < 1_000_000
    assert load_model(tmp_path / "cut.safetensors").encode_text("a red square").equal(cut.encode_text("a red square"))


def test_model_without_its_clip_grounds_but_does_not_encode(model: R2Model, tmp_path: Path) -> None:
    """Without a CLIP the model still grounds tokens; encoding says why it cannot."""
    save_checkpoint(tmp_path / "bare.safetensors", model, with_clip=False)
    bare = load_model(tmp_path / "bare.safetensors")
    assert bare.ground(torch.zeros(3, 2, 5, 48), torch.zeros(2, 2, 32)).saliency.shape == (3,)
    with pytest.raises(CheckpointError, match="give tokens instead"):
        bare.encode_text("a red square")


def test_our_files_are_checked_like_published_ones(model: R2Model, tmp_path: Path) -> None:
    """Strange tensors, a foreign format and an unknown configuration key are each refused by name."""
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model)
    tensors, config = load_file(path), json.dumps({"video_width": 48, "colour": "red"})
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match="has no entry"):
        load_model(path)
    save_file(tensors, path, {"r2stream.r2model.v1": config})
    with pytest.raises(CheckpointError, match="unknown colour"):
        load_model(path)
    save_checkpoint(path, model, with_clip=False)
    whole = load_file(path)
    whole["stray"] = whole.pop("r2.coef")
    save_file(whole, path, {"r2stream.r2model.v1": json.dumps(vars(model.config))})
    with pytest.raises(CheckpointError, match=r"missing coef; unexpected stray"):
        load_model(path)
