"""A ring filled from a real file, as a source would fill it, and what a clip shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import pytest
from av.video.frame import VideoFrame

from stream.clips.ring import PacketRing
from stream.sources.packets import VideoPacket
from stream.sources.tapping import Tap
from tests.media import FPS, Image, picture_code


@dataclass(frozen=True)
class Shown:
    """What a player would show of a clip."""

    codes: list[int]
    """The number in each picture, in the order of showing."""
    times_s: list[float]
    sound_s: float
    """How long the sound is; 0 without any."""
    container: str
    codec: str


FillFactory = Callable[..., PacketRing]


@pytest.fixture
def fill() -> FillFactory:
    """Fills a ring with the packets of a file, whose first picture is at media time 0 of epoch 0."""

    def run(path: Path, ring: PacketRing | None = None, epoch: int = 0) -> PacketRing:
        ring = ring or PacketRing(max_bytes=64 << 20)
        # Closed before anything is cut, as a connection that has ended.
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            audio = container.streams.audio[0] if container.streams.audio else None
            tap = Tap(ring, video, audio)
            start_s = float(cast(int, video.start_time) * cast(Fraction, video.time_base))
            for packet in container.demux():
                if not packet.size:
                    continue
                if packet.stream_index == video.index:
                    tap.video(cast(VideoPacket, packet))
                else:
                    tap.audio(cast(VideoPacket, packet))
            tap.place(epoch, start_s, 0.0)
            tap.end()
        return ring

    return run


def rgb(frame: VideoFrame) -> Image:
    """A decoded picture."""
    return cast(Image, frame.to_ndarray(format="rgb24"))


def show(path: Path) -> Shown:
    """Decode a clip to its end."""
    with av.open(str(path)) as clip:
        video = clip.streams.video[0]
        frames = list(clip.decode(video))
        codes = [picture_code(rgb(frame)) for frame in frames]
        times_s = [frame.time for frame in frames]
        name, codec = clip.format.name, video.codec_context.name
    with av.open(str(path)) as clip:
        sound = [frame for frame in clip.decode(audio=0)] if clip.streams.audio else []
        seconds = sum(frame.samples / frame.sample_rate for frame in sound)
    return Shown(codes, times_s, seconds, name, codec)


def frame_s(number: int) -> float:
    """The media time of a picture."""
    return number / FPS
