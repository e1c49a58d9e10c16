"""Clips through the client and the command, against a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clients import Client, ClientError
from stream.cli.fetching import Piece, cut_clip, fetch_clip
from stream.cli.problems import CommandError
from stream.events import ClipInfo, Instant, rfc3339
from tests.conftest import EPOCH_S
from tests.media import coded_pictures, encode_video
from tests.stream.clips.conftest import fill, show

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served

__all__ = ["fill"]  # the fixture of the clips' own tests


@pytest.fixture
def cutting(served: Served, fill: Any, tmp_path: Path) -> Iterator[Served]:
    """A server whose stream `pitch` holds 4 s of video and whose clips are cut."""
    served.service.add_stream("pitch", {"url": "rtsp://camera/1"})
    fill(encode_video(tmp_path / "a.mp4", coded_pictures(100)), served.service.rings.ring("pitch"))
    served.service.clip_writer.start()
    yield served
    assert served.service.clip_writer.stop()


async def ended(client: Client, served: Served, moment: MomentFactory, start_s: float) -> None:
    """A moment that ends, and the event about its clip."""

    def instant(media_time_s: float) -> Instant:
        return Instant(time=rfc3339(EPOCH_S + media_time_s), media_time_s=media_time_s, final=True)

    about: dict[str, Any] = {"start": instant(start_s), "end": instant(start_s + 0.5)}
    served.append(moment("ended", moment_id="m1", clip=ClipInfo(state="pending"), **about))
    async with asyncio.timeout(10):
        async for event in client.events(queries=["goal"], after=0):
            if event.clip is not None:
                assert event.moment is None and event.clip.clip_id == "m1"
                return


async def test_a_moments_clip_is_downloaded(
    client: Client, cutting: Served, moment: MomentFactory, tmp_path: Path
) -> None:
    """Into memory or into a file; its picture too; and what it shows is typed."""
    await ended(client, cutting, moment, 2.5)
    clip = await client.clip_info("m1")
    assert (clip.state, clip.moment_id, clip.stream, clip.query, clip.reason) == ("ready", "m1", "pitch", "goal", None)
    assert clip.start.media_time_s == pytest.approx(0.5, abs=0.05) and clip.start.time is not None
    data = await client.clip("m1")
    assert len(data) == clip.bytes == await client.save_clip("m1", tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == data
    assert show(tmp_path / "clip.mp4").codes[0] == 12
    assert (await client.thumbnail("m1")).startswith(b"\xff\xd8")
    assert (await client.preview("m1")).startswith(b"RIFF")


async def test_a_clip_that_is_not_there_is_explained(
    client: Client, cutting: Served, moment: MomentFactory, tmp_path: Path
) -> None:
    """By the server's own reason; no empty file is left behind."""
    with pytest.raises(ClientError) as caught:
        await client.save_clip("nobody", tmp_path / "clip.mp4")
    assert caught.value.code == "not_found"
    await ended(client, cutting, moment, 50.0)
    with pytest.raises(ClientError, match=r"memory_per_stream") as caught:
        await client.save_clip("m1", tmp_path / "clip.mp4")
    assert caught.value.code == "clip_failed"
    assert not {"clip.mp4", "clip.mp4.part"} & set(os.listdir(tmp_path))


async def test_a_clip_of_any_time_is_asked_for(client: Client, cutting: Served) -> None:
    """By media time, or by times with a zone."""
    clip = await client.add_clip("pitch", 1.0, 2.0)
    assert (clip.state, clip.url, clip.start.media_time_s) == ("pending", None, 1.0)
    async with asyncio.timeout(10), client.events(after=0) as events:
        told = await anext(events)
    assert told.clip is not None and told.clip.clip_id == clip.clip_id
    assert await client.clip(clip.clip_id)
    with pytest.raises(ClientError, match="wall time is not known") as caught:
        await client.add_clip("pitch", datetime(2025, 1, 2, tzinfo=UTC), datetime(2025, 1, 2, 0, 1, tzinfo=UTC))
    assert caught.value.status == 409


async def test_the_command_saves_a_clip(
    client: Client, cutting: Served, moment: MomentFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is told to, else here, under the moment's name and with the right suffix."""
    monkeypatch.chdir(tmp_path)
    await ended(client, cutting, moment, 2.5)
    said = await fetch_clip(cutting.url, None, "m1", tmp_path / "goal.mp4")
    assert said.startswith(f"{tmp_path}/goal.mp4: ") and " MB, " in said and said.endswith(" s")
    await fetch_clip(cutting.url, None, "m1", None)
    assert (tmp_path / "m1.mp4").read_bytes() == (tmp_path / "goal.mp4").read_bytes()
    assert (
        await fetch_clip(cutting.url, None, "m1", None, preview=True)
        == f"m1.webp: {round((tmp_path / 'm1.webp').stat().st_size / 1e3)} kB"
    )
    with pytest.raises(CommandError, match="make it first"):
        await fetch_clip(cutting.url, None, "m1", tmp_path / "nowhere" / "goal.mp4")


async def test_the_command_cuts_any_time(cutting: Served, tmp_path: Path) -> None:
    """Waits until the clip is there, and says why when it will not be."""
    said = await cut_clip(cutting.url, None, Piece.parse("pitch", "1", "2.5", None), tmp_path / "piece.mp4")
    assert said.startswith(f"{tmp_path}/piece.mp4: ") and said.endswith(" 1.5 s")
    assert show(tmp_path / "piece.mp4").codes[0] == 25
    with pytest.raises(CommandError, match="memory_per_stream"):
        await cut_clip(cutting.url, None, Piece("pitch", 50.0, 51.0), tmp_path / "late.mp4")
    assert Piece.parse("pitch", "2025-01-02 18:30", "2025-01-02 18:31", "UTC").start == datetime(
        2025, 1, 2, 18, 30, tzinfo=UTC
    )
    with pytest.raises(CommandError, match="both --since and --until"):
        Piece.parse("pitch", "18:30", None, None)
