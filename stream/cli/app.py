"""The command line: which commands there are, and one place where every failure becomes one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

import typer

from stream.cli import bench_commands, commands, definition_commands, remote_commands
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
    for name, command in _COMMANDS.items():
        app.command(name)(command)
    for name, (help_text, group) in _GROUPS.items():
        app.add_typer(_subcommands(help_text, group), name=name)
    for name, (alone, group) in _COMMANDS_WITH_MORE.items():
        more = _subcommands(None, group)
        more.callback(invoke_without_command=True)(alone)
        more.info.no_args_is_help = False
        app.add_typer(more, name=name)
    return app


_COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "demo": commands.demo,
    "watch": commands.watch,
    "test": commands.test,
    "serve": commands.serve,
    "clip": remote_commands.clip,
    "cuts": remote_commands.cuts,
    "reel": remote_commands.reel,
    "reels": remote_commands.reel_list,
    "doctor": commands.doctor,
}
_GROUPS: Final[Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]]] = {
    "events": ("What a running service has seen.", {"tail": remote_commands.events_tail}),
    "query": (
        "The sentences that a running service watches for.",
        {
            "list": definition_commands.query_list,
            "add": definition_commands.query_add,
            "set": definition_commands.query_set,
            "remove": definition_commands.query_remove,
            "test": commands.test,
        },
    ),
    "stream": (
        "The streams that a running service watches.",
        {
            "list": definition_commands.stream_list,
            "add": definition_commands.stream_add,
            "set": definition_commands.stream_set,
            "remove": definition_commands.stream_remove,
        },
    ),
    "config": ("The settings file.", {"check": commands.config_check, "schema": commands.config_schema}),
    "train": ("Make the models that are shipped.", {"demo": commands.train_demo}),
    "evaluate": ("Measure them.", {"demo": commands.evaluate_demo}),
}
_COMMANDS_WITH_MORE: Final[Mapping[str, tuple[Callable[..., None], Mapping[str, Callable[..., None]]]]] = {
    "sinks": (
        remote_commands.sinks,
        {"dead-letters": remote_commands.dead_letters, "redeliver": remote_commands.redeliver},
    ),
    "bench": (bench_commands.bench, {"delivery": bench_commands.bench_delivery}),
}
"""Commands that do something by themselves, and have others under their name."""


def _subcommands(help_text: str | None, subcommands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    group = _group(help_text)
    group.callback()(_nothing)
    for name, command in subcommands.items():
        group.command(name)(command)
    return group


def _group(help_text: str | None) -> typer.Typer:
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
