"""Pictures of the broadcast with true captions: what the tiny CLIP is pre-trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from r2model.preprocess import resize
from stream.broadcast import Broadcast, Meaning, sentences
from stream.broadcast.language import wishes
from training.demo.parallel import in_parallel
from training.demo.recipe import Recipe, squash_to

PICTURE_SEEDS = 1_000_000
"""Programmes from this seed on show pictures for pre-training; see `programmes.py` for the other ranges."""


@dataclass(frozen=True)
class Pictures:
    """Pictures at the model's size `[N, 3, H, W]` uint8, and what is true about each."""

    images: NDArray[np.uint8]
    facts: list[list[str]]
    meanings: list[list[Meaning]]

    def caption(self, index: int, rng: np.random.Generator) -> str:
        """One of the many true captions of picture `index`."""
        facts = list(self.facts[index])
        parts: list[str] = []
        if self.meanings[index] and rng.uniform() < 0.75:
            meaning = self.meanings[index][rng.integers(len(self.meanings[index]))]
            wish = wishes(meaning)[0 if rng.uniform() < 0.75 else -1]
            parts.append(str(rng.choice(sentences(wish))))
        count = int(rng.integers(1, 3)) + (not parts)
        parts += [str(fact) for fact in rng.permutation(facts)[:count]]
        return ", ".join(str(part) for part in rng.permutation(parts))


def _render(seed: int, recipe: Recipe) -> tuple[NDArray[np.uint8], list[list[str]], list[list[Meaning]]]:
    """Pictures at random times of one training programme."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng([recipe.seed, seed])
    broadcast = Broadcast(seed, held_out=False)
    times = _times_worth_showing(broadcast, recipe, rng)
    raw = np.stack([broadcast.picture(float(t)) for t in times])
    images = resize(raw, squash_to(recipe)).numpy()
    facts = [broadcast.facts(float(t)) for t in times]
    meanings = [[h.meaning for h in broadcast.happenings(float(t), float(t) + 1e-3)] for t in times]
    return images, facts, meanings


def _times_worth_showing(broadcast: Broadcast, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random times, most of them while something happens: plain play looks the same again and again."""
    times = np.sort(rng.uniform(0, recipe.programme_s, 3 * recipe.pictures_per_programme))
    dull = np.array([not broadcast.happenings(float(t), float(t) + 1e-3) for t in times])
    match = np.array([broadcast.facts(float(t))[0] == "a football match" for t in times])
    weight = np.where(dull, 0.3, 1.0) * np.where(match, 0.5, 1.0)
    chosen = rng.choice(len(times), recipe.pictures_per_programme, replace=False, p=weight / weight.sum())
    return np.asarray(times[np.sort(chosen)])


def make_pictures(recipe: Recipe, folder: Path, progress: Progress) -> Pictures:
    """Render the pre-training set, or read it back from `folder` when it is there."""
    path = folder / "pictures.pt"
    if not path.exists():
        seeds = [PICTURE_SEEDS + i for i in range(recipe.pictures // recipe.pictures_per_programme)]
        parts = list(in_parallel(partial(_render, recipe=recipe), seeds, recipe.threads, progress, "pictures"))
        images = np.concatenate([part[0] for part in parts])
        content = (torch.from_numpy(images), [f for p in parts for f in p[1]], [m for p in parts for m in p[2]])
        torch.save(content, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    images_tensor, facts, meanings = torch.load(path, weights_only=False)  # our own file, written just above
    return Pictures(images_tensor.numpy(), facts, meanings)
