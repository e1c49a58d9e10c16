"""How a client follows the log: the same over a websocket and as server-sent events.

Nothing is queued for a client. It is sent a page of the log at a time from its own cursor, and sleeps when it has
reached the end; a client that is slow is slow alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from stream.api.protocol import ServiceProtocol
from stream.events import Event
from stream.store import Page, next_page

PAGE_EVENTS: Final = 100


class EventClient(Protocol):
    """A client that is being sent events, as the server sees it when it stops."""

    gone: asyncio.Event

    def leave(self) -> None:
        """Ask the client, politely, to come back later; `gone` is set when the line is free."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a client stands: what it wants, and the cursor of the last event it was sent."""

    streams: Sequence[str] | None
    queries: Sequence[str] | None
    cursor: int
    live_after: int
    """Events up to here were in the log when the client came: how late they are says nothing."""

    def at(self, cursor: int) -> Place:
        return replace(self, cursor=cursor)


async def read_on(service: ServiceProtocol, place: Place) -> Page:
    """The next events that a client wants. Raises StoreError."""
    return await next_page(service.store, place.cursor, PAGE_EVENTS, place.streams, place.queries)


def confirmation(service: ServiceProtocol, place: Place) -> dict[str, Any]:
    """What a client is told first: where it begins, whether it comes too late, and which names do not exist (yet).

    Reads the file: not to be called on a loop. Raises StoreError.
    """
    streams = {status.name for status in service.streams()} if place.streams else set()
    queries = {status.query.name for status in service.queries()} if place.queries else set()
    return {
        "cursor": place.cursor,
        "latest": place.live_after,
        "missed": service.store.read(place.cursor, limit=1).missed,
        "unknown": {
            "streams": [name for name in place.streams or () if name not in streams],
            "queries": [name for name in place.queries or () if name not in queries],
        },
    }


def count_sent(service: ServiceProtocol, sink: str, event: Event, place: Place) -> None:
    """Count an event that a client took, and how late it was if it is a new one."""
    service.metrics.deliveries.labels(sink, "sent").inc()
    if (event.cursor or 0) > place.live_after:
        late_s = time.time() - datetime.fromisoformat(event.time).timestamp()
        service.metrics.event_latency_seconds.labels("score_to_send").observe(max(0.0, late_s))
