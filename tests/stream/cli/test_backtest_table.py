"""The table of a backtest: a column for each wording, and advice where nothing would have been told."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from clients import Backtest, FramePeak, Outcome
from clients.backtest import parse_backtest
from stream.cli.backtest_table import advise, bars, print_backtest


def at(media_time_s: float | None) -> dict[str, Any]:
    time = None if media_time_s is None else f"2025-01-02T03:00:{media_time_s:06.3f}Z"
    return {"time": time, "media_time_s": media_time_s, "final": media_time_s is not None}


def outcome(text: str, *moments: dict[str, Any], best: float | None = 0.4) -> dict[str, Any]:
    return {
        "text": text,
        "threshold": {"enter": 0.5, "exit": 0.35},
        "moments": list(moments),
        "best": None if best is None else {"start": at(3), "end": at(4), "score": best},
        "saliency": [{"epoch": 0, "media_time_s": number / 2, "peak": number / 10} for number in range(5)],
    }


def moment(state: str, end_s: float | None) -> dict[str, Any]:
    common = {"state": state, "score": 0.8, "start": at(10), "end": at(end_s), "alert": at(12)}
    return {**common, "onset_to_alert_s": 2.0, "reason": None}


def answer(*outcomes: dict[str, Any]) -> Backtest:
    about = {"stream": "match", "model": "demo", "clock": "file", "frames": 60, "start": at(0), "end": at(30)}
    return parse_backtest({**about, "outcomes": list(outcomes)})


def printed(report: Backtest) -> str:
    page = io.StringIO()
    print_backtest(Console(file=page, width=140, highlight=False), report)
    return page.getvalue()


def test_wordings_stand_side_by_side() -> None:
    """Moments row by row, with when they would have been told and what became of them."""
    text = printed(answer(outcome("a goal", moment("ended", 14), moment("retracted", 15)), outcome("a foul")))
    header, withdrawn = (line for line in text.splitlines() if "a goal" in line or line.startswith("│withdrawn"))
    assert "a goal" in header and "a foul" in header
    assert [cell.strip() for cell in withdrawn.strip("│").split("│")] == ["withdrawn", "1", "0"]
    assert "0:10.0 → 0:14.0  0.80" in text and "told at 0:12.0, withdrawn" in text
    assert "would have told nothing: its best score is 0.40, below enter (0.5)" in text


def test_what_goes_on_has_no_end() -> None:
    """An ellipsis in its place."""
    assert "0:10.0 → …" in printed(answer(outcome("a goal", moment("open", None))))


@pytest.mark.parametrize(
    ("best", "said"), [(0.4, "lower it with --enter"), (0.7, "too short or not seen often enough"), (None, "")]
)
def test_advice_says_what_to_try(best: float | None, said: str) -> None:
    """A lower threshold helps only where something was seen."""
    assert said in advise(answer(outcome("a goal", best=best)).outcomes[0])
    assert advise(answer(outcome("a goal", moment("ended", 14))).outcomes[0]) == ""


def test_nothing_from_outside_reaches_the_terminal_as_it_is() -> None:
    """A sentence may hold anything."""
    assert "\x1b" not in printed(answer(outcome("a \x1b[2J goal")))


def test_bars_show_the_highest_of_each_part() -> None:
    """From the lowest to the highest; flat where all are the same, nothing where there is nothing."""

    def peaks(*values: float) -> Outcome:
        frames = tuple(FramePeak(0, float(place), value) for place, value in enumerate(values))
        return Outcome("a", 0.5, 0.35, (), None, frames)

    assert bars(peaks(0, 1, 2, 3, 4, 5, 6, 7, 8).saliency) == " ▁▂▃▄▅▆▇█"
    assert bars(peaks(0, 9, 0, 0).saliency, width=2) == "█ "
    assert bars(peaks(3, 3).saliency) == "▄▄" and bars(()) == ""
