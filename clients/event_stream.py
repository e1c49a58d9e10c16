"""A subscription that survives lost connections: the same events once each, in order, whatever the network does."""

from __future__ import annotations

import asyncio
import json
import logging
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from .backoff import Backoff
from .errors import ClientError, problem_error
from .events import Event, parse_event
from .messages import Json

_log = logging.getLogger("clients.events")

REPLY_TIMEOUT_S: Final = 10.0
"""How long the server may take to answer a subscription."""

_RETRIED_STATUS: Final = frozenset({408, 425, 429})
"""Refusals that waiting heals; the other 400s are the caller's to mend. Close code 4000 + n means as much as n."""

Connect = Callable[[], Awaitable[ClientConnection]]


@dataclass(frozen=True)
class Wanted:
    """Which events to receive; `None` means all."""

    streams: tuple[str, ...] | None
    queries: tuple[str, ...] | None


class _TryAgain(Exception):
    """The server cannot serve the subscription just now."""


@dataclass
class _Line:
    """The connection of one event stream, apart from it, so that it can be cut when the stream is dropped."""

    connection: ClientConnection | None = None

    def cut(self) -> None:
        """Cut the connection from any thread, as the garbage collector may run in any."""
        if self.connection is not None:
            with suppress(RuntimeError):  # the loop is closed, and the connection with it
                self.connection.loop.call_soon_threadsafe(self.connection.transport.abort)


class EventStream:
    """An asynchronous iterator of events. `cursor` is where it stands: pass it as `after` to go on from there later.

    It reconnects for ever, with back-off, and goes on from its cursor, so nothing is missed and nothing comes twice.
    A cancelled `anext` loses nothing. Raises `ClientError` for what waiting cannot heal.
    """

    def __init__(self, connect: Connect, wanted: Wanted, after: int | None, backoff: Backoff) -> None:
        self.cursor = after
        self._connect = connect
        self._wanted = wanted
        self._backoff = backoff
        self._line = _Line()
        # A task of its own, so that a cancelled `anext` does not throw away a connection that is half made.
        self._connecting: asyncio.Task[None] | None = None
        self._connected_at_s = 0.0
        self._loss_logged = False
        self._closed = False
        # `async for` has no way to say that it was left by `break`; the stream is simply dropped then.
        weakref.finalize(self, self._line.cut).atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            connection = await self._connected()
            if connection is None:
                continue
            try:
                text = await connection.recv()
            except ConnectionClosed as error:
                self._lost(error)
                continue
            event = self._handle(_parse(text))
            if event is not None:
                return event
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the connection; the iteration ends. Safe to call twice."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        connection, self._line.connection = self._line.connection, None
        if connection is not None:
            await connection.close()

    async def __aenter__(self) -> Self:
        """Subscribe at once, rather than when the first event is asked for."""
        while not self._closed and await self._connected() is None:
            pass
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _connected(self) -> ClientConnection | None:
        """The connection, after one try to make it; None when that failed."""
        if self._line.connection is None:
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect_once(), name="r2stream.connect")
            connecting = self._connecting
            try:
                await asyncio.shield(connecting)
            except asyncio.CancelledError:
                if not (self._closed and connecting.cancelled()):
                    raise
            finally:
                if connecting.done():
                    self._connecting = None
        return self._line.connection

    async def _connect_once(self) -> None:
        if self._backoff.failures:
            await asyncio.sleep(self._backoff.next_delay_s())
        try:
            connection = await self._connect()
        except InvalidURI as error:
            raise ClientError("invalid", f"{error.uri!r} is not an address of a server.") from error
        except InvalidStatus as error:
            status = error.response.status_code
            if _is_permanent(status):
                raise problem_error(error.response.body, status) from error
            self._failed(f"the server answered {status}")
            return
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
            self._failed(str(error) or type(error).__name__)
            return
        try:
            await self._subscribe(connection)
        except (ConnectionClosed, TimeoutError, _TryAgain) as error:
            connection.transport.abort()
            self._failed(str(error) or "no answer to the subscription")
        except BaseException:
            connection.transport.abort()
            raise

    async def _subscribe(self, connection: ClientConnection) -> None:
        request = {
            "op": "subscribe",
            "streams": self._wanted.streams,
            "queries": self._wanted.queries,
            "after": self.cursor,
        }
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            await connection.send(json.dumps(request))
            body = _parse(await connection.recv())
        op, cursor = body.get("op"), body.get("cursor")
        if op != "problem" and not (op == "subscribed" and isinstance(cursor, int)):
            raise ClientError("protocol", "The server did not confirm the subscription; is this r2stream?")
        self._handle(body)
        if op == "problem":
            raise _TryAgain(str(body.get("detail")))
        if self.cursor is None:
            # From here on a lost connection must not lose what happens meanwhile.
            self.cursor = cursor
        self._line.connection = connection
        self._connected_at_s = asyncio.get_running_loop().time()
        if self._loss_logged:
            _log.info("receiving events again, after cursor %s", self.cursor)
            self._loss_logged = False

    def _handle(self, body: Json) -> Event | None:
        """Take one message in: the event it is, unless it is a notice or a repeat."""
        match body.get("op"):
            case None:
                event = parse_event(body)
                self._backoff.reset()
                if self.cursor is not None and event.cursor <= self.cursor:
                    return None
                self.cursor = event.cursor
                return event
            case "problem" if _is_permanent(body.get("status", 0)):
                raise ClientError(str(body.get("code")), str(body.get("detail")), body["status"])
            case "subscribed":
                self._warn(body)
        return None

    def _warn(self, reply: Json) -> None:
        if reply.get("missed"):
            _log.warning("events after cursor %s were removed by retention before they were read", self.cursor)
        for kind, names in reply.get("unknown", {}).items():
            if names:
                _log.warning("the server does not know these %s (yet): %s", kind, ", ".join(names))

    def _lost(self, error: ConnectionClosed) -> None:
        self._line.connection = None
        if self._closed:
            return
        code = error.rcvd.code if error.rcvd else 1006
        if _is_permanent(code - 4000):
            assert error.rcvd is not None
            raise ClientError(f"closed_{code}", error.rcvd.reason or f"The server closed the connection with {code}.")
        lasted_s = asyncio.get_running_loop().time() - self._connected_at_s
        if lasted_s > self._backoff.cap_s:
            self._backoff.reset()
        self._failed(str(error))

    def _failed(self, reason: str) -> None:
        self._backoff.failures = max(self._backoff.failures, 1)
        if not self._loss_logged:
            _log.warning("no event stream (%s); trying again until it is back", reason)
            self._loss_logged = True


def _is_permanent(status: int) -> bool:
    return 400 <= status < 500 and status not in _RETRIED_STATUS


def _parse(text: str | bytes) -> Json:
    try:
        body: Any = json.loads(text)
    except ValueError as error:
        raise ClientError("protocol", "The server sent something that is not JSON; is this r2stream?") from error
    if not isinstance(body, dict):
        raise ClientError("protocol", "The server sent something that is not an object; is this r2stream?")
    return body
