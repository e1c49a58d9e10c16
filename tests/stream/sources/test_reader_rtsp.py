"""RTSP from real servers: pictures and their clock, every way in which a server can go away, and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from r2model import ClipConfig
from r2model.preprocess import preprocess
from stream.backoff import Backoff
from stream.sources import Limits, SourceSpec, Surroundings, connection, open_source, reader
from tests.media import encode_audio, encode_video, numbered_pictures, picture_number
from tests.servers import ServerProcess, free_port, rtsp_folder_server
from tests.stream.sources.conftest import Watcher

DEMO_SIZE = ClipConfig("custom", image_px=(64, 112), resize="squash")
StartServer = Callable[[ServerProcess], ServerProcess]
NOTICED_S = 5.0
"""Contract: a dead source is noticed within this time."""


def around(watcher: Watcher, limits: Limits | None = None) -> Surroundings:
    return Surroundings(on_state=watcher.on_state, limits=limits or Limits())


def pictures_of(epoch: int, at_least: int) -> Callable[[Watcher], bool]:
    return lambda watcher: sum(picture.epoch == epoch for picture in watcher.pictures) >= at_least


def test_pictures_begin_with_the_opening_keyframe(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """The first keyframe, which comes without a time stamp, is neither dropped nor misplaced."""
    watcher.watch(open_source(rtsp_server.url("h264.mp4"), around(watcher)))
    watcher.wait_for(pictures_of(0, 30))
    pictures = watcher.pictures[:30]
    assert [picture_number(picture.to_rgb()) for picture in pictures] == list(range(30))
    steps_s = np.diff([picture.media_time_s for picture in pictures])
    np.testing.assert_allclose(steps_s[1:], 0.04, atol=0.001)
    assert 0 < steps_s[0] <= 0.041


def test_a_picture_is_the_same_tensor_over_rtsp_and_from_a_file(
    rtsp_server: ServerProcess, h264_file: Path, watcher: Watcher
) -> None:
    """One preprocessing for every source: the same encoded picture gives the very same input of the network."""
    watcher.watch(open_source(rtsp_server.url("h264.mp4"), around(watcher)))
    watcher.wait_for(pictures_of(0, 10))
    live = [picture.to_rgb() for picture in watcher.pictures[:10]]
    recorded = [picture.to_rgb() for picture, _ in zip(open_source(str(h264_file)).pictures(), range(10), strict=False)]
    assert [picture_number(image) for image in live] == [picture_number(image) for image in recorded]
    assert preprocess(live, DEMO_SIZE).equal(preprocess(recorded, DEMO_SIZE))


def test_wall_time_is_the_senders_own(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """Where the server sends RTCP reports, pictures carry its clock, which on one machine is ours."""
    watcher.watch(open_source(rtsp_server.url("h264.mp4?play_count=0"), around(watcher)))
    watcher.wait_for(pictures_of(0, 50))
    newest = watcher.pictures[-1]
    assert newest.clock == "rtcp"
    assert -0.5 < time.time() - newest.wall_time_s < 1.5
    assert all(later.wall_time_s >= earlier.wall_time_s for earlier, later in pairwise(watcher.pictures[5:]))


def test_the_end_of_a_live_stream_is_a_failure(tmp_path: Path, start_server: StartServer, watcher: Watcher) -> None:
    """When the server closes the stream, the source says so, connects anew, and its time begins anew in a new epoch."""
    encode_video(tmp_path / "short.mp4", numbered_pictures(30))
    server = start_server(rtsp_folder_server(tmp_path))
    source = open_source(server.url("short.mp4?play_count=1"), around(watcher))
    watcher.watch(source)
    watcher.wait_for(pictures_of(1, 5))
    assert [state.name for state in watcher.states] == ["connecting", "online", "offline", "online"]
    assert watcher.states[2].cause == "closed"
    assert source.stats.reconnects == {"closed": 1}
    first = next(picture for picture in watcher.pictures if picture.epoch == 1)
    assert first.media_time_s == 0.0
    assert picture_number(first.to_rgb()) == 0


def test_a_killed_server_is_noticed_and_returned_to(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """kill -9: noticed at once; the reason says what to do; pictures flow again after the restart, in a new epoch."""
    watcher.watch(open_source(rtsp_server.url("h264.mp4?play_count=0"), around(watcher)))
    watcher.wait_for(pictures_of(0, 5))
    rtsp_server.kill()
    assert watcher.wait_for_state("offline") < NOTICED_S
    watcher.wait_for(lambda w: w.states[-1].cause == "unreachable")
    assert "refuses the connection" in watcher.states[-1].reason
    rtsp_server.start()
    watcher.wait_for(pictures_of(1, 5))
    assert watcher.states[-1].name == "online"


def test_a_hung_server_is_noticed_and_returned_to(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """SIGSTOP: connections stay open and nothing comes. Noticed within 5 s; pictures flow again after SIGCONT."""
    source = open_source(rtsp_server.url("h264.mp4?play_count=0"), around(watcher))
    watcher.watch(source)
    watcher.wait_for(pictures_of(0, 5))
    rtsp_server.pause()
    assert watcher.wait_for_state("stalled") < NOTICED_S
    assert "has sent no video for 4 s" in watcher.states[-1].reason
    rtsp_server.resume()
    watcher.wait_for(pictures_of(1, 5))
    assert source.stats.reconnects["silent"] == 1


def test_a_server_that_accepts_and_never_answers(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """A server that hangs before the first word is said not to answer, and its source can be stopped."""
    rtsp_server.pause()
    source = open_source(rtsp_server.url("h264.mp4"), around(watcher, Limits(open_s=0.5, read_s=0.5)))
    thread = watcher.watch(source)
    watcher.wait_for_state("offline")
    assert "did not answer within 0.5 s" in watcher.states[-1].reason
    assert thread.stop()


def test_silence_does_not_delay_a_stop_beyond_its_bound(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """`stop` during a silence returns within the bound that the source states."""
    source = open_source(rtsp_server.url("h264.mp4?play_count=0"), around(watcher, Limits(open_s=1.0, read_s=1.0)))
    thread = watcher.watch(source)
    watcher.wait_for(pictures_of(0, 5))
    rtsp_server.pause()
    began_s = time.monotonic()
    assert thread.stop()
    assert time.monotonic() - began_s <= source.stop_bound_s


def test_what_nobody_foresaw_is_tried_again(
    rtsp_server: ServerProcess, watcher: Watcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that the source does not know makes a live stream offline, not dead; the log holds no password."""
    url = rtsp_server.url("h264.mp4?play_count=0").replace("rtsp://", "rtsp://viewer:hunter2@")
    calls = iter([True])

    def connect(spec: SourceSpec, limits: Limits, *, with_sound: bool) -> AbstractContextManager[connection.Connection]:
        if next(calls, False):
            raise UnicodeDecodeError("utf-8", url.encode(), 0, 1, f"nonsense from {url}")
        return connection.connect(spec, limits, with_sound=with_sound)

    monkeypatch.setattr(reader, "connect", connect)
    monkeypatch.setattr(Backoff, "next_s", lambda backoff: 0.01)
    watcher.watch(open_source(url, around(watcher)))
    watcher.wait_for(pictures_of(0, 5))
    assert (watcher.states[0].name, watcher.states[0].cause) == ("offline", "internal")
    assert watcher.states[-1].name == "online"
    assert "UnicodeDecodeError" in caplog.text
    assert "hunter2" not in caplog.text + repr(watcher.states)


