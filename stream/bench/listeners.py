"""Many websocket clients in one process that do as little as they can: the load of the delivery benchmark.

Run as a program, so that what it costs is not taken for the server's. It knows frames and nothing of what they say,
but that every client must hear the same messages in the same order. Standard output: `ready` once all are connected,
and at the end one line of JSON, a `Heard`.
"""

from __future__ import annotations

import base64
import json
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

READY: Final = "ready"
IDLE_S: Final = 15.0
"""Nobody hearing anything for this long is the end."""

_CONNECT_S: Final = 20.0
_PING, _PONG, _CLOSE = 0x9, 0xA, 0x8
_MASK: Final = bytes(4)
"""A mask of zeros leaves a payload as it is."""


@dataclass(frozen=True)
class Order:
    """What to do; handed over as JSON."""

    host: str
    port: int
    path: str
    hello: str
    """Said by each client; the server answers it with one message, which is no event."""
    clients: int
    messages: int
    arrivals: str
    """File for the times of arrival: `[clients, messages]`, seconds of `time.monotonic`, NaN where nothing came."""


@dataclass(frozen=True)
class Heard:
    """What came of it."""

    complete: int
    """Clients that heard every message, each as all others did and in the same order."""
    differing: int
    """Messages that were not what another client heard in that place."""
    closed: int
    """Clients whose connection the server ended."""
    cpu_s: float


@dataclass
class _Listener:
    line: socket.socket
    arrivals_s: list[float] = field(default_factory=list)
    rest: bytes = b""
    """The beginning of a frame whose end has not come yet."""


class _Listeners:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._script: list[bytes] = []
        """What whoever was first has heard."""
        self._differing = 0
        self._closed = 0
        self._listeners = [self._connect() for _ in range(order.clients)]

    def listen(self) -> Heard:
        """Until everybody has heard everything, or nothing comes any more."""
        began_s = time.process_time()
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                listener.line.setblocking(False)
                selector.register(listener.line, selectors.EVENT_READ, listener)
            going = len(self._listeners)
            while going and (ready := selector.select(IDLE_S)):
                for key, _ in ready:
                    if not self._hear(key.data):
                        selector.unregister(key.fileobj)
                        going -= 1
        wanted = self._order.messages
        complete = sum(len(listener.arrivals_s) == wanted for listener in self._listeners)
        return Heard(complete, self._differing, self._closed, time.process_time() - began_s)

    def save(self) -> None:
        arrivals_s = np.full((self._order.clients, self._order.messages), np.nan)
        for row, listener in zip(arrivals_s, self._listeners, strict=True):
            row[: len(listener.arrivals_s)] = listener.arrivals_s[: len(row)]
        np.save(self._order.arrivals, arrivals_s)

    def _connect(self) -> _Listener:
        order = self._order
        line = socket.create_connection((order.host, order.port), timeout=_CONNECT_S)
        line.sendall(
            f"GET {order.path} HTTP/1.1\r\nHost: {order.host}:{order.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _received(line)
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise ConnectionError(head.decode(errors="replace"))
        line.sendall(_masked(0x1, order.hello.encode()))
        while (frame := _frame(rest, 0)) is None:
            rest += _received(line)
        return _Listener(line, rest=rest[frame[2] :])

    def _hear(self, listener: _Listener) -> bool:
        """Take what has come; whether more is expected."""
        try:
            data = listener.line.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self._closed += 1
            return False
        now_s, data, position = time.monotonic(), listener.rest + data, 0
        while (frame := _frame(data, position)) is not None:
            kind, start, position = frame
            if kind == _PING:
                listener.line.sendall(_masked(_PONG, data[start:position]))
            elif kind != _CLOSE:
                self._compare(len(listener.arrivals_s), data[start:position])
                listener.arrivals_s.append(now_s)
        listener.rest = data[position:]
        return len(listener.arrivals_s) < self._order.messages

    def _compare(self, index: int, message: bytes) -> None:
        if index == len(self._script):
            self._script.append(message)
        elif message != self._script[index]:
            self._differing += 1


def _received(line: socket.socket) -> bytes:
    data = line.recv(1 << 16)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def _frame(data: bytes, position: int) -> tuple[int, int, int] | None:
    """The kind of the frame that begins there, and where its payload begins and ends; None while it is incomplete."""
    size = len(data)
    if size < position + 2:
        return None
    start, length = position + 2, data[position + 1]
    if length >= 126:
        start += 2 if length == 126 else 8
        if size < start:
            return None
        length = int.from_bytes(data[position + 2 : start], "big")
    return (data[position] & 0xF, start, start + length) if size >= start + length else None


def _masked(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | kind]) + length + _MASK + payload


def main() -> None:
    """Read an `Order` from the command line and carry it out."""
    listeners = _Listeners(Order(**json.loads(sys.argv[1])))
    print(READY, flush=True)
    heard = listeners.listen()
    listeners.save()
    print(json.dumps(asdict(heard)), flush=True)


if __name__ == "__main__":
    main()
