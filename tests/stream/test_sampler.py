from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sampler import Sampler
from stream.types import Frame, Gap, Image, Picture


def picture(media_time_s: float, epoch: int = 0, to_rgb: Callable[[], Image] | None = None) -> Picture:
    """A picture whose only pixel tells its time in hundredths of a second."""
    value = np.full((1, 1, 3), int(media_time_s * 100) % 256, np.uint8)
    return Picture(media_time_s, 1000.0 + media_time_s, "arrival", epoch, to_rgb or (lambda: value))


def feed_all(sampler: Sampler, times_s: Sequence[float], epoch: int = 0) -> list[Frame | Gap]:
    return [item for time_s in times_s for item in sampler.feed(picture(time_s, epoch))]


def indices(items: Sequence[Frame | Gap]) -> list[int]:
    return [item.index for item in items if isinstance(item, Frame)]


def test_the_first_picture_at_or_after_a_slot_fills_it() -> None:
    """At 30 pictures a second and a frame every 0.5 s, each 15th picture is taken."""
    frames = feed_all(Sampler("cam", 0.5), [i / 30 for i in range(60)])
    assert indices(frames) == [0, 1, 2, 3]
    assert [frame.image[0, 0, 0] for frame in frames if isinstance(frame, Frame)] == [0, 50, 100, 150]
    assert [frame.media_time_s for frame in frames if isinstance(frame, Frame)] == [0.0, 0.5, 1.0, 1.5]


def test_media_time_stays_the_streams_own() -> None:
    """Slots count from the first picture, but times are never re-zeroed, and wall time belongs to the slot."""
    frame = feed_all(Sampler("cam", 2.0), [512.3, 514.8])[1]
    assert isinstance(frame, Frame)
    assert (frame.index, frame.media_time_s) == (1, 514.3)
    assert frame.wall_time_s == pytest.approx(1514.3)


def test_a_picture_a_little_early_fills_its_slot() -> None:
    """Timestamps rounded down to milliseconds do not shift the stream by a whole picture."""
    assert indices(feed_all(Sampler("cam", 2.0), [0.0, 1.999, 3.999, 5.998])) == [0, 1, 2, 3]


@pytest.mark.parametrize("missed", [1, 2])
def test_up_to_two_missed_slots_repeat_the_last_frame(missed: int) -> None:
    """The repeated frames say so and show the last picture."""
    sampler = Sampler("cam", 0.5)
    frames = feed_all(sampler, [0.0, 0.5 * (missed + 1)])
    assert indices(frames) == list(range(missed + 2))
    assert [frame.repeated for frame in frames if isinstance(frame, Frame)] == [False, *[True] * missed, False]
    assert [frame.media_time_s for frame in frames if isinstance(frame, Frame)] == [0.5 * i for i in range(missed + 2)]
    assert sampler.counts["repeated"] == missed


def test_more_missed_slots_are_a_gap() -> None:
    """The frame after a hole keeps its place on the time axis."""
    items = feed_all(Sampler("cam", 0.5), [0.0, 2.0, 2.5])
    assert items[1] == Gap("cam", 0, "frames_missing")
    assert indices(items) == [0, 4, 5]


def test_a_new_epoch_is_a_gap_and_a_new_axis() -> None:
    """A reconnect never continues the old time axis, even when its times would fit."""
    sampler = Sampler("cam", 0.5)
    feed_all(sampler, [0.0, 0.5])
    items = feed_all(sampler, [1.2, 1.7], epoch=1)
    assert items[0] == Gap("cam", 1, "new_connection")
    assert [(f.epoch, f.index, f.media_time_s) for f in items[1:] if isinstance(f, Frame)] == [(1, 0, 1.2), (1, 1, 1.7)]


