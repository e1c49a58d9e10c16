"""The engine's thread: batches, bounded queues, commands, mistakes and its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest

from r2model import R2Model
from stream.engine import EncodedFrame, Engine
from stream.engine_thread import EngineThread, Intake, Outlets, Result
from stream.errors import EngineBusyError
from stream.metrics import Metrics
from stream.types import Frame, Gap, Observation
from tests.models import frames, random_model

GOAL = "a ball enters the goal"
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def model() -> R2Model:
    return random_model()


class HeldEngine(Engine):
    """A real engine that can be held up before it encodes, and made to fail."""

    def __init__(self, model: R2Model) -> None:
        super().__init__(model)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.waits = threading.Event()
        self.batches: list[list[str]] = []
        self.fails_to_ground = False

    def encode(self, items: Sequence[Frame | Gap]) -> list[EncodedFrame | Gap]:
        self.waits.set()
        assert self.may_go_on.wait(20)
        self.batches.append([item.stream for item in items if isinstance(item, Frame)])
        return super().encode(items)

    def advance(self, items: Sequence[EncodedFrame | Gap]) -> list[Observation | Gap]:
        if self.fails_to_ground:
            raise RuntimeError("the device is gone")
        return super().advance(items)


class Bench:
    """A running engine thread, and what comes out of it."""

    def __init__(self, model: R2Model, **options: Any) -> None:
        self.engine = HeldEngine(model)
        self.metrics = Metrics()
        self.results: list[Result] = []
        self.faults: list[tuple[str, str | None]] = []
        outlets = Outlets(self.results.extend, lambda stream, reason: self.faults.append((stream, reason)))
        self.thread = EngineThread(self.engine, outlets, self.metrics, **options)

    def watch(self, *streams: str) -> None:
        for stream in streams:
            self.thread.add_stream(stream)
            self.thread.call(partial(_ask, stream))

    def hold(self) -> None:
        """The next batch waits, as on a slow machine, until `go_on`."""
        self.engine.waits.clear()
        self.engine.may_go_on.clear()

    def go_on(self) -> None:
        self.engine.may_go_on.set()

    def submit(self, *items: Frame | Gap) -> None:
        for item in items:
            self.thread.submit(item)

    def seen_at(self, stream: str) -> list[float]:
        """Times of the observations of a stream."""
        return [seen.now_s for seen in self.results if isinstance(seen, Observation) and seen.stream == stream]

    def gaps(self) -> list[tuple[str, str]]:
        return [(gap.stream, gap.reason) for gap in self.results if isinstance(gap, Gap)]

    def dropped(self, stream: str, cause: str) -> float:
        value = self.metrics.registry.get_sample_value(
            "r2stream_frames_total", {"stream": stream, "result": f"dropped_{cause}"}
        )
        return value or 0.0


def _ask(stream: str, engine: Engine) -> None:
    engine.set_queries(stream, {"goal": GOAL})


@contextmanager
def running(model: R2Model, **options: Any) -> Iterator[Bench]:
    bench = Bench(model, **options)
    bench.thread.start()
    try:
        yield bench
    finally:
        bench.go_on()
        assert bench.thread.stop(20)


@pytest.fixture
def bench(model: R2Model) -> Iterator[Bench]:
    with running(model) as made:
        yield made


def bad_frame(stream: str, index: int) -> Frame:
    """A frame whose picture is none, as a broken converter might make it."""
    return Frame(**{**vars(frames(stream, [index])[0]), "image": np.zeros((4, 4), np.uint8)})


def test_a_full_queue_makes_room_for_the_newest_frame() -> None:
    """The oldest frame goes and is counted; order and gaps stay."""
    intake = Intake(3)
    intake.open("pitch")
    given = frames("pitch", range(5))
    assert [intake.put(frame) for frame in given] == [0, 0, 0, 1, 1]
    assert intake.take_all() == given[2:]


def test_a_gap_is_never_dropped_and_neighbours_become_one() -> None:
    """However long the engine is away, the break of the time axis stays known, and the queue bounded."""
    intake = Intake(2)
    intake.open("pitch")
    for epoch in range(50):
        intake.put(Gap("pitch", epoch, "new_connection"))
        intake.put(frames("pitch", [0], epoch=epoch)[0])
    waiting = intake.take_all()
    assert [(type(item).__name__, item.epoch) for item in waiting] == [
        ("Gap", 48),
        ("Frame", 48),
        ("Gap", 49),
        ("Frame", 49),
    ]


def test_frames_become_observations(bench: Bench, until: Until) -> None:
    """Each frame of a watched stream is answered, and measured."""
    bench.watch("pitch")
    bench.submit(*frames("pitch", range(4)))
    until(lambda: bench.seen_at("pitch") == [0.5, 1.0, 1.5, 2.0])
    text = bench.metrics.render().decode()
    for name in ("encode_batch_size_sum 4.0", "window_bytes{device="):
        assert f"r2stream_{name}" in text


def test_streams_share_a_batch(model: R2Model, until: Until) -> None:
    """Frames of several streams that arrive together are encoded together."""
    with running(model, batch_wait_s=5.0) as bench:
        bench.watch("pitch", "road")
        bench.submit(*frames("pitch", [0]), *frames("road", [0]))
        until(lambda: len(bench.results) == 2)
        assert sorted(bench.engine.batches[-1]) == ["pitch", "road"]


def test_nobody_waits_long_for_a_silent_stream(bench: Bench, until: Until) -> None:
    """A stream whose neighbour sends nothing is answered all the same."""
    bench.watch("pitch", "silent")
    bench.submit(*frames("pitch", [0]))
    until(lambda: len(bench.results) == 1)


def test_a_slow_engine_drops_the_oldest_frames_and_counts_them(model: R2Model, until: Until) -> None:
    """While the engine is away, each stream keeps its newest frames only; the break this makes is told."""
    with running(model, frames_per_stream=4) as bench:
        bench.watch("pitch", "road")
        bench.hold()
        bench.submit(*frames("pitch", [0]))
        assert bench.engine.waits.wait(20)
        bench.submit(*frames("pitch", range(1, 31)), *frames("road", range(2)))
        bench.go_on()
        until(lambda: len(bench.seen_at("pitch")) == 5 and len(bench.seen_at("road")) == 2)
        assert bench.dropped("pitch", "engine_busy") == 26
        assert bench.dropped("road", "engine_busy") == 0
        assert bench.gaps() == [("pitch", "frames_missing")]


def test_a_recording_waits_for_the_engine_instead(model: R2Model, until: Until) -> None:
    """Whoever may wait loses nothing."""
    with running(model, frames_per_stream=2) as bench:
        bench.watch("pitch")
        for frame in frames("pitch", range(12)):
            bench.thread.submit(frame, wait_s=20)
        until(lambda: len(bench.seen_at("pitch")) == 12)
        assert bench.dropped("pitch", "engine_busy") == 0


def test_frames_of_unknown_streams_are_counted(bench: Bench) -> None:
    """A frame that comes after its stream was removed is dropped with its cause."""
    bench.submit(*frames("nobody", range(3)))
    assert bench.dropped("nobody", "not_watched") == 3


def test_a_broken_picture_harms_its_own_stream_only(
    bench: Bench, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream that cannot be encoded says so once and recovers; its neighbour in the same batch is answered."""
    bench.watch("pitch", "road")
    bench.hold()
    bench.submit(*frames("road", [0]))
    assert bench.engine.waits.wait(20)
    with caplog.at_level(logging.INFO):
        bench.submit(bad_frame("pitch", 0), *frames("road", [1]))
        bench.go_on()
        until(lambda: bench.seen_at("road") == [0.5, 1.0] and bench.gaps() == [("pitch", "engine_error")])
        bench.submit(bad_frame("pitch", 1))
        until(lambda: bench.dropped("pitch", "engine_error") == 2)
        bench.submit(*frames("pitch", [2]))
        until(lambda: bench.seen_at("pitch") == [1.5])
    assert [stream for stream, _ in bench.faults] == ["pitch", "pitch"]
    assert bench.faults[0][1] is not None and bench.faults[1][1] is None
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_a_tick_that_fails_is_not_the_end(bench: Bench, until: Until) -> None:
    """When grounding fails, all streams of the tick start anew and the thread goes on."""
    bench.watch("pitch")
    bench.engine.fails_to_ground = True
    bench.submit(*frames("pitch", range(2)))
    until(lambda: ("pitch", "engine_error") in bench.gaps() and bench.dropped("pitch", "engine_error") == 2)
    bench.engine.fails_to_ground = False
    bench.submit(*frames("pitch", [2]))
    until(lambda: len(bench.seen_at("pitch")) == 1)
    assert bench.thread.alive


