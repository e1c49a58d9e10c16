"""Joins the files of clips into one, by stream copy: no picture is encoded anew.

A file of several pieces can show no piece from the middle of a GOP, for players heed one edit list at most: each piece
begins with the keyframe before its clip, less than a GOP earlier than the clip itself. VP8, whose pictures can be
hidden one by one, begins exactly. What follows on from the piece before it is joined to it picture by picture, so that
nothing is shown twice.
"""

from __future__ import annotations

import errno
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from stream.clips.cutter import OPTIONS, CutError, add_stream, flush
from stream.clips.packets import Container, Track

SAME_S: Final = 0.004
"""Pictures this close are the same one: times are told in milliseconds, and pictures lie further apart."""
_CLOCK: Final = Fraction(1, 90_000)


@dataclass(frozen=True)
class Kind:
    """What files must have in common to be joined as they are."""

    video: tuple[str, int, int, bytes]
    """Codec, width and height in pixels, and what a decoder must know."""
    audio: tuple[str, int, int, bytes] | None
    """Codec, samples per second, channels, and what a decoder must know."""

    def __str__(self) -> str:
        codec, width, height, _ = self.video
        sound = "without sound" if self.audio is None else f"{self.audio[0]} at {self.audio[1]} Hz"
        return f"{codec} {width}x{height}, {sound}"


@dataclass(frozen=True)
class Piece:
    """A clip's file, and where it lies on the time of its stream. Times are media time."""

    path: Path = field(repr=False)
    container: Container
    zero_s: float
    """What the file's own time 0 is."""
    kind: Kind
    shown_s: tuple[float, ...] = field(repr=False)
    """Its pictures in the order of showing, from the keyframe on."""
    end_s: float

    @property
    def start_s(self) -> float:
        """Where its keyframe lies."""
        return self.shown_s[0]


@dataclass(frozen=True)
class Chapter:
    """A place in the joined file that players can jump to."""

    start_s: float
    title: str


def survey(path: Path, container: Container, zero_s: float) -> Piece:
    """What is in a clip's file, without decoding it. Raises CutError and OSError."""
    try:
        with av.open(str(path)) as file:
            video, audio = file.streams.video[0], _audio(file)
            stamps = [(p.pts, p.duration or 0) for p in file.demux(video) if p.size and p.pts is not None]
            kind = Kind(_about_video(video), None if audio is None else _about_audio(audio))
            tick = cast(Fraction, video.time_base)
    except (av.FFmpegError, IndexError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise CutError(f"{path.name} cannot be read as a clip ({error})") from error
    if not stamps:
        raise CutError(f"{path.name} has no pictures")
    shown = tuple(zero_s + float(pts * tick) for pts in sorted({pts for pts, _ in stamps}))
    last = max(stamps)
    step = last[1] * float(tick) or (shown[-1] - shown[-2] if len(shown) > 1 else float(_CLOCK))
    return Piece(path, container, zero_s, kind, shown, shown[-1] + step)


def join(
    stretches: Sequence[Sequence[Piece]], chapters: Sequence[Chapter], path: Path, step: Callable[[float], None]
) -> None:
    """Writes the pieces one behind the other, on the disk when it returns. Raises CutError and OSError; leaves nothing
    then.

    The pieces of a stretch follow on from each other, each beginning before the one before it ends; stretches are what
    is cut together. All are of one kind. `step` hears how much is written, from 0 to 1, and may raise to end it.
    """
    first = stretches[0][0]
    container = first.container
    try:
        with ExitStack() as stack:
            # Open to the end: the output's streams are made after this file's.
            template = stack.enter_context(av.open(str(first.path)))
            out = stack.enter_context(av.open(str(path), "w", format=container, options=dict(OPTIONS[container])))
            _Joined(out, template, container).write(stretches, chapters, step)
        flush(path)
    except av.FFmpegError as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT):
            raise
        raise CutError(f"the clips could not be joined ({error.strerror})") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def length_s(stretch: Sequence[Piece]) -> float:
    """How long pieces are that follow on from each other."""
    return max(piece.end_s for piece in stretch) - stretch[0].start_s


