"""MQTT with a real broker: what is retained, what is repeated, and what happens when the broker goes away."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from stream.events import ClipData, Instant, clip_event, stream_event
from stream.metrics import Metrics
from stream.query import Query
from stream.sinks.mqtt_sink import MqttSink
from stream.sinks.outlet import TryAgain
from stream.sinks.settings import MqttSettings
from stream.sinks.sinks import Sinks
from stream.sinks.watched import Watched
from stream.store import Store
from tests.ear import becomes_true, listening
from tests.servers import ServerProcess, find_mosquitto, free_port, mosquitto

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

GOAL = Query("goal", "a player scores a goal")
CONFIG = "homeassistant/binary_sensor/r2stream/pitch-Q-goal/config"
STATE = "r2stream/pitch/goal/state"
pytestmark = pytest.mark.skipif(not find_mosquitto(), reason="mosquitto: not installed (Debian's package mosquitto)")


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries without making the tests wait."""
    monkeypatch.setattr("stream.sinks.delivery.FIRST_RETRY_S", 0.02)
    monkeypatch.setattr("stream.sinks.delivery.LONGEST_RETRY_S", 0.1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ServerProcess]:
    """A running one."""
    server = mosquitto(tmp_path)
    server.start()
    yield server
    server.stop()


def settings_for(port: int) -> MqttSettings:
    return MqttSettings("broker", f"mqtt://127.0.0.1:{port}", timeout_s=2.0)


@asynccontextmanager
async def running(store: Store, settings: MqttSettings, *queries: Query) -> AsyncIterator[Sinks]:
    sinks = Sinks({settings.name: settings}, store, Metrics())
    sinks.watch(["pitch"], queries)
    sinks.start()
    try:
        yield sinks
    finally:
        assert await asyncio.to_thread(sinks.stop)


async def test_events_and_states_are_published(broker: ServerProcess, store: Store, moment: MomentFactory) -> None:
    """Each event as on every sink; ON while a moment goes on; the state of the stream."""
    async with listening(broker.port) as ear, running(store, settings_for(broker.port), GOAL):
        await ear.hears("r2stream/available", "online")
        assert ear.said(STATE) == ["OFF"]
        online, started = store.append([stream_event("pitch", "online", time_s=1.0), moment(moment_id="a")])
        await ear.hears(STATE, "ON")
        assert ear.said("r2stream/events") == [online.to_json(), started.to_json()]
        assert ear.said("r2stream/pitch/status") == ["online"]
        store.append([moment("ended", moment_id="a", revision=2)])
        await ear.hears(STATE, "OFF")
    assert ear.said(STATE) == ["OFF", "ON", "OFF"]


async def test_two_moments_at_once_are_on_until_both_are_over(
    broker: ServerProcess, store: Store, moment: MomentFactory
) -> None:
    """And one that is withdrawn is over too."""
    async with listening(broker.port) as ear, running(store, settings_for(broker.port), GOAL):
        await ear.hears("r2stream/available", "online")
        store.append([moment(moment_id="a"), moment(moment_id="b"), moment("ended", moment_id="a", revision=2)])
        await becomes_true(lambda: ear.cursors == [1, 2, 3])
        await ear.hears(STATE, "ON")
        store.append([moment("retracted", moment_id="b", revision=2)])
        await ear.hears(STATE, "OFF")
    assert ear.said(STATE) == ["OFF", "ON", "OFF"]


async def test_a_clip_is_an_event_and_no_state(broker: ServerProcess, store: Store) -> None:
    """The stream's status stays what it was."""
    nowhere = Instant(time=None, media_time_s=None, final=False)
    about = dict.fromkeys(("moment_id", "query", "url", "thumbnail_url", "container", "bytes"))
    failed = {"clip_id": "c", "stream": "pitch", "state": "failed", "reason": "x", "start": nowhere, "end": nowhere}
    clip = clip_event(ClipData.model_validate({**about, **failed}), time_s=1.0)
    async with listening(broker.port) as ear, running(store, settings_for(broker.port), GOAL):
        await ear.hears("r2stream/available", "online")
        store.append([stream_event("pitch", "online", time_s=1.0), clip])
        await becomes_true(lambda: ear.cursors == [1, 2])
    assert ear.said("r2stream/pitch/status") == ["online"]


