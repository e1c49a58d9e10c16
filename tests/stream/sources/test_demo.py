"""The synthetic programme as a live source: on time, endless, and drawing only what is wanted."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from stream.sources import SourceSpec, SourceState, Surroundings, open_source
from stream.sources.demo import DemoSource
from stream.types import Image
from tests.stream.sources.conftest import FakeClock


class Slate:
    """A programme that remembers when it was looked at."""

    def __init__(self) -> None:
        self.drawn_s: list[float] = []

    def picture(self, time_s: float, /) -> Image:
        self.drawn_s.append(time_s)
        return np.zeros((4, 4, 3), np.uint8)


def test_pictures_are_paced_by_speed(fake_clock: FakeClock) -> None:
    """At speed 4, four seconds of programme pass in one second, and media time is programme time."""
    spec = SourceSpec.parse("demo://broadcast?speed=4&start=10")
    source = DemoSource(spec, Surroundings(clock=fake_clock), Slate())
    pictures = list(islice(source.pictures(), 101))
    assert [picture.media_time_s for picture in pictures] == pytest.approx([10 + i / 25 for i in range(101)])
    assert fake_clock.elapsed_s == pytest.approx(1.0)
    assert pictures[-1].wall_time_s - pictures[0].wall_time_s == pytest.approx(1.0)


def test_only_wanted_pictures_are_handed_over_and_only_used_ones_drawn(fake_clock: FakeClock) -> None:
    """A picture is drawn when its RGB is asked for, which is never before it is wanted."""
    slate = Slate()
    surroundings = Surroundings(wants=lambda media_time_s, epoch: round(media_time_s * 25) % 10 == 0, clock=fake_clock)
    source = DemoSource(SourceSpec.parse("demo://broadcast"), surroundings, slate)
    pictures = list(islice(source.pictures(), 4))
    assert [picture.media_time_s for picture in pictures] == pytest.approx([0.0, 0.4, 0.8, 1.2])
    assert slate.drawn_s == []
    pictures[2].to_rgb()
    assert slate.drawn_s == [0.8]
    assert (source.stats.taken, source.stats.pictures) == (4, 31)


def test_a_slow_machine_skips_pictures_but_keeps_time(fake_clock: FakeClock) -> None:
    """When the taker is slow the programme goes on without it, as a live stream does."""
    source = DemoSource(SourceSpec.parse("demo://broadcast"), Surroundings(clock=fake_clock), Slate())
    pictures = source.pictures()
    next(pictures)
    fake_clock.elapsed_s += 7.0
    assert next(pictures).media_time_s == pytest.approx(7.0)


def test_stop_ends_the_endless(fake_clock: FakeClock) -> None:
    """A stopped demo ends at its next picture, and says nothing more."""
    states: list[SourceState] = []
    surroundings = Surroundings(clock=fake_clock, on_state=states.append)
    source = DemoSource(SourceSpec.parse("demo://broadcast"), surroundings, Slate())
    pictures = source.pictures()
    next(pictures)
    source.stop()
    assert list(pictures) == []
    assert [state.name for state in states] == ["online"]


def test_the_address_opens_the_broadcast(fake_clock: FakeClock) -> None:
    """`demo://broadcast?seed=` shows the same programme for the same seed, and another for another."""
    pytest.importorskip("cv2")
    images = []
    for seed in (5, 5, 6):
        source = open_source(f"demo://broadcast?seed={seed}&start=20", Surroundings(clock=fake_clock))
        images.append(next(source.pictures()).to_rgb())
    assert images[0].dtype == np.uint8 and images[0].ndim == 3
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
