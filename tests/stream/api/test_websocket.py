"""The websocket: catch-up and live without gap or repeat, each client at its own pace, and how conversations end."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from stream.api.line import BUFFER_BYTES
from stream.api.lines import GOODBYE_TIMEOUT_S
from stream.store import Store, StoreError

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served, ServeFactory


async def assert_closes(talk: Any, code: int) -> dict[str, Any]:
    """The conversation ends with this code; returns the problem that was told before."""
    problem: dict[str, Any] = {}
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            problem = await talk.hear()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == code, caught.value.rcvd
    return problem


def clients(served: Served) -> float | None:
    return served.service.metrics.registry.get_sample_value("r2stream_ws_clients")


async def test_without_a_cursor_events_come_from_now_on(served: Served, talk: Any, moment: MomentFactory) -> None:
    """What was logged before the subscription is not sent; the confirmation says where it begins."""
    served.append(moment())
    async with talk() as socket:
        confirmation = await socket.subscribe()
        assert confirmation == {
            "op": "subscribed",
            "cursor": 1,
            "latest": 1,
            "missed": False,
            "unknown": {"streams": [], "queries": []},
        }
        (event,) = served.append(moment())
        assert await socket.hear() == json.loads(event.to_json())


async def test_catching_up_runs_into_live_without_gap_or_repeat(
    served: Served, talk: Any, moment: MomentFactory
) -> None:
    """Events logged before, during and after catching up come once each, in order."""
    served.append(*(moment() for _ in range(250)))
    async with talk() as socket:
        assert (await socket.subscribe(after=100))["cursor"] == 100

        async def go_on() -> None:
            for _ in range(100):
                await asyncio.to_thread(served.append, moment())

        writing = asyncio.create_task(go_on())
        assert await socket.hear_cursors(250) == list(range(101, 351))
        await writing


async def test_names_choose_events(served: Served, talk: Any, moment: MomentFactory) -> None:
    """Only events of the streams and queries asked for are sent."""
    served.append(moment(query="goal"), moment(query="corner"), moment(stream="gate"), moment(query="goal"))
    async with talk() as socket:
        await socket.subscribe(streams=["pitch"], queries=["goal"], after=0)
        served.append(moment(query="corner"), moment(query="goal"))
        assert await socket.hear_cursors(3) == [1, 4, 6]


async def test_names_that_do_not_exist_yet_are_told(served: Served, talk: Any, moment: MomentFactory) -> None:
    """A name may be subscribed to before it exists, but a misspelt one must not be met with silence."""
    served.service.add_query("goal", {"text": "a player scores"})
    async with talk() as socket:
        confirmation = await socket.subscribe(queries=["goal", "gaol"], streams=["pitch"])
        assert confirmation["unknown"] == {"streams": ["pitch"], "queries": ["gaol"]}


async def test_subscribing_again_goes_on_from_where_it_was(served: Served, talk: Any, moment: MomentFactory) -> None:
    """A changed wish loses nothing in between; an explicit cursor goes back."""
    async with talk() as socket:
        await socket.subscribe(queries=["goal"])
        served.append(moment())
        assert await socket.hear_cursors(1) == [1]
        assert (await socket.subscribe(queries=["corner"]))["cursor"] == 1
        served.append(moment(), moment(query="corner"))
        assert await socket.hear_cursors(1) == [3]
        assert (await socket.subscribe(after=0))["cursor"] == 0
        assert await socket.hear_cursors(3) == [1, 2, 3]


async def test_many_subscriptions_at_once_are_each_answered(served: Served, talk: Any, moment: MomentFactory) -> None:
    """Messages sent without waiting are taken one after the other."""
    async with talk() as socket:
        for after in (0, None, 0):
            await socket.say({"op": "subscribe", "after": after})
        answers = [(await socket.hear())["op"] for _ in range(3)]
        assert answers == ["subscribed"] * 3


@pytest.mark.parametrize(
    ("message", "path", "code"),
    [
        ("subscribe", "", "bad_json"),
        ("[]", "", "bad_value"),
        ('{"op": "unsubscribe"}', "op", "bad_value"),
        ("{}", "op", "missing_key"),
        ('{"op": "subscribe", "afer": 3}', "afer", "unknown_key"),
        ('{"op": "subscribe", "after": "3"}', "after", "bad_value"),
        ('{"op": "subscribe", "after": false}', "after", "bad_value"),
        ('{"op": "subscribe", "after": -1}', "after", "bad_value"),
        ('{"op": "subscribe", "streams": "pitch"}', "streams", "bad_value"),
        ('{"op": "subscribe", "queries": ["Goal!"]}', "queries.0", "bad_value"),
        (b"\x00\x01", "", "bad_json"),
    ],
)
async def test_a_malformed_message_is_explained_and_ends_it(
    shared_url: str, talk: Any, message: str | bytes, path: str, code: str
) -> None:
    """A problem names the field, then the connection closes with 4400."""
    async with talk(shared_url) as socket:
        await socket.connection.send(message)
        problem = await assert_closes(socket, 4400)
        assert (problem["op"], problem["status"], problem["code"]) == ("problem", 422, code)
        assert problem["errors"][0]["path"] == path


async def test_a_huge_message_is_not_taken(shared_url: str, talk: Any) -> None:
    """More than 64 KiB in one message ends the connection with 1009."""
    async with talk(shared_url) as socket:
        await socket.say({"op": "subscribe", "streams": ["x" * 70_000]})
        await assert_closes(socket, 1009)


async def test_a_cursor_of_another_log_is_refused(served: Served, talk: Any, moment: MomentFactory) -> None:
    """Waiting for a cursor the log may never reach would be silence for ever: 4410."""
    served.append(moment())
    async with talk() as socket:
        await socket.say({"op": "subscribe", "after": 2})
        problem = await assert_closes(socket, 4410)
        assert (problem["code"], problem["status"]) == ("cursor_ahead", 410)


async def test_a_client_that_comes_too_late_is_told(
    serve: ServeFactory, tmp_path: Any, talk: Any, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`missed` says that retention removed events after the given cursor."""
    monkeypatch.setattr("stream.store.store.PRUNE_STEP", 1)
    store = Store(tmp_path / "small.sqlite3", max_events=5)
    for _ in range(20):
        store.append([moment("ended")])
    with serve(store=store) as served:
        for after, missed in ((3, True), (19, False)):
            # A client that has stopped taking messages says goodbye for ever so long.
            async with talk(served.url, max_queue=None) as socket:
                assert (await socket.subscribe(after=after))["missed"] is missed
    store.close()


