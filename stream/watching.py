"""The running part of the service: one engine, one recorder, and a runner for each stream that is watched.

Changes take the way of the data: the engine's thread makes them between two ticks, and the recorder sees them in that
order, so that no event of a query or stream comes after its end. One thread makes changes at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from stream.backtest import BacktestReport
from stream.backtester import Backtester
from stream.clips.rings import Rings
from stream.engine import Engine, TextError
from stream.engine_thread import EngineThread, Outlets, Result
from stream.errors import ConfigError, EngineBusyError
from stream.events import Event, stream_event
from stream.lifecycle import EndReason
from stream.metrics import Metrics
from stream.query import Query
from stream.recorder import Recorder
from stream.runner import Machinery, StreamRunner
from stream.session import StreamSession
from stream.settings import StreamSettings
from stream.store import Store

FLUSH_S: Final = 2.0
"""How long a change waits for its events to be in the log before it goes on without."""

SOURCES_STOP_S: Final = 2.0
ENGINE_STOP_S: Final = 10.0
RECORDER_STOP_S: Final = 10.0
_log = logging.getLogger(__name__)


class Watching:
    """Everything that has a thread."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        metrics: Metrics,
        rings: Rings,
        wall_time_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = engine.name
        self._recorder = Recorder(store, metrics, wall_time_s=wall_time_s)
        outlets = Outlets(results=self._on_results, fault=self._on_fault)
        self._engine = EngineThread(engine, outlets, metrics, wall_time_s=wall_time_s)
        self._backtester = Backtester(self._engine, metrics, self.check_text, model=engine.name)
        self._machinery = Machinery(self._engine, self._recorder, metrics, rings, wall_time_s, monotonic_s)
        # Replaced as a whole on every change, so that readers in other threads need no lock.
        self._runners: Mapping[str, StreamRunner] = MappingProxyType({})

    @property
    def runners(self) -> Mapping[str, StreamRunner]:
        """The streams that are watched now, by name; a snapshot."""
        return self._runners

    @property
    def problems(self) -> tuple[str, ...]:
        """Why no events can be expected, in sentences; empty when they can."""
        stopped = () if self._engine.alive else ("The engine is not running; restart r2stream.",)
        return stopped if self._recorder.problem is None else (*stopped, self._recorder.problem)

    def start(self) -> None:
        self._recorder.start()
        self._engine.start()

    def stop(self) -> bool:
        """End everything in order: sources, engine, open moments, log. Says whether all ended in time.

        A source that hangs is left to its thread, which ends with the process.
        """
        runners = list(self._runners.values())
        for runner in runners:
            runner.close()
        deadline_s = time.monotonic() + SOURCES_STOP_S
        ended = [runner.join(max(0.0, deadline_s - time.monotonic())) for runner in runners]
        ended.append(self._engine.stop(ENGINE_STOP_S))
        deadline_s = time.monotonic() + RECORDER_STOP_S
        for runner in runners:
            # What cannot be said now is said at the next start, which ends what it finds open.
            ended.append(self._recorder.put(partial(_close, runner.session, "shutdown"), deadline_s - time.monotonic()))
        ended.append(self._recorder.stop(RECORDER_STOP_S))
        if not all(ended):
            _log.warning("not everything ended in time; the rest ends with the process")
        return all(ended)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all frames that came so far are looked at and what they say is logged; says whether in time."""
        deadline_s = time.monotonic() + timeout_s
        try:
            self._engine.call(lambda engine: None, timeout_s)
        except EngineBusyError:
            return False
        return self._recorder.flush(max(0.0, deadline_s - time.monotonic()))

    def check_text(self, query: Query) -> None:
        """Raises ConfigError when the model cannot read the sentence."""
        try:
            self._engine.call(lambda engine: engine.check_text(query.text))
        except TextError as error:
            path = f"queries.{query.name}.text"
            raise ConfigError(error.problem, path=path, code=error.code) from error

    def test(self, stream: str, queries: Sequence[Query]) -> BacktestReport:
        """What these would have told of the window that the stream holds now: see `Backtester.run`."""
        return self._backtester.run(stream, queries)

    def runner_for(self, stream: StreamSettings) -> StreamRunner:
        """A runner that does not run yet. Raises ConfigError for an address that cannot be a source."""
        before = self._runners.get(stream.name)
        first_epoch = 0 if before is None or before.epoch is None else before.epoch + 1
        session = StreamSession(stream.name, self._engine.frame_interval_s, model=self._model, namespace=uuid4().hex)
        return StreamRunner(stream, session, self._machinery, first_epoch)

    def watch(self, runner: StreamRunner, queries: Sequence[Query]) -> None:
        """Begin; returns at once, while the source connects."""
        self._runners = MappingProxyType({**self._runners, runner.name: runner})
        self._engine.add_stream(runner.name)
        self._apply_to(runner, queries)
        runner.start()

    def unwatch(self, stream: str, reason: EndReason) -> None:
        """End a stream's moments and forget it. Nothing happens when it is not watched."""
        runner = self._runners.get(stream)
        if runner is None:
            return
        runner.close()
        self._machinery.rings.retire(stream)
        self._engine.remove_stream(stream, lambda: self._end(runner, reason))
        self._runners = MappingProxyType({name: other for name, other in self._runners.items() if name != stream})
        self._recorder.flush(FLUSH_S)

    def apply(self, queries: Sequence[Query]) -> None:
        """Watch for exactly these, each on its streams; new ones are answered for what the windows hold."""
        for runner in self._runners.values():
            self._apply_to(runner, queries)
        self._recorder.flush(FLUSH_S)

    def _apply_to(self, runner: StreamRunner, queries: Sequence[Query]) -> None:
        """Bring the session's trackers and the engine's window of one stream up to date, in that order."""
        texts = {query.name: query.text for query in queries if query.watches(runner.name)}

        def apply(engine: Engine) -> None:
            self._recorder.put(lambda now_s: runner.session.set_queries(queries, time_s=now_s))
            found = engine.set_queries(runner.name, texts)
            if found:
                runner.feed(found)

        self._engine.do(apply)

    def _end(self, runner: StreamRunner, reason: EndReason) -> None:
        self._recorder.put(partial(_close, runner.session, reason))
        if reason == "stream_removed" and runner.source.state.name == "online":
            self._recorder.put(partial(_say_removed, runner.name))

    def _on_results(self, results: Sequence[Result]) -> None:
        by_stream = sorted(results, key=lambda result: result.stream)
        for stream, some in groupby(by_stream, key=lambda result: result.stream):
            runner = self._runners.get(stream)
            if runner is not None:
                runner.feed(list(some))

    def _on_fault(self, stream: str, reason: str | None) -> None:
        runner = self._runners.get(stream)
        if runner is not None:
            runner.set_fault(reason)


def _close(session: StreamSession, reason: EndReason, now_s: float) -> Sequence[Event]:
    return session.close(reason, time_s=now_s)


def _say_removed(stream: str, now_s: float) -> Sequence[Event]:
    return [stream_event(stream, "offline", time_s=now_s, cause="removed", reason="The stream is no longer watched.")]
