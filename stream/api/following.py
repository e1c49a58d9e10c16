"""How a client follows the log: the same over a websocket and as server-sent events.

Nothing is queued for a client. It is sent a page of the log at a time from its own cursor; once it has reached the end
it goes on with the crowd of those who have.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Protocol

from stream.api.crowd import PAGE_EVENTS, Crowd, Place, Seat
from stream.api.line import Line
from stream.api.protocol import ServiceProtocol
from stream.store import next_page


class EventClient(Protocol):
    """A client that is being sent events, as the server sees it when it stops."""

    gone: asyncio.Event

    def leave(self) -> None:
        """Ask the client, politely, to come back later; `gone` is set when the line is free."""
        ...


class TooSlow(Exception):
    """The client takes nothing."""


class Cut(Exception):
    """The line is cut, by the client or by the server."""


class Follower:
    """One client's way through the log."""

    def __init__(self, service: ServiceProtocol, crowd: Crowd, line: Line, slow_client_s: float) -> None:
        """A client that takes nothing for `slow_client_s` is too slow."""
        self._service = service
        self._crowd = crowd
        self._slow_client_s = slow_client_s
        self._seat = Seat(line, Place(None, None, service.store.latest_cursor()))
        self._live_after = 0

    @property
    def cursor(self) -> int:
        """Of the last event that was sent."""
        return self._seat.place.cursor

    @property
    def sent_s(self) -> float:
        """When it was sent something last, by `time.monotonic`; 0 for never."""
        return self._seat.sent_s

    def begin(self, place: Place, live_after: int) -> None:
        """Go on from there. How late events up to the cursor `live_after` are says nothing."""
        self._seat.place, self._live_after = place, live_after

    def stir(self) -> None:
        """Have `step` return, or `rest`, now or as soon as it is called. To be called on the loop."""
        self._seat.stirred.set()

    async def rest(self, timeout_s: float) -> None:
        """Wait until it is stirred or time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._seat.stirred.wait()
        self._seat.stirred.clear()

    async def step(self, timeout_s: float) -> None:
        """Send the next events: a page, or at the end of the log all that come within `timeout_s`, or until stirred.

        Raises:
            StoreError: the log cannot be read.
            TooSlow, Cut: it ends here; `cursor` says how far it came.
        """
        seat = self._seat
        if not seat.stirred.is_set() and seat.place.cursor >= self._service.store.latest_cursor():
            await self._crowd.carry(seat, timeout_s)
        # Cleared after waking and not before sleeping: a wake-up while this was busy must not be lost.
        seat.stirred.clear()
        await self._send_page(seat.place)

    async def _send_page(self, place: Place) -> None:
        page = await next_page(self._service.store, place.cursor, PAGE_EVENTS, place.streams, place.queries)
        for parcel in self._crowd.encoder.parcels(page.events):
            await self.write(parcel.data)
            self._seat.place = place.at(parcel.cursor)
            self._crowd.count(parcel, 1, self._live_after)
            if self._seat.stirred.is_set():
                return
        self._seat.place = place.at(page.next)

    async def write(self, data: bytes) -> None:
        """Send what is ready for the wire as soon as there is room. Raises TooSlow and Cut."""
        line = self._seat.line
        if not line.write(data):
            try:
                async with asyncio.timeout(self._slow_client_s):
                    while not line.write(data):
                        if not await line.room():
                            raise Cut
            except TimeoutError:
                raise TooSlow from None
        self._seat.sent_s = time.monotonic()


def confirmation(service: ServiceProtocol, place: Place, latest: int) -> dict[str, Any]:
    """What a client is told first: where it begins, whether it comes too late, and which names do not exist (yet).

    Reads the file: not to be called on a loop. Raises StoreError.
    """
    streams = {status.name for status in service.streams()} if place.streams else set()
    queries = {status.query.name for status in service.queries()} if place.queries else set()
    return {
        "cursor": place.cursor,
        "latest": latest,
        "missed": service.store.read(place.cursor, limit=1).missed,
        "unknown": {
            "streams": [name for name in place.streams or () if name not in streams],
            "queries": [name for name in place.queries or () if name not in queries],
        },
    }
