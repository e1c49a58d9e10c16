"""REST calls of the client against a real server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from clients import Client, ClientError, Instant
from stream.events import stream_event
from stream.sinks.settings import WebhookSettings
from tests.receiver import receiving

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served, ServeFactory


async def test_streams_are_added_listed_and_removed(client: Client) -> None:
    """A stream's whole life, as typed values; its password is not shown."""
    added = await client.add_stream("pitch", "rtsp://admin:hunter2@camera/1")
    assert (added.name, added.state, added.reason) == ("pitch", "offline", "No route to host.")
    assert (added.epoch, added.frames, added.clock, added.frame_age_s) == (2, 7, "rtcp", 1.5)
    assert added.since == datetime(2025, 1, 2, 3, 0, tzinfo=UTC)
    assert added.url == "rtsp://admin:***@camera/1"
    assert await client.streams() == (added,)
    assert await client.stream("pitch") == added
    changed = await client.update_stream("pitch", enabled=False, transport="udp")
    assert (changed.raw["enabled"], changed.raw["transport"], changed.raw["pace"]) == (False, "udp", "realtime")
    await client.remove_stream("pitch")
    assert await client.streams() == ()


async def test_queries_are_added_changed_and_removed(client: Client) -> None:
    """A query's whole life; options are those of the settings file."""
    added = await client.add_query(
        "goal", "a player scores", streams=["pitch"], cooldown="30s", threshold={"enter": 0.6}
    )
    assert (added.name, added.text, added.streams, added.state) == ("goal", "a player scores", ("pitch",), "watching")
    assert added.raw["cooldown"] == 30
    assert await client.queries() == (added,)
    changed = await client.update_query("goal", enabled=False, text="the ball is in the net", confirm_frames=3)
    assert (changed.enabled, changed.state, changed.streams) == (False, "disabled", ("pitch",))
    assert (changed.text, changed.raw["confirm_frames"]) == ("the ball is in the net", 3)
    assert await client.query("goal") == changed
    await client.remove_query("goal")
    assert await client.queries() == ()


async def test_a_program_that_starts_again_sets_its_query_again(client: Client) -> None:
    """As often as it likes; any other mistake is still one."""
    first = await client.set_query("goal", "a player scores", min_duration="2s")
    again = await client.set_query("goal", "the ball is in the net", min_duration="3s")
    assert (first.text, again.text, again.raw["min_duration"]) == ("a player scores", "the ball is in the net", 3)
    assert await client.queries() == (again,)
    with pytest.raises(ClientError, match="goal") as refused:
        await client.set_query("goal", " ")
    assert refused.value.status == 422


async def test_the_log_is_read_page_by_page(client: Client, served: Served, moment: MomentFactory) -> None:
    """Pages follow each other by `next`, and names choose."""
    served.append(*(moment() for _ in range(5)), moment(query="corner"))
    first = await client.event_page(limit=4)
    rest = await client.event_page(after=first.next, limit=4)
    assert [event.cursor for event in first.events + rest.events] == [1, 2, 3, 4, 5, 6]
    assert (first.next, first.latest, rest.next, rest.missed) == (4, 6, 6, False)
    assert [event.cursor for event in (await client.event_page(queries=["corner"])).events] == [6]
    assert (await client.event_page(streams=["gate"])).events == ()


async def test_a_moments_event_is_typed(client: Client, served: Served, moment: MomentFactory) -> None:
    """Everything the wire says of a moment is there under its name, and the rest in `raw`."""
    served.append(moment(moment_id="a"))
    event = await client.moment("a")
    assert (event.cursor, event.id, event.kind, event.stream) == (1, "a.1", "moment.started", "pitch")
    assert event.time == datetime(2025, 1, 2, 3, 0, 20, tzinfo=UTC)
    seen = event.moment
    assert seen is not None
    assert (seen.moment_id, seen.revision, seen.state) == ("a", 1, "open")
    assert (seen.stream, seen.query, seen.text) == ("pitch", "goal", "a player scores a goal")
    assert (seen.score, seen.clock, seen.onset_to_alert_s) == (0.83, "rtcp", 4.1)
    assert seen.start == Instant(datetime(2025, 1, 2, 3, 0, 12, tzinfo=UTC), 12.0, True)
    assert seen.end == Instant(None, None, False)
    assert (seen.backfilled, seen.reason) == (False, None)
    assert event.data["model"] == "demo"


