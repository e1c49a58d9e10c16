"""Cut-aways to a studio where coloured objects move: one thing after the other, told apart only by time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.broadcast.canvas import Canvas, draw_shape
from stream.broadcast.language import COLOURS, HELD_OUT_OBJECTS, SHAPES, Meaning, Thing
from stream.broadcast.shot import Random, Shot, change_light, drift
from stream.broadcast.tracks import Track, Vector, smooth

X, Y, SIZE, ANGLE, ALPHA, RED = 0, 1, 2, 3, 4, 5  # channels of an actor's track; RED, RED+1, RED+2 are the colour
_BACKDROPS = (((46, 50, 62), (22, 24, 32)), ((118, 112, 104), (70, 66, 62)), ((36, 66, 74), (16, 34, 40)),
              ((88, 70, 60), (46, 36, 32)), ((98, 104, 116), (58, 62, 72)))  # fmt: skip
_OFF = 52.0  # how far outside the picture an actor waits


@dataclass
class Actor:
    """A coloured object and its whole life in the shot."""

    thing: Thing
    track: Track

    def put(self, time_s: float, **channels: float) -> None:
        """Be somewhere else from `time_s` on, at once."""
        self.track.hold(time_s)
        value = self.track.last
        for name, number in channels.items():
            value[_CHANNELS[name]] = number
        self.track.add(time_s, value)

    def play(self, start_s: float, end_s: float, motion: Callable[[float, Vector], None]) -> None:
        """Fill `[start_s, end_s]` with keys: `motion(progress, value)` edits a copy of the value at the start."""
        self.track.hold(start_s)
        first = self.track.last
        steps = max(2, math.ceil((end_s - start_s) / 0.08))
        for step in range(1, steps + 1):
            value = first.copy()
            motion(step / steps, value)
            self.track.add(start_s + (end_s - start_s) * step / steps, value)

    def draw(self, canvas: Canvas, time_s: float) -> None:
        """Paint the actor as it is at `time_s`."""
        x, y, size, angle, alpha, red, green, blue = self.track.at(time_s)
        if -60 < x < 380 and -60 < y < 240 and self.thing.shape:
            shape = self.thing.shape
            canvas.fade(alpha, lambda: draw_shape(canvas, shape, x, y, size, angle, (red, green, blue)))


_CHANNELS = {"x": X, "y": Y, "size": SIZE, "angle": ANGLE, "alpha": ALPHA}


class Stage:
    """Places actors and directs one happening after the other."""

    def __init__(self, rng: Random, held_out: bool) -> None:
        self.rng = rng
        self.actors: list[Actor] = []
        self.now_s = rng.uniform(0.8, 1.8)
        self.happenings: list[tuple[Meaning, float, float]] = []
        everything = [Thing(c, s) for c in COLOURS for s in SHAPES]
        allowed = [t for t in everything if held_out or (t.colour, t.shape) not in HELD_OUT_OBJECTS]
        self._cast = [allowed[i] for i in rng.permutation(len(allowed))]
        self._places = [(70.0, 60.0), (160.0, 52.0), (250.0, 60.0), (110.0, 125.0), (215.0, 125.0)]
        rng.shuffle(self._places)

    def enter(self, *, visible: bool = True, spins: bool = False) -> Actor:
        """A new actor, waiting on a free place of the stage or outside the picture."""
        index = next(i for i, t in enumerate(self._cast) if not (spins and t.shape == "circle"))
        thing = self._cast.pop(index)
        place = self._places.pop() if visible and self._places else (160.0, 90.0)
        x, y = np.asarray(place) + self.rng.uniform(-8, 8, 2)
        size = self.rng.uniform(22, 30)
        rgb = COLOURS[thing.colour or "white"]
        actor = Actor(thing, Track((x if visible else -_OFF * 2, y, size, self.rng.uniform(-0.2, 0.2), 1.0, *rgb)))
        self.actors.append(actor)
        return actor

    def record(self, kind: str, length_s: float, *actors: Actor) -> tuple[float, float]:
        """Note that `kind` happens from now for `length_s`, and move on; returns its interval."""
        start_s = self.now_s
        self.happenings.append((Meaning(kind, tuple(a.thing for a in actors)), start_s, start_s + length_s))
        self.now_s = start_s + length_s + self.rng.uniform(0.8, 2.0)
        return start_s, start_s + length_s


def _travel(stage: Stage, kind: str) -> None:
    """Across the whole picture, from outside to outside."""
    rng, actor = stage.rng, stage.enter(visible=False)
    across, along = kind in ("cross_left", "cross_right"), X if kind in ("cross_left", "cross_right") else Y
    start, end = (-_OFF, 320 + _OFF) if across else (-_OFF, 180 + _OFF)
    if kind in ("cross_left", "rise"):
        start, end = end, start
    lane = rng.uniform(45, 135) if across else rng.uniform(60, 260)
    sway, turns = rng.uniform(0, 12), rng.uniform(0, 3)
    begin_s, end_s = stage.record(kind, rng.uniform(3.0, 6.0), actor)
    actor.put(begin_s, **({"x": start, "y": lane} if across else {"x": lane, "y": start}))

    def motion(p: float, value: Vector) -> None:
        value[along] = start + (end - start) * p
        value[Y if across else X] += sway * math.sin(4 * p + turns)

    actor.play(begin_s, end_s, motion)


def _resize(stage: Stage, kind: str) -> None:
    actor = stage.enter()
    small, big = stage.rng.uniform(9, 12), stage.rng.uniform(42, 52)
    start, end = (small, big) if kind == "grow" else (big, small)
    actor.track = Track(np.concatenate([actor.track.last[:SIZE], [start], actor.track.last[ANGLE:]]))
    begin_s, end_s = stage.record(kind, stage.rng.uniform(3.0, 5.5), actor)

    def motion(p: float, value: Vector) -> None:
        value[SIZE] = start + (end - start) * p

    actor.play(begin_s, end_s, motion)


def _bounce(stage: Stage, kind: str) -> None:
    actor = stage.enter()
    hops, height = stage.rng.integers(3, 5), stage.rng.uniform(42, 58)
    begin_s, end_s = stage.record(kind, float(hops * stage.rng.uniform(1.1, 1.4)), actor)

    def motion(p: float, value: Vector) -> None:
        value[Y] -= height * abs(math.sin(math.pi * hops * p))

    actor.play(begin_s, end_s, motion)


def _spin(stage: Stage, kind: str) -> None:
    actor = stage.enter(spins=True)
    length_s = stage.rng.uniform(3.5, 5.5)
    speed = stage.rng.uniform(1.7, 2.3) * stage.rng.choice([-1, 1])
    begin_s, end_s = stage.record(kind, length_s, actor)

    def motion(p: float, value: Vector) -> None:
        value[ANGLE] += speed * length_s * p

    actor.play(begin_s, end_s, motion)


def _fade(stage: Stage, kind: str) -> None:
    actor = stage.enter()
    start, end = (0.0, 1.0) if kind == "appear" else (1.0, 0.0)
    if kind == "appear":
        actor.track = Track(np.concatenate([actor.track.last[:ALPHA], [0.0], actor.track.last[RED:]]))
    begin_s, end_s = stage.record(kind, stage.rng.uniform(2.5, 4.0), actor)

    def motion(p: float, value: Vector) -> None:
        value[ALPHA] = start + (end - start) * p

    actor.play(begin_s, end_s, motion)


def _blink(stage: Stage, kind: str) -> None:
    actor = stage.enter()
    times = int(stage.rng.integers(3, 6))
    begin_s, end_s = stage.record(kind, times * 1.3, actor)

    def motion(p: float, value: Vector) -> None:
        value[ALPHA] = 0.06 if (p * times) % 1.0 < 0.5 and p < 1.0 else 1.0

    actor.play(begin_s, end_s, motion)


def _split(stage: Stage, kind: str) -> None:
    actor = stage.enter()
    value = actor.track.last
    value[X] = stage.rng.uniform(105, 215)  # both halves must stay in the picture
    actor.track = Track(value)
    begin_s, end_s = stage.record(kind, stage.rng.uniform(2.5, 4.0), actor)
    actor.track.hold(begin_s)
    twin = Actor(actor.thing, Track(actor.track.last))
    twin.track.hold(begin_s)
    stage.actors.append(twin)
    reach = stage.rng.uniform(48, 62)
    for half, side in ((actor, -1), (twin, 1)):

        def motion(p: float, value: Vector, side: int = side) -> None:
            value[X] += side * reach * smooth(p)
            value[SIZE] *= 1 - 0.3 * smooth(p)

        half.play(begin_s, end_s, motion)


def _pair(stage: Stage, kind: str) -> None:
    """Two actors come together on a line through the picture's middle, or leave each other."""
    first, second = stage.enter(), stage.enter()
    rng = stage.rng
    tilt, y = rng.uniform(-0.25, 0.25), rng.uniform(75, 105)
    sizes = first.track.last[SIZE] + second.track.last[SIZE]
    near, far = sizes / 2 - 1, rng.uniform(95, 120)
    start, end = (far, near) if kind == "meet" else (near, far)
    swap = rng.choice([-1, 1])
    begin_s, end_s = stage.record(kind, rng.uniform(3.0, 5.5), first, second)
    for actor, side in ((first, -swap), (second, swap)):

        def place(value: Vector, distance: float, side: int = side) -> None:
            value[X], value[Y] = 160 + side * distance, y + side * distance * tilt

        def motion(p: float, value: Vector, side: int = side) -> None:
            place(value, start + (end - start) * smooth(p), side)

        value = actor.track.last
        place(value, start)
        actor.track = Track(value)
        actor.play(begin_s, end_s, motion)


