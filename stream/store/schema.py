"""Every table, in one place. A change here needs a step in `migrations`, which a test compares with this."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata: Final = MetaData()

# SQLite counts up in a column of this very type only.
_Cursor: Final = BigInteger().with_variant(Integer, "sqlite")

# AUTOINCREMENT, so that a cursor is never used twice, not even after its event was removed by retention.
events: Final = Table(
    "events",
    metadata,
    Column("cursor", _Cursor, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("type", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("query", String(64)),
    Column("moment_id", String(64)),
    Column("body", Text, nullable=False, comment="the event as JSON, less its cursor"),
    Column("logged_at", Float, nullable=False, comment="Unix seconds"),
    Index("events_by_stream", "stream", "cursor"),
    Index("events_by_query", "query", "cursor"),
    Index("events_by_age", "logged_at"),
    sqlite_autoincrement=True,
)

moments: Final = Table(
    "moments",
    metadata,
    Column("moment_id", String(64), primary_key=True),
    Column("cursor", _Cursor, nullable=False, index=True, comment="its newest event"),
    Column("state", String(16), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("query", String(64), nullable=False),
    Column("score", Float, nullable=False),
    Column("started_at", Float, comment="Unix seconds; none while nobody knows"),
    Index("moments_by_time", "started_at"),
)

definitions: Final = Table(
    "definitions",
    metadata,
    Column("kind", String(16), primary_key=True, comment="stream or query"),
    Column("name", String(64), primary_key=True),
    Column("body", Text, nullable=False, comment="what defines it, as JSON"),
    Column("changed_at", Float, nullable=False, comment="Unix seconds"),
)

facts: Final = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", _Cursor, nullable=False),
)

# What sinks remember: how far each has come, and what it could not deliver.
sink_cursors: Final = Table(
    "sink_cursors",
    metadata,
    Column("sink", String(64), primary_key=True),
    Column("cursor", _Cursor, nullable=False, comment="of the last event that is delivered, or need not be"),
    Column("delivered_at", Float, comment="Unix seconds"),
)
dead_letters: Final = Table(
    "dead_letters",
    metadata,
    Column("id", _Cursor, primary_key=True, autoincrement=True),
    Column("sink", String(64), nullable=False),
    Column("body", Text, nullable=False, comment="the event as JSON, with its cursor"),
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failed_at", Float, nullable=False, comment="Unix seconds, of the last try"),
    Column("due", Boolean, nullable=False, comment="its redelivery was asked for"),
    Index("dead_letters_by_sink", "sink", "id"),
    sqlite_autoincrement=True,
)

clips: Final = Table(
    "clips",
    metadata,
    Column("clip_id", String(64), primary_key=True),
    Column("moment_id", String(64), index=True, comment="of the moment that it was cut for, if any"),
    Column("state", String(16), nullable=False, index=True),
    Column("told", Boolean, nullable=False, comment="its event is in the log"),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False, comment="Unix seconds"),
    Column("body", Text, nullable=False, comment="what is known about it, as JSON"),
)

reels: Final = Table(
    "reels",
    metadata,
    Column("reel_id", String(64), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("told", Boolean, nullable=False, comment="its event is in the log"),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False, comment="Unix seconds"),
    Column("body", Text, nullable=False, comment="what is known about it, as JSON"),
)
