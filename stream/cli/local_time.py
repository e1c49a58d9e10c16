"""Times as people at this machine write them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final, cast
from zoneinfo import ZoneInfo

from clients import CutOptions
from stream.cli.problems import CommandError
from stream.cuts.days import parse_zone

_LOCALTIME: Final = Path("/etc/localtime")


@dataclass(frozen=True)
class Span:
    """Which time a user means; today where nothing is given."""

    day: str | None = None
    since: str | None = None
    until: str | None = None
    timezone: str | None = None


def cut_options(span: Span, **wishes: object) -> CutOptions:
    """What the client is to ask for: the time, and those `wishes` that are more than None or empty.

    Raises CommandError and ConfigError for times that cannot be meant.
    """
    if span.day is not None and (span.since is not None or span.until is not None):
        raise CommandError("give either --day, or --since and --until")
    name = span.timezone or local_zone()
    zone = parse_zone(name, "--timezone")
    options = {
        "timezone": name,
        "day": (span.day or "today") if span.since is None and span.until is None else None,
        "since": None if span.since is None else parse_time(span.since, zone, "--since"),
        "until": None if span.until is None else parse_time(span.until, zone, "--until"),
        **wishes,
    }
    return cast(CutOptions, {key: value for key, value in options.items() if value not in (None, [], ())})


def parse_time(text: str, zone: tzinfo, option: str) -> datetime:
    """`18:30` (of today), `2025-01-02`, `2025-01-02 18:30`, in that zone unless it says its own; or CommandError."""
    today = datetime.now(zone).date().isoformat()
    for written in (text, f"{today} {text}"):
        try:
            time = datetime.fromisoformat(written)
        except ValueError:
            continue
        return time if time.tzinfo is not None else time.replace(tzinfo=zone)
    raise CommandError(f"{option} is a time such as 18:30 or '2025-01-02 18:30', not {text!r}")


def local_zone() -> str:
    """The time zone of this machine by its name, or else by its offset now."""
    link = str(_LOCALTIME.resolve()) if _LOCALTIME.is_symlink() else ""
    for name in (os.environ.get("TZ", "").lstrip(":"), link.partition("zoneinfo/")[2]):
        try:
            if name:
                ZoneInfo(name)
                return name
        except (OSError, ValueError, LookupError):
            continue
    offset = datetime.now().astimezone().strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"
