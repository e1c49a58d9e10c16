"""Pictures out of a selection: as few packets are decoded as show them, and they are turned as the stream says."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar, cast

import av
import numpy as np
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stream.clips.packets import EncodedPacket, Selection

MAX_DECODED: Final = 300
"""Packets; where keyframes are further apart, pictures between them are out of reach."""
_T = TypeVar("_T")
ENOUGH: Final = 4
"""So many keyframes make a preview."""


def picture_at(selection: Selection, time_s: float) -> VideoFrame | None:
    """The picture on at the media time `time_s`, or the nearest that is cheap; None when nothing can be decoded."""
    pts = _pts(selection, time_s)
    packets = selection.video
    begin = max((i for i, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= pts), default=0)
    end = max((i for i, packet in enumerate(packets) if packet.pts <= pts), default=begin) + 1
    best: VideoFrame | None = None
    for frame in _decoded(selection, packets[begin : end if end - begin <= MAX_DECODED else begin + 1]):
        if best is None or (frame.pts is not None and frame.pts <= pts):
            best = frame
    return best


def pictures_across(selection: Selection, span_s: tuple[float, float], count: int) -> list[VideoFrame]:
    """Up to `count` pictures, evenly out of the media time `span_s`.

    Keyframes, where there are enough of them in it, or else around it; only where they are rare, all packets.
    """
    begin, end = _pts(selection, span_s[0]), _pts(selection, span_s[1])
    around = [packet for packet in selection.video if packet.is_keyframe]
    within = [packet for packet in around if begin <= packet.pts < end]
    for keyframes in (within, around):
        if len(keyframes) >= ENOUGH:
            return list(_decoded(selection, _evenly(keyframes, count)))
    packets = selection.video
    first = max((i for i, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= begin), default=0)
    all_of_it = [packet for packet in packets[first:] if packet.pts < end][:MAX_DECODED]
    shown = sorted(packet.pts for packet in all_of_it if packet.pts >= begin) or [begin]
    wanted = set(_evenly(shown, count))
    return [frame for frame in _decoded(selection, all_of_it) if frame.pts in wanted]


def small(frame: VideoFrame, longest_px: int, pixels: str, rotation_deg: int = 0) -> VideoFrame:
    """The picture upright, in its proportions, in that pixel format, its longer side at most `longest_px`."""
    scale = min(1.0, longest_px / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    turns = round((frame.rotation or rotation_deg) / 90) % 4
    if not turns:
        return frame.reformat(width, height, format=pixels)
    image = cast("NDArray[np.uint8]", frame.reformat(width, height, format="rgb24").to_ndarray())
    image = np.rot90(image, turns)
    return VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24").reformat(format=pixels)


def rotation_deg(selection: Selection) -> int:
    """How far pictures are to be turned counterclockwise, by what the stream said of itself when it began.

    Decoders do not know it: only a file does, so the first keyframe becomes one.
    """
    video = selection.tracks.video
    if video.template is None:
        return 0
    file = io.BytesIO()
    try:
        with av.open(file, "w", format="matroska") as out:
            stream = out.add_stream_from_template(cast(VideoStream, video.template))
            packet = _packet(selection.video[0])
            packet.time_base, packet.pts, packet.dts = video.time_base, 0, 0
            packet.stream = stream
            out.mux_one(packet)
        file.seek(0)
        with cast(InputContainer, av.open(file)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            return next((frame.rotation for frame in container.decode(video=0)), 0)
    except (av.FFmpegError, ValueError):
        return 0


def _decoded(selection: Selection, packets: Sequence[EncodedPacket]) -> Iterator[VideoFrame]:
    """What can be decoded of these, up to the first mistake."""
    context = cast(VideoCodecContext, av.CodecContext.create(selection.tracks.video.codec, "r"))
    context.thread_count = 1
    context.extradata = selection.tracks.video.extradata or None
    decode = cast("Callable[[av.Packet[VideoStream] | None], list[VideoFrame]]", context.decode)
    try:
        for kept in packets:
            yield from decode(_packet(kept))
        yield from decode(None)
    except (av.FFmpegError, ValueError):
        return


def _packet(kept: EncodedPacket) -> av.Packet[VideoStream]:
    packet = cast("av.Packet[VideoStream]", av.Packet(kept.data))
    packet.pts, packet.dts, packet.is_keyframe = kept.pts, kept.dts, kept.is_keyframe
    return packet


def _pts(selection: Selection, time_s: float) -> int:
    return round((time_s + selection.offset_s) / float(selection.tracks.video.time_base))


def _evenly(things: Sequence[_T], count: int) -> list[_T]:
    """Up to `count` of them, evenly apart."""
    if len(things) <= count:
        return list(things)
    return [things[number * len(things) // count] for number in range(count)]
