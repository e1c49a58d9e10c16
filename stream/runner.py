"""One watched stream: its source, its session, and what is known about how it is doing."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from stream.api.protocol import ClipsStatus, StreamState, StreamStatus
from stream.clips.ring import PacketRing
from stream.clips.rings import Rings
from stream.engine_thread import EngineThread, Result
from stream.events import Event, StreamStateName, stream_event
from stream.metrics import Metrics
from stream.recorder import Recorder
from stream.session import StreamSession
from stream.settings import StreamSettings
from stream.sources import SourceState, SourceThread, StateName, Surroundings, open_source
from stream.strain import Strain
from stream.types import Frame, Gap, Observation, Picture

FAST_WAIT_S: Final = 60.0
"""A recording that is read as fast as possible waits this long for the engine before it loses a frame."""

_STATES: Final[dict[StateName, StreamState]] = {
    "connecting": "connecting",
    "online": "online",
    "stalled": "stalled",
    "offline": "offline",
    "ended": "offline",
    "failed": "failed",
}
_EVENTS: Final[dict[StateName, StreamStateName]] = {
    "online": "online",
    "stalled": "stalled",
    "offline": "offline",
    "ended": "offline",
    "failed": "offline",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machinery:
    """What all streams share."""

    engine: EngineThread
    recorder: Recorder
    metrics: Metrics
    rings: Rings
    wall_time_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic


class StreamRunner:
    """Feeds one source's pictures to the engine, and what the engine says to the session; tells how it goes.

    The source's thread calls `_take` and `_on_state`, the engine's thread `feed` and `set_fault`.
    """

    def __init__(
        self, settings: StreamSettings, session: StreamSession, machinery: Machinery, first_epoch: int = 0
    ) -> None:
        """Raises SourceAddressError, a ConfigError, for an address that cannot be a source."""
        self.settings = settings
        self.session = session
        self.epoch: int | None = None
        self._machinery = machinery
        self._closed = False
        self._fault: str | None = None
        self._picture_fault: str | None = None
        self._told: StreamStateName | None = None
        self._newest: tuple[float, Frame] | None = None
        self._strain = Strain(machinery.monotonic_s)
        self._reconnects: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._decode_seconds = 0.0
        self._ring = machinery.rings.ring(settings.name)
        # It may be older than this runner.
        self._packet_drops = Counter({} if self._ring is None else self._ring.drops)
        surroundings = Surroundings(
            wants=self._wants, on_state=self._on_state, first_epoch=first_epoch, ring=self._ring
        )
        self.source = open_source(settings.source_address, surroundings, pace=settings.pace)
        self.session.cuts_clips = self._clips_status().state == "on"
        self._thread = SourceThread(settings.name, self.source, self._take)
        self._wait_s = FAST_WAIT_S if self.source.spec.pace == "fast" else 0.0

    @property
    def name(self) -> str:
        return self.settings.name

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._machinery.rings.keep(self.name)
        metrics = self._machinery.metrics
        metrics.stream_up.labels(self.name).set(0)
        metrics.track_frame_age(self.name, self._age_for_metrics)
        self._thread.start()

    def close(self) -> None:
        """From now on nothing of this source is taken; its thread is asked to end."""
        self._closed = True
        self._thread.stop(0)

    def join(self, timeout_s: float) -> bool:
        """Wait for the source's thread after `close`; says whether it has ended."""
        return self._thread.stop(timeout_s)

    def feed(self, results: Sequence[Result]) -> None:
        """Hand the session what the engine says about this stream, by way of the recorder."""
        self._machinery.recorder.put(partial(_feed, self.session, list(results)))

    def set_fault(self, reason: str | None) -> None:
        """The engine cannot process this stream's frames, or can again."""
        self._fault = reason

    def frame_age_s(self) -> float | None:
        """Seconds since the newest frame was taken."""
        newest = self._newest
        return None if newest is None else max(0.0, self._machinery.monotonic_s() - newest[0])

    def status(self) -> StreamStatus:
        """What the API says about this stream."""
        state = self.source.state
        fault = self._fault or self._picture_fault
        name: StreamState = "failed" if fault and state.name == "online" else _STATES[state.name]
        newest = self._newest
        return StreamStatus(
            name=self.name,
            url=self.settings.url,
            state=name,
            reason=self._strain.reason() if name == "online" else fault if state.name == "online" else _reason(state),
            since=datetime.fromtimestamp(state.since_s, UTC),
            epoch=self.epoch,
            frames=self._counts["taken"] + self._counts["repeated"],
            clock=None if newest is None else newest[1].clock,
            frame_age_s=self.frame_age_s(),
            transport=self.settings.transport,
            pace=self.settings.pace,
            clips=self._clips_status(),
        )

    def _clips_status(self) -> ClipsStatus:
        if self.source.no_packets is not None:
            return ClipsStatus("off", self.source.no_packets)
        return _ring_status(self._ring)

    def _age_for_metrics(self) -> float:
        age_s = self.frame_age_s()
        return float("nan") if age_s is None else age_s

    def _wants(self, media_time_s: float, epoch: int) -> bool:
        return not self._closed and self.session.wants(media_time_s, epoch)

    def _take(self, picture: Picture) -> None:
        if self._closed:
            return
        try:
            items = self.session.feed_picture(picture)
        except Exception as error:
            # One picture that cannot be converted must not end the stream.
            self._machinery.metrics.frames.labels(self.name, "dropped_bad_picture").inc()
            if self._picture_fault is None:
                _log.exception("%s: a picture cannot be converted", self.name)
            self._picture_fault = f"Pictures cannot be converted ({type(error).__name__}); see the log."
            return
        self._picture_fault = None
        self._count_frames()
        self._count_packets()
        self._count_decoding()
        for item in items:
            self.epoch = item.epoch
            if isinstance(item, Frame):
                self._newest = (self._machinery.monotonic_s(), item)
            lost = self._machinery.engine.submit(item, wait_s=self._wait_s)
            if isinstance(item, Frame):
                self._strain.note(lost)

    def _count_frames(self) -> None:
        metrics = self._machinery.metrics
        lost = {f"dropped_{cause}": count for cause, count in self.source.stats.drops.items()}
        for result, count in [*self.session.sampler.counts.items(), *lost.items()]:
            if count > self._counts[result]:
                metrics.frames.labels(self.name, result).inc(count - self._counts[result])
                self._counts[result] = count

    def _count_packets(self) -> None:
        for cause, count in self._ring.drops.items() if self._ring is not None else ():
            if count > self._packet_drops[cause]:
                dropped = self._machinery.metrics.dropped_packets.labels(self.name, cause)
                dropped.inc(count - self._packet_drops[cause])
                self._packet_drops[cause] = count

    def _count_decoding(self) -> None:
        """All that was decoded since the last wanted picture was decoded for this one."""
        metrics, stats = self._machinery.metrics, self.source.stats
        metrics.decode_seconds.labels(self.name).observe(max(0.0, stats.decode_seconds - self._decode_seconds))
        self._decode_seconds = stats.decode_seconds

    def _on_state(self, state: SourceState) -> None:
        if self._closed:
            return
        machinery = self._machinery
        self._count_frames()
        machinery.metrics.stream_up.labels(self.name).set(int(state.name == "online"))
        for cause, count in self.source.stats.reconnects.items():
            if count > self._reconnects[cause]:
                machinery.metrics.stream_reconnects.labels(self.name, cause).inc(count - self._reconnects[cause])
                self._reconnects[cause] = count
        told = _EVENTS.get(state.name)
        if told is None or told == self._told:
            return
        if told != "online" and self.epoch is not None:
            # Whatever comes next is another connection: moments end now, and not when it comes, perhaps in hours.
            machinery.engine.submit(Gap(self.name, self.epoch, state.cause))
        self._told = told
        machinery.recorder.put(partial(self._state_event, told, state))

    def _state_event(self, told: StreamStateName, state: SourceState, now_s: float) -> Sequence[Event]:
        if told == "online":
            return [stream_event(self.name, told, time_s=now_s)]
        cause = "ended" if state.name == "ended" else state.cause
        return [stream_event(self.name, told, time_s=now_s, cause=cause, reason=_reason(state))]


def _reason(state: SourceState) -> str | None:
    return state.reason or ("The recording is over." if state.name == "ended" else None)


def _ring_status(ring: PacketRing | None) -> ClipsStatus:
    if ring is None:
        return ClipsStatus("off", "No video is kept: clips.memory_per_stream of the settings is 0.")
    tracks = ring.tracks
    if tracks is not None and tracks.container is None:
        codec = tracks.video.codec
        reason = f"Clips of {codec} would have to be encoded anew; have the source send H.264, H.265, VP8 or VP9."
        return ClipsStatus("off", reason)
    return ClipsStatus("on", ring.disk_problem, ring.held_s, ring.bytes, ring.disk_bytes)


def _feed(session: StreamSession, results: Sequence[Result], now_s: float) -> Sequence[Event]:
    """Observations and gaps in their order."""
    events: list[Event] = []
    for result in results:
        if isinstance(result, Observation):
            events += session.feed_observations([result], time_s=now_s)
        else:
            events += session.feed_gap(time_s=now_s)
    return events
