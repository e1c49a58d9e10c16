"""The newest events, kept in memory: readers that keep up, which are nearly all, need no disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from stream.events import Event, query_of, stream_of
from stream.store.page import Page


class Tail:
    """At most `capacity` events, the oldest dropped first (the file has them all). Thread-safe, never waits for I/O."""

    def __init__(self, start: int, capacity: int) -> None:
        """Knows every event after the cursor `start` that is added from now on."""
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=capacity)
        self._start = start
        self._latest = start

    def add(self, logged: Sequence[Event]) -> None:
        """Take in events that are on the disk, in the order of their cursors; older ones than known are repeats."""
        with self._lock:
            for event in logged:
                if event.cursor is None or event.cursor <= self._latest:
                    continue
                if len(self._events) == self._events.maxlen:
                    self._start = self._events[0].cursor or self._start
                self._events.append(event)
                self._latest = event.cursor

    def read(self, after: int, limit: int, streams: Sequence[str] | None, queries: Sequence[str] | None) -> Page | None:
        """What `Store.read` answers; None when it takes the file to know."""
        with self._lock:
            if not self._start <= after <= self._latest:
                return None
            newer = list(takewhile(lambda event: (event.cursor or 0) > after, reversed(self._events)))
            latest = self._latest
        found = [event for event in reversed(newer) if _is_wanted(event, streams, queries)][:limit]
        position = found[-1].cursor or latest if len(found) == limit else latest
        return Page(tuple(found), position, latest, missed=False)


def _is_wanted(event: Event, streams: Sequence[str] | None, queries: Sequence[str] | None) -> bool:
    if streams is not None and stream_of(event) not in streams:
        return False
    return queries is None or query_of(event) in queries
