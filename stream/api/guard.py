"""What every request passes first: who may ask, from where, and how much may be sent. Plain ASGI, for both kinds."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.api.problems import problem, problem_response

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Answered without a token: probes have none, and the answers hold nothing to protect."""

DRAIN_BYTES: Final = 1024 * 1024
DRAIN_S: Final = 2.0


class Guard:
    """Checks the bearer token and a websocket's origin, and bounds request bodies."""

    def __init__(self, app: ASGIApp, token: str | None, max_body_bytes: int) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else None
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            if scope["type"] == "http":
                await _drain(receive)
            challenge = {"WWW-Authenticate": "Bearer"} if refusal["status"] == 401 else None
            await problem_response(refusal, challenge)(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive) if scope["type"] == "http" else receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> dict[str, Any] | None:
        if not self._may_enter(scope["path"], headers):
            return problem(401, "unauthorized", "Send the server's token as Authorization: Bearer <token>.")
        if scope["type"] == "websocket" and not _same_origin(headers):
            # A browser lets any page open a websocket to any host; without this, any page could read the events.
            return problem(403, "foreign_origin", "Pages from another host may not open this websocket.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return problem(413, "too_large", f"A body may have at most {self._max_body_bytes} bytes.")
        return None

    def _may_enter(self, path: str, headers: Headers) -> bool:
        if self._expected is None or path in OPEN_PATHS:
            return True
        return hmac.compare_digest(headers.get("authorization", "").encode(), self._expected)

    def _bounded(self, receive: Receive) -> Receive:
        received_bytes = 0

        async def bounded_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_body_bytes:
                if message.get("more_body", False):
                    await _drain(receive)
                raise HTTPException(413, f"A body may have at most {self._max_body_bytes} bytes.")
            return message

        return bounded_receive


async def _drain(receive: Receive) -> None:
    """Take in what is left of a refused body, within bounds: a client that still sends would not see the answer."""
    left_bytes = DRAIN_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while left_bytes > 0:
                message = await receive()
                left_bytes -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
