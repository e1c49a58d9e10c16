"""`r2stream sinks`: how the sinks of a running service are doing, and what they gave up."""

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


async def show_dead_letters(
    url: str, token: str | None, sink: str, after: int, limit: int, console: Console, *, as_json: bool = False
) -> None:
    """Ask once and print what a sink gave up. Raises ClientError."""
    async with Client(url, token) as client:
        letters = await client.dead_letters(sink, after, limit)
    if as_json:
        for letter in letters:
            print(json.dumps(letter.raw, ensure_ascii=False))
        return
    if not letters:
        console.print(f"{plain(sink)} has no dead letters{f' after {after}' if after else ''}.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "failed", "tries", "event", "reason"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for letter in letters:
        event = f"{letter.event.cursor} {letter.event.kind}"
        table.add_row(str(letter.id), _local(letter.failed_at), str(letter.tries), plain(event), plain(letter.reason))
    console.print(table)


async def redeliver(url: str, token: str | None, sink: str, ids: Sequence[int] | None) -> str:
    """Have dead letters tried again; a sentence about it. Raises ClientError."""
    async with Client(url, token) as client:
        count = await client.redeliver(sink, ids or None)
    return f"{sink}: {count} dead letter{'' if count == 1 else 's'} will be tried again"


def _local(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"
