"""From the log to a sink: in order, at least once, and what happens when the sink cannot."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.backoff import Backoff
from stream.events import Event
from stream.metrics import Metrics
from stream.query import Query
from stream.sinks.delivery import Delivery
from stream.sinks.outlet import Refused, TryAgain
from stream.sinks.watched import Watched
from stream.store import Store
from stream.store import store as store_module
from tests.ear import becomes_true

if TYPE_CHECKING:
    from tests.conftest import MomentFactory


class ScriptedSink:
    """Takes events, and meets the failures that it is told to."""

    def __init__(self, *, max_tries: int | None = None) -> None:
        self.max_tries = max_tries
        self.taken: list[int | None] = []
        self.tried: list[int | None] = []
        self.failures: deque[Exception] = deque()
        self.opening_failures: deque[Exception] = deque()
        self.hanging = False
        self.adapted: list[Watched] = []
        self.opened = 0
        self.lost: Exception | None = None
        self.wake: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def open(self, wake: Callable[[], None]) -> AsyncIterator[ScriptedSink]:
        self.wake = wake
        if self.opening_failures:
            raise self.opening_failures.popleft()
        self.opened += 1
        yield self

    def check(self) -> None:
        error, self.lost = self.lost, None
        if error is not None:
            raise error

    async def adapt(self, watched: Watched) -> None:
        self.adapted.append(watched)

    async def deliver(self, event: Event) -> None:
        self.tried.append(event.cursor)
        if self.hanging:
            await asyncio.sleep(60)
        if self.failures:
            raise self.failures.popleft()
        self.taken.append(event.cursor)


class Bench:
    """A delivery that runs as a task, on a log."""

    def __init__(self, store: Store, sink: ScriptedSink) -> None:
        self.store, self.sink, self.metrics = store, sink, Metrics()
        store.sinks.keep(["out"], store.latest_cursor())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Delivery]:
        delivery = Delivery("out", self.sink, self.store, self.metrics, backoff=Backoff(0.001, 0.01))
        task = asyncio.create_task(delivery.run())
        try:
            yield delivery
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None

    async def takes(self, *cursors: int) -> None:
        await becomes_true(lambda: len(self.sink.taken) >= len(cursors))
        assert self.sink.taken == list(cursors)

    def counted(self, result: str) -> float:
        labels = {"sink": "out", "result": result}
        return self.metrics.registry.get_sample_value("r2stream_deliveries_total", labels) or 0.0


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store, ScriptedSink())


async def test_events_are_delivered_in_order_from_now_on(store: Store, moment: MomentFactory) -> None:
    """What was in the log before the sink was new is not sent."""
    store.append([moment()])
    bench = Bench(store, ScriptedSink())
    async with bench.running() as delivery:
        store.append([moment() for _ in range(250)])
        await bench.takes(*range(2, 252))
        await becomes_true(lambda: delivery.cursor == 251)
        assert (delivery.state, delivery.reason) == ("delivering", None)
        assert delivery.delivered_at_s is not None
    assert bench.counted("sent") == 250


async def test_a_restart_goes_on_after_the_last_delivery(bench: Bench, moment: MomentFactory) -> None:
    """Nothing is lost in between, and nothing repeated after a stop in good order."""
    async with bench.running():
        bench.store.append([moment(), moment()])
        await bench.takes(1, 2)
    bench.store.append([moment()])
    async with bench.running():
        bench.store.append([moment()])
        await bench.takes(1, 2, 3, 4)


async def test_what_was_being_sent_at_a_crash_is_sent_again(bench: Bench, moment: MomentFactory) -> None:
    """The cursor moves on after a delivery and never before."""
    bench.sink.hanging = True
    async with bench.running() as delivery:
        bench.store.append([moment()])
        await becomes_true(lambda: bench.sink.tried == [1])
        assert delivery.cursor == 0
    bench.sink.hanging = False
    async with bench.running():
        await bench.takes(1)


async def test_the_place_is_kept_while_it_runs(
    bench: Bench, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash repeats about a second's events, not all since the start."""
    monkeypatch.setattr("stream.sinks.delivery.SAVE_S", 0.02)
    async with bench.running():
        bench.store.append([moment(), moment()])
        await becomes_true(lambda: bench.store.sinks.place("out")[0] == 2)


