"""What is watched, as far as sinks need to know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Final

from stream.events import Event, query_of
from stream.query import Query

MAX_FORMER: Final = 1_000
"""Removed queries whose last events still find their way."""


@dataclass(frozen=True)
class Watched:
    """The streams and queries that there are; never changed, only replaced."""

    streams: frozenset[str] = frozenset()
    queries: Mapping[str, Query] = field(default_factory=lambda: MappingProxyType({}))
    former: Mapping[str, Query] = field(default_factory=lambda: MappingProxyType({}))
    """Queries that were removed: the end of their moments goes where their beginning went."""

    def changed(self, streams: Iterable[str], queries: Iterable[Query]) -> Watched:
        """What is watched after a change."""
        now = {query.name: query for query in queries}
        former = {name: query for name, query in {**self.former, **self.queries}.items() if name not in now}
        kept = islice(former.items(), max(0, len(former) - MAX_FORMER), None)
        return Watched(frozenset(streams), MappingProxyType(now), MappingProxyType(dict(kept)))

    def goes_to(self, sink: str, event: Event) -> bool:
        """Whether a sink is to get an event. Those about no query go to all: of streams, reels and asked-for clips."""
        name = query_of(event)
        query = None if name is None else self.queries.get(name) or self.former.get(name)
        return query is None or query.goes_to(sink)

    def pairs(self, sink: str) -> dict[tuple[str, str], Query]:
        """Each stream and each query that is watched for on it and goes to a sink."""
        return {
            (stream, query.name): query
            for query in self.queries.values()
            if query.goes_to(sink)
            for stream in sorted(self.streams)
            if query.watches(stream)
        }
