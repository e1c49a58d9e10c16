"""What the server offers below ASGI to routes that send for long: bytes that are ready, and an end that is one."""

from __future__ import annotations

from typing import Final, Protocol

LINE: Final = "r2stream.line"
"""Extension of the ASGI scope: the `Line` of the connection."""

BUFFER_BYTES: Final = 64 * 1024
"""A line takes no more while so much waits in it. What the system keeps for the connection comes on top."""


class Line(Protocol):
    """A client's connection, once its conversation has begun. Lives on the server's loop."""

    def write(self, data: bytes) -> bool:
        """Send at once what is ready for the wire; False, with nothing sent, while the line is full or when it is cut.

        For a websocket these are whole frames, for HTTP a part of the body.
        """
        ...

    async def room(self) -> bool:
        """Wait until the line takes more; False when it is cut."""
        ...

    def hang_up(self, code: int, reason: str) -> None:
        """End it within bounds though the client takes nothing; over HTTP nothing can be said."""
        ...
