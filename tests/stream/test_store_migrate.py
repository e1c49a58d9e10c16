"""Logs of older versions are brought up to date, and nothing of them is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from stream.events import stream_event
from stream.store import MomentChoice, Store, StoreError
from stream.store.migrate import HEAD, MIGRATIONS
from stream.store.schema import metadata
from tests.conftest import EPOCH_S
from tests.stream.cuts.conftest import clip_of

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

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


def test_moments_of_an_older_log_are_found_by_time_and_score(tmp_path: Path, moment: MomentFactory) -> None:
    """The step that makes room for it fills it from the log; clips learn whose they are."""
    engine = create_engine(f"sqlite:///{tmp_path / PATH}")
    events = [moment("ended", moment_id=f"m{number}", score=number / 10) for number in range(5)]
    with engine.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0004")
        for cursor, event in enumerate(events, 1):
            row = (cursor, event.id, event.type, "pitch", event.to_json(), 1.0)
            connection.exec_driver_sql(
                "INSERT INTO events (cursor, id, type, stream, body, logged_at) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            connection.exec_driver_sql("INSERT INTO moments VALUES (?, ?, 'ended')", (event.data.moment_id, cursor))
        for clip_id in ("m2", "asked-for"):
            body = clip_of(clip_id, 0, 1).model_dump_json()
            connection.exec_driver_sql("INSERT INTO clips VALUES (?, 'ready', 1, 5, 1.0, ?)", (clip_id, body))
    engine.dispose()

    store = Store(tmp_path / PATH)
    choice = MomentChoice(EPOCH_S + 12, EPOCH_S + 13, streams=["pitch"], queries=["goal"], min_score=0.2)
    assert [event.data.moment_id for event in store.ended_moments(choice, 10)] == ["m4", "m3", "m2"]
    assert list(store.clips.of_moments(["m2", "asked-for"])) == ["m2"]
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
