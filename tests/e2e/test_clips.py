"""A moment of a broadcast that comes over RTSP, as a file that a client downloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from clients import Clip, Event, Moment
from stream.broadcast import Broadcast
from stream.types import Image
from tests.e2e.conftest import FPS, ServeProcess, listening
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
