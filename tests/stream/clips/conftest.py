"""A ring filled from a real file, as a source would fill it, and what a clip shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import av
import pytest
import s3fs
from av.video.frame import VideoFrame

from stream.clips.ring import PacketRing
from stream.sources.packets import VideoPacket
from stream.sources.tapping import Tap
from tests.media import FPS, Image, picture_code
from tests.servers import S3_BUCKET, ServerProcess, s3_server


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


@dataclass(frozen=True)
class Bucket:
    """A place on a server that speaks S3."""

    server: ServerProcess
    prefix: str = ""

    @property
    def address(self) -> str:
        return f"s3://{S3_BUCKET}/{self.prefix}".rstrip("/")

    @property
    def options(self) -> dict[str, Any]:
        """What leads there, and a secret."""
        where = {"endpoint_url": f"http://127.0.0.1:{self.server.port}"}
        return {"key": "id", "secret": "hush-hush", "client_kwargs": where}

    def names(self) -> set[str]:
        """The files in it."""
        system = s3fs.S3FileSystem(**self.options, skip_instance_cache=True)
        try:
            return {name.rpartition("/")[2] for name in system.ls(self.address, detail=False)}
        except FileNotFoundError:
            return set()


@pytest.fixture(scope="session")
def s3() -> Iterator[ServerProcess]:
    """A server for all tests that do it no harm."""
    server = s3_server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3: ServerProcess) -> Bucket:
    """An empty place of the test's own."""
    return Bucket(s3, uuid4().hex)


@pytest.fixture
def own_bucket(start_server: Callable[[ServerProcess], ServerProcess]) -> Bucket:
    """A bucket on a server that the test may treat as it likes."""
    return Bucket(start_server(s3_server()))


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
