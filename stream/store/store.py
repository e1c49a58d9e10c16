"""The durable event log and what else must survive a restart. One cursor orders everything."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from stream.errors import NotFoundError
from stream.events import Event, MomentEvent
from stream.store.clips import ClipShelf
from stream.store.database import Database
from stream.store.definitions import Definitions
from stream.store.event_log import (
    MomentChoice,
    ended_moments,
    logged_before,
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
from stream.store.postgres import PostgresDatabase
from stream.store.reels import ReelShelf
from stream.store.restart import ended_by_restart
from stream.store.sink_memory import SinkMemory
from stream.store.sqlite import SqliteDatabase
from stream.store.tail import Tail
from stream.store.waiters import Bell, Waiter

MAX_EVENTS: Final = 200_000
TAIL_EVENTS: Final = 1_000
PRUNE_STEP: Final = 1_000
"""Retention removes about this many events at a time, so that no append waits for a large removal."""
PRUNE_STEPS: Final = 5
"""So many times as much when there are far too many, as after a change of the settings."""
AGE_CHECK_S: Final = 60.0
"""How often events are looked at for their age."""

_log = logging.getLogger(__name__)


class Store:
    """The database of one service. Thread-safe; readers and the writer do not wait for each other.

    An event is on the disk when `append` returns: neither `kill -9` nor a power cut loses it. Every method raises
    StoreError when the database cannot be used.
    """

    def __init__(
        self,
        where: Path | str,
        *,
        max_events: int = MAX_EVENTS,
        max_age_s: float | None = None,
        wall_time_s: Callable[[], float] = time.time,
    ) -> None:
        """Open a SQLite file by its path or a PostgreSQL database by its URL, creating what is missing.

        Moments that a crash left open end here. Events go when there are more than `max_events` of them, or when they
        are older than `max_age_s` (None: at any age).
        """
        self._database: Database = SqliteDatabase(where) if isinstance(where, Path) else PostgresDatabase(where)
        self._max_events = max_events
        self._max_age_s = max_age_s
        self._wall_time_s = wall_time_s
        self._next_age_check_s = -math.inf
        self.streams = Definitions(self._database, "stream")
        self.queries = Definitions(self._database, "query")
        self.sinks = SinkMemory(self._database)
        self.clips = ClipShelf(self._database)
        self.reels = ReelShelf(self._database)
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
        """Give the database back. Safe to call twice."""
        self._database.close()

    def append(self, events: Sequence[Event]) -> list[Event]:
        """Log events, all of them or none, and return them with their cursors. Durable before it returns.

        An event whose id is in the log already is not logged again, so that a caller may repeat what it is unsure of.
        """
        if not events:
            return []
        with self._database.alone():
            now_s = self._wall_time_s()
            with self._database.writing() as connection:
                logged = [event.with_cursor(write(connection, event, now_s)) for event in events]
                latest = max(event.cursor or 0 for event in logged)
                kept = self._prune(connection, max(latest, self._bell.latest), now_s)
            # Only now is it true, also if the disk was full.
            self._pruned_to, self._next_age_check_s = kept
            self._tail.add(logged)
        self._bell.ring(latest)
        return logged

    def set_retention(self, max_events: int, max_age_s: float | None) -> None:
        """Keep as much from now on, as at the start; what is too much goes a part at a time."""
        with self._database.alone():
            self._max_events, self._max_age_s = max_events, max_age_s
            self._next_age_check_s = -math.inf

    def retain(self) -> None:
        """Remove what is too much or too old, a part at a time; to be called now and then while nothing is logged."""
        now_s = self._wall_time_s()
        if not self._too_many(self._bell.latest) and (self._max_age_s is None or now_s < self._next_age_check_s):
            return
        with self._database.alone():
            with self._database.writing() as connection:
                kept = self._prune(connection, self._bell.latest, now_s)
            self._pruned_to, self._next_age_check_s = kept

    def _too_many(self, latest: int) -> bool:
        return latest - self._pruned_to >= self._max_events + PRUNE_STEP

    def _prune(self, connection: Connection, latest: int, now_s: float) -> tuple[int, float]:
        """Remove what is too much or too old; the cursor up to which all is removed, and when to look at ages next."""
        up_to, next_check_s = self._pruned_to, self._next_age_check_s
        if self._too_many(latest):
            up_to = min(latest - self._max_events, up_to + PRUNE_STEPS * PRUNE_STEP)
        if self._max_age_s is not None and now_s >= next_check_s:
            # The newest event stays, whatever its age: it remembers which cursors were used.
            expired = min(logged_before(connection, now_s - self._max_age_s), latest - 1)
            up_to, rest = max(up_to, min(expired, up_to + PRUNE_STEP)), expired - up_to - PRUNE_STEP
            next_check_s = now_s if rest > 0 else now_s + AGE_CHECK_S
        if up_to > self._pruned_to:
            prune(connection, up_to)
        return up_to, next_check_s

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

    def ended_moments(self, choice: MomentChoice, limit: int) -> list[MomentEvent]:
        """The last event of each moment of that choice that has ended, best first, `limit` at most.

        Those whose clip still has a file are there even where retention has removed what came with them.
        """
        with self._database.reading() as connection:
            return ended_moments(connection, choice, limit)

    def unfinished_moments(self) -> list[MomentEvent]:
        """The newest event of each moment that has neither ended nor been retracted, oldest first."""
        with self._database.reading() as connection:
            return unfinished_moments(connection)

    @contextmanager
    def subscribe(self) -> Iterator[Waiter]:
        """A place for a reader on the running asyncio loop to wait for the log to grow."""
        waiter = self._bell.subscribe()
        try:
            yield waiter
        finally:
            self._bell.unsubscribe(waiter)
