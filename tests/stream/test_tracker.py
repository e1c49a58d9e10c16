import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.lifecycle import EndReason, State
from stream.moment_update import MomentUpdate
from stream.query import Query
from stream.tracker import Tracker
from stream.types import Observation, Span

FRAME_S = 0.5
WINDOW_S = 32.0
GOAL = Query("goal", "a goal", enter=0.5, exit=0.35, settle_s=2.0, merge_gap_s=0.0)
NOTHING = np.zeros(0, np.float32)


def observe(now_s: float, *spans: tuple[float, float, float], epoch: int = 0) -> Observation:
    """The window that ends at `now_s`, in which these spans `(start, end, score)` were found."""
    window_start_s = max(0.0, now_s - WINDOW_S)
    found = tuple(sorted((Span(*span) for span in spans), key=lambda span: -span.score))
    return Observation("pitch", "goal", epoch, window_start_s, now_s, 1000.0 + now_s, "rtcp", found, NOTHING)


def watch(query: Query, observations: Iterable[Observation]) -> list[MomentUpdate]:
    tracker = Tracker(query, "pitch", FRAME_S)
    return [update for observation in observations for update in tracker.feed(observation)]


def ticks(until_s: float, from_s: float = FRAME_S) -> list[float]:
    return [from_s + i * FRAME_S for i in range(int((until_s - from_s) / FRAME_S) + 1)]


def happening(start_s: float, end_s: float, until_s: float, score: float = 0.8) -> list[Observation]:
    """Every tick of a perfect model that watches one happening."""
    seen = [(now_s, max(start_s, now_s - WINDOW_S), min(end_s, now_s)) for now_s in ticks(until_s)]
    return [observe(now_s, (a, b, score)) if b > a else observe(now_s) for now_s, a, b in seen]


def told(updates: Sequence[MomentUpdate]) -> list[tuple[str, float, float | None]]:
    return [(update.kind, update.start_s, update.end_s) for update in updates]


def test_a_happening_is_started_seen_to_end_and_ended() -> None:
    """Started at the first grounding that shows it, ended once its end lies `settle` in the past."""
    updates = watch(GOAL, happening(10.0, 14.0, 40.0))
    assert told(updates) == [("started", 10.0, None), ("updated", 10.0, 14.0), ("ended", 10.0, 14.0)]
    assert [update.now_s for update in updates] == [10.5, 15.0, 16.0]
    assert [update.state for update in updates] == [State.OPEN, State.ENDING, State.ENDED]
    assert [(update.start_final, update.end_final) for update in updates] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    assert [update.reason for update in updates] == [None, None, "completed"]
    assert [update.revision for update in updates] == [1, 2, 3]
    assert len({update.moment_id for update in updates}) == 1


def test_wall_time_and_latency_come_with_the_moment() -> None:
    """The wall offset is kept from the start on, and sending takes its part of the latency."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(9.0))
    (started,) = tracker.feed(observe(10.5, (10.0, 10.5, 0.8)), lag_s=0.25)
    assert (started.wall_offset_s, started.clock, started.onset_to_alert_s) == (1000.0, "rtcp", 0.75)
    drifted = replace(observe(15.0, (10.0, 14.0, 0.8)), wall_time_s=5000.0, clock="arrival")
    (updated,) = tracker.feed(drifted)
    assert (updated.wall_offset_s, updated.clock, updated.onset_to_alert_s) == (1000.0, "rtcp", 0.75)


def test_a_score_between_exit_and_enter_opens_nothing_and_closes_nothing() -> None:
    """Hysteresis: a weak span is no news, but it keeps a moment going."""
    assert watch(GOAL, happening(10.0, 14.0, 40.0, score=0.4)) == []
    weak = [replace(o, spans=tuple(replace(s, score=0.4) for s in o.spans)) for o in happening(10.0, 20.0, 40.0)]
    mixed = [*happening(10.0, 20.0, 11.0), *weak[22:]]
    assert [update.kind for update in watch(GOAL, mixed)] == ["started", "updated", "updated", "ended"]


def test_only_material_changes_are_told() -> None:
    """Boundaries that move by up to a frame and scores that change by up to 0.1 are not news."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(9.0))
    tracker.feed(observe(12.0, (10.0, 12.0, 0.8)))
    assert tracker.feed(observe(12.5, (10.5, 12.5, 0.9))) == []
    assert told(tracker.feed(observe(13.0, (11.0, 13.0, 0.9)))) == [("updated", 11.0, None)]
    (update,) = tracker.feed(observe(13.5, (11.0, 13.5, 0.6)))
    assert (update.score, update.peak_score) == (0.6, 0.9)


