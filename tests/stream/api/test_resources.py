"""Streams and queries over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from stream.api.bodies import NewQuery, NewStream, QueryView, StreamView
from stream.query import Query
from stream.settings import StreamSettings

if TYPE_CHECKING:
    from tests.conftest import Served

GOAL = {"name": "goal", "text": "a player scores a goal"}
CAMERA = {"name": "pitch", "url": "rtsp://admin:hunter2@camera/1?token=s3cret"}


def test_a_stream_is_added_listed_changed_and_removed(http: httpx.Client, served: Served) -> None:
    """The whole life of a stream."""
    added = http.post("/v1/streams", json=CAMERA)
    assert added.status_code == 201
    assert added.headers["location"] == "/v1/streams/pitch"
    assert added.json() == {
        "name": "pitch",
        "url": "rtsp://admin:***@camera/1?token=***",
        "transport": None,
        "pace": "realtime",
        "enabled": True,
        "state": "offline",
        "reason": "No route to host.",
        "since": "2025-01-02T03:00:00Z",
        "epoch": 2,
        "frames": 7,
        "clock": "rtcp",
        "frame_age_s": 1.5,
        "clips": {"state": "on", "reason": None, "held_s": 12.5, "held_bytes": 1000, "disk_bytes": 0},
    }
    assert http.get(added.headers["location"]).json() == added.json()
    assert http.get("/v1/streams").json() == {"streams": [added.json()]}
    changed = http.patch("/v1/streams/pitch", json={"transport": "udp"})
    assert changed.json() == {**added.json(), "transport": "udp"}
    assert served.service.stream("pitch").url == CAMERA["url"]
    removed = http.delete("/v1/streams/pitch")
    assert (removed.status_code, removed.content) == (204, b"")
    assert http.get("/v1/streams").json() == {"streams": []}


def test_a_query_is_added_listed_changed_and_removed(http: httpx.Client) -> None:
    """The whole life of a query; what is not given takes the default."""
    added = http.post("/v1/queries", json={**GOAL, "streams": ["pitch"], "min_duration": "500ms", "cooldown": 30})
    assert added.status_code == 201
    assert added.headers["location"] == "/v1/queries/goal"
    expected = Query.parse("goal", {"text": GOAL["text"], "streams": ["pitch"], "min_duration": 0.5, "cooldown": 30})
    condition = {"state": "watching", "reason": None, "since": None}
    assert added.json() == {"name": "goal", **expected.to_mapping(), **condition}
    assert http.get("/v1/queries").json() == {"queries": [added.json()]}
    changed = http.patch("/v1/queries/goal", json={"threshold": {"enter": 0.6}, "streams": None, "enabled": False})
    assert changed.json()["threshold"] == {"enter": 0.6, "exit": 0.42}  # nobody chose the exit: it follows
    assert changed.json()["streams"] is None
    assert changed.json()["state"] == "disabled"
    assert changed.json()["cooldown"] == 30
    assert http.get("/v1/queries/goal").json() == changed.json()
    assert http.delete("/v1/queries/goal").status_code == 204
    assert http.get("/v1/queries/goal").status_code == 404


def test_the_api_takes_and_shows_every_key_of_a_query() -> None:
    """A key added to `Query` must not be forgotten here."""
    keys = set(Query("goal", "text").to_mapping())
    assert set(NewQuery.model_fields) == keys | {"name"}
    assert set(QueryView.model_fields) == keys | {"name", "state", "reason", "since"}


def test_the_api_takes_and_shows_every_key_of_a_stream() -> None:
    """A key added to `StreamSettings` must not be forgotten here."""
    keys = set(StreamSettings("pitch", "rtsp://a").to_mapping())
    assert set(NewStream.model_fields) == keys | {"name"}
    assert keys < set(StreamView.model_fields)


def test_a_hidden_secret_is_not_taken_for_the_secret(http: httpx.Client, served: Served) -> None:
    """An address copied from an answer, with *** in place of the password, would lose the password."""
    shown = http.post("/v1/streams", json=CAMERA).json()["url"]
    answer = http.patch("/v1/streams/pitch", json={"url": shown})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "url")
    assert served.service.stream("pitch").url == CAMERA["url"]


def test_a_refused_stream_changes_nothing(http: httpx.Client, served: Served) -> None:
    """A definition that the service cannot use is not kept."""
    answer = http.post("/v1/streams", json={"name": "pitch", "url": " "})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_value")
    assert answer.json()["errors"][0]["path"] == "streams.pitch.url"
    assert served.service.stream_table == {}


@pytest.mark.parametrize(("collection", "body"), [("streams", CAMERA), ("queries", GOAL)])
def test_a_taken_name_is_a_conflict(http: httpx.Client, collection: str, body: dict[str, str]) -> None:
    """A name is given once."""
    assert http.post(f"/v1/{collection}", json=body).status_code == 201
    again = http.post(f"/v1/{collection}", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("collection", ["streams", "queries"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_name_is_not_found(shared_http: httpx.Client, collection: str, method: str) -> None:
    """What is not there cannot be read, changed or removed."""
    answer = shared_http.request(method, f"/v1/{collection}/nobody", json={} if method == "PATCH" else None)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "nobody" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "path", "code", "hint"),
    [
        ({"text": "a"}, "name", "missing_key", "required"),
        ({"name": "goal"}, "text", "missing_key", "required"),
        ({**GOAL, "treshold": {}}, "treshold", "unknown_key", "did you mean 'threshold'?"),
        ({**GOAL, "threshold": {"entr": 0.5}}, "threshold.entr", "unknown_key", "did you mean 'enter'?"),
        ({**GOAL, "threshold": {"enter": False}}, "threshold.enter", "bad_value", "number"),
        ({**GOAL, "threshold": {"enter": "0.5"}}, "threshold.enter", "bad_value", "number"),
        ({**GOAL, "threshold": {"enter": 1.5}}, "threshold.enter", "bad_value", "less than or equal to 1"),
        ({**GOAL, "min_duration": "soon"}, "min_duration", "bad_value", "duration such as 5s"),
        ({**GOAL, "min_duration": False}, "min_duration", "bad_value", "duration such as 5s"),
        ({**GOAL, "cooldown": [5]}, "cooldown", "bad_value", "duration such as 5s"),
        ({**GOAL, "clip": {"preroll": 1}}, "clip.Rolls.preroll", "unknown_key", "did you mean 'pre_roll'?"),
        ({**GOAL, "clip": {"pre_roll": "9m"}}, "queries.goal.clip", "bad_value", "at most 300 s"),
        ({**GOAL, "enabled": 1}, "enabled", "bad_value", "boolean"),
        ({**GOAL, "confirm_frames": 1.5}, "confirm_frames", "bad_value", "integer"),
        ({**GOAL, "streams": "pitch"}, "streams", "bad_value", "list"),
        ({**GOAL, "streams": ["Pitch!"]}, "streams.0", "bad_value", "pattern"),
        ({**GOAL, "name": "Goal 1"}, "name", "bad_value", "pattern"),
        ({**GOAL, "name": "goal\n"}, "name", "bad_value", "pattern"),
        ({**GOAL, "text": "x" * 513}, "text", "bad_value", "512"),
        ({**GOAL, "text": "  "}, "queries.goal.text", "bad_value", "what to watch for"),
        ({**GOAL, "threshold": {"enter": 0.3, "exit": 0.5}}, "queries.goal.threshold.exit", "bad_value", "enter"),
        ([GOAL], "", "bad_value", "dictionary"),
        (None, "", "missing_key", "must be JSON"),
    ],
)
def test_a_bad_query_is_refused_by_field(
    shared_http: httpx.Client, body: object, path: str, code: str, hint: str
) -> None:
    """The answer names the field, says what is wrong with it, and nothing is kept."""
    answer = shared_http.post("/v1/queries", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["path"] == path
    assert hint in problem["errors"][0]["detail"]
    assert hint in problem["detail"] and path in problem["detail"]
    assert shared_http.get("/v1/queries").json() == {"queries": []}


def test_every_wrong_field_is_named(http: httpx.Client) -> None:
    """One answer is enough to mend them all."""
    answer = http.post("/v1/queries", json={"name": "Goal", "text": 1, "threshold": {"enter": "high"}})
    assert [error["path"] for error in answer.json()["errors"]] == ["text", "threshold.enter", "name"]
