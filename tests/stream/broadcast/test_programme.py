import time
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.broadcast import Broadcast, Happening, sentences
from stream.broadcast.language import COLOURS, HELD_OUT_OBJECTS, KINDS


def _pixels_like(picture: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    """Where the hue of `colour` is, whatever the light."""
    wanted = np.asarray(COLOURS[colour]) / np.linalg.norm(COLOURS[colour])
    pixels = picture.astype(np.float64)
    strength = np.linalg.norm(pixels, axis=-1)
    alike: NDArray[np.bool_] = (pixels @ wanted > 0.985 * strength) & (strength > 90)
    return alike


def _happenings(kind: str, colour: str) -> list[tuple[Broadcast, Happening]]:
    found = []
    for seed in range(100, 160):
        broadcast = Broadcast(seed)
        for h in broadcast.happenings(0, 240):
            alone = [o for o in broadcast.happenings(h.start_s, h.end_s) if o.meaning.kind in ("dark", "zoom")]
            if h.meaning.kind == kind and h.meaning.things[0].colour == colour and not alone:
                found.append((broadcast, h))
    return found[:3]


def test_the_same_seed_shows_the_same_pictures_in_any_order() -> None:
    """Any time can be asked for at any time."""
    forwards, backwards = Broadcast(11), Broadcast(11)
    times = [0.0, 17.3, 42.0, 99.9, 140.2]
    pictures = [forwards.picture(t) for t in times]
    again = [backwards.picture(t) for t in reversed(times)][::-1]

    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))
    assert forwards.happenings(0, 150) == backwards.happenings(0, 150)


def test_other_seeds_show_other_programmes() -> None:
    """A seed decides everything."""
    assert Broadcast(1).happenings(0, 120) != Broadcast(2).happenings(0, 120)


def test_every_kind_happens_now_and_then() -> None:
    """Whoever asks for a kind gets it within an hour or two of programme."""
    seen = Counter(h.meaning.kind for seed in range(24) for h in Broadcast(seed).happenings(0, 300))
    assert set(KINDS) == set(seen)


def test_happenings_are_those_that_overlap_the_asked_time() -> None:
    """Half-open intervals, ordered by their start."""
    broadcast = Broadcast(3)
    everything = broadcast.happenings(0, 200)
    some = broadcast.happenings(60, 90)

    assert some == [h for h in everything if h.start_s < 90 and h.end_s > 60]
    assert [h.start_s for h in everything] == sorted(h.start_s for h in everything)


def test_training_programmes_never_show_what_is_held_out() -> None:
    """Colour and shape pairs of the evaluation are new to the model."""
    for seed in range(8):
        things = {
            (t.colour, t.shape) for h in Broadcast(seed, held_out=False).happenings(0, 300) for t in h.meaning.things
        }
        assert not things & HELD_OUT_OBJECTS


def test_the_truth_of_a_sentence_is_where_its_happenings_are() -> None:
    """A sentence finds exactly the happenings that answer it, in every paraphrase."""
    broadcast = Broadcast(5)
    first = broadcast.happenings(0, 200)[0]
    for text in sentences(first.meaning):
        assert (first.start_s, first.end_s) in broadcast.truth(text, 0, 200)


def test_a_sentence_without_truth_is_refused() -> None:
    """Nothing is made up for a sentence that the programme does not know."""
    with pytest.raises(ValueError, match="no truth for 'a dog barks'"):
        Broadcast(5).truth("a dog barks", 0, 10)


def test_time_before_the_programme_is_refused() -> None:
    """The programme starts at 0."""
    with pytest.raises(ValueError, match="starts at 0"):
        Broadcast(5).picture(-1.0)


def test_every_goal_counts_on_the_scoreboard_and_in_its_facts() -> None:
    """Each goal of a team raises the score that the captions tell."""
    broadcast = Broadcast(8)
    goals = [h for h in broadcast.happenings(0, 300) if h.meaning.kind == "goal"]
    assert len(goals) >= 2
    for goal in goals:
        after = [fact for fact in broadcast.facts(goal.end_s - 0.05) if fact.startswith("the score is")]
        before = [fact for fact in broadcast.facts(goal.start_s + 0.05) if fact.startswith("the score is")]
        assert after != before
        assert any("net" in fact for fact in broadcast.facts(goal.end_s - 0.05))


@pytest.mark.parametrize("colour", ["red", "blue"])
def test_what_crosses_to_the_right_is_seen_to_do_so(colour: str) -> None:
    """The pixels of a crossing object move with the truth."""
    cases = _happenings("cross_right", colour)
    assert cases
    for broadcast, h in cases:
        middle_s = (h.start_s + h.end_s) / 2
        columns = []
        for time_s in (middle_s - 0.6, middle_s, middle_s + 0.6):
            mask = _pixels_like(broadcast.picture(time_s), colour)
            before = _pixels_like(broadcast.picture(h.start_s), colour)
            columns.append(np.nonzero(mask & ~before)[1].mean())
        assert columns == sorted(columns)


def test_what_grows_covers_more_of_the_picture() -> None:
    """The area of a growing object rises from start to end."""
    cases = [case for colour in ("red", "blue", "purple") for case in _happenings("grow", colour)]
    assert cases
    for broadcast, h in cases:
        colour = h.meaning.things[0].colour or ""
        areas = [_pixels_like(broadcast.picture(t), colour).sum() for t in (h.start_s, h.end_s - 0.05)]
        assert areas[1] > areas[0]


@pytest.mark.slow
def test_a_core_renders_more_than_two_hundred_pictures_a_second() -> None:
    """Measured in CPU time, so that a busy machine does not matter."""
    broadcast = Broadcast(7)
    broadcast.happenings(0, 120)
    start_s = time.process_time()
    for i in range(240):
        broadcast.picture(i * 0.5)
    assert 240 / (time.process_time() - start_s) >= 200
