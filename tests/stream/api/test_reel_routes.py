"""Reels over HTTP, from the wish to the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest

from stream.clips.cutter import begins_s, cut
from stream.clips.folder import ClipFolder
from stream.events import ClipData
from stream.store import ClipRecord
from tests.conftest import EPOCH_S
from tests.media import coded_pictures, encode_video
from tests.stream.clips.conftest import fill, show
from tests.stream.clips.test_joiner import runs
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served

Until = Callable[[Callable[[], bool]], None]
__all__ = ["fill"]


@pytest.fixture(scope="module", params=["mp4", "webm"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s of numbered pictures, of either kind."""
    codec = {"mp4": "libx264", "webm": "libvpx"}[request.param]
    return encode_video(tmp_path_factory.mktemp("video") / f"a.{request.param}", coded_pictures(250), codec=codec)


@pytest.fixture
def filmed(served: Served, moment: MomentFactory, fill: Any, video: Path) -> Iterator[Served]:
    """A server that has two moments with clips, and makes reels."""
    ring, folder = fill(video), ClipFolder(served.service.clips_dir)
    folder.path.mkdir()
    for name, start_s, score in (("m1", 2.0, 0.7), ("m2", 6.0, 0.9)):
        served.append(moment("ended", moment_id=name, start=instant(start_s), end=instant(start_s + 1), score=score))
        selection = ring.select(0, start_s, start_s + 1)
        container = selection.tracks.container
        cut(selection, folder.video(name, container))
        clip = clip_of(name, begins_s(selection), selection.end_s, container=container)
        served.store.clips.add([ClipRecord(ClipData.model_validate(clip), EPOCH_S, told=True)])
    served.service.reel_maker.start()
    yield served
    assert served.service.reel_maker.stop()


def test_a_reel_is_made_and_served(
    http: httpx.Client, filmed: Served, until: Until, video: Path, tmp_path: Path
) -> None:
    """It has a place at once, then a file that browsers can seek in, with a chapter for each moment."""
    answer = http.post("/v1/reels", json={"day": "2025-01-02", "timezone": "+01:00", "order": "score"})
    assert answer.status_code == 202 and answer.json()["state"] == "pending"
    place = answer.headers["location"]
    assert place == f"/v1/reels/{answer.json()['reel_id']}"
    until(lambda: http.get(place).json()["state"] == "ready")
    reel = http.get(place).json()
    assert reel["url"] == f"{place}/reel{video.suffix}" and reel["progress"] is None
    assert (reel["wish"]["from"], reel["wish"]["to"]) == ("2025-01-01T23:00:00.000Z", "2025-01-02T23:00:00.000Z")
    file = http.get(reel["url"])
    assert file.headers["content-type"] == {".mp4": "video/mp4", ".webm": "video/webm"}[video.suffix]
    assert len(file.content) == reel["bytes"]
    assert http.get(reel["url"], headers={"Range": "bytes=10-19"}).content == file.content[10:20]
    (tmp_path / "reel").write_bytes(file.content)
    assert [run[0] for run in runs(show(tmp_path / "reel").codes)] == [150, 50]
    with av.open(str(tmp_path / "reel")) as made:
        assert [chapter["metadata"]["title"] for chapter in made.chapters()] == [
            "a player scores a goal · 04:00:06",
            "a player scores a goal · 04:00:02",
        ]
    other = http.get(f"{place}/reel{'.webm' if video.suffix == '.mp4' else '.mp4'}")
    assert other.status_code == 404 and reel["url"] in other.json()["detail"]
    (event,) = [event for event in http.get("/v1/events").json()["events"] if event["type"] == "r2stream.reel.ready"]
    assert event["data"] == reel and event["source"] == place.removeprefix("/v1")


def test_reels_are_listed_and_removed(http: httpx.Client, filmed: Served, until: Until) -> None:
    """Newest first; one that is gone is not listed, and says so when asked for."""
    assert http.get("/v1/reels").json() == {"reels": []}
    places = [http.post("/v1/reels", json={"best": best}).headers["location"] for best in (1, 2)]
    until(lambda: all(reel["state"] == "ready" for reel in http.get("/v1/reels").json()["reels"]))
    assert [reel["wish"]["best"] for reel in http.get("/v1/reels").json()["reels"]] == [2, 1]
    url = http.get(places[0]).json()["url"]
    assert http.delete(places[0]).status_code == 204
    assert [reel["wish"]["best"] for reel in http.get("/v1/reels").json()["reels"]] == [2]
    assert http.get(places[0]).json()["state"] == "removed"
    gone = http.get(url)
    assert (gone.status_code, gone.json()["code"]) == (404, "reel_removed")
    assert http.delete(places[0]).status_code == 404


def test_why_there_is_no_file(http: httpx.Client, served: Served) -> None:
    """Not yet, never, or no such reel."""
    place = http.post("/v1/reels", json={}).headers["location"]
    answer = http.get(f"{place}/reel.mp4")
    assert (answer.status_code, answer.json()["code"]) == (409, "reel_pending")
    served.service.reel_maker.round()
    answer = http.get(f"{place}/reel.mp4")
    assert (answer.status_code, answer.json()["code"]) == (404, "reel_failed")
    assert answer.json()["detail"] == "There were no such moments in that time."
    assert http.get("/v1/reels/nobody").status_code == http.get("/v1/reels/nobody/reel.mp4").status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "hint"),
    [
        ({"day": "someday"}, "bad_value", "day: must be today"),
        ({"from": "noon"}, "bad_value", "from: must be a time with its zone"),
        ({"timezone": "Nowhere"}, "bad_value", "timezone"),
        ({"best": 201}, "bad_value", "best"),
        ({"max_length": "long"}, "bad_value", "max_length"),
        ({"max_length": 0}, "bad_value", "max_length: must be above 0"),
        ({"bests": 3}, "unknown_key", "did you mean 'best'?"),
        ({"min_score": False}, "bad_value", "min_score"),
    ],
)
def test_a_wrong_wish_is_explained(http: httpx.Client, body: dict[str, Any], code: str, hint: str) -> None:
    """By its place, and nothing is made."""
    answer = http.post("/v1/reels", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert hint in answer.json()["detail"]
    assert http.get("/v1/reels").json() == {"reels": []}
