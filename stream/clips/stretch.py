"""Encoded packets of one connection, GOP by GOP, with their place in time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from stream.clips.packets import EncodedPacket, Tracks
from stream.clips.segments import Place

OVERHEAD_BYTES: Final = 200
"""What Python needs for a packet beside its data."""
REORDER_S: Final = 1.0
"""Where packets lack decoding stamps: pictures are shown at most this much later than they are sent."""
SAME_S: Final = 0.002
"""Time stamps this close are the same, after all rounding."""
NEAR_S: Final = 10.0
"""A step further than this is a jump of the clock, or a pause that holds nothing."""


@dataclass(eq=False)
class Gop:
    """A keyframe and what follows it up to the next one, in memory."""

    packets: list[EncodedPacket] = field(default_factory=list)
    sound: list[EncodedPacket] = field(default_factory=list)
    """What is heard up to the next GOP, once this one is to go to the disk; until then it is the stretch's."""
    bytes: int = 0
    held_us: int = 0
    """From the last picture before it to its own last one; whole microseconds, so that sums are exact."""
    after_s: float | None = None
    """`Stretch.newest_s` when it began."""
    is_offered: bool = False
    """The disk was asked to take it."""
    place: Place | None = None
    """Where on the disk it lies as well."""
    loss: str = "old"
    """Why it is lost, should memory not suffice to keep it now."""

    @property
    def pts(self) -> int:
        """When its keyframe is shown."""
        return self.packets[0].pts

    def add(self, packet: EncodedPacket, step_us: int) -> None:
        self.packets.append(packet)
        self.bytes += packet_bytes(packet)
        self.held_us += step_us

    def joint_pts(self) -> int:
        """Where a piece may end and another begin, none of their pictures being in both.

        That is the keyframe, unless pictures follow that are shown before it: then it belongs to them.
        """
        if all(packet.pts >= self.pts for packet in self.packets):
            return self.pts
        return min((packet.pts for packet in self.packets if packet.pts > self.pts), default=self.pts)


@dataclass(frozen=True, slots=True)
class Stored:
    """A GOP that is on the disk only."""

    place: Place
    pts: int
    joint_pts: int
    held_us: int
    packets: int


@dataclass(eq=False)
class Stretch:
    """Packets of one connection without a jump of its clock."""

    tracks: Tracks
    epoch: int | None = None
    offset_s: float = 0.0
    wall_offset_s: float | None = None
    stored: deque[Stored] = field(default_factory=deque)
    """What came before `gops`, without a hole."""
    gops: deque[Gop] = field(default_factory=deque)
    audio: deque[EncodedPacket] = field(default_factory=deque)
    newest_s: float | None = None
    """The highest time stamp of a picture, since the clock last went back."""
    complete_s: float = float("-inf")
    """No picture before this can still come."""
    over: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.stored and not self.gops

    def first_s(self) -> float:
        oldest = self.stored[0] if self.stored else self.gops[0]
        return self.tracks.video.seconds(oldest.pts)

    def held_us(self) -> int:
        return sum(gop.held_us for gop in self.stored) + sum(gop.held_us for gop in self.gops)

    def add(self, packet: EncodedPacket) -> int:
        """To the newest GOP, or as a new one; how many more microseconds are held."""
        if packet.is_keyframe:
            self.gops.append(Gop(after_s=self.newest_s))
        shown_s = self.tracks.video.seconds(packet.pts)
        newest_s = shown_s if self.newest_s is None else self.newest_s
        # A jump, which nobody has noticed yet, is no time that is held.
        step_s = shown_s - newest_s if 0 < shown_s - newest_s <= NEAR_S else 0.0
        step_us = round(step_s * 1e6)
        self.newest_s = shown_s if shown_s < newest_s - REORDER_S else max(shown_s, newest_s)
        self.gops[-1].add(packet, step_us)
        sent_s = shown_s - REORDER_S if packet.dts is None else self.tracks.video.seconds(packet.dts)
        self.complete_s = max(self.complete_s, sent_s)
        return step_us

    def sound_up_to(self, end_s: float) -> list[EncodedPacket]:
        """Takes out the oldest sound, as far as it begins before `end_s` on the stream's clock."""
        taken: list[EncodedPacket] = []
        audio = self.tracks.audio
        while self.audio and audio is not None and audio.seconds(self.audio[0].pts) < end_s:
            taken.append(self.audio.popleft())
        return taken


def packet_bytes(packet: EncodedPacket) -> int:
    """Memory that a packet takes."""
    return len(packet.data) + OVERHEAD_BYTES


def position(gop: Gop, stretch: Stretch, stamp_s: float) -> int | None:
    """Which packet of a GOP is shown at `stamp_s`; None when none is."""
    stamps = (stretch.tracks.video.seconds(packet.pts) for packet in gop.packets)
    return next((i for i, shown_s in enumerate(stamps) if abs(shown_s - stamp_s) <= SAME_S), None)


def audio_behind(stretch: Stretch, stamp_s: float) -> deque[EncodedPacket]:
    """Takes the sound out of `stretch` that came with the pictures behind a jump: as it came last, it grew steadily."""
    taken = deque[EncodedPacket]()
    audio = stretch.tracks.audio
    while stretch.audio and audio is not None:
        time_s = audio.seconds(stretch.audio[-1].pts)
        grows = not taken or time_s <= audio.seconds(taken[0].pts)
        if not grows or not stamp_s - REORDER_S <= time_s <= stamp_s + NEAR_S:
            break
        taken.appendleft(stretch.audio.pop())
    return taken
