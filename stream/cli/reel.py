"""`r2stream reel`: the best moments of a day as one video file; `r2stream reels`: which there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from clients import Client, Reel, ReelOptions
from stream.cli.event_lines import minutes, plain
from stream.cli.problems import CommandError

POLL_S: Final = 0.2
_STYLES: Final = {"ready": "green", "pending": "yellow", "failed": "red"}


async def make_reel(url: str, token: str | None, wish: Mapping[str, Any], out: Path | None, notes: Console) -> str:
    """Have a reel made and download it; a sentence about the file. Raises ClientError and CommandError."""
    if out is not None and not out.parent.is_dir():
        raise CommandError(f"there is no folder {out.parent}; make it first")
    options = cast(ReelOptions, {key: value for key, value in wish.items() if value is not None})
    async with Client(url, token) as client:
        reel = await client.add_reel(**options)
        with _progress(notes) as progress:
            task = progress.add_task("", total=1.0)
            # The service itself gives it up in time, and says why.
            while reel.state == "pending":
                progress.update(task, completed=reel.progress or 0.0)
                await asyncio.sleep(POLL_S)
                reel = await client.reel(reel.reel_id)
        if reel.state != "ready":
            raise CommandError(reel.reason or f"the reel is {reel.state}")
        file = out or Path(f"{reel.reel_id}{Path(reel.url or 'reel.mp4').suffix}")
        size_bytes = await client.save_reel(reel.reel_id, file)
    _print_chapters(reel, notes)
    moments = f"{len(reel.chapters)} moment{'' if len(reel.chapters) == 1 else 's'}"
    return f"{file}: {size_bytes / 1e6:.1f} MB, {reel.length_s:.1f} s, {moments}"


async def list_reels(url: str, token: str | None, console: Console, *, as_json: bool = False) -> None:
    """Ask once and print. Raises ClientError."""
    async with Client(url, token) as client:
        reels = await client.reels()
    if as_json:
        for reel in reels:
            print(json.dumps(reel.raw, ensure_ascii=False))
    elif reels:
        console.print(reel_table(reels))
    else:
        console.print("There are no reels; make one with r2stream reel, or one every day (docs/configuration.md).")


def reel_table(reels: Sequence[Reel]) -> Table:
    """A line for each reel."""
    table = Table(box=None, pad_edge=False)
    for heading in ("reel", "state", "length", "moments", "file"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for reel in reels:
        length = "" if reel.length_s is None else minutes(reel.length_s)
        moments = str(len(reel.chapters)) if reel.chapters else ""
        state = Text(reel.state, style=_STYLES.get(reel.state, "dim"))
        table.add_row(plain(reel.reel_id), state, length, moments, plain(reel.url or reel.reason or ""))
    return table


def _print_chapters(reel: Reel, notes: Console) -> None:
    for chapter in reel.chapters:
        line = Text(f"{minutes(chapter.start_s):>8}  ", style="dim")
        line.append(f"{plain(chapter.query)}  ", style="bold").append(f"{chapter.score:.2f}  ", style="not bold")
        notes.print(line.append(f"“{plain(chapter.text)}”", style="not bold dim"), soft_wrap=True)


@contextmanager
def _progress(notes: Console) -> Iterator[Progress]:
    """On a terminal, a bar of what is joined already."""
    columns = (TextColumn("[dim]joining"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        yield progress
