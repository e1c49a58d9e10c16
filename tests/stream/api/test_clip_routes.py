"""Clips over HTTP, as browsers ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from stream.api.protocol import ClipsStatus
from stream.events import ClipInfo, Instant, rfc3339
from tests.conftest import EPOCH_S
from tests.media import coded_pictures, encode_video
from tests.stream.clips.conftest import fill, show

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served

Until = Callable[[Callable[[], bool]], None]
__all__ = ["fill"]  # the fixture of the clips' own tests


@pytest.fixture(scope="module", params=["mp4", "webm"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of numbered pictures, of either kind."""
    codec = {"mp4": "libx264", "webm": "libvpx"}[request.param]
    return encode_video(tmp_path_factory.mktemp("video") / f"a.{request.param}", coded_pictures(100), codec=codec)


@pytest.fixture
def cutting(served: Served, fill: Any, video: Path) -> Iterator[Served]:
    """A server whose stream `pitch` holds the video and whose clips are cut."""
    served.service.add_stream("pitch", {"url": "rtsp://camera/1"})
    fill(video, served.service.rings.ring("pitch"))
    served.service.clip_writer.start()
    yield served
    assert served.service.clip_writer.stop()


def instant(media_time_s: float) -> Instant:
    return Instant(time=rfc3339(EPOCH_S + media_time_s), media_time_s=media_time_s, final=True)


def a_clip(cutting: Served, moment: MomentFactory, until: Until) -> str:
    """The address of a moment's clip that is ready, less the suffix."""
    pending = ClipInfo(state="pending")
    cutting.append(moment("ended", moment_id="m1", start=instant(1.0), end=instant(2.0), clip=pending))
    until(lambda: cutting.store.latest_cursor() == 2)
    return "/v1/moments/m1"


