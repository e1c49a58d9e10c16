"""Every table, in one place."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata: Final = MetaData()

# AUTOINCREMENT, so that a cursor is never used twice, not even after its event was removed by retention.
events: Final = Table(
    "events",
    metadata,
    Column("cursor", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("type", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("query", String(64)),
    Column("moment_id", String(64)),
    Column("body", Text, nullable=False, comment="the event as JSON, less its cursor"),
    Index("events_by_stream", "stream", "cursor"),
    Index("events_by_query", "query", "cursor"),
    sqlite_autoincrement=True,
)

moments: Final = Table(
    "moments",
    metadata,
    Column("moment_id", String(64), primary_key=True),
    Column("cursor", Integer, nullable=False, index=True, comment="its newest event"),
    Column("state", String(16), nullable=False),
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
    Column("value", Integer, nullable=False),
)

clips: Final = Table(
    "clips",
    metadata,
    Column("clip_id", String(64), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("told", Boolean, nullable=False, comment="its event is in the log"),
    Column("bytes", Integer, nullable=False),
    Column("created_at", Float, nullable=False, comment="Unix seconds"),
    Column("body", Text, nullable=False, comment="what is known about it, as JSON"),
)

SCHEMA_VERSION: Final = 1
"""Kept among the facts. A file of a newer version is refused; an older one will be migrated."""