def test_a_wrong_path_is_said_to_be_wrong(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """404: the reason names the path; the source keeps trying, patiently."""
    watcher.watch(open_source(rtsp_server.url("no/such.mp4"), around(watcher)))
    watcher.wait_for_state("offline")
    assert watcher.states[-1].cause == "not_found"
    assert "has no stream at /no/such.mp4" in watcher.states[-1].reason


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"rtsp://admin:hunter2@127.0.0.1:{free_port()}/x", "refuses the connection"),
        ("rtsp://admin:hunter2@camera.invalid/x", "There is no host 'camera.invalid'"),
    ],
)
def test_unreachable_hosts_are_explained_without_the_password(
    url: str, words: str, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the state nor the log repeats the password that the library's own error message contains."""
    caplog.set_level("DEBUG", "stream")
    source = open_source(url, around(watcher))
    watcher.watch(source)
    watcher.wait_for_state("offline")
    watcher.stop()
    assert words in watcher.states[-1].reason
    told = caplog.text + repr(watcher.states) + repr(source.spec.shown)
    assert "127.0.0.1" in told or "camera.invalid" in told
    assert "hunter2" not in told


def test_a_stream_without_video_is_said_to_have_none(
    tmp_path: Path, start_server: StartServer, watcher: Watcher
) -> None:
    """A connection that only carries sound is explained, and tried again later."""
    encode_audio(tmp_path / "radio.mp4", seconds=3)
    server = start_server(rtsp_folder_server(tmp_path))
    watcher.watch(open_source(server.url("radio.mp4?play_count=0"), around(watcher)))
    watcher.wait_for_state("offline")
    assert (watcher.states[-1].cause, "has no video track" in watcher.states[-1].reason) == ("no_video", True)


def test_packets_without_pictures_are_noticed(tmp_path: Path, start_server: StartServer, watcher: Watcher) -> None:
    """A stream that never sends a keyframe cannot be decoded: the source says so instead of waiting for ever."""
    whole, headless = encode_video(tmp_path / "whole.mp4", keyframe_interval=1000), tmp_path / "headless.mp4"
    with av.open(str(whole)) as source, av.open(str(headless), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size and not packet.is_keyframe:
                packet.stream = copy
                out.mux(packet)
    server = start_server(rtsp_folder_server(tmp_path))
    watcher.watch(open_source(server.url("headless.mp4"), around(watcher, Limits(picture_s=0.5))))
    watcher.wait_for_state("offline")
    assert (watcher.pictures, watcher.states[-1].cause) == ([], "undecodable")
    assert "(h264) cannot be decoded" in watcher.states[-1].reason


def test_one_dead_source_does_not_hold_up_another(rtsp_server: ServerProcess, watcher: Watcher) -> None:
    """While one source waits for a server that hangs, another goes on without missing a picture."""
    healthy = ServerProcess(rtsp_server.command)
    healthy.start()
    other = Watcher()
    try:
        watcher.watch(open_source(healthy.url("h264.mp4?play_count=0"), around(watcher)))
        rtsp_server.pause()
        other.watch(open_source(rtsp_server.url("h264.mp4"), around(other, Limits(open_s=1.0, read_s=1.0))))
        other.wait_for_state("offline")
        watcher.wait_for(pictures_of(0, 40))
        assert [state.name for state in watcher.states] == ["connecting", "online"]
        steps_s = np.diff([picture.media_time_s for picture in watcher.pictures[1:40]])
        np.testing.assert_allclose(steps_s, 0.04, atol=0.001)
    finally:
        other.stop()
        watcher.stop()
        healthy.stop()


LIVE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc threads=4 "
    "tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=300 ! video/x-h264,profile=baseline "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def test_split_keyframes_of_a_live_encoder_are_whole_again(
    start_gst_server: Callable[..., ServerProcess], watcher: Watcher
) -> None:
    """An encoder that repeats its parameter sets before every slice gives whole pictures."""
    server = start_gst_server({"/live": LIVE})
    source = open_source(server.url("live"), around(watcher))
    watcher.watch(source)
    watcher.wait_for(pictures_of(0, 55))
    watcher.stop()
    assert source.stats.packets > source.stats.pictures + 3, "the server did not split its keyframes"
    assert source.stats.drops.total() == 0
    np.testing.assert_allclose(np.diff([p.media_time_s for p in watcher.pictures]), 0.04, atol=0.002)
    # The ball is the only thing that is not black: a keyframe decoded in parts would be grey where slices are missing.
    assert all(np.median(picture.to_rgb()) < 5 for picture in watcher.pictures)


def test_udp_and_passwords(start_gst_server: Callable[..., ServerProcess], watcher: Watcher) -> None:
    """Over UDP, behind a password: the right one shows pictures."""
    server = start_gst_server({"/live": LIVE}, user="viewer", password="hunter2")
    watcher.watch(open_source(server.url("live", user="viewer:hunter2") + "#transport=udp", around(watcher)))
    watcher.wait_for(pictures_of(0, 30))
    assert watcher.states[-1].name == "online"


@pytest.mark.parametrize("user", ["", "viewer:wrong"])
def test_without_the_right_password_the_reason_says_so(
    user: str, start_gst_server: Callable[..., ServerProcess], watcher: Watcher
) -> None:
    """401: the reason says where to write the password, and does not repeat the wrong one."""
    server = start_gst_server({"/live": LIVE}, user="viewer", password="hunter2")
    watcher.watch(open_source(server.url("live", user=user), around(watcher)))
    watcher.wait_for_state("offline")
    state = watcher.states[-1]
    assert state.cause == "unauthorised"
    assert f"rtsp://user:password@127.0.0.1:{server.port}/live" in state.reason
    assert "wrong" not in state.reason


def test_h265_with_b_frames(tmp_path: Path, start_gst_server: Callable[..., ServerProcess], watcher: Watcher) -> None:
    """H.265 whose pictures are sent out of order arrives in order, every picture of it."""
    path = encode_video(tmp_path / "b.mp4", numbered_pictures(100), codec="libx265", b_frames=3)
    server = start_gst_server(
        {
            "/b": f"( filesrc location={path} ! qtdemux ! queue ! h265parse config-interval=-1"
            " ! rtph265pay name=pay0 pt=96 )"
        }
    )
    source = open_source(server.url("b"), around(watcher))
    watcher.watch(source)
    watcher.wait_for(pictures_of(0, 60))
    watcher.stop()
    assert [picture_number(picture.to_rgb()) for picture in watcher.pictures[:60]] == [i % 50 for i in range(60)]
    assert source.stats.drops.total() == 0