def test_a_moments_clip_is_served(
    http: httpx.Client, cutting: Served, moment: MomentFactory, until: Until, video: Path, tmp_path: Path
) -> None:
    """Whole, with its type and its size, to be played rather than saved; the other kind says where it is."""
    place, kind = a_clip(cutting, moment, until), video.suffix
    answer = http.get(f"{place}/clip{kind}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == {".mp4": "video/mp4", ".webm": "video/webm"}[kind]
    assert answer.headers["content-disposition"] == f'inline; filename="m1{kind}"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    (tmp_path / "clip").write_bytes(answer.content)
    assert show(tmp_path / "clip").codes[:100] == list(range(100))
    other = http.get(f"{place}/clip{'.webm' if kind == '.mp4' else '.mp4'}")
    assert other.status_code == 404 and f"clip{kind}" in other.json()["detail"]


def test_a_browser_can_seek(
    http: httpx.Client, cutting: Served, moment: MomentFactory, until: Until, video: Path
) -> None:
    """By asking for a range of bytes; one behind the end is refused."""
    url = f"{a_clip(cutting, moment, until)}/clip{video.suffix}"
    whole = http.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    part = http.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert http.get(url, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416


def test_the_thumbnail_is_a_jpeg(http: httpx.Client, cutting: Served, moment: MomentFactory, until: Until) -> None:
    """Of the moment's middle."""
    answer = http.get(f"{a_clip(cutting, moment, until)}/thumbnail.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content.startswith(b"\xff\xd8")


def test_the_preview_is_an_animated_webp(
    http: httpx.Client, cutting: Served, moment: MomentFactory, until: Until
) -> None:
    """For an `<img>`; a clip that has none says so."""
    place = a_clip(cutting, moment, until)
    assert http.get("/v1/clips/m1").json()["preview_url"] == f"{place}/preview.webp"
    answer = http.get(f"{place}/preview.webp")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.content[:4] == b"RIFF" and b"ANIM" in answer.content[:64]
    record = cutting.store.clips.find("m1")
    assert record is not None
    without = record.data.model_copy(update={"preview_url": None})
    cutting.store.clips.save(type(record)(without, record.created_s, record.told))
    none = http.get(f"{place}/preview.webp")
    assert none.status_code == 404 and "no preview" in none.json()["detail"]


def test_a_moment_shows_what_became_of_its_clip(
    http: httpx.Client, cutting: Served, moment: MomentFactory, until: Until, video: Path
) -> None:
    """Its events said that it was pending; the clip itself tells the rest."""
    place = a_clip(cutting, moment, until)
    data = http.get(place).json()["data"]
    assert data["clip"] == {"state": "ready", "url": f"{place}/clip{video.suffix}"}
    assert data["thumbnail_url"] == f"{place}/thumbnail.jpg"
    assert data["preview_url"] == f"{place}/preview.webp"
    clip = http.get("/v1/clips/m1").json()
    assert (clip["state"], clip["moment_id"], clip["url"]) == ("ready", "m1", data["clip"]["url"])


def test_a_clip_of_any_time_is_cut(
    http: httpx.Client, cutting: Served, until: Until, video: Path, tmp_path: Path
) -> None:
    """Asked for by media time; it has a place of its own, and an event."""
    answer = http.post("/v1/clips", json={"stream": "pitch", "start": 1, "end": 2.5})
    assert answer.status_code == 202
    place = answer.headers["location"]
    pending = answer.json()
    assert (pending["state"], pending["moment_id"], place) == ("pending", None, f"/v1/clips/{pending['clip_id']}")
    until(lambda: http.get(place).json()["state"] == "ready")
    clip = http.get(place).json()
    assert clip["url"] == f"{place}/clip{video.suffix}"
    (tmp_path / "clip").write_bytes(http.get(clip["url"]).content)
    assert set(range(25, 62)) <= set(show(tmp_path / "clip").codes)
    assert http.get(clip["thumbnail_url"]).status_code == 200
    (event,) = http.get("/v1/events").json()["events"]
    assert (event["type"], event["data"]) == ("r2stream.clip.ready", clip)


def test_a_clip_is_asked_for_by_wall_time_too(http: httpx.Client, cutting: Served, until: Until) -> None:
    """With a time zone."""
    ring = cutting.service.rings.find("pitch")
    assert ring is not None and ring.tracks is not None
    refused = http.post("/v1/clips", json={"stream": "pitch", "start": rfc3339(EPOCH_S), "end": rfc3339(EPOCH_S + 1)})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_video")
    selection = ring.select(0, 0.0, 99.0)
    assert selection is not None
    way = ring.begin(selection.tracks)
    for packet in selection.video:
        way.video(packet)
    way.place(1, selection.offset_s, 0.0)
    way.clock(EPOCH_S)
    way.end()
    body = {"stream": "pitch", "start": rfc3339(EPOCH_S + 1), "end": rfc3339(EPOCH_S + 2)}
    place = http.post("/v1/clips", json=body).headers["location"]
    until(lambda: http.get(place).json()["state"] == "ready")


@pytest.mark.parametrize(
    ("body", "status", "code", "hint"),
    [
        ({"stream": "gate", "start": 0, "end": 1}, 404, "not_found", "no stream 'gate'"),
        ({"stream": "pitch", "start": 2, "end": 1}, 422, "bad_value", "end: must lie after the start"),
        ({"stream": "pitch", "start": 0, "end": 601}, 422, "bad_value", "at most 600 s"),
        ({"stream": "pitch", "start": 0, "end": "2025-01-02T03:00:00Z"}, 422, "bad_value", "both as times"),
        ({"stream": "pitch", "start": "noon", "end": "one"}, 422, "bad_value", "start: must be a time such as"),
        ({"stream": "pitch", "start": "2025-01-02T03:00:00", "end": "2025-01-02T03:00:01"}, 422, "bad_value", "time"),
        ({"stream": "pitch", "start": 0}, 422, "missing_key", "end"),
        ({"stream": "pitch", "start": 0, "end": 1, "stop": 1}, 422, "unknown_key", "stop"),
    ],
)
def test_a_wrong_wish_is_explained(
    http: httpx.Client, cutting: Served, body: dict[str, Any], status: int, code: str, hint: str
) -> None:
    """By field, and nothing is cut."""
    answer = http.post("/v1/clips", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert hint in answer.json()["detail"]


def test_a_stream_without_video_says_so(http: httpx.Client, served: Served) -> None:
    """When it has none by its kind, and when none has come yet."""
    served.service.add_stream("pitch", {"url": "rtsp://camera/1"})
    wish = {"stream": "pitch", "start": 0, "end": 1}
    answer = http.post("/v1/clips", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_video")
    served.service.stream_table["pitch"].__dict__["clips"] = ClipsStatus("off", "It is drawn.")
    assert "It is drawn." in http.post("/v1/clips", json=wish).json()["detail"]


def test_why_there_is_no_file(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """Not yet, never, or no such moment: each is another answer."""
    pending = ClipInfo(state="pending")
    served.append(moment(moment_id="open", clip=pending), moment("ended", moment_id="bare"))
    answers = {name: http.get(f"/v1/moments/{name}/clip.mp4") for name in ("open", "bare", "nobody", "..%2f..")}
    told = {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()}
    assert told == {
        "open": (409, "clip_pending"),
        "bare": (404, "no_clip"),
        "nobody": (404, "not_found"),
        "..%2f..": (404, "not_found"),
    }


def test_a_clip_that_failed_says_why(http: httpx.Client, cutting: Served, moment: MomentFactory, until: Until) -> None:
    """In the answer for the file, too; a file that somebody took away is gone."""
    pending = ClipInfo(state="pending")
    cutting.append(moment("ended", moment_id="late", start=instant(50.0), end=instant(60.0), clip=pending))
    until(lambda: cutting.store.latest_cursor() == 2)
    answer = http.get("/v1/moments/late/clip.mp4")
    assert (answer.status_code, answer.json()["code"]) == (404, "clip_failed")
    assert "clips.memory_per_stream" in answer.json()["detail"]
    cutting.append(moment("ended", moment_id="m1", start=instant(1.0), end=instant(2.0), clip=pending))
    until(lambda: cutting.store.latest_cursor() == 4)
    for path in cutting.service.clips_dir.iterdir():
        path.unlink()
    answer = http.get(http.get("/v1/clips/m1").json()["url"])
    assert (answer.status_code, answer.json()["code"]) == (404, "clip_removed")
