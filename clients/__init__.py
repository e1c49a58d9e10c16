"""The Python client of r2stream: `from clients import Client`."""

from .backtest import Backtest, BestSpan, Fired, FramePeak, Outcome, Wording
from .client import Client
from .cuts import Cut, CutOptions, EdlOptions
from .errors import ClientError
from .event_stream import EventStream
from .events import DeadLetter, Event, EventPage
from .messages import (
    Clip,
    Instant,
    Moment,
    QueryChanges,
    QueryInfo,
    QueryOptions,
    Rolls,
    SinkInfo,
    StreamChanges,
    StreamInfo,
    StreamOptions,
    Threshold,
)
from .reels import Reel, ReelChapter, ReelOptions

__all__ = [
    "Backtest",
    "BestSpan",
    "Client",
    "ClientError",
    "Clip",
    "Cut",
    "CutOptions",
    "DeadLetter",
    "EdlOptions",
    "Event",
    "EventPage",
    "EventStream",
    "Fired",
    "FramePeak",
    "Instant",
    "Moment",
    "Outcome",
    "QueryChanges",
    "QueryInfo",
    "QueryOptions",
    "Reel",
    "ReelChapter",
    "ReelOptions",
    "Rolls",
    "SinkInfo",
    "StreamChanges",
    "StreamInfo",
    "StreamOptions",
    "Threshold",
    "Wording",
]
