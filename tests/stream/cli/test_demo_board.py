"""What the demo shows beside the truth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from clients import Event
from stream.cli.demo_board import ROWS_KEPT, Board
from stream.cli.tally import DEADLINE_S
from stream.events import Instant, rfc3339

ZERO_S = 1_700_000_000.0
"""Unix time at programme time 0."""

Report = Callable[..., Event]


@pytest.fixture
def report(received: Callable[..., Event]) -> Report:
    """An event about a moment of the query `goal`, by programme times."""

    def instant(media_time_s: float | None) -> Instant:
        time = None if media_time_s is None else rfc3339(ZERO_S + media_time_s)
        return Instant(time=time, media_time_s=media_time_s, final=True)

    def make(kind: str, start_s: float, end_s: float | None = None, moment_id: str = "m") -> Event:
        return received(kind, start=instant(start_s), end=instant(end_s), moment_id=moment_id)

    return make


def board(*truth: tuple[float, float]) -> Board:
    """A board of one query, `goal`."""

    def spans(text: str, start_s: float, end_s: float) -> list[tuple[float, float]]:
        return [span for span in truth if span[0] < end_s and span[1] > start_s]

    return Board(spans, {"goal": "a player scores a goal"}, "pitch")


def test_a_moment_is_one_row_that_changes(report: Report) -> None:
    """From alert to end it stays in its place; the latency turns from the reported into the true one."""
    shown = board((10.0, 14.0))
    alert = shown.take(report("started", 10.5), ZERO_S + 12.0)
    assert alert is not None and (alert.verdict, alert.span, alert.alert_after_s) == ("open", (10.5, None), 4.1)
    assert shown.going_on("goal")
    found = shown.take(report("ended", 10.5, 14.0), ZERO_S + 16.0)
    assert found is not None and (found.verdict, found.span, found.truth) == ("found", (10.5, 14.0), (10.0, 14.0))
    assert found.alert_after_s == pytest.approx(2.0)
    assert shown.rows == [found] and not shown.going_on("goal")


def test_a_miss_is_a_row_of_its_own(report: Report, stream_news: Callable[..., Event]) -> None:
    """It appears when its deadline has passed, with nothing but the truth in it."""
    shown = board((10.0, 14.0))
    assert shown.take(stream_news("online", time_s=ZERO_S), ZERO_S) is None
    assert shown.advance(ZERO_S + 14.0) == []
    (missed,) = shown.advance(ZERO_S + 14.0 + DEADLINE_S)
    assert (missed.verdict, missed.span, missed.truth) == ("missed", None, (10.0, 14.0))
    assert shown.rows == [missed]


def test_a_moment_found_at_its_deadline_changes_in_place(report: Report) -> None:
    """Time alone can decide, without another event."""
    shown = board((10.0, 14.0))
    shown.take(report("updated", 10.0, 13.8), ZERO_S + 14.5)
    assert shown.advance(ZERO_S + 18.0) == []
    assert [row.verdict for row in shown.rows] == ["found"]


@pytest.mark.parametrize("told_first", [True, False])
def test_a_late_moment_takes_the_place_of_the_miss(report: Report, told_first: bool) -> None:
    """One row for one thing, whichever comes first, the moment or the notice that it is overdue."""
    shown = board((10.0, 14.0))
    shown.take(report("started", 10.0, None, "other"), ZERO_S + 11.0)
    if not told_first:
        assert [row.verdict for row in shown.advance(ZERO_S + 18.1)] == ["missed"]
    shown.take(report("ended", 10.0, 14.0), ZERO_S + 18.2)
    assert shown.advance(ZERO_S + 18.3) == []
    assert [row.verdict for row in shown.rows] == ["open", "late"]
    assert shown.tally.score().missed == 1


def test_time_stands_still_until_the_stream_is_online() -> None:
    """Before that nobody knows when the programme began."""
    shown = board((0.0, 1.0))
    assert shown.advance(ZERO_S + 1e6) == []
    assert shown.now_s == 0.0


def test_the_programme_clock_comes_from_the_events(report: Report) -> None:
    """A moment's two times say when the programme began, more exactly than the news that the stream is online."""
    shown = board()
    shown.take(report("started", 30.0), ZERO_S + 31.0)
    shown.advance(ZERO_S + 40.0)
    assert shown.now_s == pytest.approx(40.0, abs=0.01)


def test_old_rows_go(report: Report) -> None:
    """A board can run for days."""
    shown = board()
    for i in range(ROWS_KEPT + 10):
        shown.take(report("ended", 10.0 * i, 10.0 * i + 4, f"m{i}"), ZERO_S + 10.0 * i + 6)
    assert len(shown.rows) == ROWS_KEPT
    assert shown.rows[-1].span == (10.0 * (ROWS_KEPT + 9), 10.0 * (ROWS_KEPT + 9) + 4)


def test_an_event_of_an_unknown_start_is_left_out(received: Callable[..., Event]) -> None:
    """It has no place in time."""
    unknown = Instant(time=None, media_time_s=None, final=False)
    assert board().take(received("started", start=unknown), datetime.now().timestamp()) is None
