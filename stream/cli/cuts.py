"""`r2stream cuts`: the moments of a day with their clips, on the terminal or as a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients import Client, Clip, Cut, CutOptions, EdlOptions
from stream.cli.event_lines import plain
from stream.cli.problems import CommandError

Format = Literal["table", "json", "csv", "edl"]
Timecode = Literal["clip", "day"]
_STYLES: Final = {"ready": "green", "pending": "yellow", "failed": "red"}


@dataclass(frozen=True)
class Listing:
    """How cuts are to be shown."""

    format: Format = "table"
    out: Path | None = None
    rate: str | None = None
    timecode: Timecode | None = None

    def check(self) -> None:
        """Raises CommandError for what cannot be meant."""
        if self.format != "edl" and (self.rate is not None or self.timecode is not None):
            raise CommandError("--rate and --timecode are for --format edl")
        if self.format == "table" and self.out is not None:
            raise CommandError("a file is written with --format json, csv or edl")
        if self.out is not None and not self.out.parent.is_dir():
            raise CommandError(f"there is no folder {self.out.parent}; make it first")


async def list_cuts(url: str, token: str | None, options: CutOptions, listing: Listing, console: Console) -> None:
    """Ask once, and print or write. Raises ClientError, CommandError and OSError."""
    async with Client(url, token) as client:
        if listing.format == "table":
            _print(await client.cuts(**options), options, console)
            return
        if listing.format == "json":
            lines = [json.dumps(cut.raw, ensure_ascii=False) for cut in await client.cuts(**options)]
            text = "".join(f"{line}\n" for line in lines)
        else:
            text = await client.cut_list(listing.format, **_edl_options(options, listing))
    if listing.out is None:
        # As it came: line ends belong to the format.
        sys.stdout.buffer.write(text.encode())
        return
    part = listing.out.with_name(listing.out.name + ".part")
    part.write_bytes(text.encode())
    part.replace(listing.out)
    console.print(f"{plain(str(listing.out))}: written", soft_wrap=True)


def _edl_options(options: CutOptions, listing: Listing) -> EdlOptions:
    edl = cast(EdlOptions, dict(options))
    if listing.rate is not None:
        edl["rate"] = listing.rate
    if listing.timecode is not None:
        edl["timecode"] = listing.timecode
    return edl


def _print(cuts: Sequence[Cut], options: CutOptions, console: Console) -> None:
    if not cuts:
        console.print(f"No moments {_when(options)}.")
        return
    console.print(cut_table(cuts))
    ready = sum(any(clip.state == "ready" for clip in cut.clips) for cut in cuts)
    console.print(f"{len(cuts)} moments {_when(options)}, {ready} with a clip", style="dim")


def cut_table(cuts: Sequence[Cut]) -> Table:
    """A line for each moment."""
    table = Table(box=None, pad_edge=False)
    for heading, right in (("begins", False), ("length", True), ("score", True)):
        table.add_column(heading, header_style="dim", justify="right" if right else "left", no_wrap=True)
    for heading in ("stream", "query", "moment", "clip"):
        table.add_column(heading, header_style="dim", overflow="fold")
    for cut in cuts:
        names = plain(cut.stream), plain(cut.query), plain(cut.moment_id)
        table.add_row(_begins(cut), _length(cut), f"{cut.score:.2f}", *names, _clips(cut.clips))
    return table


def _begins(cut: Cut) -> str:
    return "" if cut.start.time is None else f"{cut.start.time.astimezone():%Y-%m-%d %H:%M:%S}"


def _length(cut: Cut) -> str:
    start_s, end_s = cut.start.media_time_s, cut.end.media_time_s
    return "" if start_s is None or end_s is None else f"{end_s - start_s:.1f} s"


def _clips(clips: Sequence[Clip]) -> Text:
    if not clips:
        return Text("none", style="dim")
    shown = Text()
    for state in dict.fromkeys(clip.state for clip in clips):
        count = sum(clip.state == state for clip in clips)
        shown.append(" " if shown else "").append(state, style=_STYLES.get(state, "dim"))
        shown.append(f" ({count} parts)" if count > 1 else "")
    reasons = {clip.reason for clip in clips if clip.reason and clip.state != "ready"}
    return shown.append(f"  {plain(' '.join(sorted(reasons)))}" if reasons else "", style="dim")


def _when(options: CutOptions) -> str:
    if "day" in options:
        return f"on {options['day']}" if options["day"] not in ("today", "yesterday") else options["day"]
    return "in that time"
