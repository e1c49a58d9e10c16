"""`POST /v1/queries:test`: what is sent, what is answered, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from stream.errors import BacktestBusyError, ConflictError, EngineBusyError

if TYPE_CHECKING:
    from tests.conftest import Served

TEXTS = ["a player scores a goal", "the ball crosses the goal line"]


@pytest.fixture(autouse=True)
def pitch(served: Served) -> None:
    served.service.add_stream("pitch", {"url": "rtsp://camera/1"})


def ask(http: httpx.Client, **body: object) -> httpx.Response:
    return http.post("/v1/queries:test", json={"stream": "pitch", **body})


def test_texts_are_tested_side_by_side(http: httpx.Client) -> None:
    """In the order in which they were sent, over the same frames."""
    answer = ask(http, texts=TEXTS)
    assert answer.status_code == 200
    report = answer.json()
    assert (report["stream"], report["model"], report["clock"], report["frames"]) == ("pitch", "demo", "arrival", 1)
    assert (report["start"]["media_time_s"], report["end"]["media_time_s"]) == (0, 16)
    assert [outcome["text"] for outcome in report["outcomes"]] == TEXTS
    (moment,) = report["outcomes"][0]["moments"]
    assert moment["start"]["media_time_s"] == 12 and moment["end"]["media_time_s"] == 14
    assert moment["alert"] == {"time": "2025-01-02T03:00:16.000Z", "media_time_s": 16, "final": True}
    assert report["outcomes"][0]["best"]["score"] == 0.8
    assert [frame["media_time_s"] for frame in report["outcomes"][0]["saliency"]][:2] == [0, 0.5]


def test_queries_bring_their_settings(http: httpx.Client) -> None:
    """What would fire with one threshold does not with another."""
    queries = [{"text": TEXTS[0], "threshold": {"enter": 0.9}}, {"text": TEXTS[0], "min_duration": "1s"}]
    outcomes = ask(http, queries=queries).json()["outcomes"]
    assert [len(outcome["moments"]) for outcome in outcomes] == [0, 1]
    assert outcomes[0]["threshold"] == {"enter": 0.9, "exit": 0.63}


def test_nothing_is_kept(http: httpx.Client, served: Served) -> None:
    """No query is added and no event logged."""
    ask(http, texts=TEXTS)
    assert http.get("/v1/queries").json() == {"queries": []}
    assert served.store.latest_cursor() == 0


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "queries", "missing_key"),
        ({"texts": ["a"], "queries": [{"text": "a"}]}, "queries", "missing_key"),
        ({"texts": []}, "texts", "bad_value"),
        ({"texts": ["a"] * 17}, "texts", "bad_value"),
        ({"texts": ["a ball", " "]}, "texts.1", "bad_value"),
        ({"queries": [{"text": "a", "treshold": {}}]}, "queries.0.treshold", "unknown_key"),
        ({"queries": [{"text": "a"}, {"text": "a", "threshold": {"enter": 0.2, "exit": 0.4}}]}, None, "bad_value"),
        ({"queries": [{"text": "a", "streams": ["pitch"]}]}, "queries.0.streams", "unknown_key"),
        ({"texts": ["a"], "url": "file:///etc/passwd"}, "url", "unknown_key"),
        ({"texts": ["a"], "stream": "/etc/passwd"}, "stream", "bad_value"),
    ],
)
def test_mistakes_are_named_by_their_place(
    http: httpx.Client, body: dict[str, Any], path: str | None, code: str
) -> None:
    """A file or an address is no stream."""
    answer = ask(http, **body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["path"] == (path or "queries.1.threshold.exit")


def test_an_unknown_stream_is_not_found(http: httpx.Client) -> None:
    """By name."""
    answer = ask(http, texts=TEXTS, stream="court")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (BacktestBusyError("another one runs"), 503, "backtest_busy", "2"),
        (EngineBusyError("no time"), 503, "engine_busy", None),
        (ConflictError("no pictures", code="no_window"), 409, "no_window", None),
    ],
)
def test_what_cannot_be_tested_now_is_said(
    http: httpx.Client, served: Served, error: Exception, status: int, code: str, retry: str | None
) -> None:
    """And when to come again, where that is known."""
    served.service.crash = error
    answer = ask(http, texts=TEXTS)
    assert (answer.status_code, answer.json()["code"], answer.headers.get("Retry-After")) == (status, code, retry)
    assert answer.headers["Content-Type"] == "application/problem+json"
