"""PostgreSQL in place of the SQLite file: the same log, and what only a server can do to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psycopg
import pytest

from stream.data_dir import LOCK_FILE
from stream.errors import NotFoundError
from stream.events import ClipData, Instant, MomentEvent, stream_event
from stream.service import Service
from stream.settings import parse_settings
from stream.store import ClipRecord, MomentChoice, Store, StoreError
from stream.store import store as store_module
from stream.store.event_log import prune
from stream.store.postgres import server_version
from tests.conftest import EPOCH_S
from tests.models import save_random_model
from tests.servers import PostgresServer, postgres_is_missing
from tests.stream.cuts.conftest import clip_of

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

Result = TypeVar("Result")

pytestmark = pytest.mark.skipif(bool(postgres_is_missing()), reason=postgres_is_missing() or "it is there")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="r2stream-postgres-"))
    try:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """The address of an empty database."""
    name = f"db{abs(hash(request.node.nodeid))}"
    with connected(server) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.database_url(name)


@pytest.fixture
def log(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


def connected(server: PostgresServer) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of our own, once the server takes any."""
    until_s = time.monotonic() + 20
    while True:
        try:
            return psycopg.connect(server.database_url(), autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)


def cursors(store: Store, after: int = 0) -> list[int | None]:
    return [event.cursor for event in store.read(after, 1000).events]


def test_events_come_back_as_they_were_logged(log: Store, moment: MomentFactory) -> None:
    """append hands out growing cursors, and read returns the same events in that order."""
    logged = log.append([moment(), moment("ended", reason="completed"), stream_event("pitch", "online", time_s=1.0)])

    assert [event.cursor for event in logged] == [1, 2, 3]
    assert list(log.read().events) == logged
    assert [event.cursor for event in log.read(streams=["pitch"], queries=["goal"]).events] == [1, 2]


def test_a_repeated_event_keeps_its_cursor_and_uses_up_no_other(log: Store, moment: MomentFactory) -> None:
    """Cursors have no holes, however often a caller repeats what it is unsure of."""
    first, second = moment(), moment("ended")

    log.append([first])
    again = log.append([first, second])

    assert [event.cursor for event in again] == [1, 2]
    assert cursors(log) == [1, 2]


def test_definitions_are_saved_replaced_and_deleted(log: Store) -> None:
    log.streams.save("a", {"url": "one"})
    log.streams.save("a", {"url": "two"})

    assert log.streams.all() == {"a": {"url": "two"}}
    assert log.streams.delete("a") and not log.streams.delete("a")


def test_moments_are_found_by_time_and_score(log: Store, moment: MomentFactory) -> None:
    """The best of a time, and those whose clips have files after retention has taken the rest of them."""
    log.append([moment("ended", moment_id=f"m{number}", score=number / 10) for number in range(5)])
    choice = MomentChoice(EPOCH_S + 12, EPOCH_S + 13, ["pitch"], ["goal"], min_score=0.2, best=2)
    assert [event.data.moment_id for event in log.ended_moments(choice, 10)] == ["m4", "m3"]
    log.clips.add([ClipRecord(clip_of("m1", 0, 1), 1.0, told=True)])
    with log._database.writing() as connection:
        prune(connection, 5)
    assert [event.data.moment_id for event in log.ended_moments(MomentChoice(), 10)] == ["m1"]
    assert list(log.clips.of_moments(["m1", "m2"])) == ["m1"]


def test_clips_are_remembered(log: Store) -> None:
    """With the sum of their sizes, which may be more than 32 bits hold."""
    nowhere = Instant(time=None, media_time_s=None, final=False)
    about = dict.fromkeys(("moment_id", "query", "reason", "url", "thumbnail_url", "container"))
    pending = ClipData.model_validate(
        {
            **about,
            "clip_id": "m1",
            "stream": "pitch",
            "state": "pending",
            "start": nowhere,
            "end": nowhere,
            "bytes": None,
        }
    )
    log.clips.add([ClipRecord(pending, 1.0, told=False)], 7)
    log.clips.add([ClipRecord(pending, 2.0, told=True)], 9)
    assert log.clips.unfinished() == [ClipRecord(pending, 1.0, told=False)] and log.clips.cursor() == 9

    ready = ClipRecord(pending.model_copy(update={"state": "ready", "bytes": 5 << 30}), 1.0, told=True)
    log.clips.save(ready)
    assert log.clips.oldest_ready() == ready == log.clips.find("m1") and log.clips.unfinished() == []
    assert log.clips.ready_bytes() == 5 << 30 and isinstance(log.clips.ready_bytes(), int)


