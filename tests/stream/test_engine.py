"""The engine against the model run on whole windows, whatever the batches, chunks, gaps and drops."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from r2model import R2Model
from r2model.decode import decode_moments
from r2model.outputs import Grounding
from stream.engine import NMS_IOU, SCORE_FLOOR, Engine, ModelError, TextError, load_engine
from stream.types import Frame, Gap, Image, Observation
from tests.models import FRAME_INTERVAL_S, WINDOW_FRAMES, frames, random_model, save_random_model

GOAL, CAR = "a ball enters the goal", "a red car drives from left to right"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model() -> R2Model:
    return random_model()


def engine_with(model: R2Model, **queries: Mapping[str, str]) -> Engine:
    """An engine with these streams and their queries."""
    engine = Engine(model)
    for stream, texts in queries.items():
        engine.add_stream(stream)
        engine.set_queries(stream, texts)
    return engine


def observations(engine: Engine, items: list[Frame | Gap], chunk: int = 1) -> list[Observation]:
    """What comes out of the engine, fed `chunk` items at a time."""
    rest = iter(items)
    out: list[Observation] = []
    while some := list(islice(rest, chunk)):
        out += [result for result in engine.process(some) if isinstance(result, Observation)]
    return out


def same(a: Observation, b: Observation, tolerance: float = TOLERANCE) -> bool:
    """Whether two observations say the same."""
    if (a.stream, a.query, a.epoch, len(a.spans)) != (b.stream, b.query, b.epoch, len(b.spans)):
        return False
    times = [(a.window_start_s, b.window_start_s), (a.now_s, b.now_s), (a.wall_time_s, b.wall_time_s)]
    numbers = [(x, y) for s, t in zip(a.spans, b.spans, strict=True) for x, y in zip(_row(s), _row(t), strict=True)]
    close = all(abs(x - y) <= tolerance for x, y in [*times, *numbers])
    return close and a.saliency.shape == b.saliency.shape and bool(np.abs(a.saliency - b.saliency).max() <= tolerance)


def _row(span: object) -> tuple[float, ...]:
    return tuple(vars(span).values())


def on_the_whole_window(model: R2Model, window: list[Frame], text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spans in media time, scores and saliency, by the model's plain forward on the frames of the window."""
    tokens = model.encode_images([frame.image for frame in window])
    found = model.ground(tokens, model.encode_text(text))
    strong = found.scores >= SCORE_FLOOR
    strongest = Grounding(found.saliency, found.spans[strong], found.scores[strong])
    spans, scores = decode_moments(strongest, len(window) * FRAME_INTERVAL_S, NMS_IOU)
    return spans + window[0].media_time_s, scores, found.saliency.numpy()


@pytest.mark.parametrize("use_tef", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 40])
def test_every_observation_equals_the_model_on_the_whole_window(chunk: int, use_tef: bool) -> None:
    """However frames arrive, each observation is what the model says of the window's frames."""
    model = random_model(use_tef=use_tef)
    given = frames("pitch", range(WINDOW_FRAMES + 8))
    seen = observations(engine_with(model, pitch={"goal": GOAL}), [*given], chunk)
    assert len(seen) == len(given)
    for newest, observation in enumerate(seen):
        window = given[max(0, newest + 1 - WINDOW_FRAMES) : newest + 1]
        spans, scores, saliency = on_the_whole_window(model, window, GOAL)
        assert observation.window_start_s == pytest.approx(window[0].media_time_s)
        assert observation.now_s == pytest.approx(window[-1].media_time_s + FRAME_INTERVAL_S)
        assert observation.wall_time_s == pytest.approx(window[-1].wall_time_s + FRAME_INTERVAL_S)
        np.testing.assert_allclose([(s.start_s, s.end_s) for s in observation.spans], spans, atol=1e-3)
        np.testing.assert_allclose([s.score for s in observation.spans], scores, atol=TOLERANCE)
        np.testing.assert_allclose(observation.saliency, saliency, atol=TOLERANCE)


@settings(max_examples=8, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    gap_at=st.integers(0, 18),
    joins_at=st.integers(0, 18),
)
def test_chunks_gaps_and_joining_queries_change_nothing(cuts: list[int], gap_at: int, joins_at: int) -> None:
    """Fed one by one or in any chunks, with a gap and a second query on the way, the observations are the same."""
    model = random_model()
    given: list[Frame | Gap] = [*frames("pitch", range(20))]
    given.insert(gap_at, Gap("pitch", 0, "time_jumped_back"))

    def run(sizes: list[int]) -> list[Observation]:
        engine = engine_with(model, pitch={"goal": GOAL})
        out: list[Observation] = []
        position = 0
        for part in (given[:joins_at], given[joins_at:]):
            rest = list(part)
            while rest:
                size = sizes[position % len(sizes)]
                position += 1
                out += observations(engine, rest[:size], size)
                rest = rest[size:]
            out += engine.set_queries("pitch", {"goal": GOAL, "car": CAR})
        return out

    alone, together = run([1]), run(cuts)
    assert len(alone) == len(together) and all(map(same, alone, together))


