"""Clips of real encoders' packets: what they show, from which picture to which, and what cutting them costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from stream.clips.cutter import CutError, begins_s, cut
from stream.clips.packets import Selection
from stream.clips.ring import PacketRing
from stream.clips.thumbnail import thumbnail
from tests.media import FPS, busy_pictures, coded_pictures, encode_video
from tests.stream.clips.conftest import FillFactory, frame_s, show


@dataclass(frozen=True)
class Material:
    """One kind of video."""

    suffix: str
    codec: str = "libx264"
    b_frames: int = 0
    audio: bool = False
    options: dict[str, str] = field(default_factory=dict)


_QUICK = {"deadline": "realtime", "cpu-used": "8"}
MATERIALS = {
    "h264": Material(".mp4"),
    "h264 with B-frames": Material(".mp4", b_frames=2, options={"preset": "veryfast"}),
    "h264 with B-frames and sound": Material(".mp4", b_frames=2, audio=True, options={"preset": "veryfast"}),
    "h264 with start codes": Material(".ts", b_frames=2, audio=True, options={"preset": "veryfast"}),
    "h264 in slices": Material(".ts", options={"slices": "4"}),
    "h265": Material(".mp4", "libx265"),
    "h265 with open GOPs": Material(".mp4", "libx265", 3, options={"x265-params": "open-gop=1:log-level=none"}),
    "h265 with start codes": Material(".ts", "libx265", 3),
    "vp8": Material(".webm", "libvpx", options=_QUICK),
    "vp8 with sound": Material(".webm", "libvpx", audio=True, options=_QUICK),
    "vp9": Material(".webm", "libvpx-vp9", options=_QUICK),
}
COUNT = 5 * FPS


def piece(ring: PacketRing, first: int, end: int) -> Selection:
    """The pictures `[first, end)`."""
    selection = ring.select(0, frame_s(first), frame_s(end))
    assert selection is not None
    return selection


@pytest.fixture(scope="module", params=list(MATERIALS))
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, Path]:
    """5 s of numbered pictures in every kind of video, a keyframe each second."""
    material = MATERIALS[request.param]
    path = tmp_path_factory.mktemp("material") / f"video{material.suffix}"
    encode_video(
        path,
        coded_pictures(COUNT),
        codec=material.codec,
        b_frames=material.b_frames,
        audio=material.audio,
        options=material.options,
    )
    return material, path


@pytest.mark.parametrize(("first", "end"), [(0, 40), (37, 88), (50, 75), (101, COUNT), (60, 61)])
def test_a_clip_shows_what_was_asked_for(
    video: tuple[Material, Path], first: int, end: int, fill: FillFactory, tmp_path: Path
) -> None:
    """Every picture from the first to the last in its order, beginning exactly there, with nothing that is damaged."""
    material, path = video
    selection = piece(fill(path), first, end)
    cut(selection, tmp_path / "clip")
    shown = show(tmp_path / "clip")
    begin = first if material.codec != "libvpx-vp9" else first // FPS * FPS
    assert shown.codes == list(range(begin, shown.codes[-1] + 1))
    # Outwards: pictures that were sent before the last one, to be shown after it, are in as well.
    assert end - 1 <= shown.codes[-1] <= end - 1 + material.b_frames + 1
    assert shown.times_s == pytest.approx([(i) / FPS for i in range(len(shown.times_s))], abs=0.002)
    assert begins_s(selection) == pytest.approx(frame_s(begin), abs=0.002)
    assert selection.end_s == pytest.approx(frame_s(shown.codes[-1] + 1), abs=0.01)
    assert shown.container.startswith("matroska" if material.suffix == ".webm" else "mov")
    if material.audio:
        assert shown.sound_s == pytest.approx(len(shown.codes) / FPS, abs=0.2)


def test_the_index_comes_first(fill: FillFactory, h264_file: Path, tmp_path: Path) -> None:
    """So that a browser shows the beginning while the rest is still on its way."""
    cut(piece(fill(h264_file), 30, 60), tmp_path / "clip.mp4")
    data = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_h265_is_named_as_players_ask_for(tmp_path: Path, fill: FillFactory) -> None:
    """Apple's players take `hvc1` and no other name."""
    path = encode_video(tmp_path / "video.mp4", coded_pictures(30), codec="libx265")
    cut(piece(fill(path), 5, 20), tmp_path / "clip.mp4")
    assert b"hvc1" in (tmp_path / "clip.mp4").read_bytes()[:4096]


