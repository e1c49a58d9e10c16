"""The moving window against the network run on the whole window (contract 2) and alone (contract 3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r2model import Grounding, R2Model
from r2model.decode import groundings
from r2model.incremental import IncrementalGrounder
from r2model.model import R2Tuning

FRAMES, CAPACITY, WORDS = 30, 10, (1, 3, 4, 7)
EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Bench:
    """A small model with a moving window, three streams and four sentences."""

    def __init__(self, r2: R2Tuning, max_batch: int = 3) -> None:
        self.model = R2Model(r2.config, r2)
        self.grounder = IncrementalGrounder(self.model, max_batch=max_batch)
        generator = torch.Generator().manual_seed(1)
        self.streams = torch.randn(3, FRAMES, 4, 5, 48, generator=generator)
        self.texts = [torch.randn(words, 4, 32, generator=generator) for words in WORDS]
        self.queries = [self.grounder.prepare(text) for text in self.texts]
        self.known: dict[tuple[int, int, int, int], Grounding] = {}

    def expected(self, stream: int, end: int, start: int, query: int) -> Grounding:
        """The network on the frames that a window must hold after frame `end` of a run begun at `start`."""
        start = max(start, end - CAPACITY)
        if (stream, start, end, query) not in self.known:
            self.known[stream, start, end, query] = self.model.ground(
                self.streams[stream, start:end], self.texts[query]
            )
        return self.known[stream, start, end, query]


@pytest.fixture(params=[False, True], ids=["cached", "rerun"])
def bench(request: pytest.FixtureRequest, make_model: Callable[..., R2Tuning]) -> Bench:
    return Bench(make_model(use_tef=request.param, window_frames=CAPACITY, frame_interval_s=0.5))


def assert_same(ours: Grounding, theirs: Grounding, atol: float = 1e-4) -> None:
    """Equal saliency and scores; equal spans, where scores do not tie within the tolerance."""
    torch.testing.assert_close(ours.saliency, theirs.saliency, rtol=0, atol=atol)
    torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=atol)
    gaps = theirs.scores.diff().abs() > 2 * atol
    clear = torch.cat([gaps.new_ones(1), gaps]) & torch.cat([gaps, gaps.new_ones(1)])
    torch.testing.assert_close(ours.spans[clear], theirs.spans[clear], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, FRAMES])
def test_equals_the_network_for_every_chunking(bench: Bench, chunk: int) -> None:
    """Grounded every 1, 2, 3, 7 or all frames, from the first to beyond full, the window gives the batch result."""
    window = bench.grounder.new_window()
    for end in range(1, FRAMES + 1):
        bench.grounder.append([window], bench.streams[:1, end - 1])
        if end % chunk == 0:
            (answers,) = bench.grounder.ground([(window, bench.queries)])
            for i, answer in enumerate(answers):
                assert_same(answer, bench.expected(0, end, 0, i))


Step = tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]
SUBSETS = st.lists(st.integers(0, 3), max_size=6).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sets(st.integers(0, 2), min_size=1).map(tuple), st.just(())),
        st.tuples(st.just("append"), st.just((0, 1, 2)), st.just(())),
        st.tuples(st.just("clear"), st.sets(st.integers(0, 2), min_size=1, max_size=1).map(tuple), st.just(())),
        st.tuples(st.just("ground"), st.just(()), st.tuples(SUBSETS, SUBSETS, SUBSETS)),
    ),
    min_size=20,
    max_size=50,
)


@EXAMPLES
@given(steps=STEPS)
def test_equals_the_network_whatever_comes_and_goes(bench: Bench, steps: list[Step]) -> None:
    """Streams out of step, gaps, queries joining, leaving, doubling and returning: always the batch result."""
    grounder, windows = bench.grounder, [bench.grounder.new_window() for _ in range(3)]
    begin, end = [0, 0, 0], [0, 0, 0]
    for kind, streams, asked in [*steps, ("ground", (), ((0, 1, 2, 3),) * 3)]:
        if kind == "append":
            streams = tuple(s for s in streams if end[s] < FRAMES)
            if streams:
                grounder.append([windows[s] for s in streams], torch.stack([bench.streams[s, end[s]] for s in streams]))
            for s in streams:
                end[s] += 1
        elif kind == "clear":
            windows[streams[0]].clear()
            begin[streams[0]] = end[streams[0]]
        else:
            live = [(s, asked[s]) for s in range(3) if windows[s].frames]
            answers = grounder.ground([(windows[s], [bench.queries[q] for q in queries]) for s, queries in live])
            for (s, queries), found in zip(live, answers, strict=True):
                assert len(found) == len(queries)
                for q, answer in zip(queries, found, strict=True):
                    assert_same(answer, bench.expected(s, end[s], begin[s], q))
        assert [window.frames for window in windows] == [min(CAPACITY, e - b) for b, e in zip(begin, end, strict=True)]


@pytest.mark.parametrize("max_batch", [1, 2, 5, 100])
def test_result_does_not_depend_on_the_batch(bench: Bench, max_batch: int) -> None:
    """A query alone in its window equals the same query among others, of other windows of other lengths."""
    grounder = IncrementalGrounder(bench.model, max_batch=max_batch)
    windows = [grounder.new_window() for _ in range(3)]
    for window, stream, frames in zip(windows, bench.streams, (5, 1, 25), strict=True):
        for frame in stream[:frames]:
            grounder.append([window], frame[None])
    together = grounder.ground([(window, bench.queries) for window in windows])
    for window, answers in zip(windows, together, strict=True):
        for query, answer in zip(bench.queries, answers, strict=True):
            assert_same(grounder.ground([(window, [query])])[0][0], answer, atol=1e-5)


def test_equals_the_forward_pass(bench: Bench) -> None:
    """The window's answer is `R2Tuning.forward` on a padded batch, decoded."""
    window = bench.grounder.new_window()
    for frame in bench.streams[0, :9]:
        bench.grounder.append([window], frame[None])
    ((answer,),) = bench.grounder.ground([(window, bench.queries[2:3])])
    video, query = bench.streams[:1, :12], torch.nn.functional.pad(bench.texts[2], (0, 0, 0, 0, 0, 3))[None]
    masks = (torch.arange(12) < 9)[None], (torch.arange(7) < 4)[None]
    with torch.no_grad():
        output = bench.model.r2(video, query, *masks)
    assert_same(answer, groundings(output, [9], 0.5)[0])


