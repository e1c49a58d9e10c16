"""HTTP and HLS from a real server: recordings end, live playlists go on, and refusals are explained."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import pytest

from stream.sources import Limits, Surroundings, open_source
from tests.media import encode_video, numbered_pictures, picture_number
from tests.stream.sources.conftest import Watcher


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; `/status/404` answers with that status. While `hanging`, nothing is answered."""

    hanging: threading.Event
    release: threading.Event

    def do_GET(self) -> None:
        if self.hanging.is_set():
            self.release.wait(30)
        elif self.path.startswith("/status/"):
            self.send_error(HTTPStatus(int(self.path.rsplit("/", 1)[1])))
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Serves `tmp_path` on 127.0.0.1; turns a path into its address."""
    Handler.hanging, Handler.release = threading.Event(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    server.daemon_threads = True
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
    thread.start()
    yield lambda path: f"http://127.0.0.1:{server.server_port}{path}"
    Handler.release.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


def around(watcher: Watcher, limits: Limits | None = None) -> Surroundings:
    return Surroundings(on_state=watcher.on_state, limits=limits or Limits())


def test_a_recording_is_read_to_its_end(tmp_path: Path, site: Callable[[str], str], watcher: Watcher) -> None:
    """A video file on a web server is read like a file on disk: every picture, then `ended`, at the pace asked for."""
    encode_video(tmp_path / "match.mp4", numbered_pictures(40))
    watcher.watch(open_source(site("/match.mp4?session=1") + "#pace=fast", around(watcher)))
    watcher.wait_for_state("ended")
    assert [picture_number(picture.to_rgb()) for picture in watcher.pictures] == list(range(40))
    assert {picture.clock for picture in watcher.pictures} == {"file"}


def test_a_finished_playlist_is_a_recording(tmp_path: Path, site: Callable[[str], str], watcher: Watcher) -> None:
    """HLS with an end is read over all its segments, then `ended`."""
    encode_video(tmp_path / "vod.m3u8", numbered_pictures(100), options={"hls_time": "1", "hls_list_size": "0"})
    watcher.watch(open_source(site("/vod.m3u8"), around(watcher), pace="fast"))
    watcher.wait_for_state("ended")
    assert [picture_number(picture.to_rgb()) for picture in watcher.pictures] == [i % 50 for i in range(100)]


def broadcast_hls(video: Path, playlist: Path, stop: threading.Event) -> None:
    """Writes `video` over and over into a live playlist of one-second segments, at the speed at which it plays."""
    options = {"hls_time": "1", "hls_list_size": "2", "hls_flags": "delete_segments+omit_endlist"}
    with av.open(str(video)) as source, av.open(str(playlist), "w", format="hls", options=options) as out:
        track = source.streams.video[0]
        copy = out.add_stream_from_template(track)
        began_s, packets = time.monotonic(), 0
        while not stop.is_set():
            source.seek(0)
            for packet in source.demux(track):
                at_s = packets / 25
                if not packet.size or stop.wait(max(0.0, began_s + at_s - time.monotonic())):
                    continue
                packet.pts = packet.dts = round(at_s / packet.time_base)
                packet.stream = copy
                out.mux(packet)
                packets += 1


@pytest.fixture
def live_playlist(h264_file: Path, tmp_path: Path, site: Callable[[str], str]) -> Iterator[str]:
    """The address of a playlist that grows for as long as the test runs."""
    stop = threading.Event()
    writer = threading.Thread(target=broadcast_hls, args=(h264_file, tmp_path / "live.m3u8", stop))
    writer.start()
    while not (tmp_path / "live.m3u8").exists():
        assert not stop.wait(0.05)
    yield site("/live.m3u8")
    stop.set()
    writer.join(10)


def test_a_live_playlist_goes_on(live_playlist: str, watcher: Watcher) -> None:
    """A playlist that grows is a live source: its pictures come for longer than any list it ever showed."""
    watcher.watch(open_source(live_playlist, around(watcher)))
    watcher.wait_for(lambda w: len(w.pictures) >= 80)
    watcher.stop()
    numbers = [picture_number(picture.to_rgb()) for picture in watcher.pictures[:80]]
    assert all((later - earlier) % 50 == 1 for earlier, later in pairwise(numbers))
    assert {(picture.epoch, picture.clock) for picture in watcher.pictures} == {(0, "arrival")}


def test_a_playlist_server_that_hangs_is_noticed(live_playlist: str, watcher: Watcher) -> None:
    """Silence between two segments is normal, but each request must be answered within the limit for silence."""
    watcher.watch(open_source(live_playlist, around(watcher, Limits(read_s=1.0))))
    watcher.wait_for(lambda w: len(w.pictures) >= 5)
    Handler.hanging.set()
    watcher.wait_for(lambda w: w.states[-1].name in ("offline", "stalled"), timeout_s=5.0)


@pytest.mark.parametrize(
    ("status", "cause", "words"),
    [
        (401, "unauthorised", "does not accept the user name or password"),
        (403, "unauthorised", "does not allow this user"),
        (404, "not_found", "has no stream at /status/404"),
        (410, "refused_by_server", "rejects the request"),
        (503, "refused_by_server", "an error of its own"),
    ],
)
def test_refusals_are_explained(
    status: int, cause: str, words: str, site: Callable[[str], str], watcher: Watcher
) -> None:
    """Each kind of refusal has its cause and a sentence that says what to look at; the source keeps trying."""
    source = open_source(site(f"/status/{status}"), around(watcher))
    watcher.watch(source)
    watcher.wait_for_state("offline")
    assert watcher.states[-1].cause == cause
    assert words in watcher.states[-1].reason
    assert source.stats.reconnects == {cause: 1}


def test_a_web_page_is_no_video(tmp_path: Path, site: Callable[[str], str], watcher: Watcher) -> None:
    """A server that sends something else is told from one that cannot be reached."""
    (tmp_path / "index.html").write_text("<html>Log in first</html>" * 100)
    watcher.watch(open_source(site("/index.html"), around(watcher)))
    watcher.wait_for_state("offline")
    assert (watcher.states[-1].cause, "is no video" in watcher.states[-1].reason) == ("unreadable", True)


def test_a_server_that_never_answers_is_noticed(site: Callable[[str], str], watcher: Watcher) -> None:
    """A request without an answer ends after the limit."""
    Handler.hanging.set()
    watcher.watch(open_source(site("/match.mp4"), around(watcher, Limits(open_s=0.5, read_s=0.5))))
    assert watcher.wait_for_state("offline") < 3.0
    assert "did not answer within 0.5 s" in watcher.states[-1].reason


def test_an_endless_http_stream_that_breaks_off_is_connected_anew(
    tmp_path: Path, site: Callable[[str], str], watcher: Watcher
) -> None:
    """A transport stream over HTTP without a length is live: its end is a loss, and a new epoch follows."""
    fifo_content = encode_video(tmp_path / "camera.ts", numbered_pictures(30)).read_bytes()

    class Endless(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(fifo_content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
    thread.start()
    try:
        watcher.watch(open_source(f"http://127.0.0.1:{server.server_port}/camera", around(watcher)))
        watcher.wait_for(lambda w: bool(w.pictures) and w.pictures[-1].epoch == 1)
        assert [state.name for state in watcher.states[:3]] == ["connecting", "online", "offline"]
        assert sum(picture.epoch == 0 for picture in watcher.pictures) == 30
        assert os.fspath(tmp_path) not in watcher.states[2].reason
    finally:
        watcher.stop()
        server.shutdown()
        server.server_close()
        thread.join(10)
