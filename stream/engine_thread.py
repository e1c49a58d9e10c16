"""The one thread that owns the device: takes what is due of all streams, runs the engine on it, hands results on.

Frames wait in one bounded queue for each stream; when the engine falls behind, the oldest frame makes room for the
newest and is counted. Commands run between two ticks, in the order in which they were given.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from stream.engine import EncodedFrame, Engine
from stream.errors import EngineBusyError
from stream.metrics import Metrics
from stream.types import Frame, Gap, Observation

FRAMES_PER_STREAM: Final = 8
"""Frames of one stream that may wait for the engine."""

BATCH_WAIT_S: Final = 0.02
"""How long a frame may wait for frames of other streams to share its batch."""

COMMAND_TIMEOUT_S: Final = 30.0
"""The first sentence may have to wait for a slow tick and for CLIP."""

CHANGE_WAIT_S: Final = 5.0
"""Who changes something waits so long for it to be done; a busy engine does it later."""

_IDLE_S: Final = 1.0
_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Item = Frame | Gap
Result = Observation | Gap


class Intake:
    """What waits for the engine. Not thread-safe.

    Bounded: of each stream, `frames_per_stream` frames and the gaps between them, of which neighbours become one.
    """

    def __init__(self, frames_per_stream: int) -> None:
        self.frames_per_stream = frames_per_stream
        self._waiting: dict[str, deque[Item]] = {}

    def open(self, stream: str) -> None:
        self._waiting.setdefault(stream, deque())

    def close(self, stream: str) -> None:
        """Forget a stream and what waits of it."""
        self._waiting.pop(stream, None)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def knows(self, stream: str) -> bool:
        return stream in self._waiting

    def is_full(self, stream: str) -> bool:
        waiting = self._waiting.get(stream, ())
        return sum(isinstance(item, Frame) for item in waiting) >= self.frames_per_stream

    def put(self, item: Item) -> int:
        """Queue an item of a known stream; returns how many frames were dropped for it. A gap is never dropped."""
        waiting = self._waiting[item.stream]
        dropped = 0
        if isinstance(item, Frame):
            while self.is_full(item.stream):
                # Before the oldest frame there is a gap at most, and behind it perhaps another.
                gap = waiting.popleft() if isinstance(waiting[0], Gap) else None
                waiting.popleft()
                dropped += 1
                if gap is not None and not (waiting and isinstance(waiting[0], Gap)):
                    waiting.appendleft(gap)
        elif waiting and isinstance(waiting[-1], Gap):
            waiting.pop()
        waiting.append(item)
        return dropped

    def take_all(self) -> list[Item]:
        """Everything that waits, each stream's in its order."""
        items = [item for waiting in self._waiting.values() for item in waiting]
        for waiting in self._waiting.values():
            waiting.clear()
        return items

    @property
    def everyone_is_here(self) -> bool:
        """Whether every stream has something waiting, so that nobody need be waited for."""
        return all(self._waiting.values())


@dataclass(frozen=True)
class Outlets:
    """Where results go. Both are called in the engine's thread, and nothing else runs until they return."""

    results: Callable[[Sequence[Result]], None]
    fault: Callable[[str, str | None], None]
    """A stream's frames cannot be processed, with the reason; None when they can be again."""


@dataclass
class _Command:
    run: Callable[[Engine], Any]
    future: Future[Any] = field(default_factory=Future)


