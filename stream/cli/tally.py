"""Compares what was reported with what is known to have happened: found, missed, false. No clock, no I/O.

A happening is *found* when, at most `DEADLINE_S` after it ended, a moment with both ends lies on it with an
intersection over union of `MIN_IOU` or more. A final moment that lies on no happening is *false*. One moment counts per
happening.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

Truth = Callable[[str, float, float], Sequence[tuple[float, float]]]
"""When what a sentence says happens at least partly within `[start_s, end_s)`."""

Verdict = Literal["open", "found", "late", "false", "withdrawn"]
"""`open` while a moment may still change; `late` when it was right, but after the deadline."""

MIN_IOU: Final = 0.5
DEADLINE_S: Final = 4.0
REACH_S: Final = 120.0
"""How far around a moment happenings are looked for; nothing in the programme lasts as long."""
LATENCIES_KEPT: Final = 1000
"""The median is taken over this many newest ones; the oldest goes when there are more."""


@dataclass(frozen=True)
class Report:
    """What one event says about a moment; times are programme time."""

    moment_id: str
    query: str
    start_s: float
    end_s: float | None
    """None while it goes on."""
    alert_s: float
    """When the event arrived."""
    final: bool = False
    retracted: bool = False

    @property
    def span(self) -> tuple[float, float]:
        """Both ends; empty while the moment goes on."""
        return (self.start_s, self.start_s if self.end_s is None else self.end_s)


@dataclass(frozen=True)
class Happening:
    """One thing that happened, and the moment that counts as its report."""

    query: str
    start_s: float
    end_s: float
    moment_id: str | None = None
    missed: bool = False

    @property
    def span(self) -> tuple[float, float]:
        """Both ends."""
        return (self.start_s, self.end_s)


@dataclass(frozen=True)
class Score:
    """The running tally. `late` are among the missed."""

    found: int
    missed: int
    late: int
    false: int
    withdrawn: int
    onset_to_alert_s: float | None
    """Median, over what was found, from the true start to the arrival of the first event."""


def iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans."""
    shared_s = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared_s / max(a[1] - a[0] + b[1] - b[0] - shared_s, 1e-9)


@dataclass
class _Moment:
    report: Report
    first_alert_s: float
    verdict: Verdict = "open"