def test_parts_of_one_picture_are_put_together(fill: FillFactory, h264_file: Path, tmp_path: Path) -> None:
    """Packets that came with the same stamp are one picture."""
    selection = piece(fill(h264_file), 0, 20)
    halves = [
        replace(packet, data=data)
        for packet in selection.video
        for data in (packet.data[: len(packet.data) // 2], packet.data[len(packet.data) // 2 :])
    ]
    cut(selection, tmp_path / "whole.mp4")
    cut(replace(selection, video=tuple(halves)), tmp_path / "halves.mp4")
    assert (tmp_path / "halves.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_stamps_for_decoding_are_not_needed(fill: FillFactory, tmp_path: Path) -> None:
    """Senders that leave them out are cut all the same, with B-frames too."""
    path = encode_video(tmp_path / "video.mp4", coded_pictures(50), b_frames=2, options={"preset": "veryfast"})
    selection = piece(fill(path), 10, 40)
    bare = tuple(replace(packet, dts=None) for packet in selection.video)
    cut(replace(selection, video=bare), tmp_path / "clip.mp4")
    assert show(tmp_path / "clip.mp4").codes[:30] == list(range(10, 40))


def test_a_codec_that_no_browser_plays_is_refused(tmp_path: Path, fill: FillFactory) -> None:
    """With a sentence that says what to send instead, and without a file."""
    path = encode_video(tmp_path / "video.avi", coded_pictures(10), codec="mjpeg", options={"strict": "-1"})
    with pytest.raises(CutError, match=r"clips of mjpeg .* H\.264"):
        cut(piece(fill(path), 0, 5), tmp_path / "clip")
    assert not (tmp_path / "clip").exists()


def test_a_cut_that_fails_leaves_no_file(tmp_path: Path, fill: FillFactory, h264_file: Path) -> None:
    """Nobody takes half a clip for a whole one."""
    selection = piece(fill(h264_file), 0, 20)
    damaged = replace(selection.video[-1], pts=2**80)
    with pytest.raises(OverflowError):
        cut(replace(selection, video=(*selection.video[:-1], damaged)), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CutError, match="could not be written as mp4"):
        cut(selection, tmp_path / "no folder" / "clip.mp4")


@pytest.mark.slow
def test_ten_seconds_of_720p_cost_at_most_50_ms(
    tmp_path: Path, fill: FillFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """CPU time of this thread, which does all of it, for selecting and cutting with sound; the median of seven."""
    options = {"crf": "30"}
    path = encode_video(
        tmp_path / "video.mp4", busy_pictures(14 * FPS), keyframe_interval=2 * FPS, audio=True, options=options
    )
    ring = fill(path)
    costs_ms: list[float] = []
    for number in range(7):
        began_s = time.thread_time()
        cut(piece(ring, 40, 290), tmp_path / f"{number}.mp4")
        costs_ms.append(1000 * (time.thread_time() - began_s))
    began_s = time.thread_time()
    thumbnail(piece(ring, 40, 290), frame_s(165))
    picture_ms = 1000 * (time.thread_time() - began_s)
    cost_ms = sorted(costs_ms)[3]
    size = (tmp_path / "0.mp4").stat().st_size
    with capsys.disabled():
        print(f"\n10 s of 720p ({size / 1e6:.1f} MB): {cost_ms:.1f} ms of CPU (at most {max(costs_ms):.1f})", end="")
        print(f"; its thumbnail, 15 pictures behind a keyframe: {picture_ms:.1f} ms")
    assert cost_ms <= 50
