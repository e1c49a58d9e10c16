"""Another settings file while the service runs: what it defines anew is watched, and nothing else is touched.

A stream whose definition is equal keeps its connection and its window; a query whose text is equal keeps its moments.
What the API added stays, but for a name that the file now takes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from stream.definitions import Defined, Definition, Definitions
from stream.errors import ConfigError
from stream.live_settings import LiveParts, for_a_restart, taken_up
from stream.metrics import Metrics
from stream.query import Query
from stream.runner import StreamRunner
from stream.settings import Settings, StreamSettings
from stream.watching import Watching

Unusable = MutableMapping[tuple[Literal["stream", "query"], str], str]
D = TypeVar("D", bound=Defined)


@dataclass(frozen=True)
class _Plan:
    """What another file changes; all of it has been tried."""

    streams: Mapping[str, Definition[StreamSettings]]
    queries: Mapping[str, Definition[Query]]
    other_streams: frozenset[str]
    """Names of those that are new, gone, or defined otherwise."""
    other_queries: frozenset[str]
    runners: Mapping[str, StreamRunner]
    """For streams that are new or defined otherwise, switched off or not."""
    unusable: Unusable


class Reconfiguration:
    """Applies settings to what runs. One thread at a time; `warnings` may be read from any."""

    def __init__(
        self,
        settings: Settings,
        streams: Definitions[StreamSettings],
        queries: Definitions[Query],
        unusable: Unusable,
        watching: Watching,
        parts: LiveParts,
        metrics: Metrics,
    ) -> None:
        """`settings` are those that the service was started with; `unusable` is kept up to date."""
        self._started_with = self._settings = settings
        self._streams = streams
        self._queries = queries
        self._unusable = unusable
        self._watching = watching
        self._parts = parts
        self._metrics = metrics
        self._refused: tuple[str, ...] = ()
        self._waiting: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What about the settings file should be looked at, in sentences without secrets; empty when all is well."""
        return (*self._refused, *self._waiting)

    def refuse(self, place: str) -> None:
        """The file cannot be used as it is; what was there before goes on."""
        self._metrics.settings_refused.set(1)
        where = f" ({place})" if place else ""
        self._refused = (f"The settings file cannot be used as it is now{where}; the settings before it hold.",)

    def apply(self, settings: Settings) -> Sequence[str]:
        """Go on with these; says in words what changed.

        Raises:
            ConfigError: they cannot be used; nothing has changed then.
            EngineBusyError, StoreError: they cannot be applied now; to be tried again.
        """
        plan = self._plan(settings)
        sinks, other_sinks = self._parts.sinks.names, self._parts.sinks.differing(settings.sinks)
        self._parts.apply(settings)
        self._metrics.settings_refused.set(0)
        self._refused = ()
        changes = [
            *_in_words("stream", self._streams.names, plan.streams.keys(), plan.other_streams),
            *_in_words("query", self._queries.names, plan.queries.keys(), plan.other_queries),
            *_in_words("sink", sinks, settings.sinks, other_sinks),
            *(f"{key} changed" for key in taken_up(self._settings, settings)),
        ]
        self._take(settings, plan)
        self._settings = settings
        waiting = self._for_a_restart(settings)
        news = () if waiting == self._waiting else waiting
        self._waiting = waiting
        return [*changes, *news]

    def _plan(self, settings: Settings) -> _Plan:
        streams, queries = self._streams.merge(settings.streams), self._queries.merge(settings.queries)
        other_streams, other_queries = _differing(self._streams, streams), _differing(self._queries, queries)
        unusable: Unusable = {
            (kind, name): problem
            for (kind, name), problem in self._unusable.items()
            if name not in (other_streams if kind == "stream" else other_queries)
        }
        for name in other_queries & queries.keys():
            try:
                self._watching.check_text(queries[name].value)
            except ConfigError as error:
                if name in settings.queries:
                    raise
                unusable["query", name] = error.problem
        runners = {}
        for name in other_streams & streams.keys():
            try:
                runners[name] = self._watching.runner_for(streams[name].value)
            except ConfigError as error:
                if name in settings.streams:
                    raise ConfigError(error.problem, path=f"streams.{name}.url", code=error.code) from error
                unusable["stream", name] = error.problem
        return _Plan(streams, queries, other_streams, other_queries, runners, unusable)

    def _take(self, settings: Settings, plan: _Plan) -> None:
        self._streams.take(settings.streams, plan.streams)
        self._queries.take(settings.queries, plan.queries)
        self._unusable.clear()
        self._unusable.update(plan.unusable)
        if not plan.other_streams and not plan.other_queries:
            return
        for name in plan.other_streams:
            goes_on = name in plan.runners and plan.runners[name].settings.enabled
            self._watching.unwatch(name, "gap" if goes_on else "stream_removed")
        usable = [query for query in self._queries.all() if ("query", query.name) not in self._unusable]
        self._watching.apply(usable)
        for runner in plan.runners.values():
            if runner.settings.enabled:
                self._watching.watch(runner, usable)
        for name in plan.other_streams - plan.streams.keys():
            self._metrics.forget_stream(name)
        for name in plan.other_queries - plan.queries.keys():
            self._metrics.forget_query(name)

    def _for_a_restart(self, settings: Settings) -> tuple[str, ...]:
        fixed = for_a_restart(self._started_with, settings)
        sentence = f"Changed in the settings file, and used after a restart of r2stream: {', '.join(fixed)}."
        return (sentence,) if fixed else ()


def _differing(before: Definitions[D], after: Mapping[str, Definition[D]]) -> frozenset[str]:
    """Names that are new, gone, or defined otherwise."""
    known = {entry.value.name: entry.value for entry in before.entries()}
    values = {name: entry.value for name, entry in after.items()}
    return frozenset(name for name in known.keys() | values.keys() if known.get(name) != values.get(name))


def _in_words(kind: str, before: Collection[str], after: Collection[str], differing: Collection[str]) -> list[str]:
    words = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    return [f"{kind} '{name}' {words[name in before, name in after]}" for name in sorted(differing)]
