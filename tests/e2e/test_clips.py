"""A moment of a broadcast that comes over RTSP, as a file that a client downloads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from clients import ClientError, Clip, Event, Moment
from stream.broadcast import Broadcast
from stream.types import Image
from tests.e2e.conftest import FPS, Listener, ServeProcess, listening
from tests.servers import ServerProcess, rtsp_folder_server
from tests.stream.clips.conftest import rgb

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LENGTH_S = 20
"""Of the programme, which then begins again."""


def story(events: list[Event]) -> tuple[Moment, Clip] | None:
    """The first moment that has a clip, and the clip."""
    clips = {event.clip.moment_id: event.clip for event in events if event.kind == "clip.ready" and event.clip}
    for event in events:
        if event.kind == "moment.ended" and event.moment and event.moment.moment_id in clips:
            return event.moment, clips[event.moment.moment_id]
    return None


def programme_time_s(image: Image, broadcast: Broadcast, near_s: float) -> float:
    """Which picture of the programme looks most like this one, among those within two seconds."""
    small = image[::4, ::4].astype(np.float32)
    times_s = [near_s + step / FPS for step in range(-2 * FPS, 2 * FPS + 1)]
    pictures = {time_s: broadcast.picture(round(time_s * FPS) % (LENGTH_S * FPS) / FPS) for time_s in times_s}
    return min(times_s, key=lambda time_s: float(np.abs(pictures[time_s][::4, ::4] - small).mean()))


async def test_a_moment_becomes_a_file(
    broadcast: Broadcast,
    broadcast_folder: Path,
    eager_model: Path,
    start_server: Callable[[ServerProcess], ServerProcess],
    serve: Callable[..., ServeProcess],
    tmp_path: Path,
) -> None:
    """It ends, the clip is told over the websocket, and the file decodes to its end and shows the whole moment."""
    server = start_server(rtsp_folder_server(broadcast_folder))
    goal = {
        "text": "the yellow team scores a goal",
        "threshold": {"enter": 0.5, "exit": 0.3},
        "max_duration": "4s",
        "clip": {"pre_roll": "1s", "post_roll": "1s"},
    }
    url = server.url("short.mp4?play_count=0")
    service = serve(model=str(eager_model), streams={"match": url}, queries={"goal": goal})
    async with listening(service.url) as heard:
        await heard.until(lambda events: story(events) is not None)
        found = story(heard.events)
        assert found is not None
        moment, clip = found
        assert (await heard.client.stream("match")).raw["clips"]["state"] == "on"
        size_bytes = await heard.client.save_clip(moment.moment_id, tmp_path / "clip.mp4")
        assert (await heard.client.thumbnail(moment.moment_id)).startswith(b"\xff\xd8")
        newest = await heard.client.moment(moment.moment_id)
    assert newest.data["clip"] == {"state": "ready", "url": clip.url} and size_bytes == clip.bytes
    first_told = next(event for event in heard.events if event.moment and event.moment.moment_id == moment.moment_id)
    assert first_told.data["clip"] == {"state": "pending", "url": None}, json.dumps(first_told.raw)

    with av.open(str(tmp_path / "clip.mp4")) as file:
        images = [rgb(frame) for frame in file.decode(video=0)]
    start_s, end_s = clip.start.media_time_s, clip.end.media_time_s
    assert start_s is not None and end_s is not None
    assert moment.start.media_time_s is not None and moment.end.media_time_s is not None
    assert start_s <= moment.start.media_time_s and end_s >= moment.end.media_time_s
    assert len(images) == pytest.approx((end_s - start_s) * FPS, abs=1)
    assert programme_time_s(images[0], broadcast, start_s) == pytest.approx(start_s, abs=0.25)
    assert programme_time_s(images[-1], broadcast, end_s) == pytest.approx(end_s, abs=0.25)


async def test_a_clip_that_is_being_downloaded_is_read_to_its_end(
    busy_file: Path, eager_model: Path, serve: Callable[..., ServeProcess], tmp_path: Path
) -> None:
    """A newer clip pushes it out while a slow client is at its beginning: that one gets all of it, the next one 404."""
    clips = {"max_bytes": "8MB", "folder": str(tmp_path / "clips")}
    service = serve(model=str(eager_model), streams={"cam": str(busy_file)}, clips=clips)
    async with listening(service.url) as heard:
        await heard.frames_of("cam", 1)
        first = await cut_and_wait(heard, "cam", 0.0, 8.0)
        assert first.bytes is not None and 4_000_000 < first.bytes < 8_000_000
        # Of a file of this size, neither side's buffers hold more than a part.
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1 << 16)
        writer.write(f"GET {first.url} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert b" 200 " in await reader.readline()
        await cut_and_wait(heard, "cam", 8.0, 16.0)
        async with asyncio.timeout(20):
            while (await heard.client.clip_info(first.clip_id)).state != "removed":
                await asyncio.sleep(0.1)
                assert service.process is not None and service.process.poll() is None
        assert not (tmp_path / "clips" / f"{first.clip_id}.mp4").exists()
        answer = await read_all(reader)
        writer.close()
        with pytest.raises(ClientError) as refused:
            await heard.client.save_clip(first.clip_id, tmp_path / "late.mp4")
    assert (refused.value.status, refused.value.code) == (404, "clip_removed")
    body = answer.partition(b"\r\n\r\n")[2]
    assert len(body) == first.bytes
    (tmp_path / "clip.mp4").write_bytes(body)
    with av.open(str(tmp_path / "clip.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == pytest.approx(8 * 25, abs=1)


async def cut_and_wait(heard: Listener, stream: str, start_s: float, end_s: float) -> Clip:
    """A clip of these media times, once it is ready."""
    clip_id = (await heard.client.add_clip(stream, start_s, end_s)).clip_id
    await heard.until(lambda events: any(event.clip and event.clip.clip_id == clip_id for event in events))
    clip = await heard.client.clip_info(clip_id)
    assert clip.state == "ready", clip.reason
    return clip


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """To the end, at some 10 MB in a second."""
    parts: list[bytes] = []
    async with asyncio.timeout(60):
        while part := await reader.read(1 << 16):
            parts.append(part)
            await asyncio.sleep(0.005)
    return b"".join(parts)
