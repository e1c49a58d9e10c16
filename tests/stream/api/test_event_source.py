"""Server-sent events: the log from a cursor on, resumed by `Last-Event-ID`, and how the stream ends."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from stream.store import StoreError

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served, ServeFactory

Until = Callable[[Callable[[], bool]], None]


@dataclass
class Block:
    """One block of the stream: its fields, and its comments."""

    fields: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    @property
    def data(self) -> Any:
        return json.loads(self.fields["data"])


@dataclass
class Reading:
    """A stream that is being read, block by block."""

    response: httpx.Response
    lines: AsyncIterator[str]

    async def block(self, timeout_s: float = 5.0) -> Block:
        block = Block()
        async with asyncio.timeout(timeout_s):
            async for line in self.lines:
                if not line:
                    return block
                name, _, value = line.partition(": ")
                if name:
                    block.fields[name] = value
                else:
                    block.comments.append(value)
        raise EOFError

    async def cursors(self, count: int) -> list[int]:
        return [int((await self.block()).fields["id"]) for _ in range(count)]


@asynccontextmanager
async def reading(url: str, headers: dict[str, str] | None = None, **params: Any) -> AsyncIterator[Reading]:
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client,
        client.stream("GET", "/v1/events/sse", params=params, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Reading(response, response.aiter_lines())


def clients(served: Served) -> float | None:
    return served.service.metrics.registry.get_sample_value("r2stream_sse_clients")


async def test_without_a_cursor_events_come_from_now_on(served: Served, moment: MomentFactory) -> None:
    """The first block says where it begins; then each event has its cursor as id, its type and the wire's body."""
    served.append(moment())
    async with reading(served.url) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["cache-control"] == "no-store"
        first = await stream.block()
        assert (first.fields["event"], first.fields["id"], first.fields["retry"]) == ("subscribed", "1", "1000")
        unknown: dict[str, list[str]] = {"streams": [], "queries": []}
        assert first.data == {"cursor": 1, "latest": 1, "missed": False, "unknown": unknown}
        (event,) = served.append(moment())
        block = await stream.block()
        assert (block.fields["id"], block.fields["event"]) == ("2", "r2stream.moment.started")
        assert block.data == json.loads(event.to_json())


async def test_catching_up_runs_into_live_without_gap_or_repeat(served: Served, moment: MomentFactory) -> None:
    """Events logged before, during and after catching up come once each, in order."""
    served.append(*(moment() for _ in range(250)))
    async with reading(served.url, after=100) as stream:
        await stream.block()

        async def go_on() -> None:
            for _ in range(50):
                await asyncio.to_thread(served.append, moment())

        writing = asyncio.create_task(go_on())
        assert await stream.cursors(200) == list(range(101, 301))
        await writing


async def test_a_browser_goes_on_from_its_last_event(served: Served, moment: MomentFactory) -> None:
    """`Last-Event-ID` wins over the address, which a browser sends again unchanged when it reconnects."""
    served.append(*(moment() for _ in range(5)))
    async with reading(served.url, {"Last-Event-ID": "3"}, after=0) as stream:
        assert (await stream.block()).data["cursor"] == 3
        assert await stream.cursors(2) == [4, 5]


async def test_names_choose_events(served: Served, moment: MomentFactory) -> None:
    """Only events of the streams and queries asked for are sent; names that do not exist are told."""
    served.append(moment(query="goal"), moment(query="corner"), moment(stream="gate"), moment(query="goal"))
    async with reading(served.url, stream="pitch", query=["goal", "gaol"], after=0) as stream:
        assert (await stream.block()).data["unknown"] == {"streams": ["pitch"], "queries": ["goal", "gaol"]}
        served.append(moment(query="corner"), moment(query="goal"))
        assert await stream.cursors(3) == [1, 4, 6]


async def test_a_quiet_stream_is_heard_of(serve: ServeFactory, moment: MomentFactory) -> None:
    """Comments keep the line open, and carry the cursor past events that were not wanted."""
    with serve(heartbeat_s=0.05) as served:
        async with reading(served.url, query="goal") as stream:
            await stream.block()
            served.append(moment(query="corner"))
            block = await stream.block()
            while block.fields["id"] != "1":
                block = await stream.block()
            assert (block.comments, list(block.fields)) == (["still here"], ["id"])


