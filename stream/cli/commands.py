"""What each command takes that works by itself. The work is done elsewhere and loaded only once a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataDirOption,
    DeviceOption,
    HostOption,
    JsonOption,
    ModelOption,
    PortOption,
    TokenOption,
    UrlOption,
    config_file,
    default_url,
    settings_for,
)


def serve(
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Watch the configured streams and serve their events over REST and websocket; changes of the file are taken up."""
    from functools import partial

    from stream.cli.serve import serve_until_stopped

    file = config_file(config)
    load = partial(settings_for, file, host=host, port=port, model=model, device=device, data_dir=data_dir)
    serve_until_stopped(load, None if file is None else file.expanduser())


def watch(
    url: Annotated[str, typer.Argument(help="rtsp://…, http://…, rtmp://…, a file, or demo://broadcast.")],
    queries: Annotated[list[str], typer.Argument(metavar="QUERY...", help="What to watch for, in plain words.")],
    model: ModelOption = None,
    device: DeviceOption = None,
    port: PortOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Watch one stream for some sentences and print what happens; no settings, nothing is kept."""
    import os

    from stream.cli.watch import Choice, watch_until_stopped
    from stream.settings import CONFIG_VARIABLE, load_settings

    # No settings file takes part, but what the environment says of this machine does.
    here = load_settings(None, {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE})
    choice = Choice(model=model or here.model, device=device or here.device, port=port or 0)
    watch_until_stopped(url, queries, choice, as_json=as_json)


def test(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE|URL|STREAM", help="A recording, or a stream of a running service."),
    ],
    queries: Annotated[list[str], typer.Argument(metavar="QUERY...", help="Wordings to compare, in plain words.")],
    enter: Annotated[float | None, typer.Option(help="Score at which a moment opens.", show_default="0.5")] = None,
    exit_: Annotated[
        float | None, typer.Option("--exit", help="Score down to which it goes on.", show_default="0.7 of enter")
    ] = None,
    min_duration: Annotated[str | None, typer.Option(help="Such as 2s.", show_default="0s")] = None,
    merge_gap: Annotated[str | None, typer.Option(help="Such as 1s.", show_default="1s")] = None,
    settle: Annotated[str | None, typer.Option(help="Such as 2s.", show_default="2s")] = None,
    confirm_frames: Annotated[int | None, typer.Option(help="Looks in a row.", show_default="1")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Look at so much of it.", min=1, show_default="all, or until Ctrl-C")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what sentences would have told, side by side: of a recording, or of what a watched stream has just shown."""
    import os

    from stream.cli.testing import Trial, Where, run_test
    from stream.settings import CONFIG_VARIABLE, load_settings

    # No settings file takes part, but what the environment says of this machine does.
    here = load_settings(None, {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE})
    threshold = {key: value for key, value in {"enter": enter, "exit": exit_}.items() if value is not None}
    rules: dict[str, object] = {
        "threshold": threshold or None,
        "min_duration": min_duration,
        "merge_gap": merge_gap,
        "settle": settle,
        "confirm_frames": confirm_frames,
    }
    given = {key: value for key, value in rules.items() if value is not None}
    where = Where(model or here.model, device or here.device, url or default_url(), token)
    run_test(Trial(source, tuple(queries), given, seconds), where, as_json=as_json)


def demo(
    seconds: Annotated[
        float | None, typer.Option(help="Stop after this many seconds.", min=1, show_default="until Ctrl-C")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which programme to show.", min=0, show_default="210")] = None,
    port: PortOption = None,
    model: Annotated[str, typer.Option(help="demo, a model file, or hf://owner/repo/file.")] = "demo",
) -> None:
    """See it work: a synthetic live broadcast, five sentences, and their starts and ends beside the truth."""
    from stream.cli.demo import SEED, DemoOptions, run_demo

    run_demo(DemoOptions(seconds=seconds, seed=SEED if seed is None else seed, port=port, model=model))


def doctor(
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Check that everything works here, and say what to do where it does not."""
    from stream.cli.doctor_report import report

    settings = settings_for(config, host=host, port=port, model=model, device=device, data_dir=data_dir)
    if not report(settings, as_json=as_json):
        raise typer.Exit(1)


def config_check(config: ConfigOption = None) -> None:
    """Say all that is wrong with a settings file, or else what it would run. Exits with 1 when it cannot be used."""
    import os

    from stream.cli.config import check
    from stream.cli.problems import CommandError

    file = config_file(config)
    if file is None:
        raise CommandError(f"there is no {DEFAULT_CONFIG} here; say with -c which settings file to check")
    if not check(file.expanduser(), os.environ):
        raise typer.Exit(1)


def config_schema() -> None:
    """Print the JSON Schema of the settings file, for editors."""
    from stream.cli.config import print_schema

    print_schema()


def train_demo(
    out: Annotated[Path, typer.Option(help="Folder for the model, its curve and what is needed to go on.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int | None, typer.Option(help="Seed of it all.", min=0, show_default="as shipped")] = None,
    clip_steps: Annotated[int | None, typer.Option(help="Steps of CLIP.", min=1, show_default="as shipped")] = None,
    r2_steps: Annotated[int | None, typer.Option(help="Steps of R².", min=1, show_default="as shipped")] = None,
) -> None:
    """Make the demo's model again; the same command once more goes on after an interruption."""
    from stream.cli.measuring import train

    train(out, seed=seed, clip_steps=clip_steps, r2_steps=r2_steps)


def evaluate_demo(
    model: Annotated[str, typer.Option(help="demo, or a model file.")] = "demo",
    programmes: Annotated[int, typer.Option(help="How many unseen programmes.", min=1)] = 200,
) -> None:
    """Measure the demo's model on programmes it has never seen, offline and live."""
    from stream.cli.measuring import evaluate

    evaluate(model, programmes)
