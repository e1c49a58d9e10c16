"""A real event log, a real server on loopback with a service behind it that keeps its state in memory, small videos,
and real servers of streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from stream.api import ApiOptions, ApiServer, QueryStatus, Readiness, StreamStatus, create_app
from stream.api.crowd import Crowds
from stream.api.protocol import ClipsStatus
from stream.backtest import Backtest, BacktestReport
from stream.clips.desk import ClipDesk
from stream.clips.folder import ClipFolder
from stream.clips.retention import Retention
from stream.clips.rings import Rings
from stream.clips.writer import ClipWriter
from stream.errors import ConflictError, NotFoundError
from stream.events import Event, Instant, MomentData, MomentEvent, rfc3339
from stream.metrics import Metrics
from stream.query import Query
from stream.reels.desk import ReelDesk
from stream.reels.maker import ReelMaker
from stream.reels.place import ReelPlace
from stream.settings import StreamSettings
from stream.sinks.settings import SinkSettings
from stream.sinks.sinks import Sinks
from stream.store import Store
from stream.types import Observation, Span
from tests.media import encode_video
from tests.servers import ServerProcess, gst_rtsp_server, gst_rtsp_server_is_missing, rtsp_folder_server

T = TypeVar("T")
EPOCH_S = 1_735_786_800.0


@dataclass
class MomentFactory:
    """Makes events of moments; each call a new moment unless one is named."""

    count: int = 0

    def __call__(self, kind: str = "started", **about: Any) -> MomentEvent:
        self.count += 1
        now_s = about.pop("time_s", None) or EPOCH_S + 20
        data: dict[str, Any] = {
            "moment_id": f"m{self.count}",
            "revision": 1,
            "state": "open" if kind in ("started", "updated") else kind,
            "stream": "pitch",
            "query": "goal",
            "text": "a player scores a goal",
            "score": 0.83,
            "start": Instant(time=rfc3339(EPOCH_S + 12), media_time_s=12.0, final=True),
            "end": Instant(time=None, media_time_s=None, final=False),
            "clock": "rtcp",
            "onset_to_alert_s": 4.1,
            "backfilled": False,
            "reason": None,
            "model": "demo",
            **about,
        }
        moment = MomentData.model_validate(data)
        return MomentEvent.model_validate(
            {
                "id": f"{moment.moment_id}.{moment.revision}",
                "source": f"/streams/{moment.stream}",
                "type": f"r2stream.moment.{kind}",
                "time": rfc3339(now_s),
                "data": moment,
            }
        )


@dataclass
class MemoryService:
    """The least that is a service: what the API adds is kept, and nothing watches anything."""

    store: Store
    clips_dir: Path
    metrics: Metrics = field(default_factory=Metrics)
    readiness: Readiness = field(default_factory=lambda: Readiness(True))
    stream_table: dict[str, StreamStatus] = field(default_factory=dict)
    query_table: dict[str, QueryStatus] = field(default_factory=dict)
    sink_settings: Mapping[str, SinkSettings] = field(default_factory=dict)
    crash: Exception | None = None

    def __post_init__(self) -> None:
        self.sinks = Sinks(self.sink_settings, self.store, self.metrics)
        self.rings = Rings(64 << 20)
        folder, kept = ClipFolder(self.clips_dir), Retention(1 << 30, 3600.0)
        self.clip_writer = ClipWriter(self.store, self.rings, folder, kept, self.metrics, lambda query: None)
        self.clips = ClipDesk(self.store, self.rings, folder, self.clip_writer)
        place = ReelPlace(folder)
        self.reel_maker = ReelMaker(self.store, self.clips, place, kept, self.metrics)
        self.reels = ReelDesk(self.store, place, self.reel_maker)

    def ready(self) -> Readiness:
        return self.readiness

    def streams(self) -> Sequence[StreamStatus]:
        if self.crash is not None:
            raise self.crash
        return list(self.stream_table.values())

    def stream(self, name: str) -> StreamStatus:
        return _known(self.stream_table, "stream", name)

    def add_stream(self, name: str, definition: Mapping[str, object]) -> StreamStatus:
        _refuse_taken(self.stream_table, "stream", name)
        return self._show(StreamSettings.parse(name, definition))

    def patch_stream(self, name: str, changes: Mapping[str, object]) -> StreamStatus:
        status = self.stream(name)
        definition = {"url": status.url, "transport": status.transport, "pace": status.pace, "enabled": status.enabled}
        return self._show(StreamSettings.parse(name, definition).patched(changes))

    def remove_stream(self, name: str) -> None:
        self.stream(name)
        del self.stream_table[name]

    def queries(self) -> Sequence[QueryStatus]:
        return list(self.query_table.values())

    def query(self, name: str) -> QueryStatus:
        return _known(self.query_table, "query", name)

    def add_query(self, name: str, definition: Mapping[str, object]) -> QueryStatus:
        _refuse_taken(self.query_table, "query", name)
        return self._keep(Query.parse(name, definition))

    def patch_query(self, name: str, changes: Mapping[str, object]) -> QueryStatus:
        return self._keep(self.query(name).query.patched(changes))

    def remove_query(self, name: str) -> None:
        self.query(name)
        del self.query_table[name]

    def test(self, stream: str, queries: Sequence[Query]) -> BacktestReport:
        """Each sees one span, 12 s to 14 s with score 0.8, in the first 16 s of the stream."""
        self.stream(stream)
        if self.crash is not None:
            raise self.crash
        backtest = Backtest(stream, queries, 0.5, model="demo")
        seen, saliency = Span(12.0, 14.0, 0.8), np.linspace(0.0, 1.0, 32, dtype=np.float32)
        for query in queries:
            now = Observation(stream, query.name, 0, 0.0, 16.0, EPOCH_S + 16, "arrival", (seen,), saliency)
            backtest.feed([now])
        return backtest.report()

    def _show(self, stream: StreamSettings) -> StreamStatus:
        since = datetime.fromtimestamp(EPOCH_S, UTC)
        status = StreamStatus(stream.name, stream.url, "offline", "No route to host.", since, 2, 7, "rtcp", 1.5)
        self.stream_table[stream.name] = replace(
            status,
            enabled=stream.enabled,
            transport=stream.transport,
            pace=stream.pace,
            clips=ClipsStatus("on", None, 12.5, 1000),
        )
        return self.stream_table[stream.name]

    def _keep(self, query: Query) -> QueryStatus:
        self.query_table[query.name] = QueryStatus(query, "watching" if query.enabled else "disabled", None, None)
        return self.query_table[query.name]


def _known(table: Mapping[str, T], kind: str, name: str) -> T:
    if name not in table:
        raise NotFoundError(f"there is no {kind} '{name}'")
    return table[name]


def _refuse_taken(table: Mapping[str, object], kind: str, name: str) -> None:
    if name in table:
        raise ConflictError(f"there is a {kind} '{name}' already; choose another name")


@dataclass
class Served:
    """A service, its server and its log."""

    service: MemoryService
    server: ApiServer

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def store(self) -> Store:
        return self.service.store

    def append(self, *events: Event) -> list[Event]:
        return self.store.append(list(events))


ServeFactory = Callable[..., Any]


@pytest.fixture
def moment() -> MomentFactory:
    """A factory of moment events."""
    return MomentFactory()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty event log on a real file."""
    store = Store(tmp_path / "events.sqlite3")
    yield store
    store.close()


