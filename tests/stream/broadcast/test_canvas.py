import numpy as np
import pytest

from stream.broadcast.canvas import Canvas, draw_shape
from stream.broadcast.language import SHAPES


def test_a_canvas_is_sixteen_to_nine_at_any_width() -> None:
    """The same world is painted on pictures of any size."""
    assert Canvas(320).image.shape == (180, 320, 3)
    assert Canvas(1280).image.shape == (720, 1280, 3)


def test_the_camera_moves_and_zooms_the_world() -> None:
    """What the camera looks at is in the middle, and twice the zoom is four times the area."""
    canvas = Canvas()
    canvas.look(40, 30, 1.0)
    canvas.circle(40, 30, 10, (255, 0, 0))
    rows, columns = np.nonzero(canvas.image[..., 0] > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((90, 160), abs=1)

    closer = Canvas()
    closer.look(40, 30, 2.0)
    closer.circle(40, 30, 10, (255, 0, 0))
    assert (closer.image[..., 0] > 128).sum() == pytest.approx(4 * len(rows), rel=0.1)


def test_an_overlay_stays_where_it_is_when_the_camera_moves() -> None:
    """Graphics lie on the glass."""
    canvas = Canvas()
    canvas.look(300, 170, 3.0)
    canvas.overlay()
    canvas.box(0, 0, 20, 10, (0, 255, 0))
    assert canvas.image[5, 10].tolist() == [0, 255, 0]
    assert canvas.image[90, 160].tolist() == [0, 0, 0]


def test_fading_blends_with_what_was_there() -> None:
    """Half opaque white on black is grey; fully transparent paints nothing."""
    canvas = Canvas()
    canvas.fade(0.5, lambda: canvas.box(0, 0, 320, 180, (255, 255, 255)))
    assert canvas.image[90, 160].tolist() == pytest.approx([128] * 3, abs=1)
    canvas.fade(0.0, lambda: canvas.box(0, 0, 320, 180, (255, 255, 255)))
    assert canvas.image[90, 160].tolist() == pytest.approx([128] * 3, abs=1)


def test_light_multiplies_each_colour() -> None:
    """A lamp at half brightness halves the picture, channel by channel."""
    canvas = Canvas()
    canvas.fill((200, 100, 50), (200, 100, 50))
    canvas.light(0.5, 1.0, 1.0)
    assert canvas.image[0, 0].tolist() == [100, 100, 50]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_painted_in_its_colour(shape: str) -> None:
    """The middle of a shape has its colour, far away nothing is painted."""
    canvas = Canvas()
    draw_shape(canvas, shape, 160, 90, 25, 0.0, (10, 200, 30))
    assert canvas.image[90, 160].tolist() == [10, 200, 30]
    assert canvas.image[90, 220].tolist() == [0, 0, 0]
