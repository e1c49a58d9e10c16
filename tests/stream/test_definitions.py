"""Definitions from the file and from the API: who owns which, and what survives."""

from __future__ import annotations

import logging

import pytest

from stream.definitions import Definitions
from stream.errors import ConflictError, NotFoundError
from stream.query import Query
from stream.store import Store

GOAL = Query("goal", "a ball enters the goal")


def definitions(store: Store, *from_file: Query) -> Definitions[Query]:
    return Definitions("query", {query.name: query for query in from_file}, store.queries, Query.parse, lambda: 7.0)


def test_what_is_saved_is_there_after_a_restart(store: Store) -> None:
    """Saved definitions come back; deleted ones do not."""
    first = definitions(store)
    first.save(GOAL)
    first.save(Query("car", "a car"))
    first.delete("car")
    assert definitions(store).all() == [GOAL] == first.all()
    assert first.entry("goal").since_s == 7.0


def test_the_file_wins_over_the_store(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A name defined in both is the file's, which is said."""
    definitions(store).save(Query("goal", "another text"))
    with caplog.at_level(logging.WARNING):
        assert definitions(store, GOAL).all() == [GOAL]
    assert "hides" in caplog.text


def test_only_what_the_api_added_can_be_changed(store: Store) -> None:
    """The file's definitions are not changeable, unknown ones are not found, names are taken once."""
    mine = definitions(store, GOAL)
    mine.save(Query("car", "a car"))
    assert mine.changeable("car").text == "a car"
    with pytest.raises(ConflictError, match="settings file"):
        mine.changeable("goal")
    with pytest.raises(NotFoundError, match="no query 'dog'"):
        mine.changeable("dog")
    for name in ("goal", "car"):
        with pytest.raises(ConflictError, match="already"):
            mine.refuse_taken(name)
    mine.refuse_taken("dog")


def test_a_kept_definition_that_makes_no_sense_any_more_is_left_out(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """One definition that a newer version refuses does not keep the others from being read."""
    store.queries.save("odd", {"text": "a car", "treshold": 1})
    store.queries.save("goal", GOAL.to_mapping())
    assert definitions(store).all() == [GOAL]
    assert "odd" in caplog.text


def test_another_file_is_merged_before_it_is_taken(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What is equal keeps its time, a name that the file lets go is the API's again, and hiding is said once."""
    now_s = iter(range(100))
    mine = Definitions("query", {"goal": GOAL}, store.queries, Query.parse, lambda: float(next(now_s)))
    mine.save(Query("car", "a car"))
    since_s = mine.entry("goal").since_s
    file = {"goal": GOAL, "car": Query("car", "a red car")}
    merged = mine.merge(file)
    assert mine.entry("car").value.text == "a car" and merged["car"].value.text == "a red car"
    mine.take(file, merged)
    assert mine.entry("goal").since_s == since_s and mine.is_from_file("car")
    mine.merge(file)
    assert caplog.text.count("hides") == 1
    mine.take({}, mine.merge({}))
    assert mine.all() == [Query("car", "a car")] and mine.changeable("car").text == "a car"