def test_the_final_score_is_the_highest() -> None:
    """While it lasts the newest score is told, in the end the best."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(10.5, (10.0, 10.5, 0.9)))
    tracker.feed(observe(15.0, (10.0, 14.0, 0.7)))
    (ended,) = tracker.feed(observe(16.0, (10.0, 14.0, 0.6)))
    assert (ended.kind, ended.score) == ("ended", 0.9)


def test_evidence_that_vanishes_is_retracted() -> None:
    """All of it is in view and the model no longer sees it: it was a false alarm."""
    updates = watch(GOAL, [*happening(10.0, 14.0, 12.0), *map(observe, ticks(20.0, 12.5))])
    assert [(update.kind, update.reason, update.now_s) for update in updates] == [
        ("started", None, 10.5),
        ("retracted", "vanished", 14.0),
    ]


def test_a_flicker_of_less_than_settle_changes_nothing() -> None:
    """A few groundings without evidence are bridged."""
    observations = happening(10.0, 20.0, 40.0)
    observations[24:27] = [observe(observation.now_s) for observation in observations[24:27]]
    assert told(watch(GOAL, observations)) == [("started", 10.0, None), ("updated", 10.0, 20.0), ("ended", 10.0, 20.0)]


def test_evidence_lost_after_the_end_was_seen_ends_the_moment() -> None:
    """Its end is known, so there is nothing to take back."""
    updates = watch(GOAL, [*happening(10.0, 14.0, 15.0), *map(observe, ticks(30.0, 15.5))])
    assert told(updates)[-1] == ("ended", 10.0, 14.0)
    assert (updates[-1].reason, updates[-1].now_s) == ("completed", 17.0)


def test_one_grounding_alone_never_ends_a_running_moment() -> None:
    """A single span cut short in the past is told, and taken back when the next grounding disagrees."""
    observations = happening(10.0, 20.0, 40.0)
    observations[35] = observe(18.0, (10.0, 15.0, 0.8))
    assert told(watch(GOAL, observations)) == [
        ("started", 10.0, None),
        ("updated", 10.0, 15.0),
        ("updated", 10.0, None),
        ("updated", 10.0, 20.0),
        ("ended", 10.0, 20.0),
    ]


def test_a_moment_longer_than_the_window_stays_one() -> None:
    """Its start is final when the window no longer shows it, and stays."""
    updates = watch(GOAL, happening(10.0, 90.0, 120.0))
    assert told(updates) == [
        ("started", 10.0, None),
        ("updated", 10.0, None),
        ("updated", 10.0, 90.0),
        ("ended", 10.0, 90.0),
    ]
    assert [update.start_final for update in updates] == [False, True, True, True]


def test_evidence_lost_of_a_start_out_of_view_ends_the_moment() -> None:
    """What the window no longer shows cannot be taken back."""
    updates = watch(GOAL, [*happening(10.0, 60.0, 50.0), *map(observe, ticks(60.0, 50.5))])
    assert told(updates)[-1] == ("ended", 10.0, 50.0)


def test_a_moment_that_ends_too_short_is_retracted() -> None:
    """It was told while it could still have become long enough."""
    query = replace(GOAL, min_duration_s=3.0)
    updates = watch(query, happening(10.0, 11.0, 40.0))
    assert [(update.kind, update.reason) for update in updates] == [
        ("started", None),
        ("updated", None),
        ("retracted", "too_short"),
    ]


def test_a_span_that_is_already_over_and_too_short_opens_nothing() -> None:
    """What could not become a moment any more is never told."""
    query = replace(GOAL, min_duration_s=3.0)
    assert watch(query, [observe(now_s, (10.0, 11.0, 0.9)) for now_s in ticks(30.0, 12.5)]) == []


def test_a_moment_longer_than_the_maximum_is_ended_there() -> None:
    """What is left of the same happening opens nothing, not even when the window no longer shows its beginning."""
    updates = watch(replace(GOAL, max_duration_s=20.0), happening(10.0, 95.0, 140.0))
    assert told(updates) == [("started", 10.0, None), ("ended", 10.0, 30.0)]
    assert (updates[-1].reason, updates[-1].now_s) == ("max_duration", 30.5)


def test_a_happening_after_an_overlong_one_is_a_new_moment() -> None:
    """The rest of an overlong happening takes only the time in which it goes on."""
    later = [observe(t, (20.0, 50.0, 0.8), (60.0, min(t, 65.0), 0.8)) for t in ticks(90.0, 60.5)]
    updates = watch(replace(GOAL, max_duration_s=20.0), [*happening(10.0, 50.0, 60.0), *later])
    assert told(updates)[2:] == [("started", 60.0, None), ("updated", 60.0, 65.0), ("ended", 60.0, 65.0)]


def test_a_new_span_within_the_merge_gap_extends_a_moment() -> None:
    """The end waits for as long as something may still be merged."""
    query = replace(GOAL, merge_gap_s=4.0)
    first, second = (10.0, 14.0, 0.8), (17.0, 19.0, 0.8)
    observations = [observe(t, *(s for s in (first, second) if s[0] < t)) for t in ticks(40.0, 14.0)]
    updates = watch(query, observations)
    assert len({update.moment_id for update in updates}) == 1
    assert told(updates)[-1] == ("ended", 10.0, 19.0)
    assert updates[-1].now_s == 23.5


def test_happenings_further_apart_are_two_moments() -> None:
    """Each has its own id and its own life."""
    first, second = (10.0, 14.0, 0.8), (17.0, 19.0, 0.8)
    observations = [observe(t, *((a, min(b, t), c) for a, b, c in (first, second) if a < t)) for t in ticks(40.0)]
    updates = watch(GOAL, observations)
    assert [entry for entry in told(updates) if entry[0] == "ended"] == [("ended", 10.0, 14.0), ("ended", 17.0, 19.0)]
    assert len({update.moment_id for update in updates}) == 2


def test_a_moment_that_turns_out_to_be_part_of_another_is_retracted() -> None:
    """Two reports of one happening become one."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(14.0, (10.0, 12.5, 0.8), (13.5, 14.0, 0.8)))
    updates = tracker.feed(observe(14.5, (10.0, 14.5, 0.9)))
    assert sorted((update.kind, update.reason) for update in updates) == [("retracted", "merged"), ("updated", None)]


