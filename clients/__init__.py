"""The Python client of r2stream: `from clients import Client`."""

from .client import Client
from .errors import ClientError
from .event_stream import EventStream
from .messages import (
    DeadLetter,
    Event,
    EventPage,
    Instant,
    Moment,
    QueryChanges,
    QueryInfo,
    QueryOptions,
    SinkInfo,
    StreamChanges,
    StreamInfo,
    StreamOptions,
    Threshold,
)

__all__ = [
    "Client",
    "ClientError",
    "DeadLetter",
    "Event",
    "EventPage",
    "EventStream",
    "Instant",
    "Moment",
    "QueryChanges",
    "QueryInfo",
    "QueryOptions",
    "SinkInfo",
    "StreamChanges",
    "StreamInfo",
    "StreamOptions",
    "Threshold",
]