def test_time_jumping_back_is_a_gap_and_a_new_axis() -> None:
    """A looped file or a restarted encoder does not overwrite the past."""
    items = feed_all(Sampler("cam", 0.5), [100.0, 100.5, 3.2, 3.7])
    assert items[2] == Gap("cam", 0, "time_jumped_back")
    assert indices(items) == [0, 1, 0, 1]


def test_late_and_surplus_pictures_are_dropped_and_counted() -> None:
    """Every picture has a result, and what is dropped has a cause."""
    sampler = Sampler("cam", 0.5)
    feed_all(sampler, [0.0, 0.1, 0.2, -0.1, 0.5, 0.4])
    assert sampler.counts == {"taken": 2, "repeated": 0, "surplus": 2, "late": 2, "gap": 0}


def test_a_picture_that_is_not_needed_is_never_converted() -> None:
    """`to_rgb` costs time, so it is called only for pictures that are taken."""
    calls: list[float] = []

    def convert(time_s: float) -> Image:
        calls.append(time_s)
        return np.zeros((1, 1, 3), np.uint8)

    sampler = Sampler("cam", 0.5)
    for time_s in (0.0, 0.1, 0.5, 0.6):
        sampler.feed(picture(time_s, to_rgb=partial(convert, time_s)))
    assert calls == [0.0, 0.5]


def test_a_failed_conversion_changes_nothing() -> None:
    """The next good picture fills the slot instead."""

    def fail() -> Image:
        raise ValueError("broken picture")

    sampler = Sampler("cam", 0.5)
    feed_all(sampler, [0.0])
    before = sampler.counts
    with pytest.raises(ValueError, match="broken picture"):
        sampler.feed(picture(0.5, to_rgb=fail))
    assert sampler.counts == before
    assert indices(feed_all(sampler, [0.53])) == [1]


@pytest.mark.parametrize("interval_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_frame_interval_must_be_positive(interval_s: float) -> None:
    """A sampler without a rate is refused."""
    with pytest.raises(ValueError, match="above 0"):
        Sampler("cam", interval_s)


PICTURES = st.lists(st.tuples(st.floats(0, 60), st.integers(0, 1)), max_size=40)


@settings(deadline=None)
@given(pictures=PICTURES, interval_s=st.sampled_from([0.5, 2.0]))
def test_wants_says_exactly_what_feed_takes(pictures: list[tuple[float, int]], interval_s: float) -> None:
    """A source may skip whatever is not wanted without changing the result."""
    everything, wanted_only = Sampler("cam", interval_s), Sampler("cam", interval_s)
    for time_s, epoch in pictures:
        wanted = everything.wants(time_s, epoch)
        items = everything.feed(picture(time_s, epoch))
        assert wanted == bool(items)
        if wanted_only.wants(time_s, epoch):
            assert [repr(item) for item in wanted_only.feed(picture(time_s, epoch))] == [repr(item) for item in items]


@settings(deadline=None)
@given(pictures=PICTURES)
def test_between_gaps_frames_are_consecutive(pictures: list[tuple[float, int]]) -> None:
    """Whatever comes in, a window may be filled frame by frame until the next gap."""
    sampler = Sampler("cam", 0.5)
    previous: Frame | None = None
    for time_s, epoch in pictures:
        for item in sampler.feed(picture(time_s, epoch)):
            if isinstance(item, Frame) and previous is not None:
                assert (item.epoch, item.index) == (previous.epoch, previous.index + 1)
                assert item.media_time_s == pytest.approx(previous.media_time_s + 0.5)
            previous = item if isinstance(item, Frame) else None


@settings(deadline=None)
@given(pictures=st.lists(st.floats(0, 60), max_size=40).map(sorted))
def test_a_frame_never_shows_the_future(pictures: list[float]) -> None:
    """No frame appears before the picture it shows was fed, and none shows a picture from after its slot."""
    sampler = Sampler("cam", 0.5)
    for time_s in pictures:
        for item in sampler.feed(picture(time_s)):
            assert isinstance(item, Gap) or item.media_time_s <= time_s + 0.01 + 1e-9
