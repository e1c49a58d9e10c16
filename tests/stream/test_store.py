"""What is in the log stays in the log, in one order, and readers learn of it."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.errors import NotFoundError
from stream.events import Instant, MomentEvent, stream_event
from stream.store import Store, StoreError
from stream.store import store as store_module

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

PATH = "events.sqlite3"


@pytest.fixture
def pruned(tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A log bounded to 10 events that was given 30, of which the first is of a moment still open."""
    monkeypatch.setattr(store_module, "PRUNE_STEP", 5)
    store = Store(tmp_path / PATH, max_events=10)
    store.append([moment("started", moment_id="long")])
    for _ in range(29):
        store.append([moment("ended")])
    yield store
    store.close()


def cursors(store: Store, after: int = 0, limit: int = 1000) -> list[int | None]:
    return [event.cursor for event in store.read(after, limit).events]


def test_events_come_back_as_they_were_logged(store: Store, moment: MomentFactory) -> None:
    """append hands out growing cursors, and read returns the same events in that order."""
    logged = store.append([moment(), moment("ended", reason="completed"), stream_event("pitch", "online", time_s=1.0)])
    assert [event.cursor for event in logged] == [1, 2, 3]
    assert list(store.read().events) == logged
    assert store.latest_cursor() == 3


def test_nothing_is_appended_by_an_empty_list(store: Store) -> None:
    """append of nothing is nothing."""
    assert store.append([]) == []
    assert store.latest_cursor() == 0


def test_pages_follow_each_other_without_gap_or_repeat(store: Store, moment: MomentFactory) -> None:
    """Following `next` reads everything once."""
    store.append([moment() for _ in range(25)])
    seen: list[int | None] = []
    after = 0
    while after < store.latest_cursor():
        page = store.read(after, limit=10)
        seen += [event.cursor for event in page.events]
        after = page.next
    assert seen == list(range(1, 26))


def test_filters_choose_streams_and_queries(store: Store, moment: MomentFactory) -> None:
    """Only events of any named stream and of any named query are read."""
    store.append([moment(stream="pitch", query="goal"), moment(stream="gate", query="goal")])
    store.append([moment(stream="pitch", query="corner"), stream_event("pitch", "online", time_s=1.0)])
    assert [e.cursor for e in store.read(streams=["pitch"]).events] == [1, 3, 4]
    assert [e.cursor for e in store.read(queries=["goal", "corner"]).events] == [1, 2, 3]
    assert [e.cursor for e in store.read(streams=["gate"], queries=["goal"]).events] == [2]
    assert store.read(streams=[]).events == ()


def test_a_page_without_a_match_still_moves_on(store: Store, moment: MomentFactory) -> None:
    """`next` passes over what does not match, so that a follower never looks through it twice."""
    store.append([moment() for _ in range(5)])
    page = store.read(after=2, queries=["corner"])
    assert (page.events, page.next, page.latest) == ((), 5, 5)


