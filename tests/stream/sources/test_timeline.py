"""Pictures get their place in time: epochs, wraps, jumps, and the sender's clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.timeline import WRAPS_S, Timeline, WallClock

DAY_S = 86_400.0


def place(timeline: Timeline, pts_s: float, arrival_s: float) -> tuple[int, float]:
    placed = timeline.place(pts_s, arrival_s)
    assert placed is not None
    return placed.epoch, round(placed.media_time_s, 9)


def test_live_media_time_begins_at_zero_with_the_first_picture() -> None:
    """Whatever its clock says, a live stream's first picture is at 0 of its connection's epoch."""
    timeline = Timeline(3, recorded=False)
    assert place(timeline, 5000.0, 0.0) == (3, 0.0)
    assert place(timeline, 5000.5, 0.5) == (3, 0.5)


def test_a_recording_keeps_its_own_time_axis() -> None:
    """A recording's zero is its start, and a hole in it stays a hole."""
    timeline = Timeline(0, recorded=True, start_s=1.4)
    assert place(timeline, 1.9, 0.0) == (0, 0.5)
    assert place(timeline, 61.4, 0.0) == (0, 60.0)


@pytest.mark.parametrize("period_s", WRAPS_S)
def test_a_wrapped_counter_goes_on_counting(period_s: float) -> None:
    """When the 33-bit or 32-bit counter starts again from zero, media time and epoch go on, twice if need be."""
    timeline = Timeline(0, recorded=False)
    begin_s = period_s - 1.0
    media_times_s = []
    for i in range(5):
        placed = timeline.place((begin_s + i * 0.5) % period_s, i * 0.5)
        assert placed is not None and placed.epoch == 0
        media_times_s.append(placed.media_time_s)
    assert media_times_s == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


@pytest.mark.parametrize("jump_s", [-5.0, -DAY_S * 0.4, 60.0, DAY_S])
def test_a_clock_set_anew_starts_a_new_epoch(jump_s: float) -> None:
    """A jump of a live stream's clock, back or far ahead of arrival, is a new epoch that begins at 0."""
    timeline = Timeline(0, recorded=False)
    timeline.place(50_000.0, 0.0)
    timeline.place(50_000.04, 0.04)
    assert place(timeline, 50_000.08 + jump_s, 0.08) == (1, 0.0)
    assert place(timeline, 50_000.12 + jump_s, 0.12) == (1, 0.04)


def test_a_camera_that_paused_has_not_jumped() -> None:
    """When the pictures' clock and their arrival both went on for a minute, it is a pause within the epoch."""
    timeline = Timeline(0, recorded=False)
    timeline.place(0.0, 0.0)
    assert place(timeline, 60.0, 59.8) == (0, 60.0)


def test_pictures_slightly_out_of_order_have_no_place() -> None:
    """A picture not newer than the last one is dropped, without upsetting those that follow."""
    timeline = Timeline(0, recorded=False)
    timeline.place(10.0, 0.0)
    assert timeline.place(9.96, 0.04) is None
    assert timeline.place(10.0, 0.08) is None
    assert place(timeline, 10.04, 0.12) == (0, 0.04)


@given(stamps=st.lists(st.integers(-(2**34), 2**34), min_size=1, max_size=50), recorded=st.booleans())
def test_media_time_never_goes_back_within_an_epoch(stamps: list[int], recorded: bool) -> None:
    """For any time stamps: (epoch, media time) strictly grows, and live media time is never negative."""
    timeline = Timeline(0, recorded=recorded)
    places = [timeline.place(stamp / 90_000, i * 0.04) for i, stamp in enumerate(stamps)]
    found = [(place.epoch, place.media_time_s) for place in places if place is not None]
    assert found == sorted(set(found))
    assert recorded or all(media_time_s >= 0 for _, media_time_s in found)


def test_sender_reports_are_used_as_soon_as_they_come() -> None:
    """Pictures before the first report carry arrival times; those after it the sender's."""
    clock = WallClock()
    clock.observe(1.0, 2000.5, None)
    clock.observe(1.04, 2000.54, 1999.04)
    assert clock.wall_time(1.0, 0.0) == (2000.5, "arrival")
    assert clock.wall_time(1.04, 0.0) == (1999.04, "rtcp")


@pytest.mark.parametrize("error_s", [-DAY_S * 365 * 50, -3600.0, 7200.0])
def test_a_camera_clock_that_was_never_set_is_not_believed(error_s: float) -> None:
    """A sender whose clock is far off counts as one that reports nothing."""
    clock = WallClock()
    clock.observe(1.0, 2_000_000_000.0, 2_000_000_000.0 + error_s)
    assert clock.wall_time(1.0, 0.0) == (2_000_000_000.0, "arrival")


def test_bursts_do_not_move_arrival_times() -> None:
    """Packets held up on the way and then arriving at once keep their distance in time."""
    clock = WallClock()
    for i in range(50):
        clock.observe(i * 0.04, 1000.0 + i * 0.04, None)
    for i in range(50, 60):
        clock.observe(i * 0.04, 1004.0, None)
    wall_times_s = [clock.wall_time(i * 0.04, 0.0)[0] for i in range(50, 60)]
    assert wall_times_s == pytest.approx([1000.0 + i * 0.04 for i in range(50, 60)], abs=0.01)


def test_a_drifting_clock_is_followed() -> None:
    """A camera clock that is 100 ppm slow does not pull its pictures into the past over a day."""
    clock = WallClock()
    for second in range(0, 86_400, 2):
        clock.observe(second * (1 - 100e-6), 1000.0 + second, None)
    assert clock.wall_time(86_398 * (1 - 100e-6), 0.0)[0] == pytest.approx(1000.0 + 86_398, abs=0.01)


def test_a_clock_set_anew_gives_new_offsets() -> None:
    """After a jump of the stream's clock, each picture takes its time from packets of its own side of the jump."""
    clock = WallClock()
    clock.observe(5000.0, 100.0, None)
    clock.observe(3.0, 100.04, None)
    assert clock.wall_time(5000.0, 0.0)[0] == pytest.approx(100.0)
    assert clock.wall_time(3.0, 0.0)[0] == pytest.approx(100.04)


def test_without_any_stamp_the_caller_decides() -> None:
    """A stream whose packets carry no time stamps falls back on what it is given."""
    assert WallClock().wall_time(1.0, 77.0) == (77.0, "arrival")
