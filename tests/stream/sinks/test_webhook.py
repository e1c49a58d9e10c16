"""Webhooks to a real receiver that fails, hangs and answers nonsense."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook

from stream.events import Event
from stream.sinks.outlet import Refused, TryAgain
from stream.sinks.settings import WebhookSettings
from stream.sinks.webhook import WebhookOutlet, WebhookSink, retry_after_s
from tests.receiver import Behaviour, Receiver
from tests.servers import free_port

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The one of the specification's examples."""


@pytest.fixture
def event(moment: MomentFactory) -> Event:
    return moment().with_cursor(7)


def settings(receiver: Receiver) -> WebhookSettings:
    return WebhookSettings("hook", receiver.url, SECRET, allow_private=True, timeout_s=0.5)


@asynccontextmanager
async def outlet_of(settings: WebhookSettings) -> AsyncIterator[WebhookOutlet]:
    async with WebhookSink(settings).open(lambda: None) as outlet:
        yield outlet


async def failure(settings: WebhookSettings, event: Event) -> TryAgain | Refused:
    async with outlet_of(settings) as outlet:
        with pytest.raises((TryAgain, Refused)) as caught:
            await outlet.deliver(event)
    assert isinstance(caught.value, TryAgain | Refused)
    return caught.value


async def test_an_event_is_a_signed_request(receiver: Receiver, event: Event) -> None:
    """The body of every sink, the event's id as the message's, and a signature that the reference verifies."""
    async with outlet_of(settings(receiver)) as outlet:
        await outlet.deliver(event)
        await outlet.deliver(event)
    first, second = receiver.requests
    assert first.body == event.to_json() and json.loads(first.body)["cursor"] == 7
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == event.id
    assert first.headers["content-type"] == "application/json"
    assert first.headers["user-agent"].startswith("r2stream/")
    assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
    assert Webhook(SECRET).verify(first.body, first.headers)["id"] == event.id


async def test_the_signature_is_the_specifications(receiver: Receiver, event: Event) -> None:
    """HMAC-SHA256 over id, time and body; checked without the library that made it."""
    import hashlib
    import hmac

    sink = WebhookSink(settings(receiver), wall_time_s=lambda: 1_614_265_330.9)
    async with sink.open(lambda: None) as outlet:
        await outlet.deliver(event)
    headers, body = receiver.requests[0].headers, receiver.requests[0].body
    assert headers["webhook-timestamp"] == "1614265330"
    signed = f"{event.id}.1614265330.{body}".encode()
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_without_a_secret_nothing_is_signed(receiver: Receiver, event: Event) -> None:
    """Id and time are there all the same."""
    async with outlet_of(replace(settings(receiver), secret=None)) as outlet:
        await outlet.deliver(event)
    assert "webhook-signature" not in receiver.requests[0].headers
    assert receiver.ids == [event.id]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422, 451])
async def test_a_refusal_is_final(receiver: Receiver, event: Event, status: int) -> None:
    """The same event would be refused again."""
    receiver.always = status
    error = await failure(settings(receiver), event)
    assert isinstance(error, Refused) and f"127.0.0.1 answers {status}" in error.reason


@pytest.mark.parametrize("status", [408, 409, 410, 429, 500, 502, 503, 504])
async def test_what_may_heal_is_tried_again(receiver: Receiver, event: Event, status: int) -> None:
    """Its own troubles, and those of the moment."""
    receiver.always = status
    error = await failure(settings(receiver), event)
    assert isinstance(error, TryAgain) and f"answers {status}" in error.reason and error.wait_s == 0


async def test_the_receiver_may_say_how_long_to_wait(receiver: Receiver, event: Event) -> None:
    """`Retry-After`, within bounds."""
    receiver.always, receiver.answer_headers = 429, {"Retry-After": "120"}
    error = await failure(settings(receiver), event)
    assert isinstance(error, TryAgain) and error.wait_s == 120


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [
        (None, 0.0),
        ("30", 30.0),
        ("999999", 3600.0),
        ("Thu, 25 Feb 2021 15:02:20 GMT", 10.0),
        ("Thu, 25 Feb 2021 15:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, expected_s: float) -> None:
    """Nonsense is no wish."""
    assert retry_after_s(header, 1_614_265_330.0) == expected_s


async def test_redirects_are_not_followed(receiver: Receiver, event: Event) -> None:
    """Where they lead could be anywhere; somebody must look at it."""
    receiver.always, receiver.answer_headers = 307, {"Location": receiver.url + "/elsewhere"}
    error = await failure(settings(receiver), event)
    assert isinstance(error, TryAgain) and error.needs_help and "redirect (307)" in error.reason
    assert [request.path for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("hang", "127.0.0.1 did not answer within 0.5 s."),
        ("garbage", "127.0.0.1 answers something that is not HTTP, or breaks off."),
        ("reset", "127.0.0.1 answers something that is not HTTP, or breaks off."),
    ],
)
async def test_what_is_no_answer_is_tried_again(
    receiver: Receiver, event: Event, behaviour: Behaviour, reason: str
) -> None:
    """Within the time limit, and with a sentence for each."""
    receiver.always = behaviour
    began_s = time.monotonic()
    error = await failure(settings(receiver), event)
    assert isinstance(error, TryAgain) and error.reason == reason
    assert time.monotonic() - began_s < 5


async def test_an_answer_without_end_is_not_read_to_it(receiver: Receiver, event: Event) -> None:
    """Its status is all that counts."""
    receiver.always = "endless"
    async with outlet_of(settings(receiver)) as outlet:
        await asyncio.wait_for(outlet.deliver(event), 5)


async def test_nobody_there_is_explained(event: Event) -> None:
    """With the host, and without the rest of the address."""
    url = f"http://user:hunter2@127.0.0.1:{free_port()}/s3cr3t"
    error = await failure(WebhookSettings("hook", url, allow_private=True), event)
    assert isinstance(error, TryAgain) and error.reason.startswith("127.0.0.1 cannot be reached: ")
    assert "s3cr3t" not in error.reason and "hunter2" not in error.reason


async def test_a_private_address_is_blocked_and_explained(receiver: Receiver, event: Event) -> None:
    """Where the name leads only shows when the connection is made."""
    error = await failure(replace(settings(receiver), allow_private=False), event)
    assert isinstance(error, TryAgain) and error.needs_help and "set allow_private: true" in error.reason
    assert receiver.requests == []


async def test_cookies_are_not_kept(receiver: Receiver, event: Event) -> None:
    """A receiver has no business leaving anything here."""
    receiver.answer_headers = {"Set-Cookie": "session=1; Path=/"}
    async with outlet_of(settings(receiver)) as outlet:
        await outlet.deliver(event)
        await outlet.deliver(event)
    assert "cookie" not in receiver.requests[1].headers
