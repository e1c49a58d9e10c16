"""What the API needs from the service behind it, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from stream.backtest import BacktestReport
from stream.clips.packets import Container
from stream.events import ClipData, ReelData, ReelWish
from stream.metrics import Metrics
from stream.query import Query
from stream.sinks.status import SinkStatus
from stream.store import DeadLetter, Store
from stream.types import Clock

StreamState = Literal["connecting", "online", "stalled", "offline", "failed", "disabled"]
QueryState = Literal["watching", "waiting", "failed", "disabled"]


@dataclass(frozen=True)
class ClipsStatus:
    """Whether clips can be cut of a stream, and what is held to cut them from."""

    state: Literal["on", "off"]
    reason: str | None
    """Why none can be cut, and what to do about it; while on, why older video is not held on the disk as it should."""
    held_s: float = 0.0
    held_bytes: int = 0
    """In memory."""
    disk_bytes: int = 0


@dataclass(frozen=True)
class StreamStatus:
    """One stream and how it is doing."""

    name: str
    url: str
    """As it was given; the API hides the secrets in it."""
    state: StreamState
    reason: str | None
    """What is wrong and what to do about it; None while all is well. An online stream has one when the engine cannot
    keep up with it."""
    since: datetime | None
    """When the state was entered, with a time zone."""
    epoch: int | None
    """Number of the connection; None before the first."""
    frames: int
    """Frames taken since the service started."""
    clock: Clock | None
    frame_age_s: float | None
    """Seconds since the newest frame; None before the first."""
    enabled: bool = True
    transport: Literal["tcp", "udp"] | None = None
    pace: Literal["realtime", "fast"] = "realtime"
    clips: ClipsStatus = ClipsStatus("off", "The stream is not watched.")


@dataclass(frozen=True)
class QueryStatus:
    """One standing query and how it is doing."""

    query: Query
    state: QueryState
    reason: str | None
    since: datetime | None


@dataclass(frozen=True)
class Readiness:
    """Whether events can be expected; `reasons` says in sentences why not. `warnings` are no reason not to."""

    ready: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class SinksProtocol(Protocol):
    """The sinks of the service; the same rules as for its own methods."""

    def statuses(self) -> Sequence[SinkStatus]: ...

    def status(self, name: str) -> SinkStatus: ...

    def dead_letters(self, name: str, after: int, limit: int) -> Sequence[DeadLetter]:
        """Events that a sink gave up, after an id, oldest first."""
        ...

    def redeliver(self, name: str, ids: Sequence[int] | None) -> int:
        """Try dead letters again, once each (None: all of them); how many that will be."""
        ...


class DistantFile(Protocol):
    """A file that lies elsewhere, open for reading; until it is closed it is not removed. Its methods may wait for a
    network, though not for ever: not for the event loop. They raise NotFoundError and TargetError."""

    def size_bytes(self) -> int: ...

    def read(self, start: int, end: int) -> bytes:
        """The bytes `[start, end)`."""
        ...

    def close(self) -> None:
        """Never waits."""
        ...


class Clips(Protocol):
    """The clips of a service. Every method raises NotFoundError for a clip that is not there."""

    def get(self, clip_id: str) -> ClipData: ...

    def video(self, clip_id: str, container: Container) -> Path | DistantFile:
        """The file; raises ConflictError while it is not ready, NotFoundError when there is none and will be none."""
        ...

    def thumbnail(self, clip_id: str) -> Path | DistantFile:
        """The picture; raises as `video` does."""
        ...

    def preview(self, clip_id: str) -> Path | DistantFile:
        """The moving picture; raises as `video` does."""
        ...

    def request(self, stream: str, start: str | float, end: str | float) -> ClipData:
        """Cut a clip. Raises ConfigError and ConflictError."""
        ...


class Reels(Protocol):
    """The reels of a service. Methods that are given an id raise NotFoundError for one that is not there."""

    def request(self, wish: ReelWish) -> ReelData:
        """Make a reel. Raises ConflictError when too many wait."""
        ...

    def get(self, reel_id: str) -> ReelData: ...

    def newest(self, limit: int) -> Sequence[ReelData]:
        """Newest first, less those that were removed."""
        ...

    def video(self, reel_id: str, container: Container) -> Path | DistantFile:
        """The file; raises ConflictError while it is not ready, NotFoundError when there is none and will be none."""
        ...

    def remove(self, reel_id: str) -> None:
        """Raises ConflictError while it cannot be removed."""
        ...


class ServiceProtocol(Protocol):
    """The service. Its methods are synchronous, safe to call from any thread, and return within a second or so: the
    API calls them from worker threads. What they change is durable when they return.

    They raise `NotFoundError` for a name that is not there, `ConflictError` for one that is taken or that cannot be
    changed now, and `ConfigError` for a value that cannot be used.
    """

    @property
    def store(self) -> Store: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def sinks(self) -> SinksProtocol: ...

    @property
    def clips(self) -> Clips: ...

    @property
    def reels(self) -> Reels: ...

    def ready(self) -> Readiness: ...

    def streams(self) -> Sequence[StreamStatus]: ...

    def stream(self, name: str) -> StreamStatus: ...

    def add_stream(self, name: str, definition: Mapping[str, object]) -> StreamStatus:
        """`definition` is what `StreamSettings.parse` takes."""
        ...

    def patch_stream(self, name: str, changes: Mapping[str, object]) -> StreamStatus:
        """`changes` is what `StreamSettings.patched` takes."""
        ...

    def remove_stream(self, name: str) -> None: ...

    def queries(self) -> Sequence[QueryStatus]: ...

    def query(self, name: str) -> QueryStatus: ...

    def add_query(self, name: str, definition: Mapping[str, object]) -> QueryStatus:
        """`definition` is what `Query.parse` takes."""
        ...

    def patch_query(self, name: str, changes: Mapping[str, object]) -> QueryStatus:
        """`changes` is what `Query.patched` takes."""
        ...

    def remove_query(self, name: str) -> None: ...

    def test(self, stream: str, queries: Sequence[Query]) -> BacktestReport:
        """What these would have told of the window that the stream holds now; nobody is told and nothing is kept.

        Unlike the rest it may take some ten seconds. Raises `BacktestBusyError` while another one runs.
        """
        ...
