"""The demo in words: one line for each piece of news, the tally, and the summary at the end."""

from __future__ import annotations

from typing import Final

from rich.table import Table
from rich.text import Text

from stream.cli.demo_board import Board, Row
from stream.cli.event_lines import minutes, plain
from stream.cli.tally import DEADLINE_S, MIN_IOU, Score

STYLES: Final = {
    "open": ("going on", "cyan"),
    "found": ("found", "bold green"),
    "late": ("late", "yellow"),
    "false": ("false", "bold red"),
    "withdrawn": ("withdrawn", "yellow"),
    "missed": ("missed", "bold magenta"),
}
"""Word and style of each verdict."""

EXPLANATION: Final = (
    f"found: both ends reported at most {DEADLINE_S:g} s after it was over, with an IoU of {MIN_IOU:g} or more"
)


def row_line(row: Row, *, first: bool) -> Text:
    """One row as one line; `first`: the moment is new and may still be going on."""
    word, style = ("alert", "bold cyan") if first else STYLES[row.verdict]
    line = Text(f"{minutes(row.at_s):>7}  ", style="dim")
    line.append(f"{word:<9} ", style=style)
    line.append(f"{plain(row.stream)}  ", style="not dim")
    line.append(f"{plain(row.query):<12} ", style="bold not dim")
    line.append(f"{span_text(row.span):<25} ", style="not dim")
    line.append(f"{score_text(row):<5} {after_text(row):<8} ", style="not dim")
    line.append(f"truth {span_text(row.truth)}" if row.truth else "no truth near", style="dim")
    return line


def tally_line(score: Score) -> Text:
    """The running tally."""
    line = Text("found ", style="dim")
    line.append(f"{score.found}", style="bold green not dim")
    line.append(f" of {score.found + score.missed}   missed ")
    line.append(f"{score.missed}", style="bold magenta not dim")
    line.append(f" ({score.late} late)   false " if score.late else "   false ")
    line.append(f"{score.false}", style="bold red not dim")
    line.append(f"   withdrawn {score.withdrawn}   onset to alert ")
    line.append(latency_text(score), style="bold not dim")
    return line


def summary(board: Board) -> Table:
    """What came of each sentence, and of all."""
    table = Table(show_edge=False, pad_edge=False, header_style="dim")
    table.add_column("sentence")
    for title in ("found", "missed", "false", "withdrawn", "onset to alert"):
        table.add_column(title, justify="right")
    scores = [(text, board.tally.score(name), "") for name, text in board.queries.items()]
    for text, score, style in [*scores, ("all", board.tally.score(), "bold")]:
        counts = (score.found, score.missed, score.false, score.withdrawn)
        table.add_row(plain(text), *map(str, counts), latency_text(score), style=style)
    return table


def latency_text(score: Score) -> str:
    """The median latency; a dash while nothing was found."""
    return "-" if score.onset_to_alert_s is None else f"{score.onset_to_alert_s:.1f} s"


def span_text(span: tuple[float, float | None] | None, *, length: bool = True) -> str:
    """`0:12.0 → 0:15.5 (3.5 s)`; `…` for an end that is not known yet, a dash for nothing."""
    if span is None:
        return "-"
    start_s, end_s = span
    if end_s is None:
        return f"{minutes(start_s)} → …"
    return f"{minutes(start_s)} → {minutes(end_s)}" + (f" ({end_s - start_s:.1f} s)" if length else "")


def score_text(row: Row) -> str:
    """The moment's score; empty for a miss."""
    return "" if row.score is None else f"{row.score:.2f}"


def after_text(row: Row) -> str:
    """How long after the onset the first event came; empty where nobody can say."""
    return "" if row.alert_after_s is None else f"+{row.alert_after_s:.1f} s"