class Tally:
    """Fed with reports as they come and with the time as it goes by; everything it says follows from these alone.

    Args:
        truth: What is known to happen.
        queries: The text of each query by its name.
        begin_s: Programme time when watching began; what started earlier does not count.
    """

    def __init__(self, truth: Truth, queries: Mapping[str, str], begin_s: float = 0.0) -> None:
        self._truth = truth
        self._queries = dict(queries)
        self._begin_s = self._now_s = begin_s
        self._forgotten_s = -math.inf
        self._moments: dict[str, _Moment] = {}
        self._happenings: dict[tuple[str, float, float], Happening] = {}
        self._count: Counter[tuple[str, str]] = Counter()  # by query, and verdict or "missed"
        self._latencies_s: deque[tuple[str, float]] = deque(maxlen=LATENCIES_KEPT)

    def report(self, report: Report) -> Verdict:
        """Take in one event; the verdict on its moment as it is now."""
        moment = self._moments.setdefault(report.moment_id, _Moment(report, report.alert_s))
        moment.report = report
        self._look(report.query, report.start_s - REACH_S, report.start_s + REACH_S)
        if moment.verdict == "open" and (report.final or report.retracted):
            self._judge(moment)
        return moment.verdict

    def advance(self, now_s: float) -> list[Happening]:
        """Let programme time reach `now_s`; the happenings that this decides, because their deadline has come."""
        for query in self._queries:
            self._look(query, self._now_s, now_s)
        self._now_s = max(self._now_s, now_s)
        undecided = [h for h in self._happenings.values() if not h.missed and h.moment_id is None]
        due = sorted((h for h in undecided if h.end_s + DEADLINE_S <= now_s), key=lambda h: h.end_s)
        decided = [self._decide(happening) for happening in due]
        self._forget(now_s - 2 * REACH_S)
        return decided

    def verdict(self, moment_id: str) -> Verdict:
        """The verdict on a moment that was reported lately. Raises KeyError for any other."""
        return self._moments[moment_id].verdict

    def happening_of(self, moment_id: str) -> Happening | None:
        """What truly happened where this moment lies: what it found, else what it overlaps most."""
        report = self._moments[moment_id].report
        found = [h for h in self._happenings.values() if h.moment_id == moment_id]
        near = [h for h in self._of(report.query) if h.start_s < report.span[1] + 1 and h.end_s > report.start_s - 1]
        return found[0] if found else max(near, key=lambda h: iou(report.span, h.span), default=None)

    def score(self, query: str | None = None) -> Score:
        """The tally so far, of one query or of all."""
        wanted = self._queries if query is None else (query,)
        waited_s = [waited_s for name, waited_s in self._latencies_s if name in wanted]

        def count(what: str) -> int:
            return sum(self._count[name, what] for name in wanted)

        return Score(
            found=count("found"),
            missed=count("missed"),
            late=count("late"),
            false=count("false"),
            withdrawn=count("withdrawn"),
            onset_to_alert_s=median(waited_s) if waited_s else None,
        )

    def _of(self, query: str) -> list[Happening]:
        return [h for h in self._happenings.values() if h.query == query]

    def _look(self, query: str, from_s: float, until_s: float) -> None:
        """Get to know what happens in a stretch of time."""
        for span in self._truth(self._queries[query], max(self._begin_s, from_s), until_s):
            if span[0] >= self._begin_s and span[1] >= self._forgotten_s:
                self._happenings.setdefault((query, *span), Happening(query, *span))

    def _judge(self, moment: _Moment) -> None:
        """Decide on a moment that will not change any more."""
        report = moment.report
        best = max(self._of(report.query), key=lambda h: iou(report.span, h.span), default=None)
        if report.retracted:
            self._give(moment, "withdrawn")
        elif best is None or iou(report.span, best.span) < MIN_IOU or best.moment_id is not None:
            self._give(moment, "false")  # nothing is there, or it has been reported by another moment
        elif best.missed or report.alert_s > best.end_s + DEADLINE_S:
            self._give(moment, "late")
        else:
            self._credit(best, moment)

    def _decide(self, happening: Happening) -> Happening:
        """Decide on a happening whose deadline has come."""
        open_ = [m for m in self._moments.values() if m.verdict == "open" and m.report.query == happening.query]
        best = max(open_, key=lambda m: iou(m.report.span, happening.span), default=None)
        if best is not None and iou(best.report.span, happening.span) >= MIN_IOU:
            return self._credit(happening, best)
        self._count[happening.query, "missed"] += 1
        return self._keep(replace(happening, missed=True))

    def _credit(self, happening: Happening, moment: _Moment) -> Happening:
        self._give(moment, "found")
        self._latencies_s.append((happening.query, moment.first_alert_s - happening.start_s))
        return self._keep(replace(happening, moment_id=moment.report.moment_id))

    def _give(self, moment: _Moment, verdict: Verdict) -> None:
        moment.verdict = verdict
        self._count[moment.report.query, verdict] += 1

    def _keep(self, happening: Happening) -> Happening:
        self._happenings[happening.query, happening.start_s, happening.end_s] = happening
        return happening

    def _forget(self, before_s: float) -> None:
        """Drop what nobody will ask for any more, so that a tally can run for ever."""
        self._forgotten_s = max(self._forgotten_s, before_s)
        self._happenings = {key: h for key, h in self._happenings.items() if h.end_s >= before_s}
        self._moments = {name: m for name, m in self._moments.items() if m.report.alert_s >= before_s}
