import numpy as np

from stream.broadcast import Meaning, Thing, sentences
from training.demo.pictures import Pictures

GROW = Meaning("grow", (Thing("red", "star"),))


def test_captions_are_put_together_from_what_is_true() -> None:
    """Every part of a caption is a fact of the picture or a sentence about what happens in it."""
    facts = ["objects in a studio", "a red star in the middle"]
    pictures = Pictures(np.zeros((1, 3, 2, 2), np.uint8), [facts], [[GROW]])
    allowed = {*facts, *sentences(GROW), *sentences(Meaning("grow", (Thing(),)))}
    rng = np.random.default_rng(0)
    captions = {pictures.caption(0, rng) for _ in range(200)}

    assert all(set(caption.split(", ")) <= allowed for caption in captions)
    assert len(captions) > 20


def test_a_picture_in_which_nothing_happens_is_described_by_its_facts() -> None:
    """At least two facts, so that captions tell pictures apart."""
    pictures = Pictures(np.zeros((1, 3, 2, 2), np.uint8), [["a", "b", "c"]], [[]])
    rng = np.random.default_rng(0)

    assert all(len(pictures.caption(0, rng).split(", ")) >= 2 for _ in range(50))
