"""Try sentences on what a stream has just shown, before watching for them. A plain function, run in a worker thread.

Only windows that streams hold can be tested here: a server must not open files and addresses that clients name.
`r2stream test` does that on the user's own machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field

from stream.api.bodies import Body, Duration, Name, Threshold, ThresholdView
from stream.api.context import ServiceDep
from stream.api.problems import responses
from stream.backtest import MAX_WORDINGS, BacktestReport, BestSpan, Fired, FramePeak, Outcome
from stream.errors import ConfigError
from stream.events import Instant, MomentState, Score
from stream.lifecycle import EndReason
from stream.query import MAX_TEXT_LENGTH, Query
from stream.types import Clock

router = APIRouter(prefix="/v1", responses=responses(401, 422, 500, 503))

Text = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]


class Wording(Body):
    """A sentence, and what of a query's settings differs from the defaults."""

    text: Text
    threshold: Threshold | None = None
    min_duration: Duration = None
    max_duration: Duration = None
    merge_gap: Duration = None
    cooldown: Duration = None
    settle: Duration = None
    confirm_frames: int | None = Field(None, ge=1)


class NewBacktest(Body):
    """What to test: `texts`, or `queries` where settings matter."""

    stream: Name
    texts: list[Text] | None = Field(None, min_length=1, max_length=MAX_WORDINGS)
    queries: list[Wording] | None = Field(None, min_length=1, max_length=MAX_WORDINGS)


class FiredView(BaseModel):
    """A moment that would have been told, as it was known in the end."""

    state: MomentState
    score: Score
    start: Instant
    end: Instant
    alert: Instant = Field(description="the live edge when it was told first")
    onset_to_alert_s: float | None
    reason: EndReason | None

    @classmethod
    def of(cls, fired: Fired) -> Self:
        """What the API shows of a moment."""
        moment = fired.moment.model_dump(include=set(cls.model_fields))
        return cls.model_validate({**moment, "alert": fired.alert})


class BestView(BaseModel):
    """The strongest span that any look has shown, whatever the thresholds."""

    start: Instant
    end: Instant
    score: float

    @classmethod
    def of(cls, best: BestSpan) -> Self:
        """What the API shows of a span."""
        return cls.model_validate(vars(best))


class FramePeakView(BaseModel):
    """The highest saliency that any look has given to one frame."""

    epoch: int
    media_time_s: float
    peak: float

    @classmethod
    def of(cls, peak: FramePeak) -> Self:
        """What the API shows of a frame."""
        return cls.model_validate(vars(peak))


class OutcomeView(BaseModel):
    """What one wording would have told."""

    text: str
    threshold: ThresholdView
    moments: list[FiredView]
    best: BestView | None
    saliency: list[FramePeakView]

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """What the API shows of a wording."""
        return cls(
            text=outcome.query.text,
            threshold=ThresholdView(enter=outcome.query.enter, exit=outcome.query.exit),
            moments=[FiredView.of(fired) for fired in outcome.fired],
            best=None if outcome.best is None else BestView.of(outcome.best),
            saliency=[FramePeakView.of(peak) for peak in outcome.saliency],
        )


class BacktestView(BaseModel):
    """Several wordings side by side, in the order in which they were sent."""

    stream: str
    model: str
    clock: Clock | None
    frames: int
    start: Instant
    end: Instant
    outcomes: list[OutcomeView]

    @classmethod
    def of(cls, report: BacktestReport) -> Self:
        """What the API shows of a report."""
        outcomes = [OutcomeView.of(outcome) for outcome in report.outcomes]
        return cls.model_validate({**vars(report), "outcomes": outcomes})


@router.post("/queries:test", tags=["queries"], responses=responses(404, 409, 413, 415))
def test_queries(body: NewBacktest, service: ServiceDep) -> BacktestView:
    """What these sentences would have told of the window that a stream holds now. Nobody is told, nothing is kept."""
    if (body.texts is None) == (body.queries is None):
        raise ConfigError("give either texts or queries", path="queries", code="missing_key")
    if body.queries is not None:
        return BacktestView.of(service.test(body.stream, _queries([wording.given() for wording in body.queries])))
    with _as_texts():
        return BacktestView.of(service.test(body.stream, _queries(body.texts or [])))


def _queries(wordings: Sequence[object]) -> list[Query]:
    """Named after their place, so that errors say `queries.0.text`. Raises ConfigError."""
    return [Query.parse(str(place), wording) for place, wording in enumerate(wordings)]


@contextmanager
def _as_texts() -> Iterator[None]:
    """Errors name the place in the request: `texts.0`."""
    try:
        yield
    except ConfigError as error:
        path = error.path.removesuffix(".text").replace("queries", "texts", 1)
        raise ConfigError(error.problem, path=path, code=error.code) from error
