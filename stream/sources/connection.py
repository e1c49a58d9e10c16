"""One connection to a source: how it is opened, and the packets that come out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from stream.sources.failure import SourceFailure, no_video, silent, undecodable
from stream.sources.packets import AnyPacket, VideoPacket
from stream.sources.spec import Kind, SourceSpec
from stream.sources.tapping import OnAudio, can_keep_sound


@dataclass(frozen=True)
class Limits:
    """How long a source may keep quiet before it counts as dead."""

    open_s: float = 5.0
    """For each of the two steps of opening: to be answered, and to see what the stream is made of."""
    read_s: float = 4.0
    """Without a video packet. A dead source must be noticed within 5 s."""
    hls_read_s: float = 30.0
    """The same for HLS, whose packets come a segment at a time; its server must answer each request in `read_s`."""
    listen_s: float = 30.0
    """How long to listen for a publisher before listening anew. One who comes at the very end is turned away once."""
    picture_s: float = 30.0
    """With packets, but without a picture: longer than the distance of keyframes."""


@dataclass(frozen=True)
class Connection:
    """An opened source."""

    container: InputContainer
    track: VideoStream
    sound: AudioStream | None
    """What clips carry beside the video; it is not decoded. None without clips, or when there is none to carry."""
    recorded: bool
    """It has an end: it is read at our pace and ends well."""
    start_s: float | None
    """The recording's zero on the stream's clock; None for live streams."""
    read_s: float

    def packets(self, spec: SourceSpec, monotonic_s: Callable[[], float], on_audio: OnAudio) -> Iterator[VideoPacket]:
        """The video packets, until the stream ends; packets of sound go to `on_audio` as they come.

        Raises:
            SourceFailure: when other tracks go on but the video falls silent.
            av.FFmpegError: as the library reports it; a time-out may be `av.ExitError` or `av.TimeoutError`.
        """
        packets = self.container.demux()
        last_s = monotonic_s()
        while True:
            asked_s = monotonic_s()
            packet = next(packets, None)
            if packet is None:
                return
            now_s = monotonic_s()
            # The last packet is an empty one that asks the decoder to flush.
            if packet.stream_index == self.track.index and packet.size:
                last_s = now_s
                yield cast(VideoPacket, packet)
            elif self.sound is not None and packet.stream_index == self.sound.index and packet.size:
                on_audio(cast(AnyPacket, packet))
            # When reading times out, the library first hands over what its parser still held, as if it had just come,
            # and would report the silence only after waiting as long again.
            if not self.recorded and now_s - min(asked_s, last_s) >= self.read_s:
                raise SourceFailure(silent(spec, self.read_s))


@contextmanager
def connect(spec: SourceSpec, limits: Limits, *, with_sound: bool = False) -> Iterator[Connection]:
    """Opens the source and finds its video track; closes it at the end.

    `with_sound` also finds the sound that clips can carry; otherwise none is asked for.

    Raises:
        SourceFailure: when there is no video track, or none that can be decoded.
        av.FFmpegError: when it cannot be opened.
    """
    hls = spec.kind == "http" and ".m3u8" in spec.address
    read_s = limits.hls_read_s if hls else limits.read_s
    open_s = limits.listen_s if spec.kind == "rtmp-listen" else limits.open_s
    with av.open(
        f"file:{spec.address}" if spec.kind == "file" else spec.address,
        options=_options(spec, limits),
        timeout=None if spec.kind == "file" else (open_s, read_s),
        metadata_errors="replace",  # a title that is not UTF-8 is no reason to watch nothing
    ) as container:
        track = _video_track(container, spec)
        sound = _sound(container, track) if with_sound else None
        _discard_others(container, track, sound)
        recorded = spec.kind == "file" or (spec.kind == "http" and container.duration is not None)
        # RTSP servers that play a file name its duration too, but they are asked for a live stream.
        start = container.start_time if recorded else None
        yield Connection(
            container=container,
            track=track,
            sound=sound,
            recorded=recorded,
            start_s=None if start is None else start / av.time_base,
            read_s=read_s,
        )


def _video_track(container: InputContainer, spec: SourceSpec) -> VideoStream:
    track = container.streams.best("video")
    # The cover picture of a piece of music is a "video" of one frame.
    if not isinstance(track, VideoStream) or track.disposition & Disposition.attached_pic:
        raise SourceFailure(no_video(spec))
    if track.codec_context is None:
        raise SourceFailure(undecodable(spec, "unknown codec"))
    return track


def _sound(container: InputContainer, track: VideoStream) -> AudioStream | None:
    sound = container.streams.best("audio", track)
    if not isinstance(sound, AudioStream) or sound.codec_context is None:
        return None
    return sound if can_keep_sound(track, sound) else None


def _discard_others(container: InputContainer, track: VideoStream, sound: AudioStream | None) -> None:
    kept = {track.index} if sound is None else {track.index, sound.index}
    for other in container.streams:
        # Otherwise every variant of an HLS stream is downloaded.
        if other.index not in kept:
            other.discard = Discard.all


_OPTIONS: Mapping[Kind, Mapping[str, str]] = {
    # A short look suffices, since the SDP says what the stream is. Not `fflags=nobuffer`: it throws the packets of that
    # look away, the opening keyframe among them, and nothing can be shown until the next one.
    "rtsp": {"analyzeduration": "300000"},
    # Otherwise a publisher without sound is listened to for five seconds, in case some comes.
    "rtmp": {"analyzeduration": "1000000"},
    "rtmp-listen": {"analyzeduration": "1000000", "listen": "1"},
    "http": {},
    "packets": {"analyzeduration": "1000000"},
    "file": {},
    "demo": {},
}


def _options(spec: SourceSpec, limits: Limits) -> dict[str, str]:
    options = dict(_OPTIONS[spec.kind])
    if spec.kind == "rtsp":
        options |= {"rtsp_transport": spec.transport, "timeout": str(round(limits.open_s * 1e6))}
    elif spec.kind == "http":
        # HLS hands `rw_timeout`, and not `timeout`, to the requests for its segments. RTMP gets neither: for it,
        # `timeout` means to listen.
        options |= {"rw_timeout": str(round(limits.read_s * 1e6))}
    return options