async def test_a_failure_is_tried_again_until_it_works(bench: Bench, moment: MomentFactory) -> None:
    """In order: what comes after waits. Meanwhile the state says why."""
    reasons: list[str | None] = []
    bench.sink.failures.extend([TryAgain("It is down."), TryAgain("It is still down.", wait_s=0.05)])
    async with bench.running() as delivery:
        bench.store.append([moment(), moment()])
        await becomes_true(lambda: delivery.reason == "It is still down.")
        reasons.append(delivery.state)
        await bench.takes(1, 2)
        await becomes_true(lambda: delivery.state == "delivering")
    assert reasons == ["retrying"]
    assert bench.sink.tried == [1, 1, 1, 2]
    assert (bench.counted("failed"), bench.counted("sent"), bench.sink.opened) == (2, 2, 3)


async def test_a_sink_that_cannot_be_opened_is_tried_again(bench: Bench, moment: MomentFactory) -> None:
    """And delivers when it is there again, without an event to prove it."""
    refused = TryAgain("Wrong password.", wait_s=0.2, needs_help=True)
    bench.sink.opening_failures.extend([TryAgain("No broker."), refused])
    async with bench.running() as delivery:
        await becomes_true(lambda: delivery.reason == "Wrong password.")
        assert delivery.state == "failed"
        await becomes_true(lambda: (delivery.state, delivery.reason) == ("delivering", None))
        bench.store.append([moment()])
        await bench.takes(1)


async def test_a_refused_event_goes_to_the_dead_letters_at_once(bench: Bench, moment: MomentFactory) -> None:
    """The rest goes on; the state stays `failed` until something is delivered again."""
    bench.sink.failures.append(Refused("It answers 400."))
    async with bench.running() as delivery:
        bench.store.append([moment()])
        await becomes_true(lambda: delivery.state == "failed")
        assert delivery.reason == "An event went to the dead letters: It answers 400."
        bench.store.append([moment()])
        await bench.takes(2)
        await becomes_true(lambda: delivery.state == "delivering")
    (letter,) = bench.store.sinks.dead_letters("out")
    assert (letter.event.cursor, letter.reason, letter.tries) == (1, "It answers 400.", 1)
    assert (bench.counted("dead"), bench.counted("sent")) == (1, 1)


async def test_after_so_many_tries_an_event_is_given_up(store: Store, moment: MomentFactory) -> None:
    """One that nobody can deliver does not hold up the others for ever."""
    bench = Bench(store, ScriptedSink(max_tries=3))
    bench.sink.failures.extend(TryAgain("It is down.") for _ in range(3))
    async with bench.running():
        store.append([moment(), moment()])
        await bench.takes(2)
    (letter,) = store.sinks.dead_letters("out")
    assert (letter.event.cursor, letter.tries) == (1, 3)
    assert bench.sink.tried == [1, 1, 1, 2]


async def test_dead_letters_are_delivered_when_it_is_asked_for(bench: Bench, moment: MomentFactory) -> None:
    """Those that work go; those that fail again stay, and wait to be asked for again."""
    bench.sink.failures.extend([Refused("no"), Refused("no")])
    async with bench.running() as delivery:
        bench.store.append([moment(), moment(), moment()])
        await bench.takes(3)
        bench.sink.failures.append(Refused("still no"))
        bench.store.sinks.ask("out", None)
        delivery.redeliver()
        delivery.wake()
        await bench.takes(3, 2)
        await becomes_true(lambda: bench.store.sinks.count("out") == 1)
        (letter,) = bench.store.sinks.dead_letters("out")
        assert (letter.event.cursor, letter.reason, letter.tries) == (1, "still no", 2)
        bench.store.append([moment()])
        await bench.takes(3, 2, 4)


