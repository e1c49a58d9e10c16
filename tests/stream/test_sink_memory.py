"""What sinks remember over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.store import Store, sink_memory

if TYPE_CHECKING:
    from tests.conftest import MomentFactory


def test_a_new_sink_begins_at_the_end_and_an_old_one_where_it_was(tmp_path: Path, moment: MomentFactory) -> None:
    """Also after a restart; one that was taken out of the settings is new when it comes back."""
    path = tmp_path / "events.sqlite3"
    store = Store(path)
    store.append([moment("ended"), moment("ended")])
    store.sinks.keep(["a"], 2)
    assert store.sinks.place("a") == (2, None)
    store.sinks.move("a", 1, 99.5)
    store.close()
    store = Store(path)
    store.sinks.keep(["a", "b"], 2)
    assert store.sinks.place("a") == (1, 99.5)
    assert store.sinks.place("b") == (2, None)
    store.sinks.keep(["b"], 2)
    store.sinks.keep(["a", "b"], 3)
    assert store.sinks.place("a") == (3, None)
    store.close()


def test_a_dead_letter_is_kept_with_its_event(store: Store, moment: MomentFactory) -> None:
    """And the sink is past it, in the same step."""
    store.sinks.keep(["a", "b"], 0)
    (event,) = store.append([moment()])
    assert store.sinks.bury("a", event, "It says no.", tries=3, time_s=5.0) == 0
    (letter,) = store.sinks.dead_letters("a")
    assert (letter.event, letter.reason, letter.tries, letter.failed_at_s) == (event, "It says no.", 3, 5.0)
    assert store.sinks.place("a")[0] == event.cursor
    assert (store.sinks.count("a"), store.sinks.count("b")) == (1, 0)
    assert store.sinks.dead_letters("a", after=letter.id) == []


def test_dead_letters_are_bounded(store: Store, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room, and are counted."""
    monkeypatch.setattr(sink_memory, "MAX_DEAD_LETTERS", 3)
    store.sinks.keep(["a"], 0)
    events = store.append([moment() for _ in range(5)])
    dropped = [store.sinks.bury("a", event, "no", tries=1, time_s=1.0) for event in events]
    assert dropped == [0, 0, 0, 1, 1]
    assert [letter.event.cursor for letter in store.sinks.dead_letters("a")] == [3, 4, 5]


def test_redelivery_is_asked_for_once(store: Store, moment: MomentFactory) -> None:
    """Named ones or all; a failure needs to be asked for again, a success removes the letter."""
    store.sinks.keep(["a"], 0)
    for event in store.append([moment() for _ in range(3)]):
        store.sinks.bury("a", event, "no", tries=1, time_s=1.0)
    assert store.sinks.dead_letters("a", due=True) == []
    assert store.sinks.ask("a", [1, 99]) == 1
    assert [letter.id for letter in store.sinks.dead_letters("a", due=True)] == [1]
    assert store.sinks.ask("a", None) == 3
    store.sinks.failed_again(1, "still no", 7.0)
    store.sinks.redelivered(2)
    first, last = store.sinks.dead_letters("a")
    assert (first.id, first.reason, first.tries, first.failed_at_s, last.id) == (1, "still no", 2, 7.0, 3)
    assert [letter.id for letter in store.sinks.dead_letters("a", due=True)] == [3]


def test_dead_letters_go_with_their_sink(store: Store, moment: MomentFactory) -> None:
    """Nobody could redeliver them."""
    store.sinks.keep(["a"], 0)
    store.sinks.bury("a", store.append([moment()])[0], "no", tries=1, time_s=1.0)
    store.sinks.keep([], 1)
    assert store.sinks.count("a") == 0
