"""Encoded packets of one connection, GOP by GOP, with their place in time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from stream.clips.packets import EncodedPacket, Tracks

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
    """A keyframe and what follows it up to the next one."""

    packets: list[EncodedPacket] = field(default_factory=list)
    bytes: int = 0
    held_s: float = 0.0
    """From the last picture before it to its own last one."""

    def add(self, packet: EncodedPacket, step_s: float) -> None:
        self.packets.append(packet)
        self.bytes += packet_bytes(packet)
        self.held_s += step_s


@dataclass(eq=False)
class Stretch:
    """Packets of one connection without a jump of its clock."""

    tracks: Tracks
    epoch: int | None = None
    offset_s: float = 0.0
    wall_offset_s: float | None = None
    gops: deque[Gop] = field(default_factory=deque)
    audio: deque[EncodedPacket] = field(default_factory=deque)
    newest_s: float | None = None
    """The highest time stamp of a picture, since the clock last went back."""
    held_s: float = 0.0
    complete_s: float = float("-inf")
    """No picture before this can still come."""
    over: bool = False

    def first_s(self) -> float:
        return self.tracks.video.seconds(self.gops[0].packets[0].pts)

    def add(self, packet: EncodedPacket) -> None:
        """To the newest GOP."""
        shown_s = self.tracks.video.seconds(packet.pts)
        newest_s = shown_s if self.newest_s is None else self.newest_s
        # A jump, which nobody has noticed yet, is no time that is held.
        step_s = shown_s - newest_s if 0 < shown_s - newest_s <= NEAR_S else 0.0
        self.newest_s = shown_s if shown_s < newest_s - REORDER_S else max(shown_s, newest_s)
        self.gops[-1].add(packet, step_s)
        self.held_s += step_s
        sent_s = shown_s - REORDER_S if packet.dts is None else self.tracks.video.seconds(packet.dts)
        self.complete_s = max(self.complete_s, sent_s)

    def refill(self, gop: Gop) -> None:
        """Take in a GOP of another stretch."""
        if gop.packets:
            self.gops.append(Gop())
        for packet in gop.packets:
            self.add(packet)


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
