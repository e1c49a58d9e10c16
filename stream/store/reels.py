"""Which reels there are, or will be: what a restart must not lose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update

from stream.events import ReelData, ReelState
from stream.store.database import Database
from stream.store.schema import reels
from stream.store.upsert import insert

MAX_WITHOUT_FILE: Final = 1_000
"""Reels that failed or were removed are remembered up to so many."""


@dataclass(frozen=True)
class ReelRecord:
    """A reel as the store knows it."""

    data: ReelData
    created_s: float
    """Unix seconds."""
    told: bool
    """Its event is in the log."""


class ReelShelf:
    """The table of reels. Thread-safe.

    Every method raises StoreError when the file cannot be used; what was saved is on the disk when it returns.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, reel_id: str) -> ReelRecord | None:
        """One reel; None when there is none of that id."""
        with self._database.reading() as connection:
            row = connection.execute(select(reels).where(reels.c.reel_id == reel_id)).one_or_none()
        return None if row is None else _record(row)

    def newest(self, limit: int) -> list[ReelRecord]:
        """Reels that were not removed, newest first."""
        rows = select(reels).where(reels.c.state != "removed").order_by(reels.c.created_at.desc(), reels.c.reel_id)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(rows.limit(limit))]

    def unfinished(self) -> list[ReelRecord]:
        """Reels that are pending, and those whose event is not in the log yet, oldest first."""
        rows = select(reels).where((reels.c.state == "pending") | reels.c.told.is_(False))
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(rows.order_by(reels.c.created_at))]

    def add(self, record: ReelRecord) -> bool:
        """A new reel; False when there is, or ever was, one of that id."""
        with self._database.writing() as connection:
            row = insert(connection, reels).values(reel_id=record.data.reel_id, **_values(record))
            return connection.execute(row.on_conflict_do_nothing(index_elements=["reel_id"])).rowcount > 0

    def save(self, record: ReelRecord, before: ReelState | None = None) -> bool:
        """What has become of a reel, if its state still is what it was `before`; says whether it was."""
        with self._database.writing() as connection:
            row = update(reels).where(reels.c.reel_id == record.data.reel_id)
            if before is not None:
                row = row.where(reels.c.state == before)
            saved = connection.execute(row.values(**_values(record))).rowcount > 0
            if record.data.state in ("failed", "removed"):
                _forget_old(connection)
            return saved

    def ready_bytes(self) -> int:
        """How large all files are together."""
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.sum(reels.c.bytes)).where(reels.c.state == "ready")) or 0)

    def oldest_ready(self) -> ReelRecord | None:
        """The oldest reel that has a file."""
        rows = select(reels).where(reels.c.state == "ready").order_by(reels.c.created_at).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(rows).one_or_none()
        return None if row is None else _record(row)


def _values(record: ReelRecord) -> dict[str, object]:
    return {
        "state": record.data.state,
        "told": record.told,
        "bytes": record.data.bytes or 0,
        "created_at": record.created_s,
        "body": record.data.model_dump_json(),
    }


def _record(row: Row[Any]) -> ReelRecord:
    return ReelRecord(ReelData.model_validate_json(row.body), row.created_at, row.told)


def _forget_old(connection: Connection) -> None:
    gone: tuple[ReelState, ...] = ("failed", "removed")
    newest = select(reels.c.reel_id).where(reels.c.state.in_(gone)).order_by(reels.c.created_at.desc())
    oldest = connection.scalars(newest.offset(MAX_WITHOUT_FILE)).all()
    if oldest:
        connection.execute(delete(reels).where(reels.c.reel_id.in_(oldest[:500]), reels.c.told.is_(True)))
