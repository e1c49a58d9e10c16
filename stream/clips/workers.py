"""A few threads that do what is put into their bounded queue, first come, first served."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

Task = Callable[[], None]


class Workers:
    """Threads with one queue. `offer` never waits; what does not fit is the caller's to keep."""

    def __init__(self, name: str, *, threads: int, capacity: int, niceness: int = 0) -> None:
        """`capacity` counts what waits, besides what is being done. Threads begin with the first task; where the system
        knows how (Linux), with a higher `niceness` they leave the processor to all others."""
        self._name = name
        self._threads = threads
        self._capacity = capacity
        self._niceness = niceness
        self._tasks: deque[Task] = deque()
        self._changed = threading.Condition()
        self._running: list[threading.Thread] = []
        self._idle = 0
        self._over = False

    @property
    def has_room(self) -> bool:
        """Whether `offer` would take a task now."""
        return not self._over and len(self._tasks) < self._capacity

    @property
    def waiting(self) -> int:
        """Tasks that are not begun."""
        return len(self._tasks)

    def offer(self, task: Task) -> bool:
        """Have a task done soon; False when too many wait, or after `stop`. An error in it is logged."""
        with self._changed:
            if not self.has_room:
                return False
            self._tasks.append(task)
            if len(self._tasks) > self._idle and len(self._running) < self._threads:
                number = len(self._running)
                thread = threading.Thread(target=self._run, name=f"{self._name}.{number}", daemon=True)
                self._running.append(thread)
                thread.start()
            self._changed.notify()
        return True

    def stop(self, timeout_s: float) -> bool:
        """Let what waits go, and wait for what is being done; says whether that ended in time."""
        with self._changed:
            self._over = True
            self._tasks.clear()
            self._changed.notify_all()
        until_s = time.monotonic() + timeout_s
        for thread in self._running:
            thread.join(max(0.0, until_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._running)

    def _run(self) -> None:
        if self._niceness and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:
                _log.exception("%s: a task ended by a mistake", self._name)

    def _next(self) -> Task | None:
        with self._changed:
            self._idle += 1
            while not self._tasks and not self._over:
                self._changed.wait()
            self._idle -= 1
            return self._tasks.popleft() if self._tasks else None
