"""A clip's still picture."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from stream.clips.thumbnail import LONGEST_PX, thumbnail
from tests.media import HEIGHT_PX, WIDTH_PX, coded_pictures, encode_video, picture_code, turned
from tests.stream.clips.conftest import FillFactory, frame_s, rgb


@pytest.mark.parametrize(("suffix", "b_frames"), [(".mp4", 0), (".mp4", 2), (".ts", 2)])
def test_it_shows_the_moment_asked_for(suffix: str, b_frames: int, tmp_path: Path, fill: FillFactory) -> None:
    """The very picture that was on at that time, as JPEG."""
    options = {"preset": "veryfast"}
    path = encode_video(tmp_path / f"video{suffix}", coded_pictures(75), b_frames=b_frames, options=options)
    selection = fill(path).select(0, frame_s(10), frame_s(70))
    assert selection is not None
    for number in (10, 44, 69):
        jpeg = thumbnail(selection, frame_s(number) + 0.01)
        assert jpeg is not None and jpeg.startswith(b"\xff\xd8")
        with av.open(io.BytesIO(jpeg), "r") as picture:
            (frame,) = picture.decode(video=0)
        assert picture_code(rgb(frame)) == number


def test_it_is_no_larger_than_a_list_of_them_needs(tmp_path: Path, fill: FillFactory) -> None:
    """Wide pictures are made smaller, in their proportions."""
    path = encode_video(tmp_path / "video.mp4", coded_pictures(3, 1280, 720))
    selection = fill(path).select(0, 0.0, 0.1)
    assert selection is not None
    jpeg = thumbnail(selection, 0.0)
    assert jpeg is not None
    with av.open(io.BytesIO(jpeg), "r") as picture:
        (frame,) = picture.decode(video=0)
    assert (frame.width, frame.height) == (LONGEST_PX, 360)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_it_is_upright(degrees: int, tmp_path: Path, fill: FillFactory) -> None:
    """A stream that was filmed on its side says so, and players turn it."""
    plain = encode_video(tmp_path / "plain.mp4", coded_pictures(30), options={"preset": "veryfast"})
    selection = fill(turned(plain, tmp_path / "turned.mp4", degrees)).select(0, 0.0, 1.0)
    assert selection is not None
    jpeg = thumbnail(selection, frame_s(20) + 0.01)
    assert jpeg is not None
    with av.open(io.BytesIO(jpeg), "r") as picture:
        (frame,) = picture.decode(video=0)
    assert (frame.width, frame.height) == ((WIDTH_PX, HEIGHT_PX) if degrees == 180 else (HEIGHT_PX, WIDTH_PX))
    back = np.ascontiguousarray(np.rot90(rgb(frame), -degrees // 90))
    assert picture_code(back) == 20
