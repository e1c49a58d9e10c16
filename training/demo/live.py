"""How good the live answers were: recall by a deadline, delay and false alarms of trackers over what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream.query import Query
from stream.tracker import Tracker
from training.demo.observe import Case

DEADLINE_S = 4.0
"""A moment must be reported, with boundaries that fit, this long after it has ended."""
MATCH_IOU = 0.5


@dataclass(frozen=True)
class LiveScore:
    """Counts over many cases; rates are derived."""

    moments: int
    found: int
    """Moments that some report overlaps with IoU >= 0.5 at the deadline."""
    alarms_absent: int
    """Alerts (`started`) of queries whose answer never came, retracted ones included."""
    retracted_absent: int
    hours_absent: float
    delays_s: tuple[float, ...]
    """Onset to first alert, of the moments found."""

    @property
    def recall(self) -> float:
        """Percent of moments found by the deadline."""
        return 100 * self.found / max(1, self.moments)

    @property
    def alarms_per_hour(self) -> float:
        """False alarms per hour that an absent query is watched."""
        return self.alarms_absent / max(self.hours_absent, 1e-9)

    @property
    def median_delay_s(self) -> float:
        """Median onset to alert."""
        return sorted(self.delays_s)[len(self.delays_s) // 2] if self.delays_s else float("nan")


@dataclass
class _Report:
    """What a listener believes about one moment."""

    start_s: float
    end_s: float
    alerted_s: float


def score_live(cases: Sequence[Case], query: Query) -> LiveScore:
    """Run a tracker with `query`'s settings over each case and compare with the truth."""
    moments = found = alarms = retracted = 0
    hours, delays = 0.0, list[float]()
    for case in cases:
        outcome = _follow(case, query)
        if case.truth:
            last_s = case.observations[-1].now_s
            due = [span for span in case.truth if span[1] + DEADLINE_S <= last_s]
            hits = [delay for span in due if (delay := outcome.delay_of(span)) is not None]
            moments, found = moments + len(due), found + len(hits)
            delays += hits
        else:
            alarms, retracted = alarms + outcome.alarms, retracted + outcome.retracted
            hours += case.observations[-1].now_s / 3600
    return LiveScore(moments, found, alarms, retracted, hours, tuple(delays))


@dataclass
class _Outcome:
    alarms: int
    retracted: int
    beliefs: list[tuple[float, dict[str, _Report]]]
    """What was believed from each time on."""

    def delay_of(self, span: tuple[float, float]) -> float | None:
        """Onset to alert of the report that fits `span` at its deadline; None when none does."""
        believed: dict[str, _Report] = {}
        for time_s, reports in self.beliefs:
            if time_s > span[1] + DEADLINE_S + 1e-6:
                break
            believed = reports
        fits = [r for r in believed.values() if _iou((r.start_s, r.end_s), span) >= MATCH_IOU]
        return max(0.0, min(r.alerted_s for r in fits) - span[0]) if fits else None


def _follow(case: Case, query: Query) -> _Outcome:
    tracker = Tracker(query, "programme", case.observations[0].now_s)
    outcome, reports = _Outcome(0, 0, []), dict[str, _Report]()
    for observation in case.observations:
        updates = tracker.feed(observation)
        for update in updates:
            if update.kind == "retracted":
                outcome.retracted += 1
                reports = {k: r for k, r in reports.items() if k != update.moment_id}
                continue
            outcome.alarms += update.kind == "started"
            alerted_s = reports[update.moment_id].alerted_s if update.moment_id in reports else update.now_s
            end_s = update.now_s if update.end_s is None else update.end_s
            reports = {**reports, update.moment_id: _Report(update.start_s, end_s, alerted_s)}
        if updates:
            outcome.beliefs.append((observation.now_s, reports))
    return outcome


def _iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    overlap = min(a[1], b[1]) - max(a[0], b[0])
    return overlap / (max(a[1], b[1]) - min(a[0], b[0])) if overlap > 0 else 0.0
