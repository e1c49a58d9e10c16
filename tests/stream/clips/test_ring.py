"""The ring keeps the newest packets within its bounds, and knows where they lie in time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clips.packets import EncodedPacket, Selection, Track, Tracks
from stream.clips.ring import PacketRing, RingFeed
from stream.clips.stretch import OVERHEAD_BYTES

TICK = Fraction(1, 100)
GOP = 10
SIZE = 1000
STEP = 4
"""Ticks from one picture to the next: 25 in a second."""
VIDEO = Tracks(Track("h264", TICK))
WITH_SOUND = Tracks(Track("h264", TICK), Track("aac", Fraction(1, 1000)))
ROOMY = 1 << 30


def packet(number: int, *, pts: int | None = None, keyframe: bool | None = None, size: int = SIZE) -> EncodedPacket:
    """The packet of a picture, in a stream without B-frames and with a keyframe every `GOP`."""
    stamp = number * STEP if pts is None else pts
    is_keyframe = number % GOP == 0 if keyframe is None else keyframe
    return EncodedPacket(number.to_bytes(4, "big").ljust(size, b"."), stamp, stamp, STEP, is_keyframe)


def feed(ring: PacketRing, count: int, *, first: int = 0, epoch: int = 0, tracks: Tracks = VIDEO) -> RingFeed:
    """A connection that sends so many pictures, the first of which is at media time 0."""
    way = ring.begin(tracks)
    for number in range(first, first + count):
        way.video(packet(number))
    way.place(epoch, first * STEP / 100, 0.0)
    return way


def numbers(selection: Selection | None) -> list[int]:
    assert selection is not None
    return [int.from_bytes(kept.data[:4], "big") for kept in selection.video]


def s(number: int) -> float:
    """When a picture is shown."""
    return number * STEP / 100


def test_a_selection_begins_with_the_keyframe_before_it() -> None:
    """What the decoder needs is there; what is shown begins with the picture that was on."""
    ring = PacketRing(max_bytes=ROOMY)
    feed(ring, 50)
    found = ring.select(0, s(23) + 0.01, s(31))
    assert numbers(found) == list(range(20, 31))
    assert found is not None
    assert (found.start_s, found.end_s) == pytest.approx((s(23), s(31)))
    assert found.first_pts == 23 * STEP


def test_media_time_is_that_of_the_pictures() -> None:
    """Whatever the stream's own clock says, the first picture's place moves all packets."""
    ring = PacketRing(max_bytes=ROOMY)
    feed(ring, 50, first=1000, epoch=3)
    assert numbers(ring.select(3, s(10), s(12))) == [1010, 1011]
    assert ring.select(0, s(10), s(12)) is None
    assert ring.newest_epoch == 3


def test_packets_have_no_place_before_their_first_picture() -> None:
    """They are kept, and found once the picture has been decoded."""
    ring = PacketRing(max_bytes=ROOMY)
    way = ring.begin(VIDEO)
    way.video(packet(0))
    assert ring.select(0, 0.0, 1.0) is None and ring.newest_epoch is None
    way.place(0, 0.0, 0.0)
    assert numbers(ring.select(0, 0.0, 1.0)) == [0]


def test_what_is_missing_shows_in_the_selection() -> None:
    """Less than asked for is answered with where it begins and ends; nothing at all with None."""
    ring = PacketRing(max_bytes=ROOMY)
    feed(ring, 30)
    found = ring.select(0, -5.0, 99.0)
    assert found is not None and (found.start_s, found.end_s) == pytest.approx((0.0, s(30)))
    assert ring.select(0, s(30), s(40)) is None
    assert ring.select(0, -3.0, -1.0) is None


def test_pictures_shown_before_a_later_one_that_was_sent_first_are_complete() -> None:
    """With B-frames, the end is where the order of showing closes."""
    ring = PacketRing(max_bytes=ROOMY)
    way = ring.begin(VIDEO)
    for stamp in (0, 16, 4, 8, 12, 32, 20, 24, 28):
        way.video(EncodedPacket(b"", stamp, None, STEP, stamp == 0))
    way.place(0, 0.0, 0.0)
    found = ring.select(0, 0.0, 0.10)
    assert found is not None
    assert [kept.pts for kept in found.video] == [0, 16, 4, 8, 12]


def test_pictures_that_lead_the_first_keyframe_are_left_out() -> None:
    """They need pictures from before it; later keyframes keep theirs."""
    ring = PacketRing(max_bytes=ROOMY)
    way = ring.begin(VIDEO)
    for stamp, keyframe in ((0, True), (4, False), (16, True), (8, False), (12, False), (20, False)):
        way.video(EncodedPacket(b"", stamp, None, STEP, keyframe))
    way.place(0, 0.0, 0.0)
    late, early = ring.select(0, 0.16, 0.24), ring.select(0, 0.0, 0.14)
    assert late is not None and early is not None
    assert [kept.pts for kept in late.video] == [16, 20]
    assert [kept.pts for kept in early.video] == [0, 4, 16, 8, 12]


def test_sound_goes_with_its_pictures() -> None:
    """From the keyframe on, to the end of the last picture."""
    ring = PacketRing(max_bytes=ROOMY)
    way = ring.begin(WITH_SOUND)
    for number in range(50):
        way.video(packet(number))
        way.audio(EncodedPacket(b"", number * 40, None, 40, True))
    way.place(0, 0.0, 0.0)
    found = ring.select(0, s(23), s(31))
    assert found is not None
    assert [kept.pts // 40 for kept in found.audio] == list(range(19, 31))


def test_whole_gops_go_from_the_old_end() -> None:
    """When there is no room, what is left still begins with a keyframe, and what went is counted."""
    ring = PacketRing(max_bytes=25 * (SIZE + OVERHEAD_BYTES))
    feed(ring, 47)
    assert ring.drops == {"old": 30}
    found = ring.select(0, 0.0, 99.0)
    assert numbers(found) == list(range(30, 47))
    assert ring.bytes == 17 * (SIZE + OVERHEAD_BYTES)


def test_a_smaller_ring_lets_go_at_once() -> None:
    """And keeps the newest GOPs that fit; a larger one loses nothing."""
    ring = PacketRing(max_bytes=ROOMY)
    feed(ring, 50)
    ring.resize(25 * (SIZE + OVERHEAD_BYTES))
    assert ring.bytes <= ring.max_bytes
    assert numbers(ring.select(0, s(0), s(50))) == list(range(30, 50))
    ring.resize(ROOMY)
    assert numbers(ring.select(0, s(0), s(50))) == list(range(30, 50))


def test_seconds_are_a_bound_too() -> None:
    """However small the packets are."""
    ring = PacketRing(max_bytes=ROOMY, max_s=1.0)
    feed(ring, 100)
    assert ring.held_s <= 1.0
    assert numbers(ring.select(0, 0.0, 99.0))[0] % GOP == 0


def test_a_gop_that_does_not_fit_is_dropped_whole() -> None:
    """Nothing can be decoded without its keyframe, so nothing is kept until the next one."""
    ring = PacketRing(max_bytes=5 * (SIZE + OVERHEAD_BYTES))
    way = ring.begin(VIDEO)
    for number in range(8):
        way.video(packet(number))
    way.place(0, 0.0, 0.0)
    assert ring.bytes == 0 and ring.drops == {"old": 6, "no_keyframe": 2}
    way.video(packet(10))
    assert numbers(ring.select(0, 0.0, 9.0)) == [10]


def test_packets_before_the_first_keyframe_are_of_no_use() -> None:
    """A connection that begins in the middle of a GOP is kept from its first keyframe on."""
    ring = PacketRing(max_bytes=ROOMY)
    feed(ring, 10, first=5)
    assert ring.drops == {"no_keyframe": 5}


def test_a_reconnect_is_another_epoch() -> None:
    """Both are held, each on its own time axis."""
    ring = PacketRing(max_bytes=ROOMY)
    feed(ring, 20).end()
    feed(ring, 20, first=500, epoch=1)
    assert numbers(ring.select(0, 0.0, s(2))) == [0, 1]
    assert numbers(ring.select(1, 0.0, s(2))) == [500, 501]


def test_a_clock_that_jumps_is_another_stretch() -> None:
    """Packets that came before the first picture behind the jump was decoded are put on the right side of it."""
    ring = PacketRing(max_bytes=ROOMY)
    way = feed(ring, 20)
    for number in range(20, 25):
        way.video(packet(number, pts=90_000 + number))
    way.place(1, 900.20, 0.0)
    way.video(packet(25, pts=90_025))
    assert numbers(ring.select(0, 0.0, 99.0)) == list(range(20))
    assert numbers(ring.select(1, 0.0, 99.0)) == list(range(20, 26))
    assert ring.drops == {}


def test_a_jump_inside_a_gop_loses_its_rest() -> None:
    """What cannot be decoded from anything behind the jump is counted as lost."""
    ring = PacketRing(max_bytes=ROOMY)
    way = feed(ring, 15)
    for number in range(15, 18):
        way.video(packet(number, pts=90_000 + number))
    way.place(1, 900.15, 0.0)
    way.video(packet(20, pts=90_020))
    assert numbers(ring.select(0, 0.0, 99.0)) == list(range(15))
    assert numbers(ring.select(1, 0.0, 99.0)) == [20]
    assert ring.drops == {"discontinuity": 3}


def test_a_piece_is_complete_once_nothing_of_it_can_come() -> None:
    """When packets behind it are there, when its connection has ended, or when a later one has begun."""
    ring = PacketRing(max_bytes=ROOMY)
    way = feed(ring, 26)
    assert ring.is_complete(0, 1.0) and not ring.is_complete(0, 1.1)
    assert not ring.is_complete(1, 0.0)
    way.end()
    assert ring.is_complete(0, 1.1)
    feed(ring, 1, epoch=4)
    assert ring.is_complete(2, 0.0), "an epoch of which nothing was kept"


def test_wall_time_leads_to_media_time() -> None:
    """By the offset that the newest picture of each connection has."""
    ring = PacketRing(max_bytes=ROOMY)
    assert ring.media_time(5000.0) is None
    feed(ring, 20).clock(1000.0)
    feed(ring, 20, epoch=1).clock(2000.0)
    assert ring.media_time(2000.5) == (1, 0.5)
    assert ring.media_time(1000.5) == (0, 0.5)


def test_a_ring_that_holds_nothing_is_refused() -> None:
    """Whoever wants none makes none."""
    with pytest.raises(ValueError, match="must hold something"):
        PacketRing(max_bytes=0)


@given(
    sent=st.lists(st.tuples(st.sampled_from("kpaje"), st.integers(0, 5000)), max_size=120),
    max_bytes=st.integers(1, 30_000),
)
def test_whatever_comes_the_bounds_hold(sent: list[tuple[str, int]], max_bytes: int) -> None:
    """For keyframes, pictures, sound, jumps and reconnects in any order: the bounds hold, and every selection begins
    with a keyframe, in the order of sending."""
    ring = PacketRing(max_bytes=max_bytes, max_s=2.0)
    way, stamp, epoch = ring.begin(WITH_SOUND), 0, 0
    for number, (what, size) in enumerate(sent):
        stamp += STEP
        if what in "kp":
            way.video(packet(number, pts=stamp, keyframe=what == "k", size=max(4, size)))
            way.place(epoch, stamp / 100, stamp / 100)
        elif what == "a":
            way.audio(EncodedPacket(bytes(size), stamp * 10, None, 40, True))
        elif what == "j":
            stamp, epoch = stamp + 5000, epoch + 1
        else:
            way.end()
            way, epoch = ring.begin(WITH_SOUND), epoch + 1
        assert 0 <= ring.bytes <= max_bytes and 0 <= ring.held_s <= 2.0
    for number in range(epoch + 1):
        found = ring.select(number, -1.0, 1e6)
        assert found is None or (found.video[0].is_keyframe and numbers(found) == sorted(numbers(found)))
    ring.clear()
    assert ring.bytes == 0
