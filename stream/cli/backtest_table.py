"""Several wordings side by side, on a terminal."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients import Backtest, Fired, FramePeak, Instant, Outcome
from stream.cli.event_lines import clock, minutes, plain

_BARS: Final = " ▁▂▃▄▅▆▇█"
_BARS_WIDTH: Final = 32
_STYLES: Final = {"retracted": "yellow", "open": "bold green", "ending": "green"}
_WORDS: Final = {"retracted": "withdrawn", "open": "goes on", "ending": "perhaps over", "ended": ""}


def print_backtest(console: Console, answer: Backtest) -> None:
    """A column for each wording: how often it would have fired, when, how surely, and its saliency over time."""
    console.print(_headline(answer), soft_wrap=True)
    table = Table(expand=False, pad_edge=False)
    table.add_column("")
    for outcome in answer.outcomes:
        table.add_column(Text(plain(outcome.text)), overflow="fold")
    withdrawn = [sum(moment.state == "retracted" for moment in outcome.moments) for outcome in answer.outcomes]
    table.add_row("moments", *(str(len(o.moments) - n) for o, n in zip(answer.outcomes, withdrawn, strict=True)))
    table.add_row("withdrawn", *map(str, withdrawn))
    table.add_row("threshold", *(f"{o.enter:g} / {o.exit:g}" for o in answer.outcomes))
    table.add_row("best score", *(_best(outcome, answer.clock) for outcome in answer.outcomes))
    table.add_row("saliency", *(Text(bars(outcome.saliency), style="cyan") for outcome in answer.outcomes))
    table.add_section()
    longest = max((len(outcome.moments) for outcome in answer.outcomes), default=0)
    for row in range(longest):
        cells = [o.moments[row] if row < len(o.moments) else None for o in answer.outcomes]
        table.add_row(str(row + 1), *(Text() if cell is None else _moment(cell, answer.clock) for cell in cells))
    console.print(table)
    for outcome in answer.outcomes:
        advice = advise(outcome)
        if advice:
            console.print(advice, style="dim", soft_wrap=True)


def bars(saliency: tuple[FramePeak, ...], width: int = _BARS_WIDTH) -> str:
    """The peaks as a line of bars, each the highest of its share of the frames; lowest and highest fill the height."""
    values = [frame.peak for frame in saliency]
    if not values:
        return ""
    count = min(width, len(values))
    parts = [values[len(values) * i // count : len(values) * (i + 1) // count] for i in range(count)]
    tops = [max(part) for part in parts]
    low, high = min(tops), max(tops)
    steps = len(_BARS) - 1
    return "".join(_BARS[round(steps * (top - low) / (high - low)) if high > low else steps // 2] for top in tops)


def advise(outcome: Outcome) -> str:
    """What to try where nothing would have been told."""
    if outcome.moments or outcome.best is None:
        return ""
    text = f"“{plain(outcome.text)}” would have told nothing: "
    if outcome.best.score >= outcome.enter:
        return text + "what it found was too short or not seen often enough; see min_duration and confirm_frames."
    return text + f"its best score is {outcome.best.score:.2f}, below enter ({outcome.enter:g}); lower it with --enter."


def _headline(answer: Backtest) -> Text:
    line = Text(f"{plain(answer.stream)}  ", style="bold")
    span = f"{_when(answer.start, answer.clock)} → {_when(answer.end, answer.clock)}"
    return line.append(f"{span}, {answer.frames} frames, model {plain(answer.model)}", style="not bold dim")


def _best(outcome: Outcome, kind: str | None) -> str:
    if outcome.best is None:
        return "nothing seen"
    return f"{outcome.best.score:.2f} at {_when(outcome.best.start, kind)}"


def _moment(fired: Fired, kind: str | None) -> Text:
    """Start, end, score, and when it would have been told."""
    cell = Text(f"{_when(fired.start, kind)} → {_when(fired.end, kind)}  {fired.score:.2f}")
    cell.append(f"\ntold at {_when(fired.alert, kind)}", style="dim")
    word = _WORDS.get(fired.state, fired.state)
    if word:
        cell.append(f", {word}", style=_STYLES.get(fired.state, ""))
    return cell


def _when(instant: Instant, kind: str | None) -> str:
    if instant.time is None or instant.media_time_s is None:
        return "…"
    return minutes(instant.media_time_s) if kind == "file" else clock(instant.time)