def test_a_long_log_is_searched_to_its_end(
    store: Store, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement looks through few rows, but one read finds a match however far away it is."""
    monkeypatch.setattr("stream.store.event_log.SCAN_ROWS", 3)
    store.append([moment() for _ in range(10)])
    store.append([moment(query="corner") for _ in range(2)])
    page = store.read(queries=["corner"], limit=1)
    assert [event.cursor for event in page.events] == [11]
    assert page.next == 11


def test_memory_answers_as_the_file_does(
    tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the newest events are asked for, reading from memory and from the file is the same."""
    monkeypatch.setattr("stream.store.store.TAIL_EVENTS", 12)
    store = Store(tmp_path / PATH)
    rng = random.Random(5)
    for _ in range(10):
        store.append([moment(stream=rng.choice("ab"), query=rng.choice("xyz")) for _ in range(2)])
        store.append([stream_event(rng.choice("ab"), "online", time_s=1.0)])
    answered = 0
    for after, limit in itertools.product(range(32), (1, 3, 100)):
        for streams, queries in itertools.product((None, ["a"], ["a", "b"], []), (None, ["x"], ["y", "z"])):
            recent = store.recent(after, limit, streams, queries)
            answered += recent is not None
            assert recent in (None, store.read(after, limit, streams, queries))
    assert answered == 13 * 3 * 4 * 3, "the last 12 events, and the place before them"
    store.close()


def test_memory_knows_nothing_from_before_a_restart(tmp_path: Path, moment: MomentFactory) -> None:
    """What this process did not log itself is read from the file."""
    store = Store(tmp_path / PATH)
    store.append([moment("ended"), moment("ended")])
    store.close()
    store = Store(tmp_path / PATH)
    store.append([moment()])
    assert store.recent(1) is None
    recent = store.recent(2)
    assert recent is not None and [event.cursor for event in recent.events] == [3]
    store.close()


def test_a_cursor_beyond_the_log_stays_where_it_is(store: Store, moment: MomentFactory) -> None:
    """Reading after a cursor that was never given out returns nothing and does not go back."""
    store.append([moment()])
    page = store.read(after=99)
    assert (page.events, page.next, page.latest) == ((), 99, 1)


def test_a_repeated_append_logs_nothing_twice(store: Store, moment: MomentFactory) -> None:
    """An event that is logged already keeps its cursor."""
    first, second = moment(), moment()
    store.append([first])
    again, new = store.append([first, second])
    assert again.cursor == 1
    assert cursors(store) == [1, new.cursor]


def test_a_failed_append_leaves_nothing_behind(store: Store, moment: MomentFactory) -> None:
    """All events of one append are logged, or none."""

    class BrokenEvent(MomentEvent):
        def to_json(self) -> str:
            raise OSError(28, "No space left on device")

    broken = BrokenEvent.model_validate(moment().model_dump())
    with pytest.raises(StoreError):
        store.append([moment(), broken])
    assert store.read().events == ()
    assert store.append([moment()])[0].cursor == 1


def test_threads_append_and_read_at_once(store: Store, moment: MomentFactory) -> None:
    """Events of many threads get one order, and a follower meanwhile misses none."""
    batches = [[moment() for _ in range(10)] for _ in range(8)]
    seen: list[int | None] = []

    def follow() -> None:
        after = 0
        while after < 80:
            page = store.read(after, limit=7)
            seen.extend(event.cursor for event in page.events)
            after = page.next

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=store.append, args=(batch,)) for batch in batches]
    for thread in (follower, *writers):
        thread.start()
    for thread in (follower, *writers):
        thread.join(20)
    assert seen == list(range(1, 81))


def test_the_newest_event_of_a_moment_is_found(store: Store, moment: MomentFactory) -> None:
    """moment answers with the last revision; an unknown one is an error of its own."""
    store.append([moment(moment_id="a"), moment(moment_id="b"), moment("updated", moment_id="a", revision=2)])
    newest = store.moment("a")
    assert isinstance(newest, MomentEvent)
    assert (newest.cursor, newest.data.revision) == (3, 2)
    with pytest.raises(NotFoundError, match="no moment 'c'"):
        store.moment("c")


def test_everything_survives_a_restart(tmp_path: Path, moment: MomentFactory) -> None:
    """Events, cursors and definitions are there again after the file was closed and opened."""
    store = Store(tmp_path / PATH)
    store.append([moment("ended")])
    store.streams.save("pitch", {"url": "rtsp://camera/1"})
    store.queries.save("goal", {"text": "a player scores"})
    store.close()
    store = Store(tmp_path / PATH)
    assert cursors(store) == [1]
    assert store.streams.all() == {"pitch": {"url": "rtsp://camera/1"}}
    assert store.queries.all() == {"goal": {"text": "a player scores"}}
    assert store.append([moment("ended")])[0].cursor == 2
    store.close()


def test_definitions_are_replaced_and_removed(store: Store) -> None:
    """Saving a name again replaces it; streams and queries do not mix."""
    store.streams.save("a", {"url": "one"})
    store.streams.save("a", {"url": "two"})
    store.queries.save("a", {"text": "three"})
    assert store.streams.all() == {"a": {"url": "two"}}
    assert store.streams.delete("a")
    assert not store.streams.delete("a")
    assert store.queries.all() == {"a": {"text": "three"}}


