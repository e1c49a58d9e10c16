"""Where, when and how strong a moment was, so that the best of a day are found without reading the log."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_MOMENTS = sa.table(
    "moments",
    *map(sa.column, ("moment_id", "cursor", "stream", "query", "score", "started_at")),
)
_EVENTS = sa.table("events", sa.column("cursor"), sa.column("body"))
_PART = 1000


def upgrade() -> None:
    op.add_column("moments", sa.Column("stream", sa.String(64), nullable=False, server_default=""))
    op.add_column("moments", sa.Column("query", sa.String(64), nullable=False, server_default=""))
    op.add_column("moments", sa.Column("score", sa.Float, nullable=False, server_default="0"))
    op.add_column("moments", sa.Column("started_at", sa.Float))
    op.create_index("moments_by_time", "moments", ["started_at"])
    op.add_column("clips", sa.Column("moment_id", sa.String(64)))
    op.create_index("ix_clips_moment_id", "clips", ["moment_id"])
    _fill(op.get_bind())
    # So far the clip of a moment had its id, and that of a request another one.
    op.execute("UPDATE clips SET moment_id = clip_id WHERE clip_id IN (SELECT moment_id FROM moments)")


def _fill(connection: sa.Connection) -> None:
    """From the newest event of each moment."""
    newest = sa.select(_MOMENTS.c.moment_id, _EVENTS.c.cursor, _EVENTS.c.body).join(
        _EVENTS, _EVENTS.c.cursor == _MOMENTS.c.cursor
    )
    into = sa.update(_MOMENTS).where(_MOMENTS.c.moment_id == sa.bindparam("of"))
    names = ("stream", "query", "score", "started_at")
    into = into.values({name: sa.bindparam(f"new_{name}") for name in names})
    position = 0
    while rows := connection.execute(
        newest.where(_EVENTS.c.cursor > position).order_by(_EVENTS.c.cursor).limit(_PART)
    ).all():
        connection.execute(into, [_values(row.moment_id, row.body) for row in rows])
        position = rows[-1].cursor


def _values(moment_id: str, body: str) -> dict[str, object]:
    moment = json.loads(body)["data"]
    start = moment["start"]["time"]
    return {
        "of": moment_id,
        "new_stream": moment["stream"],
        "new_query": moment["query"],
        "new_score": moment["score"],
        "new_started_at": None if start is None else datetime.fromisoformat(start).timestamp(),
    }
