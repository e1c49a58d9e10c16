"""Timecode as SMPTE ST 12 counts it: hours, minutes, seconds and pictures, at one of the usual rates.

At 29.97 and 59.94 pictures per second a count to 30 or 60 would fall behind the clock. Drop-frame timecode leaves out
the first two (four) numbers, not pictures, of each minute that is not a tenth one, so that it keeps up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from stream.errors import ConfigError

_WHOLE: Final = 0.1
"""Times come rounded to milliseconds: a picture that is missing no more than this of itself is there."""


@dataclass(frozen=True)
class Rate:
    """How pictures are counted."""

    name: str
    hz: Fraction
    """Pictures per second."""
    counted: int
    """Numbers per second of timecode."""
    drops: bool = False

    def pictures(self, length_s: float) -> int:
        """How many whole pictures there are in so many seconds, at least one."""
        return max(1, int(length_s * self.hz + _WHOLE))

    def label(self, number: int) -> str:
        """The timecode of picture `number`: `hh:mm:ss:ff`, with `;` where numbers are dropped; 24 hours are 0."""
        number = self._numbered(number) if self.drops else number
        seconds, pictures = divmod(number, self.counted)
        hours, rest = divmod(seconds, 3600)
        mark = ";" if self.drops else ":"
        return f"{hours % 24:02}:{rest // 60:02}:{rest % 60:02}{mark}{pictures:02}"

    def time_of_day(self, time: datetime) -> int:
        """The picture whose timecode is that time's."""
        midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
        # As the clock on the wall shows it, also on a day when it is changed.
        passed_s = (time.replace(tzinfo=None) - midnight.replace(tzinfo=None)).total_seconds()
        return round(passed_s * (self.hz if self.drops else self.counted))

    def _numbered(self, number: int) -> int:
        """The number that picture `number` gets, with those that are dropped."""
        dropped = self.counted // 15
        minute, ten_minutes = self.counted * 60 - dropped, self.counted * 600 - 9 * dropped
        tens, rest = divmod(number, ten_minutes)
        minutes = 0 if rest < self.counted * 60 else 1 + (rest - self.counted * 60) // minute
        return number + dropped * (9 * tens + minutes)


_NTSC: Final = Fraction(1000, 1001)
RATES: Final = {
    rate.name: rate
    for rate in (
        Rate("23.976", 24 * _NTSC, 24),
        Rate("24", Fraction(24), 24),
        Rate("25", Fraction(25), 25),
        Rate("29.97", 30 * _NTSC, 30, drops=True),
        Rate("29.97ndf", 30 * _NTSC, 30),
        Rate("30", Fraction(30), 30),
        Rate("50", Fraction(50), 50),
        Rate("59.94", 60 * _NTSC, 60, drops=True),
        Rate("59.94ndf", 60 * _NTSC, 60),
        Rate("60", Fraction(60), 60),
    )
}
"""By the name that users give them. `ndf` counts on without dropping."""


def parse_rate(text: str, path: str = "rate") -> Rate:
    """One of the usual rates. Raises ConfigError."""
    try:
        return RATES[text]
    except KeyError:
        raise ConfigError(f"must be one of {', '.join(RATES)}, not {text!r}", path=path) from None


def nearest_rate(hz: float) -> Rate:
    """The usual rate that is nearest to what was measured."""
    return min(RATES.values(), key=lambda rate: abs(float(rate.hz) - hz))
