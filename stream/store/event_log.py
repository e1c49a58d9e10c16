"""Reads and writes of the event log, each one piece of work inside a transaction that the store opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, select

from stream.events import ClipEvent, Event, MomentEvent, decode_event, query_of, stream_of, unix_s
from stream.store.database import StoreError
from stream.store.schema import clips, events, facts, moments
from stream.store.upsert import insert

SCAN_ROWS: Final = 10_000
"""Rows one statement looks through at most, so that a filter that matches little never holds a connection for long."""

_UNFINISHED: Final = ("open", "ending")
_PRUNED_TO: Final = "pruned_to"


def write(connection: Connection, event: Event, logged_at_s: float) -> int:
    """Log one event and return its cursor; an event whose id is there already keeps the cursor it has.

    `logged_at_s`: Unix time.
    """
    # Asked first, for PostgreSQL would use up a number for a row that it then does not add.
    known = connection.scalar(select(events.c.cursor).where(events.c.id == event.id))
    if known is not None:
        return int(known)
    moment = event.data if isinstance(event, MomentEvent) else None
    values = {
        "id": event.id,
        "type": event.type,
        "stream": stream_of(event) or "",
        "query": query_of(event),
        "moment_id": event.data.moment_id if isinstance(event, MomentEvent | ClipEvent) else None,
        "body": event.to_json(),
        "logged_at": logged_at_s,
    }
    cursor = connection.execute(events.insert().values(values).returning(events.c.cursor)).scalar_one()
    if moment is not None:
        newest = {
            "cursor": cursor,
            "state": moment.state,
            "stream": moment.stream,
            "query": moment.query,
            "score": moment.score,
            "started_at": unix_s(moment.start),
        }
        row = insert(connection, moments).values(moment_id=moment.moment_id, **newest)
        connection.execute(row.on_conflict_do_update(index_elements=["moment_id"], set_=newest))
    return int(cursor)


def prune(connection: Connection, up_to: int) -> None:
    """Remove events up to that cursor, less the newest one of each moment that has not ended or has a clip's file."""
    # Whoever has the file wants to know what it shows: it goes into no list of cuts otherwise.
    filed = select(clips.c.moment_id).where(clips.c.state == "ready", clips.c.moment_id.is_not(None))
    lasting = moments.c.state.in_(_UNFINISHED) | moments.c.moment_id.in_(filed)
    kept = select(moments.c.cursor).where(lasting)
    connection.execute(delete(events).where(events.c.cursor <= up_to, events.c.cursor.not_in(kept)))
    connection.execute(delete(moments).where(moments.c.cursor <= up_to, ~lasting))
    row = insert(connection, facts).values(name=_PRUNED_TO, value=up_to)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": up_to}))


def logged_before(connection: Connection, time_s: float) -> int:
    """The cursor of the newest event that was logged before that Unix time; 0 when there is none."""
    return connection.scalar(select(func.max(events.c.cursor)).where(events.c.logged_at < time_s)) or 0


def oldest_cursor(connection: Connection) -> int:
    """The oldest cursor that is still there; 0 when the log is empty."""
    return connection.scalar(select(func.min(events.c.cursor))) or 0


def pruned_up_to(connection: Connection) -> int:
    """The cursor up to which events were removed; 0 when none were."""
    return connection.scalar(select(facts.c.value).where(facts.c.name == _PRUNED_TO)) or 0


def newest_cursor(connection: Connection) -> int:
    """The newest cursor; 0 when the log is empty. Retention never removes the newest event."""
    return connection.scalar(select(func.max(events.c.cursor))) or 0


def scan(
    connection: Connection, after: int, up_to: int, limit: int, wanted: Sequence[ColumnElement[bool]]
) -> tuple[list[Event], int]:
    """Up to `limit` events in `(after, up_to]`, oldest first, and the cursor up to which everything was looked at."""
    found: list[Event] = []
    position = max(after, oldest_cursor(connection) - 1)
    while position < up_to and len(found) < limit:
        bound = min(position + SCAN_ROWS, up_to)
        rows = (
            select(events.c.cursor, events.c.body)
            .where(events.c.cursor > position, events.c.cursor <= bound, *wanted)
            .order_by(events.c.cursor)
            .limit(limit - len(found))
        )
        found += [_event(row) for row in connection.execute(rows)]
        position = bound
    if len(found) == limit:
        position = found[-1].cursor or position
    return found, max(position, after)


def newest_of_moment(connection: Connection, moment_id: str) -> Event | None:
    """The newest event about a moment; None when the log knows no such moment."""
    rows = _newest_events().where(moments.c.moment_id == moment_id)
    row = connection.execute(rows).one_or_none()
    return None if row is None else _event(row)


def unfinished_moments(connection: Connection) -> list[MomentEvent]:
    """The newest event of each moment that has neither ended nor been retracted, oldest first."""
    rows = _newest_events().where(moments.c.state.in_(_UNFINISHED)).order_by(events.c.cursor)
    return [event for event in map(_event, connection.execute(rows)) if isinstance(event, MomentEvent)]


@dataclass(frozen=True)
class MomentChoice:
    """Which moments of the log; None is no condition. Times are Unix seconds, and count by a moment's beginning."""

    since_s: float | None = None
    until_s: float | None = None
    """Half-open: a moment that begins at this very time belongs to what comes next."""
    streams: Sequence[str] | None = None
    queries: Sequence[str] | None = None
    min_score: float = 0.0
    best: int | None = None
    """Only so many, those with the highest scores."""


def ended_moments(connection: Connection, choice: MomentChoice, limit: int) -> list[MomentEvent]:
    """The last event of each moment of that choice that is over and was none too much, best first, `limit` at most."""
    rows = _newest_events().where(moments.c.state == "ended", moments.c.score >= choice.min_score)
    if choice.since_s is not None:
        rows = rows.where(moments.c.started_at >= choice.since_s)
    if choice.until_s is not None:
        rows = rows.where(moments.c.started_at < choice.until_s)
    if choice.streams is not None:
        rows = rows.where(moments.c.stream.in_(choice.streams))
    if choice.queries is not None:
        rows = rows.where(moments.c.query.in_(choice.queries))
    rows = rows.order_by(moments.c.score.desc(), moments.c.started_at, moments.c.moment_id)
    rows = rows.limit(limit if choice.best is None else min(choice.best, limit))
    return [event for event in map(_event, connection.execute(rows)) if isinstance(event, MomentEvent)]


def wanted(streams: Sequence[str] | None, queries: Sequence[str] | None) -> list[ColumnElement[bool]]:
    """The conditions for events of any of these streams and of any of these queries; None is no condition."""
    conditions: list[ColumnElement[bool]] = []
    if streams is not None:
        conditions.append(events.c.stream.in_(streams))
    if queries is not None:
        conditions.append(events.c.query.in_(queries))
    return conditions


def _newest_events() -> Select[int, str]:
    return select(events.c.cursor, events.c.body).join(moments, moments.c.cursor == events.c.cursor)


def _event(row: Row[int, str]) -> Event:
    try:
        return decode_event(row.body).with_cursor(row.cursor)
    except ValueError as error:
        message = f"event {row.cursor} of the log cannot be understood; was it written by another version of r2stream?"
        raise StoreError(message) from error
