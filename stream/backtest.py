"""What sentences would have told, had they been watched: from observations to a report, by way of the same trackers.

Nothing here has a thread, a clock or a device, and nothing is logged. `stream.backtester` feeds it with the window that
a live stream holds, `stream.cli.testing` with a recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from stream.errors import ConfigError
from stream.events import Instant, MomentData, MomentEvent, rfc3339
from stream.query import Query
from stream.session import StreamSession
from stream.types import Clock, Gap, Observation, Span

MAX_WORDINGS: Final = 16
"""Sentences of one backtest: enough to compare wordings, and few enough that live streams hardly notice."""


@dataclass(frozen=True)
class Fired:
    """A moment that would have been told, as it was known in the end; a retracted one was told and withdrawn."""

    moment: MomentData
    alert: Instant
    """The live edge when it was told first."""


@dataclass(frozen=True)
class BestSpan:
    """The strongest span that any look has shown, whatever the thresholds: where to set them."""

    start: Instant
    end: Instant
    score: float


@dataclass(frozen=True)
class FramePeak:
    """The highest saliency that any look has given to one frame."""

    epoch: int
    media_time_s: float
    """Where the frame starts."""
    peak: float


@dataclass(frozen=True)
class Outcome:
    """What one wording would have told."""

    query: Query
    fired: tuple[Fired, ...]
    """In the order of their alerts."""
    best: BestSpan | None
    saliency: tuple[FramePeak, ...]
    """Every frame, in the order of time."""


@dataclass(frozen=True)
class BacktestReport:
    """Several wordings side by side, over the same frames."""

    stream: str
    model: str
    clock: Clock | None
    frames: int
    start: Instant
    end: Instant
    outcomes: tuple[Outcome, ...]


@dataclass
class _Tally:
    """What is known of one wording so far."""

    query: Query
    fired: dict[str, Fired] = field(default_factory=dict)
    best: BestSpan | None = None
    peaks: dict[tuple[int, int], FramePeak] = field(default_factory=dict)


class Backtest:
    """One stream, some wordings. Takes memory for each frame and wording, some hundred bytes."""

    def __init__(self, stream: str, queries: Sequence[Query], frame_interval_s: float, *, model: str) -> None:
        """`queries` have different names; their `streams` and `enabled` do not matter.

        Raises:
            ConfigError: there are none, or too many.
        """
        if not 1 <= len(queries) <= MAX_WORDINGS:
            raise ConfigError(f"give 1 to {MAX_WORDINGS} wordings, not {len(queries)}", path="queries")
        armed = [replace(query, streams=(), enabled=True) for query in queries]
        self.session = StreamSession(stream, frame_interval_s, model=model)
        """Takes the pictures of a recording; observations go to `feed`, which hands them on."""
        self.session.set_queries(armed)
        self._model = model
        self._tallies = {query.name: _Tally(query) for query in armed}
        self._frames = 0
        self._first: Observation | None = None
        self._newest: Observation | None = None

    @property
    def texts(self) -> dict[str, str]:
        """The sentences, by query name."""
        return {name: tally.query.text for name, tally in self._tallies.items()}

    def feed(self, results: Iterable[Observation | Gap]) -> None:
        """What the engine says, in its order."""
        for result in results:
            if isinstance(result, Gap):
                self._take(self.session.feed_gap())
            else:
                self._look(result)
                self._take(self.session.feed_observations([result]))

    def end(self) -> None:
        """The recording is over: what is still going on ends here."""
        self._take(self.session.feed_gap())

    def report(self) -> BacktestReport:
        """What is known now; moments that still go on have no end."""
        first, newest = self._first, self._newest
        return BacktestReport(
            stream=self.session.stream,
            model=self._model,
            clock=None if newest is None else newest.clock,
            frames=self._frames,
            start=_UNKNOWN if first is None else _instant(first, first.window_start_s),
            end=_UNKNOWN if newest is None else _instant(newest, newest.now_s),
            outcomes=tuple(
                Outcome(
                    query=tally.query,
                    fired=tuple(tally.fired.values()),
                    best=tally.best,
                    saliency=tuple(tally.peaks[place] for place in sorted(tally.peaks)),
                )
                for tally in self._tallies.values()
            ),
        )

    def _look(self, seen: Observation) -> None:
        before = self._newest
        if before is None or (before.epoch, before.now_s) != (seen.epoch, seen.now_s):
            self._frames += 1
        self._first, self._newest = self._first or seen, seen
        tally = self._tallies[seen.query]
        for span in seen.spans[:1]:  # best first
            if tally.best is None or span.score > tally.best.score:
                tally.best = _best(seen, span)
        interval_s = self.session.sampler.frame_interval_s
        for index, saliency in enumerate(seen.saliency.tolist()):
            media_time_s = seen.window_start_s + index * interval_s
            place = (seen.epoch, round(media_time_s / interval_s))
            known = tally.peaks.get(place)
            if known is None or saliency > known.peak:
                tally.peaks[place] = FramePeak(seen.epoch, round(media_time_s, 3), round(saliency, 4))

    def _take(self, events: Iterable[MomentEvent]) -> None:
        for event in events:
            fired = self._tallies[event.data.query].fired
            known = fired.get(event.data.moment_id)
            newest = self._newest
            assert newest is not None, "a moment was told before anything was seen"
            alert = _instant(newest, newest.now_s) if known is None else known.alert
            fired[event.data.moment_id] = Fired(event.data, alert)


_UNKNOWN: Final = Instant(time=None, media_time_s=None, final=False)


def _best(seen: Observation, span: Span) -> BestSpan:
    return BestSpan(_instant(seen, span.start_s), _instant(seen, span.end_s), round(span.score, 4))


def _instant(seen: Observation, media_time_s: float) -> Instant:
    time = rfc3339(seen.wall_time_s + media_time_s - seen.now_s)
    return Instant(time=time, media_time_s=round(media_time_s, 3), final=True)
