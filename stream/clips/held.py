"""What a ring holds, and what it lets go of when that is too much."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from stream.clips.packets import EncodedPacket, Tracks
from stream.clips.segments import Place, Segment
from stream.clips.stretch import Gop, Stored, Stretch, audio_behind, packet_bytes, position

MAX_STRETCHES: Final = 64


@dataclass
class Amount:
    """How much there is of something."""

    bytes: int = 0
    us: int = 0
    """Whole microseconds, so that sums are exact."""

    def add(self, size_bytes: int, us: int) -> None:
        self.bytes += size_bytes
        self.us += us

    def remove(self, size_bytes: int, us: int) -> None:
        self.add(-size_bytes, -us)


class Held:
    """The stretches of one ring, oldest first, less what does not fit. Used by one thread at a time."""

    def __init__(self, max_bytes: int, max_s: float, offer: Callable[[Gop], None] | None) -> None:
        """`max_bytes` and `max_s` bound what is in memory. `offer` has a GOP written to the disk, if there is one."""
        self.stretches: deque[Stretch] = deque()
        self.drops: Counter[str] = Counter()
        self.memory = Amount()
        self.offered = Amount()
        """What of the memory was offered to the disk."""
        self.stored = Amount()
        """What is on the disk alone."""
        self.is_behind = False
        """A GOP was dropped that the disk had not taken in time, and it has taken none since."""
        self._max_bytes = max_bytes
        self._max_us = max_s * 1e6
        self._offer = offer

    def resize(self, max_bytes: int) -> None:
        """Another bound for the memory; what is too much goes at once."""
        self._max_bytes = max_bytes
        self._keep_bounds()

    def new_stretch(self, tracks: Tracks) -> Stretch:
        stretch = Stretch(tracks)
        self.stretches.append(stretch)
        self._bound_stretches()
        return stretch

    def _bound_stretches(self) -> None:
        while len(self.stretches) > MAX_STRETCHES:
            self._drop_stretch(self.stretches[0])

    def add_video(self, stretch: Stretch, packet: EncodedPacket) -> None:
        if stretch not in self.stretches or not (stretch.gops or packet.is_keyframe):
            self.drops["no_keyframe"] += 1
            return
        self.memory.us += stretch.add(packet)
        self.memory.bytes += packet_bytes(packet)
        self._keep_bounds()

    def add_audio(self, stretch: Stretch, packet: EncodedPacket) -> None:
        if not stretch.gops or stretch not in self.stretches:
            return
        stretch.audio.append(packet)
        self.memory.bytes += packet_bytes(packet)
        self._keep_bounds()

    def forget(self, segment: Segment, cause: str) -> None:
        """What a file holds is lost, and what is older with it."""
        for stretch in list(self.stretches):
            count = max((i for i, gop in enumerate(stretch.stored, 1) if gop.place.segment is segment), default=0)
            for _ in range(count):
                self._drop_stored(stretch, cause)
            for gop in stretch.gops:
                if gop.place is not None and gop.place.segment is segment:
                    gop.place, gop.loss = None, cause
            self._tidy(stretch)

    def _keep_bounds(self) -> None:
        if self._offer is not None:
            self._offer_older_half(self._offer)
        while self.memory.bytes > self._max_bytes or self.memory.us > self._max_us:
            stretch = next(stretch for stretch in self.stretches if stretch.gops or stretch.audio)
            if stretch.gops and stretch.gops[0].place is not None:
                self._release(stretch, stretch.gops[0].place)
            elif stretch.gops:
                self._drop_gop(stretch)
            self._tidy(stretch)

    def _offer_older_half(self, offer: Callable[[Gop], None]) -> None:
        """So that the disk has the time for it in which the newer half comes."""
        memory, offered = self.memory, self.offered
        while memory.bytes - offered.bytes > self._max_bytes / 2 or memory.us - offered.us > self._max_us / 2:
            found = next(self._complete(), None)
            if found is None:
                return
            gop, stretch, end_s = found
            gop.sound = stretch.sound_up_to(end_s)
            gop.bytes += sum(map(packet_bytes, gop.sound))
            gop.is_offered, gop.loss = True, "disk_slow"
            offered.add(gop.bytes, gop.held_us)
            offer(gop)

    def _complete(self) -> Iterator[tuple[Gop, Stretch, float]]:
        """GOPs that are whole and were not offered yet, oldest first, and when what follows them begins."""
        for stretch in self.stretches:
            gops = list(stretch.gops)
            for gop, following in zip(gops, [*gops[1:], None], strict=False):
                if not gop.is_offered and following is not None:
                    yield gop, stretch, stretch.tracks.video.seconds(following.pts)
                elif not gop.is_offered and stretch.over:
                    yield gop, stretch, float("inf")

    def _release(self, stretch: Stretch, place: Place) -> None:
        """The oldest GOP of a stretch is on the disk: memory need not keep it."""
        gop = stretch.gops.popleft()
        count = len(gop.packets) + len(gop.sound)
        stretch.stored.append(Stored(place, gop.pts, gop.joint_pts(), gop.held_us, count))
        self.stored.add(place.bytes, gop.held_us)
        self._let_go(gop)

    def _drop_gop(self, stretch: Stretch) -> None:
        """The oldest GOP of a stretch, with its sound."""
        gop = stretch.gops.popleft()
        end_s = stretch.tracks.video.seconds(stretch.gops[0].pts) if stretch.gops else float("inf")
        rest = stretch.sound_up_to(end_s)
        self.memory.bytes -= sum(map(packet_bytes, rest))
        self.drops[gop.loss] += len(gop.packets) + len(gop.sound) + len(rest)
        self.is_behind = self.is_behind or gop.loss == "disk_slow"
        self._let_go(gop)
        if stretch.stored:
            # What is on the disk ends here: no piece may reach across the hole.
            before = Stretch(stretch.tracks, stretch.epoch, stretch.offset_s, stretch.wall_offset_s, stretch.stored)
            before.over, stretch.stored = True, deque()
            self.stretches.insert(self.stretches.index(stretch), before)
            self._bound_stretches()

    def _let_go(self, gop: Gop) -> None:
        self.memory.remove(gop.bytes, gop.held_us)
        if gop.is_offered:
            self.offered.remove(gop.bytes, gop.held_us)
        gop.packets, gop.sound = [], []

    def _drop_stored(self, stretch: Stretch, cause: str) -> None:
        gop = stretch.stored.popleft()
        self.stored.remove(gop.place.bytes, gop.held_us)
        self.drops[cause] += gop.packets

    def clear(self) -> None:
        """Let everything go."""
        while self.stretches:
            self._drop_stretch(self.stretches[0])

    def _drop_stretch(self, stretch: Stretch) -> None:
        while stretch.stored:
            self._drop_stored(stretch, "old")
        while stretch.gops:
            self._drop_gop(stretch)
        self.memory.bytes -= sum(map(packet_bytes, stretch.audio))
        self.drops["old"] += len(stretch.audio)
        stretch.audio.clear()
        self.stretches.remove(stretch)

    def _tidy(self, stretch: Stretch) -> None:
        """A stretch of which nothing is left goes, unless more is to come."""
        if stretch.is_empty and (stretch.over or stretch is not self.stretches[-1]):
            self._drop_stretch(stretch)

    def split(self, stretch: Stretch, stamp_s: float) -> Stretch:
        """The stream's clock has jumped: what was sent from the picture stamped `stamp_s` on is a stretch of its own.

        Where that picture is no keyframe, the rest of its GOP cannot be decoded from anything behind the jump.
        """
        stretch.over = True
        rest = self.new_stretch(stretch.tracks)
        # A jump is noticed soon: not so late that what is to be written would lie behind it.
        settled = [gop for gop in stretch.gops if gop.is_offered]
        gops = list(stretch.gops)[len(settled) :]
        self.memory.us -= sum(gop.held_us for gop in gops)
        places = [position(gop, stretch, stamp_s) for gop in gops]
        jump = max((i for i, place in enumerate(places) if place is not None), default=len(places) - 1)
        stretch.gops, stretch.newest_s = deque(settled), gops[0].after_s if gops else None
        kept = [gop.packets for gop in gops[: max(jump, 0)]]
        behind = [gop.packets for gop in gops[jump + 1 :]]
        if gops and places[jump] == 0:
            behind.insert(0, gops[jump].packets)
        elif gops:
            # Nobody knows where in its GOP the jump lies when no picture has that stamp.
            place = places[jump] or 0
            lost = gops[jump].packets[place:]
            kept.append(gops[jump].packets[:place])
            self.memory.bytes -= sum(map(packet_bytes, lost))
            self.drops["discontinuity"] += len(lost)
        for into, some in ((stretch, kept), (rest, behind)):
            self.memory.us += sum(into.add(packet) for packets in some for packet in packets)
        rest.audio = audio_behind(stretch, stamp_s)
        return rest
