"""Reels through the client and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clients import Client, ClientError
from stream.cli.app import run
from stream.clips.cutter import begins_s, cut
from stream.clips.folder import ClipFolder
from stream.store import ClipRecord
from tests.conftest import EPOCH_S
from tests.media import coded_pictures, encode_video
from tests.stream.clips.conftest import fill, show
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served

__all__ = ["fill"]
DAY = ["--day", "2025-01-02", "--timezone", "UTC"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode_video(tmp_path_factory.mktemp("video") / "a.mp4", coded_pictures(100))


@pytest.fixture
def filmed(served: Served, moment: MomentFactory, fill: Callable[..., Any], video: Path) -> Iterator[Served]:
    """A server that has a moment with a clip, and makes reels."""
    selection, folder = fill(video).select(0, 1.0, 2.0), ClipFolder(served.service.clips_dir)
    served.append(moment("ended", moment_id="m1", start=instant(1.0), end=instant(2.0)))
    folder.path.mkdir()
    cut(selection, folder.video("m1", "mp4"))
    clip = clip_of("m1", begins_s(selection), selection.end_s)
    served.store.clips.add([ClipRecord(clip, EPOCH_S, told=True)])
    served.service.reel_maker.start()
    yield served
    assert served.service.reel_maker.stop()


async def test_a_reel_is_asked_for_and_saved(client: Client, filmed: Served, tmp_path: Path) -> None:
    """An event says when it is ready."""
    noon = datetime(2025, 1, 2, 12, tzinfo=UTC)
    wished = await client.add_reel(until=noon, streams=["pitch"], best=3, max_length="1m", order="score")
    assert (wished.state, wished.progress) == ("pending", None)
    async with client.events(after=1) as events:
        told = await anext(events)
    assert (told.kind, told.stream, told.moment, told.clip) == ("reel.ready", "", None, None)
    assert told.reel == await client.reel(wished.reel_id) == (await client.reels())[0]
    assert [(c.moment_id, c.score, c.time) for c in told.reel.chapters] == [
        ("m1", 0.83, datetime(2025, 1, 2, 3, 0, 1, tzinfo=UTC))
    ]
    assert await client.save_reel(wished.reel_id, tmp_path / "reel.mp4") == told.reel.bytes
    assert show(tmp_path / "reel.mp4").codes[0] == 25
    await client.remove_reel(wished.reel_id)
    assert await client.reels() == ()
    with pytest.raises(ClientError) as gone:
        await client.save_reel(wished.reel_id, tmp_path / "gone.mp4")
    assert gone.value.code == "reel_removed" and not (tmp_path / "gone.mp4").exists()


async def test_names_are_lists(client: Client) -> None:
    """As everywhere."""
    with pytest.raises(ClientError, match="Names are given as a list"):
        await client.add_reel(streams="pitch")


def test_the_command_makes_and_saves_one(
    filmed: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where the file is, and what is where in it."""
    monkeypatch.setenv("COLUMNS", "150")
    file = tmp_path / "best.mp4"
    assert run(["reel", *DAY, "--best", "5", "-o", str(file), "--url", filmed.url]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{file}: ") and printed.out.endswith(" s, 1 moment\n")
    assert printed.err.split() == ["0:00.0", "goal", "0.83", "“a", "player", "scores", "a", "goal”"]
    assert show(file).codes[0] == 25
    assert run(["reels", "--url", filmed.url]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["reel", "state", "length", "moments", "file"] and " ready " in line
    assert run(["reels", "--json", "--url", filmed.url]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "ready"


def test_the_command_says_why_there_is_none(filmed: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """In one sentence, before or after the service has tried."""
    assert run(["reel", "--url", filmed.url]) == 1
    assert capsys.readouterr().err == "r2stream: There were no such moments in that time.\n"
    assert run(["reel", *DAY, "-o", "no/such/folder/x.mp4", "--url", filmed.url]) == 1
    assert "make it first" in capsys.readouterr().err
