"""From nothing to the shipped demo model: pictures, CLIP, programmes, R², calibration, one file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from r2model.checkpoint import save_checkpoint
from r2model.clip_encoder import ClipEncoder
from r2model.door import R2Model
from training.curve import plot_curves
from training.demo.calibrate import calibrate
from training.demo.clip import pretrain
from training.demo.grounder import r2_config, train_grounder
from training.demo.pictures import make_pictures
from training.demo.programmes import make_programmes
from training.demo.recipe import Recipe
from training.demo.windows import WindowSampler


def train_demo(folder: Path, *, recipe: Recipe | None = None) -> Path:
    """Make the demo model in `folder`, going on where an earlier run of the same recipe stopped.

    Returns:
        The model file, `folder / "demo.safetensors"`.

    Raises:
        ValueError: the folder holds a run of another recipe.
    """
    import matplotlib  # noqa: F401 - whoever lacks it should hear of it now, and not after hours when curves are drawn

    recipe = recipe or Recipe()
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, recipe)
    torch.set_num_threads(recipe.threads)
    torch.set_flush_denormal(True)  # Adam's moments decay into denormals, which are many times slower
    with progress_bar() as progress:
        network, config = pretrain(recipe, make_pictures(recipe, folder, progress), folder, progress)
        # What ships is float16: R² is trained on the very tokens that the shipped CLIP makes.
        clip = ClipEncoder(network.half().float(), config, recipe.layers)
        programmes = make_programmes(recipe, clip, folder, progress)
        r2 = train_grounder(recipe, WindowSampler(recipe, programmes, clip), r2_config(recipe, clip), folder, progress)
        model = R2Model(replace(r2.config, map_dropout=0.0, drop_path=0.0), r2, clip)
        calibrate(model, recipe, progress)
    save_checkpoint(folder / "demo.safetensors", model)
    plot_curves({"CLIP": folder / "clip_curve.csv", "R²": folder / "r2_curve.csv"}, folder / "curves.png")
    return folder / "demo.safetensors"


def progress_bar() -> Progress:
    """A bar with numbers, time gone and time left."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                    TextColumn("left"), TimeRemainingColumn())  # fmt: skip


def _claim(folder: Path, recipe: Recipe) -> None:
    """Note the recipe, so that no run goes on with another one's checkpoints."""
    path, text = folder / "recipe.json", json.dumps(asdict(recipe), indent=2)
    if path.exists() and path.read_text() != text:
        raise ValueError(f"{folder} holds a run of another recipe: choose another folder, or delete this one")
    path.write_text(text)
