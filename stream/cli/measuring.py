"""Commands that measure, and those about the models. All of it lives in the packages that do it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from stream.cli.problems import CommandError


def bench(*, as_json: bool, bfloat16: bool, device: str) -> None:
    """Measure what a tick costs, at ViT-B/32's sizes, and print it. Raises CommandError for a device that is none."""
    import torch

    from r2model.bench import BenchSettings, print_bench

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise CommandError(f"PyTorch cannot use the device {device!r} ({reason}); try --device cpu") from error
    print_bench(BenchSettings(dtype=torch.bfloat16 if bfloat16 else torch.float32, device=device), as_json=as_json)


def bench_delivery(clients: int, rate_hz: float, seconds: float, rounds: int, *, as_json: bool) -> None:
    """Measure how events reach websocket clients, and print it. Raises R2StreamError when it cannot be measured."""
    from stream.bench.delivery import Load, allow_files, measure_bare, measure_service, print_results
    from stream.cli.embedded import running
    from stream.settings import ClipSettings, ServerSettings, Settings

    load, results = Load(clients, rate_hz, seconds), []
    allow_files(2 * clients)
    with tempfile.TemporaryDirectory(prefix="r2stream-") as folder, Console(stderr=True).status("starting …") as status:
        settings = Settings(
            data_dir=Path(folder), server=ServerSettings(port=0), clips=ClipSettings(memory_per_stream=0)
        )
        with running(settings) as server:
            for number in range(1, rounds + 1):
                status.update(f"measuring, round {number} of {rounds}: the service …")
                results.append(measure_service(load, server.app.state.service.store, server.port))
                status.update(f"measuring, round {number} of {rounds}: the bare broadcast …")
                results.append(measure_bare(load))
    print_results(results, as_json=as_json)


def train(folder: Path, *, seed: int | None, clip_steps: int | None, r2_steps: int | None) -> None:
    """Train the demo's model in `folder`, going on where an earlier run stopped; None is what the shipped one has.

    Raises:
        CommandError: the folder holds a run of another recipe.
    """
    from training.demo.recipe import Recipe
    from training.demo.train import train_demo

    shipped = Recipe()
    recipe = replace(
        shipped,
        seed=shipped.seed if seed is None else seed,
        clip_steps=clip_steps or shipped.clip_steps,
        r2_steps=r2_steps or shipped.r2_steps,
    )
    console = Console(highlight=False)
    console.print(f"training in {folder}; Ctrl-C stops, and the same command goes on from there", style="dim")
    try:
        model = train_demo(folder, recipe=recipe)
    except ValueError as error:
        raise CommandError(str(error)) from error
    console.print(f"{model} is ready: r2stream demo --model {model}")


def evaluate(model: str, programmes: int) -> None:
    """Score the demo's model on unseen programmes and print it. Raises CheckpointError when there is no such model."""
    from training.demo.evaluate import evaluate_demo

    evaluate_demo(model, programmes_count=programmes)
