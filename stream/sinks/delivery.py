"""Takes events from the log to one sink: in order, at least once, for as long as it takes.

The cursor moves on only after an event was delivered, went to the dead letters, or is not meant for this sink. It is
kept durably about once a second, so that a crash repeats a second's events at most, and no sink keeps the disk busy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from stream.backoff import Backoff
from stream.events import Event
from stream.metrics import Metrics
from stream.redact import redacted_trace
from stream.sinks.outlet import Outlet, Refused, Sink, TryAgain
from stream.sinks.status import SinkState
from stream.sinks.watched import Watched
from stream.store import DeadLetter, Page, Store, StoreError, Waiter, next_page

PAGE_EVENTS: Final = 100
IDLE_S: Final = 30.0
"""The log is looked at again after this long even when nothing woke the sink."""
SAVE_S: Final = 1.0
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0
STEADY_S: Final = 10.0
"""A line that held for this long was a good one: the next try after it is an early one."""
_log = logging.getLogger(__name__)


class Delivery:
    """One sink's way through the log. Lives on one loop; what another thread may call says so."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        store: Store,
        metrics: Metrics,
        *,
        backoff: Backoff | None = None,
        wall_time_s: Callable[[], float] = time.time,
    ) -> None:
        """The store must keep this sink's place. Raises StoreError."""
        self.name = name
        self.state: SinkState = "delivering"
        self.reason: str | None = None
        self.since_s = wall_time_s()
        self.cursor, self.delivered_at_s = store.sinks.place(name)
        self._saved_cursor, self._saved_at_s = self.cursor, 0.0
        self._sink = sink
        self._store = store
        self._metrics = metrics
        self._wall_time_s = wall_time_s
        self._backoff = backoff or Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._tries = 0
        """Of the event after the cursor."""
        self._gave_up = False
        """Whether the last event that was tried went to the dead letters."""
        self._watched = Watched()
        self._redeliver = True
        """Whether dead letters may be due: asked for now, or before a restart."""
        self._skipped = False
        """Events were missed since the outlet last adapted: what it knows from them may be wrong."""
        self._finishing = False
        self._abandoned = False
        self._hurry: asyncio.Event | None = None
        self._waiter: Waiter | None = None

    def watch(self, watched: Watched) -> None:
        """What is watched has changed. May be called from any thread, followed by `wake` on the loop."""
        self._watched = watched

    def redeliver(self) -> None:
        """Dead letters are due. May be called from any thread, followed by `wake` on the loop."""
        self._redeliver = True

    def finish(self) -> None:
        """End at the end of the log, or with the next failure."""
        self._finishing = True
        self.wake(hurry=True)

    def abandon(self) -> None:
        """Another one has taken over this place: no longer keep it. May be called from any thread."""
        self._abandoned = True

    def wake(self, *, hurry: bool = False) -> None:
        """Look around; with `hurry` also where the next try is being waited for."""
        if self._waiter is not None:
            self._waiter.wake()
        if hurry and self._hurry is not None:
            self._hurry.set()

    async def run(self) -> None:
        """Deliver until `finish` or a cancellation; the place reached is kept."""
        self._hurry = asyncio.Event()
        try:
            with self._store.subscribe() as self._waiter:
                while not await self._connect_and_follow():
                    pass
        finally:
            self._save()

    async def _connect_and_follow(self) -> bool:
        """One connection, and the wait after it broke; whether this was the last."""
        opened_s = time.monotonic()
        try:
            async with self._sink.open(self.wake) as outlet:
                opened_s = time.monotonic()
                await self._follow(outlet)
                return True
        except TryAgain as error:
            failure = error
        except StoreError as error:
            failure = TryAgain(f"The event log cannot be used: {error}")
        except Exception as error:
            _log.error("the sink '%s' met a mistake\n%s", self.name, redacted_trace(error))
            failure = TryAgain("Something went wrong inside; the log says what.", needs_help=True)
        if time.monotonic() - opened_s >= STEADY_S:
            self._backoff.reset()
        self._enter("failed" if failure.needs_help else "retrying", failure.reason)
        await self._wait(max(self._backoff.next_s(), failure.wait_s))
        return self._finishing

    async def _wait(self, wait_s: float) -> None:
        assert self._hurry is not None
        self._save()
        try:
            async with asyncio.timeout(0 if self._finishing else wait_s):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()

    async def _follow(self, outlet: Outlet) -> None:
        """Deliver what comes, until it is time to finish."""
        adapted = await self._adapt(outlet)
        while True:
            outlet.check()
            if self._watched is not adapted or self._skipped:
                adapted = await self._adapt(outlet)
            if self._redeliver:
                await self._deliver_dead_letters(outlet)
            page = await next_page(self._store, self.cursor, PAGE_EVENTS)
            await self._deliver_page(outlet, page)
            if self.cursor >= self._store.latest_cursor():
                if not self._gave_up:
                    self._enter("delivering", None)
                if self._finishing:
                    return
                await self._rest()
            self._save_if_due()

    async def _deliver_page(self, outlet: Outlet, page: Page) -> None:
        """Deliver a page, or what of it comes before the next change of what is watched."""
        watched = self._watched
        for event in page.events:
            if self._watched is not watched:
                return
            if page.missed:
                self._skip_to((event.cursor or 0) - 1)
            await self._deliver(outlet, event)
        if page.missed:
            self._skip_to(page.next)
        self.cursor = page.next

    async def _rest(self) -> None:
        """Sleep until the log grows, or until the place has to be kept."""
        assert self._waiter is not None
        unsaved = self.cursor != self._saved_cursor
        await self._waiter.wait(self.cursor, SAVE_S if unsaved else IDLE_S)

    async def _adapt(self, outlet: Outlet) -> Watched:
        watched, self._skipped = self._watched, False
        await outlet.adapt(watched)
        return watched

    async def _deliver(self, outlet: Outlet, event: Event) -> None:
        """Deliver one event and move on; raises TryAgain when it has to be tried again, or waited before the next."""
        cursor = event.cursor or self.cursor
        if not self._watched.goes_to(self.name, event):
            self.cursor = cursor
            return
        self._tries += 1
        try:
            await outlet.deliver(event)
        except Refused as error:
            self._bury(event, error.reason)
        except TryAgain as error:
            self._count("failed")
            if self._sink.max_tries is None or self._tries < self._sink.max_tries:
                raise
            self._bury(event, error.reason)
            # The next event meets the same difficulty, most likely.
            raise TryAgain(error.reason, wait_s=error.wait_s, needs_help=True) from error
        else:
            self._delivered()
        self.cursor, self._tries = cursor, 0

    def _delivered(self) -> None:
        self._count("sent")
        self.delivered_at_s = self._wall_time_s()
        self._backoff.reset()
        self._gave_up = False
        self._enter("delivering", None)

    def _bury(self, event: Event, reason: str) -> None:
        memory, now_s = self._store.sinks, self._wall_time_s()
        dropped = memory.bury(self.name, event, reason, tries=self._tries, time_s=now_s)
        self._count("dead")
        self._count("dead_letter_dropped", dropped)
        self.cursor, self._tries = event.cursor or self.cursor, 0
        self._saved_cursor = self.cursor
        self._gave_up = True
        self._enter("failed", f"An event went to the dead letters: {reason}")

    async def _deliver_dead_letters(self, outlet: Outlet) -> None:
        """Try those that are due once each."""
        self._redeliver = False
        after = 0
        while letters := self._store.sinks.dead_letters(self.name, after, PAGE_EVENTS, due=True):
            for letter in letters:
                await self._deliver_dead_letter(outlet, letter)
            after = letters[-1].id

    async def _deliver_dead_letter(self, outlet: Outlet, letter: DeadLetter) -> None:
        try:
            await outlet.deliver(letter.event)
        except (Refused, TryAgain) as error:
            self._count("failed")
            self._store.sinks.failed_again(letter.id, error.reason, self._wall_time_s())
            if isinstance(error, TryAgain):
                self._redeliver = True
                raise
        else:
            self._store.sinks.redelivered(letter.id)
            self._delivered()

    def _skip_to(self, cursor: int) -> None:
        """Retention was faster than this sink: what is not in the log any more is counted and passed over."""
        missed = cursor - self.cursor
        if missed > 0:
            self._count("missed", missed)
            _log.error("the sink '%s' was so late that %d events are no longer in the log", self.name, missed)
            self.cursor = cursor
            self._skipped = True

    def _count(self, result: str, events: int = 1) -> None:
        if events:
            self._metrics.deliveries.labels(self.name, result).inc(events)

    def _enter(self, state: SinkState, reason: str | None) -> None:
        if state != self.state:
            self.since_s = self._wall_time_s()
            if state == "delivering":
                _log.info("the sink '%s' delivers again", self.name)
            else:
                _log.warning("the sink '%s' does not deliver: %s", self.name, reason)
        self.state, self.reason = state, reason

    def _save_if_due(self) -> None:
        if time.monotonic() - self._saved_at_s >= SAVE_S:
            self._save()

    def _save(self) -> None:
        """Keep the place reached; when that fails, some events come twice after a restart."""
        self._saved_at_s = time.monotonic()
        if self.cursor == self._saved_cursor or self._abandoned:
            return
        try:
            self._store.sinks.move(self.name, self.cursor, self.delivered_at_s)
            self._saved_cursor = self.cursor
        except StoreError as error:
            _log.warning("the place of the sink '%s' could not be kept: %s", self.name, error)
