"""How soon clips are there, and what asking for many of them does to the events of others.

`python -m pytest -m slow tests/e2e/test_clip_speed.py -s` prints the numbers.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from clients import Client, Event
from tests.e2e.conftest import ServeProcess, listening
from tests.loaded_service import STREAM as LOAD
from tests.media import FPS, coded_pictures, encode_video
from tests.servers import ServerProcess, rtsp_folder_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EVENTS_PER_S: Final = 100
CLIPS: Final = 200
QUIET_S: Final = 10.0
LATE_S: Final = 0.25
"""What p95 may be at least; on a machine that is slow when nothing happens, ten times what it is then."""

_ASK: Final = """
import http.client, json, sys, threading
port, count, body = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
answers = []
def ask():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(count // 20):
        connection.request("POST", "/v1/clips", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answers.append([answer.status, json.loads(answer.read()).get("clip_id")])
people = [threading.Thread(target=ask) for _ in range(20)]
[one.start() for one in people]
[one.join() for one in people]
print(json.dumps(answers))
"""
"""Twenty people, each of whom asks again once it is answered. A process of its own: what it costs is none of ours."""


class LoadedProcess(ServeProcess):
    """A service whose log gets `EVENTS_PER_S` events in each second, beside those of clips."""

    def command(self) -> list[str]:
        config = super().command()[-1]
        return [sys.executable, "-m", "tests.loaded_service", config, str(EVENTS_PER_S)]


@pytest.fixture
def loaded(tmp_path: Path, eager_model: Path, busy_file: Path) -> Iterator[ServeProcess]:
    """Such a service, with a camera."""
    process = LoadedProcess(tmp_path, {"model": str(eager_model), "streams": {"cam": str(busy_file)}})
    process.start()
    yield process
    process.kill()


class Ear:
    """A websocket client that notes how late each event of the load is, and which clips are ready."""

    def __init__(self) -> None:
        self.late_s: list[tuple[float, float]] = []
        """When it was heard, and how long after it was due."""
        self.ready: set[str] = set()

    async def listen(self, url: str) -> None:
        async with Client(url) as client, client.events() as events:
            async for event in events:
                self.hear(event, time.time())

    def hear(self, event: Event, now_s: float) -> None:
        if event.stream == LOAD:
            self.late_s.append((now_s, now_s - event.time.timestamp()))
        elif event.kind == "clip.ready" and event.clip is not None:
            self.ready.add(event.clip.clip_id)

    def p95_s(self, from_s: float, until_s: float) -> float:
        late_s = [late_s for heard_s, late_s in self.late_s if from_s <= heard_s < until_s]
        assert len(late_s) > EVENTS_PER_S
        return statistics.quantiles(late_s, n=20)[-1]


async def test_two_hundred_clips_at_once_do_not_hold_up_events(
    loaded: ServeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """All become ready, and meanwhile others hear their events about as soon as before."""
    ear = Ear()
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(ear.listen(loaded.url))
        await asyncio.sleep(3 + QUIET_S)
        asked_s = time.time()
        body = json.dumps({"stream": "cam", "start": 1.0, "end": 11.0})
        command = [sys.executable, "-c", _ASK, str(loaded.port), str(CLIPS), body]
        people = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=120, check=True)
        answered_s = time.time()
        async with asyncio.timeout(120):
            while len(ear.ready) < CLIPS:
                await asyncio.sleep(0.05)
                assert not listening.done()
        done_s = time.time()
        listening.cancel()
    answers: list[list[Any]] = json.loads(people.stdout)
    assert [status for status, _ in answers] == [202] * CLIPS
    assert {clip_id for _, clip_id in answers} == ear.ready
    quiet_s, busy_s = ear.p95_s(asked_s - QUIET_S, asked_s), ear.p95_s(asked_s, done_s)
    with capsys.disabled():
        print(
            f"\n{CLIPS} clips of 10 s of 720p: asked for in {answered_s - asked_s:.1f} s, ready after "
            f"{done_s - asked_s:.1f} s; {EVENTS_PER_S} events/s are heard within (p95) {1000 * busy_s:.0f} ms "
            f"meanwhile, {1000 * quiet_s:.0f} ms before: {busy_s / quiet_s:.1f} times"
        )
    assert busy_s <= max(LATE_S, 10 * quiet_s)


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_a_clip_is_ready_soon_after_its_last_packet(
    b_frames: int,
    tmp_path: Path,
    eager_model: Path,
    start_server: Callable[[ServerProcess], ServerProcess],
    serve: Callable[..., ServeProcess],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A clip of a camera that is to end a second from now is told of less than a second after that."""
    folder = tmp_path / "video"
    folder.mkdir()
    pictures = coded_pictures(12 * FPS, 1280, 720)
    encode_video(folder / "cam.mp4", pictures, keyframe_interval=2 * FPS, b_frames=b_frames)
    server = start_server(rtsp_folder_server(folder))
    service = serve(model=str(eager_model), streams={"cam": server.url("cam.mp4?play_count=0")})
    late_s: list[float] = []
    async with listening(service.url) as heard:
        await heard.frames_of("cam", 5)
        for _ in range(5):
            end = datetime.now(UTC) + timedelta(seconds=1)
            clip_id = (await heard.client.add_clip("cam", end - timedelta(seconds=2), end)).clip_id
            await heard.until(partial(is_ready, clip_id), 20)
            late_s.append((datetime.now(UTC) - end).total_seconds())
    late_s.sort()
    with capsys.disabled():
        name = "with B-frames" if b_frames else "without B-frames"
        print(f"\nready after the end, H.264 {name} over RTSP: median {late_s[2]:.2f} s, at most {late_s[-1]:.2f} s")
    assert late_s[2] <= 1.0


def is_ready(clip_id: str, events: list[Event]) -> bool:
    return any(event.kind == "clip.ready" and event.clip and event.clip.clip_id == clip_id for event in events)
