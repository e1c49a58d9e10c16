"""A real HTTP server on loopback that takes webhooks, and misbehaves when it is told to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Behaviour = int | str
"""A status; or `hang` (no answer), `garbage` (no HTTP), `endless` (an answer without end), `reset` (hung up)."""


@dataclass(frozen=True)
class Request:
    """What was received."""

    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: str


@dataclass
class Receiver:
    """Answers each request as the next of `script` says, and 204 after that."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    script: deque[Behaviour] = field(default_factory=deque)
    always: Behaviour | None = None
    """Instead of any script."""
    answer_headers: dict[str, str] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def next_behaviour(self) -> Behaviour:
        if self.always is not None:
            return self.always
        return self.script.popleft() if self.script else 204

    @property
    def ids(self) -> list[str]:
        """The ids of all messages that were received, however they were answered."""
        return [request.headers["webhook-id"] for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.requests.append(Request(self.path, headers, body))
        behaviour = self.receiver.next_behaviour()
        if isinstance(behaviour, int):
            self._answer(behaviour)
        else:
            self.close_connection = True
            with suppress(OSError):
                _MISBEHAVIOURS[behaviour](self)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        for name, value in self.receiver.answer_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def hang(self) -> None:
        self.receiver.over.wait(30)

    def garbage(self) -> None:
        self.wfile.write(b"\x00\xff SSH-2.0-OpenSSH_9.2 what do you want?\r\n\r\n" * 3)

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.receiver.over.is_set():
            self.wfile.write(b"and then " * 4096)

    def reset(self) -> None:
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass


_MISBEHAVIOURS: Final = {
    "hang": _Handler.hang,
    "garbage": _Handler.garbage,
    "endless": _Handler.endless,
    "reset": _Handler.reset,
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on 127.0.0.1."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    with _Server(("127.0.0.1", port), handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            server.shutdown()
            thread.join(10)
