"""The event stream over a websocket: catch-up from the log, then live, each client at its own pace."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from stream.api.bodies import Subscribe
from stream.api.context import ApiOptions
from stream.api.crowd import IDLE_S, Crowd, Place
from stream.api.encoding import websocket_message
from stream.api.event_routes import check_cursor
from stream.api.following import Cut, EventClient, Follower, TooSlow, confirmation
from stream.api.line import LINE, Line
from stream.api.problems import user_problem, validation_problem
from stream.api.protocol import ServiceProtocol
from stream.errors import R2StreamError

GOING_AWAY: Final = 1001
MALFORMED: Final = 4400
TOO_SLOW: Final = 4408
CURSOR_AHEAD: Final = 4410
INTERNAL: Final = 1011

router = APIRouter()
_log = logging.getLogger(__name__)


class _Goodbye(Exception):
    """Ends the conversation with a close code, after a problem if there is one to tell."""

    def __init__(self, code: int, reason: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.problem = problem


class EventSocket:
    """One websocket client: one task listens, one sends."""

    def __init__(self, websocket: WebSocket, service: ServiceProtocol, options: ApiOptions, crowd: Crowd) -> None:
        self._websocket = websocket
        self._service = service
        self._options = options
        self._line: Line = websocket.scope["extensions"][LINE]
        self._follower = Follower(service, crowd, self._line, options.slow_client_s)
        # One subscription at most waits to be answered; until it is, nothing more is read from the client.
        self._asked: Subscribe | None = None
        self._answered = asyncio.Event()
        self._leaving: _Goodbye | None = None
        self.gone = asyncio.Event()

    def leave(self) -> None:
        """Ask the client, politely, to come back later: the server stops."""
        self._leaving = _Goodbye(GOING_AWAY, "the server stops; reconnect with your cursor")
        self._follower.stir()

    async def run(self) -> None:
        """Talk until either side ends it."""
        goodbyes: list[_Goodbye] = []
        gone = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(), name="ws.listen")
                group.create_task(self._send_events(), name="ws.send")
        except* _Goodbye as ends:
            goodbyes = [end for end in ends.exceptions if isinstance(end, _Goodbye)]
        except* WebSocketDisconnect:
            gone = True
        if goodbyes and not gone:
            await self._say(goodbyes[0])

    async def _listen(self) -> NoReturn:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            try:
                self._asked = Subscribe.model_validate_json(message.get("text") or "")
            except ValidationError as error:
                problem = validation_problem(error.errors(include_url=False, include_input=False))
                raise _Goodbye(MALFORMED, "malformed message", problem) from None
            self._answered.clear()
            self._follower.stir()
            await self._answered.wait()

    async def _send_events(self) -> NoReturn:
        try:
            await self._first_subscription()
            while True:
                await self._follower.step(IDLE_S)
                if self._asked is not None:
                    await self._answer(self._asked, self._follower.cursor)
                self._check_leaving()
        except R2StreamError as error:
            raise _Goodbye(INTERNAL, "the event log cannot be read", user_problem(error)) from error
        except TooSlow:
            self._service.metrics.deliveries.labels("ws", "slow").inc()
            raise _Goodbye(TOO_SLOW, "too slow; reconnect with your cursor") from None
        except Cut:
            # The server has closed the connection by itself (no pong, a message too large) and not yet said so.
            raise WebSocketDisconnect(1006) from None

    async def _first_subscription(self) -> None:
        deadline_s = time.monotonic() + self._options.subscribe_s
        while self._asked is None:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise _Goodbye(TOO_SLOW, "nothing was subscribed in time")
            await self._follower.rest(remaining_s)
            self._check_leaving()
        await self._answer(self._asked, None)

    async def _answer(self, asked: Subscribe, current: int | None) -> None:
        """Confirm a subscription. Without a cursor it goes on from where this connection is, at first from now on."""
        latest = self._service.store.latest_cursor()
        after = asked.after if asked.after is not None else latest if current is None else current
        ahead = check_cursor(after, latest)
        if ahead is not None:
            raise _Goodbye(CURSOR_AHEAD, "cursor of another log", ahead)
        place = Place.of(asked.streams, asked.queries, after)
        told = await asyncio.to_thread(confirmation, self._service, place, latest)
        await self._follower.write(websocket_message(json.dumps({"op": "subscribed", **told})))
        self._follower.begin(place, latest)
        self._asked = None
        self._answered.set()

    async def _say(self, goodbye: _Goodbye) -> None:
        if goodbye.code == TOO_SLOW:
            self._line.hang_up(goodbye.code, goodbye.reason)
            return
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(self._options.slow_client_s):
                if goodbye.problem is not None:
                    await self._websocket.send_text(json.dumps({"op": "problem", **goodbye.problem}))
                await self._websocket.close(goodbye.code, goodbye.reason)

    def _check_leaving(self) -> None:
        if self._leaving is not None:
            raise self._leaving


@router.websocket("/v1/events/ws")
async def events_ws(websocket: WebSocket) -> None:
    """Events as they are logged; see `docs/api.md` for the messages and close codes."""
    state = websocket.app.state
    service: ServiceProtocol = state.service
    clients: set[EventClient] = state.event_clients
    await websocket.accept()
    with service.metrics.ws_clients.track_inprogress():
        socket = EventSocket(websocket, service, state.options, state.crowds.websocket)
        clients.add(socket)
        try:
            await socket.run()
        finally:
            clients.discard(socket)
            socket.gone.set()
