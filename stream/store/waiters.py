"""Wakes asyncio readers when the log has grown. Nothing is queued: a reader learns *that* there is more, then reads."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Waiter:
    """One reader's place to sleep. Any number of appends while it is busy are one wake-up."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._call_pending = False

    async def wait(self, after: int, timeout_s: float) -> bool:
        """Sleep until the log has an event after that cursor (True) or `wake` is called or time is up (False).

        A cancelled wait changes nothing.
        """
        if self._bell.latest > after:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._awake.wait()
        # Cleared after waking and not before sleeping: a wake-up while the reader was busy must not be lost.
        self._awake.clear()
        return self._bell.latest > after

    def wake(self) -> None:
        """End the current wait; to be called on the reader's own loop."""
        self._awake.set()

    def ring(self) -> bool:
        """Wake the reader from any thread, under the bell's lock. False when its loop is gone."""
        if self._call_pending:
            return True
        # Set before the call is scheduled, which may run at once on the reader's thread.
        self._call_pending = True
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            return False
        return True

    def _answer(self) -> None:
        # Cleared first: an append from now on schedules another call, so no growth is overlooked.
        self._call_pending = False
        self._awake.set()


class Bell:
    """The newest cursor, and who wants to be woken when it grows. Thread-safe."""

    def __init__(self, latest: int) -> None:
        self.latest = latest
        self._lock = threading.Lock()
        self._waiters: set[Waiter] = set()

    def subscribe(self) -> Waiter:
        """A waiter for a reader on the running loop; hand it back with `unsubscribe`."""
        waiter = Waiter(self)
        with self._lock:
            self._waiters.add(waiter)
        return waiter

    def unsubscribe(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.discard(waiter)

    def ring(self, latest: int) -> None:
        """The log has grown up to `latest`."""
        with self._lock:
            self.latest = max(self.latest, latest)
            self._waiters = {waiter for waiter in self._waiters if waiter.ring()}
