from collections import defaultdict

import pytest

from stream.broadcast.language import KINDS, Meaning, Thing, all_meanings, sentences, understand, wishes


def test_there_are_at_least_twenty_kinds_of_happenings() -> None:
    """The programme shows a variety of things."""
    assert len(set(KINDS)) >= 20


@pytest.mark.parametrize("held_out", [False, True])
def test_every_sentence_is_understood_as_what_it_was_made_from(held_out: bool) -> None:
    """A sentence has exactly one meaning."""
    for meaning in all_meanings():
        for text in sentences(meaning, held_out=held_out):
            assert understand(text) == meaning, text


def test_every_meaning_has_several_paraphrases_and_one_that_training_never_sees() -> None:
    """Held-out paraphrases are not among the seen ones."""
    for meaning in all_meanings():
        seen, unseen = sentences(meaning), sentences(meaning, held_out=True)
        assert len(set(seen)) >= 4 and unseen and not set(seen) & set(unseen)


def test_held_out_paraphrases_use_only_words_that_training_knows() -> None:
    """A paraphrase puts known words together anew; an unknown word would be no test of understanding."""
    words: dict[bool, set[str]] = defaultdict(set)
    for meaning in all_meanings():
        for held_out in (False, True):
            words[held_out] |= {w.strip(":") for text in sentences(meaning, held_out=held_out) for w in text.split()}
    assert words[True] <= words[False]


def test_a_vague_wish_is_answered_by_any_thing_and_a_specific_one_only_by_its_own() -> None:
    """`something` matches all, a colour and shape only themselves."""
    red, blue = Thing("red", "star"), Thing("blue", "star")
    happening = Meaning("grow", (red,))

    assert all(happening.matches(wish) for wish in wishes(happening))
    assert not happening.matches(Meaning("grow", (blue,)))
    assert not happening.matches(Meaning("shrink", (red,)))


def test_sentences_of_other_people_have_no_meaning_here() -> None:
    """The programme claims no truth for sentences that are not its own."""
    assert understand("a dog catches a frisbee") is None


def test_case_and_full_stops_do_not_matter() -> None:
    """People type as they like."""
    assert understand("A player scores a  goal.") == Meaning("goal", (Thing(),))
