from pathlib import Path

import numpy as np
import pytest
import torch

from r2model.clip_encoder import ClipEncoder
from stream.broadcast import Broadcast, Happening, Meaning, Thing, sentences
from stream.broadcast.language import HELD_OUT_OBJECTS, all_meanings
from training.demo.clip import build, clip_config
from training.demo.programmes import TRAINING_SEEDS, Programmes
from training.demo.recipe import Recipe, smoke
from training.demo.windows import Batch, WindowSampler, clipped_spans

GROW = Meaning("grow", (Thing("red", "star"),))


@pytest.fixture(scope="module")
def sampler() -> WindowSampler:
    """Windows of a small programme whose tokens are noise: only the labels matter here."""
    from open_clip import get_tokenizer

    recipe = smoke()
    words = {text for meaning in all_meanings() for text in sentences(meaning)}
    kept = tuple(sorted(set(get_tokenizer("ViT-B-32")(sorted(words)).flatten().tolist()) - {0}))
    config = clip_config(recipe, kept)
    torch.manual_seed(0)
    clip = ClipEncoder(build(config), config, recipe.layers)
    seeds = range(TRAINING_SEEDS, TRAINING_SEEDS + recipe.programmes)
    length_s = recipe.programme_frames * recipe.frame_interval_s
    tokens = np.zeros((len(seeds), recipe.programme_frames, recipe.layers, 2, 128), np.float16)
    truth = [Broadcast(seed, held_out=False).happenings(0, length_s) for seed in seeds]
    return WindowSampler(recipe, Programmes(tokens, truth), clip)


@pytest.fixture(scope="module")
def batches(sampler: WindowSampler) -> list[Batch]:
    return [sampler(step) for step in range(12)]


def test_spans_are_cut_at_the_edges_of_the_window() -> None:
    """A moment that began before the window starts with it."""
    happenings = [Happening(GROW, 8.0, 14.0), Happening(GROW, 38.0, 45.0)]

    assert clipped_spans(happenings, GROW, 10.0, 32.0, 1.0) == [(0.0, 4.0), (28.0, 32.0)]


def test_a_sliver_at_the_edge_is_no_moment() -> None:
    """Nobody could tell from a fraction of a second what begins there."""
    assert clipped_spans([Happening(GROW, 41.5, 46.0)], GROW, 10.0, 32.0, 1.0) == []


def test_only_what_matches_is_a_moment() -> None:
    """Another colour is another answer; `something` takes any."""
    happenings = [Happening(GROW, 12.0, 16.0)]

    assert clipped_spans(happenings, Meaning("grow", (Thing("blue", "star"),)), 10.0, 32.0, 1.0) == []
    assert clipped_spans(happenings, Meaning("grow", (Thing(),)), 10.0, 32.0, 1.0) == [(2.0, 6.0)]


def test_a_batch_depends_on_its_step_alone(sampler: WindowSampler) -> None:
    """Drawing a step again gives the same windows, words and labels."""
    first, again, other = sampler(3), sampler(3), sampler(4)

    assert torch.equal(first.query, again.query) and torch.equal(first.truth.boundaries, again.truth.boundaries)
    assert first.query.shape != other.query.shape or not torch.equal(first.query, other.query)


def test_batches_hold_present_and_absent_queries(batches: list[Batch]) -> None:
    """Most windows of a live stream contain no answer, so training shows both."""
    present = torch.cat([batch.truth.present for batch in batches]).float().mean()

    assert 0.3 < present < 0.8


def test_labels_stay_inside_the_window_and_agree_with_each_other(batches: list[Batch]) -> None:
    """Boundaries, saliency and the positive frame tell the same story."""
    for batch in batches:
        truth, lengths = batch.truth, batch.truth.video_mask.sum(1)
        spans = truth.boundaries[truth.boundary_mask]
        assert (spans[:, 0] < spans[:, 1]).all() and (spans >= 0).all()
        assert (truth.boundaries.amax((1, 2)) <= lengths).all()
        assert (truth.saliency[~truth.video_mask] == 0).all()
        positive = truth.saliency.gather(1, truth.positive_frame[:, None])[:, 0]
        assert torch.equal(positive > 0, truth.present)


def test_a_row_is_never_its_own_negative(batches: list[Batch]) -> None:
    """At its positive frame a present query is true."""
    for batch in batches:
        assert batch.truth.negatives is not None
        assert not batch.truth.negatives.diagonal()[batch.truth.present].any()


def test_what_has_hardly_begun_is_asked_for_and_is_nothing_yet(sampler: WindowSampler) -> None:
    """A moment of which the window holds less than the evidence is a row without spans."""
    begun, whole = Happening(GROW, 31.0, 36.0), Happening(Meaning("dark"), 5.0, 9.0)

    rows = sampler._rows(np.random.default_rng(0), 0, [whole, begun], 0.0, 64)

    spans = {row.wish: row.spans for row in rows}
    assert spans[GROW] == ()
    assert spans[Meaning("dark")] == ((10.0, 18.0),)


def test_absent_queries_ask_for_something_as_often_as_present_ones(sampler: WindowSampler) -> None:
    """Or "something grows" would be true more often than not, whatever is seen."""
    rng = np.random.default_rng(0)
    absent = [wish for wish in (sampler._absent(rng, []) for _ in range(1000)) if wish.things]
    vague = np.mean([wish.things[0] == Thing() for wish in absent])

    assert 0.2 < vague < 0.4


def test_rare_kinds_are_shown_more_often_than_they_come(sampler: WindowSampler) -> None:
    """By the root of how often they come."""
    kinds = {kind: len(shown) for kind, shown in sampler._shown.items()}
    rarest, commonest = min(kinds, key=lambda k: kinds[k]), max(kinds, key=lambda k: kinds[k])
    chance = dict(zip(sampler._kinds, sampler._chances, strict=True))

    assert chance[commonest] / chance[rarest] == pytest.approx((kinds[commonest] / kinds[rarest]) ** 0.5)


def test_a_window_lies_inside_its_programme(sampler: WindowSampler) -> None:
    """Wherever it was put, there are pictures for all of it."""
    rng = np.random.default_rng(0)
    for length in (6, 40, 64):
        for _ in range(50):
            programme, first = sampler._place(rng, length)
            assert 0 <= programme < sampler.recipe.programmes
            assert 0 <= first <= sampler.recipe.programme_frames - length


def test_held_out_objects_are_never_asked_for(sampler: WindowSampler) -> None:
    """Neither as present nor as absent queries."""
    rng = np.random.default_rng(0)
    things = {(t.colour, t.shape) for _ in range(500) for t in sampler._absent(rng, []).things}
    assert not things & HELD_OUT_OBJECTS


def test_the_recipe_is_sized_for_the_live_window() -> None:
    """32 seconds at two frames a second."""
    recipe = Recipe()
    assert recipe.window_frames * recipe.frame_interval_s == 32.0


def test_smoke_recipes_differ_from_the_real_one_only_in_size() -> None:
    """The small recipe makes the same network."""
    small, real = smoke(), Recipe()
    assert (small.vision, small.text, small.hidden, small.layers) == (real.vision, real.text, real.hidden, real.layers)


def test_files_of_a_run_are_claimed_by_their_recipe(tmp_path: Path) -> None:
    """A folder with another recipe's checkpoints is refused before anything is trained."""
    from training.demo.train import train_demo

    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="another recipe"):
        train_demo(tmp_path, recipe=smoke())
