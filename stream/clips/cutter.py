"""Writes a selection of packets into a file as they are: no picture is encoded anew.

A file begins exactly where it is asked to: the pictures between the keyframe and that point are in it, for the decoder
needs them, and an mp4's edit list keeps players from showing them. WebM has no such list. There VP8 pictures say
themselves that they are not shown; VP9 could not, as what it decodes depends on that, and begins with the keyframe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Final, cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from stream.clips import vp8
from stream.clips.packets import SOUND, Container, EncodedPacket, Selection, Track
from stream.errors import R2StreamError

OPTIONS: Final[Mapping[Container, Mapping[str, str]]] = {
    # Players need the index, which is written last, before they can show anything: `faststart` moves it to the front.
    # Without the finer movie clock, the edit list would be rounded to milliseconds.
    "mp4": {"movflags": "+faststart", "avoid_negative_ts": "disabled", "movie_timescale": "90000"},
    "webm": {},
}
_JOINED: Final = ("h264", "hevc")
"""Codecs of which several packets may hold parts of one picture."""


class CutError(R2StreamError):
    """A clip cannot be made of these packets; the message says why."""

    default_code = "clip_failed"


def begins_s(selection: Selection) -> float:
    """The media time of the first picture that a file of `selection` shows."""
    return selection.tracks.video.seconds(_first_pts(selection)) - selection.offset_s


def _first_pts(selection: Selection) -> int:
    if selection.tracks.container == "mp4":
        return selection.first_pts
    return vp8.first_shown_pts(selection) if selection.tracks.video.codec == "vp8" else selection.video[0].pts


def cut(selection: Selection, path: Path) -> None:
    """Writes the clip to `path`, on the disk when it returns. Raises CutError and OSError; leaves nothing then."""
    container = selection.tracks.container
    if container is None:
        codec = selection.tracks.video.codec
        raise CutError(f"clips of {codec} would have to be encoded anew; have the source send H.264, H.265, VP8 or VP9")
    try:
        with av.open(str(path), "w", format=container, options=dict(OPTIONS[container])) as out:
            _write(out, selection, container)
        flush(path)
    except av.FFmpegError as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (28, 122):  # ENOSPC, EDQUOT
            raise
        raise CutError(f"the packets could not be written as {container} ({error.strerror})") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(out: OutputContainer, selection: Selection, container: Container) -> None:
    video, audio = selection.tracks.video, selection.tracks.audio
    zero_pts = _first_pts(selection)
    zero_s = Fraction(zero_pts) * video.time_base
    pictures = _in_order(selection.video, joined=video.codec in _JOINED)
    if video.codec == "vp8":
        pictures = vp8.hidden_before(pictures, zero_pts)
    ways = [_shifted(add_stream(out, video), pictures, video, zero_s)]
    if audio is not None and (sound := _sound(selection, audio, container, zero_s)):
        ways.append(_shifted(add_stream(out, audio), _in_order(sound, joined=False), audio, zero_s))
    for _, _, packet in merge(*ways, key=lambda way: way[:2]):
        out.mux_one(packet)


def _sound(selection: Selection, audio: Track, container: Container, zero_s: Fraction) -> list[EncodedPacket]:
    if audio.codec not in SOUND[container]:
        return []
    # An edit list keeps what comes before from being heard; without one it must not be there.
    return [p for p in selection.audio if container == "mp4" or p.pts * audio.time_base >= zero_s]


def add_stream(out: OutputContainer, track: Track) -> VideoStream | AudioStream:
    """A stream of `out` for the packets of a track."""
    stream = out.add_stream_from_template(cast("VideoStream | AudioStream", track.template))
    stream.time_base = track.time_base
    if track.codec == "hevc" and out.format.name == "mp4":
        stream.codec_context.codec_tag = "hvc1"  # what Apple's players ask for
    return stream


def _shifted(
    stream: VideoStream | AudioStream, packets: Sequence[EncodedPacket], track: Track, zero_s: Fraction
) -> Iterator[tuple[float, int, av.Packet[VideoStream]]]:
    """Packets for `stream` with their decoding time, the time `zero_s` being 0."""
    zero = round(zero_s / track.time_base)
    for kept in packets:
        # A fresh one each time: writing changes it.
        packet = cast("av.Packet[VideoStream]", av.Packet(kept.data))
        packet.pts, packet.dts = kept.pts - zero, (kept.pts if kept.dts is None else kept.dts) - zero
        packet.time_base, packet.duration = track.time_base, kept.duration
        packet.is_keyframe = kept.is_keyframe
        packet.stream = cast(VideoStream, stream)
        yield track.seconds(packet.dts), stream.index, packet


def _in_order(packets: Sequence[EncodedPacket], *, joined: bool) -> list[EncodedPacket]:
    """The packets with decoding stamps that grow and are never later than the picture is shown.

    Those that came are not relied on, as some senders leave them out: the order in which pictures are sent, and the
    stamps at which they are shown, say it all.
    """
    whole = _joined(packets) if joined else list(packets)
    shown = sorted(packet.pts for packet in whole)
    delay = max(stamp - packet.pts for stamp, packet in zip(shown, whole, strict=True))
    placed: list[EncodedPacket] = []
    for number, (stamp, packet) in enumerate(zip(shown, whole, strict=True)):
        step = shown[number + 1] - stamp if number + 1 < len(shown) else packet.duration or _step(shown)
        dts = stamp - delay
        if placed and placed[-1].dts is not None:
            dts = max(dts, placed[-1].dts + 1)
        placed.append(replace(packet, pts=max(packet.pts, dts), dts=dts, duration=packet.duration or step))
    return placed


def _step(shown: Sequence[int]) -> int:
    return shown[-1] - shown[-2] if len(shown) > 1 else 0


def _joined(packets: Sequence[EncodedPacket]) -> list[EncodedPacket]:
    """Packets of the same time, one after the other, are parts of one picture."""
    whole: list[EncodedPacket] = []
    for packet in packets:
        if whole and whole[-1].pts == packet.pts:
            first = whole[-1]
            whole[-1] = replace(
                first, data=first.data + packet.data, is_keyframe=first.is_keyframe or packet.is_keyframe
            )
        else:
            whole.append(packet)
    return whole


def flush(path: Path) -> None:
    """Have a file on the disk when it returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
