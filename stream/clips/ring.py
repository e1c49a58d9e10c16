"""The newest encoded packets of one stream, within bounds, on the same time axis as its pictures.

Packets come before their pictures are decoded and so before their place in time is known: each *stretch* of packets
gets it from its first picture. A new connection is a new stretch, and so is the rest of one whose clock jumps.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from stream.clips.packets import EncodedPacket, Selection, Tracks

MAX_S: Final = 420.0
"""Longer than any moment of the default `max_duration` with its rolls."""
OVERHEAD_BYTES: Final = 200
"""What Python needs for a packet beside its data."""
MAX_STRETCHES: Final = 64
REORDER_S: Final = 1.0
"""Where packets lack decoding stamps: pictures are shown at most this much later than they are sent."""
SAME_S: Final = 0.002
"""Time stamps this close are the same, after all rounding."""
NEAR_S: Final = 10.0
"""A step further than this is a jump of the clock, or a pause that holds nothing."""


@dataclass(eq=False)
class _Gop:
    """A keyframe and what follows it up to the next one."""

    packets: list[EncodedPacket] = field(default_factory=list)
    bytes: int = 0
    held_s: float = 0.0
    """From the last picture before it to its own last one."""

    def add(self, packet: EncodedPacket, step_s: float) -> None:
        self.packets.append(packet)
        self.bytes += _bytes(packet)
        self.held_s += step_s


@dataclass(eq=False)
class _Stretch:
    """Packets of one connection without a jump of its clock."""

    tracks: Tracks
    epoch: int | None = None
    offset_s: float = 0.0
    wall_offset_s: float | None = None
    gops: deque[_Gop] = field(default_factory=deque)
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

    def refill(self, gop: _Gop) -> None:
        """Take in a GOP of another stretch."""
        if gop.packets:
            self.gops.append(_Gop())
        for packet in gop.packets:
            self.add(packet)


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
        self._stretches: deque[_Stretch] = deque()
        self._bytes = 0
        self._drops: Counter[str] = Counter()

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
            found = [_select(stretch, start_s, end_s) for stretch in self._stretches if stretch.epoch == epoch]
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

    def _new_stretch(self, tracks: Tracks) -> _Stretch:
        stretch = _Stretch(tracks)
        self._stretches.append(stretch)
        while len(self._stretches) > MAX_STRETCHES:
            self._drop_stretch(self._stretches[0])
        return stretch

    def _held_s(self) -> float:
        return sum(stretch.held_s for stretch in self._stretches)

    def _add_video(self, stretch: _Stretch, packet: EncodedPacket) -> None:
        if packet.is_keyframe:
            stretch.gops.append(_Gop())
        if not stretch.gops or stretch not in self._stretches:
            self._drops["no_keyframe"] += 1
            return
        stretch.add(packet)
        self._bytes += _bytes(packet)
        self._keep_bounds()

    def _add_audio(self, stretch: _Stretch, packet: EncodedPacket) -> None:
        if not stretch.gops or stretch not in self._stretches:
            return
        stretch.audio.append(packet)
        self._bytes += _bytes(packet)
        self._keep_bounds()

    def _keep_bounds(self) -> None:
        while self._bytes > self.max_bytes or self._held_s() > self.max_s:
            oldest = self._stretches[0]
            if oldest.gops:
                self._drop_gop(oldest)
            if not oldest.gops and (oldest.over or len(self._stretches) > 1):
                self._drop_stretch(oldest)

    def _drop_gop(self, stretch: _Stretch) -> None:
        gop = stretch.gops.popleft()
        self._bytes -= gop.bytes
        stretch.held_s = stretch.held_s - gop.held_s if stretch.gops else 0.0
        self._drops["old"] += len(gop.packets)
        first_s = stretch.first_s() if stretch.gops else float("inf")
        audio = stretch.tracks.audio
        while stretch.audio and audio is not None and audio.seconds(stretch.audio[0].pts) < first_s:
            self._bytes -= _bytes(stretch.audio.popleft())
            self._drops["old"] += 1

    def _drop_stretch(self, stretch: _Stretch) -> None:
        while stretch.gops:
            self._drop_gop(stretch)
        self._bytes -= sum(map(_bytes, stretch.audio))
        self._drops["old"] += len(stretch.audio)
        stretch.audio.clear()
        self._stretches.remove(stretch)

    def _split(self, stretch: _Stretch, stamp_s: float) -> _Stretch:
        """The stream's clock has jumped: what was sent from the picture stamped `stamp_s` on is a stretch of its own.

        Where that picture is no keyframe, the rest of its GOP cannot be decoded from anything behind the jump.
        """
        stretch.over = True
        rest = self._new_stretch(stretch.tracks)
        places = [_position(gop, stretch, stamp_s) for gop in stretch.gops]
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
            kept.append(_Gop(gops[jump].packets[:place]))
            self._bytes -= sum(map(_bytes, lost))
            self._drops["discontinuity"] += len(lost)
        for into, some in ((stretch, kept), (rest, behind)):
            for gop in some:
                into.refill(gop)
        rest.audio = _audio_behind(stretch, stamp_s)
        return rest


class RingFeed:
    """One connection's way into the ring. Its methods are called by one thread, in the order of the stream."""

    def __init__(self, ring: PacketRing, stretch: _Stretch) -> None:
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


