"""Threads with one bounded queue."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable

import pytest

from stream.clips.workers import Workers

Until = Callable[[Callable[[], bool]], None]


def test_tasks_are_done_in_their_order_and_no_more_wait_than_may(until: Until) -> None:
    """What does not fit is refused at once, and taken again as soon as there is room."""
    workers, go, done = Workers("clips.test", threads=1, capacity=2), threading.Event(), list[int]()

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            go.wait(20)
            done.append(number)

        return run

    assert workers.offer(task(0))
    until(lambda: workers.waiting == 0)
    assert workers.offer(task(1)) and workers.offer(task(2))
    assert not workers.has_room and not workers.offer(task(3))
    go.set()
    until(lambda: done == [0, 1, 2])
    assert workers.offer(task(4))
    until(lambda: done == [0, 1, 2, 4])
    assert workers.stop(20)


def test_several_threads_do_several_tasks_at_once(until: Until) -> None:
    """So that one that hangs leaves the rest going; there are never more threads than were asked for."""
    workers, all_here = Workers("clips.test", threads=3, capacity=9), threading.Barrier(3)
    names = set[str]()

    def meet() -> None:
        all_here.wait(20)
        names.add(threading.current_thread().name)

    for _ in range(6):
        assert workers.offer(meet)
    until(lambda: len(names) == 3 and workers.waiting == 0)
    assert names == {"clips.test.0", "clips.test.1", "clips.test.2"}
    assert workers.stop(20)


def test_a_task_that_fails_ends_no_thread(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next one is done."""
    workers, done = Workers("clips.test", threads=1, capacity=2), threading.Event()

    def fail() -> None:
        raise RuntimeError("a mistake")

    with caplog.at_level(logging.ERROR):
        assert workers.offer(fail) and workers.offer(done.set)
        assert done.wait(20)
    assert "a task ended by a mistake" in caplog.text
    assert workers.stop(20)


def test_stopping_waits_no_longer_than_it_is_told() -> None:
    """Says whether what was being done has ended; what waited is never begun."""
    workers, begun, go = Workers("clips.test", threads=1, capacity=2), threading.Event(), threading.Event()
    done = list[str]()

    def wait() -> None:
        begun.set()
        go.wait(20)

    assert workers.offer(wait) and workers.offer(lambda: done.append("late"))
    assert begun.wait(20)
    assert not workers.stop(0.0)
    assert not workers.offer(go.set)
    go.set()
    assert workers.stop(20) and done == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no niceness of its own")
def test_a_nice_thread_leaves_the_processor_to_others(until: Until) -> None:
    """And its process and all other threads stay as they are."""
    workers, found = Workers("clips.test", threads=1, capacity=1, niceness=10), list[int]()
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert workers.offer(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    until(lambda: bool(found))
    assert found == [10] and os.getpriority(os.PRIO_PROCESS, 0) == before
    assert workers.stop(20)
