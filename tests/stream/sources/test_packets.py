"""Keyframes that arrive in several packets are put together before they are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stream.sources.packets import VideoPacket, continues_picture, merge_split_keyframes, sender_time_s
from tests.media import encode_video, numbered_pictures

CODECS = {"h264": ("libx264", {"slices": "4"}), "hevc": ("libx265", {"x265-params": "slices=2:log-level=none"})}


def slice_starts(data: bytes, codec: str) -> list[int]:
    """Where the picture's slices begin, each at its start code."""
    found, at = [], data.find(b"\0\0\1")
    while at >= 0:
        kind = data[at + 3] & 31 if codec == "h264" else (data[at + 3] >> 1) & 63
        if (1 <= kind <= 5) if codec == "h264" else kind < 32:
            found.append(at)
        at = data.find(b"\0\0\1", at + 3)
    return found


def annex_b(path: Path, codec: str) -> Iterator[VideoPacket]:
    """The packets of `path` as an RTSP reader would give them: with start codes."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        convert = av.BitStreamFilterContext(f"{codec}_mp4toannexb", track)
        for packet in container.demux(track):
            yield from cast("list[VideoPacket]", convert.filter(packet if packet.size else None))


def part(packet: VideoPacket, data: bytes, pts: int | None) -> VideoPacket:
    piece = cast(VideoPacket, av.Packet(data))
    piece.pts = piece.dts = pts
    piece.time_base, piece.duration = packet.time_base, packet.duration
    piece.is_keyframe = packet.is_keyframe
    return piece


def split(packet: VideoPacket, codec: str) -> list[VideoPacket]:
    """`packet` as FFmpeg's RTSP reader cuts keyframes with parameter sets before each slice."""
    data = bytes(packet)
    cuts = slice_starts(data, codec)[1:] if packet.is_keyframe else []
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [part(packet, piece, packet.pts) for piece in pieces]


def decode(packets: Iterator[VideoPacket], codec: str) -> list[NDArray[Any]]:
    context = cast(av.VideoCodecContext, av.CodecContext.create(codec, "r"))
    context.thread_count = 1
    frames = [frame for packet in packets for frame in context.decode(packet)] + list(context.decode(None))
    return [frame.to_ndarray() for frame in frames]


@pytest.mark.parametrize("codec", list(CODECS))
def test_split_keyframes_decode_as_if_whole(codec: str, tmp_path: Path) -> None:
    """After merging, the decoder sees the very packets, and shows the very pictures, that it would without the cut."""
    encoder, options = CODECS[codec]
    path = encode_video(
        tmp_path / "sliced.mp4",
        (np.kron(picture, np.ones((3, 3, 1), np.uint8)) for picture in numbered_pictures(12)),
        codec=encoder,
        options=options,
        keyframe_interval=5,
    )
    whole = list(annex_b(path, codec))
    pieces = [piece for packet in whole for piece in split(packet, codec)]
    assert len(pieces) > len(whole)

    merged = list(merge_split_keyframes(pieces, codec))

    assert [bytes(packet) for packet in merged] == [bytes(packet) for packet in whole]
    assert [(p.pts, p.is_keyframe) for p in merged] == [(p.pts, p.is_keyframe) for p in whole]
    expected = decode(iter(whole), codec)
    assert len(expected) == 12
    for got, wanted in zip(decode(iter(merged), codec), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def h264_slice(*, first: bool) -> bytes:
    return b"\0\0\0\1\x65" + (b"\x88" if first else b"\x48") + b"\x84\x21\xa0"


PARAMETER_SETS = b"\0\0\0\1\x67\x42\xc0\x0b" + b"\0\0\0\1\x68\xce\x3c\x80"


def keyframe(data: bytes, pts: int | None) -> VideoPacket:
    packet = cast(VideoPacket, av.Packet(data))
    packet.pts, packet.time_base, packet.is_keyframe = pts, Fraction(1, 90_000), True
    return packet


def test_slices_are_told_from_new_pictures() -> None:
    """Only a packet whose first slice is not a picture's first one continues the picture before it."""
    assert not continues_picture(PARAMETER_SETS + h264_slice(first=True), "h264")
    assert continues_picture(PARAMETER_SETS + h264_slice(first=False), "h264")
    assert continues_picture(h264_slice(first=False), "h264")
    assert not continues_picture(PARAMETER_SETS, "h264")
    assert not continues_picture(b"", "h264")


def test_packets_that_are_no_split_keyframe_pass_at_once() -> None:
    """Nothing but keyframes is held back, so merging delays no other picture."""
    read: list[int] = []

    def packets() -> Iterator[VideoPacket]:
        for i in range(3):
            read.append(i)
            packet = keyframe(b"\0\0\0\1\x41\x9a\x00\x00", i)
            packet.is_keyframe = False
            yield packet

    merged = merge_split_keyframes(packets(), "h264")
    next(merged)
    assert read == [0]


def test_other_codecs_are_left_alone() -> None:
    """Codecs without such slices are handed on as they come."""
    packets = [keyframe(b"\xff\xd8", 0), keyframe(b"\xff\xd8", 1)]
    assert list(merge_split_keyframes(packets, "mjpeg")) == packets


def test_packets_without_a_sender_report_have_no_sender_time() -> None:
    """Only packets that carry `prft` know when they were sent."""
    assert sender_time_s(keyframe(h264_slice(first=True), 0)) is None
