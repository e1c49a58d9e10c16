"""`r2stream query` and `r2stream stream`: lists, adds, changes and removes what a running service watches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients import Client, QueryChanges, QueryInfo, QueryOptions, StreamChanges, StreamInfo, StreamOptions
from stream.cli.event_lines import plain
from stream.cli.problems import CommandError

_STYLES: Final = {"online": "green", "watching": "green", "disabled": "dim", "failed": "red", "offline": "red"}


def given(**options: object) -> dict[str, Any]:
    """Those options that a user has given."""
    return {key: value for key, value in options.items() if value is not None and value != []}


def query_options(
    threshold: Mapping[str, float | None], rolls: Mapping[str, str | None], clip: bool | None, **options: object
) -> dict[str, Any]:
    """A query's keys as the client takes them. Raises CommandError for what contradicts itself."""
    rolls = given(**rolls)
    if rolls and clip is False:
        raise CommandError("--no-clip leaves nothing for --pre-roll and --post-roll")
    return given(threshold=given(**threshold) or None, clip=rolls or clip, **options)


async def list_queries(url: str, token: str | None, console: Console, *, as_json: bool = False) -> None:
    """Ask once and print. Raises ClientError, as does all below."""
    async with Client(url, token) as client:
        queries = await client.queries()
    if as_json:
        _print_json([query.raw for query in queries])
    elif queries:
        console.print(query_table(queries))
    else:
        console.print('Nothing is watched for; add a sentence: r2stream query add goal "a player scores a goal"')


async def add_query(url: str, token: str | None, name: str, text: str, options: Mapping[str, Any]) -> str:
    """A sentence about it."""
    async with Client(url, token) as client:
        return _about_query(await client.add_query(name, text, **cast(QueryOptions, options)))


async def set_query(url: str, token: str | None, name: str, changes: Mapping[str, Any]) -> str:
    """A sentence about it."""
    _refuse_nothing(changes)
    async with Client(url, token) as client:
        return _about_query(await client.update_query(name, **cast(QueryChanges, changes)))


async def remove_query(url: str, token: str | None, name: str) -> str:
    """A sentence about it."""
    async with Client(url, token) as client:
        await client.remove_query(name)
    return f"{name}: removed"


async def list_streams(url: str, token: str | None, console: Console, *, as_json: bool = False) -> None:
    """Ask once and print."""
    async with Client(url, token) as client:
        streams = await client.streams()
    if as_json:
        _print_json([stream.raw for stream in streams])
    elif streams:
        console.print(stream_table(streams))
    else:
        console.print("Nothing is watched; add a stream: r2stream stream add pitch rtsp://…")


async def add_stream(url: str, token: str | None, name: str, address: str, options: Mapping[str, Any]) -> str:
    """A sentence about it."""
    async with Client(url, token) as client:
        return _about_stream(await client.add_stream(name, address, **cast(StreamOptions, options)))


async def set_stream(url: str, token: str | None, name: str, changes: Mapping[str, Any]) -> str:
    """A sentence about it."""
    _refuse_nothing(changes)
    async with Client(url, token) as client:
        return _about_stream(await client.update_stream(name, **cast(StreamChanges, changes)))


async def remove_stream(url: str, token: str | None, name: str) -> str:
    """A sentence about it."""
    async with Client(url, token) as client:
        await client.remove_stream(name)
    return f"{name}: removed"


def query_table(queries: Sequence[QueryInfo]) -> Table:
    """A line for each query."""
    table = _table("query", "text", "streams", "enter / exit", "state", "reason")
    for query in queries:
        threshold = query.raw.get("threshold") or {}
        scores = " / ".join(f"{threshold[key]:g}" for key in ("enter", "exit") if key in threshold)
        names = plain(query.name), plain(query.text), plain(_where(query.streams))
        table.add_row(*names, scores, _state(query.state), plain(query.reason or ""))
    return table


def stream_table(streams: Sequence[StreamInfo]) -> Table:
    """A line for each stream."""
    table = _table("stream", "from", "state", "frames", "reason")
    for stream in streams:
        names = plain(stream.name), plain(stream.url)
        table.add_row(*names, _state(stream.state), str(stream.frames), plain(stream.reason or ""))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", header_style="dim")
    return table


def _state(state: str) -> Text:
    return Text(state, style=_STYLES.get(state, "yellow"))


def _where(streams: Sequence[str] | None) -> str:
    return "every" if streams is None else ", ".join(streams)


def _about_query(query: QueryInfo) -> str:
    where = "every stream" if query.streams is None else ", ".join(query.streams)
    reason = f" ({query.reason})" if query.reason else ""
    return plain(f"{query.name}: {query.state} on {where} for “{query.text}”{reason}")


def _about_stream(stream: StreamInfo) -> str:
    reason = f" ({stream.reason})" if stream.reason else ""
    return plain(f"{stream.name}: {stream.state}, {stream.url}{reason}")


def _refuse_nothing(changes: Mapping[str, Any]) -> None:
    if not changes:
        raise CommandError("say what is to change; -h lists what can be")


def _print_json(bodies: Sequence[Mapping[str, Any]]) -> None:
    for body in bodies:
        print(json.dumps(body, ensure_ascii=False))
