"""Logs of older versions are brought up to date, and nothing of them is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from stream.events import stream_event
from stream.store import Store, StoreError
from stream.store.migrate import HEAD, MIGRATIONS
from stream.store.schema import metadata

PATH = "events.sqlite3"


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    return made


@pytest.fixture
def first_release(tmp_path: Path) -> Path:
    """A log as the first release left it: its version among the facts, and one event."""
    path = tmp_path / PATH
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.exec_driver_sql("INSERT INTO facts VALUES ('schema_version', 1)")
        event = stream_event("pitch", "online", time_s=1.0)
        row = (event.id, event.type, "pitch", event.to_json())
        connection.exec_driver_sql("INSERT INTO events (id, type, stream, body) VALUES (?, ?, ?, ?)", row)
    engine.dispose()
    return path


def test_a_log_of_the_first_release_is_taken_over(first_release: Path) -> None:
    """Its events are there, and new ones go on after them."""
    store = Store(first_release)
    store.append([stream_event("pitch", "offline", time_s=2.0)])

    assert [(e.cursor, e.type) for e in store.read().events] == [
        (1, "r2stream.stream.online"),
        (2, "r2stream.stream.offline"),
    ]
    store.close()


def test_the_steps_lead_to_the_tables_of_today(first_release: Path) -> None:
    """An old log that was brought up to date and a new one have the same tables."""
    Store(first_release).close()
    engine = create_engine(f"sqlite:///{first_release}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_head_is_the_newest_step() -> None:
    """Whoever adds a step must say so in `migrate`, or it would never run."""
    assert ScriptDirectory.from_config(config()).get_heads() == [HEAD]


def test_a_log_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A format this version does not know is not touched."""
    Store(tmp_path / PATH).close()
    with sqlite3.connect(tmp_path / PATH) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    connection.close()
    before = (tmp_path / PATH).read_bytes()

    with pytest.raises(StoreError, match="format 99 of another r2stream version; upgrade"):
        Store(tmp_path / PATH)

    assert (tmp_path / PATH).read_bytes() == before
