"""Small models with random weights, built like the demo's, and frames for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from r2model import ClipConfig, R2Config, R2Model, save_checkpoint
from r2model.clip_encoder import ClipEncoder
from r2model.model import R2Tuning
from stream.types import Frame, Image

WINDOW_FRAMES = 12
FRAME_INTERVAL_S = 0.5


def random_model(
    *, window_frames: int = WINDOW_FRAMES, layers: int = 2, use_tef: bool = False, seed: int = 0, sure: float = 0.0
) -> R2Model:
    """A tiny CLIP and R² on it. `sure` is added to every score's logit: at 3 and above all seems to be found."""
    width = 32
    described: dict[str, object] = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": [24, 40], "layers": layers, "width": width, "patch_size": 8, "head_width": 16},
        "text_cfg": {"context_length": 28, "vocab_size": 49408, "width": width, "heads": 2, "layers": layers},
    }
    # Few words have a row of their own, but those of the tests' sentences do; the embedding is small and quickly made.
    vocabulary = (*range(300, 3000), 49406, 49407)
    config = ClipConfig("custom", open_clip_config=described, vocabulary=vocabulary, image_px=(24, 40), resize="squash")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = ClipEncoder.from_config(config, layers)
        r2_config = R2Config(
            video_width=width,
            query_width=width,
            hidden=width,
            heads=4,
            layers=layers,
            use_tef=use_tef,
            frame_interval_s=FRAME_INTERVAL_S,
            window_frames=window_frames,
            clip=clip.config,
        )
        r2 = R2Tuning(r2_config)
        with torch.no_grad():
            for parameter in r2.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
            for name, parameter in r2.class_head.named_parameters():
                if name.endswith("bias") and parameter.shape == (1,):
                    parameter.add_(sure)
    return R2Model(r2_config, r2, clip)


def save_random_model(path: Path, *, sure: float = 0.0) -> Path:
    """The same as a file that `load_model` reads."""
    save_checkpoint(path, random_model(sure=sure))
    return path


def random_image(seed: int) -> Image:
    """A picture of noise, 32 x 48."""
    return np.random.default_rng(seed).integers(0, 256, (32, 48, 3), np.uint8)


def frames(stream: str, indices: Sequence[int], *, epoch: int = 0, seed: int = 0) -> list[Frame]:
    """Frames of these slots; the picture depends on stream, seed and slot alone."""
    base = sum(stream.encode()) * 1000 + seed * 1_000_000
    return [
        Frame(
            stream=stream,
            epoch=epoch,
            index=index,
            media_time_s=index * FRAME_INTERVAL_S,
            wall_time_s=1_000_000.0 + index * FRAME_INTERVAL_S,
            clock="arrival",
            image=random_image(base + index),
        )
        for index in indices
    ]
