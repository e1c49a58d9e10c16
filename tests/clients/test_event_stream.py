"""The event stream: every event once and in order, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from clients import Client, ClientError, EventStream

if TYPE_CHECKING:
    from tests.clients.conftest import CuttableLine
    from tests.conftest import MomentFactory, Served, ServeFactory


async def take(events: EventStream, count: int, timeout_s: float = 20.0) -> list[int]:
    """Cursors of the next events."""
    async with asyncio.timeout(timeout_s):
        return [(await anext(events)).cursor for _ in range(count)]


async def subscribed(events: EventStream) -> None:
    """Wait for the server's confirmation, which another task receives."""
    for _ in range(500):
        if events.cursor is not None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not subscribed")


async def test_events_arrive_as_they_are_logged(client: Client, served: Served, moment: MomentFactory) -> None:
    """From now on, and only of the queries asked for."""
    served.append(moment())
    async with client.events(queries=["goal"]) as events:
        assert events.cursor == 1
        served.append(moment(query="corner"), moment(query="goal"))
        event = await anext(events)
        assert (event.cursor, event.kind) == (3, "moment.started")
        assert event.moment is not None and event.moment.query == "goal"
        assert events.cursor == 3


async def test_iteration_takes_up_a_cursor(client: Client, served: Served, moment: MomentFactory) -> None:
    """`async for` over everything the log holds, then on from where it stopped."""
    served.append(*(moment() for _ in range(5)))
    seen = []
    async for event in client.events(after=0):
        seen.append(event.cursor)
        if event.cursor == 3:
            break
    async for event in client.events(after=seen[-1]):
        seen.append(event.cursor)
        if event.cursor == 5:
            break
    assert seen == [1, 2, 3, 4, 5]


async def test_a_line_cut_in_the_middle_of_an_event_loses_and_repeats_nothing(
    line: CuttableLine, served: Served, moment: MomentFactory
) -> None:
    """However often and wherever the connection breaks, each event comes once, in order."""
    rng = random.Random(7)
    served.append(*(moment() for _ in range(60)))
    async with Client(line.url) as client:
        events = client.events(after=0)
        seen: list[int] = []
        while len(seen) < 60:
            line.cut_after_bytes = rng.randrange(1_500, 8_000)
            seen += await take(events, 1)
    assert seen == list(range(1, 61))
    assert line.connections > 3