WRITER = """
import sys
from pathlib import Path
from stream.events import stream_event
from stream.store import Store

store = Store(Path(sys.argv[1]))
store.streams.save("pitch", {"url": "demo://broadcast"})
while True:
    for event in store.append([stream_event("pitch", "online", time_s=1.0)]):
        print(event.cursor, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Every cursor a process was given is in the log after it was killed, and so is what it saved."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / PATH)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    store = Store(tmp_path / PATH)
    assert set(acknowledged) <= set(cursors(store))
    assert list(store.streams.all()) == ["pitch"]
    store.close()


def test_a_moment_left_open_is_ended_at_start(tmp_path: Path, moment: MomentFactory) -> None:
    """A moment that was open when the process died ends with reason `restart`, where it was last known to run."""
    store = Store(tmp_path / PATH)
    opened = moment("started", moment_id="a", time_s=1_735_786_820.0)
    store.append([opened, moment("ended", moment_id="b"), moment("retracted", moment_id="c")])
    store.close()
    store = Store(tmp_path / PATH, wall_time_s=lambda: 1_735_787_000.0)
    (event,) = store.read(after=3).events
    assert isinstance(event, MomentEvent)
    assert (event.type, event.id, event.cursor) == ("r2stream.moment.ended", "a.2", 4)
    assert event.time == "2025-01-02T03:03:20.000Z"
    assert (event.data.state, event.data.reason, event.data.revision) == ("ended", "restart", 2)
    assert event.data.start == opened.data.start
    assert event.data.end == Instant(time="2025-01-02T03:00:20.000Z", media_time_s=20.0, final=True)
    store.close()
    store = Store(tmp_path / PATH)
    assert len(cursors(store)) == 4
    store.close()


def test_an_end_already_seen_is_kept_at_restart(tmp_path: Path, moment: MomentFactory) -> None:
    """A moment whose end was seen, but not final, ends there."""
    end = Instant(time="2025-01-02T03:00:15.000Z", media_time_s=15.0, final=False)
    store = Store(tmp_path / PATH)
    store.append([moment("updated", moment_id="a", state="ending", end=end)])
    store.close()
    store = Store(tmp_path / PATH)
    event = store.moment("a")
    assert isinstance(event, MomentEvent)
    assert event.data.end == end.model_copy(update={"final": True})
    store.close()


def test_a_files_moment_ends_on_its_own_clock(tmp_path: Path, moment: MomentFactory) -> None:
    """With a file's clock, wall time says nothing about how far the moment reached; the alert does."""
    store = Store(tmp_path / PATH)
    store.append([moment("started", moment_id="a", clock="file", onset_to_alert_s=4.0, time_s=1_900_000_000.0)])
    store.close()
    store = Store(tmp_path / PATH)
    event = store.moment("a")
    assert isinstance(event, MomentEvent)
    assert event.data.end.media_time_s == 16.0
    store.close()


def test_retention_bounds_the_log(pruned: Store) -> None:
    """The oldest events go; the newest of a moment still open stays, or it could never be ended."""
    kept = cursors(pruned)
    assert kept[0] == 1
    assert 10 <= len(kept) <= 16
    assert kept[1:] == list(range(30 - len(kept) + 2, 31))


def test_events_go_when_they_are_too_old(tmp_path: Path, moment: MomentFactory) -> None:
    """By age, also while nothing new is logged; the newest stays, and so does what is still open."""
    now = {"s": 1000.0}
    store = Store(tmp_path / PATH, max_age_s=3600, wall_time_s=lambda: now["s"])
    store.append([moment("started", moment_id="long"), moment("ended"), moment("ended")])
    now["s"] += 3000
    store.append([moment("ended")])
    store.retain()
    assert cursors(store) == [1, 2, 3, 4]

    now["s"] += 1000
    store.retain()
    assert cursors(store) == [1, 4]
    assert store.read(after=0).missed and not store.read(after=3).missed

    now["s"] += 100_000
    store.append([moment("ended")])
    store.retain()
    assert cursors(store) == [1, 5]
    store.close()


