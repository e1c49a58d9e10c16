"""From encoded packets to pictures with a time stamp, and from those to RGB."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from stream.sources.packets import VideoPacket
from stream.sources.state import SourceStats
from stream.types import Image

_UNKNOWN_RATE = Fraction(25)


@dataclass(frozen=True)
class Decoded:
    """One decoded picture, still in the codec's own format, and its time stamp on the stream's clock."""

    pts_s: float
    frame: VideoFrame


class StampRepair:
    """Gives pictures without a time stamp, or with a wrong one, the right one.

    Over RTSP the very first packet, the keyframe, often has none: its picture waits for the next one and is placed one
    frame before it. A picture without a stamp later on follows the one before it. Some senders and files stamp
    B-frames in the order of sending: see `_Stamps`.
    """

    WAITING = 32  # A stream whose pictures never have stamps is counted from zero, after so many.

    def __init__(self, frame_interval_s: float) -> None:
        self._interval_s = frame_interval_s
        self._stamps = _Stamps()
        self._waiting: list[VideoFrame] = []
        self._last_s: float | None = None

    def feed(self, frame: VideoFrame) -> list[Decoded]:
        """Pictures, in order, whose time is known now that `frame` is there."""
        pts_s = self._stamps.of(frame)
        if pts_s is None and self._last_s is None:
            self._waiting.append(frame)
            return self.flush() if len(self._waiting) >= self.WAITING else []
        if pts_s is None:
            pts_s = cast(float, self._last_s) + self._interval_s
        waiting, self._waiting = self._waiting, []
        self._last_s = pts_s
        first_s = pts_s - len(waiting) * self._interval_s
        early = [Decoded(first_s + i * self._interval_s, picture) for i, picture in enumerate(waiting)]
        return [*early, Decoded(pts_s, frame)]

    def flush(self) -> list[Decoded]:
        """Nothing else comes: pictures still waiting are counted from zero."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._last_s = (len(waiting) - 1) * self._interval_s
        return [Decoded(i * self._interval_s, frame) for i, frame in enumerate(waiting)]


class _Stamps:
    """Reads a picture's time stamp, mistrusting stamps that go back more often than the order of sending does.

    Pictures leave the decoder in the order of showing. Where their presentation stamps (pts) do not grow, the sender
    has stamped them in the order of sending, and the decoding stamps (dts) of the packets that brought them out, less
    the decoder's delay, are right: FFmpeg's `best_effort_timestamp` chooses by the same rule, but keeps that delay.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}
        self._delay: int | None = None

    def of(self, frame: VideoFrame) -> float | None:
        """Seconds on the stream's clock; None when the picture has no stamp at all."""
        pts = self._checked("pts", frame.pts)
        dts = self._checked("dts", frame.dts)
        if self._delay is None and pts is not None and dts is not None:
            self._delay = dts - pts
        if pts is None or (dts is not None and self._faults["pts"] > self._faults["dts"]):
            pts = None if dts is None else dts - (self._delay or 0)
        return None if pts is None or frame.time_base is None else float(pts * frame.time_base)

    def _checked(self, kind: str, stamp: int | None) -> int | None:
        if stamp is not None:
            self._faults[kind] += stamp <= self._last.get(kind, stamp - 1)
            self._last[kind] = stamp
        return stamp


class PictureDecoder:
    """Decodes one video track in one thread, counting and surviving what cannot be decoded; pictures come in order."""

    def __init__(self, track: VideoStream, stats: SourceStats) -> None:
        self._context = track.codec_context
        # More threads cost more CPU and hold pictures back, without being faster for one stream among many.
        self._context.thread_count = 1
        self._stats = stats
        self._stamps = StampRepair(float(1 / (track.average_rate or _UNKNOWN_RATE)))

    @property
    def codec(self) -> str:
        """The codec's short name, such as `h264`."""
        return self._context.name

    def decode(self, packet: VideoPacket) -> Iterator[Decoded]:
        """The pictures that `packet` brings out: with B-frames, later ones or none."""
        yield from self._run(packet)

    def flush(self) -> Iterator[Decoded]:
        """The pictures still inside, once the stream has ended."""
        yield from self._run(None)
        for decoded in self._stamps.flush():
            self._stats.pictures += 1
            yield decoded

    def _run(self, packet: VideoPacket | None) -> Iterator[Decoded]:
        began_s = time.perf_counter()
        try:
            frames = self._context.decode(packet)
        except av.EOFError:
            frames = []
        except (av.FFmpegError, ValueError):
            self._stats.drops["decode_error"] += 1
            frames = []
        finally:
            self._stats.decode_seconds += time.perf_counter() - began_s
        for frame in frames:
            for decoded in self._stamps.feed(frame):
                self._stats.pictures += 1
                yield decoded


class RgbConverter:
    """Turns decoded pictures into RGB with one shared scaler: a new scaler for each picture costs twice the time.

    May be called from any thread.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()

    def convert(self, frame: VideoFrame) -> Image:
        """`frame` as RGB `[height, width, 3]`, upright as its sender meant it to be shown."""
        with self._lock:
            rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        image = cast(Image, rgb.to_ndarray())
        quarter_turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image