async def test_dead_letters_asked_for_before_a_restart_are_delivered_after_it(
    bench: Bench, moment: MomentFactory
) -> None:
    """A promise to redeliver outlives the process."""
    bench.sink.failures.append(Refused("no"))
    async with bench.running():
        bench.store.append([moment(), moment()])
        await bench.takes(2)
    bench.store.sinks.ask("out", None)
    async with bench.running():
        await bench.takes(2, 1)


async def test_only_events_meant_for_it_are_sent(bench: Bench, moment: MomentFactory) -> None:
    """Its cursor passes the others; a change counts from the next event on, and is told first."""
    async with bench.running() as delivery:
        watched = Watched().changed(["pitch"], [Query("goal", "x", deliver=("other",)), Query("corner", "y")])
        delivery.watch(watched)
        delivery.wake()
        await becomes_true(lambda: watched in bench.sink.adapted)
        bench.store.append([moment(query="goal"), moment(query="corner"), moment(query="goal")])
        await bench.takes(2)
        await becomes_true(lambda: delivery.cursor == 3)


async def test_a_line_lost_while_nothing_is_sent_is_made_again(bench: Bench) -> None:
    """Whoever is connected notices at once, not with the next event."""
    async with bench.running():
        await becomes_true(lambda: bench.sink.opened == 1)
        bench.sink.lost = TryAgain("The connection was lost.")
        bench.sink.wake()
        await becomes_true(lambda: bench.sink.opened == 2)


async def test_a_mistake_inside_a_sink_does_not_end_it(
    bench: Bench, moment: MomentFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, without secrets, and tried again."""
    bench.sink.failures.append(RuntimeError("at https://user:hunter2@example.com"))
    async with bench.running():
        bench.store.append([moment()])
        await bench.takes(1)
    assert "met a mistake" in caplog.text and "hunter2" not in caplog.text


async def test_events_that_retention_removed_are_counted(
    tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, however often the next one has to be tried."""
    monkeypatch.setattr(store_module, "PRUNE_STEP", 1)
    store = Store(tmp_path / "small.sqlite3", max_events=10)
    bench = Bench(store, ScriptedSink())
    for _ in range(30):
        store.append([moment("ended")])
    bench.sink.failures.extend([TryAgain("no"), TryAgain("no")])
    async with bench.running() as delivery:
        await becomes_true(lambda: delivery.cursor == 30)
    first = bench.sink.taken[0]
    assert first is not None and bench.counted("missed") == first - 1
    assert bench.sink.taken == list(range(first, 31))
    store.close()


async def test_finishing_delivers_what_is_there_and_ends(bench: Bench, moment: MomentFactory) -> None:
    """With the next failure at the latest."""
    delivery = Delivery("out", bench.sink, bench.store, bench.metrics)
    task = asyncio.create_task(delivery.run())
    await becomes_true(lambda: bench.sink.opened == 1)
    bench.store.append([moment() for _ in range(20)])
    delivery.finish()
    await asyncio.wait_for(task, 5)
    assert bench.store.sinks.place("out")[0] == 20

    bench.sink.failures.append(TryAgain("It is down.", wait_s=100.0))
    bench.store.append([moment()])
    delivery = Delivery("out", bench.sink, bench.store, bench.metrics)
    task = asyncio.create_task(delivery.run())
    await becomes_true(lambda: delivery.state == "retrying")
    delivery.finish()
    await asyncio.wait_for(task, 5)
    assert bench.store.sinks.place("out")[0] == 20


async def test_the_wait_for_the_next_try_can_be_cut_short(bench: Bench, moment: MomentFactory) -> None:
    """Whoever asks for a redelivery does not want to wait for minutes."""
    bench.sink.failures.append(TryAgain("It is down.", wait_s=100.0))
    async with bench.running() as delivery:
        bench.store.append([moment()])
        await becomes_true(lambda: delivery.state == "retrying")
        delivery.wake(hurry=True)
        await bench.takes(1)
