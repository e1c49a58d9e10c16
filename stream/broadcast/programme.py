"""The endless programme: match, cut-aways, weather and overlays, decided by a seed and known to the second."""

from __future__ import annotations

import bisect
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stream.broadcast.canvas import Canvas
from stream.broadcast.language import TEAM_COLOURS, Happening, Meaning, understand
from stream.broadcast.match import Fixture, match_shot
from stream.broadcast.places import road_shot, sky_shot
from stream.broadcast.shot import Random, Shot, banner, lights_out, weather, zoom_in
from stream.broadcast.studio import studio_shot

_SHOTS_KEPT = 64


class Broadcast:
    """A seeded, ground-truthed live programme.

    Any time can be asked for in any order, and the same seed always gives the same pictures. Time starts at 0.

    Args:
        seed: Decides everything.
        width_px: Width of the pictures; their height is 9/16 of it.
        held_out: Whether colour and shape pairs that are held out of training may appear.
    """

    def __init__(self, seed: int, *, width_px: int = 320, held_out: bool = True) -> None:
        self.seed, self.width_px, self.held_out = seed, width_px, held_out
        rng = np.random.default_rng([seed, 0])
        teams = rng.choice(TEAM_COLOURS, size=2, replace=False)
        self.teams = (str(teams[0]), str(teams[1]))
        self._starts: list[float] = [0.0]  # start of every shot known so far, and of the next one
        self._scores: list[tuple[int, int]] = [(0, 0)]  # how the match stands when a shot starts
        self._truth: list[list[Happening]] = []
        self._kept = lru_cache(maxsize=_SHOTS_KEPT)(self._make)

    def picture(self, time_s: float) -> NDArray[np.uint8]:
        """The picture at `time_s`, RGB uint8 `[height, width, 3]`.

        Raises:
            ValueError: `time_s` is negative.
        """
        shot, start_s = self._shot_at(time_s)
        canvas = Canvas(self.width_px)
        shot.draw(canvas, time_s - start_s)
        return canvas.image

    def facts(self, time_s: float) -> list[str]:
        """Short true statements about the picture at `time_s`."""
        shot, start_s = self._shot_at(time_s)
        return shot.facts(time_s - start_s)

    def happenings(self, start_s: float, end_s: float) -> list[Happening]:
        """Everything that happens at least partly within `[start_s, end_s)`, by start time."""
        self._extend(end_s)
        first = max(0, bisect.bisect_right(self._starts, start_s) - 1)
        last = bisect.bisect_left(self._starts, end_s)
        found = [h for shot in self._truth[first:last] for h in shot if h.start_s < end_s and h.end_s > start_s]
        return sorted(found, key=lambda h: (h.start_s, h.end_s, h.meaning.kind))

    def truth(self, text: str, start_s: float, end_s: float) -> list[tuple[float, float]]:
        """When what `text` says happens within `[start_s, end_s)`: spans in programme time.

        Raises:
            ValueError: the programme does not know the sentence.
        """
        wish = understand(text)
        if wish is None:
            raise ValueError(f"the synthetic broadcast has no truth for {text!r}: it is not one of its own sentences")
        return self.spans(wish, start_s, end_s)

    def spans(self, wish: Meaning, start_s: float, end_s: float) -> list[tuple[float, float]]:
        """When `wish` happens within `[start_s, end_s)`: spans in programme time."""
        return [(h.start_s, h.end_s) for h in self.happenings(start_s, end_s) if h.meaning.matches(wish)]

    def _shot_at(self, time_s: float) -> tuple[Shot, float]:
        if time_s < 0:
            raise ValueError(f"the programme starts at 0 s, there is no picture at {time_s} s")
        self._extend(time_s)
        index = bisect.bisect_right(self._starts, time_s) - 1
        return self._kept(index), self._starts[index]

    def _extend(self, time_s: float) -> None:
        while self._starts[-1] <= time_s:
            index, start_s = len(self._truth), self._starts[-1]
            shot = self._kept(index)
            self._truth.append([Happening(h.meaning, start_s + h.start_s, start_s + h.end_s) for h in shot.happenings])
            self._starts.append(start_s + shot.duration_s)

    def _make(self, index: int) -> Shot:
        rng = np.random.default_rng([self.seed, 1 + index])
        fixture = Fixture(self.teams, list(self._scores[index]))
        shot = _next_shot(rng, fixture, index, self.held_out)
        if index + 1 == len(self._scores):
            self._scores.append((fixture.score[0], fixture.score[1]))
        return shot


def _next_shot(rng: Random, fixture: Fixture, index: int, held_out: bool) -> Shot:
    """The match comes back every second shot; in between, other places."""
    draw = rng.uniform()
    if index % 2 == 0 and draw < 0.8:
        shot = match_shot(rng, fixture)
    elif draw < 0.06:
        shot = match_shot(rng, fixture, replay=True)
    elif draw < 0.62 or index % 2 == 0:
        shot = studio_shot(rng, held_out=held_out)
    elif draw < 0.8:
        shot = road_shot(rng)
    else:
        shot = sky_shot(rng)
    _dress(shot, rng)
    return shot


def _dress(shot: Shot, rng: Random) -> None:
    """Weather, darkness, banners and zooms lie over what happens, each now and then."""
    room_s = shot.duration_s
    start_s = float(rng.uniform(0.5, max(0.6, room_s - 9.0)))
    draw = rng.uniform()
    if draw < 0.09 and room_s > 6:
        banner(shot, rng, start_s)
    elif draw < 0.17 and shot.scene in ("match", "road") and room_s > 8:
        weather(shot, rng, start_s, "rain" if rng.uniform() < 0.5 else "snow")
    elif draw < 0.24 and room_s > 6:
        lights_out(shot, rng, start_s)
    elif draw < 0.36 and shot.scene in ("studio", "road"):
        shot.duration_s += 5.0
        zoom_in(shot, rng, room_s)