def test_a_stream_does_not_see_its_neighbours(model: R2Model) -> None:
    """Alone or beside other streams and queries, an observation is the same to 1e-5."""
    pitch, road = frames("pitch", range(15)), frames("road", range(3, 18))
    alone = observations(engine_with(model, pitch={"goal": GOAL}), [*pitch])
    crowded = engine_with(model, pitch={"car": CAR, "goal": GOAL}, road={"goal": GOAL, "car": CAR})
    both = [item for pair in zip(pitch, road, strict=True) for item in pair]
    beside = [seen for seen in observations(crowded, [*both], 2) if (seen.stream, seen.query) == ("pitch", "goal")]
    assert len(alone) == len(beside) and all(same(a, b, 1e-5) for a, b in zip(alone, beside, strict=True))


def test_the_future_changes_nothing(model: R2Model) -> None:
    """Observations of the first frames are the same whatever follows them."""
    common = frames("pitch", range(10))
    first, second = (
        observations(engine_with(model, pitch={"goal": GOAL}), [*common, *frames("pitch", range(10, 20), seed=seed)], 7)
        for seed in (1, 2)
    )
    assert all(map(same, first[:10], second[:10]))
    assert not same(first[10], second[10])


def test_a_gap_empties_the_window_and_comes_back_in_its_place(model: R2Model) -> None:
    """After a gap the window holds what came after it, and the gap stands between the observations."""
    engine = engine_with(model, pitch={"goal": GOAL})
    gap = Gap("pitch", 1, "new_connection")
    out = engine.process([*frames("pitch", range(4)), gap, *frames("pitch", range(2), epoch=1)])
    kinds = [type(result).__name__ for result in out]
    assert kinds == ["Observation"] * 4 + ["Gap"] + ["Observation"] * 2
    last = out[-1]
    assert isinstance(last, Observation) and (last.window_start_s, last.now_s, last.epoch) == (0.0, 1.0, 1)


def test_a_new_query_is_answered_for_the_window_already_held(model: R2Model) -> None:
    """Setting queries returns what the new one sees now, as if it had watched all along, and nothing for old ones."""
    given = frames("pitch", range(15))
    always = observations(engine_with(model, pitch={"car": CAR}), [*given])[-1]
    engine = engine_with(model, pitch={"goal": GOAL})
    engine.process([*given])
    found = engine.set_queries("pitch", {"goal": GOAL, "car": CAR})
    assert [seen.query for seen in found] == ["car"] and same(found[0], always)
    assert engine.set_queries("pitch", {"goal": GOAL, "car": CAR}) == []
    assert [seen.query for seen in engine.set_queries("pitch", {"goal": CAR, "car": CAR})] == ["goal"]


def test_queries_with_the_same_sentence_see_the_same(model: R2Model) -> None:
    """Two names for one sentence both get their observation."""
    engine = engine_with(model, pitch={"one": GOAL, "two": GOAL})
    one, two = observations(engine, [*frames("pitch", range(1))])
    assert (one.query, two.query) == ("one", "two") and one.spans == two.spans


def test_a_query_on_an_empty_window_waits(model: R2Model) -> None:
    """Before the first frame there is nothing to say."""
    assert engine_with(model, pitch={}).set_queries("pitch", {"goal": GOAL}) == []


@pytest.mark.parametrize(("missing", "gap"), [(1, False), (2, False), (3, True), (9, True)])
def test_frames_dropped_on_the_way_are_repeated_or_make_a_gap(model: R2Model, missing: int, gap: bool) -> None:
    """Up to two missing frames are filled with the one before; more break the time axis."""
    engine = engine_with(model, pitch={"goal": GOAL})
    engine.process([*frames("pitch", range(5))])
    out = engine.process([*frames("pitch", [5 + missing])])
    assert [result.reason for result in out if isinstance(result, Gap)] == (["frames_missing"] if gap else [])
    seen = out[-1]
    assert isinstance(seen, Observation)
    assert seen.window_start_s == pytest.approx(seen.now_s - FRAME_INTERVAL_S if gap else 0.0)


def test_another_epoch_without_a_gap_makes_one(model: R2Model) -> None:
    """Frames of two connections never share a window."""
    engine = engine_with(model, pitch={"goal": GOAL})
    out = engine.process([*frames("pitch", range(3)), *frames("pitch", range(3), epoch=1)])
    assert [result.reason for result in out if isinstance(result, Gap)] == ["new_connection"]


