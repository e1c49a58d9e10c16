"""A proxy that can cut the line between client and server, so that lost connections are real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from clients import Client

if TYPE_CHECKING:
    from tests.conftest import Served


class CuttableLine:
    """Forwards TCP to a server. `cut` breaks every connection at once; while `open` is false new ones are refused."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self.url = ""
        self._transports: set[asyncio.StreamWriter] = set()
        self._forwarded_bytes = 0
        self.cut_after_bytes: int | None = None
        self.connections = 0
        self.open = True

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in self._transports:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        self.connections += 1
        self._forwarded_bytes = 0
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._transports |= ends
        try:
            with suppress(ConnectionError):
                await asyncio.gather(self._pump(reader, far_writer, False), self._pump(far_reader, writer, True))
        finally:
            self._transports -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool) -> None:
        while piece := await reader.read(1000):
            if counted and self.cut_after_bytes is not None:
                self._forwarded_bytes += len(piece)
                if self._forwarded_bytes > self.cut_after_bytes:
                    # In the middle of whatever was being sent.
                    piece = piece[: len(piece) // 2]
                    writer.write(piece)
                    await writer.drain()
                    self.cut()
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError


@pytest.fixture
async def line(served: Served) -> AsyncIterator[CuttableLine]:
    """A line to the server that can be cut; `line.url` is its near end."""
    line = CuttableLine(served.url)
    await line.start()
    yield line
    await line.stop()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    """A client of the server."""
    async with Client(served.url) as client:
        yield client


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnects without making the tests wait."""
    monkeypatch.setattr("clients.client.FIRST_RETRY_S", 0.01)
