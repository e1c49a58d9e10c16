"""uvicorn's two protocols, each with a `Line`: see `stream.api.line`."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

from stream.api.line import BUFFER_BYTES, LINE

GOODBYE_TIMEOUT_S: Final = 2.0
"""How long clients have to take their goodbye when the server stops, and slow ones to take what is left."""


class HttpProtocol(H11Protocol):
    """uvicorn's HTTP, with which an answer that the client does not take could otherwise not be given up."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=BUFFER_BYTES)

    def handle_events(self) -> None:
        super().handle_events()
        # The request's task was made just now and has not begun.
        if self.scope is not None:
            extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
            extensions[LINE] = self

    def write(self, data: bytes) -> bool:
        if self.flow.write_paused or self._is_cut:
            return False
        self.transport.write(self.conn.send(h11.Data(data=data)) or b"")
        return True

    async def room(self) -> bool:
        await self.flow.drain()
        return not self._is_cut

    def hang_up(self, code: int, reason: str) -> None:
        self.transport.abort()

    @property
    def _is_cut(self) -> bool:
        return self.cycle.disconnected or self.transport.is_closing()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's websocket, which otherwise waits for ever to close on a client that has stopped reading."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.handshake_complete:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[LINE] = self

    def write(self, data: bytes) -> bool:
        # Past the library: its own state knows nothing of what is sent but whether the conversation has ended.
        if not self.writable.is_set() or self._is_cut:
            return False
        self.transport.write(data)
        return True

    async def room(self) -> bool:
        await self.writable.wait()
        return not self._is_cut

    def hang_up(self, code: int, reason: str) -> None:
        """Put the close frame behind what is still on its way, and cut the line if it does not get through soon."""
        self.stop_keepalive()
        if not self.close_sent and not self.transport.is_closing():
            try:
                self.conn.send_close(code, reason)
            except InvalidState:
                self.transport.abort()
                return
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            if self.read_paused:
                self.read_paused = False
                self.transport.resume_reading()
        self._abort_soon()

    @property
    def _is_cut(self) -> bool:
        return self.close_sent or self.disconnected or self.transport.is_closing()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            # Whoever pings without reading would otherwise fill the write buffer with answers.
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_soon()

    def _abort_soon(self) -> None:
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(GOODBYE_TIMEOUT_S, self.transport.abort)
