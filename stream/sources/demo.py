"""`demo://broadcast`: the synthetic programme, made in this process, as an endless live source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Protocol

from stream.sources.failure import Failure
from stream.sources.source import Source, Surroundings
from stream.sources.spec import SourceSpec
from stream.types import Image, Picture

PICTURES_PER_S = 25.0
"""How often the programme offers a picture, in programme time."""


class Programme(Protocol):
    """Something that can be looked at, at any second of its endless time."""

    def picture(self, time_s: float, /) -> Image:
        """RGB `[height, width, 3]`."""
        ...


class DemoSource(Source):
    """Shows a programme at `speed`; only pictures that are wanted are drawn. Media time is programme time.

    When the machine cannot keep up, pictures are left out and the programme goes on, as on a real live stream.
    """

    no_packets = "The demo draws its pictures itself: there is no encoded video to cut clips from."

    def __init__(self, spec: SourceSpec, surroundings: Surroundings, programme: Programme) -> None:
        super().__init__(spec, surroundings)
        self._programme = programme

    def pictures(self) -> Iterator[Picture]:
        began_s = self._clock.monotonic_s()
        tick = math.ceil(self.spec.start * PICTURES_PER_S)
        self.stats.connections += 1
        self._enter("online")
        while True:
            media_time_s = tick / PICTURES_PER_S
            wait_s = began_s + (media_time_s - self.spec.start) / self.spec.speed - self._clock.monotonic_s()
            if self._stop.is_set() or (wait_s > 0 and self._clock.wait(self._stop, wait_s)):
                return
            self.stats.pictures += 1
            if self._wants(media_time_s, self._epoch):
                self.stats.taken += 1
                yield self._picture(media_time_s)
            tick = max(tick + 1, self._tick_due(began_s))

    def _tick_due(self, began_s: float) -> int:
        """The last picture that should have been shown by now."""
        played_s = (self._clock.monotonic_s() - began_s) * self.spec.speed
        return math.floor((self.spec.start + played_s) * PICTURES_PER_S)

    def _picture(self, media_time_s: float) -> Picture:
        return Picture(
            media_time_s=media_time_s,
            wall_time_s=self._clock.now_s(),
            clock="arrival",
            epoch=self._epoch,
            to_rgb=partial(self._programme.picture, media_time_s),
        )


class MissingDemo(Source):
    """Stands for the demo where what draws it is not installed, and says so."""

    def pictures(self) -> Iterator[Picture]:
        reason = "The demo needs OpenCV to draw. In r2stream's folder: pip install -c constraints.txt '.[demo]'"
        self.fail(Failure("internal", reason, "never"))
        return iter(())