def test_commands_run_in_order_with_frames(bench: Bench, until: Until) -> None:
    """A stream that is removed gives nothing after its last word."""
    bench.watch("pitch")
    bench.submit(*frames("pitch", range(3)))
    seen_then: list[int] = []
    bench.thread.remove_stream("pitch", lambda: seen_then.append(len(bench.results)))
    bench.submit(*frames("pitch", [3]))
    bench.thread.call(lambda engine: None)
    assert seen_then == [3] and len(bench.results) == 3


def test_a_command_hands_back_its_result_and_its_error(bench: Bench) -> None:
    """What the command returns or raises reaches the caller."""

    def fail(engine: Engine) -> None:
        raise KeyError("pitch")

    assert bench.thread.call(lambda engine: engine.window_frames) == 12
    with pytest.raises(KeyError):
        bench.thread.call(fail)


def test_a_command_does_not_wait_for_ever(bench: Bench) -> None:
    """A held-up engine is an error that says so; a command given up is not run later."""
    bench.watch("pitch")
    bench.hold()
    bench.submit(*frames("pitch", [0]))
    assert bench.engine.waits.wait(20)
    ran: list[bool] = []
    with pytest.raises(EngineBusyError, match="did not answer"):
        bench.thread.call(lambda engine: ran.append(True), timeout_s=0.05)
    bench.go_on()
    bench.thread.call(lambda engine: None)
    assert not ran


