"""Files through the whole source: every picture, at the right pace, and a clear end whatever the file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from stream.sources import SourceState, Surroundings, open_source
from stream.types import Picture
from tests.media import encode_audio, encode_video, numbered_pictures, picture_number
from tests.stream.sources.conftest import FakeClock, Watcher


def read(address: str | Path) -> tuple[list[Picture], list[SourceState]]:
    states: list[SourceState] = []
    source = open_source(str(address), Surroundings(on_state=states.append), pace="fast")
    return list(source.pictures()), states


def test_a_file_is_read_from_its_first_to_its_last_picture(h264_file: Path) -> None:
    """Every picture comes, in order, on the file's own time axis, and then the source has `ended`."""
    pictures, states = read(h264_file)
    assert [picture_number(picture.to_rgb()) for picture in pictures] == [i % 50 for i in range(100)]
    assert [picture.media_time_s for picture in pictures] == pytest.approx([i / 25 for i in range(100)])
    assert {(picture.clock, picture.epoch) for picture in pictures} == {("file", 0)}
    assert [state.name for state in states] == ["connecting", "online", "ended"]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.mp4", "libx265"), ("a.webm", "libvpx-vp9"), ("a.avi", "libx264")],
)
def test_common_containers_and_codecs_are_read(name: str, codec: str, tmp_path: Path) -> None:
    """Whatever the container and codec, and with sound beside it, the same pictures come at the same times."""
    path = encode_video(tmp_path / name, numbered_pictures(30), codec=codec, audio=name.endswith((".mkv", ".ts")))
    pictures, states = read(path)
    assert [picture_number(picture.to_rgb()) for picture in pictures] == list(range(30))
    offset_s = pictures[0].media_time_s
    assert abs(offset_s) < 0.1
    np.testing.assert_allclose([p.media_time_s - offset_s for p in pictures], np.arange(30) / 25, atol=0.002)
    assert states[-1].name == "ended"


def test_real_time_shows_each_picture_when_it_is_due(h264_file: Path, fake_clock: FakeClock) -> None:
    """At the pace `realtime` a four-second file takes four seconds, and wall time advances with media time."""
    source = open_source(f"{h264_file}?pace=realtime", Surroundings(clock=fake_clock))
    due = [(picture.media_time_s, fake_clock.elapsed_s, picture.wall_time_s) for picture in source.pictures()]
    media_s, elapsed_s, wall_s = np.array(due).T
    np.testing.assert_allclose(elapsed_s, media_s, atol=1e-6)
    np.testing.assert_allclose(wall_s - fake_clock.now_s() + fake_clock.elapsed_s, media_s, atol=1e-6)


def test_a_hole_in_a_recording_is_not_sat_through(tmp_path: Path, fake_clock: FakeClock) -> None:
    """An hour without pictures is passed over at once; the time axis says that it is there."""
    path = tmp_path / "holed.mkv"
    with (
        av.open(str(encode_video(tmp_path / "whole.mkv", numbered_pictures(50), keyframe_interval=25))) as whole,
        av.open(str(path), "w") as out,
    ):
        track = out.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size and packet.pts is not None and packet.time_base is not None:
                late = 3600 / packet.time_base if packet.pts * packet.time_base >= 1 else 0
                packet.pts = packet.dts = round(packet.pts + late)
                packet.stream = track
                out.mux(packet)
    source = open_source(f"{path}?pace=realtime", Surroundings(clock=fake_clock))
    times_s = [picture.media_time_s for picture in source.pictures()]
    assert len(times_s) == 50 and times_s[-1] - times_s[0] > 3600
    assert fake_clock.elapsed_s == pytest.approx(2.0, abs=0.2)


def test_a_slow_taker_makes_a_fast_file_wait_and_loses_nothing(h264_file: Path, fake_clock: FakeClock) -> None:
    """At the pace `fast` pictures come when they are asked for; the clock plays no part."""
    source = open_source(h264_file.as_uri() + "?pace=fast", Surroundings(clock=fake_clock))
    assert sum(1 for _ in source.pictures()) == 100
    assert fake_clock.waits_s == []


def test_only_wanted_pictures_are_handed_over(h264_file: Path) -> None:
    """Pictures that the sampler does not want are decoded, but never converted nor handed over."""
    surroundings = Surroundings(wants=lambda media_time_s, epoch: abs(media_time_s % 1.0) < 0.01)
    source = open_source(str(h264_file), surroundings, pace="fast")
    assert [round(picture.media_time_s) for picture in source.pictures()] == [0, 1, 2, 3]
    assert (source.stats.taken, source.stats.pictures, source.stats.packets) == (4, 100, 100)


def test_a_realtime_file_stops_at_once(h264_file: Path, watcher: Watcher) -> None:
    """Stopping does not wait for the next picture's time."""
    source = open_source(str(h264_file), Surroundings(on_state=watcher.on_state))
    thread = watcher.watch(source)
    watcher.wait_for_state("online")
    assert thread.stop(1.0)


def test_a_file_cut_short_is_read_as_far_as_it_goes(h264_file: Path, tmp_path: Path) -> None:
    """A transport stream that breaks off in the middle gives what it holds, then ends."""
    whole = encode_video(tmp_path / "whole.ts")
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    pictures, states = read(cut)
    assert 20 < len(pictures) < 80
    assert states[-1].name == "ended"


def garbled(path: Path) -> Path:
    """An mp4 whose index is sound and whose video is noise."""
    encode_video(path, numbered_pictures(25))
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[begin:end] = np.random.default_rng(0).integers(0, 256, end - begin, np.uint8).tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "cause", "words"),
    [
        (lambda path: path, "not_found", "There is no file"),
        (lambda path: path.mkdir() or path, "unreadable", "is a folder"),
        (lambda path: path.touch() or path, "unreadable", "no video file"),
        (lambda path: path.write_text("not a video\n" * 99) and path, "unreadable", "no video file"),
        (encode_audio, "no_video", "no video track"),
        (garbled, "undecodable", "cannot be decoded"),
    ],
    ids=["missing", "folder", "empty", "text", "sound_only", "garbled"],
)
def test_a_file_that_is_no_video_fails_with_a_reason(make: object, cause: str, words: str, tmp_path: Path) -> None:
    """Each kind of unusable file ends in `failed`, with one sentence that names the file and the trouble."""
    assert callable(make)
    path = make(tmp_path / "input.mp4")
    pictures, states = read(path)
    assert pictures == []
    assert (states[-1].name, states[-1].cause) == ("failed", cause)
    assert words in states[-1].reason and str(path) in states[-1].reason


def test_pictures_of_one_file_are_the_same_however_it_is_read(h264_file: Path) -> None:
    """Two readings give identical pictures: nothing depends on timing."""
    first, second = (read(h264_file)[0] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.to_rgb(), other.to_rgb())


def test_a_title_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    """Old recorders write names in other encodings; the pictures are sound all the same."""
    titled = tmp_path / "titled.mp4"
    with (
        av.open(str(encode_video(tmp_path / "plain.mp4", numbered_pictures(25)))) as plain,
        av.open(str(titled), "w") as out,
    ):
        out.metadata["title"] = "Schoenes Spiel"
        track = out.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux(plain.streams.video[0]):
            if packet.size:
                packet.stream = track
                out.mux(packet)
    data = titled.read_bytes()
    assert b"Schoenes" in data
    titled.write_bytes(data.replace(b"Schoenes", b"Sch\xf6n es"))
    pictures, states = read(titled)
    assert (len(pictures), states[-1].name) == (25, "ended")