async def test_who_comes_late_finds_the_state(broker: ServerProcess, store: Store, moment: MomentFactory) -> None:
    """Availability, stream, state and discovery are retained; events are not."""
    async with running(store, settings_for(broker.port), GOAL) as sinks:
        store.append([stream_event("pitch", "online", time_s=1.0), moment()])
        await becomes_true(lambda: sinks.status("broker").lag == 0)
        async with listening(broker.port) as ear:
            await becomes_true(lambda: len(ear.retained) >= 4)
            config = json.loads(ear.retained.pop(CONFIG))
            assert ear.retained == {"r2stream/available": "online", "r2stream/pitch/status": "online", STATE: "ON"}
            assert (config["state_topic"], config["name"]) == (STATE, "a player scores a goal")
    async with listening(broker.port) as ear:
        await ear.hears("r2stream/available", "offline")


async def test_a_changed_prefix_is_taken_up(broker: ServerProcess, store: Store, moment: MomentFactory) -> None:
    """The old one is told to be offline, and what comes next comes under the new one, from the same place on."""
    settings = settings_for(broker.port)
    async with listening(broker.port) as ear, running(store, settings, GOAL) as sinks:
        await ear.hears("r2stream/available", "online")
        store.append([moment(moment_id="a")])
        await ear.hears(STATE, "ON")
        await becomes_true(lambda: sinks.status("broker").lag == 0)
        await asyncio.to_thread(sinks.apply, {"broker": replace(settings, prefix="arena")})
        await ear.hears("r2stream/available", "offline")
        await ear.hears("arena/available", "online")
        await ear.hears("arena/pitch/goal/state", "ON")
        (event,) = store.append([moment("ended", moment_id="a", revision=2)])
        await ear.hears("arena/pitch/goal/state", "OFF")
    assert ear.said("arena/events") == [event.to_json()]
    assert ear.cursors == [1]


async def test_what_goes_is_taken_back(broker: ServerProcess, store: Store, moment: MomentFactory) -> None:
    """A query or a stream that is removed leaves nothing; its last event brings nothing back."""
    async with running(store, settings_for(broker.port), GOAL) as sinks:
        store.append([stream_event("pitch", "online", time_s=1.0), moment(moment_id="a")])
        await becomes_true(lambda: sinks.status("broker").lag == 0)
        async with listening(broker.port) as ear:
            sinks.watch(["pitch"], [])
            await ear.hears(CONFIG, "")
            store.append([moment("ended", moment_id="a", revision=2)])
            await becomes_true(lambda: ear.cursors == [3])
            assert ear.said(STATE) == ["ON", ""]
            sinks.watch([], [])
            await ear.hears("r2stream/pitch/status", "")
            store.append([stream_event("pitch", "offline", time_s=1.0, cause="removed", reason="Gone.")])
            await becomes_true(lambda: ear.cursors == [3, 4])
            assert ear.said("r2stream/pitch/status")[-1] == ""


async def test_what_went_while_nobody_was_connected_is_taken_back_too(broker: ServerProcess, store: Store) -> None:
    """The settings file changed between two runs; what others retain is left alone."""
    other = "homeassistant/binary_sensor/other/door/config"
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(other, "{}", 1, retain=True)
    async with listening(broker.port) as ear:
        async with running(store, settings_for(broker.port), GOAL):
            await ear.hears("r2stream/available", "online")
        async with running(store, replace(settings_for(broker.port), discovery=False), Query("rain", "it rains")):
            await ear.hears("r2stream/pitch/rain/state", "OFF")
            await ear.hears(STATE, "")
            await ear.hears(CONFIG, "")
        assert not ear.said(CONFIG.replace("goal", "rain"))
        assert ear.said(other) == ["{}"]


async def test_only_queries_that_are_delivered_here_are_announced(broker: ServerProcess, store: Store) -> None:
    """`deliver` counts for states as for events."""
    elsewhere = Query("secret", "x", deliver=("other",))
    async with listening(broker.port) as ear, running(store, settings_for(broker.port), elsewhere, GOAL):
        await ear.hears("r2stream/available", "online")
    assert not [topic for topic, _ in ear.heard if "secret" in topic]


async def test_a_broker_that_is_down_loses_nothing(broker: ServerProcess, store: Store, moment: MomentFactory) -> None:
    """What happens meanwhile comes when it is back, with the states that it has forgotten."""
    async with running(store, settings_for(broker.port), GOAL) as sinks:
        store.append([moment(moment_id="a")])
        await becomes_true(lambda: sinks.status("broker").lag == 0)
        broker.kill()
        await becomes_true(lambda: sinks.status("broker").state == "retrying")
        reason = sinks.status("broker").reason
        assert reason and f"127.0.0.1:{broker.port} cannot be reached" in reason
        store.append([moment(moment_id="b"), moment("ended", moment_id="a", revision=2)])
        await asyncio.sleep(0.2)
        assert sinks.status("broker").lag == 2
        await asyncio.to_thread(broker.start)
        await becomes_true(lambda: sinks.status("broker").lag == 0)
        assert sinks.status("broker").state == "delivering"
        async with listening(broker.port) as ear:
            await ear.hears(STATE, "ON")
            await ear.hears("r2stream/available", "online")
            store.append([moment("ended", moment_id="b", revision=2)])
            await ear.hears(STATE, "OFF")
            assert ear.cursors == [4]