def _bytes(packet: EncodedPacket) -> int:
    return len(packet.data) + OVERHEAD_BYTES


def _position(gop: _Gop, stretch: _Stretch, stamp_s: float) -> int | None:
    stamps = (stretch.tracks.video.seconds(packet.pts) for packet in gop.packets)
    return next((i for i, shown_s in enumerate(stamps) if abs(shown_s - stamp_s) <= SAME_S), None)


def _audio_behind(stretch: _Stretch, stamp_s: float) -> deque[EncodedPacket]:
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


def _select(stretch: _Stretch, start_s: float, end_s: float) -> Selection | None:
    video = stretch.tracks.video
    begin, end = start_s + stretch.offset_s + SAME_S, end_s + stretch.offset_s - SAME_S
    gops = list(stretch.gops)
    first = max((i for i, gop in enumerate(gops) if video.seconds(gop.packets[0].pts) <= begin), default=0)
    tick_s = float(video.time_base)
    packets = _up_to(_decodable(gops[first:]), end / tick_s, REORDER_S / tick_s)
    if not packets or end <= begin - 2 * SAME_S:
        return None
    first_pts = max((p.pts for p in packets if video.seconds(p.pts) <= begin), default=packets[0].pts)
    shown_until_s = _end_s(packets, stretch)
    if shown_until_s <= begin:
        return None
    keyframe_s = video.seconds(packets[0].pts)
    return Selection(
        tracks=stretch.tracks,
        video=tuple(packets),
        audio=_sound(stretch, keyframe_s, shown_until_s),
        first_pts=first_pts,
        start_s=video.seconds(first_pts) - stretch.offset_s,
        keyframe_s=keyframe_s - stretch.offset_s,
        end_s=shown_until_s - stretch.offset_s,
        offset_s=stretch.offset_s,
        wall_offset_s=stretch.wall_offset_s,
    )


def _sound(stretch: _Stretch, from_s: float, until_s: float) -> tuple[EncodedPacket, ...]:
    audio = stretch.tracks.audio
    if audio is None:
        return ()
    begin, end = from_s / float(audio.time_base), until_s / float(audio.time_base)
    return tuple(packet for packet in stretch.audio if begin <= packet.pts + packet.duration and packet.pts < end)


def _decodable(gops: list[_Gop]) -> Iterator[EncodedPacket]:
    """All packets, less those right after the first keyframe that need pictures from before it: they lead it."""
    for number, gop in enumerate(gops):
        keyframe = gop.packets[0]
        for packet in gop.packets:
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


def _end_s(packets: list[EncodedPacket], stretch: _Stretch) -> float:
    last = max(packets, key=lambda packet: packet.pts)
    times = sorted(packet.pts for packet in packets)
    step = last.duration or (times[-1] - times[-2] if len(times) > 1 else 0)
    return stretch.tracks.video.seconds(last.pts + step)
