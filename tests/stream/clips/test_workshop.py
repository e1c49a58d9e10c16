"""From packets to files on a server that speaks S3, whatever goes wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.clips.packets import Selection
from stream.clips.remote import RemoteFolder
from stream.clips.retention import Retention
from stream.errors import NotFoundError
from stream.events import MomentEvent
from tests.stream.clips.conftest import Bucket, FillFactory, show
from tests.stream.clips.test_writer import Desk, desk, ended, filled, video

__all__ = ["desk", "ended", "video"]  # the fixtures of the writer's own tests

Until = Callable[[Callable[[], bool]], None]
EndedFactory = Callable[..., MomentEvent]


def target(bucket: Bucket) -> RemoteFolder:
    return RemoteFolder(bucket.address, bucket.options, timeout_s=1.0)


def test_no_clip_waits_long_for_its_preview(
    desk: Desk, fill: FillFactory, video: Path, ended: EndedFactory, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is too busy to draw it leaves it out; the next one may be there again."""
    filled(desk, fill, video)
    go, drawn = threading.Event(), list[str]()

    def slow(selection: Selection, span_s: tuple[float, float]) -> bytes:
        go.wait(20)
        drawn.append("once")
        return b"RIFF"

    monkeypatch.setattr("stream.clips.workshop.preview", slow)
    with desk.running():
        desk.store.append([ended(moment_id="a"), ended(moment_id="b")])
        until(lambda: len(desk.told()) == 2)
        assert [event.data.preview_url for event in desk.told()] == [None, None]
        go.set()
        until(lambda: bool(drawn))
        desk.store.append([ended(moment_id="c")])
        until(lambda: len(desk.told()) == 3)
    assert desk.told()[2].data.preview_url is not None and desk.folder.preview("c").read_bytes() == b"RIFF"
    assert not desk.folder.preview("a").exists(), "nobody knows of it, so nobody would remove it"
    rendered = desk.metrics.render().decode()
    assert 'r2stream_clip_previews_total{result="late"} 2.0' in rendered
    assert 'r2stream_clip_previews_total{result="drawn"} 1.0' in rendered


def why(desk: Desk, clip_id: str) -> str:
    known = desk.store.clips.find(clip_id)
    return (known.data.reason if known else None) or ""


@pytest.fixture
def far(desk: Desk, bucket: Bucket, fill: FillFactory, video: Path) -> Desk:
    """Clips of a stream that is held go to a bucket."""
    filled(desk, fill, video)
    desk.target = target(bucket)
    return desk


def test_a_clip_is_ready_once_it_is_there(
    far: Desk, bucket: Bucket, ended: EndedFactory, until: Until, tmp_path: Path
) -> None:
    """The event comes after the upload, and nothing stays behind on this machine."""
    with far.running():
        far.store.append([ended(moment_id="m1")])
        until(lambda: bool(far.told()))
    clip = far.only().data
    assert (clip.state, clip.reason, clip.url) == ("ready", None, "/v1/moments/m1/clip.mp4")
    assert bucket.names() >= {"m1.mp4", "m1.jpg", "m1.webp"} and not list(far.folder.path.iterdir())
    reading = target(bucket).open("m1", "mp4", clip.bytes)
    (tmp_path / "m1.mp4").write_bytes(reading.read(0, reading.size_bytes()))
    assert len(show(tmp_path / "m1.mp4").codes) > 50


def test_what_holds_a_clip_up_is_told_and_a_restart_goes_on(
    far: Desk, own_bucket: Bucket, ended: EndedFactory, until: Until
) -> None:
    """While the server is down the clip is pending, with the reason; stopping does not wait for it, and the next
    process uploads what this one could not."""
    own_bucket.server.kill()
    far.target = target(own_bucket)
    with far.running():
        far.store.append([ended(moment_id="m1")])
        until(lambda: "It waits to be uploaded" in why(far, "m1"))
        assert far.told() == []
        (far.folder.path / "of-nobody.mp4").write_bytes(b"")
    assert far.told() == []
    own_bucket.server.start()
    far.target = target(own_bucket)
    with far.running():
        until(lambda: bool(far.told()))
    assert far.only().data.state == "ready" and own_bucket.names() >= {"m1.mp4", "m1.jpg"}
    assert not list(far.folder.path.iterdir())


def test_a_bucket_that_is_not_there_is_a_reason(far: Desk, bucket: Bucket, ended: EndedFactory, until: Until) -> None:
    """At once, and with what to do."""
    far.target = RemoteFolder("s3://no-such-bucket", bucket.options)
    with far.running():
        far.store.append([ended(moment_id="m1")])
        until(lambda: bool(far.told()))
    clip = far.only().data
    assert (clip.state, clip.url, clip.bytes) == ("failed", None, None)
    assert clip.reason is not None and clip.reason.startswith("S3://no-such-bucket is not there")
    assert not list(far.folder.path.iterdir())


def test_what_is_read_there_goes_when_it_is_read(far: Desk, bucket: Bucket, ended: EndedFactory, until: Until) -> None:
    """Quota takes the oldest clip as soon as its reader is done; until then it counts as gone, and no other goes."""
    with far.running():
        far.store.append([ended(moment_id="first")])
        until(lambda: bool(far.told()))
    size_bytes = far.only().data.bytes or 0
    far.retention = Retention(2 * size_bytes + size_bytes // 2, 1e9)
    far.target = remote = target(bucket)
    reading = remote.open("first", "mp4", size_bytes)
    with far.running():
        for name in ("second", "third"):
            far.now_s += 1
            far.store.append([ended(moment_id=name)])
        until(lambda: len(far.told()) == 3)

        def leaving() -> bool:
            try:
                remote.open("first", "jpg").close()
            except NotFoundError:
                return True
            return False

        until(leaving)
        assert "first.mp4" in bucket.names() and len(reading.read(0, size_bytes)) == size_bytes
        reading.close()
        until(lambda: (known := far.store.clips.find("first")) is not None and known.data.state == "removed")
        assert {"second.mp4", "third.mp4"} <= bucket.names()
        assert not {"first.mp4", "first.jpg", "first.webp"} & bucket.names()
    assert len(far.told()) == 3
