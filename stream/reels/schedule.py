"""Reels that are made every day by themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, cast

from stream.cuts.days import parse_zone
from stream.errors import ConfigError
from stream.events import CutOrder, ReelWish, rfc3339
from stream.section import Section, check_name

MAX_BEST: Final = 200
"""Moments of one reel."""
BEST: Final = 10
MAX_NAME_LENGTH: Final = 50
"""A reel's id is its name and a day, in 64 letters."""
TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True)
class ReelSettings:
    """A reel of each day, from one time of day to the same on the next."""

    name: str
    at: str = "00:00"
    """Local time at which the day of the reel ends, and it is made."""
    timezone: str = "UTC"
    streams: tuple[str, ...] = ()
    """None named: every stream; the same with queries."""
    queries: tuple[str, ...] = ()
    min_score: float = 0.0
    best: int = BEST
    max_length_s: float | None = None
    order: CutOrder = "time"
    enabled: bool = True

    @staticmethod
    def parse(name: str, mapping: object) -> ReelSettings:
        """Read what a person wrote in YAML. Raises ConfigError."""
        check_name(name, "reels")
        section = Section(mapping, f"reels.{name}")
        if len(name) > MAX_NAME_LENGTH:
            raise ConfigError(f"a reel's name has at most {MAX_NAME_LENGTH} letters", path=section.path)
        settings = ReelSettings(
            name=name,
            at=section.text("at", ReelSettings.at),
            timezone=section.text("timezone", ReelSettings.timezone),
            streams=_names(section, "streams"),
            queries=_names(section, "queries"),
            min_score=section.number("min_score", ReelSettings.min_score),
            best=section.integer("best", ReelSettings.best),
            max_length_s=section.duration_s("max_length", 0.0) if section.has("max_length") else None,
            order=cast(CutOrder, section.choice("order", ("time", "score"), ReelSettings.order)),
            enabled=section.boolean("enabled", True),
        )
        section.refuse_unknown()
        settings._check(section)
        return settings

    def _check(self, section: Section) -> None:
        if not TIME_OF_DAY.fullmatch(self.at):
            raise ConfigError(
                f"must be a time of day such as '23:55', in quotes, not {self.at!r}", path=section.at("at")
            )
        parse_zone(self.timezone, section.at("timezone"))
        if not 0 <= self.min_score <= 1:
            raise ConfigError(f"must lie between 0 and 1, not {self.min_score:g}", path=section.at("min_score"))
        if not 1 <= self.best <= MAX_BEST:
            raise ConfigError(f"must lie between 1 and {MAX_BEST}, not {self.best}", path=section.at("best"))
        if self.max_length_s is not None and self.max_length_s <= 0:
            raise ConfigError("must be above 0; leave it out for any length", path=section.at("max_length"))

    def last_day(self, now_s: float) -> date:
        """The newest day whose reel can be made: the one on which its time ended last."""
        now = datetime.fromtimestamp(now_s, parse_zone(self.timezone))
        return now.date() if self.end_s(now.date()) <= now_s else now.date() - timedelta(days=1)

    def reel_id(self, day: date) -> str:
        """The same for the same day, so that a restart doubles none."""
        return f"{self.name}-{day.isoformat()}"

    def wish(self, day: date) -> ReelWish:
        """What the reel of a day shows; a reel that is made at midnight shows the day before."""
        return ReelWish(
            since=rfc3339(self.end_s(day - timedelta(days=1))),
            until=rfc3339(self.end_s(day)),
            timezone=self.timezone,
            streams=self.streams or None,
            queries=self.queries or None,
            min_score=self.min_score,
            best=self.best,
            max_length=self.max_length_s,
            order=self.order,
        )

    def end_s(self, day: date) -> float:
        """When the time of a day's reel is over, Unix seconds."""
        at = time.fromisoformat(self.at)
        return datetime.combine(day, at, parse_zone(self.timezone)).astimezone(UTC).timestamp()


def _names(section: Section, key: str) -> tuple[str, ...]:
    value = section.raw(key)
    if value is None:
        return ()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise ConfigError("must be a name or a list of names", path=section.at(key))
    return tuple(check_name(name, section.at(key)) for name in names)
