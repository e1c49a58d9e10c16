"""Lists of cuts through the client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from clients import Client, ClientError
from stream.store import ClipRecord
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served


@pytest.fixture
def day(served: Served, moment: MomentFactory) -> Served:
    """Two moments, of which the first has a clip."""
    for name, start_s, score in (("m1", 10.0, 0.7), ("m2", 3610.0, 0.9)):
        served.append(moment("ended", moment_id=name, start=instant(start_s), end=instant(start_s + 4), score=score))
    served.store.clips.add([ClipRecord(clip_of("m1", 8.0, 16.0), 1.0, told=True)])
    return served


async def test_cuts_come_with_their_clips(client: Client, day: Served) -> None:
    """As plain values."""
    first, second = await client.cuts()
    assert (first.moment_id, first.score, first.start.media_time_s) == ("m1", 0.7, 10.0)
    assert [(clip.clip_id, clip.state) for clip in first.clips] == [("m1", "ready")]
    assert (second.moment_id, second.clips) == ("m2", ())


async def test_every_wish_is_passed_on(client: Client, day: Served) -> None:
    """A day, or two times; where, what, how sure, how many and in which order."""
    noon = datetime(2025, 1, 2, 3, 30, tzinfo=UTC)
    assert [cut.moment_id for cut in await client.cuts(until=noon)] == ["m1"]
    assert [cut.moment_id for cut in await client.cuts(since=noon, min_score=0.8, best=1)] == ["m2"]
    assert [cut.moment_id for cut in await client.cuts(day="2025-01-02", order="score")] == ["m2", "m1"]
    assert await client.cuts(day="2025-01-02", timezone="Pacific/Honolulu") == ()
    assert await client.cuts(streams=["gate"]) == await client.cuts(queries=["corner"]) == ()
    with pytest.raises(ClientError, match="day: must be today"):
        await client.cuts(day="someday")


async def test_lists_for_other_programs_are_text(client: Client, day: Served) -> None:
    """A table, and an edit decision list."""
    assert (await client.cut_list("csv", best=1)).splitlines()[1].startswith("m2,pitch,goal,")
    text = await client.cut_list("edl", rate="50", timecode="day")
    assert "001  PITCH    AA/V  C        03:00:08:00 03:00:16:00 01:00:00:00 01:00:08:00" in text