def test_repeated_pictures_are_encoded_once(model: R2Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that show the same picture share one row of the CLIP batch."""
    batches: list[int] = []
    encode = model.encode_images

    def counted(images: list[Image]) -> Tensor:
        batches.append(len(images))
        return encode(images)

    monkeypatch.setattr(model, "encode_images", counted)
    first, second = frames("pitch", range(2))
    repeated = Frame(**{**vars(second), "image": first.image, "repeated": True})
    engine_with(model, pitch={"goal": GOAL}).process([first, repeated, *frames("road", [])])
    assert batches == [1]


@pytest.mark.parametrize("use_tef", [False, True], ids=["cached", "rerun"])
def test_looking_back_goes_through_the_window_held_and_touches_nothing(use_tef: bool) -> None:
    """As if the stream had begun with its oldest frame; what is watched goes on as without it, bit by bit."""
    model, shown = random_model(use_tef=use_tef), frames("a", range(WINDOW_FRAMES + 8))
    plain, engine = (engine_with(model, a={"goal": GOAL}) for _ in range(2))
    expected = [observations(plain, [frame])[0] for frame in shown]
    seen = [observations(engine, [frame])[0] for frame in shown[:-4]]
    held = engine.copy_window("a")
    assert held is not None and held.frames == WINDOW_FRAMES
    back = [engine.look_back(held, {"car": CAR, "goal": GOAL}) for _ in range(2)]
    for frame in shown[-4:]:
        seen += observations(engine, [frame])
        back.append(engine.look_back(held, {"car": CAR, "goal": GOAL}))
    back += [engine.look_back(held, {"car": CAR, "goal": GOAL}) for _ in range(WINDOW_FRAMES - 6)]
    assert all(same(one, other, 0.0) for one, other in zip(seen, expected, strict=True))
    fresh = observations(engine_with(model, a={"car": CAR, "goal": GOAL}), list(shown[-4 - WINDOW_FRAMES : -4]))
    assert all(same(one, other) for one, other in zip([one for some in back for one in some], fresh, strict=True))
    with pytest.raises(ValueError, match="gone through"):
        engine.look_back(held, {"car": CAR})


def test_an_empty_window_cannot_be_copied(model: R2Model) -> None:
    """Nor that of a stream that is not there, nor one after a gap."""
    engine = engine_with(model, a={"goal": GOAL})
    assert engine.copy_window("a") is None and engine.copy_window("nowhere") is None
    observations(engine, [*frames("a", range(3)), Gap("a", 0, "gap")], chunk=4)
    assert engine.copy_window("a") is None


def test_memory_of_a_stream_does_not_grow(model: R2Model) -> None:
    """What windows hold is fixed once the first frame has come, and is freed with the stream."""
    engine = engine_with(model, pitch={"goal": GOAL}, road={"car": CAR})
    engine.process([*frames("pitch", range(1)), *frames("road", range(1))])
    held = engine.window_bytes
    engine.process([*frames("pitch", range(1, 40)), Gap("road", 0, "frames_missing"), *frames("road", range(1, 40))])
    assert engine.window_bytes == held == engine.bytes_for([1, 1])
    engine.remove_stream("road")
    assert engine.window_bytes == held // 2


@pytest.mark.parametrize("text", ["", "  ", "a ball " * 40])
def test_a_sentence_the_model_cannot_read_is_refused(model: R2Model, text: str) -> None:
    """An empty or over-long sentence is an error with a code, and the queries stay as they were."""
    engine = engine_with(model, pitch={"goal": GOAL})
    engine.process([*frames("pitch", range(3))])
    with pytest.raises(TextError, match="sentence") as caught:
        engine.set_queries("pitch", {"other": text})
    assert caught.value.code == "bad_text"
    seen = observations(engine, [*frames("pitch", [3])])
    assert [observation.query for observation in seen] == ["goal"]


def test_a_model_file_makes_an_engine(tmp_path: Path) -> None:
    """The shipped layout loads, and the engine takes the file's name."""
    engine = load_engine(save_random_model(tmp_path / "small.safetensors"))
    engine.add_stream("pitch")
    engine.set_queries("pitch", {"goal": GOAL})
    assert engine.name == "small"
    assert len(engine.process([*frames("pitch", range(2))])) == 2


@pytest.mark.parametrize("content", [None, b"not a model"])
def test_a_wrong_model_file_says_so(tmp_path: Path, content: bytes | None) -> None:
    """A missing or damaged file is one sentence with a code."""
    path = tmp_path / "broken.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.safetensors") as caught:
        load_engine(path)
    assert caught.value.code == "bad_model"
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_says_so(tmp_path: Path) -> None:
    """With the device to use instead, and without a traceback."""
    with pytest.raises(ModelError, match=r"the device 'nonsense' cannot be used .*: set device: cpu"):
        load_engine(save_random_model(tmp_path / "small.safetensors"), device="nonsense")


def test_spans_are_clamped_disjoint_enough_and_sorted() -> None:
    """Every span lies inside the window, none overlaps a better one by the limit, the best comes first."""
    engine = engine_with(random_model(sure=2.0), pitch={"goal": GOAL})
    for seen in observations(engine, [*frames("pitch", range(20))], 20):
        scores = [span.score for span in seen.spans]
        assert scores == sorted(scores, reverse=True) and seen.spans
        for index, span in enumerate(seen.spans):
            assert seen.window_start_s <= span.start_s < span.end_s <= seen.now_s + 1e-9
            for better in seen.spans[:index]:
                common = min(span.end_s, better.end_s) - max(span.start_s, better.start_s)
                union = max(span.end_s, better.end_s) - min(span.start_s, better.start_s)
                assert common / union < NMS_IOU + 1e-6
