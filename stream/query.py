"""A standing query: the sentence that is watched, and how its scores become moments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stream.errors import ConfigError
from stream.section import Section, check_name

MAX_TEXT_LENGTH = 512
"""Characters; CLIP's own context is shorter still and is checked by the model."""

EXIT_RATIO = 0.7
"""`exit` is this share of `enter` when only `enter` is given."""


MAX_ROLL_S = 300.0


@dataclass(frozen=True)
class Rolls:
    """How much a clip shows before its moment starts and after it ends."""

    pre_roll_s: float = 2.0
    post_roll_s: float = 2.0


@dataclass(frozen=True)
class Query:
    """A sentence watched until removed. Any value of this class is valid: the constructor raises ConfigError."""

    name: str
    text: str
    streams: tuple[str, ...] = ()
    """Streams to watch; empty means every stream."""
    enter: float = 0.5
    """A moment opens at this score or above."""
    exit: float = 0.35
    """An open moment goes on while its score is at least this; at most `enter`, so that scores near it do not flap."""
    min_duration_s: float = 0.0
    """Shorter moments are not reported, or retracted when they had been."""
    max_duration_s: float = 300.0
    """A longer moment is ended here, with reason `max_duration`; the rest of the same happening opens nothing new."""
    merge_gap_s: float = 1.0
    """Spans this close belong to one moment; `ended` waits at least this long, because a final end never moves."""
    cooldown_s: float = 0.0
    """A moment that starts less than this after the last one ended is not reported."""
    settle_s: float = 2.0
    """How long an end must lie in the past, or the evidence be missing, before a moment becomes final."""
    confirm_frames: int = 1
    """A moment must be seen in this many groundings in a row before it is reported."""
    clip: Rolls | None = Rolls()
    """The clip that is cut for each moment; None cuts none."""
    enabled: bool = True
    deliver: tuple[str, ...] | None = None
    """Sinks that get its events; None means every sink. Clients of the API choose for themselves."""

    def __post_init__(self) -> None:
        check_name(self.name, "queries")
        for sink in self.deliver or ():
            check_name(sink, self._path("deliver"))
        for stream in self.streams:
            check_name(stream, self._path("streams"))
        if not self.text.strip():
            raise ConfigError("must say what to watch for, such as 'a player scores a goal'", path=self._path("text"))
        if len(self.text) > MAX_TEXT_LENGTH:
            problem = f"must have at most {MAX_TEXT_LENGTH} characters, not {len(self.text)}"
            raise ConfigError(problem, path=self._path("text"))
        self._check_numbers()

    def _check_numbers(self) -> None:
        if not 0 < self.enter <= 1:
            raise ConfigError(f"must be above 0 and at most 1, not {self.enter}", path=self._path("threshold.enter"))
        if not 0 < self.exit <= self.enter:
            problem = f"must be above 0 and at most enter ({self.enter}), not {self.exit}"
            raise ConfigError(problem, path=self._path("threshold.exit"))
        if self.max_duration_s <= 0 or self.max_duration_s < self.min_duration_s:
            problem = f"must be above 0 and at least min_duration ({self.min_duration_s:g} s)"
            raise ConfigError(problem, path=self._path("max_duration"))
        durations_s = (self.min_duration_s, self.max_duration_s, self.merge_gap_s, self.cooldown_s, self.settle_s)
        if not all(math.isfinite(duration_s) and duration_s >= 0 for duration_s in durations_s):
            raise ConfigError("durations must be finite and 0 or more", path=self._path())
        if self.confirm_frames < 1:
            raise ConfigError(f"must be at least 1, not {self.confirm_frames}", path=self._path("confirm_frames"))
        rolls_s = (self.clip.pre_roll_s, self.clip.post_roll_s) if self.clip else ()
        if not all(0 <= roll_s <= MAX_ROLL_S for roll_s in rolls_s):
            raise ConfigError(f"pre_roll and post_roll must be at most {MAX_ROLL_S:g} s", path=self._path("clip"))

    def _path(self, key: str = "") -> str:
        return f"queries.{self.name}.{key}" if key else f"queries.{self.name}"

    def watches(self, stream: str) -> bool:
        """Whether this query is on for that stream."""
        return self.enabled and (not self.streams or stream in self.streams)

    def goes_to(self, sink: str) -> bool:
        """Whether a sink gets the events of this query."""
        return self.deliver is None or sink in self.deliver

    @staticmethod
    def parse(name: str, mapping: object) -> Query:
        """Read what a person wrote in YAML or JSON; a bare string is the text. Raises ConfigError.

        Example: `{"text": "a player scores a goal", "threshold": {"enter": 0.6}, "min_duration": "2s"}`.
        """
        check_name(name, "queries")
        section = Section({"text": mapping} if isinstance(mapping, str) else mapping, f"queries.{name}")
        enter, exit_ = _thresholds(section)
        query = Query(
            name=name,
            text=section.text("text").strip(),
            streams=_streams(section),
            enter=enter,
            exit=exit_,
            min_duration_s=section.duration_s("min_duration", Query.min_duration_s),
            max_duration_s=section.duration_s("max_duration", Query.max_duration_s),
            merge_gap_s=section.duration_s("merge_gap", Query.merge_gap_s),
            cooldown_s=section.duration_s("cooldown", Query.cooldown_s),
            settle_s=section.duration_s("settle", Query.settle_s),
            confirm_frames=section.integer("confirm_frames", Query.confirm_frames),
            clip=_rolls(section),
            enabled=section.boolean("enabled", Query.enabled),
            deliver=_deliver(section),
        )
        section.refuse_unknown()
        return query

    def to_mapping(self) -> dict[str, object]:
        """The inverse of `parse`, complete, ready for JSON; durations in seconds; null for every stream or sink."""
        return {
            "text": self.text,
            "streams": list(self.streams) or None,
            "threshold": {"enter": self.enter, "exit": self.exit},
            "min_duration": self.min_duration_s,
            "max_duration": self.max_duration_s,
            "merge_gap": self.merge_gap_s,
            "cooldown": self.cooldown_s,
            "settle": self.settle_s,
            "confirm_frames": self.confirm_frames,
            "clip": {"pre_roll": self.clip.pre_roll_s, "post_roll": self.clip.post_roll_s} if self.clip else False,
            "enabled": self.enabled,
            "deliver": None if self.deliver is None else list(self.deliver),
        }

    def patched(self, changes: Mapping[str, object]) -> Query:
        """This query with some keys of its mapping replaced; null resets a key to its default. Raises ConfigError."""
        merged = {**self.to_mapping(), **changes}
        kept = self.to_mapping()
        if self.exit == default_exit(self.enter):
            # An exit that nobody chose follows the new enter.
            kept["threshold"] = {"enter": self.enter}
        for key in ("threshold", "clip"):
            old, new = kept[key], changes.get(key)
            if isinstance(old, dict) and isinstance(new, Mapping):
                merged[key] = {**old, **new}
        return Query.parse(self.name, merged)


