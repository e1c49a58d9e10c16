"""Files on their way to a server that may be down, hang, or refuse them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stream.clips.folder import ClipFolder
from stream.clips.remote import RemoteFolder
from stream.clips.uploads import MAX_STAGED_BYTES, Persistence, Uploads
from stream.errors import TargetError
from stream.metrics import Metrics
from tests.stream.clips.conftest import Bucket

Until = Callable[[Callable[[], bool]], None]
SOON = Persistence(first_s=0.1, cap_s=0.2)


@dataclass
class Heard:
    """What became of one upload."""

    ends: list[TargetError | None] = field(default_factory=list)
    delays: list[str] = field(default_factory=list)


def put(uploads: Uploads, staging: ClipFolder, clip_id: str = "m1") -> Heard:
    """A clip of two files."""
    staging.path.mkdir(exist_ok=True)
    staging.file(clip_id, "mp4").write_bytes(b"video")
    staging.file(clip_id, "jpg").write_bytes(b"picture")
    heard = Heard()
    uploads.put(clip_id, ("jpg", "mp4"), heard.ends.append, heard.delays.append)
    return heard


@pytest.fixture
def staging(tmp_path: Path) -> ClipFolder:
    return ClipFolder(tmp_path / "staging")


def counted(metrics: Metrics, what: str, result: str) -> float:
    return metrics.registry.get_sample_value("r2stream_clip_transfers_total", {"what": what, "result": result}) or 0.0


def test_what_was_uploaded_waits_no_more(bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """All files of a clip are there, and none of them here; removing takes them away there."""
    metrics = Metrics()
    uploads = Uploads(staging, RemoteFolder(bucket.address, bucket.options), metrics)
    heard = put(uploads, staging)
    until(lambda: bool(heard.ends))
    assert heard == Heard([None], []) and bucket.names() == {"m1.jpg", "m1.mp4"}
    assert not list(staging.path.iterdir()) and counted(metrics, "upload", "done") == 1
    ends = list[TargetError | None]()
    assert uploads.remove("m1", ends.append)
    until(lambda: bool(ends))
    assert ends == [None] and bucket.names() == set() and counted(metrics, "removal", "done") == 1
    assert uploads.stop(20)


def test_a_server_that_is_down_is_waited_for(own_bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """What holds the upload up is told and counted; it is done once the server is back."""
    own_bucket.server.kill()
    metrics = Metrics()
    uploads = Uploads(staging, RemoteFolder(own_bucket.address, own_bucket.options, timeout_s=1.0), metrics, SOON)
    heard = put(uploads, staging)
    until(lambda: bool(heard.delays))
    assert heard.ends == [] and counted(metrics, "upload", "retried") >= 1
    assert metrics.registry.get_sample_value("r2stream_clip_staging_bytes") == 12
    own_bucket.server.start()
    until(lambda: bool(heard.ends))
    assert heard.ends == [None] and own_bucket.names() == {"m1.jpg", "m1.mp4"}
    assert metrics.registry.get_sample_value("r2stream_clip_staging_bytes") == 0
    assert uploads.stop(20)


def test_a_server_that_hangs_is_waited_for(own_bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """Each try ends in time."""
    uploads = Uploads(staging, RemoteFolder(own_bucket.address, own_bucket.options, timeout_s=0.5), Metrics(), SOON)
    own_bucket.server.pause()
    heard = put(uploads, staging)
    until(lambda: len(heard.delays) >= 2)
    assert all("s3://clips does not answer" in delay for delay in heard.delays) and heard.ends == []
    own_bucket.server.resume()
    until(lambda: bool(heard.ends))
    assert heard.ends == [None]
    assert uploads.stop(20)


def test_nobody_waits_for_ever(own_bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """A clip that could not be uploaded for long fails, and makes room."""
    own_bucket.server.kill()
    target = RemoteFolder(own_bucket.address, own_bucket.options, timeout_s=0.2)
    uploads = Uploads(staging, target, Metrics(), Persistence(0.05, 0.05, give_up_s=0.3))
    heard = put(uploads, staging)
    until(lambda: bool(heard.ends))
    assert isinstance(heard.ends[0], TargetError) and not list(staging.path.iterdir())
    assert uploads.stop(20)


def test_what_trying_again_does_not_help_fails_at_once(bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """With what somebody must do."""
    metrics = Metrics()
    uploads = Uploads(staging, RemoteFolder("s3://no-such-bucket", bucket.options), metrics)
    heard = put(uploads, staging)
    until(lambda: bool(heard.ends))
    assert heard.delays == [] and "make the bucket" in str(heard.ends[0]) and counted(metrics, "upload", "failed") == 1
    assert uploads.stop(20)


def test_only_so_much_may_wait(
    own_bucket: Bucket, staging: ClipFolder, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of this machine is not filled because another one is down; the reason says which."""
    assert MAX_STAGED_BYTES > 1 << 20
    monkeypatch.setattr("stream.clips.uploads.MAX_STAGED_BYTES", 10)
    own_bucket.server.kill()
    uploads = Uploads(staging, RemoteFolder(own_bucket.address, own_bucket.options, timeout_s=0.2), Metrics(), SOON)
    assert uploads.refusal() is None
    heard = put(uploads, staging)
    until(lambda: bool(heard.delays))
    reason = uploads.refusal()
    assert reason is not None and "wait to be uploaded already (s3://clips" in reason
    assert uploads.stop(20)


def test_stopping_leaves_what_waits_for_the_next_start(own_bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """It ends soon, however the server is, and says nothing of clips that are neither there nor lost."""
    own_bucket.server.kill()
    target = RemoteFolder(own_bucket.address, own_bucket.options, timeout_s=0.2)
    uploads = Uploads(staging, target, Metrics(), Persistence(first_s=60.0, cap_s=60.0))
    heard = put(uploads, staging)
    until(lambda: bool(heard.delays))
    assert uploads.stop(20)
    assert heard.ends == [] and staging.kinds("m1") == ("mp4", "jpg")


def test_one_that_hangs_leaves_the_others_going(bucket: Bucket, staging: ClipFolder, until: Until) -> None:
    """Several are on their way at once."""
    target, go = RemoteFolder(bucket.address, bucket.options), threading.Event()
    uploads = Uploads(staging, target, Metrics())
    upload = target.upload

    def slow_for_one(file: Path, clip_id: str, kind: str) -> None:
        if clip_id == "slow":
            go.wait(20)
        upload(file, clip_id, kind)  # type: ignore[arg-type]

    target.upload = slow_for_one  # type: ignore[method-assign]
    slow = put(uploads, staging, "slow")
    others = [put(uploads, staging, f"m{number}") for number in range(10)]
    until(lambda: all(other.ends for other in others))
    assert slow.ends == []
    go.set()
    until(lambda: bool(slow.ends))
    assert uploads.stop(20)
