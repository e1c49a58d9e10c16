"""R² on the frozen demo CLIP: the second half of the recipe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.progress import Progress
from torch.nn.attention import SDPBackend, sdpa_kernel

from r2model.clip_encoder import ClipEncoder
from r2model.config import R2Config
from r2model.model import R2Tuning
from r2model.outputs import R2Output
from training.curve import Curve
from training.demo.recipe import Recipe
from training.demo.windows import Batch, WindowSampler
from training.losses import R2Losses, r2_losses
from training.optimise import CosineSchedule, MuonAdamW, Optimiser, optimise_step


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
    model = new_grounder(recipe, config)
    parameters = list(model.parameters())
    optimiser = MuonAdamW(parameters, recipe.r2_learning_rate, recipe.r2_weight_decay, recipe.r2_muon_factor)
    schedule = CosineSchedule(recipe.r2_learning_rate, recipe.r2_steps, recipe.r2_warmup_steps)
    checkpoint, curve = folder / "r2.ckpt", Curve(folder / "r2_curve.csv")
    first = _restore(checkpoint, model, optimiser)
    task = progress.add_task("R²", total=recipe.r2_steps, completed=first)
    model.train()
    # On a CPU, the fused attention's backward pass takes half of the temporal layers' time, the plain one's less. The
    # choice holds for all threads, and so for the one that encodes the next batch's sentences: it may not change.
    with sdpa_kernel(SDPBackend.MATH):
        for step, batch in _ahead(sampler, range(first, recipe.r2_steps)):
            # Dropout depends on the step alone, so that resuming is exact.
            torch.manual_seed(recipe.seed * 1_000_003 + step)
            losses = _losses(model, batch, recipe)
            optimise_step(optimiser, parameters, losses.total, schedule.at(step), max_norm=5.0)
            curve.add(step, **losses.as_floats())
            progress.update(task, advance=1, description=f"R²  loss {curve.mean('total'):.3f}")
            if (step + 1) % recipe.checkpoint_every_steps == 0 or step + 1 == recipe.r2_steps:
                state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                torch.save(state, checkpoint.with_suffix(".part"))
                checkpoint.with_suffix(".part").rename(checkpoint)
                curve.flush()
    return model.eval()


def new_grounder(recipe: Recipe, config: R2Config) -> R2Tuning:
    """An untrained network that starts where a short training gets furthest: see `first_score` and `first_scale`."""
    model = R2Tuning(config)
    with torch.no_grad():
        model.adapter.scale.fill_(math.atanh(recipe.first_scale))
        bias = model.class_head.module["3"].get_parameter("bias")
        bias.fill_(math.log(recipe.first_score / (1 - recipe.first_score)))
    return model


def _losses(model: R2Tuning, batch: Batch, recipe: Recipe) -> R2Losses:
    """The network in bfloat16 where that is exact enough, the losses in float32."""
    with torch.autocast("cpu", torch.bfloat16):
        output = model(
            batch.video, batch.query, batch.video_mask, batch.query_mask, window_of_query=batch.window_of_query
        )
    exact = {k: v.float() if v is not None and v.is_floating_point() else v for k, v in vars(output).items()}
    return r2_losses(R2Output(**exact), batch.truth, recipe.losses)


def _ahead(sampler: WindowSampler, steps: range) -> Iterator[tuple[int, Batch]]:
    """The batch of every step, each cut while the one before it is being learnt from."""
    with ThreadPoolExecutor(1, thread_name_prefix="windows") as pool:
        waiting = [pool.submit(sampler, step) for step in steps[:1]]
        for step in steps:
            batch = waiting.pop().result()
            waiting = [pool.submit(sampler, following) for following in steps[step - steps.start + 1 :][:1]]
            yield step, batch


def _restore(path: Path, model: R2Tuning, optimiser: Optimiser) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