class EngineThread:
    """Runs an engine. All methods may be called from any thread."""

    def __init__(
        self,
        engine: Engine,
        outlets: Outlets,
        metrics: Metrics,
        *,
        frames_per_stream: int = FRAMES_PER_STREAM,
        batch_wait_s: float = BATCH_WAIT_S,
        wall_time_s: Callable[[], float] = time.time,
    ) -> None:
        self.frame_interval_s = engine.frame_interval_s
        self._engine = engine
        self._outlets = outlets
        self._metrics = metrics
        self._batch_wait_s = batch_wait_s
        self._wall_time_s = wall_time_s
        self._intake = Intake(frames_per_stream)
        self._commands: deque[_Command] = deque()
        self._faults: dict[str, str] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether ticks happen."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what waits, then end; says whether that happened in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def submit(self, item: Item, *, wait_s: float = 0.0) -> int:
        """Queue a frame or gap. A stream whose queue is full waits up to `wait_s`, then loses its oldest frame.

        Items of streams that the engine does not have are counted as dropped.

        Returns:
            How many frames were lost because the engine is busy.
        """
        with self._changed:
            if wait_s > 0:
                self._changed.wait_for(lambda: self._stopping or not self._intake.is_full(item.stream), wait_s)
            if self._stopping or not self._intake.knows(item.stream):
                if isinstance(item, Frame):
                    self._metrics.frames.labels(item.stream, "dropped_not_watched").inc()
                return 0
            dropped = self._intake.put(item)
            self._changed.notify_all()
        if dropped:
            self._metrics.frames.labels(item.stream, "dropped_engine_busy").inc(dropped)
        return dropped

    def add_stream(self, stream: str) -> None:
        """Begin to take frames of a stream. Raises EngineBusyError when the engine has stopped."""

        def add(engine: Engine) -> None:
            engine.add_stream(stream)
            with self._changed:
                self._intake.open(stream)

        self.do(add)

    def remove_stream(self, stream: str, then: Callable[[], None]) -> None:
        """Take no more frames of a stream; `then` runs in the engine's thread, after its last result."""

        def remove(engine: Engine) -> None:
            with self._changed:
                self._intake.close(stream)
            if stream in engine.streams:
                engine.remove_stream(stream)
            self._faults.pop(stream, None)
            then()

        self.do(remove)

    def do(self, command: Callable[[Engine], None], timeout_s: float = CHANGE_WAIT_S) -> bool:
        """Have the engine's thread do something in its turn; says whether that was in time, else it is done later.

        Raises what `command` raises in that time.

        Raises:
            EngineBusyError: the engine has stopped, and does nothing any more.
        """
        waiting = self._command(command)
        try:
            waiting.future.result(timeout_s)
        except TimeoutError:
            waiting.future.add_done_callback(_log_failure)
            return False
        return True

    def call(self, command: Callable[[Engine], _T], timeout_s: float = COMMAND_TIMEOUT_S) -> _T:
        """Run `command` in the engine's thread and return what it returns, or raise what it raises.

        Raises:
            EngineBusyError: the engine did not come to it in time, or has stopped.
        """
        waiting = self._command(command)
        try:
            result: _T = waiting.future.result(timeout_s)
        except TimeoutError:
            waiting.future.cancel()
            message = f"the engine did not answer within {timeout_s:g} s; try again, or watch fewer streams"
            raise EngineBusyError(message) from None
        return result

    def _command(self, command: Callable[[Engine], Any]) -> _Command:
        waiting = _Command(command)
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                raise EngineBusyError("the engine has stopped; restart r2stream")
            self._commands.append(waiting)
            self._changed.notify_all()
        return waiting

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(self._has_work, _IDLE_S)
                    self._gather()
                    commands, self._commands = list(self._commands), deque()
                    items = self._intake.take_all()
                    done = self._stopping and not items and not commands
                    self._changed.notify_all()
                if done:
                    return
                self._tick(items)
                for command in commands:
                    self._obey(command)
        except Exception:
            _log.exception("the engine has stopped by a mistake; restart r2stream")
        finally:
            with self._changed:
                self._stopping = True
                left, self._commands = list(self._commands), deque()
            for command in left:
                if command.future.set_running_or_notify_cancel():
                    command.future.set_exception(EngineBusyError("the engine has stopped; restart r2stream"))

    def _has_work(self) -> bool:
        return self._stopping or bool(self._commands) or len(self._intake) > 0

    def _gather(self) -> None:
        """Give frames of other streams a moment to arrive."""
        if len(self._intake) and not self._commands:
            self._changed.wait_for(
                lambda: self._stopping or bool(self._commands) or self._intake.everyone_is_here, self._batch_wait_s
            )

    def _obey(self, command: _Command) -> None:
        if not command.future.set_running_or_notify_cancel():
            return
        try:
            result = command.run(self._engine)
        except Exception as error:
            command.future.set_exception(error)
        else:
            command.future.set_result(result)
        self._metrics.window_bytes.labels(self._engine.device).set(self._engine.window_bytes)

    def _tick(self, items: Sequence[Item]) -> None:
        if not items:
            return
        encoded = self._encode(items)
        try:
            began_s = time.perf_counter()
            results = self._engine.advance(encoded)
            self._metrics.ground_seconds.observe(time.perf_counter() - began_s)
        except Exception as error:
            # Windows may have moved on in part: they start anew.
            self._outlets.results(self._give_up(encoded, error))
            return
        self._metrics.window_bytes.labels(self._engine.device).set(self._engine.window_bytes)
        self._measure_age(encoded)
        for stream in {item.stream for item in encoded if isinstance(item, EncodedFrame)}:
            self._recover(stream)
        if results:
            self._outlets.results(results)

    def _encode(self, items: Sequence[Item]) -> list[EncodedFrame | Gap]:
        """All streams in one batch; if that fails, one after the other, so that only the guilty one suffers."""
        frames = len({id(item.image) for item in items if isinstance(item, Frame)})
        began_s = time.perf_counter()
        try:
            encoded = self._engine.encode(items)
        except Exception as error:
            streams = {item.stream: None for item in items}
            if len(streams) == 1:
                return list(self._give_up(items, error))
            return [
                done for stream in streams for done in self._encode([item for item in items if item.stream == stream])
            ]
        if frames:
            self._metrics.encode_seconds.observe(time.perf_counter() - began_s)
            self._metrics.encode_batch_size.observe(frames)
        return encoded

    def _give_up(self, items: Sequence[Item | EncodedFrame], error: Exception) -> list[Gap]:
        """These items cannot be processed: their streams start with an empty window, and say so."""
        gaps = []
        for stream, epoch in {item.stream: item.epoch for item in items}.items():
            lost = sum(item.stream == stream and not isinstance(item, Gap) for item in items)
            self._metrics.frames.labels(stream, "dropped_engine_error").inc(lost)
            self._engine.clear(stream)
            gaps.append(Gap(stream, epoch, "engine_error"))
            if stream not in self._faults:
                _log.error("%s: the engine cannot process its frames", stream, exc_info=error)
                self._faults[stream] = f"The engine fails on this stream ({type(error).__name__}); see the log."
                self._outlets.fault(stream, self._faults[stream])
        return gaps

    def _recover(self, stream: str) -> None:
        if self._faults.pop(stream, None) is not None:
            _log.info("%s: the engine processes its frames again", stream)
            self._outlets.fault(stream, None)

    def _measure_age(self, encoded: Sequence[EncodedFrame | Gap]) -> None:
        now_s = self._wall_time_s()
        stage = self._metrics.event_latency_seconds.labels("frame_to_score")
        for item in encoded:
            if isinstance(item, EncodedFrame) and item.clock != "file":
                stage.observe(max(0.0, now_s - item.wall_time_s))


def _log_failure(future: Future[Any]) -> None:
    """For a change that nobody waits for any more."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        _log.error("a change could not be made", exc_info=error)
