"""`r2stream demo`: the whole service on the synthetic broadcast, its events beside the truth."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from clients import Client, Event, EventStream
from stream.broadcast import Broadcast
from stream.cli.demo_board import Board, Row
from stream.cli.demo_lines import EXPLANATION, row_line, summary, tally_line
from stream.cli.demo_screen import Screen
from stream.cli.embedded import running
from stream.cli.lifetime import stopped_by_user
from stream.cli.problems import CommandError
from stream.cli.tail import log_to_stderr
from stream.query import Query
from stream.settings import ServerSettings, Settings, StreamSettings

STREAM: Final = "broadcast"
QUERIES: Final = {
    "goal": "a player scores a goal",
    "car": "a car drives from left to right",
    "green-light": "the traffic light turns green",
    "banner": "a banner slides in at the bottom",
    "yellow-card": "the referee shows a yellow card",
}
SEED: Final = 210
"""In its first minute all five happen at least once; training has never seen it."""

OnEvent = Callable[[Event, Row | None], None]

_WIDTH_OF_FILES: Final = 120
_TICK_S: Final = 0.25
_ENOUGH_MISSES: Final = 3
"""A demo that misses so many and finds none does not work."""


@dataclass(frozen=True)
class DemoOptions:
    """What a user can choose."""

    seconds: float | None = None
    """None: until stopped."""
    seed: int = SEED
    port: int | None = None
    """None: the usual one, or any other where that is taken."""
    model: str = Settings.model


def run_demo(options: DemoOptions) -> None:
    """Show the demo until it is over or stopped, then sum up.

    Raises:
        R2StreamError: it cannot begin, or it has found nothing at all.
    """
    log_to_stderr()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_FILES)
    programme = Broadcast(options.seed)
    board = Board(programme.truth, QUERIES, STREAM)
    with (
        tempfile.TemporaryDirectory(prefix="r2stream-demo-") as folder,
        stopped_by_user(),
        running(demo_settings(options, Path(folder)), console) as server,
    ):
        show = _on_terminal if console.is_terminal else _as_lines
        asyncio.run(show(Screen(board, programme, server.url), console, options.seconds))
    console.print(summary(board))
    console.print(EXPLANATION, style="dim")
    score = board.tally.score()
    if not score.found and score.missed >= _ENOUGH_MISSES:
        raise CommandError("the demo found nothing of what happened; `r2stream doctor` tells what is wrong")


def demo_settings(options: DemoOptions, data_dir: Path) -> Settings:
    """The broadcast and its five standing queries."""
    return Settings(
        data_dir=data_dir,
        model=options.model,
        server=ServerSettings(port=usual_port_or_any() if options.port is None else options.port),
        streams={STREAM: StreamSettings(STREAM, f"demo://broadcast?seed={options.seed}")},
        queries={name: Query(name, text) for name, text in QUERIES.items()},
    )


def usual_port_or_any() -> int:
    """The port that commands look at by themselves; 0 when something else uses it."""
    usual = ServerSettings()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((usual.host, usual.port))
        except OSError:
            return 0
    return usual.port


async def _on_terminal(screen: Screen, console: Console, seconds: float | None) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def refresh() -> None:
            live.update(screen.draw(console), refresh=True)

        await _follow(screen, seconds, on_event=lambda event, row: None, on_tick=lambda missed: refresh())


async def _as_lines(screen: Screen, console: Console, seconds: float | None) -> None:
    board = screen.board
    console.print(f"serving {screen.url}; elsewhere: r2stream events tail --url {screen.url}", soft_wrap=True)
    console.print(
        f"stream {STREAM}: the synthetic broadcast, seed {screen.programme.seed}; {EXPLANATION}", soft_wrap=True
    )

    def tell(row: Row, *, first: bool = False) -> None:
        console.print(row_line(row, first=first), soft_wrap=True)
        if not first:
            console.print(tally_line(board.tally.score()), soft_wrap=True)

    def on_event(event: Event, row: Row | None) -> None:
        if row is not None and event.kind != "moment.updated":
            tell(row, first=event.kind == "moment.started" and row.verdict == "open")

    def on_tick(missed: list[Row]) -> None:
        for row in missed:
            tell(row)

    await _follow(screen, seconds, on_event=on_event, on_tick=on_tick)


async def _follow(
    screen: Screen,
    seconds: float | None,
    *,
    on_event: OnEvent,
    on_tick: Callable[[list[Row]], None],
) -> None:
    """Feed the board from the websocket, as any client would get it, until time is up."""
    end_s = None if seconds is None else time.monotonic() + seconds
    async with Client(screen.url) as client, client.events(after=0) as events:
        reader = asyncio.create_task(_read(events, screen.board, on_event), name="demo events")
        try:
            while end_s is None or time.monotonic() < end_s:
                await asyncio.wait([reader], timeout=_TICK_S)
                if reader.done():
                    reader.result()
                on_tick(screen.board.advance(time.time()))
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


async def _read(events: EventStream, board: Board, on_event: OnEvent) -> None:
    async for event in events:
        on_event(event, board.take(event, time.time()))
