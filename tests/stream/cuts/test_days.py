"""Days as people mean them: from midnight to midnight where they live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stream.cuts.days import parse_day, parse_time_s, parse_zone
from stream.errors import ConfigError

BERLIN = parse_zone("Europe/Berlin")
NOW_S = datetime(2025, 6, 30, 22, 30, tzinfo=UTC).timestamp()


def times(day: str) -> tuple[str, str]:
    begin_s, end_s = parse_day(day, BERLIN, NOW_S)
    return datetime.fromtimestamp(begin_s, UTC).isoformat(), datetime.fromtimestamp(end_s, UTC).isoformat()


def test_a_day_begins_at_its_own_midnight() -> None:
    """Half past midnight in Berlin is the first of July there, though it is June in London."""
    assert times("today") == ("2025-06-30T22:00:00+00:00", "2025-07-01T22:00:00+00:00")
    assert times("yesterday") == ("2025-06-29T22:00:00+00:00", "2025-06-30T22:00:00+00:00")
    assert times("2025-01-02") == ("2025-01-01T23:00:00+00:00", "2025-01-02T23:00:00+00:00")


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-10-27", 24)])
def test_a_day_has_as_many_hours_as_it_has(day: str, hours: int) -> None:
    """Where clocks are changed it is one less, or one more."""
    begin_s, end_s = parse_day(day, BERLIN, NOW_S)
    assert end_s - begin_s == hours * 3600


def test_zones_have_names_or_offsets() -> None:
    """And the shortest of them is Z."""
    assert parse_zone("UTC") is UTC and parse_zone("z") is UTC
    assert parse_zone("-05:30").utcoffset(None) == -timedelta(hours=5, minutes=30)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "+25:00", "", "Europe/"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """With what one looks like."""
    with pytest.raises(ConfigError, match=r"timezone: .*Europe/Berlin"):
        parse_zone(zone)


@pytest.mark.parametrize("day", ["tomorrow", "2025-02-30", "", "9999-12-31"])
def test_a_day_that_is_none_is_refused(day: str) -> None:
    """With what one looks like."""
    with pytest.raises(ConfigError, match="day: must be today"):
        parse_day(day, BERLIN, NOW_S)


def test_times_need_a_zone() -> None:
    """A server does not know where its user lives."""
    assert parse_time_s("1970-01-01T01:00:10+01:00", "from") == 10
    for text in ("1970-01-01T00:00:10", "noon"):
        with pytest.raises(ConfigError, match="from: must be a time with its zone"):
            parse_time_s(text, "from")
