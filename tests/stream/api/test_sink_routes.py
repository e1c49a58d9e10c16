"""Sinks over HTTP: how they are doing, and the events that they gave up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from stream.sinks.settings import WebhookSettings
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served, ServeFactory

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hooked(serve: ServeFactory, receiver: Receiver) -> Iterator[Served]:
    """A server with a webhook, and one that is switched off."""
    url = receiver.url.replace("//", "//user:hunter2@").replace("/hook", "/s3cr3t")
    hook = WebhookSettings("hook", url, SECRET, allow_private=True)
    with serve(sinks={"hook": hook, "off": WebhookSettings("off", url, enabled=False)}) as served:
        yield served


@pytest.fixture
def calls(hooked: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hooked.url, trust_env=False, timeout=10) as client:
        yield client


def test_sinks_are_listed_without_their_secrets(
    calls: httpx.Client, hooked: Served, moment: MomentFactory, until: Until
) -> None:
    """Neither the signing secret nor the address."""
    hooked.append(moment())
    until(lambda: calls.get("/v1/sinks/hook").json()["cursor"] == 1)
    answer = calls.get("/v1/sinks")
    hook, off = answer.json()["sinks"]
    assert (hook["name"], hook["type"], hook["state"], hook["reason"]) == ("hook", "webhook", "delivering", None)
    assert (hook["lag"], hook["dead_letters"]) == (0, 0) and hook["last_delivery"].endswith("Z")
    assert (off["state"], off["lag"], off["last_delivery"]) == ("disabled", 1, None) and off["reason"]
    assert calls.get("/v1/sinks/hook").json() == hook
    for secret in (SECRET, "hunter2", "s3cr3t"):
        assert secret not in answer.text


def test_dead_letters_are_paged_and_redelivered(
    calls: httpx.Client, hooked: Served, receiver: Receiver, moment: MomentFactory, until: Until
) -> None:
    """Oldest first; what was redelivered is gone."""
    receiver.script.extend([400, 403, 204])
    events = hooked.append(moment(), moment(), moment())
    until(lambda: calls.get("/v1/sinks/hook").json()["cursor"] == 3)
    page = calls.get("/v1/sinks/hook/dead-letters", params={"limit": 1}).json()
    (first,) = page["dead_letters"]
    assert first["event"] == json.loads(events[0].to_json())
    assert (first["tries"], "answers 400" in first["reason"], page["next"]) == (1, True, first["id"])
    rest = calls.get("/v1/sinks/hook/dead-letters", params={"after": page["next"]}).json()
    assert [letter["event"]["cursor"] for letter in rest["dead_letters"]] == [2]
    answer = calls.post("/v1/sinks/hook/dead-letters:redeliver", json={"ids": [first["id"]]})
    assert (answer.status_code, answer.json()) == (202, {"redelivering": 1})
    until(lambda: calls.get("/v1/sinks/hook").json()["dead_letters"] == 1)
    assert calls.post("/v1/sinks/hook/dead-letters:redeliver", json={}).json() == {"redelivering": 1}
    until(lambda: calls.get("/v1/sinks/hook").json()["dead_letters"] == 0)
    assert calls.get("/v1/sinks/hook/dead-letters").json() == {"dead_letters": [], "next": 0}


def test_what_cannot_be_asked_for_is_explained(calls: httpx.Client) -> None:
    """Unknown sinks and keys, a sink that is switched off, and a body that is none."""
    for path in ("/v1/sinks/nobody", "/v1/sinks/nobody/dead-letters"):
        answer = calls.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    redeliver = "/v1/sinks/{}/dead-letters:redeliver"
    for name, body, status, code in (
        ("nobody", {}, 404, "not_found"),
        ("off", {}, 409, "conflict"),
        ("hook", {"id": 3}, 422, "unknown_key"),
        ("hook", {"ids": ["a"]}, 422, "bad_value"),
    ):
        answer = calls.post(redeliver.format(name), json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert calls.post(redeliver.format("hook")).status_code == 422
    assert calls.get("/v1/sinks/hook/dead-letters", params={"limit": 0}).status_code == 422
