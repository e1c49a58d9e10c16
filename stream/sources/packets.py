"""Repairs on encoded packets, between the demuxer and the decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TypeAlias, cast

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

VideoPacket: TypeAlias = "av.Packet[VideoStream]"  # Packet takes no parameter when the program runs

AnyPacket: TypeAlias = "av.Packet[VideoStream] | av.Packet[AudioStream]"

_START_CODE = b"\x00\x00\x01"


def sender_time_s(packet: VideoPacket) -> float | None:
    """Unix seconds at which the sender stamped `packet`, known once an RTCP sender report has arrived; else None.

    Side data `prft` begins with a little-endian int64 of Unix microseconds (libavcodec's AVProducerReferenceTime).
    """
    if not packet.has_sidedata("prft"):
        return None
    (wall_us,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
    return float(wall_us) / 1e6


def merge_split_keyframes(packets: Iterable[VideoPacket], codec: str) -> Iterator[VideoPacket]:
    """Puts a keyframe that arrives in several packets together again; other packets pass at once.

    Cameras that repeat their parameter sets before every slice of a keyframe make the RTSP reader cut it there, and
    each part alone decodes into a damaged picture. Only keyframes are held back, and only until the next packet.
    """
    if codec not in ("h264", "hevc"):
        yield from packets
        return
    held: list[VideoPacket] = []
    for packet in packets:
        if held and continues_picture(bytes(packet), codec):
            held.append(packet)
            continue
        if held:
            yield _joined(held)
            held = []
        if packet.is_keyframe:
            held.append(packet)
        else:
            yield packet
    if held:
        yield _joined(held)


def _joined(parts: list[VideoPacket]) -> VideoPacket:
    """One packet out of `parts`, which show the same picture; the first time stamp that any of them has counts."""
    first = parts[0]
    if len(parts) == 1:
        return first
    whole = cast(VideoPacket, av.Packet(b"".join(bytes(part) for part in parts)))
    whole.time_base = first.time_base
    whole.pts = next((part.pts for part in parts if part.pts is not None), None)
    whole.dts = next((part.dts for part in parts if part.dts is not None), None)
    whole.duration = first.duration
    whole.is_keyframe = True
    return whole


def continues_picture(data: bytes, codec: str) -> bool:
    """Whether Annex B `data` begins in the middle of a picture: its first slice is not the picture's first one.

    H.264 slices begin with `first_mb_in_slice` as ue(v), whose value 0 is the single bit 1 (ITU-T H.264 7.3.3); H.265's
    begin with `first_slice_segment_in_pic_flag` (ITU-T H.265 7.3.6.1).
    """
    start = data.find(_START_CODE)
    while start >= 0 and start + 5 < len(data):
        header = data[start + 3]
        if codec == "h264" and 1 <= header & 0x1F <= 5:
            return not data[start + 4] & 0x80
        if codec == "hevc" and (header >> 1) & 0x3F < 32:
            return not data[start + 5] & 0x80
        start = data.find(_START_CODE, start + 3)
    return False
