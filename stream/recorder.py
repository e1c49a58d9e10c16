"""Writes events to the log, in one thread, before anybody hears of them.

Everything that makes events (what the engine found, a query that goes away, a stream that changes its state) is a piece
of work; pieces run one after the other in the order in which they were put, so that no event overtakes another. While
the log cannot be written, nothing is lost: the work waits, and so does whoever would put more.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from stream.events import Event, MomentEvent
from stream.metrics import Metrics
from stream.queues import BoundedQueue, Policy, QueueClosed
from stream.store import Store, StoreError

CAPACITY: Final = 1024
"""Pieces of work that may wait: a disk that is slow for a while is no reason to drop frames."""

Work = Callable[[float], Sequence[Event]]
"""Given the Unix time at which its events are emitted, makes them. Runs in the recorder's thread."""

_IDLE_S: Final = 1.0
_RETRY_S: Final = 0.5
_log = logging.getLogger(__name__)


class Recorder:
    """The writer of one log. All methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        capacity: int = CAPACITY,
        wall_time_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._wall_time_s = wall_time_s
        self._waiting: BoundedQueue[Work | threading.Event] = BoundedQueue(capacity, Policy.WAIT)
        self._give_up = threading.Event()
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why events cannot be written just now, in a sentence; None when they can."""
        if self._problem is None and self._thread.ident is not None and not self._thread.is_alive():
            return "The event log is no longer written; restart r2stream."
        return self._problem

    def start(self) -> None:
        self._thread.start()

    def put(self, work: Work, timeout_s: float = math.inf) -> bool:
        """Queue a piece of work; False when there was no room for `timeout_s`, or the recorder has stopped or died."""
        return self._put(work, time.monotonic() + timeout_s)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the events of all that was put before are in the log; says whether they were in time."""
        done, deadline_s = threading.Event(), time.monotonic() + timeout_s
        return self._put(done, deadline_s) and done.wait(max(0.0, deadline_s - time.monotonic()))

    def stop(self, timeout_s: float) -> bool:
        """Finish what was put and end; says whether that happened in time. Nothing is written after it."""
        self._waiting.close()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        self._give_up.set()
        self._thread.join(2 * _RETRY_S)
        return not self._thread.is_alive()

    def _put(self, item: Work | threading.Event, deadline_s: float) -> bool:
        try:
            while not self._waiting.put(item, min(_IDLE_S, max(0.0, deadline_s - time.monotonic()))):
                died = self._thread.ident is not None and not self._thread.is_alive()
                if died or self._give_up.is_set() or time.monotonic() >= deadline_s:
                    return False
        except QueueClosed:
            return False
        return True

    def _run(self) -> None:
        try:
            while True:
                items = self._waiting.get_all(_IDLE_S)
                now_s = self._wall_time_s()
                events = [event for item in items if callable(item) for event in self._make(item, now_s)]
                if events and not self._write(events):
                    return
                if not items:
                    self._retain()
                for item in items:
                    if isinstance(item, threading.Event):
                        item.set()
        except QueueClosed:
            return
        except Exception:
            _log.exception("events are no longer written, by a mistake; restart r2stream")

    def _make(self, work: Work, now_s: float) -> Sequence[Event]:
        try:
            return work(now_s)
        except Exception:
            _log.exception("events were lost by a mistake")
            return ()

    def _retain(self) -> None:
        try:
            self._store.retain()
        except StoreError as error:
            # Nothing is lost by it, and the next event that cannot be written says so loudly.
            _log.debug("old events cannot be removed: %s", error)

    def _write(self, events: Sequence[Event]) -> bool:
        """Log events, however long that takes; False when the recorder was told to give up."""
        while True:
            try:
                self._store.append(events)
            except StoreError as error:
                if self._problem is None:
                    _log.error("events wait to be logged: %s", error)
                self._problem = str(error)
            else:
                break
            if self._give_up.wait(_RETRY_S):
                _log.error("%d events could not be logged before the service stopped", len(events))
                return False
        if self._problem is not None:
            _log.info("events are logged again")
            self._problem = None
        self._count(events)
        return True

    def _count(self, events: Sequence[Event]) -> None:
        for event in events:
            kind = event.type.rpartition(".")[2]
            if not isinstance(event, MomentEvent) or kind == "updated":
                continue
            self._metrics.moments.labels(event.data.stream, event.data.query, kind).inc()
            if kind == "started" and event.data.onset_to_alert_s is not None:
                stage = self._metrics.event_latency_seconds.labels("onset_to_alert")
                stage.observe(event.data.onset_to_alert_s)