async def test_a_moment_that_went_on_before_a_restart_is_still_on(
    broker: ServerProcess, store: Store, moment: MomentFactory
) -> None:
    """The log knows what goes on, not the memory of one process."""
    async with running(store, settings_for(broker.port), GOAL) as sinks:
        store.append([moment(moment_id="a")])
        await becomes_true(lambda: sinks.status("broker").lag == 0)
    async with listening(broker.port) as ear, running(store, settings_for(broker.port), GOAL):
        await ear.hears("r2stream/available", "online")
        await ear.hears(STATE, "ON")


async def test_a_broker_that_hangs_is_given_up_and_leaks_nothing(store: Store, moment: MomentFactory) -> None:
    """It takes connections and says nothing: each is closed again, however often it is tried."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        sink = MqttSink(replace(settings_for(deaf.getsockname()[1]), timeout_s=0.1), lambda: [])

        async def attempt() -> None:
            with pytest.raises(TryAgain, match="cannot be reached, or does not answer"):
                async with sink.open(lambda: None):
                    pass

        await attempt()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            await attempt()
        assert len(os.listdir("/proc/self/fd")) <= before


async def test_the_last_will_speaks_when_the_line_breaks(broker: ServerProcess, store: Store) -> None:
    """Without a goodbye, the broker says `offline` by itself."""
    sink = MqttSink(settings_for(broker.port), store.unfinished_moments)
    async with listening(broker.port) as ear:
        with pytest.raises(TryAgain):
            async with sink.open(lambda: None) as outlet:
                await outlet.adapt(Watched())
                await ear.hears("r2stream/available", "online")
                raise TryAgain("The line broke.")
        await ear.hears("r2stream/available", "offline")


def make_passwords(folder: Path) -> Path:
    """One user and a password, as the broker keeps them."""
    passwords = folder / "passwords"
    passwords.write_text("watcher:hunter2\n")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, timeout=20)
    return passwords


async def test_a_password_is_asked_for(tmp_path: Path, store: Store) -> None:
    """With it everything works; without it the state says that somebody must act."""
    server = mosquitto(tmp_path, "allow_anonymous false", f"password_file {make_passwords(tmp_path)}")
    await asyncio.to_thread(server.start)
    try:
        settings = settings_for(server.port)
        async with running(store, replace(settings, username="watcher", password="wrong"), GOAL) as sinks:
            await becomes_true(lambda: sinks.status("broker").state == "failed")
            reason = sinks.status("broker").reason
            assert reason and "refuses the connection" in reason and "wrong" not in reason
        async with running(store, replace(settings, username="watcher", password="hunter2"), GOAL) as sinks:
            sink = MqttSink(replace(settings, username="watcher", password="hunter2"), store.unfinished_moments)
            async with sink.open(lambda: None) as outlet:
                await outlet.deliver(stream_event("pitch", "online", time_s=1.0))
    finally:
        server.stop()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *alternative, *files], check=True, capture_output=True, timeout=60)
    return certificate, key


# A socket whose handshake failed is left by paho to the garbage collector, which closes it at once and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl: not installed")
async def test_tls_is_checked(tmp_path: Path, store: Store) -> None:
    """Only a broker whose certificate is trusted is talked to."""
    certificate, key = make_certificate(tmp_path)
    server = mosquitto(tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    await asyncio.to_thread(server.start)
    try:
        settings = replace(settings_for(server.port), url=f"mqtts://127.0.0.1:{server.port}")
        trusting = replace(settings, ca_file=str(certificate))
        async with MqttSink(trusting, store.unfinished_moments).open(lambda: None) as outlet:
            await outlet.deliver(stream_event("pitch", "online", time_s=1.0))
        for wrong, reason in (
            (settings, "certificate verify failed"),
            (replace(settings, ca_file=str(tmp_path / "absent.pem")), "ca_file cannot be used: No such file"),
        ):
            with pytest.raises(TryAgain, match=reason):
                async with MqttSink(wrong, store.unfinished_moments).open(lambda: None):
                    pass
    finally:
        server.stop()


async def test_nobody_there_is_explained(store: Store) -> None:
    """With host and port."""
    port = free_port()
    with pytest.raises(TryAgain, match=f"The broker 127.0.0.1:{port} cannot be reached"):
        async with MqttSink(settings_for(port), store.unfinished_moments).open(lambda: None):
            pass
