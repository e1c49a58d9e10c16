"""All sinks together: none slows another, and each says how it is doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from stream.errors import ConfigError, ConflictError, NotFoundError
from stream.metrics import Metrics
from stream.query import Query
from stream.sinks.settings import WebhookSettings
from stream.sinks.sinks import Sinks
from stream.store import Store, StoreError
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries without making the tests wait."""
    monkeypatch.setattr("stream.sinks.delivery.FIRST_RETRY_S", 0.01)
    monkeypatch.setattr("stream.sinks.delivery.LONGEST_RETRY_S", 0.05)


def hook(name: str, receiver: Receiver, timeout_s: float = 1.0, **options: object) -> WebhookSettings:
    return WebhookSettings(name, receiver.url, allow_private=True, timeout_s=timeout_s, **options)  # type: ignore[arg-type]


@contextmanager
def running(store: Store, *settings: WebhookSettings, metrics: Metrics | None = None) -> Iterator[Sinks]:
    sinks = Sinks({one.name: one for one in settings}, store, metrics or Metrics())
    sinks.start()
    try:
        yield sinks
    finally:
        assert sinks.stop()


def test_a_sink_that_is_down_never_slows_another(
    store: Store, receiver: Receiver, moment: MomentFactory, until: Until
) -> None:
    """One hangs, one talks nonsense, one fails: the fourth hears of everything at once and in order."""
    with receiving() as hanging, receiving() as babbling, receiving() as failing:
        hanging.always, babbling.always, failing.always = "hang", "garbage", 500
        wrong = [hook("hanging", hanging), hook("babbling", babbling), hook("failing", failing)]
        with running(store, *wrong, hook("good", receiver)) as sinks:
            until(lambda: bool(hanging.requests or store.append([moment()])))
            began_s = time.monotonic()
            events = store.append([moment() for _ in range(50)])
            until(lambda: len(receiver.requests) >= 51)
            assert time.monotonic() - began_s < 5.0
            assert receiver.ids[-50:] == [event.id for event in events]
            until(lambda: {sinks.status(name).state for name in ("hanging", "babbling", "failing")} == {"retrying"})
            assert sinks.status("good").state == "delivering"
            assert sinks.status("hanging").lag >= 50
            hanging.always = babbling.always = failing.always = None
            until(lambda: all(status.lag == 0 for status in sinks.statuses()))
            assert hanging.ids[-50:] == babbling.ids[-50:] == failing.ids[-50:] == receiver.ids[-50:]


def test_a_status_says_all(store: Store, receiver: Receiver, moment: MomentFactory, until: Until) -> None:
    """Type, state, place, and when something was delivered last; metrics count the same."""
    metrics = Metrics()
    with running(store, hook("hook", receiver), metrics=metrics) as sinks:
        before = sinks.status("hook")
        assert (before.type, before.state, before.reason) == ("webhook", "delivering", None)
        assert (before.cursor, before.lag, before.last_delivery, before.dead_letters) == (0, 0, None, 0)
        store.append([moment(), moment()])
        until(lambda: sinks.status("hook").cursor == 2)
        after = sinks.status("hook")
        assert (after.lag, after.last_delivery is not None) == (0, True)
        sent = {"sink": "hook", "result": "sent"}
        assert metrics.registry.get_sample_value("r2stream_deliveries_total", sent) == 2
        assert metrics.registry.get_sample_value("r2stream_delivery_queue", {"sink": "hook"}) == 0
        assert sinks.statuses() == [after]
        with pytest.raises(NotFoundError, match="no sink 'hok'"):
            sinks.status("hok")


def test_a_sink_that_is_switched_off_keeps_its_place(
    store: Store, receiver: Receiver, moment: MomentFactory, until: Until
) -> None:
    """Switched on again, it delivers what came meanwhile."""
    with running(store, hook("hook", receiver)):
        store.append([moment()])
        until(lambda: len(receiver.requests) == 1)
    with running(store, hook("hook", receiver, enabled=False)) as sinks:
        store.append([moment(), moment()])
        status = sinks.status("hook")
        assert (status.state, status.cursor, status.lag) == ("disabled", 1, 2)
        assert status.reason and "set enabled to true" in status.reason
        with pytest.raises(ConflictError, match="switched off"):
            sinks.redeliver("hook", None)
    with running(store, hook("hook", receiver)):
        until(lambda: len(receiver.requests) == 3)


