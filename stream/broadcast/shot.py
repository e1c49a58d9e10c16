"""What a shot is: a few seconds from one scene, and everything true about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stream.broadcast.canvas import WORLD_HEIGHT, WORLD_WIDTH, Canvas
from stream.broadcast.language import Happening, Meaning
from stream.broadcast.tracks import Track, smooth

Random = np.random.Generator


@dataclass
class Shot:
    """One continuous piece of the programme; times are relative to its start."""

    scene: str
    duration_s: float
    paint: Callable[[Canvas, float], None]
    describe: Callable[[float], list[str]]
    happenings: list[Happening] = field(default_factory=list)
    camera: Track = field(default_factory=lambda: Track((WORLD_WIDTH / 2, WORLD_HEIGHT / 2, 1.0)))
    light: Track = field(default_factory=lambda: Track((1.0, 1.0, 1.0)))
    overlays: list[Callable[[Canvas, float], None]] = field(default_factory=list)
    overlay_facts: list[Callable[[float], list[str]]] = field(default_factory=list)

    def happen(self, meaning: Meaning, start_s: float, end_s: float) -> None:
        """Write a happening into the truth."""
        self.happenings.append(Happening(meaning, start_s, end_s))

    def draw(self, canvas: Canvas, time_s: float) -> None:
        """Paint the scene, its light, and what lies over it."""
        canvas.look(*self.camera.at(time_s))
        self.paint(canvas, time_s)
        canvas.light(*self.light.at(time_s))
        canvas.overlay()
        for overlay in self.overlays:
            overlay(canvas, time_s)

    def facts(self, time_s: float) -> list[str]:
        """Short true statements about the picture at `time_s`, the scene's first."""
        return self.describe(time_s) + [fact for facts in self.overlay_facts for fact in facts(time_s)]


def _fact_between(fact: str, start_s: float, end_s: float) -> Callable[[float], list[str]]:
    """A fact that is true once something has come and until it goes."""
    return lambda time_s: [fact] if start_s + 0.5 < time_s < end_s - 0.5 else []


def drift(shot: Shot, rng: Random, reach: float = 10.0, zoom: float = 0.06) -> None:
    """A camera that never stands quite still."""
    time_s = 0.0
    centre = np.array([WORLD_WIDTH / 2, WORLD_HEIGHT / 2, 1.0 + zoom])
    shot.camera = Track(centre + rng.uniform(-1, 1, 3) * (reach, reach / 2, zoom))
    while time_s < shot.duration_s:
        time_s += rng.uniform(3, 5)
        shot.camera.add(time_s, centre + rng.uniform(-1, 1, 3) * (reach, reach / 2, zoom))


def zoom_in(shot: Shot, rng: Random, start_s: float) -> None:
    """The camera moves in on a point and stays there."""
    length_s = rng.uniform(2.5, 4.0)
    before = shot.camera.at(start_s)
    target = np.array([WORLD_WIDTH / 2 + rng.uniform(-50, 50), WORLD_HEIGHT / 2 + rng.uniform(-25, 25), 2.1])
    camera = Track(shot.camera.at(0.0))
    for time_s in np.arange(0.25, start_s, 0.25):
        camera.add(float(time_s), shot.camera.at(float(time_s)))
    for step in np.linspace(0, 1, 12):
        camera.add(start_s + float(step) * length_s, before + (target - before) * smooth(float(step)))
    shot.camera = camera
    shot.happen(Meaning("zoom"), start_s, start_s + length_s)


def change_light(shot: Shot, rng: Random) -> None:
    """Slow daylight: brightness and tint wander over the shot."""
    shot.light = Track(rng.uniform(0.82, 1.1) * (1 + rng.uniform(-0.06, 0.06, 3)))
    time_s = 0.0
    while time_s < shot.duration_s:
        time_s += rng.uniform(3, 6)
        shot.light.add(time_s, rng.uniform(0.82, 1.1) * (1 + rng.uniform(-0.06, 0.06, 3)))


def lights_out(shot: Shot, rng: Random, start_s: float) -> None:
    """Darkness falls for a few seconds, and the light comes back."""
    length_s = rng.uniform(3.0, 5.5)
    old = shot.light
    light = Track(old.at(0.0))
    for time_s in np.arange(0.1, shot.duration_s + 0.1, 0.1):
        into = min(time_s - start_s, start_s + length_s - time_s) / 0.6
        light.add(float(time_s), old.at(float(time_s)) * (1 - 0.7 * smooth(into)))
    shot.light = light
    shot.happen(Meaning("dark"), start_s, start_s + length_s)
    shot.overlay_facts.append(_fact_between("it is dark", start_s, start_s + length_s))


def banner(shot: Shot, rng: Random, start_s: float) -> None:
    """A bar with words slides in at the bottom, stays, and slides out."""
    length_s = rng.uniform(3.5, 6.5)
    colour = ((200, 30, 60), (30, 60, 170), (20, 120, 110))[rng.integers(3)]
    words = ("BREAKING NEWS", "STAY TUNED", "COMING UP NEXT", "LIVE FROM THE CITY")[rng.integers(4)]

    def draw(canvas: Canvas, time_s: float) -> None:
        into = min(time_s - start_s, start_s + length_s - time_s) / 0.5
        if into > 0:
            left = -330 * (1 - smooth(into))
            canvas.box(left + 8, 142, left + 312, 172, colour)
            canvas.box(left + 8, 142, left + 22, 172, (250, 250, 250))
            canvas.text(left + 32, 163, words, (255, 255, 255), 11, bold=True)

    shot.overlays.append(draw)
    shot.overlay_facts.append(_fact_between("a banner at the bottom", start_s, start_s + length_s))
    shot.happen(Meaning("banner"), start_s, start_s + length_s)


def weather(shot: Shot, rng: Random, start_s: float, kind: str) -> None:
    """Rain or snow comes down for a while."""
    length_s = rng.uniform(4.0, 8.0)
    seeds = rng.uniform(0, 1, (90, 3))

    def draw(canvas: Canvas, time_s: float) -> None:
        into = smooth(min(time_s - start_s, start_s + length_s - time_s) / 0.5)
        if into <= 0:
            return
        for x, y, depth in seeds[: int(into * len(seeds))]:
            if kind == "rain":
                fall = ((y + time_s * (1.2 + depth)) % 1.0) * 200 - 10
                left = x * 340 - 10 - fall * 0.12
                canvas.line((left, fall), (left - 2.5, fall + 14), (170, 200, 245), 1.2)
            else:
                fall = ((y + time_s * (0.18 + 0.1 * depth)) % 1.0) * 190 - 5
                sway = 6 * np.sin(2.5 * time_s + 9 * depth)
                canvas.circle(x * 330 - 5 + sway, fall, 2.2 + depth, (250, 250, 255))

    word = "rain is falling" if kind == "rain" else "snow is falling"
    shot.overlays.append(draw)
    shot.overlay_facts.append(_fact_between(word, start_s, start_s + length_s))
    shot.happen(Meaning(kind), start_s, start_s + length_s)
