"""A clock that tests move, and a source's consumer that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from stream.sources import Source, SourceState, SourceThread
from stream.types import Picture


class FakeClock:
    """Time passes only while somebody waits."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.waits_s: list[float] = []

    def now_s(self) -> float:
        return 1_700_000_000.0 + self.elapsed_s

    def monotonic_s(self) -> float:
        return 1000.0 + self.elapsed_s

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits_s.append(seconds)
        self.elapsed_s += max(seconds, 0.0)
        return stop.is_set()


class Watcher:
    """Runs a source in its thread and remembers what it hands over; every wait for it has an end."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.states: list[SourceState] = []
        self._changed = threading.Condition()
        self._thread: SourceThread | None = None

    def on_state(self, state: SourceState) -> None:
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def on_picture(self, picture: Picture) -> None:
        with self._changed:
            self.pictures.append(picture)
            self._changed.notify_all()

    def watch(self, source: Source) -> SourceThread:
        self._thread = SourceThread("test", source, self.on_picture)
        self._thread.start()
        return self._thread

    def wait_for(self, seen: Callable[[Watcher], bool], timeout_s: float = 20.0) -> float:
        """Waits until `seen`; returns how long it took, in seconds."""
        began_s = time.monotonic()
        with self._changed:
            assert self._changed.wait_for(lambda: seen(self), timeout_s), f"not seen; states: {self.states}"
        return time.monotonic() - began_s

    def wait_for_state(self, name: str, timeout_s: float = 20.0) -> float:
        return self.wait_for(lambda watcher: bool(watcher.states) and watcher.states[-1].name == name, timeout_s)

    def stop(self) -> None:
        if self._thread is not None:
            assert self._thread.stop(), "the source's thread did not end in time"


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """Stops its source after the test."""
    watcher = Watcher()
    yield watcher
    watcher.stop()
