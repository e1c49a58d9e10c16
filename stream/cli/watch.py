"""`r2stream watch`: one stream, some sentences, no settings, nothing kept."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from clients import Client, Event, EventStream
from stream.cli.embedded import running
from stream.cli.lifetime import stopped_by_user
from stream.cli.problems import CommandError
from stream.cli.tail import log_to_stderr, show
from stream.query import Query
from stream.settings import ClipSettings, ServerSettings, Settings, StreamSettings

if TYPE_CHECKING:
    from stream.api import ApiServer
    from stream.service import Service

STREAM: Final = "stream"
_SLUG_LENGTH: Final = 40
_LAST_FRAMES_S: Final = 600.0
"""After a recording's end, the frames that still wait are looked at within this time."""
_LAST_WORDS_S: Final = 5.0
"""What they say comes over the websocket without delay."""


@dataclass(frozen=True)
class Choice:
    """What a user can choose."""

    model: str = Settings.model
    device: str = Settings.device
    port: int = 0
    """0 takes any free one."""


def watch_until_stopped(url: str, texts: Sequence[str], choice: Choice, *, as_json: bool) -> None:
    """Watch until Ctrl-C, or until a recording is over.

    Raises:
        R2StreamError: it cannot begin, or the stream can never be watched; says why.
    """
    log_to_stderr()
    console, notes = Console(highlight=False), Console(stderr=True, highlight=False)
    with stopped_by_user(), tempfile.TemporaryDirectory(prefix="r2stream-") as folder:
        settings = watch_settings(url, texts, choice, Path(folder))
        with running(settings, notes) as server:
            notes.print(f"watching; {server.url}/v1/events holds the same events. Ctrl-C stops.", style="dim")
            asyncio.run(_print_events(server, as_json, console))


def watch_settings(url: str, texts: Sequence[str], choice: Choice, data_dir: Path) -> Settings:
    """One stream and a query for each sentence, named after it. Raises ConfigError."""
    names = query_names(texts)
    return Settings(
        data_dir=data_dir,
        model=choice.model,
        device=choice.device,
        server=ServerSettings(port=choice.port),
        clips=ClipSettings(memory_per_stream=0),  # nothing is kept, so nothing is cut
        streams={STREAM: StreamSettings.parse(STREAM, url)},
        queries={name: Query.parse(name, text) for name, text in zip(names, texts, strict=True)},
    )


def query_names(texts: Sequence[str]) -> list[str]:
    """Names that a person recognises, each different: `A player scores!` is `a-player-scores`."""
    names: list[str] = []
    for number, text in enumerate(texts, start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower())[:_SLUG_LENGTH].strip("-")
        name = wished = slug or f"query-{number}"
        while name in names:
            name = f"{wished}-{number}"
            number += 1
        names.append(name)
    return names


async def _print_events(server: ApiServer, as_json: bool, console: Console) -> None:
    async with Client(server.url) as client, client.events(after=0) as events:
        async for event in events:
            show(event, as_json, console)
            if await _is_over(client, event):
                await _print_last_words(server.app.state.service, event, events, as_json, console)
                return


async def _is_over(client: Client, event: Event) -> bool:
    """Whether this event says that nothing more will come. Raises CommandError when nothing ever could."""
    if event.kind != "stream.offline":
        return False
    if event.data.get("cause") == "ended":
        return True
    stream = await client.stream(STREAM)
    if stream.state == "failed":
        raise CommandError(stream.reason or "the stream cannot be watched")
    return False


async def _print_last_words(
    service: Service, event: Event, events: EventStream, as_json: bool, console: Console
) -> None:
    """What the last frames of a recording say, however long they take; `event` is the last one that was shown."""
    if not await asyncio.to_thread(service.settle, _LAST_FRAMES_S):
        raise CommandError(
            "the end of the recording could not be looked at in time; watch it again with fewer sentences"
        )
    latest = service.store.latest_cursor()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            while event.cursor < latest:
                event = await anext(events)
                show(event, as_json, console)
