import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.queues import BoundedQueue, Policy, QueueClosed

NO_WAIT_S = 0.0
LONG_S = 20.0


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run `work` beside the test; its result or error ends up in the list."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except QueueClosed as error:
            results.append(type(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def test_items_come_out_in_the_order_they_went_in() -> None:
    """First in, first out."""
    queue = BoundedQueue[int](3, Policy.WAIT)
    for item in (1, 2, 3):
        assert queue.put(item, NO_WAIT_S)
    assert [queue.get(NO_WAIT_S), queue.get(NO_WAIT_S), queue.get(NO_WAIT_S)] == [1, 2, 3]
    assert queue.get(NO_WAIT_S) is None


def test_drop_oldest_never_waits_and_counts_overflow() -> None:
    """The newest items are kept."""
    queue = BoundedQueue[int](2, Policy.DROP_OLDEST)
    assert all(queue.put(item, LONG_S) for item in range(5))
    assert queue.get_all(NO_WAIT_S) == [3, 4]
    assert queue.drops == {"overflow": 3}


def test_wait_gives_up_after_its_time_and_counts_it() -> None:
    """The item that found no room is the one that is lost."""
    queue = BoundedQueue[int](1, Policy.WAIT)
    assert queue.put(1, NO_WAIT_S)
    assert not queue.put(2, NO_WAIT_S)
    assert queue.drops == {"timeout": 1}
    assert queue.get_all(NO_WAIT_S) == [1]


def test_a_waiting_put_goes_on_when_there_is_room() -> None:
    """Nothing is lost when the reader is slow."""
    queue = BoundedQueue[int](1, Policy.WAIT)
    queue.put(1, NO_WAIT_S)
    thread, results = in_thread(lambda: queue.put(2, LONG_S))
    assert queue.get(LONG_S) == 1
    assert queue.get(LONG_S) == 2
    thread.join(LONG_S)
    assert results == [True]
    assert queue.drops == {}


def test_a_waiting_get_wakes_for_an_item() -> None:
    """The reader need not poll."""
    queue = BoundedQueue[int](1, Policy.DROP_OLDEST)
    thread, results = in_thread(lambda: queue.get(LONG_S))
    queue.put(7, NO_WAIT_S)
    thread.join(LONG_S)
    assert results == [7]


@pytest.mark.parametrize("method", ["get", "get_all"])
def test_close_lets_what_is_there_be_got_and_then_says_so(method: str) -> None:
    """A stopping reader still finishes its work."""
    queue = BoundedQueue[int](2, Policy.WAIT)
    queue.put(1, NO_WAIT_S)
    queue.close()
    assert queue.closed
    assert getattr(queue, method)(NO_WAIT_S) in (1, [1])
    with pytest.raises(QueueClosed):
        getattr(queue, method)(LONG_S)
    with pytest.raises(QueueClosed):
        queue.put(2, LONG_S)


def test_close_wakes_everyone_who_waits() -> None:
    """Nobody is left hanging at shutdown."""
    full, empty = BoundedQueue[int](1, Policy.WAIT), BoundedQueue[int](1, Policy.WAIT)
    full.put(1, NO_WAIT_S)
    writer, writer_results = in_thread(lambda: full.put(2, LONG_S))
    reader, reader_results = in_thread(lambda: empty.get(LONG_S))
    full.close()
    empty.close()
    writer.join(LONG_S)
    reader.join(LONG_S)
    assert writer_results == reader_results == [QueueClosed]


def test_clear_counts_what_it_drops_under_its_cause() -> None:
    """Every drop has a cause."""
    queue = BoundedQueue[int](3, Policy.WAIT)
    queue.put(1, NO_WAIT_S)
    queue.put(2, NO_WAIT_S)
    assert queue.clear("gap") == 2
    assert (len(queue), queue.drops) == (0, {"gap": 2})


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_queue_without_room_is_refused(capacity: int) -> None:
    """Capacity is at least one."""
    with pytest.raises(ValueError, match="at least 1"):
        BoundedQueue[int](capacity, Policy.WAIT)


@settings(deadline=None)
@given(
    capacity=st.integers(1, 4),
    policy=st.sampled_from(list(Policy)),
    steps=st.lists(st.sampled_from(["put", "get", "get_all", "clear"]), max_size=30),
)
def test_every_item_is_delivered_waiting_or_counted(capacity: int, policy: Policy, steps: list[str]) -> None:
    """Nothing is lost in silence, and the queue never holds more than it may."""
    queue = BoundedQueue[int](capacity, policy)
    delivered: list[int] = []
    puts = 0
    for step in steps:
        if step == "put":
            queue.put(puts, NO_WAIT_S)
            puts += 1
        elif step == "get":
            item = queue.get(NO_WAIT_S)
            delivered += [] if item is None else [item]
        elif step == "get_all":
            delivered += queue.get_all(NO_WAIT_S)
        else:
            queue.clear("test")
        assert len(queue) <= capacity
    assert len(delivered) + len(queue) + sum(queue.drops.values()) == puts
    assert delivered == sorted(delivered)


def test_many_threads_lose_nothing() -> None:
    """Two writers and two readers on a small waiting queue."""
    queue = BoundedQueue[int](2, Policy.WAIT)

    def read() -> list[int]:
        items: list[int] = []
        while True:
            try:
                item = queue.get(LONG_S)
            except QueueClosed:
                return items
            items += [] if item is None else [item]

    def write(base: int) -> None:
        for i in range(200):
            queue.put(base + i, LONG_S)

    readers = [in_thread(read) for _ in range(2)]
    writers = [in_thread(partial(write, base)) for base in (0, 1000)]
    for thread, _ in writers:
        thread.join(LONG_S)
    queue.close()
    got: list[int] = []
    for thread, results in readers:
        thread.join(LONG_S)
        assert isinstance(results[0], list)
        got += results[0]
    assert sorted(got) == [*range(200), *range(1000, 1200)]
