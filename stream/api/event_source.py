"""The event stream as server-sent events, for browsers (`EventSource`) and for whatever reads lines over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final, NoReturn

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from stream.api.bodies import EventSourceChoice
from stream.api.context import ApiOptions, ServiceDep
from stream.api.event_routes import check_cursor
from stream.api.following import EventClient, Place, confirmation, count_sent, read_on
from stream.api.problems import problem_response, responses, user_problem
from stream.api.protocol import ServiceProtocol
from stream.errors import R2StreamError
from stream.events import Event
from stream.store import Waiter

RETRY_MS: Final = 1000
"""A browser comes back about this long after the connection was lost."""

CUT: Final = "r2stream.cut"
"""Extension of the ASGI scope, `() -> None`: cut the line at once, though the client takes nothing."""

CUT_S: Final = 1.0
"""How long a line that was cut may take to be gone."""

router = APIRouter(responses=responses(401, 410, 422, 500, 503))


class _Over(Exception):
    """Ends the stream. `finish`: with the end of the response, after a last block if there is one to tell."""

    def __init__(self, *, finish: bool = False, last: str = "") -> None:
        super().__init__()
        self.finish = finish
        self.last = last


class _TooSlow(_Over):
    """The client takes nothing."""


class EventSource:
    """One client: one task notices that it has gone, one sends."""

    def __init__(
        self, service: ServiceProtocol, options: ApiOptions, waiter: Waiter, receive: Receive, send: Send
    ) -> None:
        self._service = service
        self._options = options
        self._waiter = waiter
        self._receive = receive
        self._asgi_send = send
        self._sent_at_s = time.monotonic()
        self._leaving = False
        self.gone = asyncio.Event()

    def leave(self) -> None:
        """End the response: the server stops, and a browser comes back by itself."""
        self._leaving = True
        self._waiter.wake()

    async def run(self, start: dict[str, Any], place: Place, greeting: str) -> bool:
        """Send until either side ends it; False when the client was too slow."""
        ends: list[_Over] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(), name="sse.listen")
                group.create_task(self._send_events(start, place, greeting), name="sse.send")
        except* _Over as overs:
            ends = [over for over in overs.exceptions if isinstance(over, _Over)]
        if any(isinstance(end, _TooSlow) for end in ends):
            return False
        if all(end.finish for end in ends):
            with suppress(_TooSlow):
                await self._send({"type": "http.response.body", "body": ends[0].last.encode()})
        return True

    async def _listen(self) -> NoReturn:
        await self._disconnected()
        raise _Over

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _send_events(self, start: dict[str, Any], place: Place, greeting: str) -> NoReturn:
        await self._send(start)
        await self._write(greeting)
        while not self._leaving:
            try:
                page = await read_on(self._service, place)
            except R2StreamError as error:
                raise _Over(finish=True, last=_block("problem", json.dumps(user_problem(error)))) from error
            for event in page.events:
                await self._write(_event_block(event))
                count_sent(self._service, "sse", event, place)
                if self._leaving:
                    raise _Over(finish=True)
            place = place.at(page.next)
            if place.cursor >= self._service.store.latest_cursor():
                await self._waiter.wait(place.cursor, self._quiet_s())
            if self._quiet_s() <= 0:
                # With the cursor: a client that wants little need not look through the same log again.
                await self._write(f": still here\nid: {place.cursor}\n\n")
        raise _Over(finish=True)

    def _quiet_s(self) -> float:
        """How long nothing needs to be sent yet."""
        return max(0.0, self._sent_at_s + self._options.heartbeat_s - time.monotonic())

    async def _write(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        self._sent_at_s = time.monotonic()

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._options.slow_client_s):
                await self._asgi_send(message)
        except TimeoutError:
            raise _TooSlow from None

    async def cut(self, scope: Scope) -> None:
        """End it with a client that takes nothing. It can come back with its cursor."""
        self._service.metrics.deliveries.labels("sse", "slow").inc()
        cut: Callable[[], None] | None = scope.get("extensions", {}).get(CUT)
        if cut is not None:
            cut()
            # The server must have noticed before this returns, or it would take it for a mistake of ours.
            with suppress(TimeoutError):
                async with asyncio.timeout(CUT_S):
                    await self._disconnected()


class EventSourceResponse(Response):
    """A response that ends when the client leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, place: Place, greeting: str) -> None:
        # No cache and no proxy may hold events back.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._place = place
        self._greeting = greeting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        service: ServiceProtocol = state.service
        clients: set[EventClient] = state.event_clients
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        with service.store.subscribe() as waiter, service.metrics.sse_clients.track_inprogress():
            client = EventSource(service, state.options, waiter, receive, send)
            clients.add(client)
            try:
                if not await client.run(start, self._place, self._greeting):
                    await client.cut(scope)
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
    place = Place(choice.stream or None, choice.query or None, latest if asked is None else asked, latest)
    ahead = check_cursor(place.cursor, latest)
    if ahead is not None:
        return problem_response(ahead)
    told = json.dumps(await asyncio.to_thread(confirmation, service, place))
    return EventSourceResponse(place, f"retry: {RETRY_MS}\nid: {place.cursor}\n{_block('subscribed', told)}")


def _event_block(event: Event) -> str:
    return f"id: {event.cursor}\n{_block(event.type, event.to_json())}"


def _block(kind: str, data: str) -> str:
    """One message; JSON without line breaks, which would end a field."""
    return f"event: {kind}\ndata: {data}\n\n"
