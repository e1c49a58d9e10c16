"""A receiver of webhooks, and waiting for what another task or thread does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running one."""
    with receiving() as receiver:
        yield receiver


async def becomes_true(happened: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait, on the loop, until something has happened."""
    async with asyncio.timeout(timeout_s):
        while not happened():  # noqa: ASYNC110 (what happens elsewhere sets no event of ours)
            await asyncio.sleep(0.005)