def _orbit(stage: Stage, kind: str) -> None:
    planet, sun = stage.enter(), stage.enter()
    rng = stage.rng
    centre, radius, phase = (rng.uniform(130, 190), rng.uniform(84, 96)), rng.uniform(54, 60), rng.uniform(0, 6.28)
    turns = rng.uniform(1.2, 1.9) * rng.choice([-1, 1])
    begin_s, end_s = stage.record(kind, rng.uniform(4.0, 6.5), planet, sun)
    value = sun.track.last
    value[X], value[Y] = centre
    sun.track = Track(value)

    def circle(p: float, value: Vector) -> None:
        angle = phase + 2 * math.pi * turns * p
        value[X], value[Y] = centre[0] + 1.3 * radius * math.cos(angle), centre[1] + radius * math.sin(angle)
        value[SIZE] = 17.0

    value = planet.track.last
    circle(0.0, value)
    planet.track = Track(value)
    planet.play(begin_s, end_s, circle)


_ACTS: dict[str, Callable[[Stage, str], None]] = {
    **dict.fromkeys(("cross_right", "cross_left", "rise", "fall"), _travel),
    **dict.fromkeys(("grow", "shrink"), _resize),
    "bounce": _bounce, "spin": _spin, "blink": _blink, "split": _split, "orbit": _orbit,
    **dict.fromkeys(("appear", "vanish"), _fade),
    **dict.fromkeys(("meet", "part"), _pair),
}  # fmt: skip
_WHOLE_STAGE = ("meet", "part", "orbit")


