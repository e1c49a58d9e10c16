"""Which packets of a stretch show a piece of time, wherever they lie: in memory or on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from stream.clips.packets import EncodedPacket, Selection, Tracks
from stream.clips.segments import Segment
from stream.clips.stretch import REORDER_S, SAME_S, Gop, Stored, Stretch
from stream.errors import R2StreamError

MAX_READ_BYTES: Final = 256 << 20
"""What is read from the disk for one piece: nine minutes at 4 Mbit/s."""

Unreadable = Callable[[Segment], None]
Packets = Sequence[EncodedPacket]


class PieceError(R2StreamError):
    """A piece is too much to take into memory at once."""

    default_code = "clip_failed"


@dataclass(frozen=True)
class Slice:
    """What one stretch has of a piece of media time, at one moment: the ring may go on meanwhile."""

    tracks: Tracks
    start_s: float
    end_s: float
    offset_s: float
    wall_offset_s: float | None
    gops: tuple[Stored | tuple[Packets, Packets], ...]
    """Video and sound of each, in the order of time."""
    first: int
    """From which of them on pictures are needed; those before it are there for sound that lasts."""
    sound: tuple[EncodedPacket, ...]
    """What belongs to no GOP yet."""

    @property
    def stored_bytes(self) -> int:
        return sum(gop.place.bytes for gop in self.gops if isinstance(gop, Stored))

    def read(self, unreadable: Unreadable) -> Selection | None:
        """The packets, outwards, as far as they can be read from the newest on; None when there are none."""
        gops: list[tuple[Packets, Packets]] = []
        for gop in reversed(self.gops):
            if isinstance(gop, Stored):
                try:
                    gops.append(gop.place.read())
                except FileNotFoundError:
                    break  # It has been pushed out just now.
                except OSError:
                    unreadable(gop.place.segment)
                    break
            else:
                gops.append(gop)
        first = max(0, self.first - (len(self.gops) - len(gops)))
        gops.reverse()
        return self._select([video for video, _ in gops[first:]], [p for _, sound in gops for p in sound])

    def _select(self, gops: list[Packets], sound: list[EncodedPacket]) -> Selection | None:
        video = self.tracks.video
        begin, end = self.start_s + self.offset_s + SAME_S, self.end_s + self.offset_s - SAME_S
        tick_s = float(video.time_base)
        packets = _up_to(_decodable(gops), end / tick_s, REORDER_S / tick_s)
        if not packets or end <= begin - 2 * SAME_S:
            return None
        first_pts = max((p.pts for p in packets if video.seconds(p.pts) <= begin), default=packets[0].pts)
        shown_until_s = video.seconds(_end_pts(packets))
        if shown_until_s <= begin:
            return None
        return Selection(
            tracks=self.tracks,
            video=tuple(packets),
            audio=_between([*sound, *self.sound], self.tracks, video.seconds(packets[0].pts), shown_until_s),
            first_pts=first_pts,
            start_s=video.seconds(first_pts) - self.offset_s,
            end_s=shown_until_s - self.offset_s,
            offset_s=self.offset_s,
            wall_offset_s=self.wall_offset_s,
        )


@dataclass(frozen=True)
class Piece:
    """What the ring had of a piece of media time when it was asked."""

    slices: tuple[Slice, ...]
    unreadable: Unreadable
    """Told of segments that the disk does not give back."""

    def read(self) -> Selection | None:
        """Its packets, outwards; None when nothing is held. May wait for the disk. Raises PieceError."""
        stored_bytes = sum(part.stored_bytes for part in self.slices)
        if stored_bytes > MAX_READ_BYTES:
            size = f"{stored_bytes >> 20} MiB of video at once; at most {MAX_READ_BYTES >> 20} MiB can be read"
            raise PieceError(f"it would need {size}: ask for a shorter piece, or lower clips.max_length")
        found = [(part, part.read(self.unreadable)) for part in self.slices]
        # A hole, or a counter that wrapped, splits an epoch: the slice with more of what was asked for counts.
        pieces = [(min(s.end_s, part.end_s) - max(s.start_s, part.start_s), s) for part, s in found if s is not None]
        return max(pieces, key=lambda piece: piece[0])[1] if pieces else None


def slice_of(stretch: Stretch, start_s: float, end_s: float) -> Slice | None:
    """What may be needed of a stretch to show the media time `[start_s, end_s)`; None when it is empty."""
    seconds = stretch.tracks.video.seconds
    begin_s, end_of_search_s = start_s + stretch.offset_s + SAME_S, end_s + stretch.offset_s + REORDER_S
    gops: list[Stored | Gop] = [*stretch.stored, *stretch.gops]
    if not gops:
        return None
    first = next((i for i in reversed(range(len(gops))) if seconds(gops[i].pts) <= begin_s), 0)
    last = next((i for i in range(first, len(gops)) if seconds(gops[i].pts) >= end_of_search_s), len(gops))
    before = max(0, first - 1)
    return Slice(
        tracks=stretch.tracks,
        start_s=start_s,
        end_s=end_s,
        offset_s=stretch.offset_s,
        wall_offset_s=stretch.wall_offset_s,
        gops=tuple(g if isinstance(g, Stored) else (tuple(g.packets), tuple(g.sound)) for g in gops[before:last]),
        first=first - before,
        sound=tuple(stretch.audio),
    )


def _between(sound: Packets, tracks: Tracks, from_s: float, until_s: float) -> tuple[EncodedPacket, ...]:
    if tracks.audio is None:
        return ()
    begin, end = from_s / float(tracks.audio.time_base), until_s / float(tracks.audio.time_base)
    return tuple(packet for packet in sound if begin <= packet.pts + packet.duration and packet.pts < end)


def _decodable(gops: list[Packets]) -> Iterator[EncodedPacket]:
    """All packets, less those right after the first keyframe that need pictures from before it: they lead it."""
    for number, gop in enumerate(gops):
        keyframe = gop[0]
        for packet in gop:
            if number or packet.pts >= keyframe.pts:
                yield packet


def _up_to(packets: Iterator[EncodedPacket], end_ticks: float, reorder_ticks: float) -> list[EncodedPacket]:
    """Packets up to the last one shown before the end, and those that complete the order in which they are shown."""
    taken: list[EncodedPacket] = []
    needed = 0
    for packet in packets:
        if packet.pts >= end_ticks + reorder_ticks:
            break
        taken.append(packet)
        if packet.pts < end_ticks:
            needed = len(taken)
    highest = max((packet.pts for packet in taken[:needed]), default=0)
    while needed < len(taken) and taken[needed].pts < highest:
        needed += 1
    return taken[:needed]


def _end_pts(packets: list[EncodedPacket]) -> int:
    last = max(packets, key=lambda packet: packet.pts)
    times = sorted(packet.pts for packet in packets)
    return last.pts + (last.duration or (times[-1] - times[-2] if len(times) > 1 else 0))
