"""What takes its settings while it runs, besides streams and queries: sinks, and how much is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from stream.clips.retention import Retention
from stream.clips.rings import Rings
from stream.settings import ClipSettings, Settings
from stream.sinks.sinks import Sinks
from stream.store import Store

_LIVE_CLIPS: Final = ("max_bytes", "max_age_s", "memory_per_stream")

_LIVE: Final = ("retention.max_events", "retention.max_age_s", *(f"clips.{name}" for name in _LIVE_CLIPS))
_FIXED: Final = (
    *("model", "device", "data_dir", "database", "reels"),
    *("server.host", "server.port", "server.token"),
    *(f"clips.{field.name}" for field in fields(ClipSettings) if field.name not in _LIVE_CLIPS),
)
"""Settings that are only read at the start."""


@dataclass(frozen=True)
class LiveParts:
    """The parts of a service that are told of them."""

    store: Store
    sinks: Sinks
    rings: Rings
    files: Retention

    def apply(self, settings: Settings) -> None:
        """Go on with these; what is as before is not touched. Raises StoreError, and may be repeated then."""
        self.sinks.apply(settings.sinks)
        self.store.set_retention(settings.retention.max_events, settings.retention.max_age_s)
        self.files.max_bytes, self.files.max_age_s = settings.clips.max_bytes, settings.clips.max_age_s
        memory = settings.clips.memory_per_stream
        if bool(memory) == bool(self.rings.memory_per_stream) and memory != self.rings.memory_per_stream:
            self.rings.resize(memory)


def taken_up(before: Settings, after: Settings) -> list[str]:
    """The keys that differ and are taken up while it runs, as users write them; sinks besides."""
    return [key for key in _differing(before, after, _LIVE) if key not in _switches(before, after)]


def for_a_restart(before: Settings, after: Settings) -> list[str]:
    """The keys that differ and are only read at the start, as users write them."""
    return [*_differing(before, after, _FIXED), *_switches(before, after)]


def _switches(before: Settings, after: Settings) -> list[str]:
    """Whether packets are kept at all is settled when a stream begins."""
    switched = bool(before.clips.memory_per_stream) != bool(after.clips.memory_per_stream)
    return ["clips.memory_per_stream"] if switched else []


def _differing(before: Settings, after: Settings, keys: tuple[str, ...]) -> list[str]:
    return [key.removesuffix("_s") for key in keys if _value(before, key) != _value(after, key)]


def _value(settings: Settings, key: str) -> object:
    section, _, name = key.rpartition(".")
    return getattr(getattr(settings, section) if section else settings, name)
