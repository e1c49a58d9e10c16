"""SIGKILL, again and again, while events are written and heard."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from stream.events import Event, MomentEvent
from stream.store import Store
from tests.e2e.conftest import ServeProcess, listening

KILLS = 50
STREAMS = {f"tv{seed}": f"demo://broadcast?seed={seed}&speed=8" for seed in range(4)}
QUERIES = {
    "goal": "a player scores a goal",
    "rain": {"text": "it rains", "merge_gap": "0s", "settle": "0.5s"},
    "dark": {"text": "the lights go out", "max_duration": "3s"},
}


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_fifty_kills_under_load_lose_and_repeat_nothing(
    eager_model: Path, tmp_path: Path, serve: Callable[..., ServeProcess]
) -> None:
    """One client hears every event once, in order and without a gap, however often the service dies; what it heard is
    in the log as it heard it; and no moment stays open.
    """
    rng = random.Random(7)
    service = await asyncio.to_thread(serve, model=str(eager_model), streams=STREAMS, queries=QUERIES)
    async with listening(service.url) as heard:
        for _ in range(KILLS):
            enough = len(heard.events) + 10
            await heard.until(partial(longer_than, enough))
            await asyncio.sleep(rng.uniform(0.0, 0.5))
            service.kill()
            await asyncio.to_thread(service.start)
        await heard.until(partial(longer_than, len(heard.events) + 10))
        assert await asyncio.to_thread(service.terminate) == 0
        acknowledged = [(event.cursor, event.id) for event in heard.events]
    logged = all_events(tmp_path / "data" / "events.sqlite3")

    assert [cursor for cursor, _ in acknowledged] == list(range(1, len(acknowledged) + 1))
    assert acknowledged == [(event.cursor, event.id) for event in logged[: len(acknowledged)]]
    assert len({event.id for event in logged}) == len(logged)
    moments = [event for event in logged if isinstance(event, MomentEvent)]
    open_at_death = [event for event in moments if event.data.reason == "restart"]
    assert len(open_at_death) >= KILLS  # or the kills did not hit what they were meant to hit
    finished = {event.data.moment_id for event in moments if event.data.state in ("ended", "retracted")}
    assert {event.data.moment_id for event in moments} == finished


def longer_than(count: int, events: Sequence[object]) -> bool:
    """Whether more than `count` events were heard."""
    return len(events) > count


def all_events(path: Path) -> list[Event]:
    """The whole log of a service that has ended."""
    store, found = Store(path), list[Event]()
    while page := store.read(found[-1].cursor or 0 if found else 0, 1000).events:
        found += page
    store.close()
    return found
