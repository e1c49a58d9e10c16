"""The machine's clock as sources use it, so that tests can put their own in its place."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class HostClock(Protocol):
    """Everything a source asks about real time."""

    def now_s(self) -> float:
        """Unix seconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an arbitrary zero."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits `seconds`, or until `stop` is set; says whether it is."""
        ...


class SystemClock:
    """The real clock."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.wait(max(seconds, 0.0))
