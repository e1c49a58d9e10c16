"""Clips that people ask for: each is in the store when it is taken, many of them in one transaction.

A burst of requests is then no crowd at the store's door, where the events of the moment want to pass.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from stream.clips.jobs import Job
from stream.store import ClipRecord, StoreError
from stream.store.clips import ClipShelf
from stream.store.database import LOCK_TIMEOUT_S

_TURN_S: Final = 2 * LOCK_TIMEOUT_S
"""The longest wait for others' transactions, each of which the store ends in time: the one that runs, and the next."""


@dataclass(eq=False)
class _Order:
    job: Job
    written: bool = False
    error: StoreError | None = None


class Orders:
    """From any thread into the store, and from there to the one thread that cuts.

    How many may wait is for the caller to say.
    """

    def __init__(self, shelf: ClipShelf) -> None:
        self._shelf = shelf
        self._waiting: deque[_Order] = deque()
        self._turn = threading.Lock()
        self._taken: deque[Job] = deque()

    def __len__(self) -> int:
        """Clips that are not handed on yet."""
        return len(self._waiting) + len(self._taken)

    def put(self, job: Job) -> None:
        """Take an order, durable when it returns. Raises StoreError."""
        order = _Order(job)
        self._waiting.append(order)
        if not self._turn.acquire(timeout=_TURN_S):
            raise StoreError("the store is still being written; try again", code="store_busy")
        try:
            if not order.written and order.error is None:
                self._write()
        finally:
            self._turn.release()
        if order.error is not None:
            raise order.error

    def take(self) -> list[Job]:
        """All that came since the last time, in their order. Called by one thread."""
        jobs: list[Job] = []
        while self._taken:
            jobs.append(self._taken.popleft())
        return jobs

    def _write(self) -> None:
        """Write all that wait, also for those who wait behind this one."""
        orders: list[_Order] = []
        while self._waiting:
            orders.append(self._waiting.popleft())
        try:
            self._shelf.add([ClipRecord(order.job.data, order.job.created_s, told=False) for order in orders])
        except StoreError as error:
            for order in orders:
                order.error = error
            return
        for order in orders:
            order.written = True
        self._taken.extend(order.job for order in orders)
