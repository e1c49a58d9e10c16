"""Encoded packets as a ring keeps them: plain data, cut loose from the library and from the connection they came by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

Container = Literal["mp4", "webm"]

CONTAINERS: Final[Mapping[str, Container]] = {"h264": "mp4", "hevc": "mp4", "vp8": "webm", "vp9": "webm"}
"""The kind of file that a video codec goes into as it is, so that browsers play it; others would need encoding."""

SOUND: Final[Mapping[Container, frozenset[str]]] = {
    "mp4": frozenset({"aac", "mp3"}),
    "webm": frozenset({"opus", "vorbis"}),
}
"""The audio codecs that go with them; other sound is left out."""


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One packet, in ticks of its track's time base."""

    data: bytes = field(repr=False)
    pts: int
    dts: int | None
    duration: int
    """0 when unknown."""
    is_keyframe: bool


@dataclass(frozen=True)
class Track:
    """What a decoder or a file must know to make sense of a track's packets."""

    codec: str
    """Its short name, such as `h264`."""
    time_base: Fraction
    extradata: bytes = field(default=b"", repr=False)
    template: object = field(default=None, repr=False, compare=False)
    """A stream of the media library from which files take theirs; it outlives the connection."""

    def seconds(self, ticks: int) -> float:
        """Ticks of this track as seconds."""
        # Whole numbers, since a product of fractions takes ten times as long, for each packet.
        return ticks * self.time_base.numerator / self.time_base.denominator


@dataclass(frozen=True)
class Tracks:
    """What one connection brings."""

    video: Track
    audio: Track | None = None

    @property
    def container(self) -> Container | None:
        """The kind of file that clips of it are; None when they would have to be encoded anew."""
        return CONTAINERS.get(self.video.codec)


@dataclass(frozen=True)
class Selection:
    """The packets of a piece of one stream, beginning with a keyframe, in the order of decoding.

    Times are media time. What is shown reaches from `start_s` to `end_s`, outwards from what was asked for; pictures
    before `start_s` are there because the decoder needs them.
    """

    tracks: Tracks
    video: tuple[EncodedPacket, ...]
    audio: tuple[EncodedPacket, ...]
    first_pts: int
    """The picture that was on when the piece begins, in ticks of the video."""
    start_s: float
    end_s: float
    offset_s: float
    """The stream's own time stamp less media time."""
    wall_offset_s: float | None
    """Unix time less media time; None while unknown."""

    @property
    def picture_rate_hz(self) -> float | None:
        """Pictures per second, on average; None for a single one."""
        shown = [packet.pts for packet in self.video]
        length_s = self.tracks.video.seconds(max(shown) - min(shown))
        return round((len(set(shown)) - 1) / length_s, 3) if length_s > 0 else None

    @property
    def has_sound(self) -> bool:
        """Whether a file of it has sound."""
        container, audio = self.tracks.container, self.tracks.audio
        return container is not None and audio is not None and audio.codec in SOUND[container] and bool(self.audio)
