"""What sinks remember: how far each has come, and what it could not deliver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "sink_cursors",
        sa.Column("sink", sa.String(64), primary_key=True),
        sa.Column("cursor", number, nullable=False),
        sa.Column("delivered_at", sa.Float),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("sink", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.Float, nullable=False),
        sa.Column("due", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("dead_letters_by_sink", "dead_letters", ["sink", "id"])
