"""VP8 that begins between keyframes: what two decoders show of it, against the same pictures decoded from the start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from stream.clips.cutter import begins_s, cut
from stream.clips.packets import EncodedPacket, Selection
from stream.clips.vp8 import first_shown_pts, hidden_before
from tests.media import FPS, Image, coded_pictures, encode_video, picture_code
from tests.stream.clips.conftest import FillFactory, frame_s, rgb, show

FIRST, END = 37, 60


@pytest.fixture
def selection(fill: FillFactory, tmp_path: Path) -> Selection:
    """The pictures `[37, 60)`, with those from the keyframe 25 on."""
    options = {"deadline": "realtime", "cpu-used": "8"}
    path = encode_video(tmp_path / "video.webm", coded_pictures(3 * FPS), codec="libvpx", options=options)
    found = fill(path).select(0, frame_s(FIRST), frame_s(END))
    assert found is not None
    return found


def decoded(packets: list[bytes], decoder: str) -> list[Image]:
    """All pictures that a decoder shows."""
    context = cast(VideoCodecContext, av.CodecContext.create(decoder, "r"))
    frames = [frame for data in packets for frame in context.decode(Packet(data))]
    return [rgb(frame) for frame in [*frames, *context.decode(None)]]


def hide(packet: EncodedPacket) -> EncodedPacket:
    """The same packet, of a picture that is never shown."""
    return replace(packet, data=hidden_before([packet], packet.pts + 1)[0].data)


@pytest.mark.parametrize("decoder", ["vp8", "libvpx"])
def test_every_picture_from_the_first_one_is_what_it_would_be(
    selection: Selection, decoder: str, tmp_path: Path
) -> None:
    """Bit for bit, with ffmpeg's own decoder and with Google's, which browsers use."""
    cut(selection, tmp_path / "clip.webm")
    with av.open(str(tmp_path / "clip.webm")) as clip:
        shown = decoded([bytes(packet) for packet in clip.demux(video=0) if packet.size], decoder)
    plain = decoded([packet.data for packet in selection.video], decoder)[FIRST - FPS :]
    assert [picture_code(image) for image in shown] == list(range(FIRST, END))
    assert all(np.array_equal(one, other) for one, other in zip(shown, plain, strict=True))


def test_a_player_need_not_wait_for_what_it_does_not_show(selection: Selection, tmp_path: Path) -> None:
    """All that comes before has the first picture's time, and adds nothing to the length."""
    cut(selection, tmp_path / "clip.webm")
    with av.open(str(tmp_path / "clip.webm")) as clip:
        stamps = [packet.pts for packet in clip.demux(video=0) if packet.size]
        assert clip.duration == pytest.approx((END - FIRST) / FPS * 1e6, abs=2000)
    assert stamps[: FIRST - FPS + 1] == [0] * (FIRST - FPS + 1)
    assert stamps[FIRST - FPS :] == pytest.approx([1000 * i / FPS for i in range(END - FIRST)], abs=1)


def test_a_clip_begins_with_a_picture_that_is_shown(selection: Selection, tmp_path: Path) -> None:
    """Where an encoder sent one only for others to refer to, the one on then is the one before it."""
    video = tuple(hide(p) if p.pts == selection.first_pts else p for p in selection.video)
    with_hidden = replace(selection, video=video)
    assert begins_s(with_hidden) == pytest.approx(frame_s(FIRST - 1), abs=0.002)
    cut(with_hidden, tmp_path / "clip.webm")
    assert show(tmp_path / "clip.webm").codes == [FIRST - 1, *range(FIRST + 1, END)]


def test_empty_packets_are_pictures_that_were_left_out(selection: Selection) -> None:
    """They stay empty, and are no picture to begin with."""
    empty = replace(selection.video[1], data=b"")
    assert hidden_before([empty], empty.pts + 1)[0].data == b""
    emptied = replace(selection, video=(selection.video[0], empty), first_pts=empty.pts)
    assert first_shown_pts(emptied) == selection.video[0].pts
