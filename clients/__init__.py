"""The Python client of r2stream: `from clients import Client`."""

from .client import Client
from .errors import ClientError
from .event_stream import EventStream
from .messages import (
    Clip,
    Event,
    EventPage,
    Instant,
    Moment,
    QueryChanges,
    QueryInfo,
    QueryOptions,
    Rolls,
    StreamChanges,
    StreamInfo,
    StreamOptions,
    Threshold,
)

__all__ = [
    "Client",
    "ClientError",
    "Clip",
    "Event",
    "EventPage",
    "EventStream",
    "Instant",
    "Moment",
    "QueryChanges",
    "QueryInfo",
    "QueryOptions",
    "Rolls",
    "StreamChanges",
    "StreamInfo",
    "StreamOptions",
    "Threshold",
]
