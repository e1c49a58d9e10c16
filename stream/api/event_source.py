"""The event stream as server-sent events, for browsers (`EventSource`) and for whatever reads lines over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Annotated, Any, Final, NoReturn

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from stream.api.bodies import EventSourceChoice
from stream.api.context import ApiOptions, ServiceDep
from stream.api.crowd import Place
from stream.api.encoding import sse_message
from stream.api.event_routes import check_cursor
from stream.api.following import Cut, EventClient, Follower, TooSlow, confirmation
from stream.api.line import LINE, Line
from stream.api.problems import problem_response, responses, user_problem
from stream.api.protocol import ServiceProtocol
from stream.errors import R2StreamError

RETRY_MS: Final = 1000
"""A browser comes back about this long after the connection was lost."""

CUT_S: Final = 1.0
"""How long a line that was cut may take to be gone."""

router = APIRouter(responses=responses(401, 410, 422, 500, 503))


class _Over(Exception):
    """Ends the stream. `finish`: with the end of the response, after a last block if there is one to tell."""

    def __init__(self, *, finish: bool = False, last: bytes = b"") -> None:
        super().__init__()
        self.finish = finish
        self.last = last


class EventSource:
    """One client: one task notices that it has gone, one sends."""

    def __init__(self, state: State, scope: Scope, receive: Receive, send: Send) -> None:
        self._service: ServiceProtocol = state.service
        self._options: ApiOptions = state.options
        self._line: Line = scope["extensions"][LINE]
        self._follower = Follower(self._service, state.crowds.sse, self._line, self._options.slow_client_s)
        self._receive = receive
        self._asgi_send = send
        self._leaving = False
        self.gone = asyncio.Event()

    def leave(self) -> None:
        """End the response: the server stops, and a browser comes back by itself."""
        self._leaving = True
        self._follower.stir()

    async def run(self, start: dict[str, Any], greeting: bytes, place: Place, latest: int) -> bool:
        """Send what comes after `place` until either side ends it; False when the client was too slow."""
        self._follower.begin(place, latest)
        ends: list[_Over] = []
        slow = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(), name="sse.listen")
                group.create_task(self._send_events(start, greeting), name="sse.send")
        except* TooSlow:
            slow = True
        except* _Over as overs:
            ends = [over for over in overs.exceptions if isinstance(over, _Over)]
        if not slow and all(end.finish for end in ends):
            with suppress(TooSlow):
                await self._send({"type": "http.response.body", "body": ends[0].last})
        return not slow

    async def _listen(self) -> NoReturn:
        await self._disconnected()
        raise _Over

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _send_events(self, start: dict[str, Any], greeting: bytes) -> NoReturn:
        follower = self._follower
        try:
            await self._send(start)
            await follower.write(greeting)
            while not self._leaving:
                await follower.step(self._quiet_s())
                if self._quiet_s() <= 0 and not self._leaving:
                    # With the cursor: a client that wants little need not look through the same log again.
                    await follower.write(f": still here\nid: {follower.cursor}\n\n".encode())
        except R2StreamError as error:
            raise _Over(finish=True, last=sse_message("problem", json.dumps(user_problem(error)))) from error
        except Cut:
            raise _Over from None
        raise _Over(finish=True)

    def _quiet_s(self) -> float:
        """How long nothing needs to be sent yet."""
        return max(0.0, self._follower.sent_s + self._options.heartbeat_s - time.monotonic())

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._options.slow_client_s):
                await self._asgi_send(message)
        except TimeoutError:
            raise TooSlow from None

    async def cut(self) -> None:
        """End it with a client that takes nothing. It can come back with its cursor."""
        self._service.metrics.deliveries.labels("sse", "slow").inc()
        self._line.hang_up(0, "")
        # The server must have noticed before this returns, or it would take it for a mistake of ours.
        with suppress(TimeoutError):
            async with asyncio.timeout(CUT_S):
                await self._disconnected()


class EventSourceResponse(Response):
    """A response that ends when the client leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, place: Place, latest: int, greeting: bytes) -> None:
        # No cache and no proxy may hold events back.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._place = place
        self._latest = latest
        self._greeting = greeting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        service: ServiceProtocol = state.service
        clients: set[EventClient] = state.event_clients
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        with service.metrics.sse_clients.track_inprogress():
            client = EventSource(state, scope, receive, send)
            clients.add(client)
            try:
                if not await client.run(start, self._greeting, self._place, self._latest):
                    await client.cut()
            finally:
                clients.discard(client)
                client.gone.set()


@router.get(
    "/v1/events/sse", tags=["events"], response_class=Response, responses={200: {"content": {"text/event-stream": {}}}}
)
async def events_sse(
    choice: Annotated[EventSourceChoice, Query()],
    service: ServiceDep,
    request: Request,
    last_event_id: Annotated[int | None, Header(ge=0, description="wins over `after`; browsers send it")] = None,
) -> Response:
    """Events as they are logged, from a cursor on; each block's `id` is the cursor to come back with."""
    latest = service.store.latest_cursor()
    asked = choice.after if last_event_id is None else last_event_id
    place = Place.of(choice.stream or None, choice.query or None, latest if asked is None else asked)
    ahead = check_cursor(place.cursor, latest)
    if ahead is not None:
        return problem_response(ahead)
    told = json.dumps(await asyncio.to_thread(confirmation, service, place, latest))
    greeting = f"retry: {RETRY_MS}\nid: {place.cursor}\n".encode() + sse_message("subscribed", told)
    return EventSourceResponse(place, latest, greeting)
