"""What sinks remember over a restart: how far each has come, and the events that it could not deliver."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from stream.events import Event, decode_event
from stream.store.database import Database
from stream.store.schema import dead_letters, sink_cursors

MAX_DEAD_LETTERS: Final = 1_000
"""Of one sink; the oldest go first."""


@dataclass(frozen=True)
class DeadLetter:
    """An event that a sink gave up, until it is delivered after all or makes room for newer ones."""

    id: int
    event: Event
    reason: str
    tries: int
    failed_at_s: float
    """Unix seconds."""


class SinkMemory:
    """The memory of all sinks. Thread-safe.

    Every method raises StoreError when the file cannot be used; what was written is on the disk when it returns.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, sinks: Collection[str], latest: int) -> None:
        """Forget all other sinks. One that is new begins after the cursor `latest`."""
        with self._database.writing() as connection:
            for table in (sink_cursors, dead_letters):
                connection.execute(delete(table).where(table.c.sink.not_in(sinks)))
            known = set(connection.scalars(select(sink_cursors.c.sink)))
            for sink in sinks:
                if sink not in known:
                    connection.execute(insert(sink_cursors).values(sink=sink, cursor=latest))

    def place(self, sink: str) -> tuple[int, float | None]:
        """The cursor up to which a sink has come, and the Unix time of its last delivery. Only for those kept."""
        row = select(sink_cursors.c.cursor, sink_cursors.c.delivered_at).where(sink_cursors.c.sink == sink)
        with self._database.reading() as connection:
            cursor, delivered_at = connection.execute(row).one()
        return int(cursor), delivered_at

    def move(self, sink: str, cursor: int, delivered_at_s: float | None) -> None:
        """Remember how far a sink has come."""
        with self._database.writing() as connection:
            _move(connection, sink, {"cursor": cursor, "delivered_at": delivered_at_s})

    def bury(self, sink: str, event: Event, reason: str, *, tries: int, time_s: float) -> int:
        """Give up an event and move on after it, both or neither; how many older ones made room for it."""
        values = {"reason": reason, "tries": tries, "failed_at": time_s, "due": False}
        with self._database.writing() as connection:
            connection.execute(insert(dead_letters).values(sink=sink, body=event.to_json(), **values))
            _move(connection, sink, {"cursor": event.cursor or 0})
            newest = select(dead_letters.c.id).where(_of(sink)).order_by(dead_letters.c.id.desc())
            oldest_kept = connection.scalar(newest.limit(1).offset(MAX_DEAD_LETTERS - 1)) or 0
            return connection.execute(delete(dead_letters).where(_of(sink), dead_letters.c.id < oldest_kept)).rowcount

    def dead_letters(self, sink: str, after: int = 0, limit: int = 100, *, due: bool = False) -> list[DeadLetter]:
        """Up to `limit` dead letters after an id, oldest first; with `due`, those whose redelivery was asked for."""
        conditions = [_of(sink), dead_letters.c.id > after, *([dead_letters.c.due] if due else [])]
        rows = select(dead_letters).where(*conditions).order_by(dead_letters.c.id).limit(limit)
        with self._database.reading() as connection:
            return [
                DeadLetter(row.id, decode_event(row.body), row.reason, row.tries, row.failed_at)
                for row in connection.execute(rows)
            ]

    def count(self, sink: str) -> int:
        """How many dead letters a sink has."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(dead_letters).where(_of(sink))) or 0

    def ask(self, sink: str, ids: Sequence[int] | None) -> int:
        """Ask for dead letters to be redelivered (None: all of them); how many there are of these."""
        chosen = [_of(sink)] if ids is None else [_of(sink), dead_letters.c.id.in_(ids)]
        with self._database.writing() as connection:
            return connection.execute(update(dead_letters).where(*chosen).values(due=True)).rowcount

    def failed_again(self, letter: int, reason: str, time_s: float) -> None:
        """A redelivery failed: it waits to be asked for again."""
        values = {"reason": reason, "tries": dead_letters.c.tries + 1, "failed_at": time_s, "due": False}
        with self._database.writing() as connection:
            connection.execute(update(dead_letters).where(dead_letters.c.id == letter).values(values))

    def redelivered(self, letter: int) -> None:
        """A redelivery went well: the letter goes."""
        with self._database.writing() as connection:
            connection.execute(delete(dead_letters).where(dead_letters.c.id == letter))


def _of(sink: str) -> ColumnElement[bool]:
    return dead_letters.c.sink == sink


def _move(connection: Connection, sink: str, values: Mapping[str, float | None]) -> None:
    connection.execute(update(sink_cursors).where(sink_cursors.c.sink == sink).values(values))
