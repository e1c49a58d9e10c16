"""Small videos made at test time, whose every picture says which one it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX, FPS = 160, 96, 25
_SAMPLE_RATE_HZ = 16_000


def numbered_pictures(count: int) -> Iterator[Image]:
    """`count` pictures: the i-th is grey of level `20 + 4 * (i % 50)`, with a red square that moves."""
    for i in range(count):
        image: Image = np.full((HEIGHT_PX, WIDTH_PX, 3), 20 + 4 * (i % 50), np.uint8)
        left = i * 2 % (WIDTH_PX - 16)
        image[40:56, left : left + 16] = (220, 20, 20)
        yield image


def picture_number(image: Image) -> int:
    """Which of `numbered_pictures` this is, modulo 50, after encoding and decoding."""
    return round((float(image[:32].mean()) - 20) / 4)


_CODE_BITS, _CODE_ROWS = 16, 2


def coded_pictures(count: int, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Iterator[Image]:
    """`count` pictures, each with its number in bright and dark blocks that survive encoding, on a moving pattern."""
    block = height // 6
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        image: Image = np.repeat(((x + 3 * i) % 64 + (y + i) % 64 + 40).astype(np.uint8)[..., None], 3, axis=2)
        for bit in range(_CODE_BITS):
            row, column = divmod(bit, _CODE_BITS // _CODE_ROWS)
            image[row * block : (row + 1) * block, column * block : (column + 1) * block] = 235 if i >> bit & 1 else 16
        yield image


def busy_pictures(count: int) -> Iterator[Image]:
    """The same in 720p, with noise that drifts: with `crf` 30, about 5 Mbit/s, as a camera sends."""
    height, width = 720, 1280
    noise = np.random.default_rng(0).integers(0, 60, (height // 2, width, 3), np.uint8)
    for i, image in enumerate(coded_pictures(count, width, height)):
        image[height // 2 :] = np.minimum(image[height // 2 :], 195) + np.roll(noise, 7 * i, 1)
        yield image


def picture_code(image: Image) -> int:
    """The number that `coded_pictures` put into a picture, after encoding and decoding."""
    block = image.shape[0] // 6
    code = 0
    for bit in range(_CODE_BITS):
        row, column = divmod(bit, _CODE_BITS // _CODE_ROWS)
        part = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
        code |= int(part.mean() > 125) << bit
    return code


def encode_video(
    path: Path,
    pictures: Iterable[Image] | None = None,
    *,
    codec: str = "libx264",
    fps: int = FPS,
    keyframe_interval: int = FPS,
    b_frames: int = 0,
    audio: bool = False,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Writes `pictures` (4 s of numbered ones if None) to `path` at `fps`, with a low hum when `audio`.

    `options` go to the encoder.
    """
    images = iter(numbered_pictures(4 * FPS) if pictures is None else pictures)
    first = next(images)
    with av.open(str(path), "w") as out:
        video = cast(VideoStream, out.add_stream(codec, rate=fps))
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.gop_size = keyframe_interval
        video.max_b_frames = b_frames
        video.options = {"preset": "ultrafast", "bf": str(b_frames), **_CODEC_OPTIONS.get(codec, {}), **(options or {})}
        hum = _add_hum(out) if audio else None
        for i, image in enumerate(chain([first], images)):
            out.mux(video.encode(VideoFrame.from_ndarray(image, "rgb24")))
            if hum is not None:
                out.mux(hum.encode(_hum(i)))
        out.mux(video.encode(None))
        out.mux(hum.encode(None) if hum else [])
    return path


_CODEC_OPTIONS: Mapping[str, Mapping[str, str]] = {"libx265": {"x265-params": "log-level=none"}}


def _add_hum(out: av.container.OutputContainer) -> AudioStream:
    codec: Literal["libopus", "aac"] = "libopus" if out.format.name == "webm" else "aac"
    hum = out.add_stream(codec, rate=_SAMPLE_RATE_HZ)
    hum.layout = "mono"
    return hum


def _hum(picture: int) -> AudioFrame:
    samples = _SAMPLE_RATE_HZ // FPS
    times_s = (picture * samples + np.arange(samples)) / _SAMPLE_RATE_HZ
    frame = AudioFrame.from_ndarray((0.1 * np.sin(2 * np.pi * 110 * times_s)).astype(np.float32)[None], "fltp", "mono")
    frame.sample_rate = _SAMPLE_RATE_HZ
    frame.pts, frame.time_base = picture * samples, Fraction(1, _SAMPLE_RATE_HZ)
    return frame


def turned(video: Path, path: Path, degrees: int) -> Path:
    """The same packets in a file that says how far players are to turn them, counterclockwise."""
    with av.open(str(video)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        copy.set_display_rotation(degrees)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    return path


def encode_audio(path: Path, seconds: int = 1) -> Path:
    """Writes a hum without any picture."""
    with av.open(str(path), "w") as out:
        hum = _add_hum(out)
        for picture in range(seconds * FPS):
            out.mux(hum.encode(_hum(picture)))
        out.mux(hum.encode(None))
    return path
