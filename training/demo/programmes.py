"""Long programmes as CLIP tokens at the model's frame rate, with everything that happens in them.

Frame `i` is the picture at `i * frame_interval_s`, as the sampler takes it from a live stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor

from r2model.clip_encoder import ClipEncoder
from r2model.preprocess import normalise, resize
from stream.broadcast import Broadcast, Happening
from training.demo.parallel import in_parallel
from training.demo.recipe import Recipe, squash_to

TRAINING_SEEDS = 2_000_000
TUNING_SEEDS = 3_000_000
EVALUATION_SEEDS = 4_000_000
"""Where the seeds of each purpose start; pictures for pre-training have their own, see `pictures.py`."""


@dataclass(frozen=True)
class Programmes:
    """Tokens of many programmes, on disk, and their truth."""

    tokens: NDArray[np.float16]  # [N, F, K, P, C], memory-mapped
    truth: list[list[Happening]]  # per programme, in seconds


def render(seed: int, recipe: Recipe, held_out: bool) -> NDArray[np.uint8]:
    """The programme's pictures, already at the model's size: `[F, 3, H, W]`."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    broadcast, config = Broadcast(seed, held_out=held_out), squash_to(recipe)
    raw = (broadcast.picture(i * recipe.frame_interval_s) for i in range(recipe.programme_frames))
    return np.concatenate([resize(picture[None], config).numpy() for picture in raw])


def encode_programmes(
    seeds: range, recipe: Recipe, clip: ClipEncoder, progress: Progress, *, held_out: bool
) -> Iterator[Tensor]:
    """Tokens `[F, K, P, C]` of one programme after the other, rendered in `recipe.threads` processes."""
    work = partial(render, recipe=recipe, held_out=held_out)
    for pictures in in_parallel(work, seeds, recipe.threads, progress, "programmes"):
        yield encode(pictures, clip)


def encode(pictures: NDArray[np.uint8], clip: ClipEncoder) -> Tensor:
    """Tokens `[F, K, P, C]` of what `render` gives."""
    return clip.encode_pixels(normalise(torch.from_numpy(pictures), clip.config))


def make_programmes(recipe: Recipe, clip: ClipEncoder, folder: Path, progress: Progress) -> Programmes:
    """Training programmes as tokens in `folder`; one that is already there is not made again."""
    path, done_path = folder / "programmes.f16", folder / "programmes.done"
    seeds = range(TRAINING_SEEDS, TRAINING_SEEDS + recipe.programmes)
    patches = (recipe.image_px[0] // int(str(recipe.vision["patch_size"]))) * (
        recipe.image_px[1] // int(str(recipe.vision["patch_size"]))
    )
    shape = (len(seeds), recipe.programme_frames, recipe.layers, 1 + patches, int(str(recipe.vision["width"])))
    done = int(done_path.read_text()) if done_path.exists() else 0
    tokens = np.memmap(path, np.float16, "r+" if path.exists() else "w+", shape=shape)
    for encoded in encode_programmes(seeds[done:], recipe, clip, progress, held_out=False):
        tokens[done] = encoded.half().numpy()
        done += 1
        if done % 16 == 0 or done == len(seeds):
            tokens.flush()
            done_path.write_text(str(done))
    length_s = recipe.programme_frames * recipe.frame_interval_s
    truth = [Broadcast(seed, held_out=False).happenings(0, length_s) for seed in seeds]
    return Programmes(tokens, truth)
