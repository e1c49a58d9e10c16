"""What the API created and a restart must not lose: definitions of streams and of queries."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Literal

from sqlalchemy import delete, select

from stream.store.database import Database
from stream.store.schema import definitions
from stream.store.upsert import insert


class Definitions:
    """Definitions of one kind, by name: the mapping a person would write in the settings file. Thread-safe.

    Every method raises StoreError when the database cannot be used; what was saved is on the disk when it returns.
    """

    def __init__(self, database: Database, kind: Literal["stream", "query"]) -> None:
        self._database = database
        self._kind = kind

    def all(self) -> dict[str, dict[str, object]]:
        """Every definition, sorted by name."""
        rows = select(definitions).where(definitions.c.kind == self._kind).order_by(definitions.c.name)
        with self._database.reading() as connection:
            return {row.name: json.loads(row.body) for row in connection.execute(rows)}

    def save(self, name: str, definition: Mapping[str, object]) -> None:
        """Add a definition or replace the one of that name."""
        values = {"body": json.dumps(dict(definition)), "changed_at": time.time()}
        with self._database.writing() as connection:
            row = insert(connection, definitions).values(kind=self._kind, name=name, **values)
            connection.execute(row.on_conflict_do_update(index_elements=["kind", "name"], set_=values))

    def delete(self, name: str) -> bool:
        """Remove a definition; False when there was none."""
        row = delete(definitions).where(definitions.c.kind == self._kind, definitions.c.name == name)
        with self._database.writing() as connection:
            return connection.execute(row).rowcount > 0
