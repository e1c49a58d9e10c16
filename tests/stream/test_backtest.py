"""Backtests tell what watching would have told, of several wordings at once, and more where nothing is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from r2model import R2Model
from stream.backtest import MAX_WORDINGS, Backtest, BacktestReport
from stream.engine import Engine
from stream.errors import ConfigError
from stream.query import Query
from stream.replay import observe_frames, replay_frames
from stream.session import StreamSession
from stream.types import Frame, Gap, Observation, Span
from tests.models import FRAME_INTERVAL_S, frames, random_model

BALL = Query("0", "a ball enters the goal", enter=0.5, exit=0.45, settle_s=1.0)
CAR = Query("1", "a red car drives from left to right", enter=0.5, exit=0.45, settle_s=1.0)


@pytest.fixture(scope="module")
def model() -> R2Model:
    """Finds moments in noise, and not everywhere."""
    return random_model(sure=0.5, window_frames=16)


def outcome_of(model: R2Model, queries: Sequence[Query], items: Sequence[Frame | Gap]) -> BacktestReport:
    backtest = Backtest("pitch", queries, FRAME_INTERVAL_S, model="random")
    backtest.feed(observe_frames(Engine(model), backtest.session, items))
    backtest.end()
    return backtest.report()


def observe(now_s: float, *spans: Span, query: str = "0") -> Observation:
    """The first `now_s` seconds, whose frames grow more salient one by one."""
    saliency = np.arange(int(now_s / FRAME_INTERVAL_S), dtype=np.float32)
    return Observation("pitch", query, 0, 0.0, now_s, 1000.0 + now_s, "arrival", spans, saliency)


def test_it_tells_what_watching_tells(model: R2Model) -> None:
    """Every moment that a replay reports, with its last boundaries, and the time of its first event."""
    items: list[Frame | Gap] = [*frames("pitch", range(60)), Gap("pitch", 1, "x"), *frames("pitch", range(20), epoch=1)]
    session = StreamSession("pitch", FRAME_INTERVAL_S, model="random")
    session.set_queries([BALL, CAR])
    events = list(replay_frames(Engine(model), session, items))
    last = {event.data.moment_id: event.data for event in events}
    first = {event.data.moment_id: event.time for event in reversed(events)}
    report = outcome_of(model, [BALL, CAR], items)
    fired = [fired for outcome in report.outcomes for fired in outcome.fired]
    assert last and {moment.moment.moment_id: moment.moment for moment in fired} == last
    assert {moment.moment.moment_id: moment.alert.time for moment in fired} == first
    assert report.frames == 80 and (report.stream, report.model, report.clock) == ("pitch", "random", "arrival")


def test_wordings_do_not_touch_each_other(model: R2Model) -> None:
    """Side by side they tell what each tells alone; the same sentence may be there twice, with other thresholds."""
    strict = Query("2", BALL.text, enter=0.9, exit=0.8)
    items = frames("pitch", range(40))
    together = outcome_of(model, [BALL, CAR, strict], items)
    alone = [outcome_of(model, [query], items) for query in (BALL, CAR, strict)]
    spans = [[(f.moment.start, f.moment.end) for f in outcome.fired] for outcome in together.outcomes]
    assert spans == [[(f.moment.start, f.moment.end) for f in report.outcomes[0].fired] for report in alone]
    assert together.outcomes[0].best == together.outcomes[2].best
    assert len(together.outcomes[2].fired) < len(together.outcomes[0].fired)


def test_the_alert_is_the_live_edge_of_the_first_report() -> None:
    """In media time and on the wall."""
    backtest = Backtest("pitch", [BALL], FRAME_INTERVAL_S, model="random")
    backtest.feed([observe(9.0), observe(10.5, Span(10.0, 10.5, 0.8)), observe(15.0, Span(10.0, 14.0, 0.9))])
    (fired,) = backtest.report().outcomes[0].fired
    assert (fired.alert.media_time_s, fired.alert.time) == (10.5, "1970-01-01T00:16:50.500Z")
    assert (fired.moment.start.media_time_s, fired.moment.end.media_time_s) == (10.0, 14.0)
    assert fired.moment.onset_to_alert_s == 0.5


def test_what_still_goes_on_has_no_end_until_the_recording_is_over() -> None:
    """A held window stops in the middle of things; a file does not."""
    backtest = Backtest("pitch", [BALL], FRAME_INTERVAL_S, model="random")
    backtest.feed([observe(9.0), observe(10.5, Span(10.0, 10.5, 0.8))])
    (fired,) = backtest.report().outcomes[0].fired
    assert (fired.moment.state, fired.moment.end.time) == ("open", None)
    backtest.end()
    (fired,) = backtest.report().outcomes[0].fired
    assert (fired.moment.state, fired.moment.end.media_time_s) == ("ended", 10.5)


def test_the_best_span_is_told_although_it_is_too_weak() -> None:
    """It says where the threshold would have to be."""
    backtest = Backtest("pitch", [BALL], FRAME_INTERVAL_S, model="random")
    backtest.feed([observe(9.0, Span(2.0, 4.0, 0.2)), observe(9.5, Span(2.0, 4.5, 0.4)), observe(10.0)])
    (outcome,) = backtest.report().outcomes
    assert outcome.fired == () and outcome.best is not None
    assert (outcome.best.start.media_time_s, outcome.best.end.media_time_s, outcome.best.score) == (2.0, 4.5, 0.4)


def test_each_frame_keeps_its_highest_saliency() -> None:
    """Over all looks that show it."""
    backtest = Backtest("pitch", [BALL], FRAME_INTERVAL_S, model="random")
    low = observe(1.5)
    backtest.feed([Observation(**{**vars(low), "saliency": np.array([7.0, 0.0, 0.0], np.float32)}), observe(2.0)])
    (outcome,) = backtest.report().outcomes
    assert [(frame.media_time_s, frame.peak) for frame in outcome.saliency] == [(0, 7), (0.5, 1), (1, 2), (1.5, 3)]


def test_a_query_is_tested_wherever_it_watches() -> None:
    """Also one that is switched off or belongs to another stream."""
    elsewhere = Query("0", BALL.text, streams=("road",), enabled=False)
    backtest = Backtest("pitch", [elsewhere], FRAME_INTERVAL_S, model="random")
    backtest.feed([observe(9.0), observe(10.5, Span(10.0, 10.5, 0.8))])
    assert len(backtest.report().outcomes[0].fired) == 1


def test_nothing_seen_is_a_report_too() -> None:
    """Without times."""
    report = Backtest("pitch", [BALL], FRAME_INTERVAL_S, model="random").report()
    assert (report.frames, report.clock, report.start.time, report.outcomes[0].best) == (0, None, None, None)


@pytest.mark.parametrize("count", [0, MAX_WORDINGS + 1])
def test_the_number_of_wordings_is_bounded(count: int) -> None:
    """Each costs time of the engine's."""
    queries = [Query(str(number), "a ball") for number in range(count)]
    with pytest.raises(ConfigError, match="1 to 16 wordings"):
        Backtest("pitch", queries, FRAME_INTERVAL_S, model="random")
