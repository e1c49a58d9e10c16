"""The demo on a terminal: the broadcast itself where there is room, the sentences, the events, and the tally."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from rich.color import Color
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stream.broadcast import Broadcast
from stream.cli.demo_board import Board
from stream.cli.demo_lines import EXPLANATION, STYLES, after_text, score_text, span_text, tally_line
from stream.cli.event_lines import minutes, plain
from stream.types import Image

PICTURE_COLUMNS: Final = (128, 96, 64)
"""Widths in which the broadcast can be shown, the best first."""
_BESIDE_COLUMNS: Final = 50
"""For the sentences beside the picture."""
_MIN_EVENT_ROWS: Final = 6
_OTHER_ROWS: Final = 9
"""Header, headings, rules and footer."""
_WIDE: Final = 112
"""Columns that a row with everything in it takes."""
_HALF_BLOCK: Final = "▀"


class HalfBlocks:
    """A picture in characters, each of which is two pixels: the upper in its colour, the lower in its background."""

    def __init__(self, image: Image, columns: int) -> None:
        small = cv2.resize(image, (columns, 2 * picture_rows(columns)), interpolation=cv2.INTER_AREA)
        # Fewer colours make fewer styles, which are what takes time.
        self._pixels = np.asarray(small, np.uint8) & 0xF0
        self._columns = columns

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self._columns, self._columns)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for upper, lower in zip(self._pixels[::2].tolist(), self._pixels[1::2].tolist(), strict=True):
            for over, under in zip(upper, lower, strict=True):
                yield Segment(_HALF_BLOCK, _style((*over, *under)))
            yield Segment.line()


@lru_cache(maxsize=8192)
def _style(colours: tuple[int, ...]) -> Style:
    return Style(color=Color.from_rgb(*colours[:3]), bgcolor=Color.from_rgb(*colours[3:]))


@dataclass(frozen=True)
class Screen:
    """Draws a board."""

    board: Board
    programme: Broadcast
    url: str

    def draw(self, console: Console) -> RenderableType:
        """All that fits into the terminal as it is now."""
        columns = picture_columns(console)
        above = picture_rows(columns) if columns else len(self.board.queries) + 1
        events = self._events(max(1, console.height - _OTHER_ROWS - above), console.width >= _WIDE)
        rule = Rule(style="dim")
        return Group(self._header(), self._upper(columns), rule, events, rule, self._footer())

    def _header(self) -> RenderableType:
        line = Text("r2stream demo", style="bold")
        line.append(f"   the synthetic broadcast, seed {self.programme.seed}", style="not bold dim")
        line.append(f"   {minutes(self.board.now_s)}\n", style="not bold")
        line.append("elsewhere: ", style="not bold dim")
        line.append(f"r2stream events tail --url {self.url}", style="not bold cyan")
        line.append("   or   ", style="not bold dim")
        line.append(f"curl '{self.url}/v1/events?after=0'", style="not bold cyan")
        return line

    def _upper(self, columns: int) -> RenderableType:
        if not columns:
            return self._sentences()
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=columns)
        grid.add_column()
        grid.add_row(HalfBlocks(self.programme.picture(self.board.now_s), columns), self._sentences())
        return grid

    def _sentences(self) -> RenderableType:
        """Each sentence with whether it truly happens now, and whether the service says so."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("true", "seen", "watched for", "found"):
            table.add_column(title, no_wrap=True)
        for name, text in self.board.queries.items():
            score = self.board.tally.score(name)
            seen, true = self.board.going_on(name), self.board.happening(name)
            table.add_row(
                Text("  ● " if true else "  · ", style="bold yellow" if true else "dim"),
                Text("  ▶ " if seen else "  · ", style="bold cyan" if seen else "dim"),
                Text(plain(text), style="bold" if seen or true else ""),
                Text(f"{score.found} of {score.found + score.missed}", style="green"),
            )
        return table

    def _events(self, rows: int, wide: bool) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        titles = ["at", "stream", "query", "start → end", "score", "alert", "", "truth"]
        for title in titles if wide else titles[:1] + titles[2:]:
            table.add_column(title, no_wrap=True, justify="right" if title in ("at", "score", "alert") else "left")
        for row in self.board.rows[-rows:]:
            word, style = STYLES[row.verdict]
            cells: list[RenderableType] = [
                Text(minutes(row.at_s), style="dim"),
                Text(plain(row.query), style="bold"),
                span_text(row.span, length=wide),
                score_text(row),
                after_text(row),
                Text(word, style=style),
                Text(span_text(row.truth, length=wide), style="dim"),
            ]
            table.add_row(*([cells[0], plain(row.stream), *cells[1:]] if wide else cells))
        for _ in range(rows - len(self.board.rows)):
            table.add_row("")
        return table

    def _footer(self) -> RenderableType:
        return Group(tally_line(self.board.tally.score()), Text(f"{EXPLANATION}. Ctrl-C ends.", style="dim"))


def picture_columns(console: Console) -> int:
    """In which width the terminal is large and colourful enough to show the broadcast itself; 0 when it is not."""
    if console.color_system != "truecolor":
        return 0
    widest = console.width - _BESIDE_COLUMNS
    tallest = console.height - _OTHER_ROWS - _MIN_EVENT_ROWS
    return next((columns for columns in PICTURE_COLUMNS if columns <= widest and picture_rows(columns) <= tallest), 0)


def picture_rows(columns: int) -> int:
    """Two pixels above each other in one character keep 16:9."""
    return columns * 9 // 32
