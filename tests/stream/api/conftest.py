"""A plain HTTP client and a plain websocket client of a served API: none of ours, so that the wire itself is tested."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from tests.conftest import Served


@dataclass
class Talk:
    """A websocket conversation in JSON."""

    connection: ClientConnection

    async def say(self, message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self, timeout_s: float = 5.0) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.connection.recv(), timeout_s))
        return message

    async def hear_cursors(self, count: int) -> list[int]:
        return [(await self.hear())["cursor"] for _ in range(count)]

    async def subscribe(self, **wanted: object) -> dict[str, Any]:
        await self.say({"op": "subscribe", **wanted})
        return await self.hear()


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    """An HTTP client of the server."""
    with httpx.Client(base_url=served.url, trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def shared_http(shared_url: str) -> Iterator[httpx.Client]:
    """An HTTP client of the server that a module's tests share."""
    with httpx.Client(base_url=shared_url, trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def talk(served: Served) -> Any:
    """Opens websocket conversations with the server."""

    @asynccontextmanager
    async def open_talk(url: str = served.url, **options: Any) -> AsyncIterator[Talk]:
        address = url.replace("http", "ws", 1) + "/v1/events/ws"
        async with connect(address, proxy=None, compression=None, **options) as connection:
            yield Talk(connection)

    return open_talk
