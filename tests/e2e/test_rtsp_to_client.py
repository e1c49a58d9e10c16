"""From a real RTSP server, through the service in a process of its own, to a client, and back after each fall."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest

from clients import ClientError, Event
from tests.e2e.conftest import START_S, ServeProcess, listening
from tests.servers import ServerProcess, rtsp_folder_server

Serve = Callable[..., ServeProcess]
StartServer = Callable[[ServerProcess], ServerProcess]
QUERIES = {
    "goal": {"text": "the yellow team scores a goal", "threshold": {"enter": 0.5, "exit": 0.3}},
    "snow": {"text": "it snows", "threshold": {"enter": 0.5, "exit": 0.3}},
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def kinds(events: list[Event], prefix: str) -> list[str]:
    return [event.kind for event in events if event.kind.startswith(prefix)]


def check_story(events: list[Event]) -> None:
    """Cursors grow by one, revisions of each moment too, and nothing follows a moment's end."""
    assert [event.cursor for event in events] == list(range(1, len(events) + 1))
    moments = sorted((e for e in events if e.moment), key=lambda e: (e.moment.moment_id if e.moment else "", e.cursor))
    for _, told in groupby(moments, key=lambda event: event.moment.moment_id if event.moment else ""):
        story = list(told)
        assert [event.moment.revision for event in story if event.moment] == list(range(1, len(story) + 1))
        assert story[0].kind == "moment.started"
        assert not {"moment.ended", "moment.retracted"} & {event.kind for event in story[:-1]}


async def test_a_server_dies_and_comes_back(
    broadcast_folder: Path, eager_model: Path, start_server: StartServer, serve: Serve
) -> None:
    """Moments arrive live; a killed server makes the stream offline with a reason; its return is a new epoch."""
    server = start_server(rtsp_folder_server(broadcast_folder))
    url = server.url("short.mp4?play_count=0")
    service = serve(model=str(eager_model), streams={"match": url}, queries=QUERIES)
    async with listening(service.url) as heard:
        await heard.until(lambda events: {"stream.online", "moment.started"} <= {event.kind for event in events})
        stream = await heard.client.stream("match")
        assert (stream.state, stream.epoch, stream.reason) == ("online", 0, None)
        assert {query.state for query in await heard.client.queries()} == {"watching"}

        server.kill()
        await heard.until(lambda events: kinds(events, "stream.") == ["stream.online", "stream.offline"])
        stream = await heard.client.stream("match")
        assert stream.state == "offline" and stream.reason and "127.0.0.1" in stream.reason
        await heard.until(lambda events: any(e.moment and e.moment.reason == "gap" for e in events))

        count = len(heard.events)
        server.start()
        await heard.until(lambda events: kinds(events, "stream.")[-1] == "stream.online")
        await heard.until(lambda events: "moment.started" in kinds(events[count:], "moment."))
        assert (await heard.client.stream("match")).epoch == 1
        check_story(heard.events)
        assert service.terminate() == 0, service.log()


async def test_another_kind_of_server_is_watched_too(
    broadcast_folder: Path, eager_model: Path, start_gst_server: Callable[..., ServerProcess], serve: Serve
) -> None:
    """The same over UDP from gst-rtsp-server, with its clock: moments arrive, and their wall times are now."""
    pipeline = (
        f"( filesrc location={broadcast_folder / 'short.mp4'} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )"
    )
    server = start_gst_server({"/match": pipeline})
    match = {"url": server.url("match"), "transport": "udp"}
    service = serve(model=str(eager_model), streams={"match": match}, queries=QUERIES)
    async with listening(service.url) as heard:
        await heard.until(lambda events: "moment.started" in kinds(events, "moment."))
        moment = next(event.moment for event in heard.events if event.moment is not None)
        assert moment.start.time is not None
        assert abs((datetime.now(UTC) - moment.start.time).total_seconds()) < 60


async def test_the_service_is_killed_and_goes_on(
    broadcast_folder: Path, eager_model: Path, start_server: StartServer, serve: Serve
) -> None:
    """After SIGKILL the log goes on where it was: open moments end, the client misses nothing and sees no repeat."""
    server = start_server(rtsp_folder_server(broadcast_folder))
    service = serve(model=str(eager_model))
    async with listening(service.url) as heard:
        await heard.client.add_stream("match", server.url("short.mp4?play_count=0"))
        await heard.client.add_query("goal", "the yellow team scores a goal", threshold={"enter": 0.5, "exit": 0.3})
        await heard.until(lambda events: "moment.started" in kinds(events, "moment."))

        service.kill()
        service.start()
        await heard.until(lambda events: any(e.moment and e.moment.reason == "restart" for e in events))
        ended = next(event for event in heard.events if event.moment and event.moment.reason == "restart")
        await heard.until(lambda events: "moment.started" in kinds(events[ended.cursor :], "moment."))
        check_story(heard.events)
        assert [stream.name for stream in await heard.client.streams()] == ["match"]
        assert [query.text for query in await heard.client.queries()] == ["the yellow team scores a goal"]
        page = await heard.client.event_page(0, 1000)
        assert [event.id for event in page.events[: len(heard.events)]] == [event.id for event in heard.events]


async def test_a_query_added_late_is_answered_for_the_window(
    broadcast_folder: Path, eager_model: Path, start_server: StartServer, serve: Serve
) -> None:
    """A sentence that is too long is refused; a good one is answered at once for what was seen before it came."""
    server = start_server(rtsp_folder_server(broadcast_folder))
    service = serve(model=str(eager_model), streams={"match": server.url("short.mp4?play_count=0")})
    async with listening(service.url) as heard:
        await heard.until(lambda events: "stream.online" in kinds(events, "stream."))
        await heard.frames_of("match", 12)
        with pytest.raises(ClientError) as refused:
            await heard.client.add_query("long", "ball " * 80)
        assert (refused.value.status, refused.value.code) == (422, "bad_text")
        await heard.client.add_query("goal", "the yellow team scores a goal", threshold={"enter": 0.5, "exit": 0.3})
        await heard.until(lambda events: any(e.moment and e.moment.backfilled for e in events))


def test_wrong_starts_say_why(eager_model: Path, tmp_path: Path, serve: Serve) -> None:
    """A port that is taken, a data directory in use and a missing model each are one sentence and an exit status."""
    first = serve(model=str(eager_model))
    elsewhere = {"data_dir": str(tmp_path / "elsewhere")}
    wrong: list[tuple[dict[str, str], str]] = [
        ({**elsewhere, "model": str(eager_model)}, f"cannot listen on 127.0.0.1 port {first.port}"),
        ({"model": str(eager_model)}, "another r2stream is using"),
        ({**elsewhere, "model": str(tmp_path / "absent.safetensors")}, "there is no model file"),
    ]
    for document, problem in wrong:
        second = ServeProcess(tmp_path, document, first.port)
        done = subprocess.run(second.command(), capture_output=True, text=True, timeout=START_S, check=False)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("r2stream: ") and problem in done.stderr
        assert "Traceback" not in done.stderr
