"""Clips that lie on another server, over HTTP as browsers ask for them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from stream.api.distant import PIECE_BYTES, parse_range
from stream.clips.desk import ClipDesk
from stream.clips.remote import RemoteFolder
from stream.events import ClipData, Instant
from stream.store import ClipRecord
from tests.conftest import EPOCH_S
from tests.stream.clips.conftest import Bucket, bucket, own_bucket, s3

if TYPE_CHECKING:
    from tests.conftest import Served

__all__ = ["bucket", "own_bucket", "s3"]  # the fixtures of the clips' own tests

Until = Callable[[Callable[[], bool]], None]
SIZE = 12 * PIECE_BYTES + 17
VIDEO = bytes(range(251)) * (SIZE // 251 + 1)
VIDEO = VIDEO[:SIZE]


def keep(served: Served, bucket: Bucket, folder: Path, **about: Any) -> RemoteFolder:
    """A ready clip `m1` in a bucket, and the service that serves it from there."""
    remote = RemoteFolder(bucket.address, bucket.options, timeout_s=1.0)
    for kind, data in (("mp4", VIDEO), ("jpg", b"\xff\xd8picture")):
        (folder / f"m1.{kind}").write_bytes(data)
        remote.upload(folder / f"m1.{kind}", "m1", kind)  # type: ignore[arg-type]
    now = Instant(time=None, media_time_s=0.0, final=True)
    given: dict[str, Any] = {
        "clip_id": "m1",
        "moment_id": "m1",
        "stream": "pitch",
        "query": "goal",
        "state": "ready",
        "reason": None,
        "url": "/v1/moments/m1/clip.mp4",
        "thumbnail_url": "/v1/moments/m1/thumbnail.jpg",
        "container": "mp4",
        "start": now,
        "end": now,
        "bytes": SIZE,
        **about,
    }
    served.store.clips.add([ClipRecord(ClipData.model_validate(given), EPOCH_S, told=True)])
    service = served.service
    service.clips = ClipDesk(service.store, service.rings, remote, service.clip_writer)
    return remote


@pytest.fixture
def remote(served: Served, bucket: Bucket, tmp_path: Path) -> Iterator[RemoteFolder]:
    remote = keep(served, bucket, tmp_path)
    yield remote
    remote.close()


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("", (0, 100)),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=5-1", (0, 100)),
        ("bytes=0-1,5-6", (0, 100)),
        ("pages=1-2", (0, 100)),
    ],
)
def test_a_range_is_read_as_http_says(header: str, span: tuple[int, int] | None) -> None:
    """What is no range, or is several, means all of it."""
    assert parse_range(header, 100) == span


def test_a_clip_is_served_from_there(http: httpx.Client, remote: RemoteFolder) -> None:
    """Whole, in pieces, with its type and its size; the picture too."""
    answer = http.get("/v1/moments/m1/clip.mp4")
    assert (answer.status_code, answer.content == VIDEO) == (200, True)
    headers = answer.headers
    assert headers["content-type"] == "video/mp4" and headers["content-length"] == str(SIZE)
    assert headers["content-disposition"] == 'inline; filename="m1.mp4"' and headers["accept-ranges"] == "bytes"
    picture = http.get("/v1/moments/m1/thumbnail.jpg")
    assert (picture.headers["content-type"], picture.content) == ("image/jpeg", b"\xff\xd8picture")


def test_a_browser_can_seek(http: httpx.Client, remote: RemoteFolder) -> None:
    """By asking for a range, if the file is still the one it knows; one behind the end is refused."""
    url = "/v1/moments/m1/clip.mp4"
    part = http.get(url, headers={"Range": f"bytes=10-{PIECE_BYTES + 20}"})
    assert (part.status_code, part.content == VIDEO[10 : PIECE_BYTES + 21]) == (206, True)
    assert part.headers["content-range"] == f"bytes 10-{PIECE_BYTES + 20}/{SIZE}"
    same = {"Range": "bytes=0-0", "If-Range": part.headers["etag"]}
    assert http.get(url, headers=same).status_code == 206
    assert http.get(url, headers={**same, "If-Range": '"other"'}).status_code == 200
    beyond = http.get(url, headers={"Range": f"bytes={SIZE}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert beyond.json()["code"] == "bad_range"


def test_a_reader_is_done_when_its_client_is(http: httpx.Client, remote: RemoteFolder, until: Until) -> None:
    """Also one that goes away in the middle: nobody keeps the clip from being removed."""
    with http.stream("GET", "/v1/moments/m1/clip.mp4") as answer:
        next(answer.iter_raw(1000))
    until(lambda: remote.leave("m1"))
    gone = http.get("/v1/moments/m1/clip.mp4")
    assert (gone.status_code, gone.json()["code"]) == (404, "clip_removed")


def test_a_clip_that_is_being_sent_is_not_removed(http: httpx.Client, remote: RemoteFolder, until: Until) -> None:
    """The client gets all of it, however slowly it reads."""
    with socket.create_connection((http.base_url.host, http.base_url.port or 80)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.sendall(b"GET /v1/moments/m1/clip.mp4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = client.recv(1000)
        assert not remote.leave("m1")
        while data := client.recv(1 << 16):
            received += data
    assert received.partition(b"\r\n\r\n")[2] == VIDEO
    until(lambda: remote.leave("m1"))


def test_a_file_that_somebody_took_away(http: httpx.Client, remote: RemoteFolder) -> None:
    """Is gone, and nothing is broken."""
    remote.remove("m1")
    answer = http.get("/v1/moments/m1/clip.mp4")
    assert (answer.status_code, answer.json()["code"]) == (404, "clip_removed")


def test_a_server_that_hangs_holds_up_no_other_request(
    http: httpx.Client, served: Served, own_bucket: Bucket, tmp_path: Path, until: Until
) -> None:
    """Those who want files from it are told in time; all others do not notice."""
    remote = keep(served, own_bucket, tmp_path)
    own_bucket.server.pause()
    answers = list[httpx.Response]()

    def ask() -> None:
        answers.append(httpx.get(f"{served.url}/v1/moments/m1/clip.mp4", timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert http.get("/v1/clips/m1", timeout=5).status_code == 200
    for thread in threads:
        thread.join(60)
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "clip_target")}
    assert all("retry-after" in answer.headers for answer in answers)
    own_bucket.server.resume()
    until(lambda: http.get("/v1/moments/m1/clip.mp4").content == VIDEO)
    remote.close()
