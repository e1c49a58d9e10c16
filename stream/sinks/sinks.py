"""All sinks of one service: started, told what is watched, and asked how they are doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from stream.errors import ConflictError, NotFoundError
from stream.metrics import Metrics
from stream.query import Query
from stream.sinks.delivery import Delivery
from stream.sinks.mqtt_sink import MqttSink
from stream.sinks.outlet import Sink
from stream.sinks.settings import SinkSettings, WebhookSettings, check_deliver
from stream.sinks.status import SinkStatus
from stream.sinks.thread import SinkThread
from stream.sinks.watched import Watched
from stream.sinks.webhook import WebhookSink
from stream.store import DeadLetter, Store

FINISH_S: Final = 2.0
"""How long sinks may take to deliver the last events when the service stops; the rest comes after the next start."""
CANCEL_S: Final = 2.0

_SWITCHED_OFF: Final = "The sink is switched off; set enabled to true to deliver what the log holds after its cursor."


class Sinks:
    """The sinks of the settings file. All methods may be called from any thread."""

    def __init__(
        self,
        settings: Mapping[str, SinkSettings],
        store: Store,
        metrics: Metrics,
        wall_time_s: Callable[[], float] = time.time,
    ) -> None:
        """Keeps the place of each sink from now on. Raises StoreError."""
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._wall_time_s = wall_time_s
        self._created_s = wall_time_s()
        self._watched = Watched()
        self._started = False
        store.sinks.keep(list(settings), store.latest_cursor())
        # Replaced as a whole on every change, so that readers in other threads need no lock.
        self._threads: Mapping[str, SinkThread] = MappingProxyType(self._new_threads(settings.values()))

    @property
    def settings(self) -> Mapping[str, SinkSettings]:
        """Those of each sink by name."""
        return self._settings

    @property
    def names(self) -> Sequence[str]:
        return list(self._settings)

    def start(self) -> None:
        """Deliver from now on."""
        self._started = True
        for thread in self._threads.values():
            thread.start()

    def differing(self, settings: Mapping[str, SinkSettings]) -> frozenset[str]:
        """Names of those that would be new, gone, or defined otherwise."""
        names = settings.keys() | self._settings.keys()
        return frozenset(name for name in names if settings.get(name) != self._settings.get(name))

    def apply(self, settings: Mapping[str, SinkSettings]) -> None:
        """Go on with these: one that is defined otherwise ends and begins anew at its place, one that is new begins
        with the next event, one that is gone is forgotten, and none of the others notices.

        One thread at a time. Raises StoreError: nothing has changed then, or what has ended begins with the next call.
        """
        other = self.differing(settings)
        if not other:
            return
        self._store.sinks.keep(list(settings), self._store.latest_cursor())
        going_on = {name: thread for name, thread in self._threads.items() if name not in other}
        for late in _end([thread for name, thread in self._threads.items() if name in other]):
            late.delivery.abandon()
        for name in other:
            self._metrics.forget_sink(name)
        self._threads = MappingProxyType(going_on)
        self._settings = {name: sink for name, sink in self._settings.items() if name not in other}
        threads = self._new_threads(sink for name, sink in settings.items() if name in other)
        for thread in threads.values():
            thread.delivery.watch(self._watched)
            if self._started:
                thread.start()
        self._settings, self._threads = settings, MappingProxyType({**going_on, **threads})

    def stop(self) -> bool:
        """End, after what can be delivered soon; says whether all ended in time. Safe to call twice."""
        return not _end(list(self._threads.values()))

    def watch(self, streams: Iterable[str], queries: Iterable[Query]) -> None:
        """Tell the sinks what is watched now."""
        self._watched = self._watched.changed(streams, queries)
        for thread in self._threads.values():
            thread.delivery.watch(self._watched)
            thread.call(thread.delivery.wake)

    def check(self, query: Query) -> None:
        """Raises ConfigError when a query names a sink that is not there."""
        check_deliver(query, self.names)

    def statuses(self) -> Sequence[SinkStatus]:
        return [self.status(name) for name in self._settings]

    def status(self, name: str) -> SinkStatus:
        """Raises NotFoundError and StoreError."""
        sink, thread = self._known(name), self._threads.get(name)
        if thread is None:
            cursor, delivered_at_s = self._store.sinks.place(name)
        else:
            cursor, delivered_at_s = thread.delivery.cursor, thread.delivery.delivered_at_s
        return SinkStatus(
            name=name,
            type=sink.type,
            state="disabled" if thread is None else thread.delivery.state,
            reason=_SWITCHED_OFF if thread is None else thread.delivery.reason,
            since=_time(self._created_s if thread is None else thread.delivery.since_s),
            cursor=cursor,
            lag=max(0, self._store.latest_cursor() - cursor),
            last_delivery=None if delivered_at_s is None else _time(delivered_at_s),
            dead_letters=self._store.sinks.count(name),
        )

    def dead_letters(self, name: str, after: int, limit: int) -> Sequence[DeadLetter]:
        """Events that a sink gave up, oldest first. Raises NotFoundError and StoreError."""
        self._known(name)
        return self._store.sinks.dead_letters(name, after, limit)

    def redeliver(self, name: str, ids: Sequence[int] | None) -> int:
        """Try dead letters again, once each (None: all of them); how many. Raises NotFoundError and ConflictError."""
        self._known(name)
        thread = self._threads.get(name)
        if thread is None:
            raise ConflictError(f"the sink '{name}' is switched off; set enabled to true in the settings file")
        count = self._store.sinks.ask(name, ids)
        thread.delivery.redeliver()
        thread.call(lambda: thread.delivery.wake(hurry=True))
        return count

    def _new_threads(self, settings: Iterable[SinkSettings]) -> dict[str, SinkThread]:
        """For those that are switched on, each at its place. Raises StoreError."""
        threads = {}
        for sink in settings:
            if sink.enabled:
                made = _make(sink, self._store)
                delivery = Delivery(sink.name, made, self._store, self._metrics, wall_time_s=self._wall_time_s)
                self._metrics.delivery_queue.labels(sink.name).set_function(_lag(delivery, self._store))
                threads[sink.name] = SinkThread(delivery)
        return threads

    def _known(self, name: str) -> SinkSettings:
        try:
            return self._settings[name]
        except KeyError:
            raise NotFoundError(f"there is no sink '{name}'") from None


def _end(threads: Sequence[SinkThread]) -> list[SinkThread]:
    """End some, after what can be delivered soon; those that have not ended in time."""
    for thread in threads:
        thread.call(thread.delivery.finish)
    deadline_s = time.monotonic() + FINISH_S
    late = [thread for thread in threads if not thread.join(max(0.0, deadline_s - time.monotonic()))]
    deadline_s = time.monotonic() + CANCEL_S
    return [thread for thread in late if not thread.join(max(0.1, deadline_s - time.monotonic()), cancel=True)]


def _make(settings: SinkSettings, store: Store) -> Sink:
    if isinstance(settings, WebhookSettings):
        return WebhookSink(settings)
    return MqttSink(settings, store.unfinished_moments)


def _lag(delivery: Delivery, store: Store) -> Callable[[], float]:
    return lambda: max(0, store.latest_cursor() - delivery.cursor)


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
