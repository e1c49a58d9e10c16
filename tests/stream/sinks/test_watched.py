"""Which events go to which sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.events import ClipData, Instant, clip_event, stream_event
from stream.query import Query
from stream.sinks import watched as watched_module
from stream.sinks.watched import Watched

if TYPE_CHECKING:
    from tests.conftest import MomentFactory

GOAL = Query("goal", "a goal")
CORNER = Query("corner", "a corner", streams=("pitch",), deliver=("hook",))
NOBODY = Query("nobody", "silence", deliver=())


def test_a_query_may_choose_its_sinks(moment: MomentFactory) -> None:
    """Without a choice, and about streams, everything goes to all."""
    watched = Watched().changed(["pitch"], [GOAL, CORNER, NOBODY])
    goes = {
        (sink, query): watched.goes_to(sink, moment(query=query))
        for sink in ("hook", "mqtt")
        for query in ("goal", "corner", "nobody", "unknown")
    }
    assert [key for key, value in goes.items() if not value] == [
        ("hook", "nobody"),
        ("mqtt", "corner"),
        ("mqtt", "nobody"),
    ]
    assert watched.goes_to("mqtt", stream_event("pitch", "online", time_s=1.0))


def test_a_clip_goes_where_its_moment_went() -> None:
    """One that somebody asked for, which belongs to no query, goes to all."""
    watched = Watched().changed(["pitch"], [CORNER])
    now = Instant(time="2025-01-02T03:04:05.000Z", media_time_s=1.0, final=True)
    clip = ClipData(
        clip_id="1",
        moment_id="1",
        stream="pitch",
        query="corner",
        state="failed",
        reason="No video is held.",
        url=None,
        thumbnail_url=None,
        container=None,
        start=now,
        end=now,
        bytes=None,
    )
    told = clip_event(clip, time_s=1.0)
    assert watched.goes_to("hook", told) and not watched.goes_to("mqtt", told)
    asked_for = clip.model_copy(update={"moment_id": None, "query": None})
    assert watched.goes_to("mqtt", clip_event(asked_for, time_s=1.0))


def test_the_end_of_a_removed_querys_moment_goes_where_its_beginning_went(moment: MomentFactory) -> None:
    """It is logged when the query is gone already."""
    watched = Watched().changed(["pitch"], [CORNER]).changed(["pitch"], [])
    assert not watched.goes_to("mqtt", moment("ended", query="corner"))
    again = watched.changed(["pitch"], [Query("corner", "another")])
    assert again.goes_to("mqtt", moment(query="corner")) and not again.former


def test_what_is_remembered_of_removed_queries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay."""
    monkeypatch.setattr(watched_module, "MAX_FORMER", 2)
    watched = Watched()
    for name in "abcd":
        watched = watched.changed([], [Query(name, "x")])
    assert list(watched.changed([], []).former) == ["c", "d"]


def test_pairs_are_what_is_watched_where() -> None:
    """Only of queries that are on and go to the sink."""
    watched = Watched().changed(["pitch", "gate"], [GOAL, CORNER, Query("off", "x", enabled=False)])
    assert set(watched.pairs("hook")) == {("pitch", "goal"), ("gate", "goal"), ("pitch", "corner")}
    assert set(watched.pairs("mqtt")) == {("pitch", "goal"), ("gate", "goal")}
