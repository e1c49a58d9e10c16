"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("cursor", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("query", sa.String(64)),
        sa.Column("moment_id", sa.String(64)),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_stream", "events", ["stream", "cursor"])
    op.create_index("events_by_query", "events", ["query", "cursor"])
    op.create_table(
        "moments",
        sa.Column("moment_id", sa.String(64), primary_key=True),
        sa.Column("cursor", sa.Integer, nullable=False, index=True),
        sa.Column("state", sa.String(16), nullable=False),
    )
    op.create_table(
        "definitions",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )
