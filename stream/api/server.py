"""Runs the application with uvicorn in a thread of its own, so that the caller keeps its signals and its clean-up."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import uvicorn
from fastapi import FastAPI

from stream.api.following import EventClient
from stream.api.lines import GOODBYE_TIMEOUT_S, HttpProtocol, WebSocketProtocol
from stream.errors import R2StreamError

PING_INTERVAL_S: Final = 20.0
MAX_MESSAGE_BYTES: Final = 64 * 1024
START_TIMEOUT_S: Final = 10.0
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, event_clients: set[EventClient]) -> None:
        super().__init__(config)
        self._event_clients = event_clients
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would say 1012 to websocket clients, in the middle of whatever they are being sent.
        for listener in self.servers:
            listener.close()
        for client in list(self._event_clients):
            client.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                for client in list(self._event_clients):
                    await client.gone.wait()
        await super().shutdown(sockets)


class ApiServer:
    """The API on one address, from `with` to the end of its block; every client is told when it stops."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Take the address; port 0 takes any free one. Raises R2StreamError (`address_unusable`)."""
        self.app = app
        self._socket = _bind(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_INTERVAL_S,
            ws_ping_timeout=PING_INTERVAL_S,
            ws_per_message_deflate=False,  # all clients are sent the same bytes
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        self._server = _Server(config, app.state.event_clients)
        # A daemon: a hung connection must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{self.port}"

    def connections(self) -> int:
        """Connections open now, of either kind."""
        return len(self._server.server_state.connections)

    def waiting_bytes(self) -> int:
        """What waits to be sent to the client for whom most does; what the system has taken already is not known."""
        connections = list(self._server.server_state.connections)
        return max((connection.transport.get_write_buffer_size() for connection in connections), default=0)

    @property
    def alive(self) -> bool:
        """Whether requests are answered."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Serve; returns when requests are answered. Raises R2StreamError when that takes too long."""
        self._thread.start()
        if not self._server.is_up.wait(START_TIMEOUT_S):
            self.stop()
            raise R2StreamError(
                f"the API did not start within {START_TIMEOUT_S:g} s; the log says why", code="no_start"
            )

    def stop(self) -> None:
        """Say goodbye to every client and stop. Safe to call twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(START_TIMEOUT_S)
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:
            _log.exception("the API stopped")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's delay (up to 40 ms between two small messages) only where the protocol is given.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Listening now rather than later: two servers may both bind a port that neither listens on yet.
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"cannot listen on {host} port {port} ({reason}); stop what uses it or choose another port"
        raise R2StreamError(message, code="address_unusable") from error
    return listener