def test_memory_is_bounded(bench: Bench) -> None:
    """A window's memory is settled by its first frame and grows by a fixed amount per query, not with time."""
    window = bench.grounder.new_window()
    assert window.bytes == 0
    bench.grounder.append([window], bench.streams[:1, 0])
    bare = window.bytes
    grown = []
    for end in range(1, FRAMES):
        bench.grounder.append([window], bench.streams[:1, end])
        bench.grounder.ground([(window, bench.queries)])
        grown.append(window.bytes - bare)
    per_query = CAPACITY * 4 * 32 * 4 if bench.grounder.cached else 0
    assert set(grown) == {4 * per_query}
    bench.grounder.ground([(window, bench.queries[:1])])
    assert window.bytes - bare == per_query
    assert bare == CAPACITY * 4 * 5 * (32 if bench.grounder.cached else 48) * 4


def test_empty_window_is_refused(bench: Bench) -> None:
    """Grounding before the first frame, or right after a gap, is an error."""
    window = bench.grounder.new_window()
    with pytest.raises(ValueError, match="without frames"):
        bench.grounder.ground([(window, bench.queries)])
    bench.grounder.append([window], bench.streams[:1, 0])
    window.clear()
    with pytest.raises(ValueError, match="without frames"):
        bench.grounder.ground([(window, bench.queries)])


def test_no_queries_is_no_work(bench: Bench) -> None:
    """A window without queries gives an empty list, wherever it stands in the batch."""
    windows = [bench.grounder.new_window() for _ in range(2)]
    bench.grounder.append(windows, bench.streams[:2, 0])
    assert bench.grounder.ground([]) == []
    first, second = bench.grounder.ground([(windows[0], []), (windows[1], bench.queries[:1])])
    assert first == [] and len(second) == 1


def test_a_backfill_that_fails_leaves_nothing_half_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the memory for a new query does not suffice, the next tick answers as if nothing had happened."""
    window = bench.grounder.new_window()
    for end in range(1, 9):
        bench.grounder.append([window], bench.streams[:1, end - 1])
    bench.grounder.ground([(window, bench.queries[:1])])

    def out_of_memory(*args: object) -> torch.Tensor:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(R2Tuning, "pool", out_of_memory)
        bench.grounder.ground([(window, bench.queries)])
    bench.grounder.append([window], bench.streams[:1, 8])
    (answers,) = bench.grounder.ground([(window, bench.queries)])
    for i, answer in enumerate(answers):
        assert_same(answer, bench.expected(0, 9, 0, i))
