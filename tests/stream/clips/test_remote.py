"""Clips at an address: a real server that speaks S3, and a file system that moves files as most others do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from stream.clips.remote import RemoteFolder
from stream.errors import NotFoundError, TargetError
from tests.stream.clips.conftest import Bucket

DATA = bytes(range(256)) * 1000


@pytest.fixture(params=["s3", "memory"])
def remote(request: pytest.FixtureRequest) -> Iterator[RemoteFolder]:
    """A folder of either kind: of objects that are there at once, and of files that are moved."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        folder = RemoteFolder(bucket.address, bucket.options)
    else:
        folder = RemoteFolder(f"memory://{uuid4().hex}", {})
    yield folder
    folder.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m1.mp4"
    path.write_bytes(DATA)
    return path


def test_a_file_that_was_uploaded_is_read_in_parts(remote: RemoteFolder, file: Path) -> None:
    """Any part of it; another upload takes its place."""
    remote.upload(file, "m1", "mp4")
    reading = remote.open("m1", "mp4")
    assert reading.size_bytes() == len(DATA)
    assert reading.read(0, len(DATA)) == DATA and reading.read(1000, 1300) == DATA[1000:1300]
    reading.close()
    file.write_bytes(b"shorter")
    remote.upload(file, "m1", "mp4")
    assert remote.open("m1", "mp4").read(0, 7) == b"shorter"


def test_nothing_half_written_has_a_clips_name(file: Path) -> None:
    """Where a file grows as it is written, it gets its name last."""
    folder = uuid4().hex
    remote = RemoteFolder(f"memory://{folder}", {})
    remote.upload(file, "m1", "mp4")
    assert [name.rpartition("/")[2] for name in fsspec.filesystem("memory").ls(f"/{folder}", detail=False)] == [
        "m1.mp4"
    ]
    remote.close()


def test_removing_takes_all_of_a_clip(remote: RemoteFolder, file: Path) -> None:
    """And nothing of another; what is not there is no mistake, and reading it is an answer of its own."""
    for clip_id in ("m1", "m10"):
        for kind in ("mp4", "jpg"):
            remote.upload(file, clip_id, kind)
    remote.remove("m1")
    remote.remove("m1")
    for kind in ("mp4", "jpg"):
        with pytest.raises(NotFoundError, match="somebody has removed the file of the clip 'm1'"):
            remote.open("m1", kind).read(0, 1)  # type: ignore[arg-type]
    assert remote.open("m10", "mp4").size_bytes() == len(DATA)


def test_what_is_read_stays(remote: RemoteFolder, file: Path) -> None:
    """Until the last reader is done; nobody begins to read what is about to go."""
    remote.upload(file, "m1", "mp4")
    first, second = remote.open("m1", "mp4"), remote.open("m1", "mp4")
    assert not remote.leave("m1")
    with pytest.raises(NotFoundError, match="was removed"):
        remote.open("m1", "mp4")
    first.close()
    first.close()
    assert not remote.leave("m1") and second.read(0, 3) == DATA[:3]
    second.close()
    assert remote.leave("m1")
    remote.remove("m1")
    remote.forget("m1")


def test_what_somebody_must_change_is_said(bucket: Bucket, file: Path) -> None:
    """A bucket that is not there, options that nobody knows: trying again would not help."""
    missing = RemoteFolder("s3://no-such-bucket/live", bucket.options)
    with pytest.raises(TargetError, match=r"s3://no-such-bucket/live is not there .*make the bucket") as caught:
        missing.upload(file, "m1", "mp4")
    assert caught.value.lasting
    odd = RemoteFolder("s3://clips", {**bucket.options, "client_kwargs": {"colour": "green"}})
    with pytest.raises(TargetError, match=r"cannot be used as clips\.options say") as caught:
        odd.upload(file, "m1", "mp4")
    assert caught.value.lasting
    for folder in (missing, odd):
        folder.close()


def test_a_server_that_hangs_is_left_in_time(own_bucket: Bucket, file: Path) -> None:
    """It takes the connection and says nothing."""
    own_bucket.server.pause()
    remote = RemoteFolder(own_bucket.address, own_bucket.options, timeout_s=0.5)
    with pytest.raises(TargetError, match="s3://clips does not answer") as caught:
        remote.upload(file, "m1", "mp4")
    assert not caught.value.lasting
    own_bucket.server.resume()
    remote.close()


def test_a_secret_shows_in_no_message(file: Path) -> None:
    """Neither one in the address nor one among the options."""
    folder = RemoteFolder("sftp://me:hush@127.0.0.1:1/clips", {"password": "hush-hush"})
    assert folder.shown == "sftp://me:***@127.0.0.1:1/clips"
    told = folder._told(ValueError("cannot log in as me with hush-hush at sftp://me:hush@127.0.0.1:1"))
    assert told == "ValueError: cannot log in as me with *** at sftp://me:***@127.0.0.1:1"


def test_many_calls_at_once(remote: RemoteFolder, file: Path) -> None:
    """Each with what it needs, though threads share the folder."""
    failures = list[BaseException]()

    def work(number: int) -> None:
        try:
            remote.upload(file, f"m{number}", "mp4")
            assert remote.open(f"m{number}", "mp4").read(7, 9) == DATA[7:9]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
