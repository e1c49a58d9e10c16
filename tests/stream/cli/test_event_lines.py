"""Events as lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from clients import Event
from clients.events import parse_event
from stream.cli.event_lines import clock, event_line, interval, minutes, plain, print_event
from stream.events import ClipData, Instant, clip_event

START = Instant(time="2025-01-02T03:00:12.000Z", media_time_s=12.0, final=True)
END = Instant(time="2025-01-02T03:00:16.500Z", media_time_s=16.5, final=False)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC, wherever the test runs."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_start_says_when_how_sure_and_how_late(received: Callable[..., Event]) -> None:
    """What a person wants to know in the first second."""
    line = event_line(received("started", start=START)).plain
    assert "started" in line and "pitch" in line and "goal" in line
    assert "03:00:12.0 → …" in line and "score 0.83" in line and "4.1 s after it began" in line


@pytest.mark.parametrize(
    ("state", "about", "words"),
    [("ready", {"url": "/v1/moments/m1/clip.mp4"}, "clip.mp4"), ("failed", {"reason": "No video."}, "No video.")],
)
def test_a_clip_says_where_it_is_or_why_not(state: Any, about: dict[str, Any], words: str) -> None:
    """And whose it is."""
    given = {"container": None, "url": None, "thumbnail_url": None, "reason": None, "bytes": None, **about}
    clip = ClipData(
        clip_id="m1", moment_id="m1", stream="pitch", query="goal", state=state, start=START, end=END, **given
    )
    line = event_line(parse_event(json.loads(clip_event(clip, time_s=1.0).with_cursor(1).to_json()))).plain
    assert "pitch  goal" in line and words in line


def test_an_end_says_both_ends(received: Callable[..., Event]) -> None:
    """A question mark stands by an end that may still move."""
    moving = received("updated", start=START, end=END, state="ending")
    final = received("ended", start=START, end=END.model_copy(update={"final": True}))
    assert moving.moment is not None and final.moment is not None
    assert interval(moving.moment) == "03:00:12.0 → 03:00:16.5? (4.5 s)"
    assert interval(final.moment) == "03:00:12.0 → 03:00:16.5 (4.5 s)"


def test_a_recording_is_told_in_its_own_time(received: Callable[..., Event]) -> None:
    """Its wall times mean nothing to whoever watches a file."""
    found = received("ended", start=START, end=END, clock="file").moment
    assert found is not None and interval(found) == "0:12.0 → 0:16.5? (4.5 s)"


def test_a_stream_says_why_it_is_gone(stream_news: Callable[..., Event]) -> None:
    """The reason stands in the same line."""
    line = event_line(stream_news("offline", reason="cam:554 does not answer.")).plain
    assert "offline" in line and line.endswith("cam:554 does not answer.")


def test_an_event_of_tomorrow_is_shown_by_its_name(received: Callable[..., Event]) -> None:
    """A newer server may say things that this command does not know."""
    event = received("started")
    newer: Any = Event(event.cursor, event.id, "clip.praised", event.time, event.stream, None, None, None, event.raw)
    assert "clip.praised" in event_line(newer).plain


def test_nothing_from_outside_commands_the_terminal(received: Callable[..., Event]) -> None:
    """Escape sequences in a sentence, or console markup, come out as text."""
    line = event_line(received("started", text="\x1b[2J[red]boo")).plain
    assert "\x1b" not in line and "[red]boo" in line


def test_a_line_is_never_broken(page: Callable[[int], Console], received: Callable[..., Event]) -> None:
    """However narrow the terminal, one event is one line, so that grep finds it."""
    console = page(40)
    with console.capture() as written:
        print_event(console, received("started", text="a very long sentence " * 10))
    assert written.get().count("\n") == 1


def test_times_are_rounded_whole() -> None:
    """59.96 seconds are a minute, not 60.0 seconds."""
    assert [minutes(s) for s in (0.0, 59.94, 59.96, 600.0)] == ["0:00.0", "0:59.9", "1:00.0", "10:00.0"]
    assert clock(datetime(2025, 1, 2, 3, 4, 5, 678_000, UTC)) == "03:04:05.6"


def test_plain_text_stays() -> None:
    """Letters of any script pass."""
    assert plain("Tor für Köln 進球") == "Tor für Köln 進球"
