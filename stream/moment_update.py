"""What the tracker says about a moment, once per revision."""

from __future__ import annotations

from dataclasses import dataclass

from stream.lifecycle import EndReason, EventKind, State
from stream.types import Clock


@dataclass(frozen=True)
class MomentUpdate:
    """One revision of one moment. Times are media time; add `wall_offset_s` for Unix seconds."""

    kind: EventKind
    moment_id: str
    revision: int
    """1 for `started`, then one more each time."""
    state: State
    stream: str
    query: str
    epoch: int
    start_s: float
    start_final: bool
    end_s: float | None
    """None while the moment goes on at the live edge."""
    end_final: bool
    score: float
    """The newest score while the moment lasts, the highest once it has ended."""
    peak_score: float
    wall_offset_s: float
    """Taken when the moment started, so that its wall times never contradict each other."""
    clock: Clock
    now_s: float
    """Media time of the live edge when this was said."""
    onset_to_alert_s: float | None
    """From the moment's start to the first report of it; None when it began before anyone watched."""
    backfilled: bool
    """It began before the query's first look at this stream."""
    reason: EndReason | None
    """Why the moment is final; None while it is not."""
    peak_s: float | None = None
    """When its frame of the highest saliency begins, of all looks at it; None when that lies outside by now."""