def test_a_change_that_was_not_in_time_is_made_later(bench: Bench) -> None:
    """Whoever adds a stream to a busy engine need not come back: it is done in its turn."""
    bench.watch("pitch")
    bench.hold()
    bench.submit(*frames("pitch", [0]))
    assert bench.engine.waits.wait(20)
    done: list[str] = []
    assert not bench.thread.do(lambda engine: done.append("late"), timeout_s=0.05)
    bench.go_on()
    assert bench.thread.do(lambda engine: done.append("in time"), timeout_s=20)
    assert done == ["late", "in time"]


def test_a_late_change_that_fails_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it any more, and it must not vanish in silence."""

    def fail(engine: Engine) -> None:
        raise KeyError("pitch")

    bench.watch("pitch")
    bench.hold()
    bench.submit(*frames("pitch", [0]))
    assert bench.engine.waits.wait(20)
    assert not bench.thread.do(fail, timeout_s=0.05)
    bench.go_on()
    bench.thread.call(lambda engine: None)
    assert "a change could not be made" in caplog.text
    with pytest.raises(KeyError):
        bench.thread.do(fail)


def test_stopping_finishes_what_waits(model: R2Model) -> None:
    """Frames that were taken are answered before the thread ends; afterwards commands are refused."""
    bench = Bench(model)
    bench.thread.start()
    bench.watch("pitch")
    bench.submit(*frames("pitch", range(6)))
    assert bench.thread.stop(20)
    assert len(bench.seen_at("pitch")) == 6 and not bench.thread.alive
    with pytest.raises(EngineBusyError, match="has stopped"):
        bench.thread.call(lambda engine: None)


def test_stopping_does_not_wait_for_a_hung_device(model: R2Model) -> None:
    """A device that hangs is reported, not waited for."""
    bench = Bench(model)
    bench.thread.start()
    bench.watch("pitch")
    bench.hold()
    bench.submit(*frames("pitch", [0]))
    assert bench.engine.waits.wait(20)
    assert not bench.thread.stop(0.05)
    bench.go_on()
    assert bench.thread.stop(20)
