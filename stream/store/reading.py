"""Reads the log for readers that live on an asyncio loop, each at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stream.store.page import Page
from stream.store.store import Store


async def next_page(
    store: Store,
    after: int,
    limit: int,
    streams: Sequence[str] | None = None,
    queries: Sequence[str] | None = None,
) -> Page:
    """What `Store.read` answers, without ever holding up the loop. Raises StoreError."""
    recent = store.recent(after, limit, streams, queries)
    if recent is None:
        return await asyncio.to_thread(store.read, after, limit, streams, queries)
    # Neither this read nor a send that finds room gives way by itself.
    await asyncio.sleep(0)
    return recent
