"""The durable event log and what else must survive a restart. One cursor orders everything."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from stream.errors import NotFoundError
from stream.events import Event
from stream.store.clips import ClipShelf
from stream.store.database import Database
from stream.store.definitions import Definitions
from stream.store.event_log import (
    newest_cursor,
    newest_of_moment,
    prune,
    pruned_up_to,
    scan,
    unfinished_moments,
    wanted,
    write,
)
from stream.store.page import Page
from stream.store.restart import ended_by_restart
from stream.store.tail import Tail
from stream.store.waiters import Bell, Waiter

MAX_EVENTS: Final = 200_000
TAIL_EVENTS: Final = 1_000
PRUNE_STEP: Final = 1_000
"""Retention removes this many events at a time, so that no append waits for a large removal."""

_log = logging.getLogger(__name__)


class Store:
    """The SQLite file of one service. Thread-safe; readers and the writer do not wait for each other.

    An event is on the disk (WAL, `synchronous=FULL`) when `append` returns: neither `kill -9` nor a power cut loses it.
    Every method raises StoreError when the file cannot be used.
    """

    def __init__(
        self, path: Path, *, max_events: int = MAX_EVENTS, wall_time_s: Callable[[], float] = time.time
    ) -> None:
        """Open the file at `path`, creating what is missing, and end the moments that a crash left open."""
        self._database = Database(path)
        self._max_events = max_events
        self.streams = Definitions(self._database, "stream")
        self.queries = Definitions(self._database, "query")
        self.clips = ClipShelf(self._database)
        try:
            with self._database.reading() as connection:
                latest = newest_cursor(connection)
                self._bell = Bell(latest)
                self._tail = Tail(latest, TAIL_EVENTS)
                self._pruned_to = pruned_up_to(connection)
                left_open = unfinished_moments(connection)
            if left_open:
                _log.warning("%d moments were open when the service stopped; they end here", len(left_open))
                self.append([ended_by_restart(event, wall_time_s()) for event in left_open])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back. Safe to call twice."""
        self._database.close()

    def append(self, events: Sequence[Event]) -> list[Event]:
        """Log events, all of them or none, and return them with their cursors. Durable before it returns.

        An event whose id is in the log already is not logged again, so that a caller may repeat what it is unsure of.
        """
        if not events:
            return []
        with self._database.alone():
            with self._database.writing() as connection:
                logged = [event.with_cursor(write(connection, event)) for event in events]
                latest = max(event.cursor or 0 for event in logged)
                pruned_to = self._pruned_to
                if latest - pruned_to >= self._max_events + PRUNE_STEP:
                    pruned_to = latest - self._max_events
                    prune(connection, pruned_to)
            # Only now is it true, also if the disk was full.
            self._pruned_to = pruned_to
            self._tail.add(logged)
        self._bell.ring(latest)
        return logged

    def latest_cursor(self) -> int:
        """The newest cursor; 0 while the log is empty."""
        return self._bell.latest

    def read(
        self,
        after: int = 0,
        limit: int = 100,
        streams: Sequence[str] | None = None,
        queries: Sequence[str] | None = None,
    ) -> Page:
        """Up to `limit` events after a cursor, of any of these streams and any of these queries (None: of all).

        Events about streams answer no query, so asking for queries leaves them out.
        """
        # Read before the rows are: all up to it is committed, so that nothing before `next` can still appear.
        latest = self._bell.latest
        with self._database.reading() as connection:
            found, position = scan(connection, after, latest, limit, wanted(streams, queries))
        return Page(tuple(found), position, latest, after < self._pruned_to)

    def recent(
        self,
        after: int,
        limit: int = 100,
        streams: Sequence[str] | None = None,
        queries: Sequence[str] | None = None,
    ) -> Page | None:
        """The same as `read`, at once and from memory; None when the cursor is too old for that. Raises nothing."""
        return self._tail.read(after, limit, streams, queries)

    def moment(self, moment_id: str) -> Event:
        """The newest event about a moment. Raises NotFoundError."""
        with self._database.reading() as connection:
            event = newest_of_moment(connection, moment_id)
        if event is None:
            raise NotFoundError(f"there is no moment '{moment_id}' in the log")
        return event

    @contextmanager
    def subscribe(self) -> Iterator[Waiter]:
        """A place for a reader on the running asyncio loop to wait for the log to grow."""
        waiter = self._bell.subscribe()
        try:
            yield waiter
        finally:
            self._bell.unsubscribe(waiter)