def test_old_events_go_a_part_at_a_time(tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long log that is given a short age keeps no writer waiting while it shrinks."""
    monkeypatch.setattr(store_module, "PRUNE_STEP", 5)
    now = {"s": 1000.0}
    store = Store(tmp_path / PATH, max_age_s=10, wall_time_s=lambda: now["s"])
    store.append([moment("ended") for _ in range(12)])
    now["s"] += 60
    lengths = []
    for _ in range(3):
        store.retain()
        lengths.append(len(cursors(store)))
    assert lengths == [7, 2, 1]
    store.close()


def test_how_much_is_kept_may_change(tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far too many events go a part at a time, also while nothing is logged, and a new age counts at once."""
    monkeypatch.setattr(store_module, "PRUNE_STEP", 2)
    monkeypatch.setattr(store_module, "PRUNE_STEPS", 3)
    now = {"s": 1000.0}
    store = Store(tmp_path / PATH, wall_time_s=lambda: now["s"])
    store.append([moment("ended") for _ in range(20)])
    store.retain()
    assert len(cursors(store)) == 20
    store.set_retention(5, None)
    lengths = []
    for _ in range(4):
        store.retain()
        lengths.append(len(cursors(store)))
    assert lengths == [14, 8, 5, 5]
    now["s"] += 60
    store.set_retention(5, 30.0)
    for _ in range(3):
        store.retain()
    assert cursors(store) == [20]
    store.close()


def test_a_reader_that_comes_too_late_is_told(pruned: Store) -> None:
    """`missed` is true when events after the cursor were removed, and false when none were."""
    assert pruned.read(after=0).missed
    assert not pruned.read(after=29).missed


def test_what_was_removed_stays_known_after_a_restart(pruned: Store, tmp_path: Path) -> None:
    """A restart forgets neither what was removed nor which cursors were used."""
    pruned.close()
    store = Store(tmp_path / PATH, max_events=10)
    assert store.read(after=0).missed
    assert store.latest_cursor() == 31  # the long moment's end
    store.close()


def test_a_removed_moment_is_not_found(pruned: Store) -> None:
    """A moment goes with its events."""
    with pytest.raises(NotFoundError):
        pruned.moment("m2")


async def test_an_append_wakes_a_waiting_reader(store: Store, moment: MomentFactory) -> None:
    """wait returns as soon as the log has something after the cursor."""
    with store.subscribe() as waiter:
        waiting = asyncio.create_task(waiter.wait(0, timeout_s=10))
        await asyncio.sleep(0)
        await asyncio.to_thread(store.append, [moment()])
        assert await waiting


async def test_a_reader_that_is_behind_does_not_wait(store: Store, moment: MomentFactory) -> None:
    """wait returns at once when there is something to read already."""
    store.append([moment()])
    with store.subscribe() as waiter:
        assert await waiter.wait(0, timeout_s=0)


async def test_a_wait_ends_by_itself(store: Store) -> None:
    """wait returns False when its time is up."""
    with store.subscribe() as waiter:
        assert not await waiter.wait(0, timeout_s=0.01)


async def test_a_wake_up_while_busy_is_not_lost(store: Store) -> None:
    """A reader that is woken before it sleeps does not sleep."""
    with store.subscribe() as waiter:
        waiter.wake()
        assert not await asyncio.wait_for(waiter.wait(0, timeout_s=60), 5)


async def test_a_cancelled_wait_changes_nothing(store: Store, moment: MomentFactory) -> None:
    """A reader whose wait was cancelled waits again and is woken."""
    with store.subscribe() as waiter:
        waiting = asyncio.create_task(waiter.wait(0, timeout_s=10))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(store.append, [moment()])
        assert await waiter.wait(0, timeout_s=5)


async def test_many_appends_are_one_wake_up(store: Store, moment: MomentFactory) -> None:
    """What is scheduled for a busy reader does not grow with the number of events."""
    loop = asyncio.get_running_loop()
    calls: list[object] = []
    original = loop.call_soon_threadsafe

    def count(call: Callable[[], None]) -> None:
        calls.append(call)
        original(call)

    with store.subscribe() as waiter, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_soon_threadsafe", count)
        for _ in range(20):
            store.append([moment()])
        assert len(calls) == 1
        assert await waiter.wait(19, timeout_s=1)


def test_a_reader_whose_loop_is_gone_is_dropped(store: Store, moment: MomentFactory) -> None:
    """A loop that ended without unsubscribing does not disturb the writer."""

    async def leave_behind() -> object:
        subscription = store.subscribe()
        subscription.__enter__()
        return subscription

    left = asyncio.run(leave_behind())
    assert store.append([moment()])[0].cursor == 1
    del left


def test_the_file_is_for_its_owner_only(tmp_path: Path, moment: MomentFactory) -> None:
    """Stream addresses hold passwords: nobody else may read the file or its side files."""
    store = Store(tmp_path / PATH)
    store.append([moment()])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes and set(modes.values()) == {0o600}, modes
    store.close()


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """The data folder need not exist."""
    Store(tmp_path / "deep" / "er" / PATH).close()


def test_a_second_service_is_refused(store: Store, tmp_path: Path) -> None:
    """Two services on one file would end each other's moments."""
    with pytest.raises(StoreError, match="another r2stream is using") as caught:
        Store(tmp_path / PATH)
    assert caught.value.code == "store_in_use"


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    """Something else in the place of the log is an error that says what to do, and is left as it is."""
    (tmp_path / PATH).write_text("these are not the events you are looking for" * 100)
    with pytest.raises(StoreError, match=r"events\.sqlite3 is damaged; restore a copy of it, or move it away"):
        Store(tmp_path / PATH)
    assert (tmp_path / PATH).read_text().startswith("these are not")


def test_a_damaged_page_is_an_error_and_not_silence(tmp_path: Path, moment: MomentFactory) -> None:
    """Damage that shows only when read is reported as such."""
    store = Store(tmp_path / PATH)
    store.append([moment("ended") for _ in range(200)])
    store.close()
    with (tmp_path / PATH).open("r+b") as file:
        file.seek(4096 * 8)
        file.write(os.urandom(4096 * 40))
    with pytest.raises(StoreError, match="is damaged"):
        Store(tmp_path / PATH).read(limit=1000)


def test_a_closed_log_is_not_opened_again(store: Store, moment: MomentFactory) -> None:
    """A straggler that reads or writes after close gets an error, not a file that nobody holds."""
    store.close()
    store.close()
    for use in (store.read, lambda: store.append([moment()]), store.streams.all):
        with pytest.raises(StoreError, match="is closed"):
            use()


def test_an_event_of_another_version_is_explained(tmp_path: Path, moment: MomentFactory) -> None:
    """A body that this version cannot read is an error that names the event."""
    store = Store(tmp_path / PATH)
    store.append([moment("ended")])
    with sqlite3.connect(tmp_path / PATH) as connection:
        connection.execute("UPDATE events SET body = '{}'")
    connection.close()
    with pytest.raises(StoreError, match="event 1 of the log cannot be understood"):
        store.read()
    store.close()


def test_a_folder_in_place_of_the_file_is_explained(tmp_path: Path) -> None:
    """What cannot be opened says why."""
    (tmp_path / PATH).mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / PATH)


def test_a_locked_file_is_busy_and_works_again(
    tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's lock makes an append fail in time and with a code, and the next one works."""
    monkeypatch.setattr("stream.store.database.LOCK_TIMEOUT_S", 0.05)
    store = Store(tmp_path / PATH)
    other = sqlite3.connect(tmp_path / PATH, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another program") as caught:
        store.append([moment()])
    assert caught.value.code == "store_busy"
    other.execute("ROLLBACK")
    other.close()
    assert store.append([moment()])[0].cursor == 1
    store.close()
