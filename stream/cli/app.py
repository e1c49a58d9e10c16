"""The command line: which commands there are, and one place where every failure becomes one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from stream.cli import commands, remote_commands
from stream.cli.problems import explain
from stream.redact import redacted_trace

DEBUG: Final = "--debug"

_HELP: Final = "Watch live video for anything you can say: standing sentences in, exact starts and ends out."


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. `--debug` may stand anywhere before a `--`."""
    options = list(arguments)
    end = options.index("--") if "--" in options else len(options)
    debug = DEBUG in options[:end]
    options = [option for i, option in enumerate(options) if option != DEBUG or i >= end]
    try:
        build_app()(options, prog_name="r2stream")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except Exception as error:
        if debug:
            print(redacted_trace(error), file=sys.stderr)
        print(f"r2stream: {explain(error)}", file=sys.stderr)
        return 1
    return 0


def build_app() -> typer.Typer:
    """The application with all its commands."""
    app = _group(_HELP)
    app.callback()(_root)
    app.command("demo")(commands.demo)
    app.command("watch")(commands.watch)
    app.command("test")(commands.test)
    app.command("serve")(commands.serve)
    app.command("clip")(remote_commands.clip)
    app.command("cuts")(remote_commands.cuts)
    app.command("sinks")(remote_commands.sinks)
    app.command("doctor")(commands.doctor)
    app.command("bench")(commands.bench)
    events = _group("What a running service has seen.")
    events.callback()(_nothing)
    events.command("tail")(remote_commands.events_tail)
    app.add_typer(events, name="events")
    config = _group("The settings file.")
    config.callback()(_nothing)
    config.command("check")(commands.config_check)
    config.command("schema")(commands.config_schema)
    app.add_typer(config, name="config")
    for name, help_text, command in (
        ("train", "Make the models that are shipped.", commands.train_demo),
        ("evaluate", "Measure them.", commands.evaluate_demo),
    ):
        group = _group(help_text)
        group.callback()(_nothing)
        group.command("demo")(command)
        app.add_typer(group, name=name)
    return app


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"r2stream {version('r2stream')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show where a failure comes from. May stand anywhere.")] = False,
) -> None:
    pass


def _nothing() -> None:
    """Makes a group of a single command stay a group."""
