"""What the commands that measure take. The work is loaded only once one of them runs."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def bench(
    context: typer.Context,
    device: Annotated[str, typer.Option(help="Where to measure: cpu, cuda, …")] = "cpu",
    bfloat16: Annotated[bool, typer.Option("--bfloat16", help="In bfloat16 instead of float32.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the model here: rerun and incremental, at 1, 10 and 100 queries, and the bare CLIP encoder."""
    if context.invoked_subcommand is not None:
        return
    from stream.cli.measuring import bench as run

    run(as_json=as_json, bfloat16=bfloat16, device=device)


def bench_delivery(
    clients: Annotated[int, typer.Option(help="Websocket clients.", min=1)] = 500,
    rate: Annotated[float, typer.Option(help="Events per second, each for every client.", min=0.1)] = 100.0,
    seconds: Annotated[float, typer.Option(help="How long.", min=0.1)] = 10.0,
    rounds: Annotated[int, typer.Option(help="How often, in turns.", min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Measure how events reach websocket clients here, beside a bare websocket broadcast to as many."""
    from stream.cli.measuring import bench_delivery as run

    run(clients, rate, seconds, rounds, as_json=as_json)