@pytest.mark.parametrize(
    ("params", "headers", "path"),
    [
        ({"after": "soon"}, {}, "after"),
        ({"afer": "3"}, {}, "afer"),
        ({"query": "Goal!"}, {}, "query.0"),
        ({}, {"Last-Event-ID": "x"}, "last-event-id"),
    ],
)
def test_a_bad_parameter_is_named(
    shared_http: httpx.Client, params: dict[str, str], headers: dict[str, str], path: str
) -> None:
    """What cannot be understood is no wish for everything."""
    answer = shared_http.get("/v1/events/sse", params=params, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


def test_a_cursor_of_another_log_is_refused(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """410, which tells a browser not to come back with it."""
    served.append(moment())
    answer = http.get("/v1/events/sse", headers={"Last-Event-ID": "2"})
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_ahead")


async def test_the_token_is_asked_for(serve: ServeFactory) -> None:
    """As everywhere."""
    with serve(token="secret") as served:
        answer = await asyncio.to_thread(httpx.get, f"{served.url}/v1/events/sse", trust_env=False)
        assert answer.status_code == 401
        async with reading(served.url, {"Authorization": "Bearer secret"}) as stream:
            assert (await stream.block()).fields["event"] == "subscribed"


async def test_an_unreadable_log_is_explained(
    served: Served, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the log cannot be read the client is told why, and the response ends as it should."""
    async with reading(served.url) as stream:
        await stream.block()

        def broken(*args: object) -> None:
            raise StoreError("events.sqlite3 is damaged")

        monkeypatch.setattr(served.store, "read", broken)
        monkeypatch.setattr(served.store, "recent", lambda *args: None)
        served.append(moment())
        block = await stream.block()
        assert (block.fields["event"], block.data["detail"]) == ("problem", "events.sqlite3 is damaged")
        with pytest.raises(EOFError):
            await stream.block()


async def test_clients_and_deliveries_are_counted(served: Served, moment: MomentFactory, until: Until) -> None:
    """The gauge follows connections, also of clients that simply leave; only live events say how late they were."""
    registry = served.service.metrics.registry
    served.append(moment())
    async with reading(served.url, after=0) as stream:
        await stream.block()
        served.append(moment())
        assert await stream.cursors(2) == [1, 2]
        assert clients(served) == 1
    await asyncio.to_thread(until, lambda: clients(served) == 0)
    assert registry.get_sample_value("r2stream_deliveries_total", {"sink": "sse", "result": "sent"}) == 2
    assert registry.get_sample_value("r2stream_event_latency_seconds_count", {"stage": "score_to_send"}) == 1


async def test_a_stopping_server_ends_the_stream(serve: ServeFactory, moment: MomentFactory) -> None:
    """The response ends in good order and at once, after all that was logged."""
    with serve() as served:
        async with reading(served.url) as stream:
            await stream.block()
            served.append(moment())
            stopping = asyncio.create_task(asyncio.to_thread(served.server.stop))
            assert await stream.cursors(1) == [1]
            with pytest.raises(EOFError):
                await stream.block()
            began_s = time.monotonic()
            await stopping
            assert time.monotonic() - began_s < 3


async def test_a_deaf_client_is_cut_off_and_can_resume(
    serve: ServeFactory, moment: MomentFactory, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that takes nothing loses its connection within bounds, slows nobody, and misses nothing later."""
    with serve(slow_client_s=0.3) as served:
        flood = [moment(text="x" * 50_000) for _ in range(200)]
        await asyncio.to_thread(served.append, *flood)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        parts = urlsplit(served.url)
        await asyncio.to_thread(deaf.connect, (parts.hostname, parts.port))
        deaf.sendall(f"GET /v1/events/sse?after=0 HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        await asyncio.to_thread(until, lambda: clients(served) == 1)
        await asyncio.to_thread(until, lambda: served.server.connections() == 0)
        slow = {"sink": "sse", "result": "slow"}
        assert served.service.metrics.registry.get_sample_value("r2stream_deliveries_total", slow) == 1
        deaf.close()
        async with reading(served.url, {"Last-Event-ID": "1"}) as stream:
            await stream.block()
            assert await stream.cursors(199) == list(range(2, 201))
    assert "ASGI" not in caplog.text
