"""Which moments become cuts, and what belongs to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from stream.cuts.days import parse_day, parse_time_s, parse_zone
from stream.errors import ConfigError
from stream.events import ClipData, CutOrder, MomentData, MomentEvent, unix_s
from stream.store import MomentChoice, Store

MAX_CUTS: Final = 5000
"""What one list holds at most."""


@dataclass(frozen=True)
class Cut:
    """A moment that has ended, and its files."""

    moment: MomentData
    clips: tuple[ClipData, ...]
    """In the order of time; several where the moment was cut in parts, none where it was not to be cut."""

    @property
    def ready(self) -> tuple[ClipData, ...]:
        """The clips that have a file."""
        return tuple(clip for clip in self.clips if clip.state == "ready")


def moments_within(
    choice: MomentChoice, day: str | None, since: str | None, until: str | None, timezone: str, now_s: float
) -> MomentChoice:
    """The same choice within a day, or between two times, as users write them. Raises ConfigError."""
    zone = parse_zone(timezone)
    if day is not None:
        if since is not None or until is not None:
            raise ConfigError("give either a day, or from and to", path="day")
        since_s, until_s = parse_day(day, zone, now_s)
        return replace(choice, since_s=since_s, until_s=until_s)
    begin_s = None if since is None else parse_time_s(since, "from")
    end_s = None if until is None else parse_time_s(until, "to")
    if begin_s is not None and end_s is not None and end_s <= begin_s:
        raise ConfigError("must lie after from", path="to")
    return replace(choice, since_s=begin_s, until_s=end_s)


def find_cuts(store: Store, choice: MomentChoice, order: CutOrder = "time", at_most: int = MAX_CUTS) -> list[Cut]:
    """The cuts of that choice. Raises ConfigError when they are more than `at_most`, and StoreError."""
    moments = store.ended_moments(choice, at_most + 1)
    if len(moments) > at_most:
        raise ConfigError(
            f"more than {at_most} moments are in that time; ask for the best ones, a higher score or a shorter time",
            path="best",
            code="too_many",
        )
    if order == "time":
        moments.sort(key=lambda event: (unix_s(event.data.start) or 0.0, event.data.moment_id))
    return cuts_of(store, moments)


def cuts_of(store: Store, moments: Sequence[MomentEvent]) -> list[Cut]:
    """These moments with their clips. Raises StoreError."""
    clips = store.clips.of_moments([event.data.moment_id for event in moments])
    return [Cut(event.data, tuple(clips.get(event.data.moment_id, ()))) for event in moments]


def usual_rate_hz(cuts: Sequence[Cut]) -> float | None:
    """The picture rate that most of their files have; None when none is known."""
    rates = Counter(clip.picture_rate_hz for cut in cuts for clip in cut.ready if clip.picture_rate_hz is not None)
    return rates.most_common(1)[0][0] if rates else None
