"""The time, so that tests can put their own in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clocks:
    """The machine's time."""

    wall_time_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
