"""The few values that travel between rooms. Everything here is plain data: no torch, no asyncio, no av.

Media time is seconds on the stream's own clock, per connection *epoch*; wall time is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Clock = Literal["rtcp", "arrival", "file"]
"""Where a wall time came from: RTCP sender reports, the moment of arrival, or a file's own timeline."""

Image = NDArray[np.uint8]
"""RGB, `[height, width, 3]`."""


@dataclass(frozen=True)
class Picture:
    """One decoded picture; converted to RGB only if the sampler takes it."""

    media_time_s: float
    wall_time_s: float
    clock: Clock
    epoch: int
    to_rgb: Callable[[], Image]


@dataclass(frozen=True)
class Frame:
    """One step of the time axis: the picture shown at `media_time_s = index * frame_interval_s` of its epoch."""

    stream: str
    epoch: int
    index: int
    media_time_s: float
    wall_time_s: float
    clock: Clock
    image: Image
    repeated: bool = False


@dataclass(frozen=True)
class Gap:
    """The time axis breaks here: the window starts anew and open moments end with `reason`."""

    stream: str
    epoch: int
    reason: str


@dataclass(frozen=True)
class Span:
    """A bare half-open interval `[start_s, end_s)`, media time, with its score in [0, 1]."""

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Observation:
    """What one grounding of one window says about one query, in media time.

    `spans` are clamped to the window, after NMS, best first. `saliency[i]` belongs to the frame that starts at
    `window_start_s + i * frame_interval_s`; `now_s` is the window's end (the newest frame's end).
    """

    stream: str
    query: str
    epoch: int
    window_start_s: float
    now_s: float
    wall_time_s: float
    clock: Clock
    spans: tuple[Span, ...]
    saliency: NDArray[np.float32] = field(repr=False)
