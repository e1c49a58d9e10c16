"""When an event was logged, so that old ones can be removed by age."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Nobody noted it so far: events that are there are as old as this step.
    op.add_column("events", sa.Column("logged_at", sa.Float, nullable=False, server_default=str(time.time())))
    op.create_index("events_by_age", "events", ["logged_at"])
    op.execute("DELETE FROM facts WHERE name = 'schema_version'")
