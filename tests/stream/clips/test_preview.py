"""A clip's moving picture."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stream.clips.packets import Selection
from stream.clips.preview import LONGEST_PX, LONGEST_S, MAX_BYTES, PICTURES, preview
from tests.media import coded_pictures, encode_video, picture_code, turned
from tests.stream.clips.conftest import FillFactory, frame_s

Select = Callable[..., Selection]


@pytest.fixture
def select(tmp_path: Path, fill: FillFactory) -> Select:
    """Everything of a video that is made for a test."""

    def run(count: int = 250, width: int = 320, height: int = 192, **options: Any) -> Selection:
        path = tmp_path / "video.mp4"
        encode_video(path, coded_pictures(count, width, height), options={"preset": "veryfast"}, **options)
        selection = fill(path).select(0, 0.0, frame_s(count))
        assert selection is not None
        return selection

    return run


def codes(data: bytes | None) -> list[int]:
    """The number in each picture, in their order."""
    assert data is not None and data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    shown = []
    with Image.open(io.BytesIO(data)) as picture:
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            shown.append(picture_code(np.asarray(picture.convert("RGB"))))
    return shown


def lengths_s(data: bytes) -> list[float]:
    """How long each picture stays, and that it begins again for ever, out of the file itself."""
    found, place = [], 12
    while place < len(data):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind == b"ANIM":
            assert data[place + 12 : place + 14] == bytes(2), "it ends some time"
        if kind == b"ANMF":
            found.append(int.from_bytes(data[place + 20 : place + 23], "little") / 1000)
        place += 8 + size + size % 2
    return found


def test_keyframes_are_enough_where_there_are_enough(select: Select) -> None:
    """Those of the moment, or else those of the whole clip; it lasts no longer than it must."""
    selection = select(keyframe_interval=25)
    data = preview(selection, (2.0, 8.0))
    assert codes(data) == [50, 75, 100, 125, 150, 175]
    assert data is not None and lengths_s(data) == [0.5] * 6
    short = preview(selection, (2.0, 3.0))
    assert codes(short) == [25 * number for number in range(10)]
    assert short is not None and lengths_s(short) == [0.3] * 10


@pytest.mark.parametrize("b_frames", [0, 2])
def test_where_keyframes_are_rare_all_is_looked_at(select: Select, b_frames: int) -> None:
    """Twelve pictures of the moment, evenly apart."""
    data = preview(select(keyframe_interval=250, b_frames=b_frames), (frame_s(100), frame_s(220)))
    assert codes(data) == [100 + 10 * number for number in range(PICTURES)]
    assert data is not None and lengths_s(data) == [0.25] * PICTURES


def test_no_more_is_decoded_than_is_bearable(select: Select) -> None:
    """Behind 300 packets without a keyframe, the end of a moment is not shown."""
    shown = codes(preview(select(400, 160, 96, keyframe_interval=400), (0.0, frame_s(400))))
    assert len(shown) == PICTURES and max(shown) < 300


def test_it_is_small(select: Select) -> None:
    """In its proportions, and in bytes: noise costs quality, not size."""
    with Image.open(io.BytesIO(preview(select(100, 1280, 720), (0.0, 4.0)) or b"")) as picture:
        assert picture.size == (LONGEST_PX, 180)


def test_a_single_picture_is_one_too(select: Select) -> None:
    """Of a moment as short as that."""
    data = preview(select(3), (0.0, 0.01))
    assert codes(data) == [0]
    assert data is not None and len(data) < MAX_BYTES and all(length <= LONGEST_S for length in lengths_s(data))


def test_it_is_upright(tmp_path: Path, fill: FillFactory) -> None:
    """As players show the clip."""
    plain = encode_video(tmp_path / "plain.mp4", coded_pictures(100), options={"preset": "veryfast"})
    selection = fill(turned(plain, tmp_path / "turned.mp4", 90)).select(0, 0.0, 4.0)
    assert selection is not None
    with Image.open(io.BytesIO(preview(selection, (0.0, 4.0)) or b"")) as picture:
        picture.seek(2)
        back = np.rot90(np.asarray(picture.convert("RGB")), -1)
    assert picture_code(np.ascontiguousarray(back)) == 50


def test_what_cannot_be_decoded_has_none(select: Select) -> None:
    """And nothing else is lost for it."""
    selection = select(10)
    broken = tuple(type(packet)(b"\0" * 9, packet.pts, packet.dts, 1, True) for packet in selection.video)
    assert preview(type(selection)(**{**vars(selection), "video": broken}), (0.0, 1.0)) is None


def test_it_costs_little(select: Select, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ten seconds of 720p with a keyframe every two: a fifth of decoding all of it, at most."""
    selection = select(250, 1280, 720, keyframe_interval=50)

    def cpu_s(span_s: tuple[float, float], of: Selection) -> float:
        begin_s = time.process_time()
        assert preview(of, span_s) is not None
        return time.process_time() - begin_s

    keyframes_s = min(cpu_s((2.0, 8.0), selection) for _ in range(3))
    first, *others = selection.video
    rare = (first, *(type(kept)(kept.data, kept.pts, kept.dts, kept.duration, False) for kept in others))
    everything_s = cpu_s((0.0, 10.0), type(selection)(**{**vars(selection), "video": rare}))
    told = f"{keyframes_s * 1e3:.0f} ms of CPU from keyframes, {everything_s * 1e3:.0f} ms from all pictures"
    with capsys.disabled():
        print(f"\npreview of 10 s of 720p: {told}")
    assert keyframes_s < everything_s / 3
