"""Backtests beside live streams: over a copy of the window that a stream holds, one frame at a time, in the engine's
thread. Between two frames the live streams have their turn; their windows and queries take no part in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from stream.backtest import Backtest, BacktestReport
from stream.engine import Engine, HeldWindow
from stream.engine_thread import EngineThread
from stream.errors import BacktestBusyError, ConflictError, EngineBusyError
from stream.metrics import Metrics
from stream.query import Query
from stream.types import Observation

LIMIT_S: Final = 45.0
"""A backtest that takes longer is given up: the engine has no time to spare."""


class Backtester:
    """Runs one backtest at a time, and refuses a second rather than letting it wait: each holds a copy of a window."""

    def __init__(
        self,
        engine: EngineThread,
        metrics: Metrics,
        check_text: Callable[[Query], None],
        *,
        model: str,
        limit_s: float = LIMIT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check_text` raises ConfigError for a sentence that the model cannot read; `model` is named in reports."""
        self._engine = engine
        self._metrics = metrics
        self._check_text = check_text
        self._model = model
        self._limit_s = limit_s
        self._monotonic_s = monotonic_s
        self._busy = threading.Lock()

    def run(self, stream: str, queries: Sequence[Query]) -> BacktestReport:
        """What these would have told of the window that `stream` holds now, had watching begun with its oldest frame.

        Raises:
            BacktestBusyError: another backtest runs.
            ConfigError: a sentence cannot be watched for.
            ConflictError: the stream holds nothing (`no_window`).
            EngineBusyError: the engine has no time for it, or has stopped.
        """
        if not self._busy.acquire(blocking=False):
            self._metrics.backtests.labels("refused").inc()
            raise BacktestBusyError("another backtest is running; they run one at a time: try again in a moment")
        try:
            report = self._run(stream, queries)
        except BaseException:
            self._metrics.backtests.labels("failed").inc()
            raise
        finally:
            self._busy.release()
        self._metrics.backtests.labels("done").inc()
        return report

    def _run(self, stream: str, queries: Sequence[Query]) -> BacktestReport:
        deadline_s = self._monotonic_s() + self._limit_s
        backtest = Backtest(stream, queries, self._engine.frame_interval_s, model=self._model)
        for query in queries:
            self._check_text(query)
        held = self._engine.call(lambda engine: engine.copy_window(stream))
        if held is None:
            message = f"the stream '{stream}' holds no pictures now; try again once it has been online for a while"
            raise ConflictError(message, code="no_window")
        while held.looked < held.frames:
            left_s = deadline_s - self._monotonic_s()
            if left_s <= 0:
                message = f"the backtest was not done within {self._limit_s:g} s; test fewer wordings at a time"
                raise EngineBusyError(message)
            backtest.feed(self._engine.call(_look(held, backtest.texts), left_s))
        return backtest.report()


def _look(held: HeldWindow, texts: dict[str, str]) -> Callable[[Engine], list[Observation]]:
    return lambda engine: engine.look_back(held, texts)
