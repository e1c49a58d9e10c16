"""Turns repeated, shifting groundings of one query on one stream into moments: provisional first, then final.

All time is media time and comes in with the data, so replaying a file gives the same moments as watching it live, and
nothing that happens later can change what was said before. `stream.lifecycle` holds the states, `stream.association`
decides which span is which moment; this file keeps the moments and says what changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from stream.association import Association, Known, Rules, associate, clip, overlap_s
from stream.lifecycle import FINAL, REASONS, Do, EndReason, EventKind, Sight, State, step
from stream.moment_update import MomentUpdate
from stream.query import Query
from stream.taken_time import TakenTime
from stream.types import Clock, Observation, Span

MATERIAL_SCORE = 0.1
"""A score that changed by more is told; boundaries are told when they moved by more than a frame."""

LOOKS_AT_THE_PAST = 2
"""Groundings in a row that must show a span which does not reach the live edge."""

_EPSILON_S = 1e-6
"""Sums of frame intervals are not exact."""


@dataclass
class _Moment:
    """A moment from its first report until it is final."""

    moment_id: str
    epoch: int
    clock: Clock
    wall_offset_s: float
    alerted_s: float
    backfilled: bool
    span: Span
    state: State = State.IDLE
    start_final: bool = False
    end_seen: bool = False
    seen_s: float = 0.0
    peak_score: float = 0.0
    peak: tuple[float, float] | None = None
    """The highest saliency of any of its frames, and when that frame begins."""
    revision: int = 0
    told: tuple[float, bool, float | None, float] = (0.0, False, None, 0.0)

    @property
    def length_s(self) -> float:
        return self.span.end_s - self.span.start_s

    @property
    def peak_s(self) -> float | None:
        """None where its boundaries have left it."""
        inside = self.peak is not None and self.span.start_s - _EPSILON_S <= self.peak[1] < self.span.end_s
        return self.peak[1] if inside and self.peak is not None else None

    @property
    def end_s(self) -> float | None:
        """None while the moment goes on at the live edge."""
        return self.span.end_s if self.state is not State.OPEN else None


class Tracker:
    """The moments of one query on one stream.

    Bounded: besides the reported moments it keeps the final spans that still touch the window or the cooldown.
    `query` may be replaced by one with the same text at any time.
    """

    def __init__(self, query: Query, stream: str, frame_interval_s: float, *, namespace: str = "") -> None:
        """`namespace` goes into the ids of moments: one value per run keeps replays of a file apart."""
        self.query = query
        self.stream = stream
        self.frame_interval_s = frame_interval_s
        self._namespace = namespace
        self._moments: list[_Moment] = []
        self._taken = TakenTime()
        self._pending: list[tuple[Span, int]] = []
        self._epoch: int | None = None
        self._now_s = 0.0
        self._first_look_s = math.inf
        self._created = 0

    @property
    def idle(self) -> bool:
        """Whether no moment is reported and not final."""
        return not self._moments

    def feed(self, observation: Observation, *, lag_s: float = 0.0) -> list[MomentUpdate]:
        """What one grounding changes; observations come in the order of time.

        `lag_s` is the time from the newest frame until its events can be sent; it counts into `onset_to_alert_s`.
        """
        updates = self._look(observation)
        seen = self._usable(observation)
        if not seen and not self._moments:  # most ticks of most queries
            self._pending.clear()
            return updates
        known = [Known(moment.span, moment.start_final) for moment in self._moments]
        rules = Rules(self.query.enter, self.query.exit, self.query.merge_gap_s)
        self._taken.follow(seen, observation.window_start_s, [moment.span for moment in self._moments])
        result = associate(known, seen, self._taken.visible(observation.window_start_s), rules)
        for moment, sight in self._sights(result, observation):
            updates += self._advance(moment, sight)
        for span in self._confirmed(result.new):
            if not self._taken.cools_down(span.start_s, self.query.cooldown_s):
                updates += self._open(span, observation, lag_s)
        self._moments = sorted((m for m in self._moments if m.state not in FINAL), key=lambda m: m.span.start_s)
        return updates

    def end(self, reason: EndReason) -> list[MomentUpdate]:
        """Watching ends or is interrupted: every reported moment becomes final."""
        updates: list[MomentUpdate] = []
        for moment in self._moments:
            too_short = moment.length_s < self.query.min_duration_s - _EPSILON_S
            updates += self._advance(moment, Sight.CUT_SHORT if too_short else Sight.CUT, reason)
        self._moments.clear()
        self._pending.clear()
        return updates

    def _look(self, observation: Observation) -> list[MomentUpdate]:
        """Take note of the time; a new epoch or time going back ends what was open."""
        updates: list[MomentUpdate] = []
        if self._epoch is not None and (observation.epoch != self._epoch or observation.now_s < self._now_s):
            updates = self.end("gap")
            self._taken.clear()
            self._first_look_s = math.inf
        self._epoch = observation.epoch
        self._now_s = observation.now_s
        if math.isinf(self._first_look_s):
            self._first_look_s = observation.now_s
        self._taken.forget_before(observation.window_start_s - self.query.cooldown_s)
        for moment in self._moments:
            moment.start_final = moment.start_final or moment.span.start_s < observation.window_start_s - _EPSILON_S
        return updates

    def _usable(self, observation: Observation) -> list[Span]:
        """Spans strong enough to matter, inside the window."""
        low_s, high_s = observation.window_start_s, observation.now_s
        parts = (clip(span, low_s, high_s) for span in observation.spans if span.score >= self.query.exit)
        return [part for part in parts if part is not None]

    def _sights(self, result: Association, observation: Observation) -> Iterator[tuple[_Moment, Sight]]:
        """Give each moment its new extent and say what is seen of it."""
        for index, moment in enumerate(self._moments):
            found = result.found[index]
            if index in result.swallowed:
                yield moment, Sight.SWALLOWED
            elif found is None:
                yield moment, self._sight_of_missing(moment)
            else:
                self._see(moment, found, observation)
                yield moment, self._sight(moment)

    def _see(self, moment: _Moment, span: Span, observation: Observation) -> None:
        moment.span = span
        peak = self._peak(span, observation)
        if peak is not None and (moment.peak is None or peak[0] > moment.peak[0]):
            moment.peak = peak
        moment.seen_s = self._now_s
        moment.peak_score = max(moment.peak_score, span.score)
        moment.end_seen = not self._at_edge(span)

    def _peak(self, span: Span, observation: Observation) -> tuple[float, float] | None:
        """The highest saliency inside the span, and when its frame begins; None when no frame lies inside."""
        begin = math.ceil((span.start_s - observation.window_start_s) / self.frame_interval_s - _EPSILON_S)
        end = math.ceil((span.end_s - observation.window_start_s) / self.frame_interval_s - _EPSILON_S)
        inside = observation.saliency[max(0, begin) : max(0, end)]
        if not inside.size:
            return None
        index = max(0, begin) + int(inside.argmax())
        return float(observation.saliency[index]), observation.window_start_s + index * self.frame_interval_s

    def _at_edge(self, span: Span) -> bool:
        return self._now_s - span.end_s <= self.frame_interval_s + _EPSILON_S

    @property
    def _hold_s(self) -> float:
        """A span that may still be merged keeps a moment from being final; it is seen once its first frame is over."""
        return max(self.query.settle_s, self.query.merge_gap_s + self.frame_interval_s)

    def _sight(self, moment: _Moment) -> Sight:
        """For a moment that was found in this grounding."""
        if moment.length_s > self.query.max_duration_s + _EPSILON_S:
            return Sight.TOO_LONG
        if self._at_edge(moment.span):
            return Sight.RUNNING
        settled = self._now_s - moment.span.end_s >= self._hold_s - _EPSILON_S
        too_short = moment.length_s < self.query.min_duration_s - _EPSILON_S
        if too_short and (settled or moment.state is State.IDLE):
            return Sight.TOO_SHORT
        return Sight.SETTLED if settled else Sight.END_SEEN

    def _sight_of_missing(self, moment: _Moment) -> Sight:
        if self._now_s - moment.seen_s < self._hold_s - _EPSILON_S:
            return Sight.MISSING
        if not (moment.end_seen or moment.start_final):
            return Sight.VANISHED
        too_short = moment.length_s < self.query.min_duration_s - _EPSILON_S
        return Sight.TOO_SHORT if too_short else Sight.LOST

    def _confirmed(self, new: tuple[Span, ...]) -> list[Span]:
        """Those of the new spans that enough groundings in a row have shown.

        A span at the live edge is news. One in the past was not there a grounding ago: another look costs little, and
        most such spans do not survive it. Only at the very first look may anything be in the past.
        """
        counted = [
            (span, 1 + max((count for old, count in self._pending if overlap_s(old, span) > 0), default=0))
            for span in new
        ]
        self._pending = []
        confirmed: list[Span] = []
        for span, count in counted:
            late = self._now_s > self._first_look_s and not self._at_edge(span)
            if count >= max(self.query.confirm_frames, LOOKS_AT_THE_PAST if late else 1):
                confirmed.append(span)
            else:
                self._pending.append((span, count))
        return confirmed

    def _open(self, span: Span, observation: Observation, lag_s: float) -> list[MomentUpdate]:
        moment = _Moment(
            moment_id=self._new_id(span, observation),
            epoch=observation.epoch,
            clock=observation.clock,
            wall_offset_s=observation.wall_time_s - observation.now_s,
            alerted_s=observation.now_s + lag_s,
            backfilled=span.start_s < self._first_look_s - self.frame_interval_s - _EPSILON_S,
            span=span,
        )
        self._see(moment, span, observation)
        updates = self._advance(moment, self._sight(moment))
        if updates:
            self._moments.append(moment)
        return updates

    def _new_id(self, span: Span, observation: Observation) -> str:
        self._created += 1
        place = (self._namespace, self.stream, self.query.name, observation.epoch, self._created)
        when = (round(observation.wall_time_s, 3), round(span.start_s, 3))
        return blake2b(repr((place, when)).encode(), digest_size=10).hexdigest()

    def _advance(self, moment: _Moment, sight: Sight, cut: EndReason = "completed") -> list[MomentUpdate]:
        """Take one step of the table and tell what it says."""
        moment.state, do = step(moment.state, sight)
        if do is Do.NOTHING or (do is Do.UPDATE and not self._is_material(moment)):
            return []
        if do is Do.UPDATE:
            return [self._tell(moment, "updated")]
        if do is Do.START:
            return [self._tell(moment, "started")]
        if do is Do.RETRACT:
            return [self._tell(moment, "retracted", REASONS.get(sight, cut))]
        return self._finish(moment, sight, do, cut)

    def _finish(self, moment: _Moment, sight: Sight, do: Do, cut: EndReason) -> list[MomentUpdate]:
        """The moment ends here, and its time is taken for ever."""
        updates: list[MomentUpdate] = []
        span = moment.span
        if sight is Sight.TOO_LONG:
            moment.span = span = Span(span.start_s, span.start_s + self.query.max_duration_s, span.score)
        if do is Do.START_AND_END:
            moment.state = State.ENDING
            updates.append(self._tell(moment, "started"))
            moment.state = State.ENDED
        moment.span = Span(span.start_s, span.end_s, moment.peak_score)
        self._taken.add(moment.span, overlong=sight is Sight.TOO_LONG)
        return [*updates, self._tell(moment, "ended", REASONS.get(sight, cut))]

    def _is_material(self, moment: _Moment) -> bool:
        start_s, start_final, end_s, score = moment.told
        ends = (moment.end_s, end_s)
        return (
            moment.start_final != start_final
            or abs(moment.span.start_s - start_s) > self.frame_interval_s + _EPSILON_S
            or (ends[0] is None) != (ends[1] is None)
            or abs((ends[0] or 0.0) - (ends[1] or 0.0)) > self.frame_interval_s + _EPSILON_S
            or abs(moment.span.score - score) > MATERIAL_SCORE + 1e-9
        )

    def _tell(self, moment: _Moment, kind: EventKind, reason: EndReason | None = None) -> MomentUpdate:
        moment.revision += 1
        moment.told = (moment.span.start_s, moment.start_final, moment.end_s, moment.span.score)
        final = moment.state in FINAL
        onset_to_alert_s = max(0.0, moment.alerted_s - moment.span.start_s)
        return MomentUpdate(
            kind=kind,
            moment_id=moment.moment_id,
            revision=moment.revision,
            state=moment.state,
            stream=self.stream,
            query=self.query.name,
            epoch=moment.epoch,
            start_s=moment.span.start_s,
            start_final=final or moment.start_final,
            end_s=moment.end_s,
            end_final=final,
            score=moment.span.score,
            peak_score=moment.peak_score,
            wall_offset_s=moment.wall_offset_s,
            clock=moment.clock,
            now_s=self._now_s,
            onset_to_alert_s=None if moment.backfilled else onset_to_alert_s,
            backfilled=moment.backfilled,
            reason=reason,
            peak_s=moment.peak_s,
        )
