"""Days and times as people name them, in a time zone of theirs."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from stream.errors import ConfigError

_OFFSET: Final = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_zone(text: str, path: str = "timezone") -> tzinfo:
    """A time zone by its name (`Europe/Berlin`, `UTC`) or offset (`+02:00`). Raises ConfigError."""
    if text.upper() in ("UTC", "Z"):
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-length if offset[1] == "-" else length)
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError):
        problem = f"is no time zone that is known here: {text!r}; one looks like Europe/Berlin or +02:00"
        raise ConfigError(problem, path=path) from None


def parse_day(text: str, zone: tzinfo, now_s: float, path: str = "day") -> tuple[float, float]:
    """The beginning and the end of a day in that zone, Unix seconds: `today`, `yesterday` or `2025-01-02`.

    A day has 23 or 25 hours where clocks change. Raises ConfigError.
    """
    today = datetime.fromtimestamp(now_s, zone).date()
    try:
        day = {"today": today, "yesterday": today - timedelta(days=1)}.get(text) or date.fromisoformat(text)
        return _midnight_s(day, zone), _midnight_s(day + timedelta(days=1), zone)
    except (ValueError, OverflowError):
        raise ConfigError("must be today, yesterday or a day such as 2025-01-02", path=path) from None


def parse_time_s(text: str, path: str) -> float:
    """A time with a zone, RFC 3339, in Unix seconds. Raises ConfigError."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ConfigError("must be a time with its zone, such as 2025-01-02T03:04:05Z", path=path)


def _midnight_s(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
