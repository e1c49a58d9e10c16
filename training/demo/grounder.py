"""R² on the frozen demo CLIP: the second half of the recipe."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.progress import Progress

from r2model.clip_encoder import ClipEncoder
from r2model.config import R2Config
from r2model.model import R2Tuning
from training.curve import Curve
from training.demo.recipe import Recipe
from training.demo.windows import WindowSampler
from training.losses import LossSettings, r2_losses
from training.optimise import CosineSchedule, adamw, optimise_step


def r2_config(recipe: Recipe, clip: ClipEncoder) -> R2Config:
    """The demo's R²: no TEF, so that what was computed for a frame stays valid while the window moves on."""
    return R2Config(
        video_width=int(str(recipe.vision["width"])),
        query_width=int(str(recipe.text["width"])),
        hidden=recipe.hidden,
        heads=recipe.heads,
        layers=recipe.layers,
        use_tef=False,
        map_dropout=recipe.map_dropout,
        drop_path=recipe.drop_path,
        frame_interval_s=recipe.frame_interval_s,
        window_frames=recipe.window_frames,
        clip=clip.config,
    )


def train_grounder(
    recipe: Recipe, sampler: WindowSampler, config: R2Config, folder: Path, progress: Progress
) -> R2Tuning:
    """Train R², from the last checkpoint in `folder` if there is one; returns the model in eval mode."""
    torch.manual_seed(recipe.seed)
    model = R2Tuning(config)
    parameters = list(model.parameters())
    optimiser = adamw(parameters, recipe.r2_learning_rate, recipe.r2_weight_decay)
    schedule = CosineSchedule(recipe.r2_learning_rate, recipe.r2_steps, recipe.r2_warmup_steps)
    checkpoint, curve = folder / "r2.ckpt", Curve(folder / "r2_curve.csv")
    first = _restore(checkpoint, model, optimiser)
    task = progress.add_task("R²", total=recipe.r2_steps, completed=first)
    model.train()
    for step in range(first, recipe.r2_steps):
        torch.manual_seed(
            recipe.seed * 1_000_003 + step
        )  # dropout depends on the step alone, so that resuming is exact
        batch = sampler(step)
        output = model(
            batch.video, batch.query, batch.video_mask, batch.query_mask, window_of_query=batch.window_of_query
        )
        losses = r2_losses(output, batch.truth, LossSettings())
        optimise_step(optimiser, parameters, losses.total, schedule.at(step), max_norm=5.0)
        curve.add(step, **losses.as_floats())
        progress.update(task, advance=1, description=f"R²  loss {curve.mean('total'):.3f}")
        if (step + 1) % recipe.checkpoint_every_steps == 0 or step + 1 == recipe.r2_steps:
            state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").rename(checkpoint)
            curve.flush()
    return model.eval()


def _restore(path: Path, model: R2Tuning, optimiser: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
