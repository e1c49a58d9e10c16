"""Timecode as editing suites count it."""

from __future__ import annotations

from datetime import UTC, datetime

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.cuts.timecode import RATES, nearest_rate, parse_rate
from stream.errors import ConfigError


@pytest.mark.parametrize(
    ("rate", "number", "label"),
    [
        ("25", 0, "00:00:00:00"),
        ("25", 25 * 3600 + 26, "01:00:01:01"),
        ("25", 25 * 86400 + 1, "00:00:00:01"),
        ("23.976", 24 * 60, "00:01:00:00"),
        ("29.97", 1799, "00:00:59;29"),
        ("29.97", 1800, "00:01:00;02"),
        ("29.97", 17982, "00:10:00;00"),
        ("29.97", 107892, "01:00:00;00"),
        ("59.94", 3599, "00:00:59;59"),
        ("59.94", 3600, "00:01:00;04"),
        ("29.97ndf", 1800, "00:01:00:00"),
    ],
)
def test_pictures_have_labels(rate: str, number: int, label: str) -> None:
    """Those of the textbooks, around the places where numbers are dropped."""
    assert RATES[rate].label(number) == label


@given(name=st.sampled_from(["24", "25", "29.97", "30", "50", "59.94", "60"]), number=st.integers(0, 2_000_000))
def test_another_counter_reads_the_same(name: str, number: int) -> None:
    """Every label is the picture that OpenTimelineIO finds by it."""
    rate = RATES[name]
    hz = float(rate.hz)
    assert round(otio.opentime.from_timecode(rate.label(number), hz).value) == number


@pytest.mark.parametrize("name", ["29.97", "59.94"])
def test_drop_frame_keeps_up_with_the_clock(name: str) -> None:
    """After a whole day it is two pictures of 60 away at most."""
    rate = RATES[name]
    assert rate.label(round(86_399 * rate.hz))[:8] in ("23:59:58", "23:59:59")


@pytest.mark.parametrize(
    ("name", "length_s", "pictures"), [("25", 9.04, 226), ("25", 9.03, 225), ("29.97", 10.01, 300), ("50", 0.001, 1)]
)
def test_only_whole_pictures_count(name: str, length_s: float, pictures: int) -> None:
    """A file has no more; the thousandths to which times are rounded cost none."""
    assert RATES[name].pictures(length_s) == pictures


@pytest.mark.parametrize("name", list(RATES))
def test_the_time_of_day_is_what_the_clock_shows(name: str) -> None:
    """At any rate, to a picture."""
    rate = RATES[name]
    noon = rate.label(rate.time_of_day(datetime(2025, 1, 2, 12, 34, 56, 500_000, UTC)))
    assert noon[:8] == "12:34:56" and abs(int(noon[9:]) - rate.counted / 2) <= 2


def test_the_usual_rate_is_found_by_measuring() -> None:
    """Cameras are never exact; 29.97 and 30 are told apart all the same."""
    assert [nearest_rate(hz).name for hz in (25.003, 29.969, 29.998, 23.98, 59.95, 15.0)] == [
        "25",
        "29.97",
        "30",
        "23.976",
        "59.94",
        "23.976",
    ]
    with pytest.raises(ConfigError, match=r"rate: must be one of 23\.976"):
        parse_rate("31")
