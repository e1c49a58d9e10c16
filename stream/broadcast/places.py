"""Short looks at other places: a road with cars and a traffic light, and an open sky."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream.broadcast.canvas import Canvas, Colour, ngon
from stream.broadcast.language import CAR_COLOURS, COLOURS, Meaning, Thing
from stream.broadcast.shot import Random, Shot, change_light, drift
from stream.broadcast.tracks import smooth


def road_shot(rng: Random) -> Shot:
    """One to three of: a car that passes, a light that changes."""
    cars: list[tuple[str, int, float, float]] = []  # colour, direction, start, end
    greens: list[tuple[float, float]] = []
    now_s = float(rng.uniform(0.8, 2.0))
    for act in rng.permutation(["car", "car", "light"])[: int(rng.integers(1, 4))]:
        if act == "car":
            length_s = float(rng.uniform(3.0, 5.5))
            cars.append((str(rng.choice(CAR_COLOURS)), int(rng.choice([-1, 1])), now_s, now_s + length_s))
        else:
            length_s = float(rng.uniform(4.0, 6.0))
            greens.append((now_s, now_s + length_s))
        now_s += length_s + float(rng.uniform(0.8, 2.0))
    houses = rng.uniform(0.55, 1.0, (7, 2))

    def paint(canvas: Canvas, time_s: float) -> None:
        _paint_street(canvas, houses)
        _paint_lamp(canvas, any(start <= time_s < end for start, end in greens))
        for colour, direction, start_s, end_s in cars:
            if start_s <= time_s < end_s:
                p = (time_s - start_s) / (end_s - start_s)
                x = -45 + 410 * p if direction > 0 else 365 - 410 * p
                _paint_car(canvas, x, 146 if direction > 0 else 124, direction, COLOURS[colour])

    def describe(time_s: float) -> list[str]:
        light = "green" if any(start <= time_s < end for start, end in greens) else "red"
        return ["a road in a city", f"the traffic light is {light}", *_car_facts(cars, time_s)]

    shot = Shot("road", now_s, paint, describe)
    for colour, direction, start_s, end_s in cars:
        shot.happen(Meaning("drive_right" if direction > 0 else "drive_left", (Thing(colour),)), start_s, end_s)
    for start_s, end_s in greens:
        shot.happen(Meaning("green_light"), start_s, end_s)
    drift(shot, rng, reach=6, zoom=0.04)
    change_light(shot, rng)
    return shot


def _car_facts(cars: list[tuple[str, int, float, float]], time_s: float) -> list[str]:
    facts = []
    for colour, direction, start_s, end_s in cars:
        if start_s + 0.4 <= time_s < end_s - 0.4:
            p = (time_s - start_s) / (end_s - start_s)
            place = ("left", "middle", "right")[int(3 * (p if direction > 0 else 1 - p)) % 3]
            facts.append(f"a {colour} car on the {place}")
    return facts


def _paint_street(canvas: Canvas, houses: NDArray[np.float64]) -> None:
    canvas.fill((150, 190, 225), (190, 205, 215))
    for i, (tall, tone) in enumerate(houses):
        left = -30 + i * 56
        canvas.box(left, 100 - 75 * tall, left + 50, 104, (150 * tone, 120 * tone, 110 * tone))
        for row in range(3):
            for column in range(2):
                x, y = left + 9 + 20 * column, 106 - 75 * tall + 20 * row
                if y < 90:
                    canvas.box(x, y, x + 11, y + 11, (90, 100, 120))
    canvas.box(-60, 100, 380, 112, (140, 140, 138))
    canvas.box(-60, 112, 380, 240, (70, 72, 76))
    for left in range(-60, 380, 40):
        canvas.box(left, 139, left + 20, 142, (225, 225, 215))


def _paint_lamp(canvas: Canvas, green: bool) -> None:
    canvas.box(276, 60, 280, 112, (40, 40, 44))
    canvas.box(264, 14, 292, 66, (26, 26, 30))
    canvas.circle(278, 28, 10, (70, 24, 24) if green else (255, 40, 30))
    canvas.circle(278, 52, 10, (50, 255, 90) if green else (22, 60, 30))


def _paint_car(canvas: Canvas, x: float, y: float, direction: int, colour: Colour) -> None:
    canvas.box(x - 33, y - 11, x + 33, y + 6, (20, 20, 22))
    canvas.box(x - 31.5, y - 10, x + 31.5, y + 5, colour)
    canvas.polygon([(x - 20, y - 10), (x - 13, y - 24), (x + 13, y - 24), (x + 20, y - 10)], colour)
    canvas.polygon([(x - 15, y - 11), (x - 10, y - 21), (x + 10, y - 21), (x + 15, y - 11)], (50, 62, 80))
    for wheel in (x - 18, x + 18):
        canvas.circle(wheel, y + 6, 7, (18, 18, 20))
        canvas.circle(wheel, y + 6, 3, (150, 150, 155))
    canvas.circle(x + direction * 30, y - 4, 2.5, (255, 245, 180))


_SKY_ACTS = ("fireworks", "launch", "sunrise", "shooting_star", "balloon")


def sky_shot(rng: Random) -> Shot:
    """One happening in the sky over a row of hills."""
    kind = str(rng.choice(_SKY_ACTS))
    start_s = float(rng.uniform(1.2, 2.6))
    length_s = float(rng.uniform(*{"shooting_star": (2.0, 3.0)}.get(kind, (4.0, 7.0))))
    end_s = start_s + length_s
    night = kind in ("fireworks", "shooting_star") or (kind == "launch" and rng.uniform() < 0.5)
    stars = rng.uniform((0, 0), (320, 120), (26, 2))
    x0, burst = float(rng.uniform(90, 230)), rng.uniform((60, 25, 0), (260, 85, 6), (8, 3))

    def paint(canvas: Canvas, time_s: float) -> None:
        p = (time_s - start_s) / length_s
        day = smooth(p) if kind == "sunrise" else 0.0 if night else 1.0
        _paint_sky(canvas, day, stars)
        if kind == "sunrise":
            canvas.circle(x0, 165 - 105 * smooth(p), 24, (255, 215, 90))
        if 0 <= p < 1:
            _SKY_PAINTERS[kind](canvas, p, length_s, x0, burst)
        elif kind == "launch" and p < 0:
            _paint_rocket(canvas, x0, 132, 0)
        _paint_hills(canvas, day)

    def describe(time_s: float) -> list[str]:
        p = (time_s - start_s) / length_s
        facts = ["the night sky over hills" if night else "the sky over hills"]
        if kind == "launch" and p < 0:
            facts.append("a rocket stands on the ground")
        if 0.05 < p < 0.95:
            height = ("low", "half way up", "high up")[min(2, int(3 * p))]
            facts.append({"fireworks": "colourful sparks in the sky", "launch": f"a rocket with fire {height}",
                          "sunrise": f"the sun {height}", "shooting_star": "a bright streak in the sky",
                          "balloon": f"a hot air balloon {height}"}[kind])  # fmt: skip
        return facts

    shot = Shot("sky", end_s + float(rng.uniform(1.0, 2.5)), paint, describe)
    shot.happen(Meaning(kind), start_s, end_s)
    drift(shot, rng, reach=6, zoom=0.03)
    return shot


def _blend(a: Colour, b: Colour, share: float) -> Colour:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def _paint_sky(canvas: Canvas, day: float, stars: NDArray[np.float64]) -> None:
    night_top, night_low, day_top, day_low = (10, 14, 40), (36, 40, 84), (84, 150, 226), (200, 222, 240)
    canvas.fill(_blend(night_top, day_top, day), _blend(night_low, day_low, day))
    if day < 0.5:
        for x, y in stars:
            canvas.circle(x, y, 1.0, (220, 220, 240))


def _paint_hills(canvas: Canvas, day: float) -> None:
    shade: Colour = (30 + 40 * day, 52 + 80 * day, 40 + 30 * day)
    canvas.circle(60, 260, 125, shade)
    canvas.circle(270, 285, 150, (shade[0] * 0.8, shade[1] * 0.8, shade[2] * 0.8))
    canvas.box(-60, 160, 380, 240, (shade[0] * 0.9, shade[1] * 0.9, shade[2] * 0.9))


def _paint_fireworks(canvas: Canvas, p: float, length_s: float, x0: float, burst: NDArray[np.float64]) -> None:
    palette = [COLOURS[c] for c in ("red", "yellow", "green", "blue", "purple", "white")]
    for i, (x, y, colour) in enumerate(burst):
        age = p * length_s - i * (length_s - 1.0) / len(burst)
        if 0 <= age < 1.3:
            reach = 46 * (1 - math.exp(-2.2 * age))
            for ray in range(14):
                angle = 2 * math.pi * ray / 14 + i
                spark = (x + reach * math.cos(angle), y + reach * math.sin(angle) + 8 * age * age)
                canvas.circle(spark[0], spark[1], 3.4 * (1.3 - age) + 0.8, palette[int(colour)])


def _paint_launch(canvas: Canvas, p: float, length_s: float, x0: float, burst: NDArray[np.float64]) -> None:
    _paint_rocket(canvas, x0, 132 - 190 * p * p, 1 + 0.3 * math.sin(40 * p))


def _paint_rocket(canvas: Canvas, x: float, y: float, flame: float) -> None:
    if flame:
        canvas.polygon([(x - 9, y + 26), (x + 9, y + 26), (x, y + 26 + 34 * flame)], (255, 140, 30))
        canvas.polygon([(x - 5, y + 26), (x + 5, y + 26), (x, y + 26 + 20 * flame)], (255, 235, 130))
    canvas.polygon([(x - 18, y + 28), (x, y), (x + 18, y + 28)], (200, 50, 45))
    canvas.box(x - 9, y - 22, x + 9, y + 27, (232, 234, 238))
    canvas.polygon([(x - 9, y - 22), (x + 9, y - 22), (x, y - 42)], (200, 50, 45))
    canvas.circle(x, y - 8, 4.5, (70, 120, 190))


def _paint_star(canvas: Canvas, p: float, length_s: float, x0: float, burst: NDArray[np.float64]) -> None:
    x, y = 350 - 400 * p, 15 + 85 * p
    canvas.polygon([(x - 4, y - 4), (x + 90, y - 22), (x + 4, y + 5)], (150, 170, 230))
    canvas.polygon(ngon(x, y, 11, 3 * p, 5, inner=0.45), (255, 250, 210))


def _paint_balloon(canvas: Canvas, p: float, length_s: float, x0: float, burst: NDArray[np.float64]) -> None:
    x, y = x0 + 14 * math.sin(5 * p), 190 - 240 * p
    canvas.circle(x, y, 27, (214, 70, 60))
    canvas.box(x - 7, y - 26, x + 7, y + 26, (245, 205, 70))
    canvas.line((x - 14, y + 23), (x - 6, y + 42), (90, 70, 50))
    canvas.line((x + 14, y + 23), (x + 6, y + 42), (90, 70, 50))
    canvas.box(x - 8, y + 40, x + 8, y + 52, (120, 80, 45))


def _paint_nothing(canvas: Canvas, p: float, length_s: float, x0: float, burst: NDArray[np.float64]) -> None:
    """The sun is part of the sky itself."""


_SKY_PAINTERS = {"fireworks": _paint_fireworks, "launch": _paint_launch, "sunrise": _paint_nothing,
                 "shooting_star": _paint_star, "balloon": _paint_balloon}  # fmt: skip
