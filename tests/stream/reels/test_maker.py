"""Reels of real clips: what they show, in which order, and what becomes of those that cannot be made."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from stream.clips.retention import Retention
from stream.errors import ConflictError, NotFoundError, TargetError
from stream.events import ReelData, ReelEvent, ReelWish, rfc3339
from stream.reels import maker as maker_module
from stream.reels.place import ReelPlace
from stream.reels.schedule import ReelSettings
from stream.store import ClipRecord, ReelRecord
from tests.conftest import EPOCH_S
from tests.media import FPS
from tests.stream.clips.test_joiner import runs
from tests.stream.cuts.conftest import clip_of

if TYPE_CHECKING:
    from tests.stream.reels.conftest import Filmed


def test_the_best_moments_are_shown_in_the_order_of_time(filmed: Filmed) -> None:
    """Two of three; each from the keyframe before its clip to its end, and a chapter for each."""
    filmed.add("late", 20.5, 21.5, score=0.9, text="the last one")
    filmed.add("weak", 14.0, 15.0, score=0.2)
    filmed.add("early", 5.5, 6.5, score=0.6)
    reel = filmed.make(best=2)
    assert (reel.state, reel.reason, reel.url) == ("ready", None, f"/v1/reels/{reel.reel_id}/reel.mp4")
    early, late = runs(filmed.show(reel).codes)
    assert early[0] == 4 * FPS and early[1] >= 7.5 * FPS - 1
    assert late[0] == 19 * FPS and late[1] >= 22.5 * FPS - 1
    assert [chapter.moment_id for chapter in reel.chapters] == ["early", "late"]
    begin_s = (early[1] - early[0] + 1) / FPS
    assert [chapter.start_s for chapter in reel.chapters] == pytest.approx([0.5, begin_s + 0.5], abs=0.05)
    assert reel.length_s == pytest.approx(len(filmed.show(reel).codes) / FPS, abs=0.02)
    assert reel.bytes and reel.bytes == filmed.folder.video(reel.reel_id, "mp4").stat().st_size


def test_the_best_may_come_first(filmed: Filmed) -> None:
    """Where that is wished."""
    for name, start_s, score in (("a", 5.0, 0.4), ("b", 12.0, 0.9), ("c", 20.0, 0.6)):
        filmed.add(name, start_s, start_s + 1, score=score)
    reel = filmed.make(order="score")
    assert [chapter.moment_id for chapter in reel.chapters] == ["b", "c", "a"]
    assert [run[0] for run in runs(filmed.show(reel).codes)] == [11 * FPS, 19 * FPS, 4 * FPS]


def test_moments_that_overlap_are_shown_once(filmed: Filmed) -> None:
    """Those of several sentences; each has its chapter all the same."""
    filmed.add("goal", 5.0, 7.0, score=0.9)
    filmed.add("cheer", 6.0, 9.0, score=0.5, query="cheer")
    filmed.add("inside", 6.2, 6.4, score=0.7, query="kick")
    reel = filmed.make()
    ((first, last),) = runs(filmed.show(reel).codes)
    assert first == 4 * FPS and last >= 10 * FPS - 1
    assert [(c.moment_id, round(c.start_s, 1)) for c in reel.chapters] == [
        ("goal", 0.0),
        ("cheer", 1.0),
        ("inside", 1.2),
    ]


def test_a_moment_in_parts_is_shown_whole(filmed: Filmed) -> None:
    """Part by part, without a hole."""
    filmed.log("long", 5.0, 15.0)
    for number, (start_s, end_s) in enumerate(((4.0, 8.0), (8.0, 12.0), (12.0, 16.0))):
        filmed.cut("long", f"long-{number}", start_s, end_s)
    reel = filmed.make()
    ((first, last),) = runs(filmed.show(reel).codes)
    assert (first, len(reel.chapters)) == (4 * FPS, 1) and last >= 16 * FPS - 1


def test_what_is_wished_is_chosen(filmed: Filmed) -> None:
    """By time, stream, query and score."""
    for name, start_s, query, score in (
        ("a", 5.0, "goal", 0.9),
        ("b", 10.0, "corner", 0.9),
        ("c", 15.0, "goal", 0.3),
        ("d", 20.0, "goal", 0.9),
    ):
        filmed.add(name, start_s, start_s + 1, query=query, score=score)
    reel = filmed.make(since=rfc3339(EPOCH_S + 5), until=rfc3339(EPOCH_S + 20), queries=["goal"], min_score=0.5)
    assert [chapter.moment_id for chapter in reel.chapters] == ["a"]
    assert filmed.make(streams=["gate"]).reason == "There were no such moments in that time."


def test_a_reel_can_be_bounded_in_length(filmed: Filmed) -> None:
    """The best come in first; what there is no room for is told, and a shorter one takes its place."""
    filmed.add("best", 5.0, 6.0, score=0.9)
    filmed.add("long", 10.0, 18.0, score=0.8)
    filmed.add("short", 22.0, 22.5, score=0.5)
    reel = filmed.make(max_length=7.0)
    assert [chapter.moment_id for chapter in reel.chapters] == ["best", "short"]
    assert [(left.moment_id, left.reason) for left in reel.left_out] == [
        ("long", "The reel has no room for it; raise max_length.")
    ]
    assert reel.length_s is not None and reel.length_s <= 7.0


def test_moments_without_a_file_are_left_out_and_told(filmed: Filmed) -> None:
    """The next best take their place; where there is no file at all, the reel says so."""
    filmed.log("bare", 1.0, 2.0, score=0.99)
    reel = filmed.make(best=1)
    assert (reel.state, reel.reason) == (
        "failed",
        "None of the 1 moments of that time can be shown: It has no clip.",
    )
    filmed.log("gone", 3.0, 4.0, score=0.98)
    filmed.store.clips.add([ClipRecord(clip_of("gone", 2, 5, state="removed"), 1.0, told=True)])
    filmed.add("lost", 5.0, 6.0, score=0.97)
    filmed.folder.video("lost", "mp4").unlink()
    filmed.add("there", 10.0, 11.0, score=0.5)
    reel = filmed.make(best=1)
    assert [chapter.moment_id for chapter in reel.chapters] == ["there"]
    assert [left.moment_id for left in reel.left_out] == ["bare", "gone", "lost"]


def test_clips_of_several_kinds_are_not_joined(filmed: Filmed) -> None:
    """The reason says which there are, and what to do; nothing is left behind."""
    filmed.add("a", 5.0, 6.0)
    filmed.add("b", 1.0, 2.0, stream="gate")
    reel = filmed.make()
    assert reel.state == "failed" and reel.reason is not None
    assert "h264 160x96, aac at 16000 Hz (a of pitch)" in reel.reason
    assert "h264 320x192, without sound (b of gate)" in reel.reason and "choose one stream" in reel.reason
    assert sorted(path.name for path in filmed.folder.path.iterdir()) == ["a.mp4", "b.mp4"]


def test_an_event_tells_of_it_once_the_file_is_there(filmed: Filmed) -> None:
    """Also of a failure; it is about no stream."""
    filmed.add("a", 5.0, 6.0)
    before = filmed.store.latest_cursor()
    ready, failed = filmed.make(), filmed.make(min_score=0.99)
    told = filmed.store.read(before).events
    assert [event.type for event in told] == ["r2stream.reel.ready", "r2stream.reel.failed"]
    assert [event.data for event in told] == [ready, failed]
    assert all(isinstance(event, ReelEvent) for event in told) and told[0].source == f"/reels/{ready.reel_id}"
    assert (
        filmed.store.read(before, streams=["pitch"]).events == filmed.store.read(before, queries=["goal"]).events == ()
    )
    sample = filmed.metrics.registry.get_sample_value
    assert (
        sample("r2stream_reels_total", {"result": "ready"}) == sample("r2stream_reels_total", {"result": "failed"}) == 1
    )


def test_a_reel_waits_for_clips_that_are_being_cut(filmed: Filmed) -> None:
    """For a while; then it goes on with those that are there."""
    filmed.add("a", 5.0, 6.0)
    filmed.log("b", 10.0, 11.0)
    filmed.store.clips.add([ClipRecord(clip_of("b", 9, 12, state="pending"), 1.0, told=False)])
    reel = filmed.make()
    assert reel.state == "pending" and reel.progress == 0.0
    filmed.clock.now_s += 121
    filmed.maker.round()
    reel = filmed.desk.get(reel.reel_id)
    assert [chapter.moment_id for chapter in reel.chapters] == ["a"]
    assert [left.moment_id for left in reel.left_out] == ["b"]


def test_a_restart_goes_on_with_what_was_pending(filmed: Filmed) -> None:
    """And tells of what it had not told; what was half made is cleared away."""
    filmed.add("a", 5.0, 6.0)
    pending = filmed.desk.request(ReelWish(best=3))
    untold = ReelData(reel_id="untold", state="failed", reason="It broke.", wish=ReelWish(best=3))
    filmed.store.reels.add(ReelRecord(untold, 1.0, told=False))
    (filmed.folder.path / "reel.abc.making").mkdir()
    filmed.open()
    filmed.maker.start()
    done = threading.Event()
    for _ in range(200):
        if filmed.desk.get(pending.reel_id).state == "ready" and not filmed.store.reels.unfinished():
            break
        done.wait(0.05)
    assert filmed.maker.stop()
    assert filmed.desk.get(pending.reel_id).state == "ready"
    assert [event.data for event in filmed.store.read(1).events if event.type == "r2stream.reel.failed"] == [untold]
    assert list(filmed.folder.path.glob("*.making")) == []


def test_too_many_reels_are_refused(filmed: Filmed) -> None:
    """None of them is forgotten."""
    for _ in range(maker_module.CAPACITY):
        filmed.desk.request(ReelWish(best=1))
    with pytest.raises(ConflictError, match="too many reels") as refused:
        filmed.desk.request(ReelWish(best=1))
    assert refused.value.code == "too_many_reels"


def test_a_reel_can_be_removed(filmed: Filmed) -> None:
    """With its file, or before it is made; the list knows it no more, and no event comes."""
    filmed.add("a", 5.0, 6.0)
    reel = filmed.make()
    filmed.desk.remove(reel.reel_id)
    waiting = filmed.desk.request(ReelWish(best=1))
    filmed.desk.remove(waiting.reel_id)
    before = filmed.store.latest_cursor()
    filmed.maker.round()
    assert filmed.desk.newest(10) == [] and filmed.store.latest_cursor() == before
    assert [path.name for path in filmed.folder.path.iterdir()] == ["a.mp4"]
    with pytest.raises(NotFoundError, match="Somebody has removed it") as gone:
        filmed.desk.video(reel.reel_id, "mp4")
    assert gone.value.code == "reel_removed"
    with pytest.raises(NotFoundError):
        filmed.desk.remove(reel.reel_id)


def test_a_reel_that_is_removed_while_it_is_made_leaves_nothing(
    filmed: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file nor an event."""
    filmed.add("a", 5.0, 6.0)
    reel = filmed.desk.request(ReelWish(best=1))
    keep = ReelPlace.keep

    def removed_meanwhile(place: Any, made: Any, reel_id: str, container: Any) -> None:
        keep(place, made, reel_id, container)
        filmed.desk.remove(reel_id)

    monkeypatch.setattr(ReelPlace, "keep", removed_meanwhile)
    before = filmed.store.latest_cursor()
    filmed.maker.round()
    assert [path.name for path in filmed.folder.path.iterdir()] == ["a.mp4"]
    assert filmed.desk.get(reel.reel_id).state == "removed" and filmed.store.latest_cursor() == before


