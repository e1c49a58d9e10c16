"""Keyframed values over time: the one way anything in the programme moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Track:
    """Piecewise linear `[time] -> [channels]`; constant before the first and after the last key."""

    def __init__(self, start: Sequence[float] | Vector) -> None:
        self._times: list[float] = [0.0]
        self._values: list[Vector] = [np.asarray(start, dtype=np.float64)]
        self._packed: tuple[Vector, Vector] | None = None

    @property
    def last(self) -> Vector:
        """The value of the last key, `[channels]`."""
        return self._values[-1].copy()

    @property
    def end_s(self) -> float:
        """Time of the last key."""
        return self._times[-1]

    def add(self, time_s: float, value: Sequence[float] | Vector) -> None:
        """Append a key; times must not decrease.

        Raises:
            ValueError: `time_s` lies before the last key.
        """
        if time_s < self._times[-1] - 1e-9:
            raise ValueError(f"a key at {time_s:.3f} s comes before the last one at {self._times[-1]:.3f} s")
        self._times.append(time_s)
        self._values.append(np.asarray(value, dtype=np.float64))
        self._packed = None

    def hold(self, time_s: float) -> None:
        """Stay where the last key left it until `time_s`."""
        if time_s > self._times[-1]:
            self.add(time_s, self._values[-1])

    def at(self, time_s: float) -> Vector:
        """The value at `time_s`, `[channels]`."""
        if self._packed is None:
            self._packed = np.asarray(self._times), np.stack(self._values)
        times, values = self._packed
        after = int(np.searchsorted(times, time_s, side="right"))
        if after == 0:
            return self._values[0]
        if after == len(times):
            return self._values[-1]
        span = times[after] - times[after - 1]
        weight = (time_s - times[after - 1]) / span if span > 0 else 1.0
        blended: Vector = values[after - 1] * (1 - weight) + values[after] * weight
        return blended


def smooth(progress: float) -> float:
    """Ease in and out: 0 at 0, 1 at 1, flat at both (the cubic 3p²-2p³)."""
    p = min(max(progress, 0.0), 1.0)
    return p * p * (3 - 2 * p)
