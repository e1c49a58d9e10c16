"""The thread that drains a source: it ends when asked, and never dies in silence."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from stream.sources import Source, SourceSpec, SourceState, SourceThread, Surroundings
from stream.types import Picture
from tests.stream.sources.conftest import FakeClock


class Ticking(Source):
    """Pictures without end; `trouble` is raised after the third."""

    trouble: Exception | None = None

    def pictures(self) -> Iterator[Picture]:
        self._enter("online")
        for i in range(1_000_000_000):
            if self._stop.is_set():
                return
            if i == 3 and self.trouble:
                raise self.trouble
            yield Picture(i / 25, 0.0, "arrival", 0, lambda: np.zeros((2, 2, 3), np.uint8))


def ticking(states: list[SourceState]) -> Ticking:
    return Ticking(SourceSpec.parse("rtsp://u:secret@cam/1"), Surroundings(on_state=states.append))


def test_stop_ends_the_thread() -> None:
    """`stop` returns True once the thread is gone; no state is reported after it."""
    states: list[SourceState] = []
    taken = threading.Event()
    thread = SourceThread("cam", ticking(states), lambda picture: taken.set())
    thread.start()
    assert taken.wait(5)
    assert thread.stop(5.0)
    assert [state.name for state in states] == ["online"]


def test_stop_tells_when_the_thread_still_hangs() -> None:
    """A thread that does not end in time is reported, not waited for."""
    release = threading.Event()

    def hang(picture: Picture) -> None:
        release.wait(5)

    thread = SourceThread("cam", ticking([]), hang)
    thread.start()
    assert not thread.stop(0.0)
    release.set()
    assert thread.stop(5.0)


def test_stop_before_start_is_harmless() -> None:
    """A source that never ran is stopped at once."""
    assert SourceThread("cam", ticking([]), lambda picture: None).stop()


def test_a_mistake_in_the_thread_becomes_a_state(caplog: pytest.LogCaptureFixture) -> None:
    """When the source itself breaks, its stream says `failed` with a reason that holds no secret."""
    states: list[SourceState] = []
    source = ticking(states)
    source.trouble = RuntimeError("lost rtsp://u:secret@cam/1")
    thread = SourceThread("cam", source, lambda picture: None)
    thread.start()
    thread._thread.join(5)
    assert (states[-1].name, states[-1].cause) == ("failed", "internal")
    assert "RuntimeError" in states[-1].reason and "secret" not in states[-1].reason
    assert "ended by a mistake" in caplog.text and "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_states_are_reported_on_change_only(fake_clock: FakeClock) -> None:
    """The same state again is no news; another reason for it is, but it lasts since it began."""
    states: list[SourceState] = []
    source = Ticking(SourceSpec.parse("rtsp://cam/1"), Surroundings(on_state=states.append, clock=fake_clock))
    source._enter("offline", "unreachable", "refused")
    fake_clock.elapsed_s = 5.0
    source._enter("offline", "unreachable", "refused")
    source._enter("offline", "not_found", "no such path")
    source._enter("online")
    began_s = states[0].since_s
    assert [(state.name, state.cause, state.since_s - began_s) for state in states] == [
        ("offline", "unreachable", 0.0),
        ("offline", "not_found", 0.0),
        ("online", "none", 5.0),
    ]
