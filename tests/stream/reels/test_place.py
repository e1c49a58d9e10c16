"""Reels where clips are kept at an address: made here from copies, and nothing of it left here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from stream.clips.desk import ClipDesk
from stream.clips.remote import RemoteFile, RemoteFolder
from stream.clips.rings import Rings
from stream.clips.writer import ClipWriter
from stream.errors import ConflictError, NotFoundError
from stream.events import ReelData
from stream.reels.desk import ReelDesk
from stream.reels.maker import ReelMaker
from stream.reels.place import ReelPlace, brought
from tests.stream.clips.conftest import show

if TYPE_CHECKING:
    from tests.stream.reels.conftest import Filmed


@pytest.fixture
def remote() -> Iterator[RemoteFolder]:
    folder = RemoteFolder(f"memory://{uuid4().hex}", {})
    yield folder
    folder.close()


@pytest.fixture
def kept(filmed: Filmed, remote: RemoteFolder) -> Filmed:
    """Two moments whose clips are kept elsewhere, and what makes reels of them there."""
    for name, start_s in (("a", 5.0), ("b", 12.0)):
        filmed.add(name, start_s, start_s + 1)
        remote.upload(filmed.folder.video(name, "mp4"), name, "mp4")
        filmed.folder.remove(name)
    rings, place = Rings(1 << 20), ReelPlace(filmed.folder, remote)
    writer = ClipWriter(filmed.store, rings, filmed.folder, filmed.retention, filmed.metrics, lambda query: None)
    clips = ClipDesk(filmed.store, rings, remote, writer)
    clocks = filmed.clock.clocks()
    filmed.maker = ReelMaker(filmed.store, clips, place, filmed.retention, filmed.metrics, (), clocks)
    filmed.desk = ReelDesk(filmed.store, place, filmed.maker)
    return filmed


def file_of(kept: Filmed, reel: ReelData) -> RemoteFile:
    file = kept.desk.video(reel.reel_id, "mp4")
    assert isinstance(file, RemoteFile)
    return file


def test_a_reel_goes_where_its_clips_are(kept: Filmed, tmp_path: Path) -> None:
    """Whole, and this machine's disk is as empty as before."""
    reel = kept.make()
    assert (reel.state, len(reel.chapters)) == ("ready", 2)
    assert list(kept.folder.path.iterdir()) == []
    copy = brought(file_of(kept, reel), tmp_path / "copy.mp4")
    assert copy.stat().st_size == reel.bytes and show(copy).codes[0] == 100


def test_what_is_read_is_not_removed(kept: Filmed) -> None:
    """Until that is over; then it is gone."""
    reel = kept.make()
    reading = file_of(kept, reel)
    with pytest.raises(ConflictError) as busy:
        kept.desk.remove(reel.reel_id)
    assert busy.value.code == "reel_busy" and kept.desk.get(reel.reel_id).state == "ready"
    assert reading.read(4, 8) == b"ftyp"
    reading.close()
    kept.desk.remove(reel.reel_id)
    with pytest.raises(NotFoundError):
        file_of(kept, reel)


def test_a_clip_that_somebody_took_away_is_left_out(kept: Filmed, remote: RemoteFolder) -> None:
    """There as here."""
    remote.remove("a")
    reel = kept.make()
    assert [chapter.moment_id for chapter in reel.chapters] == ["b"]
    assert [left.moment_id for left in reel.left_out] == ["a"]


def test_a_target_that_is_silent_is_waited_for(kept: Filmed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reel stays pending, and is made once the clips can be read."""
    monkeypatch.setattr("stream.clips.remote.PAUSE_S", 0.0)

    def silent(*arguments: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as patched:
        patched.setattr("stream.clips.patience.Patience.call", silent)
        reel = kept.make()
    assert reel.state == "pending"
    for _ in range(60):
        kept.clock.now_s += 1
        kept.maker.round()
    assert kept.desk.get(reel.reel_id).state == "ready"