def test_final_time_opens_nothing_new() -> None:
    """The same happening seen again, a little shifted or grown, is no news."""
    updates = watch(GOAL, happening(10.0, 14.0, 17.0))
    again = [observe(t, (9.0 + t % 2, 14.0 + t % 3, 0.9)) for t in ticks(45.0, 17.5)]
    assert watch(GOAL, [*happening(10.0, 14.0, 17.0), *again]) == updates


def test_the_cooldown_silences_what_follows_soon() -> None:
    """Counted from the end of one moment to the start of the next, in media time."""
    spans = [(10.0, 12.0, 0.8), (20.0, 22.0, 0.8), (44.0, 46.0, 0.8)]
    observations = [observe(t, *((a, min(b, t), c) for a, b, c in spans if t - WINDOW_S < a < t)) for t in ticks(60.0)]
    updates = watch(replace(GOAL, cooldown_s=30.0), observations)
    assert [update.start_s for update in updates if update.kind == "started"] == [10.0, 44.0]


def test_a_retracted_moment_starts_no_cooldown() -> None:
    """A false alarm does not hide the real happening after it."""
    observations = [*happening(10.0, 14.0, 12.0), *map(observe, ticks(16.0, 12.5)), *happening(17.0, 20.0, 40.0)[32:]]
    kinds = [update.kind for update in watch(replace(GOAL, cooldown_s=30.0), observations)]
    assert kinds == ["started", "retracted", "started", "updated", "ended"]


