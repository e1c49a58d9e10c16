"""`r2stream events tail`: what a running service has seen, from a cursor on."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from clients import Client, Event
from stream.cli.event_lines import print_event


@dataclass(frozen=True)
class Wish:
    """Which events to show and how."""

    after: int | None = None
    """None: from now on; 0: all that the log holds first."""
    streams: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    as_json: bool = False


async def tail(url: str, token: str | None, wish: Wish, console: Console) -> None:
    """Show events for ever; lost connections are taken up again where they broke. Raises ClientError."""
    async with Client(url, token) as client:
        # A server that is not there is an error now; one that goes away later is waited for.
        await client.event_page(limit=1)
        events = client.events(streams=_or_all(wish.streams), queries=_or_all(wish.queries), after=wish.after)
        async for event in events:
            show(event, wish.as_json, console)


def show(event: Event, as_json: bool, console: Console) -> None:
    """One event as a line: for people, or as the server sent it for programs."""
    if as_json:
        print(json.dumps(event.raw, ensure_ascii=False), flush=True)
    else:
        print_event(console, event)


def log_to_stderr(level: int = logging.WARNING) -> None:
    """What goes wrong meanwhile belongs beside the output, not into it."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _or_all(names: tuple[str, ...]) -> Sequence[str] | None:
    return names or None