def test_a_restart_ends_what_was_open_and_goes_on_counting(url: str, moment: MomentFactory) -> None:
    """The same as with a file."""
    before = Store(url)
    before.append([moment("started", moment_id="a")])
    before.close()

    after = Store(url)

    event = after.moment("a")
    assert isinstance(event, MomentEvent)
    assert (event.cursor, event.data.reason) == (2, "restart")
    after.close()


def test_retention_bounds_the_log(url: str, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest events go, and a reader that comes too late is told."""
    monkeypatch.setattr(store_module, "PRUNE_STEP", 5)
    store = Store(url, max_events=10)
    for _ in range(30):
        store.append([moment("ended")])

    assert 10 <= len(cursors(store)) <= 15
    assert store.read(after=0).missed
    with pytest.raises(NotFoundError):
        store.moment("m2")
    store.close()


WRITER = """
import sys
from stream.events import stream_event
from stream.store import Store

store = Store(sys.argv[1])
while True:
    for event in store.append([stream_event("pitch", "online", time_s=1.0)]):
        print(event.cursor, flush=True)
"""


def test_kill_9_loses_nothing_and_gives_the_database_back(url: str) -> None:
    """Every cursor a process was given is in the log after it was killed, and another one may take over."""
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]

    store = eventually(lambda: Store(url))  # the server takes a moment to see that the client is gone

    found = cursors(store)
    assert set(acknowledged) <= set(found)
    assert found == list(range(1, len(found) + 1))
    store.close()


def test_a_second_service_is_refused(log: Store, url: str) -> None:
    """Two services on one log would end each other's moments."""
    with pytest.raises(StoreError, match="another r2stream is using") as caught:
        Store(url)
    assert caught.value.code == "store_in_use"
    assert "pg-secret" not in str(caught.value)


def test_a_server_that_restarts_is_written_again(log: Store, server: PostgresServer, moment: MomentFactory) -> None:
    """While it is away, writing and reading say so with a code that asks to try again; then all is as before."""
    log.append([moment()])
    server.stop()

    for use in (lambda: log.append([moment("ended")]), log.read):
        with pytest.raises(StoreError, match="does not answer") as caught:
            use()
        assert caught.value.code == "store_busy"

    server.start()
    connected(server).close()
    assert eventually(lambda: log.append([moment("ended")]))[0].cursor == 2
    assert cursors(log) == [1, 2]


def test_what_a_person_must_do_is_said_without_the_password(server: PostgresServer) -> None:
    """Wrong password, wrong name, nobody there, no such address: each its own advice."""
    wrong = {
        server.database_url(password="pg-wrong"): "refuses the user or the password",
        server.database_url("nowhere"): "no such database",
        server.database_url().replace(f":{server.port}/", ":1/"): "does not answer",
        "postgresql://r2stream:pg-wrong@127.0.0.1": "must look like postgresql://",
        "mysql://r2stream:pg-wrong@127.0.0.1/x": "must look like postgresql://",
    }
    for url, message in wrong.items():
        with pytest.raises(StoreError, match=message) as caught:
            Store(url)
        assert "pg-wrong" not in str(caught.value) and "pg-secret" not in str(caught.value)


def test_a_service_keeps_its_log_where_its_settings_say(url: str, tmp_path: Path) -> None:
    """Nothing is in the data folder then but the lock, which keeps a service with another database out."""
    model = save_random_model(tmp_path / "model.safetensors")
    settings = parse_settings({"model": str(model), "data_dir": str(tmp_path / "data"), "database": url})
    with Service.open(settings) as service:
        service.add_query("goal", {"text": "goal"})
        with pytest.raises(StoreError, match=rf"another r2stream is using .*data \(process {os.getpid()}\)") as caught:
            Service.open(replace(settings, database=None))
        assert caught.value.code == "store_in_use"
    assert [path.name for path in (tmp_path / "data").iterdir()] == [LOCK_FILE]
    store = Store(url)
    assert list(store.queries.all()) == ["goal"]
    store.close()


def test_the_servers_version_is_told_without_taking_the_log(log: Store, url: str) -> None:
    """For `r2stream doctor`, beside a service that runs."""
    assert server_version(url).startswith("PostgreSQL ")


def eventually(attempt: Callable[[], Result], timeout_s: float = 10.0) -> Result:
    """What `attempt` gives once it raises no StoreError any more."""
    until_s = time.monotonic() + timeout_s
    while True:
        try:
            return attempt()
        except StoreError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)