async def test_a_streams_event_has_no_moment(client: Client, served: Served) -> None:
    """Events about streams carry their data as it was sent."""
    served.append(stream_event("pitch", "offline", time_s=0.0, cause="refused", reason="No."))
    (event,) = (await client.event_page()).events
    assert (event.kind, event.stream, event.moment) == ("stream.offline", "pitch", None)
    assert event.data["reason"] == "No."


async def test_sinks_and_what_they_gave_up(
    serve: ServeFactory, moment: MomentFactory, until: Callable[[Callable[[], bool]], None]
) -> None:
    """Their state, their dead letters, and a second chance, as typed values."""
    with receiving() as receiver:
        receiver.script.append(422)
        hook = WebhookSettings("hook", receiver.url, allow_private=True)
        with serve(sinks={"hook": hook}) as served:
            served.append(moment(), moment())
            async with Client(served.url) as client:
                await asyncio.to_thread(until, lambda: served.service.sinks.status("hook").lag == 0)
                (sink,) = await client.sinks()
                assert (sink.name, sink.type, sink.state, sink.reason) == ("hook", "webhook", "delivering", None)
                assert (sink.cursor, sink.dead_letters, sink.last_delivery is not None) == (2, 1, True)
                (letter,) = await client.dead_letters("hook")
                assert (letter.event.cursor, letter.tries) == (1, 1) and "422" in letter.reason
                assert await client.dead_letters("hook", after=letter.id) == ()
                assert await client.redeliver("hook", [letter.id]) == 1
                await asyncio.to_thread(until, lambda: served.service.sinks.status("hook").dead_letters == 0)
                assert await client.redeliver("hook") == 0
                with pytest.raises(ClientError, match="no sink 'hok'"):
                    await client.sink("hok")


async def test_a_problem_is_a_client_error(client: Client) -> None:
    """Code, sentence and status of the server's problem reach the caller."""
    with pytest.raises(ClientError) as caught:
        await client.stream("nobody")
    assert (caught.value.code, caught.value.status) == ("not_found", 404)
    assert "nobody" in caught.value.detail
    with pytest.raises(ClientError, match="did you mean 'threshold'"):
        await client.add_query("goal", "text", treshold={})  # type: ignore[call-arg]  # the misspelling is the point


async def test_a_strange_name_does_not_leave_its_place(client: Client) -> None:
    """A name is one part of the path, whatever is in it."""
    for name in ("../queries", "a/b", "a?b", ""):
        with pytest.raises(ClientError):
            await client.remove_stream(name)


async def test_the_token_is_sent(serve: ServeFactory) -> None:
    """With the token everything works, without it nothing does."""
    with serve(token="secret") as locked:
        async with Client(locked.url, "secret") as client:
            assert await client.streams() == ()
        async with Client(locked.url) as client:
            with pytest.raises(ClientError, match="token") as caught:
                await client.streams()
            assert caught.value.code == "unauthorized"


async def test_a_server_that_is_not_there_is_explained() -> None:
    """A refused connection is an error with a code and not a traceback of the network library."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(ClientError, match="is r2stream serving") as caught:
                await client.streams()
            assert caught.value.code == "unreachable"


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    """Every call has a timeout."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        async with Client(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.05) as client:
            with pytest.raises(ClientError) as caught:
                await client.streams()
            assert caught.value.code == "timeout"


@pytest.mark.parametrize("url", ["", "127.0.0.1:8642", "ws://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """The error shows what an address looks like."""
    with pytest.raises(ClientError, match="one looks like http://127"):
        Client(url)
