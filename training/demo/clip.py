"""Contrastive pre-training of the demo's tiny CLIP: both towers from scratch, on pictures and captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from open_clip import get_tokenizer
from open_clip.model import CLIP
from rich.progress import Progress
from torch import Tensor

from r2model.config import ClipConfig
from r2model.preprocess import normalise
from stream.broadcast.language import all_meanings, sentences
from training.curve import Curve
from training.demo.pictures import Pictures
from training.demo.recipe import Recipe
from training.optimise import CosineSchedule, optimise_step


def vocabulary(pictures: Pictures) -> tuple[int, ...]:
    """Ids of all tokens that training can meet, ascending: the only embedding rows the demo model keeps."""
    words = {fact for facts in pictures.facts for fact in facts}
    words |= {text for meaning in all_meanings() for text in sentences(meaning)} | {"a, b"}
    ids = get_tokenizer("ViT-B-32")(sorted(words))
    return tuple(sorted(set(ids.flatten().tolist()) - {0}))


def clip_config(recipe: Recipe, kept: tuple[int, ...]) -> ClipConfig:
    """The tiny CLIP as the checkpoint describes it."""
    architecture = {
        "embed_dim": recipe.embed_dim,
        "vision_cfg": {"image_size": list(recipe.image_px), **recipe.vision},
        "text_cfg": {"context_length": recipe.context_length, "vocab_size": 49408, **recipe.text},
    }
    return ClipConfig("custom", None, architecture, kept, recipe.image_px, "squash")


def build(config: ClipConfig) -> CLIP:
    """An untrained open_clip model with one embedding row per kept token, and one more for all others."""
    assert config.open_clip_config and config.vocabulary
    sizes = config.open_clip_config
    text = {**sizes["text_cfg"], "vocab_size": len(config.vocabulary) + 1}  # type: ignore[dict-item]
    return CLIP(embed_dim=sizes["embed_dim"], vision_cfg=sizes["vision_cfg"], text_cfg=text)


def pretrain(recipe: Recipe, pictures: Pictures, folder: Path, progress: Progress) -> tuple[CLIP, ClipConfig]:
    """Train, from the last checkpoint in `folder` if there is one; returns the model in eval mode."""
    torch.manual_seed(recipe.seed)
    config = clip_config(recipe, vocabulary(pictures))
    model = build(config)
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(
        parameters, recipe.clip_learning_rate, (0.9, 0.98), weight_decay=recipe.clip_weight_decay, fused=True
    )
    checkpoint, curve = folder / "clip.ckpt", Curve(folder / "clip_curve.csv")
    first = _restore(checkpoint, model, optimiser)
    schedule = CosineSchedule(recipe.clip_learning_rate, recipe.clip_steps, recipe.clip_warmup_steps)
    batches = _Batches(recipe, pictures, config)
    task = progress.add_task("CLIP", total=recipe.clip_steps, completed=first)
    model.train()
    for step in range(first, recipe.clip_steps):
        images, ids = batches(step)
        loss, accuracy = _contrast(model, images, ids)
        optimise_step(optimiser, parameters, loss, schedule.at(step), max_norm=1.0)
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        curve.add(step, loss=loss.item(), accuracy=accuracy)
        progress.update(
            task, advance=1, description=f"CLIP  loss {curve.mean('loss'):.3f}  match {curve.mean('accuracy'):.2f}"
        )
        if (step + 1) % recipe.checkpoint_every_steps == 0 or step + 1 == recipe.clip_steps:
            _save(checkpoint, model, optimiser, step + 1)
            curve.flush()
    return model.eval(), config


class _Batches:
    """Batch `step`, decided by the seed and the step alone, so that a resumed run goes on as if never stopped."""

    def __init__(self, recipe: Recipe, pictures: Pictures, config: ClipConfig) -> None:
        assert config.vocabulary
        self.recipe, self.pictures = recipe, pictures
        self.tokenize = get_tokenizer("ViT-B-32", context_length=recipe.context_length)
        self.rows = torch.full((49408,), len(config.vocabulary), dtype=torch.long)
        self.rows[list(config.vocabulary)] = torch.arange(len(config.vocabulary))
        self.config = config

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        total, size = len(self.pictures.images), self.recipe.clip_batch
        epoch, place = divmod(step * size, total - total % size)
        order = np.random.default_rng([self.recipe.seed, 1, epoch]).permutation(total)[place : place + size]
        rng = np.random.default_rng([self.recipe.seed, 2, step])
        captions = [self.pictures.caption(int(i), rng) for i in order]
        ids = self.tokenize(captions)
        rows = torch.where(ids == 0, 0, self.rows[ids])
        return self._augment(torch.from_numpy(self.pictures.images[order]), rng), rows

    def _augment(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """A camera's exposure and an encoder's noise."""
        pixels = images.float()
        gain = torch.from_numpy(rng.uniform(0.88, 1.12, (len(images), 1, 1, 1)).astype(np.float32))
        noise = torch.from_numpy(rng.standard_normal(pixels.shape, dtype=np.float32))
        amount = torch.from_numpy(rng.uniform(0, 8.0, (len(images), 1, 1, 1)).astype(np.float32))
        return normalise((pixels * gain + noise * amount).clamp(0, 255), self.config)


def _contrast(model: CLIP, images: Tensor, ids: Tensor) -> tuple[Tensor, float]:
    """Symmetric cross entropy over the batch (CLIP, arXiv 2103.00020); equal captions count as equally right."""
    seen, said = model.encode_image(images, normalize=True), model.encode_text(ids, normalize=True)
    logits = model.logit_scale.exp() * seen @ said.T
    same = (ids[:, None] == ids[None]).all(-1).float()
    target = same / same.sum(1, keepdim=True)
    loss = -(target * logits.log_softmax(1)).sum(1).mean() - (target * logits.T.log_softmax(1)).sum(1).mean()
    right = same.gather(1, logits.argmax(1, keepdim=True)).mean()
    return loss / 2, float(right)


def _save(path: Path, model: CLIP, optimiser: torch.optim.Optimizer, step: int) -> None:
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def _restore(path: Path, model: CLIP, optimiser: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
