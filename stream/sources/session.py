"""One connection's way from packets to pictures: repair, decode, place in time, pace, hand over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from stream.clips.ring import PacketRing
from stream.sources.connection import Connection, Limits
from stream.sources.decoding import Decoded, PictureDecoder, RgbConverter
from stream.sources.failure import SourceFailure, undecodable
from stream.sources.host_clock import HostClock
from stream.sources.packets import VideoPacket, merge_split_keyframes, sender_time_s
from stream.sources.spec import SourceSpec
from stream.sources.state import SourceStats
from stream.sources.tapping import open_tap
from stream.sources.timeline import JUMP_FORWARD_S, Placed, Timeline, WallClock
from stream.types import Clock, Picture


@dataclass(frozen=True)
class SessionSettings:
    """What a session shares with the source it belongs to."""

    spec: SourceSpec
    stats: SourceStats
    clock: HostClock
    limits: Limits
    stop: threading.Event
    wants: Callable[[float, int], bool]
    on_first_picture: Callable[[], None]
    ring: PacketRing | None = None
    """Where the encoded packets are kept for clips; None keeps none."""


class Session:
    """Reads one connection to its end."""

    def __init__(self, settings: SessionSettings, connection: Connection, epoch: int) -> None:
        self._spec, self._stats, self._clock = settings.spec, settings.stats, settings.clock
        self._settings = settings
        self._connection = connection
        self._tap = open_tap(settings.ring, connection.track, connection.sound)
        self._decoder = PictureDecoder(connection.track, settings.stats)
        self._rgb = RgbConverter()
        self._timeline = Timeline(epoch, recorded=connection.recorded, start_s=connection.start_s)
        self._wall_clock = WallClock()
        self._opened_wall_s = self._clock.now_s()
        self._last_picture_s = self._clock.monotonic_s()
        self._pace_origin: tuple[int, float] | None = None
        self.shown = False
        """Whether any picture could be decoded."""
        self.position_s = 0.0
        """Media time of the last picture."""

    @property
    def epoch(self) -> int:
        """The epoch of the last picture."""
        return self._timeline.epoch

    @property
    def recorded(self) -> bool:
        """Whether this connection has an end of its own."""
        return self._connection.recorded

    def pictures(self) -> Iterator[Picture]:
        """The wanted pictures until the stream ends or the source is stopped.

        Raises:
            SourceFailure: when packets bring no picture for too long, or a recording has none at all.
            av.FFmpegError: when the connection breaks.
        """
        try:
            yield from self._all_pictures()
        finally:
            self._tap.end()

    def _all_pictures(self) -> Iterator[Picture]:
        for packet in self._packets():
            self._tap.video(packet)
            yield from self._hand_over(self._decoder.decode(packet))
            self._check_pictures_come()
            if self._settings.stop.is_set():
                return
        yield from self._hand_over(self._decoder.flush())
        if self._connection.recorded and not self.shown and not self._settings.stop.is_set():
            raise SourceFailure(undecodable(self._spec, self._decoder.codec))

    def _packets(self) -> Iterator[VideoPacket]:
        packets = self._observed(self._connection.packets(self._spec, self._clock.monotonic_s, self._tap.audio))
        # Only RTSP is cut into packets by a parser that can be misled.
        return merge_split_keyframes(packets, self._decoder.codec) if self._spec.kind == "rtsp" else packets

    def _observed(self, packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        for packet in packets:
            self._stats.packets += 1
            self._stats.bytes += packet.size
            if packet.pts is not None and not self._connection.recorded:
                arrival_s = self._clock.now_s()
                self._wall_clock.observe(float(packet.pts * packet.time_base), arrival_s, sender_time_s(packet))
            yield packet

    def _hand_over(self, pictures: Iterable[Decoded]) -> Iterator[Picture]:
        for decoded in pictures:
            self._last_picture_s = self._clock.monotonic_s()
            if not self.shown:
                self.shown = True
                self._settings.on_first_picture()
            placed = self._place(decoded)
            if placed is None:
                continue
            if self._connection.recorded and self._spec.pace == "realtime" and self._wait_until_due(placed):
                return
            if self._settings.wants(placed.media_time_s, placed.epoch):
                self._stats.taken += 1
                yield self._picture(decoded, placed)

    def _place(self, decoded: Decoded) -> Placed | None:
        epoch_before = self._timeline.epoch
        placed = self._timeline.place(decoded.pts_s, self._last_picture_s)
        if placed is None:
            self._stats.drops["out_of_order"] += 1
            return None
        self._stats.discontinuities += placed.epoch - epoch_before
        self._tap.place(placed.epoch, decoded.pts_s, placed.media_time_s)
        self.position_s = placed.media_time_s
        return placed

    def _picture(self, decoded: Decoded, placed: Placed) -> Picture:
        wall_time_s, clock = self._wall_time(decoded, placed)
        self._tap.clock(wall_time_s - placed.media_time_s)
        return Picture(
            media_time_s=placed.media_time_s,
            wall_time_s=wall_time_s,
            clock=clock,
            epoch=placed.epoch,
            to_rgb=partial(self._rgb.convert, decoded.frame),
        )

    def _wall_time(self, decoded: Decoded, placed: Placed) -> tuple[float, Clock]:
        if self._connection.recorded:
            return self._opened_wall_s + placed.media_time_s, "file"
        return self._wall_clock.wall_time(decoded.pts_s, otherwise_s=self._clock.now_s())

    def _wait_until_due(self, placed: Placed) -> bool:
        """Holds a recording's picture back until it would be shown; says whether to stop instead."""
        now_s = self._clock.monotonic_s()
        if self._pace_origin is None or self._pace_origin[0] != placed.epoch:
            self._pace_origin = (placed.epoch, now_s - placed.media_time_s)
        due_s = self._pace_origin[1] + placed.media_time_s
        if due_s - now_s > JUMP_FORWARD_S:
            # A hole in the recording: nobody wants to sit through it.
            self._pace_origin = (placed.epoch, now_s - placed.media_time_s)
            return False
        return due_s > now_s and self._clock.wait(self._settings.stop, due_s - now_s)

    def _check_pictures_come(self) -> None:
        quiet_s = self._clock.monotonic_s() - self._last_picture_s
        if not self._connection.recorded and quiet_s > self._settings.limits.picture_s:
            raise SourceFailure(undecodable(self._spec, self._decoder.codec))
