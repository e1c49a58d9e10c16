"""One stream, without a thread, a clock or a device: pictures in, frames out; observations in, events out.

The live service and the replay of a file drive this same class. Its two halves share no state and may run in two
threads: `wants` and `feed_picture` where pictures come from, everything else where observations come from. In between,
frames and gaps travel in their order to the engine, which hands back observations and the gaps among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream.events import MomentEvent, moment_event
from stream.lifecycle import EndReason
from stream.moment_update import MomentUpdate
from stream.query import Query
from stream.sampler import Sampler
from stream.tracker import Tracker
from stream.types import Frame, Gap, Observation, Picture

MAX_LAG_S = 60.0
"""A camera's clock further behind ours than this is wrong, not late."""


class StreamSession:
    """The sampler of one stream and a tracker for each query that watches it.

    `time_s`, where a method takes it, is the Unix time at which its events are emitted; a replay leaves it out, and
    the events carry the wall time of the newest frame instead.
    """

    def __init__(self, stream: str, frame_interval_s: float, *, model: str, namespace: str = "") -> None:
        """`model` is named in every event; `namespace` keeps the ids of two runs of a file apart."""
        self.stream = stream
        self.sampler = Sampler(stream, frame_interval_s)
        self.ignored_observations = 0
        """Observations of queries that are not watched: they were removed while the engine was at work."""
        self.cuts_clips = False
        """Whether there is anything to cut clips from; set before the first observation."""
        self._model = model
        self._namespace = namespace
        self._trackers: dict[str, Tracker] = {}
        self._wall_time_s = 0.0

    def wants(self, media_time_s: float, epoch: int | None = None) -> bool:
        """Whether a picture of that time would be taken: see `Sampler.wants`."""
        return self.sampler.wants(media_time_s, epoch)

    def feed_picture(self, picture: Picture) -> list[Frame | Gap]:
        """What one picture adds to the time axis: see `Sampler.feed`."""
        return self.sampler.feed(picture)

    @property
    def queries(self) -> Mapping[str, Query]:
        """The queries that watch this stream now, by name; a copy."""
        return {name: tracker.query for name, tracker in self._trackers.items()}

    def set_queries(self, queries: Sequence[Query], *, time_s: float | None = None) -> list[MomentEvent]:
        """Watch exactly those of `queries` that are on for this stream; moments of the others end.

        A query whose text changed is a new one. Other changes apply at once to moments that are not final.
        """
        wanted = {query.name: query for query in queries if query.watches(self.stream)}
        events: list[MomentEvent] = []
        for name, tracker in list(self._trackers.items()):
            query = wanted.get(name)
            if query is not None and query.text == tracker.query.text:
                tracker.query = query
            else:
                del self._trackers[name]
                reason: EndReason = "query_removed" if query is None else "query_changed"
                events += self._events(tracker, tracker.end(reason), time_s)
        for name, query in wanted.items():
            if name not in self._trackers:
                interval_s = self.sampler.frame_interval_s
                self._trackers[name] = Tracker(query, self.stream, interval_s, namespace=self._namespace)
        return events

    def feed_observations(
        self, observations: Sequence[Observation], *, time_s: float | None = None
    ) -> list[MomentEvent]:
        """What one tick, or several in their order, changes."""
        events: list[MomentEvent] = []
        for observation in observations:
            self._wall_time_s = observation.wall_time_s
            tracker = self._trackers.get(observation.query)
            if tracker is None:
                self.ignored_observations += 1
                continue
            updates = tracker.feed(observation, lag_s=_lag_s(observation, time_s))
            if updates:
                events += self._events(tracker, updates, time_s)
        return events

    def feed_gap(self, *, time_s: float | None = None) -> list[MomentEvent]:
        """The time axis breaks here: open moments end with reason `gap`, and watching goes on."""
        return self._end_all("gap", time_s)

    def close(self, reason: EndReason, *, time_s: float | None = None) -> list[MomentEvent]:
        """Watching this stream ends; the session may not be fed afterwards."""
        events = self._end_all(reason, time_s)
        self._trackers.clear()
        return events

    def _end_all(self, reason: EndReason, time_s: float | None) -> list[MomentEvent]:
        events: list[MomentEvent] = []
        for tracker in self._trackers.values():
            events += self._events(tracker, tracker.end(reason), time_s)
        return events

    def _events(self, tracker: Tracker, updates: list[MomentUpdate], time_s: float | None) -> list[MomentEvent]:
        emitted_s = self._wall_time_s if time_s is None else time_s
        query, clips = tracker.query, self.cuts_clips and tracker.query.clip is not None
        return [
            moment_event(update, text=query.text, model=self._model, time_s=emitted_s, with_clip=clips)
            for update in updates
        ]


def _lag_s(observation: Observation, time_s: float | None) -> float:
    """From the newest frame to the emission, where both clocks tell the same time."""
    if time_s is None or observation.clock == "file":
        return 0.0
    lag_s = time_s - observation.wall_time_s
    return lag_s if 0 <= lag_s <= MAX_LAG_S else 0.0
