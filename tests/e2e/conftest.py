"""A broadcast behind a real RTSP server, the service as a process of its own, and what a client hears."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from clients import Client, Event, EventStream
from stream.broadcast import Broadcast
from tests.media import busy_pictures, encode_video
from tests.models import save_random_model
from tests.servers import free_port

START_S = 240.0
"""Importing torch and loading a model, on a machine that is busy with the other tests."""
FPS = 10
SEED = 3


@dataclass
class ServeProcess:
    """`r2stream serve`, started and ended by its process id."""

    folder: Path
    document: Mapping[str, Any]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """The command line, its settings file written."""
        config = self.folder / f"{uuid4().hex}.yaml"
        server = {"host": "127.0.0.1", "port": self.port}
        config.write_text(yaml.safe_dump({"data_dir": str(self.folder / "data"), "server": server, **self.document}))
        return [sys.executable, "-m", "stream.cli", "serve", "-c", str(config)]

    def start(self) -> None:
        """Start it (again, on the same data directory) and wait until it is ready."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("R2STREAM_")}
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                env={**environment, "OMP_NUM_THREADS": "1"},
            )
        deadline_s = time.monotonic() + START_S
        while not self._is_ready():
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline_s, f"serve is not ready after {START_S:g} s:\n{self.log()}"
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """SIGKILL: no last words."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=20)

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def log(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")[-4000:]


class Listener:
    """Collects the events that a client receives over the websocket."""

    def __init__(self, client: Client, stream: EventStream) -> None:
        self.client = client
        self.events: list[Event] = []
        self._stream = stream
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        async for event in self._stream:
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()

    async def until(self, wanted: Callable[[list[Event]], bool], timeout_s: float = 60.0) -> None:
        """Wait for the events to be as wanted."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: wanted(self.events))
        except TimeoutError:
            pytest.fail(f"not heard within {timeout_s:g} s; heard {[(e.kind, e.cursor) for e in self.events]}")

    async def frames_of(self, stream: str, count: int, timeout_s: float = 60.0) -> None:
        """Wait until so many frames of a stream have been taken."""
        until_s = time.monotonic() + timeout_s
        while (await self.client.stream(stream)).frames < count:
            assert time.monotonic() < until_s, f"{stream} has fewer than {count} frames after {timeout_s:g} s"
            await asyncio.sleep(0.2)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Listener]:
    """A client of the service at `url` that hears all events from the first one on."""
    async with Client(url) as client, client.events(after=0) as stream:
        listener = Listener(client, stream)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(listener.run(), name="listener")
            try:
                yield listener
            finally:
                task.cancel()


@pytest.fixture(scope="session")
def broadcast() -> Broadcast:
    """The programme that the servers play."""
    return Broadcast(SEED)


@pytest.fixture(scope="session")
def broadcast_folder(tmp_path_factory: pytest.TempPathFactory, broadcast: Broadcast) -> Path:
    """`short.mp4`: the first 20 s of the programme, H.264, a keyframe every 2 s."""
    folder = tmp_path_factory.mktemp("broadcast")
    encode_broadcast(folder / "short.mp4", broadcast, 20)
    return folder


@pytest.fixture(scope="session")
def busy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s of 720p H.264 at about 5 Mbit/s with sound, a keyframe every 2 s, as a camera sends it."""
    path = tmp_path_factory.mktemp("busy") / "busy.mp4"
    options = {"crf": "30"}
    return encode_video(path, busy_pictures(20 * 25), keyframe_interval=2 * 25, audio=True, options=options)


def encode_broadcast(path: Path, broadcast: Broadcast, length_s: int) -> None:
    """The beginning of the programme as H.264 with a keyframe every 2 s."""
    pictures = (broadcast.picture(i / FPS) for i in range(length_s * FPS))
    encode_video(path, pictures, fps=FPS, keyframe_interval=2 * FPS)


@pytest.fixture(scope="session")
def eager_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that sees something everywhere, so that events come without any training."""
    return save_random_model(tmp_path_factory.mktemp("model") / "eager.safetensors", sure=2.0)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServeProcess]]:
    """Makes a process of `r2stream serve` with given settings; it is killed after the test at the latest."""
    made: list[ServeProcess] = []

    def make(**document: Any) -> ServeProcess:
        process = ServeProcess(tmp_path, document)
        made.append(process)
        process.start()
        return process

    yield make
    for process in made:
        process.kill()
