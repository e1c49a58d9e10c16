"""Brings the tables of an older r2stream up to date, and refuses those of a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, inspect, select, table

from stream.store.database import StoreError
from stream.store.schema import metadata

HEAD: Final = "0006"
"""The newest file among `migrations/versions`."""
_FIRST: Final = "0001"
"""The tables as they were before their version was kept where Alembic keeps it."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection, name: str) -> None:
    """Make all tables what `stream.store.schema` says, inside the caller's transaction. Raises StoreError.

    An empty database gets today's tables at once; one that is up to date costs a single look.
    """
    revision = _revision(connection)
    if revision == HEAD:
        return
    # Only now: most starts need nothing of it, and it takes a third of a second to import.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    if revision is None:
        metadata.create_all(connection)
        command.stamp(config, HEAD)
        return
    try:
        if not inspect(connection).has_table("alembic_version"):
            command.stamp(config, revision)
        command.upgrade(config, HEAD)
    except CommandError as error:
        message = f"{name} has the format {revision} of another r2stream version; upgrade, or move it away"
        raise StoreError(message) from error


def _revision(connection: Connection) -> str | None:
    """The revision that the tables have; None for an empty database."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return str(connection.scalar(select(column("version_num")).select_from(table("alembic_version"))))
    if "facts" not in tables:
        return None
    facts = table("facts", column("name"), column("value"))
    version = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
    return _FIRST if version in (None, 1) else str(version)
