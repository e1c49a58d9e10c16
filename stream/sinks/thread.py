"""A thread and a loop for one sink, so that whatever holds one up (a name server, a library) holds up nothing else."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from stream.sinks.delivery import Delivery

_log = logging.getLogger(__name__)


class SinkThread:
    """Runs one delivery from `start` to `join`."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._running = threading.Event()
        # A daemon: a hung connection must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"sink[{delivery.name}]", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Call something on the sink's loop; nothing happens when that has ended."""
        if self._thread.ident is not None and self._running.wait(1.0) and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(function)

    def join(self, timeout_s: float, *, cancel: bool = False) -> bool:
        """Wait for the end, with `cancel` after asking for it; says whether it came."""
        if cancel and self._task is not None:
            self.call(self._task.cancel)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with suppress(asyncio.CancelledError):
                asyncio.run(self._main())
        except Exception:
            _log.exception("the sink '%s' has stopped by a mistake; restart r2stream", self.delivery.name)

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._running.set()
        await self.delivery.run()
