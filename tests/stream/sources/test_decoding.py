"""Pictures come out of the decoder in order, stamped, complete and upright."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stream.sources.decoding import Decoded, PictureDecoder, RgbConverter, StampRepair
from stream.sources.packets import VideoPacket
from stream.sources.state import SourceStats
from stream.sources.timeline import Timeline
from tests.media import encode_video, numbered_pictures, picture_number


def stamped(pts: int | None) -> VideoFrame:
    frame = VideoFrame(16, 16)
    frame.pts, frame.time_base = pts, Fraction(1, 100)
    return frame


def repaired(stamps: list[int | None]) -> list[float]:
    repair = StampRepair(frame_interval_s=0.04)
    decoded = [picture for stamp in stamps for picture in repair.feed(stamped(stamp))] + repair.flush()
    return [round(picture.pts_s, 6) for picture in decoded]


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([None, 4, 8], [0.0, 0.04, 0.08]),
        ([None, None, 100], [0.92, 0.96, 1.0]),
        ([100, None, 108], [1.0, 1.04, 1.08]),
        ([None, None], [0.0, 0.04]),
    ],
)
def test_pictures_without_a_stamp_get_one_from_their_neighbours(stamps: list[int | None], seconds: list[float]) -> None:
    """The first keyframe of an RTSP stream has no stamp: it is shown one frame before the next, never dropped."""
    assert repaired(stamps) == seconds


def test_a_stream_without_any_stamps_is_counted_from_zero() -> None:
    """Waiting for a stamp has an end, after which pictures are counted at the stream's rate."""
    assert repaired([None] * 100) == [round(i * 0.04, 6) for i in range(100)]


def packets_of(path: Path) -> Iterator[tuple[VideoStream, VideoPacket]]:
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        for packet in container.demux(track):
            if packet.size:
                yield track, packet


def decode_all(path: Path, stats: SourceStats, damage: int | None = None) -> list[Decoded]:
    decoder: PictureDecoder | None = None
    decoded: list[Decoded] = []
    for i, (track, packet) in enumerate(packets_of(path)):
        decoder = decoder or PictureDecoder(track, stats)
        if i == damage:
            broken = cast(VideoPacket, av.Packet(b"\x00\x00\x10\x00broken"))
            broken.pts, broken.time_base = packet.pts, packet.time_base
            packet = broken
        decoded += decoder.decode(packet)
    assert decoder is not None
    return decoded + list(decoder.flush())


@pytest.mark.parametrize("b_frames", [0, 3])
def test_pictures_come_in_order_and_none_is_lost_at_the_end(b_frames: int, tmp_path: Path) -> None:
    """With B-frames the decoder holds pictures back; they come out in order, and the last ones at the end."""
    path = encode_video(tmp_path / "video.mp4", numbered_pictures(40), b_frames=b_frames, options={"crf": "10"})
    stats = SourceStats()
    decoded = decode_all(path, stats)
    rgb = RgbConverter()
    assert [picture_number(rgb.convert(picture.frame)) for picture in decoded] == list(range(40))
    np.testing.assert_allclose(np.diff([picture.pts_s for picture in decoded]), 0.04, atol=1e-6)
    assert (stats.pictures, stats.drops.total()) == (40, 0)
    assert stats.decode_seconds > 0


def test_b_frames_stamped_in_the_order_of_sending_are_placed_right(tmp_path: Path) -> None:
    """Some servers and files give B-frames stamps in the wrong order: after a few pictures each has its own time."""
    path = encode_video(tmp_path / "video.mp4", numbered_pictures(50), b_frames=3, options={"crf": "10"})
    stats = SourceStats()
    decoder: PictureDecoder | None = None
    decoded: list[Decoded] = []
    for sent, (track, packet) in enumerate(packets_of(path)):
        decoder = decoder or PictureDecoder(track, stats)
        packet.pts = packet.dts = round(sent / 25 / packet.time_base)
        decoded += decoder.decode(packet)
    timeline, rgb = Timeline(0, recorded=True), RgbConverter()
    right = [
        placed.media_time_s == pytest.approx(picture_number(rgb.convert(picture.frame)) / 25)
        for picture in decoded
        if (placed := timeline.place(picture.pts_s, 0.0)) is not None
    ]
    assert len(right) >= 42
    assert all(right[2:])


def test_a_damaged_packet_is_counted_and_survived(tmp_path: Path) -> None:
    """What cannot be decoded costs its own picture, is counted by cause, and ends nothing."""
    path = encode_video(tmp_path / "video.mp4", numbered_pictures(40), keyframe_interval=10)
    stats = SourceStats()
    decoded = decode_all(path, stats, damage=15)
    assert stats.drops == {"decode_error": 1}
    assert len(decoded) >= 38


def test_conversion_to_rgb_does_not_depend_on_what_came_before(tmp_path: Path) -> None:
    """One scaler is shared, yet each picture looks as if it had been converted alone, through changes of size too."""
    paths = [
        encode_video(tmp_path / "small.mp4", numbered_pictures(4)),
        encode_video(tmp_path / "large.mp4", (np.kron(p, np.ones((2, 2, 1), np.uint8)) for p in numbered_pictures(4))),
    ]
    frames = [picture.frame for path in paths for picture in decode_all(path, SourceStats())]
    shared = RgbConverter()
    for frame in [*frames, *reversed(frames)]:
        np.testing.assert_array_equal(shared.convert(frame), RgbConverter().convert(frame))


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    """A phone's video that says "turn me" is turned: the picture a person sees is the picture that is searched."""
    upright = encode_video(tmp_path / "upright.mp4", numbered_pictures(2))
    identity = np.array([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000], ">u4").tobytes()
    clockwise = np.array([0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000], ">u4").tobytes()
    data = upright.read_bytes()
    in_track_header = data.index(identity, data.index(b"tkhd"))
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data[:in_track_header] + clockwise + data[in_track_header + len(identity) :])

    rgb = RgbConverter()
    before, after = (rgb.convert(decode_all(path, SourceStats())[0].frame) for path in (upright, turned))

    np.testing.assert_array_equal(after, np.rot90(before, -1))
