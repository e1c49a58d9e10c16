"""Places pictures in time: media time and epoch from the stream's own clock, wall time from reports or arrival."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from stream.types import Clock

JUMP_FORWARD_S = 10.0
"""A live stream's clock that runs ahead of its arrival by more than this has been set anew."""
JUMP_BACK_S = 1.0
"""A step back by more than this is a clock set anew; a smaller one is a picture out of order."""
WRAPS_S = (2**33 / 90_000, 2**32 / 90_000)
"""After so many seconds MPEG-TS (33 bits) and RTP (32 bits) count from zero again, at 90 kHz."""
CAMERA_CLOCK_ERROR_S = 60.0
"""A camera whose reports are further off than this has never had its clock set; its arrival times serve better."""
DELAY_CREEP = 1e-3
"""How fast, in seconds per second, the assumed delay may grow: follows a drifting clock, but no burst."""


@dataclass(frozen=True)
class Placed:
    """Where a picture belongs."""

    epoch: int
    media_time_s: float


class Timeline:
    """Media time of one connection, from the time stamps of its pictures in the order of showing.

    Live streams begin at 0 with their first picture, and anew, in a new epoch, when their clock jumps. A recording
    keeps its own time axis, `start_s` being its zero, and only a step back starts a new epoch.
    """

    def __init__(self, epoch: int, *, recorded: bool, start_s: float | None = None) -> None:
        self.epoch = epoch
        self._recorded = recorded
        self._origin_s = start_s
        self._last_s: float | None = None  # as the stream says it, wraps undone
        self._last_arrival_s = 0.0
        self._wrapped_s = 0.0

    def place(self, pts_s: float, arrival_s: float) -> Placed | None:
        """The place of the next picture, or None when it is older than the last one.

        Args:
            pts_s: the picture's time stamp.
            arrival_s: monotonic seconds at which it arrived.
        """
        now_s = self._unwrapped(pts_s)
        if self._origin_s is None:
            self._origin_s = now_s
        if self._last_s is not None:
            step_s = now_s - self._last_s
            if self._is_jump(step_s, arrival_s - self._last_arrival_s):
                self.epoch += 1
                self._origin_s = now_s
            elif step_s <= 0:
                return None
        self._last_s, self._last_arrival_s = now_s, arrival_s
        return Placed(self.epoch, now_s - self._origin_s)

    def _unwrapped(self, pts_s: float) -> float:
        if self._last_s is None:
            return pts_s
        for period_s in WRAPS_S:
            if abs(pts_s + self._wrapped_s + period_s - self._last_s) < JUMP_FORWARD_S:
                self._wrapped_s += period_s
        return pts_s + self._wrapped_s

    def _is_jump(self, step_s: float, arrival_step_s: float) -> bool:
        if step_s < -JUMP_BACK_S:
            return True
        return not self._recorded and step_s - arrival_step_s > JUMP_FORWARD_S


class WallClock:
    """Wall time of a live stream's pictures: the sender's own where it reports it, else estimated from arrival.

    Nothing arrives before it was sent, so the packet that took least time shows the offset between the two clocks best;
    later bursts and hold-ups on the way do not move it.
    """

    def __init__(self) -> None:
        # A picture leaves the decoder some packets after it went in: enough packets for any reordering are remembered.
        self._recent: deque[tuple[float, float, Clock]] = deque(maxlen=64)
        self._arrival_offset_s: float | None = None
        self._last_pts_s = 0.0

    def observe(self, pts_s: float, arrival_s: float, sender_s: float | None) -> None:
        """Notes one packet: its time stamp, the Unix time of its arrival, and the Unix time its sender gave it."""
        offset_s = arrival_s - pts_s
        estimate_s = self._arrival_offset_s
        elapsed_s = pts_s - self._last_pts_s
        if estimate_s is None or abs(offset_s - estimate_s) > JUMP_FORWARD_S:
            self._arrival_offset_s = offset_s
        else:
            self._arrival_offset_s = min(offset_s, estimate_s + DELAY_CREEP * max(elapsed_s, 0.0))
        self._last_pts_s = pts_s
        if sender_s is not None and abs(sender_s - arrival_s) <= CAMERA_CLOCK_ERROR_S:
            self._recent.append((pts_s, sender_s - pts_s, "rtcp"))
        else:
            self._recent.append((pts_s, self._arrival_offset_s, "arrival"))

    def wall_time(self, pts_s: float, otherwise_s: float) -> tuple[float, Clock]:
        """Unix seconds at which the picture stamped `pts_s` was taken; `otherwise_s` if nothing was observed."""
        if not self._recent:
            return otherwise_s, "arrival"
        _, offset_s, clock = min(self._recent, key=lambda seen: abs(seen[0] - pts_s))
        return pts_s + offset_s, clock
