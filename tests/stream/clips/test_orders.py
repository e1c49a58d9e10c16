"""Many who ask for clips at once, at a store that has one door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from stream.clips.jobs import Job, requested_job
from stream.clips.orders import Orders
from stream.store import ClipRecord, Store, StoreError
from stream.store.clips import ClipShelf


def job(clip_id: str) -> Job:
    return requested_job(clip_id, "pitch", 0, (1.0, 2.0), 0.0, now_s=0.0, until_s=100.0)


class CountingShelf(ClipShelf):
    """The real one, which notes how many clips each transaction brought."""

    def __init__(self, store: Store) -> None:
        super().__init__(store._database)
        self.sizes: list[int] = []

    def add(self, records: Sequence[ClipRecord], cursor: int | None = None) -> None:
        super().add(records, cursor)
        self.sizes.append(len(records))


def test_an_order_is_in_the_store_when_it_is_taken(store: Store) -> None:
    """And is handed on once."""
    orders = Orders(store.clips)
    orders.put(job("one"))
    assert store.clips.find("one") is not None
    assert len(orders) == 1
    assert [taken.data.clip_id for taken in orders.take()] == ["one"]
    assert orders.take() == [] and len(orders) == 0


def test_a_burst_is_few_transactions(store: Store, until: Callable[[Callable[[], bool]], None]) -> None:
    """While the store is busy, all who come share the next transaction; each returns only when it is in the store."""
    shelf = CountingShelf(store)
    orders = Orders(shelf)
    with ThreadPoolExecutor(20) as people:
        with store._database.alone():
            asked = [people.submit(orders.put, job(f"clip{number}")) for number in range(20)]
            until(lambda: len(orders) == 19)  # the first one stands in the door
            assert not any(one.done() for one in asked)
        for one in asked:
            one.result(timeout=10)
    assert sum(shelf.sizes) == 20 and len(shelf.sizes) <= 3
    assert len(orders.take()) == 20


def test_whoever_cannot_be_served_is_told(store: Store) -> None:
    """An order that did not get into the store is none, and the next one is tried anew."""
    orders = Orders(store.clips)
    store.close()
    for _ in range(2):
        with pytest.raises(StoreError):
            orders.put(job("one"))
    assert len(orders) == 0 and orders.take() == []
