"""Replays give what live gives, see nothing of the future, and do not depend on how they are driven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch

from r2model import R2Model
from stream.engine import Engine, TextError
from stream.events import MomentEvent
from stream.query import Query
from stream.replay import observe_frames, observe_tokens, replay_frames, replay_pictures, replay_tokens
from stream.session import StreamSession
from stream.types import Frame, Gap, Image, Picture
from tests.models import FRAME_INTERVAL_S, frames, random_model

GOAL = Query("goal", "a ball enters the goal", enter=0.5, exit=0.45, settle_s=1.0)
CAR = Query("car", "a red car drives from left to right", enter=0.5, exit=0.45, settle_s=1.0)


@pytest.fixture(scope="module")
def model() -> R2Model:
    """Finds moments in noise, and not everywhere."""
    return random_model(sure=0.5, window_frames=16)


def session(stream: str = "pitch", queries: Sequence[Query] = (GOAL, CAR)) -> StreamSession:
    made = StreamSession(stream, FRAME_INTERVAL_S, model="random")
    made.set_queries(queries)
    return made


def replayed(model: R2Model, items: Sequence[Frame | Gap], *, batch_frames: int = 32) -> list[MomentEvent]:
    return list(replay_frames(Engine(model), session(), items, batch_frames=batch_frames))


def picture(index: int, image: Image) -> Picture:
    """A picture at the very time of a slot."""
    return Picture(index * FRAME_INTERVAL_S, 1_000_000.0 + index * FRAME_INTERVAL_S, "arrival", 0, lambda: image)


def said(events: Sequence[MomentEvent]) -> list[tuple[object, ...]]:
    """What events say, with numbers as rounded as batches allow."""
    rows: list[tuple[object, ...]] = []
    for event in events:
        data = event.data
        times = (data.start.media_time_s, data.end.media_time_s)
        rows.append(
            (event.type, data.query, data.revision, data.reason, *(t if t is None else round(t, 1) for t in times))
        )
    return rows


def test_moments_are_found(model: R2Model) -> None:
    """The model of these tests finds some moments, so that the tests below compare something."""
    events = replayed(model, frames("pitch", range(60)))
    assert {event.type for event in events} >= {"r2stream.moment.started", "r2stream.moment.ended"}


@pytest.mark.parametrize("batch_frames", [1, 3, 7])
def test_the_batch_changes_no_event(model: R2Model, batch_frames: int) -> None:
    """Frame by frame or many at a time, the events are the same."""
    items: list[Frame | Gap] = [
        *frames("pitch", range(30)),
        Gap("pitch", 1, "new_connection"),
        *frames("pitch", range(20), epoch=1),
    ]
    assert said(replayed(model, items, batch_frames=batch_frames)) == said(replayed(model, items))


def test_later_frames_change_no_earlier_event(model: R2Model) -> None:
    """Events emitted while the first frames came are the same whatever came after them."""
    common = frames("pitch", range(30))

    def before_the_future(seed: int) -> tuple[list[MomentEvent], list[MomentEvent]]:
        fed = 0
        early: list[MomentEvent] = []
        late: list[MomentEvent] = []

        def feed() -> Iterator[Frame]:
            nonlocal fed
            for frame in [*common, *frames("pitch", range(30, 60), seed=seed)]:
                fed += 1
                yield frame

        for event in replay_frames(Engine(model), session(), feed(), batch_frames=1):
            (early if fed <= len(common) else late).append(event)
        return early, late

    (first, first_late), (second, second_late) = before_the_future(1), before_the_future(2)
    assert first and first == second
    assert first_late != second_late


def test_final_moments_never_change(model: R2Model) -> None:
    """After a moment has ended or been retracted, no event speaks of it again."""
    over: set[str] = set()
    for event in replayed(model, frames("pitch", range(80))):
        assert event.data.moment_id not in over
        if event.data.state in ("ended", "retracted"):
            assert event.data.start.final and event.data.end.final
            over.add(event.data.moment_id)
    assert over


def test_pictures_give_the_same_as_their_frames(model: R2Model) -> None:
    """The sampler in front changes nothing when every slot has its picture."""
    given = frames("pitch", range(40))
    pictures = [picture(frame.index, frame.image) for frame in given]
    events = list(replay_pictures(Engine(model), session(), pictures))
    assert said(events) == said(replayed(model, given))


def test_tokens_of_many_streams_give_the_same_as_each_stream_alone(model: R2Model) -> None:
    """Side by side, with programmes of different lengths, each stream's events are those it has alone."""
    given = {"pitch": frames("pitch", range(40)), "road": frames("road", range(25))}
    tokens = {name: model.encode_images([frame.image for frame in some]) for name, some in given.items()}
    together = list(replay_tokens(Engine(model), [session(name) for name in given], tokens))
    for name, some in given.items():
        alone = list(replay_frames(Engine(model), session(name), some))
        assert said([event for event in together if event.data.stream == name]) == said(alone)


def test_observations_come_tick_by_tick(model: R2Model) -> None:
    """Each tick gives one observation for each query of each stream that still has frames."""
    tokens = {"a": torch.rand(5, 2, 16, 32), "b": torch.rand(3, 2, 16, 32)}
    texts = {"a": {"goal": GOAL.text}, "b": {"goal": GOAL.text, "car": CAR.text}}
    engine = Engine(model)
    ticks = list(observe_tokens(engine, texts, tokens))
    assert [len(tick) for tick in ticks] == [3, 3, 3, 1, 1]
    assert [tick[0].now_s for tick in ticks] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert not engine.streams


def test_observations_of_frames_are_those_that_a_replay_is_made_of(model: R2Model) -> None:
    """Each query after each frame, and the gaps in between; the session is fed nothing."""
    items: list[Frame | Gap] = [*frames("pitch", range(5)), Gap("pitch", 0, "silent"), *frames("pitch", range(5, 7))]
    watched = session()
    results = list(observe_frames(Engine(model), watched, items, batch_frames=2))
    assert len(results) == 15 and results[10] == items[5]
    assert watched.ignored_observations == 0 and list(watched.feed_gap()) == []


def test_a_replay_leaves_the_engine_as_it_was(model: R2Model) -> None:
    """Also when it is left half-way or its sentence cannot be read."""
    engine = Engine(model)
    half = replay_frames(engine, session(), frames("pitch", range(60)), batch_frames=4)
    next(half)
    half.close()
    assert not engine.streams
    with pytest.raises(TextError):
        list(replay_frames(engine, session(queries=[Query("long", "ball " * 100)]), frames("pitch", range(3))))
    assert not engine.streams