async def test_saying_nothing_ends_it(serve: ServeFactory, talk: Any) -> None:
    """A client that never subscribes does not stay."""
    with serve(subscribe_s=0.05) as served:
        async with talk(served.url) as socket:
            await assert_closes(socket, 4408)


async def test_an_unreadable_log_is_explained(
    served: Served, talk: Any, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the log cannot be read the client is told why, and closed with 1011."""
    async with talk() as socket:
        await socket.subscribe()

        def broken(*args: object) -> None:
            raise StoreError("events.sqlite3 is damaged")

        monkeypatch.setattr(served.store, "read", broken)
        monkeypatch.setattr(served.store, "recent", lambda *args: None)
        served.append(moment())
        problem = await assert_closes(socket, 1011)
        assert (problem["status"], problem["detail"]) == (503, "events.sqlite3 is damaged")


async def test_clients_and_deliveries_are_counted(
    served: Served, talk: Any, moment: MomentFactory, until: Callable[[Callable[[], bool]], None]
) -> None:
    """The gauge follows connections; only live events say how late they were."""
    registry = served.service.metrics.registry
    served.append(moment())
    async with talk() as socket:
        await socket.subscribe(after=0)
        served.append(moment())
        assert await socket.hear_cursors(2) == [1, 2]
        assert clients(served) == 1
        sent, late = {"sink": "ws", "result": "sent"}, {"stage": "score_to_send"}
        await asyncio.to_thread(until, lambda: registry.get_sample_value("r2stream_deliveries_total", sent) == 2)
        latency = "r2stream_event_latency_seconds_count"
        await asyncio.to_thread(until, lambda: registry.get_sample_value(latency, late) == 1)
    await asyncio.to_thread(until, lambda: clients(served) == 0)


async def test_a_stopping_server_says_goodbye(serve: ServeFactory, talk: Any, moment: MomentFactory) -> None:
    """Every client is closed with 1001, also one that has not subscribed yet, and nothing logged is cut off."""
    async with AsyncExitStack() as stack:
        with serve() as served:
            talks = [await stack.enter_async_context(talk(served.url)) for _ in range(3)]
            for socket in talks[:2]:
                await socket.subscribe()
            served.append(moment())
            assert await talks[0].hear_cursors(1) == [1]
            assert await talks[1].hear_cursors(1) == [1]
            await asyncio.to_thread(served.server.stop)
        for socket in talks:
            await assert_closes(socket, 1001)


class DeafClient:
    """A websocket client that subscribes and then never reads."""

    def __init__(self, url: str, wanted: dict[str, Any]) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(10)
        parts = urlsplit(url)
        self._socket.connect((parts.hostname, parts.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /v1/events/ws HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b" 101 " in self._socket.recv(4096)
        payload = json.dumps({"op": "subscribe", **wanted}).encode()
        # A masked text frame; a mask of zeros leaves the payload as it is.
        self._socket.sendall(struct.pack("!BBI", 0x81, 0x80 | len(payload), 0) + payload)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def impatient(serve: ServeFactory) -> Iterator[Served]:
    """A server that waits little for slow clients."""
    with serve(slow_client_s=0.3) as served:
        yield served


async def test_one_client_that_never_reads_slows_nobody(
    impatient: Served, talk: Any, moment: MomentFactory, until: Callable[[Callable[[], bool]], None]
) -> None:
    """19 clients get every event in time while one takes nothing; that one is cut off and leaves nothing behind."""
    registry = impatient.service.metrics.registry
    async with AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(talk(impatient.url)) for _ in range(19)]
        for socket in talks:
            await socket.subscribe(queries=["goal"])
        deaf = await asyncio.to_thread(DeafClient, impatient.url, {"queries": ["flood"], "after": 0})
        await asyncio.to_thread(until, lambda: clients(impatient) == 20)
        flood = [moment(query="flood", text="x" * 50_000) for _ in range(200)]
        await asyncio.to_thread(impatient.append, *flood)
        for _ in range(20):
            await asyncio.to_thread(impatient.append, moment())
        everyone = await asyncio.wait_for(asyncio.gather(*(socket.hear_cursors(20) for socket in talks)), 10)
        assert everyone == [list(range(201, 221))] * 19
        await asyncio.to_thread(until, lambda: clients(impatient) == 19)
        assert registry.get_sample_value("r2stream_deliveries_total", {"sink": "ws", "result": "slow"}) == 1
        deaf.close()


async def test_a_client_that_stops_reading_costs_little_and_loses_nothing(
    impatient: Served, talk: Any, moment: MomentFactory, until: Callable[[Callable[[], bool]], None]
) -> None:
    """Of live events, no more than two buffers and one event wait for it, however many come; it is cut off within the
    stated time, while another client has each at once; and from its cursor it gets them all.
    """
    async with talk(impatient.url) as socket:
        await socket.subscribe()
        deaf = await asyncio.to_thread(DeafClient, impatient.url, {})
        await asyncio.to_thread(until, lambda: clients(impatient) == 2)
        await asyncio.sleep(0.1)  # let it be among those who are up to date
        heard, most_bytes, full_s = 0, 0, 0.0
        while impatient.server.connections() == 2:
            # A megabyte at a time, until the system's own buffers are full and long after.
            await asyncio.to_thread(impatient.append, *(moment(text="x" * 20_000) for _ in range(50)))
            heard += len(await socket.hear_cursors(50))
            waiting = impatient.server.waiting_bytes()
            most_bytes = max(most_bytes, waiting)
            full_s = full_s or (time.monotonic() if waiting >= BUFFER_BYTES else 0.0)
        closed_s = time.monotonic()
        assert BUFFER_BYTES <= most_bytes <= 2 * BUFFER_BYTES + 30_000
        assert closed_s - full_s < 0.3 + GOODBYE_TIMEOUT_S + 2.0
        deaf.close()
    async with talk(impatient.url) as socket:
        await socket.subscribe(after=0)
        assert await socket.hear_cursors(heard) == list(range(1, heard + 1))


async def test_a_slow_client_is_told_so_and_can_resume(impatient: Served, talk: Any, moment: MomentFactory) -> None:
    """A client that wakes up late reads what was on its way and then 4408; from its cursor it misses nothing."""
    flood = [moment(text="x" * 50_000) for _ in range(200)]
    await asyncio.to_thread(impatient.append, *flood)
    async with talk(impatient.url, max_queue=1) as socket:
        await socket.subscribe(after=0)
        seen = await socket.hear_cursors(1)
        await asyncio.sleep(1.0)
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                seen += await socket.hear_cursors(1)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4408
    assert 1 < len(seen) < 200
    async with talk(impatient.url) as socket:
        await socket.subscribe(after=seen[-1])
        seen += await socket.hear_cursors(200 - len(seen))
    assert seen == list(range(1, 201))


async def test_a_deaf_client_is_cut_off(
    impatient: Served, moment: MomentFactory, until: Callable[[Callable[[], bool]], None]
) -> None:
    """Not even a client that takes neither events nor the goodbye keeps its connection open for ever."""
    flood = [moment(text="x" * 50_000) for _ in range(200)]
    impatient.append(*flood)
    deaf = await asyncio.to_thread(DeafClient, impatient.url, {"after": 0})
    connections = impatient.server.connections
    assert connections() == 1
    await asyncio.to_thread(until, lambda: connections() == 0)
    deaf.close()
