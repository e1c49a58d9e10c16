import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stream.events import MomentEvent
from stream.query import Query
from stream.session import StreamSession
from stream.types import Frame, Gap, Observation, Picture, Span

GOAL = Query("goal", "a player scores a goal")
FOUL = Query("foul", "a player is fouled")
NOTHING = np.zeros(0, np.float32)


def session(*queries: Query) -> StreamSession:
    made = StreamSession("pitch", 0.5, model="demo")
    assert made.set_queries(queries or [GOAL]) == []
    return made


def observe(now_s: float, *spans: Span, query: str = "goal") -> Observation:
    return Observation("pitch", query, 0, max(0.0, now_s - 32), now_s, 1000.0 + now_s, "arrival", spans, NOTHING)


def running(now_s: float, query: str = "goal") -> Observation:
    """A happening that began at 10 s and goes on."""
    return observe(now_s, Span(10.0, now_s, 0.8), query=query)


def kinds(events: Sequence[MomentEvent]) -> list[tuple[str, str, str | None]]:
    return [(event.type.rpartition(".")[2], event.data.query, event.data.reason) for event in events]


def test_pictures_become_frames() -> None:
    """The first half of the session is the sampler."""
    watched = session()
    picture = Picture(0.0, 1000.0, "arrival", 0, lambda: np.zeros((2, 2, 3), np.uint8))
    assert watched.wants(0.0)
    (frame,) = watched.feed_picture(picture)
    assert isinstance(frame, Frame)
    assert not watched.wants(0.4)
    items = watched.feed_picture(replace(picture, media_time_s=9.0))
    assert [type(item) for item in items] == [Gap, Frame]


def test_observations_become_events() -> None:
    """Event by event the life of a moment, emitted at the time given."""
    watched = session()
    watched.feed_observations([observe(9.0)])
    (started,) = watched.feed_observations([running(10.5)], time_s=1010.75)
    assert started.data.text == "a player scores a goal"
    assert started.data.model == "demo"
    assert started.time == "1970-01-01T00:16:50.750Z"
    assert started.data.onset_to_alert_s == 0.75
    assert started.data.start.time == "1970-01-01T00:16:50.000Z"


def test_a_replay_emits_at_the_newest_frames_time() -> None:
    """Without a clock of its own, so that two replays are equal."""
    first, again = (session().feed_observations([observe(9.0), running(10.5)]) for _ in range(2))
    assert first == again
    assert first[0].time == "1970-01-01T00:16:50.500Z"


def test_a_clock_that_is_wrong_does_not_count_as_latency() -> None:
    """A camera an hour behind has not delayed anything, nor has one that is ahead."""
    for time_s in (1010.5 + 3600, 900.0):
        watched = session()
        watched.feed_observations([observe(9.0)], time_s=time_s)
        (started,) = watched.feed_observations([running(10.5)], time_s=time_s)
        assert started.data.onset_to_alert_s == 0.5


def test_each_query_has_a_tracker_of_its_own() -> None:
    """Moments of different queries may overlap."""
    watched = session(GOAL, FOUL)
    events = watched.feed_observations([running(10.5), running(10.5, "foul")])
    assert kinds(events) == [("started", "goal", None), ("started", "foul", None)]


def test_only_queries_that_are_on_for_the_stream_are_watched() -> None:
    """Others and disabled ones are not."""
    watched = session(GOAL, replace(FOUL, streams=("gate",)), replace(FOUL, name="off", enabled=False))
    assert list(watched.queries) == ["goal"]


def test_a_removed_query_ends_its_moments() -> None:
    """The others go on."""
    watched = session(GOAL, FOUL)
    watched.feed_observations([running(10.5), running(10.5, "foul")])
    assert kinds(watched.set_queries([FOUL])) == [("ended", "goal", "query_removed")]
    assert kinds(watched.feed_observations([running(11.0), running(11.0, "foul")])) == []
    assert watched.ignored_observations == 1


def test_a_changed_text_is_a_new_query() -> None:
    """Its old moments end, and the new text finds its own."""
    watched = session(GOAL)
    (started,) = watched.feed_observations([running(10.5)])
    changed = replace(GOAL, text="the ball crosses the line")
    (ended,) = watched.set_queries([changed])
    assert (ended.data.reason, ended.data.text) == ("query_changed", "a player scores a goal")
    (again,) = watched.feed_observations([running(11.0)])
    assert again.data.text == "the ball crosses the line"
    assert again.data.moment_id != started.data.moment_id


def test_a_changed_threshold_keeps_moments_open() -> None:
    """It applies from the next observation on."""
    watched = session(GOAL)
    watched.feed_observations([running(10.5)])
    assert watched.set_queries([replace(GOAL, enter=0.9, exit=0.7)]) == []
    assert watched.queries["goal"].enter == 0.9
    assert kinds(watched.feed_observations([running(11.0)])) == []


def test_a_gap_ends_moments_and_watching_goes_on() -> None:
    """What comes after the gap is another moment."""
    watched = session()
    watched.feed_observations([running(10.5)])
    assert kinds(watched.feed_gap()) == [("ended", "goal", "gap")]
    assert kinds(watched.feed_observations([observe(60.0, Span(59.0, 60.0, 0.9))])) == [("started", "goal", None)]


def test_close_ends_everything_once() -> None:
    """With the reason given."""
    watched = session(GOAL, FOUL)
    watched.feed_observations([running(10.5), running(10.5, "foul")])
    assert kinds(watched.close("shutdown")) == [("ended", "goal", "shutdown"), ("ended", "foul", "shutdown")]
    assert watched.close("shutdown") == []


def test_events_are_ready_for_the_wire() -> None:
    """JSON with the documented names."""
    (event,) = session().feed_observations([running(10.5)])
    body = json.loads(event.to_json())
    assert body["type"] == "r2stream.moment.started"
    assert body["data"]["end"] == {"time": None, "media_time_s": None, "final": False}
