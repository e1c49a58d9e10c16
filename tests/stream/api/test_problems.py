"""Whatever goes wrong is an RFC 9457 problem, on every route."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from stream.api import create_app
from stream.errors import R2StreamError
from stream.store import StoreError

if TYPE_CHECKING:
    from tests.conftest import MemoryService, Served


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, object] = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == "about:blank"
    assert problem["title"] and problem["detail"]
    return problem


def routes(service: MemoryService) -> list[tuple[str, str]]:
    """Method and path of every HTTP route, from the OpenAPI document, which leaves none out."""
    paths = create_app(service).openapi()["paths"]
    return [(method.upper(), path) for path, item in paths.items() for method in item]


def test_every_route_answers_errors_with_problems(http: httpx.Client, served: Served) -> None:
    """Names that do not exist, parameters that are unknown, and a method that is not there."""
    for method, path in routes(served.service):
        filled = re.sub(r"\{.*?\}", "nobody", path)
        body = {"nonsense": True} if method in ("POST", "PATCH") else None
        if path != filled or body:
            answer = http.request(method, filled, json=body)
            assert answer.status_code in (404, 422), (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
        assert_problem(http.put(filled), 405, "method_not_allowed")


def test_a_wrong_address_is_a_problem(http: httpx.Client) -> None:
    """Nothing is there."""
    assert "/v1/stream" in str(assert_problem(http.get("/v1/stream"), 404, "not_found")["detail"])
    assert_problem(http.get("/v1/streams/"), 404, "not_found")


def test_a_method_that_is_not_there_says_which_are(http: httpx.Client) -> None:
    """405 comes with `Allow`."""
    answer = http.delete("/v1/events")
    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_broken_json_is_a_problem(http: httpx.Client) -> None:
    """A body that is no JSON says so and repeats nothing of it."""
    headers = {"content-type": "application/json"}
    answer = http.post("/v1/queries", content=b'{"name": "secret', headers=headers)
    assert_problem(answer, 422, "bad_json")
    assert "secret" not in answer.text


def test_a_body_that_is_not_declared_as_json_is_refused(http: httpx.Client) -> None:
    """A page of another host may send text without asking; it may not add streams so."""
    answer = http.post(
        "/v1/streams", content=b'{"name": "a", "url": "rtsp://a"}', headers={"content-type": "text/plain"}
    )
    assert_problem(answer, 415, "not_json")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("events.sqlite3 is locked", code="store_busy"), 503, "store_busy"),
        (R2StreamError("the model is gone", code="no_model"), 500, "no_model"),
    ],
)
def test_an_error_of_ours_keeps_its_sentence(
    http: httpx.Client, served: Served, error: R2StreamError, status: int, code: str
) -> None:
    """What the service says reaches the user."""
    served.service.crash = error
    assert assert_problem(http.get("/v1/streams"), status, code)["detail"] == error.message


def test_a_crash_is_a_problem_that_tells_nothing(
    http: httpx.Client, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error is logged in full and answered without its text."""
    served.service.crash = RuntimeError("password hunter2")
    answer = http.get("/v1/streams")
    assert_problem(answer, 500, "internal")
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text
    served.service.crash = None
    assert http.get("/v1/streams").status_code == 200