@pytest.fixture
def serve(store: Store, tmp_path: Path) -> ServeFactory:
    """A server of a memory service with given options, as a context manager."""

    @contextmanager
    def run(
        port: int = 0, store: Store = store, sinks: Mapping[str, SinkSettings] | None = None, **options: Any
    ) -> Iterator[Served]:
        service = MemoryService(store, tmp_path / "clips", sink_settings=sinks or {})
        service.sinks.start()
        with ApiServer(create_app(service, ApiOptions(**options)), "127.0.0.1", port) as server:
            yield Served(service, server)
        service.sinks.stop()

    return run


@pytest.fixture(scope="session")
def default_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MemoryService, ApiServer]]:
    """One server for all tests that need no options: starting and stopping one each time would take longest of all."""
    folder = tmp_path_factory.mktemp("shared")
    store = Store(folder / "events.sqlite3")
    service = MemoryService(store, folder / "clips")
    with ApiServer(create_app(service), "127.0.0.1", 0) as server:
        yield service, server
    store.close()


@pytest.fixture
def shared_url(default_server: tuple[MemoryService, ApiServer]) -> str:
    """The address of a server for requests that change nothing."""
    return default_server[1].url


@pytest.fixture
def served(default_server: tuple[MemoryService, ApiServer], store: Store, tmp_path: Path) -> Iterator[Served]:
    """A server with the options that are the default, and a service of the test's own behind it."""
    shared_service, server = default_server
    service = MemoryService(store, tmp_path / "clips")
    state = server.app.state
    shared_crowds = state.crowds
    state.service, state.crowds = service, Crowds.of(service.store, service.metrics)
    yield Served(service, server)
    state.service, state.crowds = shared_service, shared_crowds


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something that another thread does has happened."""

    def wait(happened: Callable[[], bool], timeout_s: float = 20.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not happened():
            assert time.monotonic() < deadline_s, "waited in vain"
            threading.Event().wait(0.01)

    return wait


StartServer = Callable[[ServerProcess], ServerProcess]


@pytest.fixture(scope="session")
def h264_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of H.264, numbered pictures, a keyframe each second, no B-frames."""
    return encode_video(tmp_path_factory.mktemp("media") / "h264.mp4")


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts a server of streams, and stops it after the test, whatever happened to it in between."""
    started: list[ServerProcess] = []

    def start(server: ServerProcess) -> ServerProcess:
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def rtsp_server(h264_file: Path, start_server: StartServer) -> ServerProcess:
    """A running RTSP server that serves the folder of `h264_file`."""
    return start_server(rtsp_folder_server(h264_file.parent))


@pytest.fixture(scope="session")
def gst_missing() -> str:
    """Why gst-rtsp-server cannot be used here; empty when it can."""
    return gst_rtsp_server_is_missing()


@pytest.fixture
def start_gst_server(gst_missing: str, start_server: StartServer) -> Callable[..., ServerProcess]:
    """Starts gst-rtsp-server with given mounts; skips the test where it is not installed."""
    if gst_missing:
        pytest.skip(gst_missing)
    return lambda mounts, **credentials: start_server(gst_rtsp_server(mounts, **credentials))
