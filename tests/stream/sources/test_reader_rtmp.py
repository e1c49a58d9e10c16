"""RTMP publishers come, leave and come back."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.sources import Surroundings, open_source
from tests.media import picture_number
from tests.servers import free_port
from tests.stream.sources.conftest import Watcher

PUBLISH = """
import sys, time, av
with av.open(sys.argv[1]) as video, av.open(sys.argv[2], "w", format="flv") as out:
    track = video.streams.video[0]
    copy = out.add_stream_from_template(track)
    began_s = time.monotonic()
    for packet in video.demux(track):
        if packet.size:
            time.sleep(max(0.0, began_s + float(packet.dts * packet.time_base) - time.monotonic()))
            packet.stream = copy
            out.mux(packet)
"""
"""Sends a file to an RTMP server at the speed at which it plays, without encoding it again."""


@pytest.fixture
def publishers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to be ended after the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait(timeout=10)


def publish(path: Path, port: int, publishers: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PUBLISH, str(path), f"rtmp://127.0.0.1:{port}/live/cam"]
    publishers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    return publishers[-1]


def test_a_publisher_may_leave_and_return(
    h264_file: Path, watcher: Watcher, publishers: list[subprocess.Popen[bytes]]
) -> None:
    """A publisher's pictures come from the first on; when one is gone the next is waited for, in a new epoch."""
    port = free_port()
    source = open_source(f"rtmp-listen://127.0.0.1:{port}/live/cam", Surroundings(on_state=watcher.on_state))
    watcher.watch(source)
    watcher.wait_for(lambda w: w.states[-1:] != [] and w.states[-1].cause == "no_publisher")
    assert f"Waiting for a publisher at rtmp-listen://127.0.0.1:{port}/live/cam" in watcher.states[-1].reason

    first = publish(h264_file, port, publishers)
    watcher.wait_for(lambda w: len(w.pictures) >= 20)
    assert [picture_number(picture.to_rgb()) for picture in watcher.pictures[:20]] == list(range(20))
    first.kill()
    watcher.wait_for_state("offline", timeout_s=5.0)
    assert "The publisher has left" in watcher.states[-1].reason

    publish(h264_file, port, publishers)
    watcher.wait_for(lambda w: w.pictures[-1].epoch == 1)
    assert watcher.states[-1].name == "online"
    assert source.stats.reconnects == {"closed": 1}


def test_waiting_for_a_publisher_ends_at_once_when_stopped(watcher: Watcher) -> None:
    """Nobody publishes, and nobody has to wait for that to stop."""
    source = open_source(f"rtmp-listen://127.0.0.1:{free_port()}/live/cam", Surroundings(on_state=watcher.on_state))
    thread = watcher.watch(source)
    watcher.wait_for_state("connecting")
    threading.Event().wait(0.3)  # so that it listens
    assert thread.stop(2.0)


def test_a_port_in_use_is_said_to_be_in_use(watcher: Watcher) -> None:
    """Two sources cannot listen at the same port; the second says so."""
    address = f"rtmp-listen://127.0.0.1:{free_port()}/live/cam"
    other = Watcher()
    try:
        other.watch(open_source(address, Surroundings(on_state=other.on_state)))
        threading.Event().wait(0.3)  # so that it listens
        watcher.watch(open_source(address, Surroundings(on_state=watcher.on_state)))
        watcher.wait_for(lambda w: w.states[-1].cause == "address_in_use")
        assert "already in use on this machine" in watcher.states[-1].reason
    finally:
        other.stop()
