"""Which moments are cuts: those that are over, by time, score, stream and query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.cuts.choice import find_cuts, moments_within, usual_rate_hz
from stream.errors import ConfigError
from stream.store import ClipRecord, MomentChoice, Store
from stream.store import store as store_module
from tests.conftest import EPOCH_S
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MomentFactory


def ids(store: Store, choice: MomentChoice | None = None, order: str = "time") -> list[str]:
    return [cut.moment.moment_id for cut in find_cuts(store, choice or MomentChoice(), order)]  # type: ignore[arg-type]


@pytest.fixture
def day(store: Store, moment: MomentFactory) -> Store:
    """A morning: four moments on two streams, one of which goes on, and one that was none."""
    for name, start_s, score, stream, query in (
        ("late", 300.0, 0.9, "pitch", "goal"),
        ("first", 10.0, 0.6, "pitch", "goal"),
        ("corner", 20.0, 0.95, "gate", "corner"),
        ("best", 40.0, 0.95, "pitch", "corner"),
    ):
        about = {"start": instant(start_s), "end": instant(start_s + 5), "stream": stream, "query": query}
        store.append([moment("started", moment_id=name, **about)])
        store.append([moment("ended", moment_id=name, revision=2, score=score, **about)])
    store.append([moment("started", moment_id="open", score=1.0), moment("retracted", moment_id="none", score=1.0)])
    return store


def test_only_what_is_over_is_a_cut(day: Store) -> None:
    """In the order of time, or the best first; of two alike, the earlier one."""
    assert ids(day) == ["first", "corner", "best", "late"]
    assert ids(day, order="score") == ["corner", "best", "late", "first"]


def test_cuts_are_chosen(day: Store) -> None:
    """By when they begin, half-open, by where, what and how sure."""
    assert ids(day, MomentChoice(since_s=EPOCH_S + 20, until_s=EPOCH_S + 300)) == ["corner", "best"]
    assert ids(day, MomentChoice(streams=["pitch"], queries=["goal"])) == ["first", "late"]
    assert ids(day, MomentChoice(min_score=0.9)) == ["corner", "best", "late"]


def test_the_best_are_chosen_before_they_are_put_in_order(day: Store) -> None:
    """Three of four in the order of time, less the weakest and not the last."""
    assert ids(day, MomentChoice(best=3)) == ["corner", "best", "late"]


def test_a_cut_has_its_clips(day: Store) -> None:
    """All parts in the order of time, whatever became of them."""
    clips = [clip_of("best", 50, 60, clip_id="best-2"), clip_of("best", 40, 50, state="failed"), clip_of("late", 1, 2)]
    day.clips.add([ClipRecord(clip, 1.0, told=True) for clip in clips])
    told = {cut.moment.moment_id: [clip.clip_id for clip in cut.clips] for cut in find_cuts(day, MomentChoice())}
    assert told == {"first": [], "corner": [], "best": ["best", "best-2"], "late": ["late"]}
    assert usual_rate_hz(find_cuts(day, MomentChoice())) == 25.0
    assert usual_rate_hz(find_cuts(day, MomentChoice(queries=["goal"], best=1, until_s=EPOCH_S + 100))) is None


def test_too_many_are_refused_rather_than_cut_short(day: Store) -> None:
    """Nobody should believe that a list is complete when it is not."""
    with pytest.raises(ConfigError, match="more than 3 moments") as refused:
        find_cuts(day, MomentChoice(), at_most=3)
    assert refused.value.code == "too_many"
    assert len(find_cuts(day, MomentChoice(best=3), at_most=3)) == 3


def test_a_moment_lasts_as_long_as_its_file(
    tmp_path: Path, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention of the log leaves it in the lists while its clip is there, and takes it when the file is gone."""
    monkeypatch.setattr(store_module, "PRUNE_STEP", 5)
    store = Store(tmp_path / "events.sqlite3", max_events=10)
    about = {"start": instant(10), "end": instant(12)}
    store.append([moment("ended", moment_id=name, **about) for name in ("kept", "bare")])
    store.clips.add([ClipRecord(clip_of("kept", 8, 14, clip_id="kept-1"), 1.0, told=True)])
    store.append([moment("started") for _ in range(40)])
    assert ids(store) == ["kept"]
    assert store.moment("kept").cursor == 1
    gone = clip_of("kept", 8, 14, clip_id="kept-1", state="removed")
    store.clips.save(ClipRecord(gone, 1.0, told=True))
    store.append([moment("started") for _ in range(40)])
    assert ids(store) == []
    store.close()


def test_a_day_or_two_times_choose() -> None:
    """Not both, and in this order."""
    chosen = moments_within(MomentChoice(), "2025-01-02", None, None, "+01:00", 0.0)
    assert (chosen.since_s, chosen.until_s) == (EPOCH_S - 4 * 3600, EPOCH_S + 20 * 3600)
    chosen = moments_within(MomentChoice(), None, "2025-01-02T03:00:00Z", None, "UTC", 0.0)
    assert (chosen.since_s, chosen.until_s) == (EPOCH_S, None)
    with pytest.raises(ConfigError, match="either a day"):
        moments_within(MomentChoice(), "today", "2025-01-02T03:00:00Z", None, "UTC", 0.0)
    with pytest.raises(ConfigError, match="to: must lie after from"):
        moments_within(MomentChoice(), None, "2025-01-02T03:00:00Z", "2025-01-02T03:00:00Z", "UTC", 0.0)
