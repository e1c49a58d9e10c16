"""Drawing in world units (320 x 180) through a camera, antialiased, on an RGB picture of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

WORLD_WIDTH, WORLD_HEIGHT = 320.0, 180.0
Colour = tuple[float, float, float]
Point = tuple[float, float]
_SHIFT = 4  # cv2 takes fixed-point coordinates; 4 bits are a sixteenth of a pixel
_ONE = 1 << _SHIFT


class Canvas:
    """One picture being painted.

    Args:
        width_px: Width of the picture; its height follows from the world's 16:9.
    """

    def __init__(self, width_px: int = 320) -> None:
        self.scale = width_px / WORLD_WIDTH
        self.image: NDArray[np.uint8] = np.zeros((round(WORLD_HEIGHT * self.scale), width_px, 3), np.uint8)
        self.look(WORLD_WIDTH / 2, WORLD_HEIGHT / 2, 1.0)

    def look(self, x: float, y: float, zoom: float) -> None:
        """Point the camera at world (x, y)."""
        self._zoom = self.scale * zoom
        self._left = WORLD_WIDTH * self.scale / 2 - x * self._zoom
        self._top = WORLD_HEIGHT * self.scale / 2 - y * self._zoom

    def overlay(self) -> None:
        """Draw on the glass of the camera from here on: graphics that do not move with the scene."""
        self.look(WORLD_WIDTH / 2, WORLD_HEIGHT / 2, 1.0)

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round((x * self._zoom + self._left) * _ONE), round((y * self._zoom + self._top) * _ONE)

    def _points(self, points: Sequence[Point]) -> NDArray[np.int32]:
        return np.array([self._at(x, y) for x, y in points], np.int32)

    def fill(self, top: Colour, bottom: Colour) -> None:
        """The whole picture, a vertical gradient."""
        ramp = np.linspace(0.0, 1.0, self.image.shape[0])[:, None, None]
        rows = np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp
        self.image[:] = rows.astype(np.uint8)

    def circle(self, x: float, y: float, radius: float, colour: Colour, line: float = 0.0) -> None:
        """A disc, or a ring where `line` (its width) is given."""
        width = -1 if line <= 0 else max(1, round(line * self._zoom))
        cv2.circle(
            self.image, self._at(x, y), max(1, round(radius * self._zoom * _ONE)), colour, width, cv2.LINE_AA, _SHIFT
        )

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        cv2.fillPoly(self.image, [self._points(points)], colour, cv2.LINE_AA, _SHIFT)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled axis-aligned rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def line(self, start: Point, end: Point, colour: Colour, width: float = 1.0) -> None:
        """A straight line."""
        thick = max(1, round(width * self._zoom))
        cv2.line(self.image, self._at(*start), self._at(*end), colour, thick, cv2.LINE_AA, _SHIFT)

    def frame(self, left: float, top: float, right: float, bottom: float, colour: Colour, width: float = 1.0) -> None:
        """The outline of a rectangle."""
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        thick = max(1, round(width * self._zoom))
        cv2.polylines(self.image, [self._points(corners)], True, colour, thick, cv2.LINE_AA, _SHIFT)

    def text(self, x: float, y: float, words: str, colour: Colour, height: float = 8.0, bold: bool = False) -> None:
        """One line of text, its baseline's left end at (x, y); `height` is a capital's."""
        px, py = self._at(x, y)
        size = height * self._zoom / 21.0  # the font's capitals are 21 px tall at size 1
        origin = (px // _ONE, py // _ONE)
        thick = max(1, round(size * (3.2 if bold else 1.8)))
        cv2.putText(self.image, words, origin, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)

    def fade(self, alpha: float, paint: Callable[[], None]) -> None:
        """Paint with opacity `alpha` in [0, 1]."""
        if alpha >= 0.995:
            paint()
        elif alpha > 0.005:
            before = self.image.copy()
            paint()
            cv2.addWeighted(self.image, alpha, before, 1 - alpha, 0.0, dst=self.image)

    def light(self, red: float, green: float, blue: float) -> None:
        """Multiply the picture's channels: daylight, dusk, a lamp that goes out."""
        if abs(red - 1) + abs(green - 1) + abs(blue - 1) > 0.01:
            cv2.multiply(self.image, np.array([red, green, blue, 1.0]), dst=self.image)


def ngon(x: float, y: float, radius: float, angle: float, corners: int, inner: float = 1.0) -> list[Point]:
    """A regular polygon; `inner` < 1 pulls every second of 2 x `corners` points in: a star."""
    count = corners if inner >= 1.0 else 2 * corners
    points = []
    for i in range(count):
        reach = radius * (inner if inner < 1.0 and i % 2 else 1.0)
        turn = angle - math.pi / 2 + 2 * math.pi * i / count
        points.append((x + reach * math.cos(turn), y + reach * math.sin(turn)))
    return points


def draw_shape(canvas: Canvas, shape: str, x: float, y: float, radius: float, angle: float, colour: Colour) -> None:
    """A circle, square, triangle or star with a dark rim, so that it stands out from any background."""
    rim = tuple(0.35 * c for c in colour)
    for size, paint in ((radius + 1.6, rim), (radius, colour)):
        shade: Colour = (paint[0], paint[1], paint[2])
        if shape == "circle":
            canvas.circle(x, y, size * 0.92, shade)
        elif shape == "square":
            canvas.polygon(ngon(x, y, size * 1.15, angle + math.pi / 4, 4), shade)
        elif shape == "triangle":
            canvas.polygon(ngon(x, y, size * 1.2, angle, 3), shade)
        else:
            canvas.polygon(ngon(x, y, size * 1.25, angle, 5, inner=0.45), shade)
