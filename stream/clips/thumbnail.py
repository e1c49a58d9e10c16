"""One picture of a selection as JPEG."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from stream.clips.packets import EncodedPacket, Selection

MAX_WIDTH_PX: Final = 640
MAX_DECODED: Final = 300
"""Packets: where keyframes are further apart, the picture is the keyframe before the one that was asked for."""
_QUALITY: Final = "4"
"""From 2, the best, to 31."""


def thumbnail(selection: Selection, time_s: float) -> bytes | None:
    """The picture on at the media time `time_s` as JPEG; None when nothing can be decoded."""
    video = selection.tracks.video
    pts = round((time_s + selection.offset_s) / float(video.time_base))
    frame = _decode(selection, pts)
    return None if frame is None else _jpeg(frame)


def _decode(selection: Selection, pts: int) -> VideoFrame | None:
    packets = _leading_to(selection.video, pts)
    context = cast(VideoCodecContext, av.CodecContext.create(selection.tracks.video.codec, "r"))
    context.thread_count = 1
    context.extradata = selection.tracks.video.extradata or None
    best: VideoFrame | None = None
    try:
        for kept in [*packets, None]:
            packet = None if kept is None else av.Packet(kept.data)
            if packet is not None and kept is not None:
                packet.pts, packet.dts, packet.is_keyframe = kept.pts, kept.dts, kept.is_keyframe
            for frame in context.decode(packet):
                if best is None or (frame.pts is not None and frame.pts <= pts):
                    best = frame
    except (av.FFmpegError, ValueError):
        return best
    return best


def _leading_to(packets: tuple[EncodedPacket, ...], pts: int) -> tuple[EncodedPacket, ...]:
    """From the last keyframe up to that time to the last packet shown by then."""
    begin = max((i for i, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= pts), default=0)
    end = max((i for i, packet in enumerate(packets) if packet.pts <= pts), default=begin) + 1
    return packets[begin : end if end - begin <= MAX_DECODED else begin + 1]


def _jpeg(frame: VideoFrame) -> bytes:
    width = min(frame.width, MAX_WIDTH_PX) // 2 * 2
    height = max(2, round(frame.height * width / frame.width) // 2 * 2)
    small = frame.reformat(width, height, format="yuvj420p")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": _QUALITY, "qmax": _QUALITY}
    small.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
