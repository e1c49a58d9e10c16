"""Webhooks: each event one signed HTTP request, as the Standard Webhooks specification describes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from stream.events import Event
from stream.sinks.outlet import Refused, TryAgain
from stream.sinks.settings import WebhookSettings
from stream.sinks.transport import BlockedAddress, GuardedTransport, Resolve, resolve
from stream.sinks.watched import Watched

MAX_RETRY_AFTER_S: Final = 3600.0
"""No server is waited for longer than this, whatever it asks for."""
DRAIN_BYTES: Final = 64 * 1024
DRAIN_S: Final = 1.0
"""How much of an answer is read, and for how long: only its status counts, but the connection is used again."""

_WORTH_RETRYING: Final = frozenset({408, 409, 410, 429})
"""Refusals that waiting may heal; the other 400s will refuse the same event again."""

_NO_COOKIES: Final = DefaultCookiePolicy(allowed_domains=())


class WebhookSink:
    """Somebody's server."""

    def __init__(
        self, settings: WebhookSettings, *, resolve: Resolve = resolve, wall_time_s: Callable[[], float] = time.time
    ) -> None:
        self.max_tries: int | None = settings.max_tries
        self._settings = settings
        self._resolve = resolve
        self._wall_time_s = wall_time_s

    @asynccontextmanager
    async def open(self, wake: Callable[[], None]) -> AsyncIterator[WebhookOutlet]:
        """A client; connections are made when there is something to send."""
        transport = GuardedTransport(allow_private=self._settings.allow_private, resolve=self._resolve)
        agent = {"User-Agent": f"r2stream/{version('r2stream')}"}
        # The time limit of a whole request is kept by `deliver`; each step of it may take all of that.
        async with httpx.AsyncClient(
            transport=transport, headers=agent, timeout=self._settings.timeout_s, follow_redirects=False
        ) as client:
            client.cookies.jar.set_policy(_NO_COOKIES)
            yield WebhookOutlet(client, self._settings, self._wall_time_s)


class WebhookOutlet:
    """One client of that server."""

    def __init__(self, client: httpx.AsyncClient, settings: WebhookSettings, wall_time_s: Callable[[], float]) -> None:
        self._client = client
        self._settings = settings
        self._wall_time_s = wall_time_s
        self._host = urlsplit(settings.url).hostname or ""
        """All that is ever shown of the address."""

    def check(self) -> None:
        """There is no line that could be lost."""

    async def adapt(self, watched: Watched) -> None:
        """A server is told events and nothing else."""

    async def deliver(self, event: Event) -> None:
        """One request. Raises Refused and TryAgain."""
        body = event.to_json()
        headers = {"Content-Type": "application/json", **self._identification(event.id, body)}
        answer: httpx.Response | None = None
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._client.stream("POST", self._settings.url, content=body.encode(), headers=headers) as answer,
            ):
                await _drain(answer)
        except BlockedAddress as error:
            problem = f"{self._host} is in a private network; set allow_private: true if that is meant."
            raise TryAgain(problem, needs_help=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            if answer is None:
                raise TryAgain(self._explain(error)) from error
        if answer is not None:
            self._judge(answer)

    def _identification(self, event_id: str, body: str) -> dict[str, str]:
        now = datetime.fromtimestamp(int(self._wall_time_s()), UTC)
        headers = {"webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp()))}
        if self._settings.secret is not None:
            headers["webhook-signature"] = Webhook(self._settings.secret).sign(event_id, now, body)
        return headers

    def _judge(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            problem = f"{self._host} answers with a redirect ({status}) and is not followed; set url to where it leads."
            raise TryAgain(problem, needs_help=True)
        problem = f"{self._host} answers {status} {httpx.codes.get_reason_phrase(status)}".rstrip() + "."
        if 400 <= status < 500 and status not in _WORTH_RETRYING:
            raise Refused(problem)
        raise TryAgain(problem, wait_s=retry_after_s(answer.headers.get("retry-after"), self._wall_time_s()))

    def _explain(self, error: Exception) -> str:
        """A sentence; the libraries' own may hold the whole address."""
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return f"{self._host} did not answer within {self._settings.timeout_s:g} s."
        if isinstance(error, httpx.RemoteProtocolError):
            return f"{self._host} answers something that is not HTTP, or breaks off."
        if isinstance(error, httpx.ConnectError):
            return f"{self._host} cannot be reached: {str(error) or 'no connection'}."
        return f"The connection to {self._host} failed ({type(error).__name__})."


def retry_after_s(header: str | None, now_s: float) -> float:
    """The seconds to wait that a `Retry-After` header means, a number or a date; 0 for anything else."""
    if not header:
        return 0.0
    wait_s = 0.0
    if header.strip().isdecimal():
        wait_s = float(header)
    else:
        with suppress(ValueError, TypeError, OverflowError):
            wait_s = parsedate_to_datetime(header).timestamp() - now_s
    return min(MAX_RETRY_AFTER_S, max(0.0, wait_s))


async def _drain(answer: httpx.Response) -> None:
    left_bytes = DRAIN_BYTES
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_S):
            async for piece in answer.aiter_raw():
                left_bytes -= len(piece)
                if left_bytes <= 0:
                    return