def test_only_what_is_defined_otherwise_begins_anew(
    store: Store, receiver: Receiver, moment: MomentFactory, until: Until
) -> None:
    """At its place, with its dead letters; the others keep their connection, and one that was switched off is on."""
    receiver.script.append(422)
    metrics = Metrics()
    with receiving() as moved, receiving() as late:
        before = hook("hook", receiver), hook("same", receiver), hook("late", late, enabled=False)
        with running(store, *before, metrics=metrics) as sinks:
            store.append([moment(), moment()])
            until(lambda: all(sinks.status(name).cursor == 2 for name in ("hook", "same")))
            letters = sum(sinks.status(name).dead_letters for name in ("hook", "same"))
            since = sinks.status("same").since
            after = hook("hook", moved), hook("same", receiver), hook("late", late)
            sinks.apply({one.name: one for one in after})
            assert sinks.status("same").since == since and letters == 1
            assert sum(sinks.status(name).dead_letters for name in ("hook", "same")) == 1
            events = store.append([moment()])
            until(lambda: sinks.status("hook").cursor == 3 and len(late.requests) == 3)
            assert moved.ids == [events[0].id], "what was delivered before is not delivered again"
            assert {thread.name for thread in threading.enumerate() if thread.name.startswith("sink[")} == {
                "sink[hook]",
                "sink[same]",
                "sink[late]",
            }
            sinks.apply({"same": after[1]})
            with pytest.raises(NotFoundError):
                sinks.status("hook")
            assert b'sink="hook"' not in metrics.render() and b'sink="same"' in metrics.render()


def test_a_sink_that_hangs_is_replaced_all_the_same(
    store: Store, receiver: Receiver, moment: MomentFactory, until: Until
) -> None:
    """Within bounds; what the old one does after that does not move the place of the new one."""
    with receiving() as hanging:
        hanging.always = "hang"
        slow = WebhookSettings("hook", hanging.url, allow_private=True, timeout_s=30.0)
        with running(store, slow) as sinks:
            events = store.append([moment(), moment()])
            until(lambda: bool(hanging.requests))
            began_s = time.monotonic()
            sinks.apply({"hook": hook("hook", receiver)})
            assert time.monotonic() - began_s < 6
            until(lambda: sinks.status("hook").cursor == 2)
            assert receiver.ids == [event.id for event in events]


def test_a_change_that_cannot_be_kept_changes_nothing(
    store: Store, receiver: Receiver, moment: MomentFactory, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And may be tried again."""
    with running(store, hook("hook", receiver)) as sinks:
        with monkeypatch.context() as broken:

            def fail(*args: object) -> None:
                raise StoreError("no space left")

            broken.setattr(store.sinks, "keep", fail)
            with pytest.raises(StoreError):
                sinks.apply({"other": hook("other", receiver)})
        assert sinks.names == ["hook"]
        with monkeypatch.context() as broken:
            broken.setattr(store.sinks, "place", fail)
            with pytest.raises(StoreError):
                sinks.apply({"hook": hook("hook", receiver, timeout_s=2.0)})
        sinks.apply({"hook": hook("hook", receiver, timeout_s=2.0)})
        store.append([moment()])
        until(lambda: sinks.status("hook").cursor == 1)


def test_dead_letters_are_seen_and_redelivered(
    store: Store, receiver: Receiver, moment: MomentFactory, until: Until
) -> None:
    """From the refusal to the second chance."""
    receiver.script.extend([422, 204])
    with running(store, hook("hook", receiver)) as sinks:
        events = store.append([moment(), moment()])
        until(lambda: sinks.status("hook").cursor == 2)
        (letter,) = sinks.dead_letters("hook", 0, 10)
        assert letter.event == events[0] and "answers 422" in letter.reason
        assert sinks.redeliver("hook", [letter.id]) == 1
        until(lambda: sinks.status("hook").dead_letters == 0)
        assert receiver.ids == [events[0].id, events[1].id, events[0].id]


def test_a_query_chooses_among_sinks(store: Store, receiver: Receiver, moment: MomentFactory, until: Until) -> None:
    """As it stands when the event is delivered; a sink that is not there is refused."""
    with receiving() as other, running(store, hook("hook", receiver), hook("other", other)) as sinks:
        query = Query("goal", "x", deliver=("other",))
        sinks.check(query)
        with pytest.raises(ConfigError, match="there is no sink 'hok'"):
            sinks.check(Query("goal", "x", deliver=("hok",)))
        sinks.watch(["pitch"], [query])
        store.append([moment(query="goal"), moment(query="corner")])
        until(lambda: all(status.cursor == 2 for status in sinks.statuses()))
        assert (len(receiver.requests), len(other.requests)) == (1, 2)


def test_stopping_delivers_the_last_events_and_leaves_nothing_behind(
    store: Store, receiver: Receiver, moment: MomentFactory
) -> None:
    """Also with a sink that hangs just then, whose event comes after the next start."""
    with receiving() as hanging:
        hanging.always = "hang"
        slow = WebhookSettings("slow", hanging.url, allow_private=True, timeout_s=30.0)
        with running(store, hook("hook", receiver), slow) as sinks:
            store.append([moment() for _ in range(10)])
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 5
        assert len(receiver.requests) == 10
        assert store.sinks.place("slow")[0] == 0
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("sink[")]
        assert sinks.stop(), "stopping twice is no mistake"


def test_sinks_that_never_started_can_be_stopped(store: Store, receiver: Receiver) -> None:
    """A service that fails to start has no threads to wait for."""
    sinks = Sinks({"hook": hook("hook", receiver)}, store, Metrics())
    sinks.watch([], [])
    assert sinks.stop()
