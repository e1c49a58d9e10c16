"""Backtests beside live streams: what they find, that nobody notices them, and their bounds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from r2model import R2Model
from stream.backtest import Backtest
from stream.backtester import Backtester
from stream.engine import Engine
from stream.engine_thread import EngineThread, Outlets, Result
from stream.errors import BacktestBusyError, ConfigError, ConflictError, EngineBusyError
from stream.metrics import Metrics
from stream.query import Query
from stream.replay import observe_frames
from stream.types import Observation
from tests.models import FRAME_INTERVAL_S, WINDOW_FRAMES, frames, random_model

BALL = Query("0", "a ball enters the goal", enter=0.5, exit=0.45)
CAR = Query("1", "a red car drives from left to right", enter=0.5, exit=0.45)
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module", params=[False, True], ids=["cached", "rerun"])
def model(request: pytest.FixtureRequest) -> R2Model:
    """Both forms of a window."""
    return random_model(sure=0.5, use_tef=request.param)


class Bench:
    """An engine's thread that watches two streams for one sentence, and a backtester beside it."""

    def __init__(self, model: R2Model, **options: Any) -> None:
        self.metrics = Metrics()
        self.results: list[Result] = []
        self.thread = EngineThread(
            Engine(model, name="random"),
            Outlets(self.results.extend, lambda stream, reason: None),
            self.metrics,
            frames_per_stream=100,
        )
        self.checked: list[str] = []
        self.tester = Backtester(self.thread, self.metrics, self._check, model="random", **options)

    def _check(self, query: Query) -> None:
        self.checked.append(query.text)

    def show(self, indices: Sequence[int]) -> None:
        for stream in ("pitch", "road"):
            for frame in frames(stream, indices):
                self.thread.submit(frame)
        self.thread.call(lambda engine: None)  # whatever was shown before has been seen now

    def seen(self) -> list[Observation]:
        return [result for result in self.results if isinstance(result, Observation)]

    def count(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("r2stream_backtests_total", {"result": result}) or 0.0


@contextmanager
def bench(model: R2Model, **options: Any) -> Iterator[Bench]:
    made = Bench(model, **options)
    made.thread.start()
    try:
        for stream in ("pitch", "road"):
            made.thread.add_stream(stream)
            made.thread.call(lambda engine, stream=stream: engine.set_queries(stream, {"standing": BALL.text}))  # type: ignore[misc]
        yield made
    finally:
        assert made.thread.stop(20)


def test_it_tells_what_watching_from_the_oldest_frame_held_would_have(model: R2Model) -> None:
    """As a replay of just these frames, on a window that has moved on before."""
    shown = WINDOW_FRAMES + 5
    with bench(model) as made:
        made.show(range(shown))
        report = made.tester.run("pitch", [BALL, CAR])
    held = frames("pitch", range(shown))[-WINDOW_FRAMES:]
    expected = Backtest("pitch", [BALL, CAR], FRAME_INTERVAL_S, model="random")
    expected.feed(observe_frames(Engine(model), expected.session, held))
    assert report.frames == WINDOW_FRAMES and made.checked == [BALL.text, CAR.text]
    for outcome, other in zip(report.outcomes, expected.report().outcomes, strict=True):
        assert [f.moment.model_dump(exclude={"score"}) for f in outcome.fired] == [
            f.moment.model_dump(exclude={"score"}) for f in other.fired
        ]
        assert [f.alert for f in outcome.fired] == [f.alert for f in other.fired]
        peaks, others = ([frame.peak for frame in some.saliency] for some in (outcome, other))
        assert np.allclose(peaks, others, atol=2e-4)
    assert any(outcome.fired for outcome in report.outcomes)
    assert made.count("done") == 1


def test_a_window_that_is_not_full_is_tested_too(model: R2Model) -> None:
    """What there is, is looked at."""
    with bench(model) as made:
        made.show(range(3))
        assert made.tester.run("pitch", [BALL]).frames == 3


def test_standing_queries_see_the_same_with_and_without_a_backtest_beside_them(model: R2Model) -> None:
    """On the stream that is tested and on the other one; no window grows. Batches differ from run to run."""

    def watched(*, testing: bool) -> tuple[list[Observation], int]:
        with bench(model) as made:
            for first in range(0, 40, 4):
                made.show(range(first, first + 4))
                if testing:
                    made.tester.run("pitch", [BALL, CAR])
            return made.seen(), made.thread.call(lambda engine: engine.window_bytes)

    (plain, plain_bytes), (beside, beside_bytes) = watched(testing=False), watched(testing=True)
    assert len(plain) == len(beside) == 80 and plain_bytes == beside_bytes
    for one, other in zip(sorted(plain, key=_place), sorted(beside, key=_place), strict=True):
        assert _place(one) == _place(other)
        assert np.allclose(one.saliency, other.saliency, atol=1e-5, rtol=0)
        assert len(one.spans) == len(other.spans)


def _place(seen: Observation) -> tuple[str, float]:
    return seen.stream, seen.now_s


def test_frames_that_come_meanwhile_are_watched_and_change_nothing(model: R2Model) -> None:
    """The copy stays as it was when the test began."""
    with bench(model) as made:
        made.show(range(WINDOW_FRAMES))
        held = made.thread.call(lambda engine: engine.copy_window("pitch"))
        assert held is not None
        made.show(range(WINDOW_FRAMES, WINDOW_FRAMES + 6))
        first = made.thread.call(lambda engine: engine.look_back(held, {"0": BALL.text}))
        assert first[0].now_s == FRAME_INTERVAL_S and len(made.seen()) == 2 * (WINDOW_FRAMES + 6)


def test_a_second_test_is_refused_while_one_runs(model: R2Model, until: Until) -> None:
    """At once; when the first is done, the next may run."""
    may_go_on, asked = threading.Event(), threading.Event()
    with bench(model) as made:
        made.show(range(2))

        def wait(query: Query) -> None:
            asked.set()
            assert may_go_on.wait(20)

        tester = Backtester(made.thread, made.metrics, wait, model="random")
        first = threading.Thread(target=tester.run, args=("pitch", [BALL]))
        first.start()
        assert asked.wait(20)
        with pytest.raises(BacktestBusyError, match="one at a time"):
            tester.run("road", [BALL])
        may_go_on.set()
        first.join(20)
        assert tester.run("road", [BALL]).frames == 2
        assert (made.count("done"), made.count("refused")) == (2, 1)


def test_a_stream_without_pictures_is_refused(model: R2Model) -> None:
    """One that has shown nothing, and one that is not watched; the next test may run."""
    with bench(model) as made:
        for stream in ("pitch", "nowhere"):
            with pytest.raises(ConflictError, match="holds no pictures") as refused:
                made.tester.run(stream, [BALL])
            assert refused.value.code == "no_window"
        assert made.count("failed") == 2
        with pytest.raises(ConfigError):
            made.tester.run("pitch", [])


def test_a_test_that_takes_too_long_is_given_up(model: R2Model) -> None:
    """The engine has other things to do."""
    now_s = iter(range(1000))
    with bench(model, limit_s=3.0, monotonic_s=lambda: float(next(now_s))) as made:
        made.show(range(WINDOW_FRAMES))
        with pytest.raises(EngineBusyError, match="not done within 3 s"):
            made.tester.run("pitch", [BALL])
        assert made.count("failed") == 1
