"""The writer of the log: order, patience with the disk, and its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream.events import Event, stream_event, stream_of
from stream.metrics import Metrics
from stream.recorder import Recorder
from stream.store import Store, StoreError

Until = Callable[[Callable[[], bool]], None]
NOW_S = 1_700_000_000.0


class FullDisk(Store):
    """A log whose disk can be full for a while."""

    full = False
    tries = 0

    def append(self, events: Sequence[Event]) -> list[Event]:
        self.tries += 1
        if self.full:
            raise StoreError("no space left; make room on the disk")
        return super().append(events)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FullDisk]:
    store = FullDisk(tmp_path / "events.sqlite3")
    yield store
    store.close()


@contextmanager
def recording(store: Store, **options: int) -> Iterator[Recorder]:
    recorder = Recorder(store, Metrics(), wall_time_s=lambda: NOW_S, **options)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop(20)


def online(stream: str) -> Callable[[float], Sequence[Event]]:
    return lambda now_s: [stream_event(stream, "online", time_s=now_s)]


def logged(store: Store) -> list[str]:
    return [stream_of(event) or "" for event in store.read(0, 1000).events]


def test_events_are_logged_in_the_order_of_their_work(disk: FullDisk) -> None:
    """After a flush all that was put before is in the log, in its order, with the time of its emission."""
    with recording(disk) as recorder:
        names = [f"s{i}" for i in range(50)]
        for name in names:
            assert recorder.put(online(name))
        assert recorder.flush(20)
        assert logged(disk) == names
        assert disk.read(0, 1).events[0].time == "2023-11-14T22:13:20.000Z"


def test_a_full_disk_delays_events_and_loses_none(
    disk: FullDisk, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """While the log cannot be written the reason can be read; afterwards everything is there; it is logged once."""
    disk.full = True
    with caplog.at_level(logging.INFO), recording(disk) as recorder:
        for name in ("a", "b", "c"):
            recorder.put(online(name))
        until(lambda: disk.tries >= 2)
        assert recorder.problem is not None and "make room" in recorder.problem
        assert not recorder.flush(0.05)
        disk.full = False
        assert recorder.flush(20)
        assert logged(disk) == ["a", "b", "c"] and recorder.problem is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_who_puts_more_than_fits_waits(disk: FullDisk, until: Until) -> None:
    """The queue is bounded: with a disk that is full, work waits outside, and gets in when there is room."""
    disk.full = True
    with recording(disk, capacity=2) as recorder:
        recorder.put(online("first"))
        until(lambda: disk.tries >= 1)
        put: list[str] = []

        def put_all() -> None:
            for name in ("b", "c", "d", "e"):
                recorder.put(online(name))
                put.append(name)

        thread = threading.Thread(target=put_all)
        thread.start()
        until(lambda: len(put) == 2)
        disk.full = False
        thread.join(20)
        assert recorder.flush(20) and logged(disk) == ["first", "b", "c", "d", "e"]


def test_a_mistake_in_one_piece_of_work_is_logged_and_passed_over(
    disk: FullDisk, caplog: pytest.LogCaptureFixture
) -> None:
    """Work that fails loses its own events only."""

    def fail(now_s: float) -> Sequence[Event]:
        raise ValueError("a moment that is ended cannot see running")

    with recording(disk) as recorder:
        recorder.put(online("a"))
        recorder.put(fail)
        recorder.put(online("b"))
        assert recorder.flush(20)
    assert logged(disk) == ["a", "b"]
    assert "by a mistake" in caplog.text


def test_stopping_writes_what_waits(disk: FullDisk) -> None:
    """All that was put is in the log when it has stopped, and nothing is taken afterwards."""
    with recording(disk) as recorder:
        for i in range(20):
            recorder.put(online(f"s{i}"))
        assert recorder.stop(20)
        assert len(logged(disk)) == 20
        assert not recorder.put(online("late")) and not recorder.flush(1)
        assert recorder.problem is not None


def test_stopping_does_not_wait_for_ever_for_the_disk(disk: FullDisk, until: Until) -> None:
    """A disk that stays full is given up, with a line in the program's log."""
    disk.full = True
    with recording(disk) as recorder:
        recorder.put(online("a"))
        until(lambda: disk.tries >= 1)
        recorder.stop(0.05)
        assert not recorder.put(online("b"))
    assert logged(disk) == []


def test_nobody_waits_for_room_longer_than_they_want(disk: FullDisk, until: Until) -> None:
    """With a full queue before a full disk, a put and a flush come back when their time is up."""
    disk.full = True
    with recording(disk, capacity=1) as recorder:
        recorder.put(online("written"))
        until(lambda: disk.tries >= 1)
        recorder.put(online("waiting"))
        assert not recorder.put(online("too much"), timeout_s=0.05)
        assert not recorder.flush(0.05)
        disk.full = False
        assert recorder.flush(20)
    assert logged(disk) == ["written", "waiting"]


def test_nobody_waits_for_a_recorder_that_has_died(
    disk: FullDisk, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it can no longer take is refused at once, however full its queue is."""

    def break_down(events: Sequence[Event]) -> list[Event]:
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(disk, "append", break_down)
    with recording(disk, capacity=1) as recorder:
        recorder.put(online("a"))
        until(lambda: recorder.problem is not None)
        recorder.put(online("fills the queue"))
        assert not recorder.put(online("b"))
        assert not recorder.flush(60)
    assert "by a mistake" in caplog.text