def test_a_place_that_fails_is_tried_again(filmed: Filmed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some times, later and later; what will last is told at once."""
    filmed.add("a", 5.0, 6.0)
    tries: list[float] = []

    def refuse(*arguments: object) -> None:
        tries.append(filmed.clock.now_s)
        raise TargetError("it does not answer", lasting=len(tries) > 2)

    monkeypatch.setattr(ReelPlace, "keep", refuse)
    reel = filmed.make()
    for _ in range(100):
        filmed.clock.now_s += 1
        filmed.maker.round()
    assert filmed.desk.get(reel.reel_id).reason == "It does not answer."
    assert len(tries) == 3 and tries[2] - tries[1] > tries[1] - tries[0] > 4


def test_a_reel_that_is_larger_than_all_may_be_is_not_made(filmed: Filmed) -> None:
    """It would take every clip away, and then itself."""
    filmed.add("a", 5.0, 6.0)
    filmed.retention = Retention(10_000, 3600.0)
    filmed.open()
    reel = filmed.make()
    assert reel.state == "failed" and reel.reason is not None and "more than clips.max_bytes" in reel.reason


def test_reels_count_among_the_files_that_are_kept(filmed: Filmed) -> None:
    """The oldest goes first, be it a clip or a reel, for its age or for the room it takes."""
    filmed.add("a", 5.0, 6.0)
    filmed.clock.now_s += 10
    reel = filmed.make()
    assert reel.bytes is not None
    kept = filmed.store.clips.ready_bytes() + reel.bytes
    now_s = filmed.clock.now_s
    assert Retention(kept, 3600).next_to_go(filmed.store, now_s) is None
    going = Retention(kept - 1, 3600).next_to_go(filmed.store, now_s)
    assert going is not None and isinstance(going[0], ClipRecord) and "clips.max_bytes" in going[1]
    going = Retention(kept, 3600).next_to_go(filmed.store, now_s + 3595)
    assert going is not None and isinstance(going[0], ClipRecord) and "clips.max_age" in going[1]
    filmed.store.clips.save(ClipRecord(clip_of("a", 4, 7, state="removed"), 1.0, told=True))
    filmed.clock.now_s += 8 * 86400
    filmed.maker.round()
    assert filmed.desk.get(reel.reel_id).state == "removed"
    assert not filmed.folder.video(reel.reel_id, "mp4").exists()


def test_a_reel_is_made_every_day_by_itself(filmed: Filmed) -> None:
    """At its time, of the day before it; not twice, whatever restarts or removes it meanwhile."""
    filmed.add("a", 5.0, 6.0)
    filmed.schedules = [ReelSettings("daily", at="05:00", timezone="+01:00", best=3)]
    filmed.open()
    filmed.clock.now_s = EPOCH_S + 3599  # 04:59:59 there
    filmed.maker.round()
    assert filmed.desk.newest(9) == []
    filmed.clock.now_s += 1
    filmed.maker.round()
    (reel,) = filmed.desk.newest(9)
    assert (reel.reel_id, reel.state) == ("daily-2025-01-02", "ready")
    assert (reel.wish.since, reel.wish.until) == ("2025-01-01T04:00:00.000Z", "2025-01-02T04:00:00.000Z")
    for _ in range(3):
        filmed.open()
        filmed.maker.round()
    assert len(filmed.desk.newest(9)) == 1
    filmed.desk.remove("daily-2025-01-02")
    filmed.maker.round()
    assert filmed.desk.newest(9) == []
    filmed.clock.now_s += 86400
    filmed.maker.round()
    (next_day,) = filmed.desk.newest(9)
    assert (next_day.reel_id, next_day.state) == ("daily-2025-01-03", "failed")


def test_a_day_that_was_slept_through_is_made_up_for(filmed: Filmed) -> None:
    """The last one, if anything happened; a reel that is new in the settings says nothing of a day before its time."""
    filmed.add("a", 5.0, 6.0)
    filmed.schedules = [ReelSettings("night"), ReelSettings("other", queries=("corner",))]
    filmed.open()
    filmed.clock.now_s = EPOCH_S + 30 * 3600  # 09:00 on the next day
    filmed.maker.round()
    assert [(reel.reel_id, reel.state) for reel in filmed.desk.newest(9)] == [("night-2025-01-03", "ready")]
