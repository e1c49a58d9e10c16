"""A client of a broker that hears everything, and waiting for what another task or thread does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiomqtt


async def becomes_true(happened: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait, on the loop, until something has happened."""
    async with asyncio.timeout(timeout_s):
        while not happened():  # noqa: ASYNC110 (what happens elsewhere sets no event of ours)
            await asyncio.sleep(0.005)


class Ear:
    """A client of the broker that hears everything, from what is retained on."""

    def __init__(self) -> None:
        self.retained: dict[str, str] = {}
        self.heard: list[tuple[str, str]] = []

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            topic, payload = str(message.topic), message.payload.decode()
            if message.retain:
                self.retained[topic] = payload
            self.heard.append((topic, payload))

    def said(self, topic: str) -> list[str]:
        return [payload for heard, payload in self.heard if heard == topic]

    @property
    def cursors(self) -> list[int]:
        return [json.loads(payload)["cursor"] for payload in self.said("r2stream/events")]

    async def hears(self, topic: str, payload: str, timeout_s: float = 10.0) -> None:
        """The newest that is said under a topic becomes this."""
        await becomes_true(lambda: self.said(topic)[-1:] == [payload], timeout_s)


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Ear]:
    ear = Ear()
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("#", 1)
        task = asyncio.create_task(ear.listen(client))
        try:
            yield ear
        finally:
            task.cancel()
            await asyncio.wait([task])
