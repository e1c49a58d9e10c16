"""The log over HTTP, and the probes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from stream.api import Readiness
from stream.events import stream_event

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served


def test_events_are_the_very_bodies_of_the_wire(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """HTTP shows an event exactly as every other sink sends it."""
    logged = served.append(moment(), stream_event("pitch", "offline", time_s=1.0, cause="refused", reason="No."))
    page = http.get("/v1/events").json()
    assert page["events"] == [json.loads(event.to_json()) for event in logged]
    assert (page["next"], page["latest"], page["missed"]) == (2, 2, False)


def test_following_next_reads_everything_once(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """Pages have neither gap nor repeat."""
    served.append(*(moment() for _ in range(25)))
    seen: list[int] = []
    page = {"next": 0, "latest": 25}
    while page["next"] < page["latest"]:
        page = http.get("/v1/events", params={"after": page["next"], "limit": 7}).json()
        seen += [event["cursor"] for event in page["events"]]
    assert seen == list(range(1, 26))


def test_names_choose_events(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """`stream` and `query` may be given more than once."""
    served.append(moment(query="goal"), moment(query="corner"), moment(stream="gate", query="foul"))
    chosen = http.get("/v1/events", params={"query": ["goal", "foul"]}).json()
    assert [event["cursor"] for event in chosen["events"]] == [1, 3]
    chosen = http.get("/v1/events", params={"query": ["goal", "foul"], "stream": "gate"}).json()
    assert [event["cursor"] for event in chosen["events"]] == [3]


@pytest.mark.parametrize(
    ("params", "path", "code"),
    [
        ({"after": "soon"}, "after", "bad_value"),
        ({"after": -1}, "after", "bad_value"),
        ({"limit": 0}, "limit", "bad_value"),
        ({"limit": 1001}, "limit", "bad_value"),
        ({"afer": 3}, "afer", "unknown_key"),
        ({"stream": "Pitch!"}, "stream.0", "bad_value"),
    ],
)
def test_a_bad_parameter_is_named(shared_http: httpx.Client, params: dict[str, str], path: str, code: str) -> None:
    """A misspelt parameter is no wish for everything."""
    answer = shared_http.get("/v1/events", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["path"] == path


def test_a_cursor_of_another_log_is_gone(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """A cursor this log never gave out is an error, lest a client wait for ever."""
    served.append(moment())
    assert http.get("/v1/events", params={"after": 1}).status_code == 200
    answer = http.get("/v1/events", params={"after": 2})
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_ahead")


def test_a_moment_is_its_newest_event(http: httpx.Client, served: Served, moment: MomentFactory) -> None:
    """The last revision is answered; an unknown moment is a problem."""
    _, ended = served.append(moment(moment_id="a"), moment("ended", moment_id="a", revision=2))
    assert http.get("/v1/moments/a").json() == json.loads(ended.to_json())
    answer = http.get("/v1/moments/b")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_probes_tell_alive_from_ready(http: httpx.Client, served: Served) -> None:
    """A service that cannot work yet is alive and not ready, and says why."""
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"ready": True, "warnings": []}
    served.service.readiness = Readiness(False, ("The model is still loading.",))
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.json()["detail"] == "The model is still loading."
    assert http.get("/healthz").status_code == 200


def test_a_warning_does_not_make_a_service_unready(http: httpx.Client, served: Served) -> None:
    """It is told beside, and with the reasons where there are some."""
    served.service.readiness = Readiness(True, (), ("Look at the settings file.",))
    assert http.get("/readyz").json() == {"ready": True, "warnings": ["Look at the settings file."]}
    served.service.readiness = Readiness(False, ("The engine has stopped.",), ("Look at the settings file.",))
    assert http.get("/readyz").json()["detail"] == "The engine has stopped. Look at the settings file."


def test_metrics_are_served_as_prometheus_reads_them(http: httpx.Client, served: Served) -> None:
    """The text format, with what the service counted."""
    served.service.metrics.stream_up.labels("pitch").set(1)
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'r2stream_stream_up{stream="pitch"} 1.0' in answer.text
