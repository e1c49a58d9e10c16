"""Every encoded packet of a connection goes to a ring as well, from which clips are cut later."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from stream.clips.packets import CONTAINERS, SOUND, EncodedPacket, Track, Tracks
from stream.clips.ring import PacketRing, RingFeed
from stream.sources.packets import AnyPacket

MAX_HELD: Final = 32
"""Packets that wait for the first picture to tell their time."""
_UNKNOWN_RATE: Final = 25
_log = logging.getLogger(__name__)


def can_keep_sound(video: VideoStream, audio: AudioStream) -> bool:
    """Whether clips of this video could carry that sound as it is."""
    container = CONTAINERS.get(video.codec_context.codec.canonical_name)
    return container is not None and audio.codec_context.codec.canonical_name in SOUND[container]


class Tap:
    """Hands the packets of one connection to a ring. Used by the source's thread alone."""

    def __init__(self, ring: PacketRing, video: VideoStream, audio: AudioStream | None) -> None:
        self._feed: RingFeed = ring.begin(_tracks(video, audio))
        self._interval = 0 if video.time_base is None else round(1 / (_rate(video) * video.time_base))
        self._tick_s = float(video.time_base or 0)
        self._unstamped = 0
        self._held: list[EncodedPacket] = []
        """The opening packets without a time stamp, and those behind them, until the first picture tells the time."""
        self._last_pts: int | None = None

    def video(self, packet: AnyPacket) -> None:
        """The next packet of video; parts of one keyframe have been put together."""
        kept = self._stamped(packet)
        if kept is None:
            # Over RTSP the opening keyframe often has no stamp.
            self._unstamped += 1
            kept = EncodedPacket(bytes(packet), 0, None, packet.duration or 0, packet.is_keyframe)
        if not self._unstamped:
            self._feed.video(kept)
            return
        self._held.append(kept)
        if len(self._held) >= MAX_HELD:
            self._release(self._estimate())

    def audio(self, packet: AnyPacket) -> None:
        """The next packet of sound."""
        if packet.pts is not None:
            self._feed.audio(EncodedPacket(bytes(packet), packet.pts, packet.dts, packet.duration or 0, True))

    def place(self, epoch: int, stamp_s: float, media_time_s: float) -> None:
        """The place in time of a picture, whose time stamp is `stamp_s` on the stream's own clock."""
        if self._unstamped:
            self._release(round(stamp_s / self._tick_s))
        self._feed.place(epoch, stamp_s, media_time_s)

    def clock(self, wall_offset_s: float) -> None:
        """Unix time less media time."""
        self._feed.clock(wall_offset_s)

    def end(self) -> None:
        """Nothing more comes."""
        self._feed.end()

    def _stamped(self, packet: AnyPacket) -> EncodedPacket | None:
        """The packet as it is kept; None when nothing is known of its time."""
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None and self._last_pts is not None:
            pts = self._last_pts + self._interval
        if pts is None:
            return None
        self._last_pts = pts
        return EncodedPacket(bytes(packet), pts, packet.dts, packet.duration or 0, packet.is_keyframe)

    def _estimate(self) -> int:
        """When the first packet held is shown, as far as the stamps of those behind it tell."""
        stamps = [packet.pts for packet in self._held[self._unstamped :]]
        return min(stamps, default=0) - self._unstamped * self._interval

    def _release(self, first_pts: int) -> None:
        """Pass on what was held: the first packet is shown at `first_pts`."""
        unstamped, held = self._unstamped, self._held
        self._unstamped, self._held = 0, []
        for number, packet in enumerate(held):
            pts = first_pts + number * self._interval if number < unstamped else packet.pts
            self._last_pts = pts
            self._feed.video(replace(packet, pts=pts))


class NoTap:
    """Stands where packets are not kept."""

    def video(self, packet: AnyPacket) -> None: ...

    def audio(self, packet: AnyPacket) -> None: ...

    def place(self, epoch: int, stamp_s: float, media_time_s: float) -> None: ...

    def clock(self, wall_offset_s: float) -> None: ...

    def end(self) -> None: ...


def open_tap(ring: PacketRing | None, video: VideoStream, audio: AudioStream | None) -> Tap | NoTap:
    """A tap on one connection; one that keeps nothing without a ring, or when the library cannot copy the tracks."""
    if ring is None:
        return NoTap()
    try:
        return Tap(ring, video, audio)
    except (av.FFmpegError, ValueError, MemoryError) as error:
        _log.warning("no clips can be cut of this stream: %s", error)
        return NoTap()


def _tracks(video: VideoStream, audio: AudioStream | None) -> Tracks:
    # A template must outlive the connection, whose own streams are gone with it; nothing is ever written here.
    holder = av.open(io.BytesIO(), "w", format="matroska")
    return Tracks(_track(holder, video), None if audio is None else _track(holder, audio))


def _track(holder: OutputContainer, stream: VideoStream | AudioStream) -> Track:
    name = stream.codec_context.codec.canonical_name
    kept = stream.type == "audio" or name in CONTAINERS
    template = holder.add_stream_from_template(stream) if kept else None
    time_base = stream.time_base
    if time_base is None:
        raise ValueError("its time stamps have no unit")
    return Track(name, time_base, bytes(stream.codec_context.extradata or b""), template)


def _rate(video: VideoStream) -> float:
    return float(video.average_rate or _UNKNOWN_RATE)


OnAudio = Callable[[AnyPacket], None]
"""Takes the packets of sound that come between those of video."""
