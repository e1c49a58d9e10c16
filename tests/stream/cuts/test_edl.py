"""What an editing suite reads, read by another reader than ours."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import opentimelineio as otio
import pytest

from stream.cuts.days import parse_zone
from stream.cuts.edl import count_events, edl
from stream.cuts.timecode import RATES
from tests.conftest import EPOCH_S
from tests.stream.cuts.conftest import clip_of

if TYPE_CHECKING:
    from tests.stream.cuts.conftest import CutFactory


def read(text: str, hz: float) -> list[list[Any]]:
    """The tracks of an EDL."""
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=hz)
    return [[item for item in track if isinstance(item, otio.schema.Clip)] for track in timeline.tracks]


def test_an_edl_reads_as_editing_suites_expect_it(cut: CutFactory) -> None:
    """Line by line: a head, and for each file a numbered event, its name and what it shows."""
    goal = cut(12.0, 15.0, clip_of("3f9c51d27b8e", 10.0, 17.04), moment_id="3f9c51d27b8e")
    silent = cut(30.0, 31.0, clip_of("m2", 28.0, 33.0, has_sound=False), moment_id="m2", score=0.5)
    assert edl("cuts of today", [goal, silent], RATES["25"], "clip", UTC).split("\r\n") == [
        "TITLE: cuts of today",
        "FCM: NON-DROP FRAME",
        "",
        "001  3F9C51D2 AA/V  C        00:00:00:00 00:00:07:01 01:00:00:00 01:00:07:01",
        "* FROM CLIP NAME: 3f9c51d27b8e.mp4",
        "* COMMENT: 0.83 pitch goal 2025-01-02T03:00:12.000Z a player scores a goal",
        "",
        "002  M2       V     C        00:00:00:00 00:00:05:00 01:00:07:01 01:00:12:01",
        "* FROM CLIP NAME: m2.mp4",
        "* COMMENT: 0.50 pitch goal 2025-01-02T03:00:30.000Z a player scores a goal",
        "",
    ]


@pytest.mark.parametrize("name", ["23.976", "24", "25", "29.97", "29.97ndf", "30", "50", "59.94", "60"])
def test_another_reader_finds_the_same_cuts(cut: CutFactory, name: str) -> None:
    """At every rate, drop-frame or not: one behind the other, each as long as its file."""
    rate = RATES[name]
    cuts = [
        cut(100.0 * i, 100.0 * i + 5, clip_of(f"m{i}", 100.0 * i, 100.0 * i + 9.04), moment_id=f"m{i}")
        for i in range(50)
    ]
    hz = float(rate.hz)
    video, *sound = read(edl("t", cuts, rate, "clip", UTC), hz)
    assert [clip.name for clip in video] == [f"m{i}.mp4" for i in range(50)]
    assert len(sound) == 2 and all(len(track) == 50 for track in sound)
    for clip in video:
        assert clip.source_range.start_time.value == 0
        assert clip.source_range.duration.value == rate.pictures(9.04)


def test_drop_frame_is_told(cut: CutFactory) -> None:
    """At the top, and by the semicolons; the programme still begins at one o'clock."""
    text = edl("t", [cut(0, 100, clip_of("m1", 0, 100), moment_id="m1")], RATES["29.97"], "clip", UTC)
    assert "FCM: DROP FRAME" in text and "01:00:00;00 01:01:39;29" in text


def test_source_timecode_can_be_the_time_of_day(cut: CutFactory) -> None:
    """Where the user lives, for those who have recorded the streams themselves; files are not needed then."""
    cuts = [
        cut(12.0, 15.0, clip_of("m1", 10.0, 17.0), moment_id="m1"),
        cut(60.0, 62.0, stream="goal-line", moment_id="m2"),
        cut(70.0, 72.0, clip_of("m3", 68, 74, state="failed"), moment_id="m3"),
    ]
    assert EPOCH_S % 86400 == 3 * 3600
    text = edl("t", cuts, RATES["25"], "day", parse_zone("+02:00"))
    events = [line.split() for line in text.split("\r\n") if line[:1].isdigit()]
    assert [(event[1], event[4], event[5]) for event in events] == [
        ("PITCH", "05:00:10:00", "05:00:17:00"),
        ("GOALLINE", "05:01:00:00", "05:01:02:00"),
        ("PITCH", "05:01:10:00", "05:01:12:00"),
    ]
    assert [clip.name for clip in read(text, 25)[0]] == ["pitch", "goal-line", "pitch"]
    assert count_events(cuts, "day") == 3 and count_events(cuts, "clip") == 1


def test_each_part_of_a_long_moment_is_an_event(cut: CutFactory) -> None:
    """In the order of time; a part that failed is left out."""
    parts = [
        clip_of("m1", 0, 60, clip_id="m1"),
        clip_of("m1", 60, 120, clip_id="m1-2", state="failed"),
        clip_of("m1", 120, 150, clip_id="m1-3"),
    ]
    video = read(edl("t", [cut(2, 148, *parts, moment_id="m1")], RATES["25"], "clip", UTC), 25)[0]
    assert [(clip.name, clip.source_range.duration.value) for clip in video] == [
        ("m1.mp4", 1500),
        ("m1-3.mp4", 750),
    ]


def test_reels_have_eight_letters_and_each_its_own(cut: CutFactory) -> None:
    """Sources whose names begin alike are told apart; the same one keeps its reel."""
    names = ["camera-north", "camera-south", "camera-north", "---"]
    cuts = [cut(i, i + 1.0, stream=name) for i, name in enumerate(names)]
    text = edl("t", cuts, RATES["25"], "day", UTC)
    reels = [line.split()[1] for line in text.split("\r\n") if line[:1].isdigit()]
    assert reels == ["CAMERANO", "CAMERASO", "CAMERANO", "REEL"]
    alike = [cut(i, i + 1.0, stream=f"long-name-{i}") for i in range(12)]
    text = edl("t", alike, RATES["25"], "day", UTC)
    reels = [line.split()[1] for line in text.split("\r\n") if line[:1].isdigit()]
    assert len(set(reels)) == 12 and all(len(reel) == 8 for reel in reels)


def test_a_sentence_cannot_become_an_event(cut: CutFactory) -> None:
    """What somebody wrote stays in its comment, in one line."""
    nasty = "a goal\n002  EVIL V C 00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00\r\x00\x85"
    text = edl("a\nb", [cut(0, 5, clip_of("m1", 0, 5), moment_id="m1", text=nasty)], RATES["25"], "clip", UTC)
    assert text.startswith("TITLE: a b\r\n") and len(read(text, 25)[0]) == 1


def test_an_empty_list_is_a_list() -> None:
    """Nothing happened that day."""
    assert edl("t", [], RATES["25"], "clip", UTC) == "TITLE: t\r\nFCM: NON-DROP FRAME\r\n"
