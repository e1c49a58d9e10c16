"""Golden files of the published model, and small random models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from r2model.config import ClipConfig, R2Config
from r2model.model import R2Tuning

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
TINY = R2Config(video_width=48, query_width=32, hidden=32, heads=4)
CONFIGS = {
    "tef": TINY,
    "notef": replace(TINY, use_tef=False),
    "tvsum": replace(TINY, use_tef=False, strides=(1,), regress=False, merge_saliency=False),
    "k1": replace(TINY, layers=1),
}


@dataclass(frozen=True)
class Golden:
    """What the published model computes for one variant."""

    variant: str
    config: R2Config
    directory: Path = GOLDEN

    def model(self, dtype: torch.dtype) -> R2Tuning:
        """Our network with the golden weights."""
        model = R2Tuning(self.config)
        weights = load_file(GOLDEN / "tiny" / f"{self.variant}_model.safetensors")
        weights.pop("loss._loss_sal.scale")
        model.load_state_dict(weights)
        return model.to(dtype).eval()

    def arrays(self, kind: str) -> dict[str, NDArray[Any]]:
        """The arrays of `<variant>_<kind>.npz`."""
        return read_npz(f"{self.variant}_{kind}")


def read_npz(name: str) -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / "tiny" / f"{name}.npz") as file:
        return dict(file)


@pytest.fixture(params=list(CONFIGS))
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param, CONFIGS[request.param])


@pytest.fixture
def golden_dir() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def infer_inputs() -> dict[str, NDArray[Any]]:
    return read_npz("infer_inputs")


@pytest.fixture(scope="session")
def train_inputs() -> dict[str, NDArray[Any]]:
    return read_npz("train_inputs")


@pytest.fixture
def make_model() -> Callable[..., R2Tuning]:
    """Makes a small network whose every parameter is random, so that no term vanishes."""

    def make(seed: int = 0, **changes: Any) -> R2Tuning:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = R2Tuning(replace(TINY, **changes))
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return model.eval()

    return make


@pytest.fixture
def make_tokens() -> Callable[..., tuple[Tensor, Tensor]]:
    """Makes random tokens of one window `[T,4,5,48]` and one query `[L,4,32]`."""

    def make(seed: int, frames: int, words: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(frames, 4, 5, 48, generator=generator), torch.randn(words, 4, 32, generator=generator)

    return make


@pytest.fixture
def tiny() -> R2Config:
    """Shape of the tiny golden models."""
    return TINY


@pytest.fixture(scope="session")
def clip() -> ClipEncoder:
    """A small random CLIP for pictures of 32 x 48 pixels, of which the last 2 layers are read."""
    towers = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": [32, 48], "layers": 3, "width": 48, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 3},
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ClipEncoder.from_config(ClipConfig("custom", None, towers, image_px=(32, 48)), layers=2)
