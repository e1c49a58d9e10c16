"""What a read of the log answers with."""

from __future__ import annotations

from dataclasses import dataclass

from stream.events import Event


@dataclass(frozen=True)
class Page:
    """Events after a cursor, oldest first, and how they lie in the log."""

    events: tuple[Event, ...]
    next: int
    """Go on after this cursor: all that was asked for up to it is in `events`."""
    latest: int
    """The newest cursor of the log when it was read."""
    missed: bool
    """Events after the given cursor had already been removed by retention."""
