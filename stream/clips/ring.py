"""The newest encoded packets of one stream, within bounds, on the same time axis as its pictures.

Packets come before their pictures are decoded and so before their place in time is known: each *stretch* of packets
gets it from its first picture. A new connection is a new stretch, and so is the rest of one whose clock jumps.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Final, Protocol

from stream.clips.held import Held
from stream.clips.packets import EncodedPacket, Selection, Tracks
from stream.clips.segments import Place, Segment
from stream.clips.selecting import Piece, slice_of
from stream.clips.stretch import SAME_S, Gop, Stretch

MAX_S: Final = 420.0
"""In memory; longer than any moment of the default `max_duration` with its rolls."""
SLOW: Final = "The disk does not take the video as fast as it comes; what it does not take in time is lost for clips."


class Disk(Protocol):
    """Where GOPs go that memory has no room for. None of its methods waits."""

    max_bytes: int

    problem: str | None
    """Why it takes nothing, in a sentence."""

    @property
    def used_bytes(self) -> int:
        """What its files take."""
        ...

    def offer(self, ring: PacketRing, gop: Gop) -> None:
        """Have a GOP written, if that is possible: `written` or `refused` says what has become of it."""
        ...

    def close(self) -> bool:
        """Give all space back, soon; False when that is to be asked again."""
        ...


class PacketRing:
    """Bounded by bytes and by seconds; what does not fit is dropped from the old end, whole GOPs at a time.

    With a disk, the older half of what is in memory is written there meanwhile, and is found there afterwards. What the
    disk does not take in time is dropped; what is older than that stays, with a hole behind it. Thread-safe: a source's
    thread fills the ring, and never waits for the disk; others take pieces out of it.
    """

    def __init__(self, *, max_bytes: int, max_s: float = MAX_S, disk: Disk | None = None) -> None:
        """`max_bytes` and `max_s` bound what is in memory. Raises ValueError when nothing would fit."""
        if max_bytes < 1 or max_s <= 0:
            raise ValueError(f"a ring must hold something, not {max_bytes} bytes and {max_s} s")
        self.max_bytes = max_bytes
        self.max_s = max_s
        self._disk = disk
        self._lock = threading.Lock()
        self._held = Held(max_bytes, max_s, None if disk is None else partial(disk.offer, self))

    def resize(self, max_bytes: int) -> None:
        """Hold so many bytes from now on; what is too much goes at once."""
        with self._lock:
            self.max_bytes = max_bytes
            self._held.resize(max_bytes)

    @property
    def bytes(self) -> int:
        """Memory that is held."""
        return self._held.memory.bytes

    @property
    def disk_bytes(self) -> int:
        """What the files of the ring take."""
        return 0 if self._disk is None else self._disk.used_bytes

    @property
    def disk_problem(self) -> str | None:
        """Why the disk does not take what memory has no room for, in a sentence; None when it does, or is not to."""
        return None if self._disk is None else self._disk.problem or (SLOW if self._held.is_behind else None)

    @property
    def held_s(self) -> float:
        """How many seconds of video are held."""
        return (self._held.memory.us + self._held.stored.us) / 1e6

    @property
    def stored(self) -> tuple[int, float]:
        """How many GOPs are on the disk alone, and how many seconds they last."""
        with self._lock:
            return sum(len(stretch.stored) for stretch in self._held.stretches), self._held.stored.us / 1e6

    @property
    def drops(self) -> dict[str, int]:
        """Packets dropped by cause, a copy: `old` (pushed out by newer ones), `no_keyframe` (nothing before them is
        left that they could be decoded from), `discontinuity` (the stream's clock jumped in the middle of a GOP),
        `disk_full`, `disk_error` and `disk_slow` (the disk did not take them, or not in time)."""
        with self._lock:
            return dict(self._held.drops)

    @property
    def tracks(self) -> Tracks | None:
        """What the newest connection brings; None before the first."""
        with self._lock:
            return self._held.stretches[-1].tracks if self._held.stretches else None

    def begin(self, tracks: Tracks) -> RingFeed:
        """A new connection's way in."""
        with self._lock:
            return RingFeed(self, self._held.new_stretch(tracks))

    def clear(self) -> bool:
        """Let everything go; False when the disk is to be asked again."""
        with self._lock:
            self._held.clear()
        return self._disk is None or self._disk.close()

    def select(self, epoch: int, start_s: float, end_s: float) -> Selection | None:
        """The packets that show the media time `[start_s, end_s)` of an epoch, outwards, as far as they are held.

        None when nothing of it is held. What is missing at either end shows in the selection's own start and end. May
        wait for the disk. Raises PieceError when it is too much.
        """
        return self.piece(epoch, start_s, end_s).read()

    def piece(self, epoch: int, start_s: float, end_s: float) -> Piece:
        """The same, to be read later, with what is held now: what is in memory stays there as long as the piece."""
        with self._lock:
            found = [slice_of(stretch, start_s, end_s) for stretch in self._held.stretches if stretch.epoch == epoch]
        return Piece(tuple(part for part in found if part is not None), self.unreadable)

    def is_complete(self, epoch: int, end_s: float) -> bool:
        """Whether no picture of this epoch before the media time `end_s` can still come."""
        with self._lock:
            newer = False
            for stretch in reversed(self._held.stretches):
                if stretch.epoch == epoch:
                    return newer or stretch.over or stretch.complete_s >= end_s + stretch.offset_s - SAME_S
                newer = newer or (stretch.epoch is not None and stretch.epoch > epoch)
            return newer

    def media_time(self, wall_time_s: float) -> tuple[int, float] | None:
        """The epoch and media time at a Unix time, by the newest stretch that had begun then; None when unknown."""
        with self._lock:
            for stretch in reversed(self._held.stretches):
                if stretch.epoch is None or stretch.wall_offset_s is None or stretch.is_empty:
                    continue
                media_time_s = wall_time_s - stretch.wall_offset_s
                if media_time_s >= stretch.first_s() - stretch.offset_s or stretch is self._held.stretches[0]:
                    return stretch.epoch, media_time_s
            return None

    def wall_offset_s(self, epoch: int) -> float | None:
        """Unix time less media time of an epoch; None while unknown."""
        with self._lock:
            offsets = [stretch.wall_offset_s for stretch in self._held.stretches if stretch.epoch == epoch]
        return offsets[-1] if offsets else None

    @property
    def newest_epoch(self) -> int | None:
        """The epoch of the newest packets; None before the first picture."""
        with self._lock:
            epochs = (stretch.epoch for stretch in reversed(self._held.stretches))
            return next((epoch for epoch in epochs if epoch is not None), None)

    def contents(self, gop: Gop) -> tuple[tuple[EncodedPacket, ...], tuple[EncodedPacket, ...]] | None:
        """Video and sound of a GOP that was offered; None when it was dropped meanwhile."""
        with self._lock:
            return (tuple(gop.packets), tuple(gop.sound)) if gop.packets else None

    def written(self, gop: Gop, place: Place) -> None:
        """A GOP that was offered is on the disk."""
        with self._lock:
            gop.place = place
            self._held.is_behind = False

    def refused(self, gop: Gop, cause: str) -> None:
        """A GOP that was offered will not be on the disk; `cause` is that of `drops`."""
        with self._lock:
            gop.loss = cause

    def forget(self, segment: Segment) -> None:
        """The oldest of the files goes, for newer ones."""
        with self._lock:
            self._held.forget(segment, "old")

    def unreadable(self, segment: Segment) -> None:
        """A file cannot be read: what it holds is lost, and what is older with it."""
        with self._lock:
            self._held.forget(segment, "disk_error")


class RingFeed:
    """One connection's way into the ring. Its methods are called by one thread, in the order of the stream."""

    def __init__(self, ring: PacketRing, stretch: Stretch) -> None:
        self._ring = ring
        self._stretch = stretch

    def video(self, packet: EncodedPacket) -> None:
        """The next packet of video, in the order of decoding."""
        with self._ring._lock:
            self._ring._held.add_video(self._stretch, packet)

    def audio(self, packet: EncodedPacket) -> None:
        """The next packet of sound."""
        with self._ring._lock:
            self._ring._held.add_audio(self._stretch, packet)

    def place(self, epoch: int, stamp_s: float, media_time_s: float) -> None:
        """A picture was given its place in time: the one with the stream's own time stamp `stamp_s`."""
        stretch, offset_s = self._stretch, stamp_s - media_time_s
        if stretch.epoch == epoch and abs(offset_s - stretch.offset_s) <= SAME_S:
            return
        with self._ring._lock:
            if stretch.epoch is not None:
                stretch = self._stretch = self._ring._held.split(stretch, stamp_s)
            stretch.epoch, stretch.offset_s = epoch, offset_s

    def clock(self, wall_offset_s: float) -> None:
        """Unix time less media time, as the newest picture has it."""
        self._stretch.wall_offset_s = wall_offset_s

    def end(self) -> None:
        """Nothing more comes by this connection."""
        with self._ring._lock:
            self._stretch.over = True
