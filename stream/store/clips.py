"""Which clips there are, or will be: what a restart must not lose."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update

from stream.events import ClipData, ClipState
from stream.store.database import Database
from stream.store.schema import clips, facts
from stream.store.upsert import insert

MAX_WITHOUT_FILE: Final = 10_000
"""Clips that failed or were removed are remembered up to so many."""
_IDS: Final = 500
"""Ids that one statement names at most."""
_CURSOR: Final = "clips_cursor"


@dataclass(frozen=True)
class ClipRecord:
    """A clip as the store knows it."""

    data: ClipData
    created_s: float
    """Unix seconds."""
    told: bool
    """Its event is in the log."""


class ClipShelf:
    """The table of clips, and the cursor up to which the log's moments have been dealt with. Thread-safe.

    Every method raises StoreError when the file cannot be used; what was saved is on the disk when it returns.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, clip_id: str) -> ClipRecord | None:
        """One clip; None when there is none of that id."""
        with self._database.reading() as connection:
            row = connection.execute(select(clips).where(clips.c.clip_id == clip_id)).one_or_none()
        return None if row is None else _record(row)

    def of_moments(self, moment_ids: Sequence[str]) -> dict[str, list[ClipData]]:
        """The clips of each of these moments that has any, in the order of time."""
        found: dict[str, list[ClipData]] = {}
        with self._database.reading() as connection:
            for begin in range(0, len(moment_ids), _IDS):
                some = moment_ids[begin : begin + _IDS]
                rows = connection.execute(select(clips).where(clips.c.moment_id.in_(some)))
                for data in (_record(row).data for row in rows):
                    found.setdefault(data.moment_id or "", []).append(data)
        return {name: sorted(some, key=lambda data: data.start.media_time_s or 0.0) for name, some in found.items()}

    def unfinished(self) -> list[ClipRecord]:
        """Clips that are pending, and those whose event is not in the log yet, oldest first."""
        rows = select(clips).where((clips.c.state == "pending") | clips.c.told.is_(False)).order_by(clips.c.created_at)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(rows)]

    def add(self, records: Sequence[ClipRecord], cursor: int | None = None) -> None:
        """New clips, and the cursor of the log up to which there are no others; all of it or nothing.

        A clip that is there already stays as it is.
        """
        with self._database.writing() as connection:
            for record in records:
                row = insert(connection, clips).values(clip_id=record.data.clip_id, **_values(record))
                connection.execute(row.on_conflict_do_nothing(index_elements=["clip_id"]))
            if cursor is not None:
                _set_cursor(connection, cursor)

    def save(self, record: ClipRecord) -> None:
        """What has become of a clip."""
        with self._database.writing() as connection:
            row = update(clips).where(clips.c.clip_id == record.data.clip_id)
            connection.execute(row.values(**_values(record)))
            if record.data.state in ("failed", "removed"):
                _forget_old(connection)

    def cursor(self) -> int | None:
        """The cursor up to which the log's moments have been dealt with; None when none ever were."""
        with self._database.reading() as connection:
            return connection.scalar(select(facts.c.value).where(facts.c.name == _CURSOR))

    def ready_bytes(self) -> int:
        """How large all files are together."""
        with self._database.reading() as connection:
            # PostgreSQL's sum of whole numbers is a Decimal.
            return int(connection.scalar(select(func.sum(clips.c.bytes)).where(clips.c.state == "ready")) or 0)

    def oldest_ready(self, but: Collection[str] = ()) -> ClipRecord | None:
        """The oldest clip that has a file, apart from some."""
        rows = select(clips).where(clips.c.state == "ready", clips.c.clip_id.not_in(but))
        rows = rows.order_by(clips.c.created_at).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(rows).one_or_none()
        return None if row is None else _record(row)


def _values(record: ClipRecord) -> dict[str, object]:
    return {
        "moment_id": record.data.moment_id,
        "state": record.data.state,
        "told": record.told,
        "bytes": record.data.bytes or 0,
        "created_at": record.created_s,
        "body": record.data.model_dump_json(),
    }


def _record(row: Row[Any]) -> ClipRecord:
    return ClipRecord(ClipData.model_validate_json(row.body), row.created_at, row.told)


def _set_cursor(connection: Connection, cursor: int) -> None:
    row = insert(connection, facts).values(name=_CURSOR, value=cursor)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": cursor}))


def _forget_old(connection: Connection) -> None:
    gone: tuple[ClipState, ...] = ("failed", "removed")
    newest = select(clips.c.clip_id).where(clips.c.state.in_(gone)).order_by(clips.c.created_at.desc())
    oldest = connection.scalars(newest.offset(MAX_WITHOUT_FILE)).all()
    if oldest:
        connection.execute(delete(clips).where(clips.c.clip_id.in_(oldest[:500]), clips.c.told.is_(True)))
