"""The service as a process of its own, a real broker, and what whoever listens to that learns when the service dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import Client
from tests.e2e.conftest import ServeProcess
from tests.ear import becomes_true, listening
from tests.servers import ServerProcess, find_mosquitto, mosquitto, rtsp_folder_server

STATE = "r2stream/match/goal/state"
CONFIG = "homeassistant/binary_sensor/r2stream/match-Q-goal/config"
QUERIES = {"goal": {"text": "the yellow team scores a goal", "threshold": {"enter": 0.5, "exit": 0.3}}}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not find_mosquitto(), reason="mosquitto: not installed (Debian's package mosquitto)"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ServerProcess]:
    """A running one."""
    server = mosquitto(tmp_path)
    server.start()
    yield server
    server.stop()


async def test_a_service_that_is_killed_is_said_to_be_offline(
    broadcast_folder: Path,
    eager_model: Path,
    start_server: Callable[[ServerProcess], ServerProcess],
    serve: Callable[..., ServeProcess],
    broker: ServerProcess,
) -> None:
    """The last will after SIGKILL; after the next start nothing is missing, and states are right again."""
    source = start_server(rtsp_folder_server(broadcast_folder))
    streams = {"match": source.url("short.mp4?play_count=0")}
    sinks = {"broker": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{broker.port}"}}
    async with listening(broker.port) as ear:
        service = await asyncio.to_thread(serve, model=str(eager_model), streams=streams, queries=QUERIES, sinks=sinks)
        await ear.hears("r2stream/available", "online", 60)
        await ear.hears(STATE, "ON", 60)

        await asyncio.to_thread(service.kill)
        await ear.hears("r2stream/available", "offline", 30)
        async with listening(broker.port) as late:
            await late.hears("r2stream/available", "offline")
            await late.hears(STATE, ear.said(STATE)[-1])
            assert CONFIG in late.retained and late.retained["r2stream/match/status"] == "online"

        await asyncio.to_thread(service.start)
        await ear.hears("r2stream/available", "online", 60)
        await becomes_true(lambda: any('"reason":"restart"' in event for event in ear.said("r2stream/events")), 60)
        async with Client(service.url) as client:
            (sink,) = await client.sinks()
            assert (sink.name, sink.type, sink.state) == ("broker", "mqtt", "delivering")
        assert await asyncio.to_thread(service.terminate) == 0, service.log()
        await ear.hears("r2stream/available", "offline")
        await ear.hears(STATE, "OFF")
        # Each event at least once: what was on its way when the service died may come twice.
        assert sorted(set(ear.cursors)) == list(range(1, max(ear.cursors) + 1))
