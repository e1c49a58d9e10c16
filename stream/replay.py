"""The live path without threads, as fast as the machine allows: for evaluation, backtests and tests.

Pictures, frames or tokens computed before go through the same sampler, engine and session as a live stream, one slot at
a time, so that what is measured here is what runs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice

from torch import Tensor

from stream.engine import EncodedFrame, Engine
from stream.events import MomentEvent
from stream.session import StreamSession
from stream.types import Frame, Gap, Observation, Picture

BATCH_FRAMES = 32
"""Frames that CLIP encodes together; the results do not depend on it."""


def replay_pictures(engine: Engine, session: StreamSession, pictures: Iterable[Picture]) -> Generator[MomentEvent]:
    """The events that watching these pictures gives; moments still open at the end are ended."""
    sampled = (item for picture in pictures for item in session.feed_picture(picture))
    return replay_frames(engine, session, sampled)


def replay_frames(
    engine: Engine, session: StreamSession, items: Iterable[Frame | Gap], *, batch_frames: int = BATCH_FRAMES
) -> Generator[MomentEvent]:
    """The events of one stream whose frames are given; its queries are those of `session`.

    Raises:
        TextError: for a sentence that the model cannot read.
    """
    with closing(observe_frames(engine, session, items, batch_frames=batch_frames)) as results:
        for result in results:
            yield from _feed(session, [result])
    yield from session.feed_gap()


def observe_frames(
    engine: Engine, session: StreamSession, items: Iterable[Frame | Gap], *, batch_frames: int = BATCH_FRAMES
) -> Generator[Observation | Gap]:
    """What the queries of `session` see in the frames of its stream; the session itself is fed nothing.

    Raises:
        TextError: for a sentence that the model cannot read.
    """
    rest = iter(items)
    with _watched(engine, session):
        while some := list(islice(rest, batch_frames)):
            yield from engine.process(some)


def replay_tokens(
    engine: Engine, sessions: Sequence[StreamSession], tokens: Mapping[str, Tensor]
) -> Iterator[MomentEvent]:
    """The same for many streams at once, whose CLIP tokens `[T,K,P,C]` are known, by name.

    Streams go side by side, each tick one batch, which is several times faster than one after the other.
    """
    by_name = {session.stream: session for session in sessions}
    texts = {name: _texts(session) for name, session in by_name.items()}
    for seen in observe_tokens(engine, texts, {name: tokens[name] for name in by_name}):
        for observation in seen:
            yield from by_name[observation.stream].feed_observations([observation])
    for session in sessions:
        yield from session.feed_gap()


def observe_tokens(
    engine: Engine, texts: Mapping[str, Mapping[str, str]], tokens: Mapping[str, Tensor]
) -> Iterator[list[Observation]]:
    """What the engine sees at each tick, for trackers of any settings to run over.

    Args:
        engine: without streams of these names; they are there only while this runs.
        texts: sentences by stream and query name.
        tokens: CLIP tokens `[T,K,P,C]` by stream, one frame for each slot from media time 0 on; lengths may differ.
    """
    ticks = max((len(frames) for frames in tokens.values()), default=0)
    try:
        for stream, queries in texts.items():
            engine.add_stream(stream)
            engine.set_queries(stream, queries)
        for index in range(ticks):
            due = [
                _frame(stream, index, frames[index], engine.frame_interval_s)
                for stream, frames in tokens.items()
                if index < len(frames)
            ]
            yield [result for result in engine.advance(due) if isinstance(result, Observation)]
    finally:
        for stream in texts:
            if stream in engine.streams:
                engine.remove_stream(stream)


def _frame(stream: str, index: int, tokens: Tensor, frame_interval_s: float) -> EncodedFrame:
    time_s = index * frame_interval_s
    return EncodedFrame(
        stream=stream,
        epoch=0,
        index=index,
        media_time_s=time_s,
        wall_time_s=time_s,
        clock="file",
        tokens=tokens,
    )


@contextmanager
def _watched(engine: Engine, session: StreamSession) -> Iterator[None]:
    """The session's stream and queries are in the engine."""
    engine.add_stream(session.stream)
    try:
        engine.set_queries(session.stream, _texts(session))
        yield
    finally:
        engine.remove_stream(session.stream)


def _texts(session: StreamSession) -> dict[str, str]:
    return {name: query.text for name, query in session.queries.items()}


def _feed(session: StreamSession, results: Sequence[Observation | Gap]) -> Iterator[MomentEvent]:
    for result in results:
        if isinstance(result, Observation):
            yield from session.feed_observations([result])
        else:
            yield from session.feed_gap()
