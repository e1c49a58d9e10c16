"""An event becomes bytes in one place: what any websocket client understands, once for all, in bounded pieces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from stream.api.encoding import KEPT, Encoder, sse_event, websocket_event
from stream.api.line import BUFFER_BYTES
from stream.events import Event

if TYPE_CHECKING:
    from tests.conftest import MomentFactory


def logged(moment: MomentFactory, count: int, first: int = 1, **about: Any) -> list[Event]:
    return [moment(**about).with_cursor(cursor) for cursor in range(first, first + count)]


def understood(data: bytes) -> list[object]:
    """What a client hears."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    return [json.loads(bytes(frame.data)) for frame in client.events_received() if isinstance(frame, Frame)]


@pytest.mark.parametrize("length", [1, 400, 70_000])
def test_frames_are_messages(moment: MomentFactory, length: int) -> None:
    """Of any size, several behind each other, with any text."""
    events = logged(moment, 3, text="ü" * length)
    parcels = list(Encoder(websocket_event).parcels(events))
    heard = [message for parcel in parcels for message in understood(parcel.data)]
    assert heard == [json.loads(event.to_json()) for event in events]


def test_blocks_have_the_cursor_to_come_back_with(moment: MomentFactory) -> None:
    """And the type, and the same body."""
    (event,) = logged(moment, 1, first=7)
    assert sse_event(event) == f"id: 7\nevent: r2stream.moment.started\ndata: {event.to_json()}\n\n".encode()


def test_an_event_is_encoded_once(moment: MomentFactory) -> None:
    """Whoever asks for it, and with whichever others; the newest are remembered, and no more of them than that."""
    made: list[int | None] = []

    def encode(event: Event) -> bytes:
        made.append(event.cursor)
        return b"x"

    encoder = Encoder(encode)
    events = logged(moment, KEPT + 1)
    for some in (events[:10], events[5:10], events[::-1][-10:]):
        list(encoder.parcels(some))
    assert made == list(range(1, 11))
    list(encoder.parcels(events))
    list(encoder.parcels(events[:1]))
    assert made == [*range(1, KEPT + 2), 1]


def test_parcels_are_as_large_as_a_line_takes(moment: MomentFactory) -> None:
    """As many events together as fit, in order, each with the cursor of its last; one that does not fit goes alone."""
    lengths = [10, BUFFER_BYTES - 10, 1, BUFFER_BYTES + 1, 5, 5]
    encoder = Encoder(lambda event: bytes(lengths[(event.cursor or 0) - 1]))
    parcels = list(encoder.parcels(logged(moment, 6)))
    assert [len(parcel.events) for parcel in parcels] == [2, 1, 1, 2]
    assert [parcel.cursor for parcel in parcels] == [2, 3, 4, 6]
    assert list(encoder.parcels([])) == []