def test_the_first_grounding_backfills_the_window() -> None:
    """Complete old moments are started and ended at once, in the order of time, and have no latency."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    updates = tracker.feed(observe(40.0, (30.0, 33.0, 0.9), (12.0, 15.0, 0.7), (38.0, 40.0, 0.8)))
    assert told(updates) == [
        ("started", 12.0, 15.0),
        ("ended", 12.0, 15.0),
        ("started", 30.0, 33.0),
        ("ended", 30.0, 33.0),
        ("started", 38.0, None),
    ]
    assert all(update.backfilled and update.onset_to_alert_s is None for update in updates)


def test_a_moment_at_the_very_start_of_a_stream_is_not_backfilled() -> None:
    """Nothing was held before the first frame."""
    (started,) = Tracker(GOAL, "pitch", FRAME_S).feed(observe(0.5, (0.0, 0.5, 0.9)))
    assert (started.backfilled, started.onset_to_alert_s) == (False, 0.5)


def test_confirmation_waits_for_enough_groundings_in_a_row() -> None:
    """A single flicker is never told; a happening is told one grounding later."""
    query = replace(GOAL, confirm_frames=2)
    flicker = [observe(t, (t - 0.5, t, 0.9)) if t % 4 == 0 else observe(t) for t in ticks(40.0)]
    assert watch(query, flicker) == []
    updates = watch(query, happening(10.0, 14.0, 40.0))
    assert [(update.kind, update.now_s) for update in updates] == [
        ("started", 11.0),
        ("updated", 15.0),
        ("ended", 16.0),
    ]


def test_a_span_in_the_past_needs_a_second_look() -> None:
    """It was not there a grounding ago, so it may be gone at the next; at the live edge one look is enough."""
    quiet = [observe(t) for t in ticks(20.0)]
    assert watch(GOAL, [*quiet, observe(20.5, (10.0, 14.0, 0.9)), *map(observe, ticks(40.0, 21.0))]) == []
    twice = [observe(t, (10.0, 14.0, 0.9)) for t in (20.5, 21.0)]
    assert told(watch(GOAL, [*quiet, *twice])) == [("started", 10.0, 14.0), ("ended", 10.0, 14.0)]


@pytest.mark.parametrize("reason", ["gap", "query_removed", "shutdown"])
def test_the_end_of_watching_ends_open_moments(reason: EndReason) -> None:
    """With the end last seen, and only once."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(12.0, (10.0, 12.0, 0.8)))
    assert not tracker.idle
    (ended,) = tracker.end(reason)
    assert (ended.kind, ended.end_s, ended.reason, ended.end_final) == ("ended", 12.0, reason, True)
    assert tracker.end("shutdown") == []
    assert tracker.idle


def test_the_end_of_watching_retracts_what_is_too_short() -> None:
    """Nothing shorter than the minimum is ever final."""
    tracker = Tracker(replace(GOAL, min_duration_s=5.0), "pitch", FRAME_S)
    tracker.feed(observe(12.0, (10.0, 12.0, 0.8)))
    (retracted,) = tracker.end("gap")
    assert (retracted.kind, retracted.reason) == ("retracted", "too_short")


@pytest.mark.parametrize(("now_s", "epoch"), [(3.0, 0), (13.0, 1)])
def test_a_new_time_axis_ends_what_was_open(now_s: float, epoch: int) -> None:
    """Even when nobody said so: moments of different axes are never matched."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(12.0, (10.0, 12.0, 0.8)))
    updates = tracker.feed(observe(now_s, (now_s - 1, now_s, 0.8), epoch=epoch))
    assert [(update.kind, update.reason) for update in updates] == [("ended", "gap"), ("started", None)]
    assert updates[0].moment_id != updates[1].moment_id


def test_after_a_reconnect_moments_have_a_latency_again() -> None:
    """Media time that restarts near zero is not time before anyone watched."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    tracker.feed(observe(500.0))
    for now_s in ticks(9.0):
        tracker.feed(observe(now_s, epoch=1))
    (started,) = tracker.feed(observe(9.5, (8.5, 9.5, 0.8), epoch=1))
    assert (started.backfilled, started.onset_to_alert_s) == (False, 1.0)


