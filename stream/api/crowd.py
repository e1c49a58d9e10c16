"""Clients that have come to the end of the log and go on from there together.

What is new is read once and made into bytes once for all who want the same, and each is handed them as far as its line
has room. Whoever has no room falls out, and goes on alone from its own cursor until it has caught up: a client that is
slow is slow alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from stream.api.encoding import Encoder, Parcel, sse_event, websocket_event
from stream.api.line import Line
from stream.events import Event
from stream.metrics import Metrics
from stream.store import Store

PAGE_EVENTS: Final = 100
IDLE_S: Final = 30.0
"""The log is looked at again after this long even when nothing woke the crowd."""
REST_S: Final = 0.01
"""Between two rounds at most: what comes meanwhile goes out together, which costs hardly more than one event does."""
RESTS: Final = 2.0
"""So many times as long as a round took: few clients are served at once, and many leave time for others."""
BREATH: Final = 100
"""Clients that are served before the loop may do something else."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a client stands: what it wants, and the cursor of the last event it was sent."""

    streams: tuple[str, ...] | None
    queries: tuple[str, ...] | None
    cursor: int

    @classmethod
    def of(cls, streams: Iterable[str] | None, queries: Iterable[str] | None, cursor: int) -> Place:
        """After a cursor, for events of any of these streams and any of these queries; None is all."""
        return cls(None if streams is None else tuple(streams), None if queries is None else tuple(queries), cursor)

    def at(self, cursor: int) -> Place:
        return replace(self, cursor=cursor)


class Seat:
    """One client's place in the crowd, while it has one."""

    def __init__(self, line: Line, place: Place) -> None:
        self.line = line
        self.place = place
        self.sent_s = 0.0
        """When it was sent something last, by `time.monotonic`; 0 for never."""
        self.stirred = asyncio.Event()
        """It fell out, or somebody wants it to look up."""


class Crowd:
    """The clients of one service and one kind that are up to date. Lives on the server's loop."""

    def __init__(self, store: Store, metrics: Metrics, sink: str, encode: Callable[[Event], bytes]) -> None:
        """`sink` is what metrics call this kind of client."""
        self.encoder = Encoder(encode)
        self._store = store
        self._sent = metrics.deliveries.labels(sink, "sent")
        self._latency = metrics.event_latency_seconds.labels("score_to_send")
        self._seats: dict[Place, set[Seat]] = {}
        self._work: asyncio.Task[None] | None = None

    async def carry(self, seat: Seat, timeout_s: float) -> None:
        """Go on with the others until the seat is stirred; its place says how far it came."""
        self._seats.setdefault(seat.place, set()).add(seat)
        if self._work is None:
            self._work = asyncio.create_task(self._run(), name="crowd")
        try:
            async with asyncio.timeout(timeout_s):
                await seat.stirred.wait()
        except TimeoutError:
            pass
        finally:
            self._remove(seat)

    def count(self, parcel: Parcel, clients: int, live_after: int = 0) -> None:
        """Count what so many clients took, and how late its events are: those after the cursor `live_after`."""
        if not clients:
            return
        self._sent.inc(clients * len(parcel.events))
        now_s = time.time()
        for event in parcel.events:
            if (event.cursor or 0) > live_after:
                late_s = now_s - datetime.fromisoformat(event.time).timestamp()
                self._latency.observe(max(0.0, late_s))

    def _remove(self, seat: Seat) -> None:
        seats = self._seats.get(seat.place, set())
        seats.discard(seat)
        if not seats:
            self._seats.pop(seat.place, None)
        if not self._seats and self._work is not None:
            self._work.cancel()
            self._work = None

    async def _run(self) -> None:
        try:
            with self._store.subscribe() as waiter:
                while True:
                    began_s, latest = time.monotonic(), self._store.latest_cursor()
                    for place in [place for place in self._seats if place.cursor < latest]:
                        while seats := self._take(place):
                            self._serve(seats, place)
                            await asyncio.sleep(0)
                    await asyncio.sleep(min(REST_S, RESTS * (time.monotonic() - began_s)))
                    if all(place.cursor >= latest for place in self._seats):
                        await waiter.wait(latest, IDLE_S)
        except Exception:
            _log.exception("clients of the event stream go on one by one, after a mistake")
            self._work = None
            _stir(seat for seats in self._seats.values() for seat in seats)

    def _take(self, place: Place) -> list[Seat]:
        """Take some out who are at that place."""
        seats = self._seats.get(place, set())
        some = [seats.pop() for _ in range(min(BREATH, len(seats)))]
        if not seats:
            self._seats.pop(place, None)
        return some

    def _serve(self, seats: list[Seat], place: Place) -> None:
        """Hand out what has come after a place, and put back those who took it."""
        page = self._store.recent(place.cursor, PAGE_EVENTS, place.streams, place.queries)
        if page is None:
            # So much has come at once that the file has to be read: nothing to be done for many on the loop.
            _stir(seats)
            return
        for parcel in self.encoder.parcels(page.events):
            place = place.at(parcel.cursor)
            seats = _hand_out(parcel, seats, place)
            self.count(parcel, len(seats))
        place = place.at(page.next)
        for seat in seats:
            seat.place = place
        if seats:
            self._seats.setdefault(place, set()).update(seats)


def _hand_out(parcel: Parcel, seats: list[Seat], after: Place) -> list[Seat]:
    """Those who took it."""
    now_s, took = time.monotonic(), []
    for seat in seats:
        if seat.line.write(parcel.data):
            seat.place, seat.sent_s = after, now_s
            took.append(seat)
        else:
            seat.stirred.set()
    return took


def _stir(seats: Iterable[Seat]) -> None:
    for seat in seats:
        seat.stirred.set()


@dataclass(frozen=True)
class Crowds:
    """Of one service: those of each kind of client."""

    websocket: Crowd
    sse: Crowd

    @classmethod
    def of(cls, store: Store, metrics: Metrics) -> Crowds:
        return cls(Crowd(store, metrics, "ws", websocket_event), Crowd(store, metrics, "sse", sse_event))
