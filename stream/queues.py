"""A bounded queue between threads. Capacity and policy have no default: whoever makes one must choose."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Policy(StrEnum):
    """What `put` does when the queue is full."""

    DROP_OLDEST = "drop_oldest"
    """For live data: the newest matters most. `put` never waits."""
    WAIT = "wait"
    """For recordings: nothing may be lost. `put` waits as long as it is allowed to."""


class QueueClosed(Exception):
    """The queue is closed and, for `get`, empty."""


class BoundedQueue(Generic[T]):
    """First in, first out; any number of threads on either side. Every item that is not delivered is counted."""

    def __init__(self, capacity: int, policy: Policy) -> None:
        """Raises ValueError when `capacity` is below 1."""
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.capacity = capacity
        self.policy = policy
        self._items: deque[T] = deque()
        self._drops: Counter[str] = Counter()
        self._closed = False
        lock = threading.Lock()
        self._not_empty = threading.Condition(lock)
        self._not_full = threading.Condition(lock)

    def __len__(self) -> int:
        with self._not_empty:
            return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be put."""
        return self._closed

    @property
    def drops(self) -> dict[str, int]:
        """Lost items by cause: `overflow` (pushed out by newer ones), `timeout` (`put` gave up waiting), or the cause
        given to `clear`; a copy."""
        with self._not_empty:
            return dict(self._drops)

    def put(self, item: T, timeout_s: float) -> bool:
        """Append `item`; False when the queue stayed full for `timeout_s`, and the item was dropped and counted.

        Raises QueueClosed.
        """
        with self._not_full:
            if self.policy is Policy.WAIT:
                room = _wait(self._not_full, lambda: self._closed or len(self._items) < self.capacity, timeout_s)
                if not room:
                    self._drops["timeout"] += 1
                    return False
            if self._closed:
                raise QueueClosed
            if len(self._items) >= self.capacity:
                self._items.popleft()
                self._drops["overflow"] += 1
            self._items.append(item)
            self._not_empty.notify()
            return True

    def get(self, timeout_s: float) -> T | None:
        """The oldest item; None when there was none for `timeout_s`. Raises QueueClosed once closed and empty."""
        with self._not_empty:
            if not _wait(self._not_empty, lambda: self._closed or bool(self._items), timeout_s):
                return None
            if not self._items:
                raise QueueClosed
            self._not_full.notify()
            return self._items.popleft()

    def get_all(self, timeout_s: float) -> list[T]:
        """Everything there is, oldest first, waiting for the first item as `get` does; empty after `timeout_s`."""
        with self._not_empty:
            if not _wait(self._not_empty, lambda: self._closed or bool(self._items), timeout_s):
                return []
            if not self._items:
                raise QueueClosed
            items = list(self._items)
            self._items.clear()
            self._not_full.notify_all()
            return items

    def clear(self, cause: str) -> int:
        """Drop everything, counted under `cause`; how many items that was."""
        with self._not_full:
            count = len(self._items)
            self._drops[cause] += count
            self._items.clear()
            self._not_full.notify_all()
            return count

    def close(self) -> None:
        """Nothing more can be put; what is there can still be got. Waiting threads wake up."""
        with self._not_empty:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()


def _wait(condition: threading.Condition, ready: Callable[[], bool], timeout_s: float) -> bool:
    """Wait with the lock held until `ready`; whether it became so in time."""
    deadline_s = time.monotonic() + timeout_s
    while not ready():
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not condition.wait(left_s):
            return ready()
    return True
