"""The newest encoded packets of one stream, within bounds, on the same time axis as its pictures.

Packets come before their pictures are decoded and so before their place in time is known: each *stretch* of packets
gets it from its first picture. A new connection is a new stretch, and so is the rest of one whose clock jumps.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Final

from stream.clips.packets import EncodedPacket, Selection, Tracks
from stream.clips.selecting import select
from stream.clips.stretch import SAME_S, Gop, Stretch, audio_behind, packet_bytes, position

MAX_S: Final = 420.0
"""Longer than any moment of the default `max_duration` with its rolls."""
MAX_STRETCHES: Final = 64


class PacketRing:
    """Bounded by bytes and by seconds; what does not fit is dropped from the old end, whole GOPs at a time.

    Thread-safe: a source's thread fills it, others take pieces out of it.
    """

    def __init__(self, *, max_bytes: int, max_s: float = MAX_S) -> None:
        """Raises ValueError when nothing would fit."""
        if max_bytes < 1 or max_s <= 0:
            raise ValueError(f"a ring must hold something, not {max_bytes} bytes and {max_s} s")
        self.max_bytes = max_bytes
        self.max_s = max_s
        self._lock = threading.Lock()
        self._stretches: deque[Stretch] = deque()
        self._bytes = 0
        self._drops: Counter[str] = Counter()

    def resize(self, max_bytes: int) -> None:
        """Hold so many bytes from now on; what is too much goes at once."""
        with self._lock:
            self.max_bytes = max_bytes
            self._keep_bounds()

    @property
    def bytes(self) -> int:
        """Memory that is held."""
        return self._bytes

    @property
    def held_s(self) -> float:
        """How many seconds of video are held."""
        with self._lock:
            return self._held_s()

    @property
    def drops(self) -> dict[str, int]:
        """Packets dropped by cause: `old` (pushed out by newer ones), `no_keyframe` (nothing before them is left that
        they could be decoded from), `discontinuity` (the stream's clock jumped in the middle of a GOP); a copy."""
        with self._lock:
            return dict(self._drops)

    @property
    def tracks(self) -> Tracks | None:
        """What the newest connection brings; None before the first."""
        with self._lock:
            return self._stretches[-1].tracks if self._stretches else None

    def begin(self, tracks: Tracks) -> RingFeed:
        """A new connection's way in."""
        with self._lock:
            return RingFeed(self, self._new_stretch(tracks))

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._stretches.clear()
            self._bytes = 0

    def select(self, epoch: int, start_s: float, end_s: float) -> Selection | None:
        """The packets that show the media time `[start_s, end_s)` of an epoch, outwards, as far as they are held.

        None when nothing of it is held. What is missing at either end shows in the selection's own start and end.
        """
        with self._lock:
            found = [select(stretch, start_s, end_s) for stretch in self._stretches if stretch.epoch == epoch]
        # A counter that wrapped splits an epoch: the piece with more of what was asked for counts.
        pieces = [piece for piece in found if piece is not None]
        return max(pieces, key=lambda piece: min(piece.end_s, end_s) - max(piece.start_s, start_s), default=None)

    def is_complete(self, epoch: int, end_s: float) -> bool:
        """Whether no picture of this epoch before the media time `end_s` can still come."""
        with self._lock:
            newer = False
            for stretch in reversed(self._stretches):
                if stretch.epoch == epoch:
                    return newer or stretch.over or stretch.complete_s >= end_s + stretch.offset_s - SAME_S
                newer = newer or (stretch.epoch is not None and stretch.epoch > epoch)
            return newer

    def media_time(self, wall_time_s: float) -> tuple[int, float] | None:
        """The epoch and media time at a Unix time, by the newest stretch that had begun then; None when unknown."""
        with self._lock:
            for stretch in reversed(self._stretches):
                if stretch.epoch is None or stretch.wall_offset_s is None or not stretch.gops:
                    continue
                media_time_s = wall_time_s - stretch.wall_offset_s
                if media_time_s >= stretch.first_s() - stretch.offset_s or stretch is self._stretches[0]:
                    return stretch.epoch, media_time_s
            return None

    def wall_offset_s(self, epoch: int) -> float | None:
        """Unix time less media time of an epoch; None while unknown."""
        with self._lock:
            offsets = [stretch.wall_offset_s for stretch in self._stretches if stretch.epoch == epoch]
        return offsets[-1] if offsets else None

    @property
    def newest_epoch(self) -> int | None:
        """The epoch of the newest packets; None before the first picture."""
        with self._lock:
            return next((stretch.epoch for stretch in reversed(self._stretches) if stretch.epoch is not None), None)

    def _new_stretch(self, tracks: Tracks) -> Stretch:
        stretch = Stretch(tracks)
        self._stretches.append(stretch)
        while len(self._stretches) > MAX_STRETCHES:
            self._drop_stretch(self._stretches[0])
        return stretch

    def _held_s(self) -> float:
        return sum(stretch.held_s for stretch in self._stretches)

    def _add_video(self, stretch: Stretch, packet: EncodedPacket) -> None:
        if packet.is_keyframe:
            stretch.gops.append(Gop())
        if not stretch.gops or stretch not in self._stretches:
            self._drops["no_keyframe"] += 1
            return
        stretch.add(packet)
        self._bytes += packet_bytes(packet)
        self._keep_bounds()

    def _add_audio(self, stretch: Stretch, packet: EncodedPacket) -> None:
        if not stretch.gops or stretch not in self._stretches:
            return
        stretch.audio.append(packet)
        self._bytes += packet_bytes(packet)
        self._keep_bounds()

    def _keep_bounds(self) -> None:
        while self._bytes > self.max_bytes or self._held_s() > self.max_s:
            oldest = self._stretches[0]
            if oldest.gops:
                self._drop_gop(oldest)
            if not oldest.gops and (oldest.over or len(self._stretches) > 1):
                self._drop_stretch(oldest)

    def _drop_gop(self, stretch: Stretch) -> None:
        gop = stretch.gops.popleft()
        self._bytes -= gop.bytes
        stretch.held_s = stretch.held_s - gop.held_s if stretch.gops else 0.0
        self._drops["old"] += len(gop.packets)
        first_s = stretch.first_s() if stretch.gops else float("inf")
        audio = stretch.tracks.audio
        while stretch.audio and audio is not None and audio.seconds(stretch.audio[0].pts) < first_s:
            self._bytes -= packet_bytes(stretch.audio.popleft())
            self._drops["old"] += 1

    def _drop_stretch(self, stretch: Stretch) -> None:
        while stretch.gops:
            self._drop_gop(stretch)
        self._bytes -= sum(map(packet_bytes, stretch.audio))
        self._drops["old"] += len(stretch.audio)
        stretch.audio.clear()
        self._stretches.remove(stretch)

    def _split(self, stretch: Stretch, stamp_s: float) -> Stretch:
        """The stream's clock has jumped: what was sent from the picture stamped `stamp_s` on is a stretch of its own.

        Where that picture is no keyframe, the rest of its GOP cannot be decoded from anything behind the jump.
        """
        stretch.over = True
        rest = self._new_stretch(stretch.tracks)
        places = [position(gop, stretch, stamp_s) for gop in stretch.gops]
        jump = max((i for i, place in enumerate(places) if place is not None), default=len(places) - 1)
        gops, stretch.gops, stretch.held_s, stretch.newest_s = list(stretch.gops), deque(), 0.0, None
        kept = gops[: max(jump, 0)]
        behind = gops[jump + 1 :]
        if gops and places[jump] == 0:
            behind.insert(0, gops[jump])
        elif gops:
            # Nobody knows where in its GOP the jump lies when no picture has that stamp.
            place = places[jump] or 0
            lost = gops[jump].packets[place:]
            kept.append(Gop(gops[jump].packets[:place]))
            self._bytes -= sum(map(packet_bytes, lost))
            self._drops["discontinuity"] += len(lost)
        for into, some in ((stretch, kept), (rest, behind)):
            for gop in some:
                into.refill(gop)
        rest.audio = audio_behind(stretch, stamp_s)
        return rest


class RingFeed:
    """One connection's way into the ring. Its methods are called by one thread, in the order of the stream."""

    def __init__(self, ring: PacketRing, stretch: Stretch) -> None:
        self._ring = ring
        self._stretch = stretch

    def video(self, packet: EncodedPacket) -> None:
        """The next packet of video, in the order of decoding."""
        with self._ring._lock:
            self._ring._add_video(self._stretch, packet)

    def audio(self, packet: EncodedPacket) -> None:
        """The next packet of sound."""
        with self._ring._lock:
            self._ring._add_audio(self._stretch, packet)

    def place(self, epoch: int, stamp_s: float, media_time_s: float) -> None:
        """A picture was given its place in time: the one with the stream's own time stamp `stamp_s`."""
        stretch, offset_s = self._stretch, stamp_s - media_time_s
        if stretch.epoch == epoch and abs(offset_s - stretch.offset_s) <= SAME_S:
            return
        with self._ring._lock:
            if stretch.epoch is not None:
                stretch = self._stretch = self._ring._split(stretch, stamp_s)
            stretch.epoch, stretch.offset_s = epoch, offset_s

    def clock(self, wall_offset_s: float) -> None:
        """Unix time less media time, as the newest picture has it."""
        self._stretch.wall_offset_s = wall_offset_s

    def end(self) -> None:
        """Nothing more comes by this connection."""
        with self._ring._lock:
            self._stretch.over = True