async def test_events_logged_while_the_line_is_cut_are_not_missed(
    line: CuttableLine, served: Served, moment: MomentFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscription from now on stays where it was, though not one event had come before the line was cut."""
    caplog.set_level(logging.INFO, "clients.events")
    served.append(moment())
    async with Client(line.url) as client, client.events() as events:
        line.open = False
        line.cut()
        served.append(moment(), moment())
        reading = asyncio.create_task(take(events, 2))
        await asyncio.sleep(0.1)
        assert not reading.done()
        line.open = True
        assert await reading == [2, 3]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, "the loss and the recovery are logged once each, not every try"
    assert "trying again until it is back" in messages[0]
    assert messages[1] == "receiving events again, after cursor 1"


async def test_a_restarted_server_is_found_again(serve: ServeFactory, moment: MomentFactory, tmp_path: Any) -> None:
    """The client goes on from its cursor when the server comes back on the same port."""
    with serve() as first:
        async with Client(first.url) as client:
            events = client.events(after=0)
            first.append(moment())
            assert await take(events, 1) == [1]
            await asyncio.to_thread(first.server.stop)
            waiting = asyncio.create_task(take(events, 1))
            await asyncio.sleep(0.1)
            with serve(port=first.server.port) as second:
                second.append(moment())
                assert await waiting == [2]
            await events.aclose()


async def test_a_cancelled_anext_loses_nothing(client: Client, served: Served, moment: MomentFactory) -> None:
    """Cancelled at any point, connecting included, the next call goes on."""
    served.append(*(moment() for _ in range(30)))
    events = client.events(after=0)
    seen: list[int] = []
    patience_s = 0.0
    while len(seen) < 30:
        try:
            seen += await take(events, 1, timeout_s=patience_s)
        except TimeoutError:
            patience_s += 0.0005
        else:
            patience_s = 0.0
    assert seen == list(range(1, 31))


async def test_a_cancelled_subscription_from_now_on_still_begins_then(
    client: Client, served: Served, moment: MomentFactory
) -> None:
    """The connection that a cancelled call began to make is the one the next call uses."""
    events = client.events()
    with pytest.raises(TimeoutError):
        await take(events, 1, timeout_s=0.001)
    await subscribed(events)
    served.append(moment())
    assert await take(events, 1) == [1]


async def test_closing_ends_the_iteration(client: Client, served: Served) -> None:
    """A reader that waits is ended by aclose, without an error and without a warning."""
    events = client.events()

    async def read() -> list[int]:
        return [event.cursor async for event in events]

    reading = asyncio.create_task(read())
    await subscribed(events)
    await events.aclose()
    await events.aclose()
    assert await asyncio.wait_for(reading, 5) == []


async def test_leaving_the_loop_closes_the_connection(
    client: Client, served: Served, moment: MomentFactory, until: Callable[[Callable[[], bool]], None]
) -> None:
    """After `break` nothing holds the stream any more, and the server is rid of it."""
    served.append(moment())
    async for event in client.events(after=0):
        assert event.cursor == 1
        break
    clients = "r2stream_ws_clients"
    await asyncio.to_thread(until, lambda: served.service.metrics.registry.get_sample_value(clients) == 0)


async def test_closing_ends_a_reader_that_is_still_connecting(line: CuttableLine) -> None:
    """Not even a server that is away keeps a closed stream waiting."""
    line.open = False
    async with Client(line.url) as client:
        reading = asyncio.create_task(anext(client.events()))
        await asyncio.sleep(0.05)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(reading, 5)


async def test_a_wrong_token_is_not_tried_for_ever(serve: ServeFactory) -> None:
    """What waiting cannot heal is raised."""
    with serve(token="secret") as locked:
        async with Client(locked.url, "guess") as client:
            with pytest.raises(ClientError) as caught:
                await take(client.events(), 1)
            assert (caught.value.code, caught.value.status) == ("unauthorized", 401)


async def test_a_cursor_of_another_log_is_raised(client: Client, served: Served, moment: MomentFactory) -> None:
    """The caller must decide where to start again."""
    served.append(moment())
    with pytest.raises(ClientError) as caught:
        await take(client.events(after=7), 1)
    assert caught.value.code == "cursor_ahead"


async def test_a_bad_name_is_raised(client: Client) -> None:
    """The server's problem reaches the caller; a bare string is refused before it is asked."""
    with pytest.raises(ClientError, match="pattern"):
        await take(client.events(queries=["Goal!"]), 1)
    with pytest.raises(ClientError, match="given as a list"):
        client.events(queries="goal")


async def test_names_the_server_does_not_know_are_warned_of(
    client: Client, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt name is not met with silence."""
    async with client.events(queries=["gaol"]):
        assert "does not know these queries (yet): gaol" in caplog.text


class ScriptedServer:
    """A websocket server that does what a broken one might."""

    def __init__(self, *conversations: list[object]) -> None:
        self.conversations = list(conversations)
        self.subscriptions: list[dict[str, Any]] = []

    async def __call__(self, connection: ServerConnection) -> None:
        self.subscriptions.append(json.loads(await connection.recv()))
        *messages, code = self.conversations.pop(0)
        for message in messages:
            await connection.send(message if isinstance(message, str) else json.dumps(message))
        assert isinstance(code, int)
        await connection.close(code)


@pytest.fixture
async def scripted() -> AsyncIterator[Any]:
    """Clients of servers that follow a script."""
    opened: list[Any] = []

    async def start(*conversations: list[object]) -> tuple[Client, ScriptedServer]:
        script = ScriptedServer(*conversations)
        server = await serve_websocket(script, "127.0.0.1", 0)
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        opened.append((client, server))
        return client, script

    yield start
    for client, server in opened:
        await client.aclose()
        server.close()
        await server.wait_closed()


def body(moment: MomentFactory, cursor: int) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(moment().with_cursor(cursor).to_json())
    return event


SUBSCRIBED = {"op": "subscribed", "cursor": 0, "latest": 0}
BUSY = {"op": "problem", "status": 503, "code": "store_busy", "detail": "the log is locked"}


async def test_repeats_are_recognised_and_trouble_of_the_server_is_waited_out(
    scripted: Any, moment: MomentFactory
) -> None:
    """Close codes and problems that may pass lead to another try from the cursor; an event seen before is dropped."""
    client, server = await scripted(
        [BUSY, 1011],
        [SUBSCRIBED, body(moment, 1), body(moment, 2), BUSY, 1011],
        [SUBSCRIBED, body(moment, 2), 4408],
        [SUBSCRIBED, body(moment, 3), body(moment, 2), body(moment, 4), 1001],
    )
    assert await take(client.events(after=0), 4) == [1, 2, 3, 4]
    assert [subscription["after"] for subscription in server.subscriptions] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["this is no JSON"], "protocol"),
        ([["a", "list"]], "protocol"),
        ([{"op": "hello"}], "protocol"),
        ([{"op": "subscribed"}], "protocol"),
        ([SUBSCRIBED, {"specversion": "1.0"}], "protocol"),
        ([SUBSCRIBED], "closed_4400"),
    ],
)
async def test_a_server_that_talks_nonsense_is_an_error(scripted: Any, messages: list[object], code: str) -> None:
    """Something that is not r2stream is not tried for ever."""
    client, _ = await scripted([*messages, 4400])
    with pytest.raises(ClientError) as caught:
        await take(client.events(after=0), 1)
    assert caught.value.code == code


async def test_fields_of_a_newer_server_are_ignored(scripted: Any, moment: MomentFactory) -> None:
    """What the client does not know does not disturb it, and can be read in `raw`."""
    newer = body(moment, 1)
    newer["data"]["colour"] = "red"
    client, _ = await scripted([{**SUBSCRIBED, "colour": 1}, {"op": "notice"}, {**newer, "colour": 2}, 1001])
    event = await anext(client.events(after=0))
    assert (event.cursor, event.data["colour"]) == (1, "red")
