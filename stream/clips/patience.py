"""Calls into libraries that may hang: whoever calls waits for so long and no longer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from stream.clips.workers import Workers

_T = TypeVar("_T")


class Patience:
    """Runs calls in a few threads of its own. One that hangs keeps its thread, and nobody else, until it returns."""

    def __init__(self, name: str, *, threads: int) -> None:
        self._workers = Workers(name, threads=threads, capacity=4 * threads)

    def call(self, task: Callable[[], _T], timeout_s: float) -> _T:
        """What `task` returns or raises. Raises TimeoutError when that takes longer, or too many calls hang already."""
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)

        if not self._workers.offer(run):
            raise TimeoutError("too many calls hang")
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()  # where it is not even begun
            raise

    def stop(self) -> None:
        """Take no more calls; does not wait for what hangs."""
        self._workers.stop(0.0)