def test_ids_are_the_same_in_a_replay_and_differ_between_runs() -> None:
    """Data alone decides, so a replay says the same; another namespace says otherwise."""
    first, again = (watch(GOAL, happening(10.0, 14.0, 30.0)) for _ in range(2))
    assert first == again
    (other,) = Tracker(GOAL, "pitch", FRAME_S, namespace="run 2").feed(observe(10.5, (10.0, 10.5, 0.8)))
    assert other.moment_id != first[0].moment_id


def test_an_idle_tick_is_cheap() -> None:
    """Hundreds of queries cost less than one picture: under 50 µs each when nothing is seen."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    observations = [observe(t, (t - 1, t, 0.1), (t - 5, t - 2, 0.05)) for t in ticks(500.0, 32.0)]
    best_s = float("inf")
    for _ in range(3):
        begin_s = time.perf_counter()
        for observation in observations:
            tracker.feed(observation)
        best_s = min(best_s, time.perf_counter() - begin_s)
    assert best_s / len(observations) < 50e-6


QUERIES = st.builds(
    Query,
    name=st.just("goal"),
    text=st.just("a goal"),
    enter=st.just(0.5),
    exit=st.just(0.35),
    min_duration_s=st.sampled_from([0.0, 1.0, 3.0]),
    max_duration_s=st.sampled_from([4.0, 20.0, 300.0]),
    merge_gap_s=st.sampled_from([0.0, 1.0, 4.0]),
    cooldown_s=st.sampled_from([0.0, 5.0]),
    settle_s=st.sampled_from([0.0, 1.0, 2.0]),
    confirm_frames=st.integers(1, 2),
)


@st.composite
def series(draw: st.DrawFn) -> list[Observation]:
    """Groundings of a bad model: spans come, shift, flicker and overlap; sometimes the axis breaks."""
    observations: list[Observation] = []
    now_s, epoch = 0.0, 0
    offsets = st.tuples(st.integers(0, 24), st.integers(1, 24), st.sampled_from([0.2, 0.4, 0.6, 0.9]))
    for _ in range(draw(st.integers(1, 40))):
        now_s += FRAME_S * draw(st.sampled_from([1, 1, 1, 1, 4]))
        if draw(st.integers(0, 30)) == 0:
            now_s, epoch = FRAME_S, epoch + 1
        spans = [
            (now_s - (before + length) / 2, now_s - before / 2, score)
            for before, length, score in draw(st.lists(offsets, max_size=4))
        ]
        observations.append(observe(now_s, *spans, epoch=epoch))
    return observations


@settings(max_examples=80, deadline=None)
@given(query=QUERIES, observations=series())
def test_every_moment_lives_one_whole_life(query: Query, observations: list[Observation]) -> None:
    """Started once and first, revisions growing by one, ended or retracted once and last, whatever is seen."""
    tracker = Tracker(query, "pitch", FRAME_S)
    updates = [update for observation in observations for update in tracker.feed(observation)]
    updates += tracker.end("shutdown")
    lives: dict[str, list[MomentUpdate]] = {}
    for update in updates:
        lives.setdefault(update.moment_id, []).append(update)
    for life in lives.values():
        assert [update.revision for update in life] == list(range(1, len(life) + 1))
        assert [update.kind == "started" for update in life] == [True] + [False] * (len(life) - 1)
        assert [update.end_final for update in life] == [False] * (len(life) - 1) + [True]
        assert (life[-1].kind in ("ended", "retracted")) and life[-1].reason is not None
        final_starts = {update.start_s for update in life if update.start_final}
        assert len(final_starts) == 1
        assert life[-1].end_s is not None and life[-1].end_s > life[-1].start_s
        assert all(update.end_s is None or update.end_s <= update.now_s for update in life)


@settings(max_examples=80, deadline=None)
@given(query=QUERIES, observations=series())
def test_final_moments_never_overlap_and_respect_the_query(query: Query, observations: list[Observation]) -> None:
    """Within an epoch they are disjoint, at least the minimum and at most the maximum long."""
    tracker = Tracker(query, "pitch", FRAME_S)
    updates = [update for observation in observations for update in tracker.feed(observation)]
    finals = [update for update in [*updates, *tracker.end("shutdown")] if update.kind == "ended"]
    spans = sorted((update.epoch, update.start_s, update.end_s or 0.0) for update in finals)
    for (epoch_a, _, end_s), (epoch_b, start_s, _) in pairwise(spans):
        assert epoch_a != epoch_b or end_s <= start_s
    for _, start_s, end_s in spans:
        assert query.min_duration_s - 1e-6 <= end_s - start_s <= query.max_duration_s + 1e-6


@settings(max_examples=60, deadline=None)
@given(query=QUERIES, observations=series(), cut=st.integers(0, 40))
def test_what_comes_later_changes_nothing_said_before(query: Query, observations: list[Observation], cut: int) -> None:
    """A prefix of the data gives a prefix of the updates."""
    early, everything = watch(query, observations[:cut]), watch(query, observations)
    assert everything[: len(early)] == early


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(0.36, 0.64), min_size=20, max_size=20),
    jitter=st.lists(st.sampled_from([-0.5, 0.0, 0.5]), min_size=20, max_size=20),
)
def test_a_score_that_wavers_around_the_threshold_is_one_moment(scores: list[float], jitter: list[float]) -> None:
    """Once open, it takes a score below the exit to close."""
    observations = [observe(10.5, (10.0, 10.5, 0.6))]
    for i, (score, shift_s) in enumerate(zip(scores, jitter, strict=True)):
        now_s = 11.0 + i * FRAME_S
        observations.append(observe(now_s, (10.0 + shift_s, now_s, score)))
    observations += [observe(t, (10.0, 20.5, 0.5)) for t in ticks(30.0, 21.0)]
    kinds = [update.kind for update in watch(GOAL, observations) if update.kind != "updated"]
    assert kinds == ["started", "ended"]


@st.composite
def flapping(draw: st.DrawFn) -> tuple[Query, list[float]]:
    """A query, and scores of frames around its thresholds.

    Frames below `exit` come in gaps of at most `merge_gap`; after each gap a frame enters again.
    """
    gap_frames = draw(st.integers(1, 4))
    query = replace(GOAL, merge_gap_s=gap_frames * FRAME_S, settle_s=draw(st.sampled_from([0.0, 1.0, 2.0, 3.0])))
    scores: list[float] = []
    for _ in range(draw(st.integers(1, 8))):
        scores += draw(st.lists(st.floats(0.0, 0.34), max_size=gap_frames if scores else 0))
        scores.append(draw(st.floats(0.5, 0.7)))
        scores += draw(st.lists(st.floats(0.35, 0.7), max_size=3))
    return query, scores


def runs(scores: Sequence[float], exit_score: float) -> list[tuple[float, float, float]]:
    """The spans that a model finds whose frames have these scores: neighbours of at least `exit`, at their best."""
    found: list[tuple[float, float, float]] = []
    for index, score in enumerate(scores):
        start_s, end_s = 10.0 + index * FRAME_S, 10.0 + (index + 1) * FRAME_S
        if score < exit_score:
            continue
        if found and found[-1][1] == start_s:
            found[-1] = (found[-1][0], end_s, max(found[-1][2], score))
        else:
            found.append((start_s, end_s, score))
    return found


@settings(max_examples=300, deadline=None)
@given(flapping())
def test_scores_that_flap_around_the_threshold_are_one_moment(case: tuple[Query, list[float]]) -> None:
    """Reported once, from its first frame to its last, and never withdrawn."""
    query, scores = case
    silence = [0.0] * int(8.0 / FRAME_S)
    series = [*scores, *silence]
    looks = [observe(10.0)]
    for shown in range(1, len(series) + 1):
        looks.append(observe(10.0 + shown * FRAME_S, *runs(series[:shown], query.exit)))
    updates = watch(query, looks)
    kinds = [update.kind for update in updates]
    assert kinds.count("started") == 1 and kinds[-1] == "ended" and "retracted" not in kinds
    assert len({update.moment_id for update in updates}) == 1
    last_s = max(end_s for _, end_s, _ in runs(scores, query.exit))
    assert (updates[-1].start_s, updates[-1].end_s) == (10.0, last_s)


def merged(spans: Sequence[tuple[float, float, float]], gap_s: float) -> list[tuple[float, float]]:
    """What belongs together when all of it is known: neighbours at most `gap_s` apart."""
    found: list[tuple[float, float]] = []
    for start_s, end_s, _ in spans:
        near = bool(found) and start_s - found[-1][1] <= gap_s + 1e-6
        found[-1:] = [(found[-1][0], end_s)] if near else [*found[-1:], (start_s, end_s)]
    return found


@settings(max_examples=300, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 12)), min_size=1, max_size=6),
    merge_gap_frames=st.integers(0, 5),
    settle_frames=st.integers(0, 8),
    hop_frames=st.integers(1, 3),
)
def test_live_moments_are_those_of_hindsight(
    lengths: list[tuple[int, int]], merge_gap_frames: int, settle_frames: int, hop_frames: int
) -> None:
    """Whatever `settle` and `merge_gap` are, an end is final only once all that belongs to it was seen: happenings at
    most `merge_gap` apart are one moment, and others are not."""
    query = replace(GOAL, merge_gap_s=merge_gap_frames * FRAME_S, settle_s=settle_frames * FRAME_S)
    scores = [score for seen, unseen in lengths for score in [0.6] * seen + [0.0] * unseen] + [0.0] * 20
    looks = [observe(10.0)]
    for shown in range(hop_frames, len(scores) + 1, hop_frames):
        looks.append(observe(10.0 + shown * FRAME_S, *runs(scores[:shown], query.exit)))
    final = [(update.start_s, update.end_s) for update in watch(query, looks) if update.kind == "ended"]
    assert final == merged(runs(scores, query.exit), query.merge_gap_s)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.2, 0.8), min_size=1, max_size=40))
def test_a_score_that_changes_at_every_look_is_one_moment(scores: list[float]) -> None:
    """The whole happening, now stronger and now weaker; missing for less than `settle` at a time."""
    steady = [score if index % 4 else 0.6 for index, score in enumerate(scores)]
    looks = [observe(10.0)]
    for shown, score in enumerate(steady, start=1):
        looks.append(observe(10.0 + shown * FRAME_S, (10.0, 10.0 + shown * FRAME_S, score)))
    end_s = 10.0 + len(steady) * FRAME_S
    looks += [observe(end_s + i * FRAME_S, (10.0, end_s, 0.6)) for i in range(1, 8)]
    updates = watch(GOAL, looks)
    assert [update.kind for update in updates].count("started") == 1
    assert (updates[-1].kind, updates[-1].start_s, updates[-1].end_s) == ("ended", 10.0, end_s)


def test_a_moments_peak_is_its_best_frame() -> None:
    """Of all looks at it, and only of those frames that are its own; none is told before one is known."""

    def look(now_s: float, span: tuple[float, float], best: dict[float, float]) -> Observation:
        seen = observe(now_s, (*span, 0.8))
        saliency = np.zeros(round((now_s - seen.window_start_s) / FRAME_S), np.float32)
        for time_s, value in best.items():
            saliency[round((time_s - seen.window_start_s) / FRAME_S)] = value
        return replace(seen, saliency=saliency)

    tracker = Tracker(GOAL, "pitch", FRAME_S)
    (started,) = tracker.feed(look(11.0, (10.0, 11.0), {9.5: 1.0, 10.5: 0.6}))
    assert started.peak_s == 10.5
    tracker.feed(look(13.0, (10.0, 13.0), {10.5: 0.2, 12.0: 0.7}))
    tracker.feed(look(15.0, (10.0, 13.5), {11.0: 0.65, 14.0: 0.9}))
    (ended,) = tracker.feed(look(16.0, (10.0, 13.5), {11.0: 0.65, 14.0: 0.9}))
    assert (ended.kind, ended.peak_s) == ("ended", 12.0)
    (without,) = Tracker(GOAL, "pitch", FRAME_S).feed(observe(10.5, (10.0, 10.5, 0.8)))
    assert without.peak_s is None


def test_a_peak_that_the_moment_has_left_is_none() -> None:
    """Its boundaries moved since."""
    tracker = Tracker(GOAL, "pitch", FRAME_S)
    seen = observe(11.0, (9.0, 11.0, 0.8))
    saliency = np.zeros(22, np.float32)
    saliency[18] = 0.9
    tracker.feed(replace(seen, saliency=saliency))
    (updated,) = tracker.feed(observe(12.0, (10.5, 12.0, 0.8)))
    assert updated.peak_s is None
