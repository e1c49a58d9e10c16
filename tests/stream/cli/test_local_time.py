"""Times as they are written on a command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.cli import local_time
from stream.cli.local_time import Span, cut_options, local_zone, parse_time
from stream.cuts.days import parse_zone

BERLIN = parse_zone("Europe/Berlin")


def test_a_time_is_local_unless_it_says_otherwise() -> None:
    """With a date, or today."""
    assert parse_time("2025-07-01 18:30", BERLIN, "") == datetime(2025, 7, 1, 16, 30, tzinfo=UTC)
    assert parse_time("2025-07-01T18:30:00Z", BERLIN, "") == datetime(2025, 7, 1, 18, 30, tzinfo=UTC)
    assert parse_time("2025-07-01", BERLIN, "") == datetime(2025, 6, 30, 22, tzinfo=UTC)
    time = parse_time("18:30", BERLIN, "")
    assert (time.date(), time.hour, time.minute) == (datetime.now(BERLIN).date(), 18, 30)


def test_only_what_was_wished_is_asked_for() -> None:
    """And the day is today."""
    assert cut_options(Span(timezone="UTC"), streams=None, queries=[], best=3) == {
        "timezone": "UTC",
        "day": "today",
        "best": 3,
    }


def test_this_machine_has_a_time_zone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That of the environment, or of the system, by its name, which knows when clocks are changed; or its offset."""
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    monkeypatch.setattr(local_time, "_LOCALTIME", link)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert local_zone() == "Asia/Tokyo"
    monkeypatch.delenv("TZ")
    assert local_zone() == "Europe/Berlin"
    monkeypatch.setattr(local_time, "_LOCALTIME", tmp_path / "missing")
    assert parse_zone(local_zone()).utcoffset(None) == datetime.now().astimezone().utcoffset()
