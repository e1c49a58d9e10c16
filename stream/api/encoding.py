"""Where an event becomes bytes: once for all clients of one kind, and as many events together as a line takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from websockets.frames import Frame, Opcode

from stream.api.line import BUFFER_BYTES
from stream.events import Event

KEPT: Final = 1_000
"""Events whose bytes are kept, about as many as readers find in memory."""


@dataclass(frozen=True)
class Parcel:
    """Events that are sent together."""

    data: bytes
    events: Sequence[Event]
    cursor: int
    """Of the last of them."""


class Encoder:
    """Makes events into bytes, each once while it is new. Lives on the server's loop.

    Bounded: `KEPT` events, the oldest made go first.
    """

    def __init__(self, encode: Callable[[Event], bytes]) -> None:
        self._encode = encode
        self._made: dict[int, bytes] = {}

    def parcels(self, events: Sequence[Event]) -> Iterator[Parcel]:
        """Events in parcels of at most `BUFFER_BYTES`; one that is larger goes alone."""
        first, size, encoded = 0, 0, [self._bytes_of(event) for event in events]
        for index, data in enumerate(encoded):
            if index > first and size + len(data) > BUFFER_BYTES:
                yield _parcel(encoded[first:index], events[first:index])
                first, size = index, 0
            size += len(data)
        if events:
            yield _parcel(encoded[first:], events[first:])

    def _bytes_of(self, event: Event) -> bytes:
        cursor = event.cursor or 0
        data = self._made.get(cursor)
        if data is None:
            data = self._made[cursor] = self._encode(event)
            if len(self._made) > KEPT:
                del self._made[next(iter(self._made))]
        return data


def websocket_event(event: Event) -> bytes:
    """An event as a websocket message."""
    return websocket_message(event.to_json())


def websocket_message(text: str) -> bytes:
    """A text frame. The server masks nothing and compresses nothing, so it is the same for everybody."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def sse_event(event: Event) -> bytes:
    """An event as a server-sent one, with the cursor to come back with."""
    return f"id: {event.cursor}\n".encode() + sse_message(event.type, event.to_json())


def sse_message(kind: str, data: str) -> bytes:
    """One message; JSON without line breaks, which would end a field."""
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _parcel(encoded: Sequence[bytes], events: Sequence[Event]) -> Parcel:
    return Parcel(b"".join(encoded), events, events[-1].cursor or 0)
