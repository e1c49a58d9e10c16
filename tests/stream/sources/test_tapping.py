"""Sources fill the ring with what they receive, on the time axis of their pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from stream.clips.cutter import cut
from stream.clips.ring import PacketRing
from stream.sources import Surroundings, open_source
from stream.sources.decoding import StampRepair
from stream.sources.tapping import MAX_HELD, Tap
from tests.media import FPS, coded_pictures, encode_video, picture_code
from tests.servers import ServerProcess, rtsp_folder_server
from tests.stream.clips.conftest import show
from tests.stream.sources.conftest import Watcher

StartServer = Callable[[ServerProcess], ServerProcess]
OPTIONS = {"preset": "veryfast"}


def read(path: Path) -> PacketRing:
    """The ring after a file was read to its end."""
    ring = PacketRing(max_bytes=64 << 20)
    source = open_source(str(path), Surroundings(ring=ring), pace="fast")
    assert source.no_packets is None
    for _ in source.pictures():
        pass
    return ring


def codes(ring: PacketRing, epoch: int, start_s: float, end_s: float, folder: Path) -> list[int]:
    selection = ring.select(epoch, start_s, end_s)
    assert selection is not None
    cut(selection, folder / "clip")
    return show(folder / "clip").codes


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_a_file_fills_the_ring(name: str, tmp_path: Path) -> None:
    """Whatever the container, and with B-frames: what is cut at a media time is what the pictures show there."""
    path = encode_video(tmp_path / name, coded_pictures(75), b_frames=2, audio=name != "a.flv", options=OPTIONS)
    ring = read(path)
    assert ring.is_complete(0, 1e9)
    # A file's own zero may lie a little before its first picture.
    whole = ring.select(0, 0.0, 9.0)
    assert whole is not None
    shift_s = whole.start_s
    assert shift_s < 0.1
    assert codes(ring, 0, shift_s + 30 / FPS, shift_s + 60 / FPS, tmp_path)[:30] == list(range(30, 60))
    assert (ring.tracks is not None and ring.tracks.audio is not None) == (name != "a.flv")


def test_sound_that_clips_cannot_carry_is_left_out(tmp_path: Path) -> None:
    """As WebM carries no AAC."""
    path = encode_video(tmp_path / "a.mkv", coded_pictures(30), codec="libvpx", audio=True)
    ring = read(path)
    assert ring.tracks is not None and (ring.tracks.container, ring.tracks.audio) == ("webm", None)
    assert codes(ring, 0, 0.0, 1.0, tmp_path)[:25] == list(range(25))


def test_rtsp_fills_the_ring(tmp_path: Path, start_server: StartServer, watcher: Watcher) -> None:
    """The opening keyframe, which comes without a stamp, too; sound is kept; a reconnect is another epoch."""
    encode_video(tmp_path / "coded.mp4", coded_pictures(75), audio=True, options=OPTIONS)
    server = start_server(rtsp_folder_server(tmp_path))
    ring = PacketRing(max_bytes=64 << 20)
    source = open_source(server.url("coded.mp4?play_count=1"), Surroundings(on_state=watcher.on_state, ring=ring))
    watcher.watch(source)
    watcher.wait_for(lambda seen: seen.pictures[-1:] != [] and seen.pictures[-1].epoch == 1)
    watcher.stop()
    assert ring.is_complete(0, 60.0)
    shown = codes(ring, 0, 0.0, 1.0, tmp_path)
    assert shown[:25] == list(range(25))
    assert show(tmp_path / "clip").sound_s == pytest.approx(len(shown) / FPS, abs=0.3)
    first = next(picture for picture in watcher.pictures if picture.media_time_s >= 1.5)
    number = round(first.media_time_s * FPS)
    assert codes(ring, 0, first.media_time_s, first.media_time_s + 0.2, tmp_path)[0] in (number, number + 1)
    place = ring.media_time(first.wall_time_s)
    assert place is not None and place[0] == 0 and place[1] == pytest.approx(first.media_time_s, abs=0.2)


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("libx265", "h265")])
def test_rtsp_with_b_frames_fills_the_ring(
    codec: str, name: str, tmp_path: Path, start_gst_server: Callable[..., ServerProcess], watcher: Watcher
) -> None:
    """Pictures that are sent out of order are shown in order."""
    path = encode_video(tmp_path / "b.mp4", coded_pictures(100), codec=codec, b_frames=2, options=OPTIONS)
    parts = f"filesrc location={path} ! qtdemux ! queue ! {name}parse config-interval=-1 ! rtp{name}pay name=pay0 pt=96"
    server = start_gst_server({"/b": f"( {parts} )"})
    ring = PacketRing(max_bytes=64 << 20)
    watcher.watch(open_source(server.url("b"), Surroundings(on_state=watcher.on_state, ring=ring)))
    watcher.wait_for(lambda seen: len(seen.pictures) >= 70)
    watcher.stop()
    picture = watcher.pictures[40]
    begin = picture_code(picture.to_rgb())
    shown = codes(ring, 0, picture.media_time_s, picture.media_time_s + 0.8, tmp_path)
    assert len(shown) >= 20 and shown == list(range(begin, begin + len(shown)))


def test_without_a_ring_nothing_is_kept(h264_file: Path) -> None:
    """And the pictures are the same."""
    assert len(list(open_source(str(h264_file), pace="fast").pictures())) == 100


def test_the_demo_says_why_it_has_no_packets() -> None:
    """It is drawn and never encoded."""
    reason = open_source("demo://broadcast").no_packets
    assert reason is not None and "draws" in reason


def test_packets_wait_for_a_stamp_no_longer_than_pictures_do() -> None:
    """Both give up after as many."""
    assert MAX_HELD == StampRepair.WAITING


def test_packets_without_any_stamp_are_counted_from_the_first_that_has_one(h264_file: Path) -> None:
    """When no picture tells their time either."""
    ring = PacketRing(max_bytes=64 << 20)
    with av.open(str(h264_file)) as container:
        video = container.streams.video[0]
        tap = Tap(ring, video, None)
        for number, packet in enumerate(container.demux(video)):
            if packet.size:
                if number < 2:
                    packet.pts = packet.dts = None
                tap.video(packet)
        assert video.time_base is not None
        step = round(1 / (FPS * video.time_base))
    tap.place(0, 0.0, 0.0)
    selection = ring.select(0, 0.0, 9.0)
    assert selection is not None
    assert [packet.pts for packet in selection.video] == [number * step for number in range(100)]