def default_exit(enter: float) -> float:
    """The exit threshold where only `enter` is given; rounded so that 0.5 gives 0.35."""
    return round(enter * EXIT_RATIO, 6)


def _thresholds(section: Section) -> tuple[float, float]:
    threshold = section.section("threshold")
    enter = threshold.number("enter", Query.enter)
    exit_ = threshold.number("exit", default_exit(enter))
    threshold.refuse_unknown()
    return enter, exit_


def _rolls(section: Section) -> Rolls | None:
    """`false` is no clip, `true` one with the default rolls."""
    written = section.raw("clip")
    if isinstance(written, bool):
        return Rolls() if written else None
    clip = section.section("clip")
    rolls = Rolls(clip.duration_s("pre_roll", Rolls.pre_roll_s), clip.duration_s("post_roll", Rolls.post_roll_s))
    clip.refuse_unknown()
    return rolls


def _streams(section: Section) -> tuple[str, ...]:
    value = section.raw("streams")
    if value is None:
        return ()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise ConfigError("must list stream names; leave it out to watch every stream", path=section.at("streams"))
    return tuple(dict.fromkeys(check_name(name, section.at("streams")) for name in names))


def _deliver(section: Section) -> tuple[str, ...] | None:
    value = section.raw("deliver")
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        raise ConfigError("must list names of sinks; leave it out for every sink", path=section.at("deliver"))
    return tuple(dict.fromkeys(check_name(name, section.at("deliver")) for name in names))
