"""What the demo shows, as plain values: a row for each moment and each miss, beside the truth. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from clients import Event, Moment
from stream.cli.tally import Happening, Report, Tally, Truth, Verdict

ROWS_KEPT: Final = 60
"""Rows that a tall terminal could show; older ones go."""

_NOW_S: Final = 0.04
"""How long now is: one picture."""

RowVerdict = Literal[Verdict, "missed"]


@dataclass(frozen=True)
class Row:
    """One line: what was reported, and what truly happened. All times are programme time, in seconds."""

    at_s: float
    """When the newest news of it arrived."""
    stream: str
    query: str
    span: tuple[float, float | None] | None
    """As reported; None when it was missed."""
    truth: tuple[float, float] | None
    verdict: RowVerdict
    score: float | None = None
    alert_after_s: float | None = None
    """From the onset to the first event: the true onset once that is known to belong to it, else the reported one."""


class Board:
    """Events and time go in, rows come out."""

    def __init__(self, truth: Truth, queries: Mapping[str, str], stream: str) -> None:
        self.queries = dict(queries)
        self.stream = stream
        self.tally = Tally(truth, queries)
        self._truth = truth
        self.now_s = 0.0
        self._zero_s: float | None = None
        self._rows: dict[str, Row] = {}
        self._first_alert_s: dict[str, float] = {}

    @property
    def rows(self) -> list[Row]:
        """The newest `ROWS_KEPT`, in the order in which they first appeared."""
        return list(self._rows.values())

    def going_on(self, query: str) -> bool:
        """Whether a moment of this query is open now."""
        return any(row.query == query and row.span is not None and row.span[1] is None for row in self.rows)

    def happening(self, query: str) -> bool:
        """Whether it truly happens now."""
        return self._zero_s is not None and bool(self._truth(self.queries[query], self.now_s, self.now_s + _NOW_S))

    def take(self, event: Event, arrived_s: float) -> Row | None:
        """Take in an event that arrived at that Unix time; the row it makes or changes, if it is about a moment."""
        moment = event.moment
        if moment is None:
            if event.kind == "stream.online" and self._zero_s is None:
                self._zero_s = event.time.timestamp()
            return None
        if moment.start.time is None or moment.start.media_time_s is None:
            return None
        self._zero_s = moment.start.time.timestamp() - moment.start.media_time_s
        report = _report(moment, moment.start.media_time_s, arrived_s - self._zero_s)
        self._first_alert_s.setdefault(report.moment_id, report.alert_s)
        self.tally.report(report)
        row = Row(
            at_s=report.alert_s,
            stream=moment.stream,
            query=moment.query,
            span=(report.start_s, report.end_s),
            truth=None,
            verdict="open",
            score=moment.score,
            alert_after_s=moment.onset_to_alert_s,
        )
        row = self._compared(report.moment_id, row)
        if row.verdict == "late" and row.truth is not None:
            # One row tells both: it was missed, and then it came.
            self._rows.pop(_missed_key(row.query, row.truth), None)
        return self._put(report.moment_id, row)

    def advance(self, wall_time_s: float) -> list[Row]:
        """Let time go by, up to that Unix time; the rows of what has been missed by that."""
        if self._zero_s is None:
            return []
        self.now_s = max(self.now_s, wall_time_s - self._zero_s)
        missed = []
        for happening in self.tally.advance(self.now_s):
            if happening.moment_id in self._rows:
                row = self._rows[happening.moment_id]
                self._rows[happening.moment_id] = self._compared(happening.moment_id, row)
            elif happening.missed and not self._shows_late(happening):
                missed.append(self._put(_missed_key(happening.query, happening.span), self._missed(happening)))
        return missed

    def _shows_late(self, happening: Happening) -> bool:
        rows = self._rows.values()
        return any((row.verdict, row.query, row.truth) == ("late", happening.query, happening.span) for row in rows)

    def _missed(self, happening: Happening) -> Row:
        return Row(self.now_s, self.stream, happening.query, span=None, truth=happening.span, verdict="missed")

    def _compared(self, moment_id: str, row: Row) -> Row:
        """The row with what is known by now about the truth beside it."""
        happening = self.tally.happening_of(moment_id)
        verdict = self.tally.verdict(moment_id)
        alert_after_s = row.alert_after_s
        if happening is not None and happening.moment_id == moment_id:
            alert_after_s = self._first_alert_s[moment_id] - happening.start_s
        truth = None if happening is None else happening.span
        return replace(row, truth=truth, verdict=verdict, alert_after_s=alert_after_s)

    def _put(self, key: str, row: Row) -> Row:
        self._rows[key] = row
        while len(self._rows) > ROWS_KEPT:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._first_alert_s.pop(oldest, None)
        return row


def _missed_key(query: str, truth: tuple[float, float]) -> str:
    return f"missed {query} {truth}"


def _report(moment: Moment, start_s: float, alert_s: float) -> Report:
    return Report(
        moment_id=moment.moment_id,
        query=moment.query,
        start_s=start_s,
        end_s=moment.end.media_time_s,
        alert_s=alert_s,
        final=moment.state == "ended",
        retracted=moment.state == "retracted",
    )