def studio_shot(rng: Random, *, held_out: bool) -> Shot:
    """One to three happenings among coloured objects, some of which only stand there."""
    stage = Stage(rng, held_out)
    if rng.uniform() < 0.3:
        acts = [str(rng.choice(_WHOLE_STAGE))]
    else:
        others = [k for k in _ACTS if k not in _WHOLE_STAGE]
        acts = [str(k) for k in rng.choice(others, size=int(rng.integers(1, 4)), replace=False)]
    for kind in acts:
        _ACTS[kind](stage, kind)
    travellers_only = all(_ACTS[kind] is _travel for kind in acts)  # an empty stage would show no zoom
    if travellers_only or (acts[0] not in _WHOLE_STAGE and rng.uniform() < 0.5 and len(stage.actors) < 4):
        stage.enter()
    return _film(stage, rng)


def _film(stage: Stage, rng: Random) -> Shot:
    backdrop = _BACKDROPS[rng.integers(len(_BACKDROPS))]
    top, bottom = backdrop
    dots = rng.uniform((-20, -10), (340, 190), (14, 2))
    dot: tuple[float, float, float] = (bottom[0] * 1.3 + 8, bottom[1] * 1.3 + 8, bottom[2] * 1.3 + 8)

    def paint(canvas: Canvas, time_s: float) -> None:
        canvas.fill(top, bottom)
        for x, y in dots:
            canvas.circle(x, y, 3, dot)
        for actor in stage.actors:
            actor.draw(canvas, time_s)

    def describe(time_s: float) -> list[str]:
        return ["objects in a studio", *dict.fromkeys(f for a in stage.actors for f in _facts(a, time_s))]

    shot = Shot("studio", stage.now_s, paint, describe)
    for meaning, start_s, end_s in stage.happenings:
        shot.happen(meaning, start_s, end_s)
    drift(shot, rng)
    change_light(shot, rng)
    return shot


def _facts(actor: Actor, time_s: float) -> list[str]:
    x, y, size, _, alpha, *_ = actor.track.at(time_s)
    if not (-10 < x < 330 and -10 < y < 190) or alpha < 0.25:
        return []
    across = "left" if x < 105 else "right" if x > 215 else "middle"
    down = "top" if y < 55 else "bottom" if y > 125 else ""
    how = "big " if size > 36 else "small " if size < 16 else ""
    faint = "faint " if alpha < 0.7 else ""
    where = f"at the {down} {across}".replace("  ", " ") if across != "middle" or down else "in the middle"
    return [f"a {how}{faint}{actor.thing.colour} {actor.thing.shape} {where}"]
