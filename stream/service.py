"""The service: what is defined, by the settings file and by the API, is watched, and says how it is doing.

Ways of the data, each a thread: pictures go from a source to the engine (`runner`), observations from the engine to the
recorder (`engine_thread`), events from the recorder to the log (`recorder`), from where every sink reads them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, Literal, Self

from stream.api.protocol import Clips, QueryStatus, Readiness, Reels, StreamStatus
from stream.backtest import BacktestReport
from stream.clips.clocks import Clocks
from stream.clips.desk import ClipDesk
from stream.clips.folder import ClipFolder
from stream.clips.overflow import Overflow
from stream.clips.protocols import check_installed
from stream.clips.remote import RemoteFolder
from stream.clips.retention import Retention
from stream.clips.rings import Rings
from stream.clips.uploads import Uploads
from stream.clips.writer import ClipWriter
from stream.data_dir import lock_data_dir, open_store
from stream.definitions import Definition, Definitions
from stream.engine import Engine, load_engine
from stream.errors import ConfigError
from stream.live_settings import LiveParts
from stream.metrics import Metrics
from stream.query import Query, Rolls
from stream.reconfiguration import Reconfiguration
from stream.reels.desk import ReelDesk
from stream.reels.maker import ReelMaker
from stream.reels.place import ReelPlace
from stream.settings import Settings, StreamSettings
from stream.sinks.sinks import Sinks
from stream.status import query_status, unwatched_stream
from stream.store import FileLock, Store
from stream.watching import Watching

DISK_STOP_S: Final = 2.0
"""How long the end waits for the disk to take back what it holds of rings."""

_log = logging.getLogger(__name__)


class Service:
    """One running r2stream, less its API: `with Service.open(settings) as service: …`.

    Implements `stream.api.protocol.ServiceProtocol`. Methods may be called from any thread; those that change
    something run one after the other.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        store: Store,
        lock: FileLock | None = None,
        *,
        wall_time_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes over `engine`, `store` and the `lock` of the data directory: `stop` gives them back."""
        self.settings = settings
        self._store = store
        self._lock = lock
        self._metrics = Metrics()
        self._metrics.build_info.info({"version": version("r2stream"), "model": engine.name})
        self._overflow = Overflow(settings.packets_dir, settings.clips.disk_per_stream)
        rings = Rings(settings.clips.memory_per_stream, monotonic_s, self._overflow)
        files = Retention(settings.clips.max_bytes, settings.clips.max_age_s)
        self._watching = Watching(engine, store, self._metrics, rings, wall_time_s, monotonic_s)
        self._sinks = Sinks(settings.sinks, store, self._metrics, wall_time_s)
        self._streams = Definitions("stream", settings.streams, store.streams, StreamSettings.parse, wall_time_s)
        self._queries = Definitions("query", settings.queries, store.queries, Query.parse, wall_time_s)
        self._make_clips(rings, files, Clocks(wall_time_s, monotonic_s))
        self._unusable: dict[tuple[Literal["stream", "query"], str], str] = {}
        parts = LiveParts(store, self._sinks, rings, files)
        self._reconfiguration = Reconfiguration(
            settings, self._streams, self._queries, self._unusable, self._watching, parts, self._metrics
        )
        self._changing = threading.RLock()
        self._stopped = False

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Load the model and open the event log.

        Raises:
            ConfigError: what clips.folder needs is not installed.
            StoreError: the data directory or the database cannot be used, or another r2stream uses it.
            ModelError: the model cannot be used.
        """
        if settings.clips.address:
            check_installed(settings.clips.address, "clips.folder")
        with ExitStack() as opened:
            lock = lock_data_dir(settings)
            opened.callback(lock.release)
            store = open_store(settings)
            opened.callback(store.close)
            service = cls(settings, load_engine(settings.model, device=settings.device), store, lock)
            opened.pop_all()
            return service

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def store(self) -> Store:
        return self._store

    @property
    def metrics(self) -> Metrics:
        return self._metrics

    @property
    def sinks(self) -> Sinks:
        return self._sinks

    @property
    def clips(self) -> Clips:
        return self._clips

    @property
    def reels(self) -> Reels:
        return self._reels

    def start(self) -> None:
        """Watch everything that is defined; returns at once, while sources connect.

        Raises:
            ConfigError: a stream or a query of the settings file cannot be used; nothing runs then.
        """
        with self._changing:
            self._overflow.start()
            self._watching.start()
            self._clip_writer.start()
            self._reel_maker.start()
            try:
                self._sinks.start()
                self._begin()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> bool:
        """End everything, open moments with reason `shutdown`; says whether all ended in time. May be called twice."""
        with self._changing:
            if self._stopped:
                return True
            self._stopped = True
            # The clips of what has ended just now come last, and sinks still hear of them.
            ended = self._reel_maker.stop() & self._watching.stop() & self._clip_writer.stop()
            ended = self._overflow.stop(DISK_STOP_S) and ended
            ended = self._sinks.stop() and ended
            self._store.close()
            if self._lock is not None:
                self._lock.release()
            return ended

    def settle(self, timeout_s: float) -> bool:
        """Wait until all frames that came so far are looked at and what they say is logged; says whether in time."""
        return self._watching.settle(timeout_s)

    def ready(self) -> Readiness:
        problems = self._watching.problems
        return Readiness(not problems, problems, self._reconfiguration.warnings)

    def apply_settings(self, settings: Settings) -> Sequence[str]:
        """Go on with another settings file, touching only what differs; says what did.

        Raises:
            ConfigError: something in it cannot be used; nothing has changed then.
            EngineBusyError, StoreError: it cannot be applied now.
        """
        with self._changing:
            if self._stopped:
                return ()
            other_sinks = self._sinks.differing(settings.sinks)
            changes = self._reconfiguration.apply(settings)
            self._tell_sinks()
            for query in self._queries.all() if other_sinks else ():
                self._warn_of_missing_sinks(query)
            return changes

    def refuse_settings(self, place: str) -> None:
        """Note that the settings file cannot be used as it is now; `place` says where, and holds nothing of it."""
        self._reconfiguration.refuse(place)

    def streams(self) -> Sequence[StreamStatus]:
        return [self._stream_status(definition) for definition in self._streams.entries()]

    def stream(self, name: str) -> StreamStatus:
        return self._stream_status(self._streams.entry(name))

    def add_stream(self, name: str, definition: Mapping[str, object]) -> StreamStatus:
        with self._changing:
            self._streams.refuse_taken(name)
            return self._set_stream(StreamSettings.parse(name, definition))

    def patch_stream(self, name: str, changes: Mapping[str, object]) -> StreamStatus:
        with self._changing:
            before = self._streams.changeable(name)
            after = before.patched(changes)
            return self.stream(name) if after == before else self._set_stream(after)

    def remove_stream(self, name: str) -> None:
        with self._changing:
            self._streams.changeable(name)
            self._streams.delete(name)
            self._unusable.pop(("stream", name), None)
            self._watching.unwatch(name, "stream_removed")
            self._tell_sinks()
            self._metrics.forget_stream(name)

    def queries(self) -> Sequence[QueryStatus]:
        return [self._query_status(definition) for definition in self._queries.entries()]

    def query(self, name: str) -> QueryStatus:
        return self._query_status(self._queries.entry(name))

    def add_query(self, name: str, definition: Mapping[str, object]) -> QueryStatus:
        with self._changing:
            self._queries.refuse_taken(name)
            return self._set_query(Query.parse(name, definition))

    def patch_query(self, name: str, changes: Mapping[str, object]) -> QueryStatus:
        with self._changing:
            return self._set_query(self._queries.changeable(name).patched(changes))

    def remove_query(self, name: str) -> None:
        with self._changing:
            self._queries.changeable(name)
            self._queries.delete(name)
            self._unusable.pop(("query", name), None)
            self._watching.apply(self._usable_queries())
            self._tell_sinks()
            self._metrics.forget_query(name)

    def test(self, stream: str, queries: Sequence[Query]) -> BacktestReport:
        self._streams.entry(stream)
        return self._watching.test(stream, queries)

    def _make_clips(self, rings: Rings, retention: Retention, clocks: Clocks) -> None:
        settings, folder = self.settings.clips, ClipFolder(self.settings.clips_dir)
        remote = RemoteFolder(settings.address, settings.options) if settings.address else None
        uploads = Uploads(folder, remote, self._metrics) if remote else None
        writer = ClipWriter(self._store, rings, folder, retention, self._metrics, self._rolls, clocks, uploads)
        clips = ClipDesk(self._store, rings, remote or folder, writer, clocks)
        place = ReelPlace(folder, remote)
        schedules = list(self.settings.reels.values())
        maker = ReelMaker(self._store, clips, place, retention, self._metrics, schedules, clocks)
        self._clip_writer, self._clips = writer, clips
        self._reel_maker, self._reels = maker, ReelDesk(self._store, place, maker)

    def _rolls(self, query: str) -> Rolls | None:
        return next((defined.clip for defined in self._queries.all() if defined.name == query), None)

    def _set_stream(self, stream: StreamSettings) -> StreamStatus:
        """Checked first, then kept, then watched: what cannot be a source changes nothing."""
        runner = self._watching.runner_for(stream)
        self._streams.save(stream)
        self._unusable.pop(("stream", stream.name), None)
        self._tell_sinks()
        self._watching.unwatch(stream.name, "gap" if stream.enabled else "stream_removed")
        if stream.enabled:
            self._watching.watch(runner, self._usable_queries())
        return self.stream(stream.name)

    def _set_query(self, query: Query) -> QueryStatus:
        self._watching.check_text(query)
        self._sinks.check(query)
        self._queries.save(query)
        self._unusable.pop(("query", query.name), None)
        self._tell_sinks()
        self._watching.apply(self._usable_queries())
        return self.query(query.name)

    def _usable_queries(self) -> list[Query]:
        return [query for query in self._queries.all() if ("query", query.name) not in self._unusable]

    def _tell_sinks(self) -> None:
        self._sinks.watch(self._streams.names, self._queries.all())

    def _warn_of_missing_sinks(self, query: Query) -> None:
        try:
            self._sinks.check(query)
        except ConfigError as error:
            # Its other sinks, and the clients of the API, still want to hear of it.
            _log.warning("%s", error)

    def _begin(self) -> None:
        """Watch all that is defined. Raises ConfigError when a definition of the settings file cannot be used."""
        self._tell_sinks()
        for query in self._queries.all():
            self._warn_of_missing_sinks(query)
            with self._excused("query", query.name, self._queries):
                self._watching.check_text(query)
        for stream in self._streams.all():
            with self._excused("stream", stream.name, self._streams):
                runner = self._watching.runner_for(stream)
                if stream.enabled:
                    self._watching.watch(runner, self._usable_queries())

    @contextmanager
    def _excused(self, kind: Literal["stream", "query"], name: str, definitions: Definitions[Any]) -> Iterator[None]:
        """What the API took once, under another model or version, must not keep the service from starting."""
        try:
            yield
        except ConfigError as error:
            if definitions.is_from_file(name):
                raise
            _log.warning("the %s '%s' cannot be used: %s", kind, name, error)
            self._unusable[kind, name] = error.problem

    def _stream_status(self, definition: Definition[StreamSettings]) -> StreamStatus:
        name = definition.value.name
        runner = self._watching.runners.get(name)
        return unwatched_stream(definition, self._unusable.get(("stream", name))) if runner is None else runner.status()

    def _query_status(self, definition: Definition[Query]) -> QueryStatus:
        query = definition.value
        watched = [runner.status() for runner in self._watching.runners.values() if query.watches(runner.name)]
        return query_status(definition, self._unusable.get(("query", query.name)), watched, self._streams.names)
