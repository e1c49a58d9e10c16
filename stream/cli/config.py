"""`r2stream config`: what is wrong with a settings file, what it would run, and its schema for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.cli.event_lines import plain
from stream.query import Query
from stream.redact import redact
from stream.settings import Settings
from stream.settings_check import Remark, check_settings
from stream.settings_schema import settings_schema


def check(file: Path, environ: Mapping[str, str]) -> bool:
    """Print what is wrong, or else what would run; says whether the file can be used."""
    out, notes = Console(highlight=False), Console(stderr=True, highlight=False)
    checked = check_settings(file, environ)
    for mistake in checked.mistakes:
        notes.print(_line(file, mistake), style="red", soft_wrap=True)
    for warning in checked.warnings:
        notes.print(_line(file, warning, "warning: "), style="yellow", soft_wrap=True)
    if checked.settings is None:
        return False
    print_settings(out, checked.settings)
    out.print(f"{plain(str(file))} can be used.", style="green", soft_wrap=True)
    return True


def print_schema() -> None:
    """The JSON Schema of the settings file."""
    print(json.dumps(settings_schema(), indent=2, ensure_ascii=False))


def print_settings(console: Console, settings: Settings) -> None:
    """What would run, the environment included; secrets are hidden."""
    server = settings.server
    token = "a token is asked for" if server.token else "no token is asked for"
    for name, value in (
        ("model", f"{settings.model} on {settings.device}"),
        ("data_dir", str(settings.data_dir)),
        ("clips", _clips(settings)),
        ("server", f"{server.host} port {server.port or '(any)'}, {token}"),
    ):
        console.print(Text(f"{name:<9} ", style="bold").append(plain(value), style="not bold"), soft_wrap=True)
    streams = Table("stream", "from", "", pad_edge=False)
    for stream in settings.streams.values():
        how = ", ".join([stream.transport or "", stream.pace, "" if stream.enabled else "switched off"])
        streams.add_row(stream.name, Text(plain(stream.shown_url)), how.strip(", ").replace(", , ", ", "))
    queries = Table("query", "text", "streams", "enter / exit", "", pad_edge=False)
    for query in settings.queries.values():
        where = ", ".join(query.streams) or "every"
        queries.add_row(query.name, Text(plain(query.text)), where, f"{query.enter:g} / {query.exit:g}", _rest(query))
    sinks = Table("sink", "type", "", pad_edge=False)
    for sink in settings.sinks.values():
        sinks.add_row(sink.name, sink.type, "" if sink.enabled else "switched off")
    reels = Table("reel", "every day at", "", pad_edge=False)
    for reel in settings.reels.values():
        reels.add_row(reel.name, f"{reel.at} {plain(reel.timezone)}", "" if reel.enabled else "switched off")
    for table in (streams, queries, sinks, reels):
        if table.row_count:
            console.print(table)


def _clips(settings: Settings) -> str:
    """Where they are kept; of the options, which may be secret, only which there are."""
    place = redact(settings.clips.address or str(settings.clips_dir))
    options = settings.clips.options
    return f"{place}, with {', '.join(sorted(options))}" if options else place


def _rest(query: Query) -> str:
    """What of a query is not as by default."""
    default = Query(query.name, query.text).to_mapping()
    own = {key: value for key, value in query.to_mapping().items() if value != default[key]}
    shown = [f"{key} {value:g} s" for key, value in own.items() if isinstance(value, float)]
    if "confirm_frames" in own:
        shown.append(f"confirm_frames {query.confirm_frames}")
    if query.clip is None:
        shown.append("no clips")
    if query.deliver is not None:
        shown.append(f"goes to {', '.join(query.deliver) or 'no sink'}")
    return ", ".join([*shown, *([] if query.enabled else ["switched off"])])


def _line(file: Path, remark: Remark, kind: str = "") -> str:
    return plain(f"{file}: {kind}{remark}")
