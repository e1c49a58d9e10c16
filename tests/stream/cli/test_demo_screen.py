"""The demo as lines and as a screen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from stream.broadcast import Broadcast
from stream.cli.demo_board import Board, Row
from stream.cli.demo_lines import row_line, summary, tally_line
from stream.cli.demo_screen import HalfBlocks, Screen, picture_columns, picture_rows
from stream.cli.tally import Score

Page = Callable[..., Console]
FOUND = Row(18.2, "pitch", "goal", (12.0, 16.5), (11.8, 16.4), "found", 0.83, 1.4)
MISSED = Row(20.4, "pitch", "goal", None, (11.8, 16.4), "missed")


def full_board() -> Board:
    """Two queries, of which one happens every five seconds, now too, and is never reported."""

    def truth(text: str, start_s: float, end_s: float) -> list[tuple[float, float]]:
        return [(float(s), s + 2.0) for s in range(0, 105, 5)] if text == "it rains" else []

    board = Board(truth, {"rain": "it rains", "goal": "a player scores a goal"}, "broadcast")
    board._zero_s = 0.0
    board.advance(100.0)
    return board


def drawn(console: Console, screen: Screen) -> list[str]:
    with console.capture() as written:
        console.print(screen.draw(console))
    return written.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 34), (200, 60)])
def test_the_screen_fits_any_usual_terminal(page: Page, width: int, height: int) -> None:
    """Nothing is pushed out at the bottom, and every part is there."""
    console = page(width, height)
    lines = drawn(console, Screen(full_board(), Broadcast(1), "http://127.0.0.1:8642"))
    text = "\n".join(lines)
    assert len(lines) <= height
    assert "events tail --url" in text and "a player scores a goal" in text
    assert "missed" in text and "Ctrl-C" in text


def test_the_broadcast_is_shown_where_there_is_room(page: Page) -> None:
    """As large as fits; a small terminal keeps its rows for events."""
    assert [picture_columns(page(*size)) for size in ((80, 24), (130, 40), (160, 50), (220, 70))] == [0, 64, 96, 128]
    large = drawn(page(130, 40), Screen(full_board(), Broadcast(1), "http://x"))
    assert [line.count("▀") for line in large].count(64) == picture_rows(64)


def test_a_terminal_without_enough_colours_gets_no_picture(page: Page) -> None:
    """It would be a blur."""
    console = Console(width=160, height=50, color_system="standard", force_terminal=True)
    assert picture_columns(console) == 0


def test_half_blocks_hold_two_pixels_each(page: Page) -> None:
    """The upper pixel is the letter's colour, the lower one its background."""
    image = np.zeros((2 * picture_rows(64), 64, 3), np.uint8)
    image[::2] = (240, 0, 0)
    image[1::2] = (0, 0, 240)
    with (console := page(100)).capture() as written:
        console.print(HalfBlocks(image, 64))
    lines = written.get().splitlines()
    assert len(lines) == picture_rows(64)
    assert lines[0].count("▀") == 64
    assert "38;2;240;0;0" in lines[0] and "48;2;0;0;240" in lines[0]


def test_what_truly_happens_stands_beside_what_is_seen(page: Page) -> None:
    """Now, for each sentence."""
    board = full_board()
    assert board.happening("rain") and not board.happening("goal")
    lines = drawn(page(80), Screen(board, Broadcast(1), "http://x"))
    (rain,) = [line for line in lines if "it rains" in line]
    (goal,) = [line for line in lines if "a player scores a goal" in line]
    assert "●" in rain and "●" not in goal


def test_a_line_says_what_was_reported_and_what_was_true() -> None:
    """One line of the plain form holds all of a row."""
    line = row_line(FOUND, first=False).plain
    assert "found" in line and "0:12.0 → 0:16.5 (4.5 s)" in line and "truth 0:11.8 → 0:16.4" in line
    assert "0.83" in line and "+1.4 s" in line
    assert "alert" in row_line(FOUND, first=True).plain
    assert "missed" in row_line(MISSED, first=False).plain


def test_the_tally_adds_up() -> None:
    """Found and missed make all that happened; late ones are named when there are any."""
    line = tally_line(Score(found=3, missed=2, late=1, false=4, withdrawn=5, onset_to_alert_s=1.25)).plain
    assert "found 3 of 5" in line and "missed 2 (1 late)" in line and "false 4" in line
    assert "withdrawn 5" in line and "1.2 s" in line
    assert "late" not in tally_line(Score(0, 0, 0, 0, 0, None)).plain


def test_the_summary_has_a_line_for_each_sentence(page: Page) -> None:
    """And one for all of them."""
    with (console := page(100)).capture() as written:
        console.print(summary(full_board()))
    text = written.get()
    assert "it rains" in text and "a player scores a goal" in text and "all" in text
