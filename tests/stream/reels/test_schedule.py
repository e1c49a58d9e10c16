"""When a reel of the settings is due, and which day it shows."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from stream.errors import ConfigError
from stream.reels.schedule import ReelSettings


def at(*time: int) -> float:
    return datetime(*time, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def test_a_day_is_over_at_its_time() -> None:
    """Where the user lives; before it, the day before is the last one."""
    daily = ReelSettings("daily", at="23:55", timezone="Europe/Berlin")
    assert daily.last_day(at(2025, 1, 2, 22, 54, 59)) == date(2025, 1, 1)
    assert daily.last_day(at(2025, 1, 2, 22, 55)) == date(2025, 1, 2)
    assert daily.last_day(at(2025, 1, 2, 23, 30)) == date(2025, 1, 2)


def test_days_follow_each_other_without_hole_or_overlap() -> None:
    """Also where clocks are changed, and at times that do not exist that day."""
    for name in ("02:30", "00:00", "23:55"):
        daily = ReelSettings("daily", at=name, timezone="Europe/Berlin")
        days = [daily.wish(date(2025, 3, day)) for day in range(28, 32)]
        assert [day.until for day in days[:-1]] == [day.since for day in days[1:]]


def test_what_is_written_is_read() -> None:
    """All keys."""
    written = {
        "at": "23:55",
        "timezone": "Europe/Berlin",
        "streams": "pitch",
        "queries": ["goal", "corner"],
        "min_score": 0.5,
        "best": 20,
        "max_length": "3m",
        "order": "score",
        "enabled": False,
    }
    assert ReelSettings.parse("daily", written) == ReelSettings(
        "daily", "23:55", "Europe/Berlin", ("pitch",), ("goal", "corner"), 0.5, 20, 180.0, "score", False
    )
    assert ReelSettings.parse("daily", {}) == ReelSettings("daily")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"at": "24:00"}, "reels.daily.at: must be a time of day such as '23:55'"),
        ({"at": 1435}, "reels.daily.at: must be text"),
        ({"timezone": "Berlin"}, "reels.daily.timezone: is no time zone"),
        ({"best": 0}, "reels.daily.best: must lie between 1 and 200"),
        ({"min_score": 2}, "reels.daily.min_score: must lie between 0 and 1"),
        ({"max_length": 0}, "reels.daily.max_length: must be above 0"),
        ({"order": "size"}, "reels.daily.order"),
        ({"queries": []}, "reels.daily.queries: must be a name"),
        ({"querys": ["goal"]}, "did you mean 'queries'"),
    ],
)
def test_a_mistake_is_explained(written: dict[str, object], problem: str) -> None:
    """By its place."""
    with pytest.raises(ConfigError) as refused:
        ReelSettings.parse("daily", written)
    assert problem in str(refused.value)


def test_names_leave_room_for_the_day() -> None:
    """A reel's id is both."""
    with pytest.raises(ConfigError, match="at most 50 letters"):
        ReelSettings.parse("a" * 51, {})
