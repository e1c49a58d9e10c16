"""Lists of cuts over HTTP, in each of their formats."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from stream.api import cut_routes
from stream.store import ClipRecord
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served


@pytest.fixture
def day(served: Served, moment: MomentFactory) -> Served:
    """Two moments, of which the first has a clip."""
    for name, start_s, score in (("m1", 10.0, 0.7), ("m2", 3610.0, 0.9)):
        served.append(moment("ended", moment_id=name, start=instant(start_s), end=instant(start_s + 4), score=score))
    served.store.clips.add([ClipRecord(clip_of("m1", 8.0, 16.0, picture_rate_hz=29.97), 1.0, told=True)])
    return served


def test_cuts_are_told_as_json(http: httpx.Client, day: Served) -> None:
    """Each moment, as it was in the end, with its clips as the clips' own route tells them."""
    first, second = http.get("/v1/cuts").json()["cuts"]
    assert (first["moment_id"], first["score"], first["text"]) == ("m1", 0.7, "a player scores a goal")
    assert first["start"] == {"time": "2025-01-02T03:00:10.000Z", "media_time_s": 10.0, "final": True}
    assert first["clips"] == [http.get("/v1/clips/m1").json()]
    assert (second["moment_id"], second["clips"]) == ("m2", [])


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"day": "2025-01-02"}, ["m1", "m2"]),
        ({"day": "2025-01-02", "timezone": "Pacific/Honolulu"}, []),
        ({"day": "2025-01-01", "timezone": "-04:00"}, ["m1"]),
        ({"from": "2025-01-02T03:30:00Z"}, ["m2"]),
        ({"from": "2025-01-02T03:00:00Z", "to": "2025-01-02T04:30:00+01:00"}, ["m1"]),
        ({"min_score": 0.8}, ["m2"]),
        ({"best": 1}, ["m2"]),
        ({"order": "score"}, ["m2", "m1"]),
        ({"stream": ["gate", "yard"]}, []),
        ({"query": ["goal", "corner"]}, ["m1", "m2"]),
    ],
)
def test_cuts_are_chosen(http: httpx.Client, day: Served, params: dict[str, Any], found: list[str]) -> None:
    """By day where the user lives, by time, by score, by stream and query."""
    answer = http.get("/v1/cuts", params=params)
    assert [cut["moment_id"] for cut in answer.json()["cuts"]] == found


def test_cuts_are_told_as_csv(http: httpx.Client, day: Served) -> None:
    """As a file to be saved."""
    answer = http.get("/v1/cuts", params={"format": "csv", "day": "2025-01-02"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="cuts-2025-01-02.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [(row["moment_id"], row["clip"]) for row in rows] == [("m1", "ready"), ("m2", "none")]


def test_cuts_are_told_as_an_edl(http: httpx.Client, day: Served) -> None:
    """At the rate of the clips, or the one that is asked for; by the clips' own time, or by the time of day."""
    answer = http.get("/v1/cuts", params={"format": "edl", "day": "2025-01-02"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="cuts-2025-01-02.edl"'
    assert "FCM: DROP FRAME" in answer.text
    assert "00:00:00;00 00:00:07;29 01:00:00;00 01:00:07;29" in answer.text and "m2" not in answer.text
    answer = http.get("/v1/cuts", params={"format": "edl", "rate": "25", "timecode": "day", "timezone": "+01:00"})
    assert "001  PITCH    AA/V  C        04:00:08:00 04:00:16:00 01:00:00:00" in answer.text
    assert "002  PITCH    V     C        05:00:10:00 05:00:14:00 01:00:08:00" in answer.text


def test_an_edl_has_999_events_at_most(http: httpx.Client, day: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """More are refused with what to do, for half a list would be taken for the whole."""
    monkeypatch.setattr(cut_routes, "MAX_EVENTS", 1)
    answer = http.get("/v1/cuts", params={"format": "edl", "timecode": "day"})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many")
    assert "these are 2" in answer.json()["detail"]
    assert http.get("/v1/cuts", params={"format": "edl", "timecode": "day", "best": 1}).status_code == 200


@pytest.mark.parametrize(
    ("params", "code", "hint"),
    [
        ({"day": "someday"}, "bad_value", "day: must be today, yesterday or"),
        ({"day": "today", "from": "2025-01-02T03:30:00Z"}, "bad_value", "either a day"),
        ({"from": "noon"}, "bad_value", "from: must be a time with its zone"),
        ({"timezone": "Nowhere"}, "bad_value", "timezone"),
        ({"format": "edl", "rate": "31"}, "bad_value", "rate: must be one of"),
        ({"frm": "2025-01-02T03:30:00Z"}, "unknown_key", "did you mean 'from'?"),
        ({"best": 0}, "bad_value", "best"),
        ({"order": "size"}, "bad_value", "order"),
    ],
)
def test_a_wrong_wish_is_explained(http: httpx.Client, params: dict[str, Any], code: str, hint: str) -> None:
    """By its place."""
    answer = http.get("/v1/cuts", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert hint in json.dumps(answer.json()["detail"])
