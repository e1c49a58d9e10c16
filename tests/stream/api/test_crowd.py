"""Those who have come to the end of the log go on together, and whoever has no room falls out alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from stream.api.crowd import BREATH, PAGE_EVENTS, Crowd, Place, Seat
from stream.events import Event
from stream.metrics import Metrics
from stream.store import Store

if TYPE_CHECKING:
    from tests.conftest import MomentFactory


Until = Callable[[Callable[[], bool]], None]


class MemoryLine:
    """A line that keeps what it takes: the cursors of events, as `encode` makes bytes of them."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.full = False

    def write(self, data: bytes) -> bool:
        if not self.full:
            self.taken += map(int, data.split())
        return not self.full

    async def room(self) -> bool:
        return True

    def hang_up(self, code: int, reason: str) -> None:
        self.full = True


class Company:
    """A crowd, and how it is joined."""

    def __init__(self, store: Store) -> None:
        self.metrics = Metrics()
        self.encoded: list[int | None] = []
        self.crowd = Crowd(store, self.metrics, "ws", self._encode)

    def _encode(self, event: Event) -> bytes:
        self.encoded.append(event.cursor)
        return f"{event.cursor} ".encode()

    @asynccontextmanager
    async def joined(self, *places: Place) -> AsyncIterator[list[Seat]]:
        """Clients who are carried from these places on, until the block ends."""
        seats = [Seat(MemoryLine(), place) for place in places]
        async with asyncio.TaskGroup() as group:
            for seat in seats:
                group.create_task(self.crowd.carry(seat, 60.0))
            await asyncio.sleep(0)
            yield seats
            for seat in seats:
                seat.stirred.set()

    def counted(self) -> float | None:
        return self.metrics.registry.get_sample_value("r2stream_deliveries_total", {"sink": "ws", "result": "sent"})


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store)


def taken(seat: Seat) -> list[int]:
    assert isinstance(seat.line, MemoryLine)
    return seat.line.taken


ALL = Place(None, None, 0)


async def test_what_is_new_goes_to_all_and_is_encoded_once(
    company: Company, store: Store, moment: MomentFactory, until: Until
) -> None:
    """However many there are; each delivery is counted."""
    clients = 2 * BREATH + 1
    async with company.joined(*[ALL] * clients) as seats:
        for _ in range(3):
            await asyncio.to_thread(store.append, [moment(), moment()])
        await asyncio.to_thread(until, lambda: all(seat.place.cursor == 6 for seat in seats))
        assert [taken(seat) for seat in seats] == [[1, 2, 3, 4, 5, 6]] * clients
        assert company.encoded == [1, 2, 3, 4, 5, 6]
        assert company.counted() == 6 * clients


async def test_each_is_sent_what_it_wants(company: Company, store: Store, moment: MomentFactory, until: Until) -> None:
    """And all come to the same end, whatever was for them."""
    wishes = [ALL, Place.of(["gate"], None, 0), Place.of(None, ["corner"], 0), Place.of([], None, 0)]
    async with company.joined(*wishes) as seats:
        store.append([moment(), moment(query="corner"), moment(stream="gate"), moment(stream="gate", query="corner")])
        await asyncio.to_thread(until, lambda: all(seat.place.cursor == 4 for seat in seats))
        assert [taken(seat) for seat in seats] == [[1, 2, 3, 4], [3, 4], [2, 4], []]


async def test_those_who_come_from_different_places_lose_and_repeat_nothing(
    company: Company, store: Store, moment: MomentFactory, until: Until
) -> None:
    """One that stood behind is brought to where the others are, also over more than a page."""
    events = PAGE_EVENTS + 50
    store.append([moment() for _ in range(events)])
    async with company.joined(ALL, ALL.at(events - 1), ALL.at(events)) as seats:
        store.append([moment()])
        await asyncio.to_thread(until, lambda: all(seat.place.cursor == events + 1 for seat in seats))
        everything = list(range(1, events + 2))
        assert [taken(seat) for seat in seats] == [everything, everything[-2:], everything[-1:]]


async def test_whoever_has_no_room_falls_out(
    company: Company, store: Store, moment: MomentFactory, until: Until
) -> None:
    """At the place of the last event it took; the others go on, and it is sent nothing more."""
    async with company.joined(ALL, ALL) as (slow, quick):
        store.append([moment()])
        await asyncio.to_thread(until, lambda: taken(slow) == [1] == taken(quick))
        assert isinstance(slow.line, MemoryLine)
        slow.line.full = True
        store.append([moment()])
        await asyncio.wait_for(slow.stirred.wait(), 10)
        slow.line.full = False
        store.append([moment()])
        await asyncio.to_thread(until, lambda: taken(quick) == [1, 2, 3])
        assert (slow.place.cursor, taken(slow)) == (1, [1])
        assert not quick.stirred.is_set()
        assert company.counted() == 4


async def test_what_only_the_file_knows_is_left_to_each(
    company: Company, store: Store, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a flood that memory does not hold, everybody reads on alone: the loop waits for no disk."""
    monkeypatch.setattr(store, "recent", lambda *args: None)
    async with company.joined(ALL) as (seat,):
        store.append([moment()])
        await asyncio.wait_for(seat.stirred.wait(), 10)
        assert (seat.place, taken(seat)) == (ALL, [])


async def test_a_mistake_sends_everybody_on_alone(
    company: Company,
    store: Store,
    moment: MomentFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    until: Until,
) -> None:
    """Nobody waits for a crowd that is no more, and the next to come find a new one."""
    with monkeypatch.context() as broken:
        broken.setattr(store, "recent", lambda *args: 1 / 0)
        async with company.joined(ALL, ALL.at(1)) as (first, second):
            store.append([moment(), moment()])
            await asyncio.wait_for(second.stirred.wait(), 10)
            assert taken(first) == []
    assert "ZeroDivisionError" in caplog.text
    async with company.joined(ALL.at(2)) as (seat,):
        store.append([moment()])
        await asyncio.to_thread(until, lambda: taken(seat) == [3])


async def test_an_empty_crowd_does_nothing(company: Company, store: Store, moment: MomentFactory, until: Until) -> None:
    """No task is left, and who comes later is carried like the first."""
    for cursor in (1, 2):
        async with company.joined(ALL.at(cursor - 1)) as (seat,):
            assert "crowd" in [task.get_name() for task in asyncio.all_tasks()]
            store.append([moment()])
            await asyncio.to_thread(until, lambda: taken(seat) == [cursor])  # noqa: B023
        await asyncio.sleep(0)
        assert "crowd" not in [task.get_name() for task in asyncio.all_tasks()]


async def test_time_is_up(company: Company) -> None:
    """A quiet crowd gives a client back when it asked for that."""
    seat = Seat(MemoryLine(), ALL)
    await asyncio.wait_for(company.crowd.carry(seat, 0.01), 10)
    assert not seat.stirred.is_set()