class _Joined:
    """The file that is being written."""

    def __init__(self, out: OutputContainer, template: InputContainer, container: Container) -> None:
        video, audio = template.streams.video[0], _audio(template)
        self._out = out
        self._video = add_stream(out, _track(video))
        self._audio = None if audio is None else add_stream(out, _track(audio))
        self._apart = 1 if container == "mp4" else 0
        """How far decoding stamps must lie apart, in ticks: in WebM, hidden pictures share theirs."""
        self._last_dts = -(1 << 62)
        self._sound_end_s = 0.0

    def write(
        self, stretches: Sequence[Sequence[Piece]], chapters: Sequence[Chapter], step: Callable[[float], None]
    ) -> None:
        end_s = sum(map(length_s, stretches))
        if chapters:
            self._out.set_chapters(_as_chapters(chapters, end_s))
        begin_s = 0.0
        for stretch in stretches:
            before: list[float] = []
            shift_s = begin_s - stretch[0].start_s
            for piece in stretch:
                moved_s = shift_s + _apart_s(piece, before)
                self._write_piece(piece, moved_s, before, begin_s)
                before = sorted({*before, *piece.shown_s})
                step(min(1.0, (begin_s + piece.end_s - stretch[0].start_s) / end_s))
            begin_s += length_s(stretch)

    def _write_piece(self, piece: Piece, shift_s: float, before: Sequence[float], begin_s: float) -> None:
        """One file, less the pictures that are shown `before`; `shift_s` leads from media time to that of the reel."""
        with av.open(str(piece.path)) as file:
            video, audio = file.streams.video[0], _audio(file)
            wanted = [video] if audio is None or self._audio is None else [video, audio]
            packets = [packet for packet in file.demux(wanted) if packet.size and packet.pts is not None]
            pictures = [p for p in packets if p.stream_index == video.index]
            sound = [p for p in packets if p.stream_index != video.index]
        zero_s = piece.zero_s + shift_s
        fresh = [p for p in pictures if not _among(before, piece.zero_s + _seconds(p.pts, p.time_base))]
        ways = [self._pictures(fresh, zero_s)]
        if self._audio is not None:
            ways.append(self._sound(sound, zero_s, begin_s, piece.end_s + shift_s))
        for _, _, packet in merge(*ways, key=itemgetter(0, 1)):
            self._out.mux_one(packet)

    def _pictures(self, packets: Sequence[Any], zero_s: float) -> Iterator[tuple[float, int, Any]]:
        for source in packets:
            dts = source.pts if source.dts is None else source.dts
            stamp = max(_ticks(zero_s + _seconds(dts, source.time_base)), self._last_dts + self._apart)
            self._last_dts = stamp
            packet = self._copy(source, self._video)
            packet.dts, packet.pts = stamp, max(stamp, _ticks(zero_s + _seconds(source.pts, source.time_base)))
            yield float(stamp * _CLOCK), self._video.index, packet

    def _sound(
        self, packets: Sequence[Any], zero_s: float, begin_s: float, until_s: float
    ) -> Iterator[tuple[float, int, Any]]:
        assert self._audio is not None
        for source in packets:
            time_s = zero_s + _seconds(source.pts, source.time_base)
            lasts_s = _seconds(source.duration or 0, source.time_base)
            # Half a packet may overlap, or be missing: nobody hears that, and it never adds up.
            if time_s < max(begin_s, self._sound_end_s) - lasts_s / 2 or time_s >= until_s or time_s < 0:
                continue
            self._sound_end_s = time_s + lasts_s
            packet = self._copy(source, self._audio)
            packet.pts = packet.dts = _ticks(time_s)
            yield time_s, self._audio.index, packet

    @staticmethod
    def _copy(source: Any, stream: VideoStream | AudioStream) -> Any:
        """A fresh packet: what an edit list says of the old one holds no more."""
        packet = cast(Any, av.Packet(bytes(source)))
        packet.time_base = _CLOCK
        packet.duration = round((source.duration or 0) * source.time_base / _CLOCK)
        packet.is_keyframe = source.is_keyframe
        packet.stream = stream
        return packet


def _apart_s(piece: Piece, before: Sequence[float]) -> float:
    """By how much the times of a piece are told earlier than those of the same pictures in the piece before it."""
    near = ((_nearest(before, time_s), time_s) for time_s in piece.shown_s)
    return next((other - time_s for other, time_s in near if other is not None and abs(other - time_s) < SAME_S), 0.0)


def _among(times_s: Sequence[float], time_s: float) -> bool:
    near = _nearest(times_s, time_s)
    return near is not None and abs(near - time_s) < SAME_S


def _nearest(times_s: Sequence[float], time_s: float) -> float | None:
    place = bisect_left(times_s, time_s)
    return min(times_s[max(0, place - 1) : place + 1], key=lambda other: abs(other - time_s), default=None)


def _as_chapters(chapters: Sequence[Chapter], end_s: float) -> list[Any]:
    ends_s = [chapter.start_s for chapter in chapters[1:]] + [end_s]
    return [
        {
            "id": number,
            "start": round(chapter.start_s * 1000),
            "end": round(end * 1000),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": chapter.title},
        }
        for number, (chapter, end) in enumerate(zip(chapters, ends_s, strict=True))
    ]


def _track(stream: VideoStream | AudioStream) -> Track:
    return Track(stream.codec_context.name, _CLOCK, template=stream)


def _audio(file: InputContainer) -> AudioStream | None:
    return file.streams.audio[0] if file.streams.audio else None


def _about_video(stream: VideoStream) -> tuple[str, int, int, bytes]:
    context = stream.codec_context
    return context.name, context.width, context.height, bytes(context.extradata or b"")


def _about_audio(stream: AudioStream) -> tuple[str, int, int, bytes]:
    context = stream.codec_context
    return context.name, context.sample_rate, context.channels, bytes(context.extradata or b"")


def _seconds(ticks: int | None, tick: Fraction) -> float:
    return float((ticks or 0) * tick)


def _ticks(time_s: float) -> int:
    return round(time_s / float(_CLOCK))
