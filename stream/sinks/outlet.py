"""What a sink is to the framework, and how it says that something went wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stream.events import Event
from stream.sinks.watched import Watched


class TryAgain(Exception):
    """It did not work now and may later. `reason` is a sentence for people, without secrets.

    `needs_help`: waiting alone will hardly heal it. `wait_s`: not to be tried again before.
    """

    def __init__(self, reason: str, *, wait_s: float = 0.0, needs_help: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s
        self.needs_help = needs_help


class Refused(Exception):
    """This event will never be taken; `reason` is a sentence for people, without secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Outlet(Protocol):
    """An open way out. Every method has its own time limit and raises TryAgain."""

    def check(self) -> None:
        """Notice that the line was lost while nothing was sent."""
        ...

    async def adapt(self, watched: Watched) -> None:
        """Take in what is watched now; called first of all, and after each change."""
        ...

    async def deliver(self, event: Event) -> None:
        """Returns when the other side has the event. Raises Refused when it never will."""
        ...


class Sink(Protocol):
    """A kind of way out, not open yet. Everything is called on the loop of the sink's own thread."""

    max_tries: int | None
    """After so many an event goes to the dead letters; None: it is tried for ever."""

    def open(self, wake: Callable[[], None]) -> AbstractAsyncContextManager[Outlet]:
        """A way out for as long as the block lasts; `wake` asks for `check` to be called. Raises TryAgain."""
        ...
