"""`r2stream sinks`: how the sinks of a running service are doing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients import Client, SinkInfo
from stream.cli.event_lines import plain

_STYLES: Final = {"delivering": "green", "retrying": "yellow", "failed": "red"}


async def show_sinks(url: str, token: str | None, console: Console, *, as_json: bool = False) -> None:
    """Ask once and print. Raises ClientError."""
    async with Client(url, token) as client:
        sinks = await client.sinks()
    if as_json:
        for sink in sinks:
            print(json.dumps(sink.raw, ensure_ascii=False))
    elif sinks:
        console.print(sink_table(sinks))
    else:
        console.print("There are no sinks; the settings file may define some (docs/configuration.md).")


def sink_table(sinks: Sequence[SinkInfo]) -> Table:
    """A line for each sink."""
    table = Table(box=None, pad_edge=False)
    for heading in ("sink", "type", "state", "behind", "dead letters", "last delivery", "reason"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for sink in sinks:
        state = Text(sink.state, style=_STYLES.get(sink.state, "dim"))
        delivered = "never" if sink.last_delivery is None else _local(sink.last_delivery)
        numbers = str(sink.lag), str(sink.dead_letters)
        table.add_row(plain(sink.name), plain(sink.type), state, *numbers, delivered, plain(sink.reason or ""))
    return table


def _local(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"
