"""Whether the engine keeps up with a stream, in a sentence: a stream that loses most of its frames finds nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

PERIOD_S: Final = 10.0
TOO_MUCH: Final = 0.2
"""A share of lost frames up to this is a hiccup."""
_FEW_FRAMES: Final = 5


class Strain:
    """Counts a stream's frames and how many of them were lost, over the last one to two periods. Thread-safe."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._began_s = monotonic_s()
        self._now = self._before = (0, 0)

    def note(self, lost: int) -> None:
        """Another frame came, and `lost` frames had to make room for it."""
        with self._lock:
            self._turn()
            self._now = (self._now[0] + 1, self._now[1] + lost)

    def reason(self) -> str | None:
        """What is wrong and what to do; None while the engine keeps up."""
        with self._lock:
            self._turn()
            frames, lost = (a + b for a, b in zip(self._before, self._now, strict=True))
        if frames < _FEW_FRAMES or lost <= TOO_MUCH * frames:
            return None
        share = f"{min(1.0, lost / frames):.0%} of the newest frames were dropped"
        return f"The engine cannot keep up: {share}. Watch fewer streams or sentences, or give it a faster device."

    def _turn(self) -> None:
        elapsed_s = self._monotonic_s() - self._began_s
        if elapsed_s >= PERIOD_S:
            self._before = self._now if elapsed_s < 2 * PERIOD_S else (0, 0)
            self._now, self._began_s = (0, 0), self._monotonic_s()
