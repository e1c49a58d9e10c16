"""What Prometheus reads: every number the service publishes, in a registry of its own.

Names follow one rule: prefix `r2stream_`, base units, `_total` on counters only, no ids in names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric, generate_latest

_M = TypeVar("_M", Gauge, Counter, Histogram)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAST_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LATENCY_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class _WithoutCreated:
    """The registry less its `_created` series, which our naming rule has no place for."""

    registry: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        for family in self.registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class Metrics:
    """One service's metrics. Every attribute is a prometheus_client metric, safe to use from any thread."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._by_label: dict[str, list[Gauge | Counter | Histogram]] = {}

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return self._labelled(Gauge(f"r2stream_{name}", text, labels, registry=registry), labels)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return self._labelled(Counter(f"r2stream_{name}", text, labels, registry=registry), labels)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            metric = Histogram(f"r2stream_{name}", text, labels, buckets=buckets, registry=registry)
            return self._labelled(metric, labels)

        self.stream_up = gauge("stream_up", "1 while pictures of the stream arrive.", "stream")
        self.stream_reconnects = counter("stream_reconnects_total", "New connections, by reason.", "stream", "reason")
        self.frames = counter("frames_total", "Frames by what became of them.", "stream", "result")
        self.decode_seconds = histogram("decode_seconds", "Decoding one picture that was wanted.", _FAST_S, "stream")
        self.frame_age_seconds = gauge("frame_age_seconds", "Age of the newest frame of the stream.", "stream")
        self.encode_batch_size = histogram("encode_batch_size", "Frames encoded in one batch.", _BATCH)
        self.encode_seconds = histogram("encode_seconds", "Encoding one batch of frames.", _FAST_S)
        self.ground_seconds = histogram("ground_seconds", "Grounding all due queries of all due streams.", _FAST_S)
        self.window_bytes = gauge("window_bytes", "Memory held by the windows of all streams.", "device")
        self.event_latency_seconds = histogram(
            "event_latency_seconds", "From a moment's onset, a frame or a score to the next stage.", _LATENCY_S, "stage"
        )
        self.moments = counter("moments_total", "Moments by outcome.", "stream", "query", "outcome")
        self.dropped_packets = counter(
            "dropped_packets_total", "Packets that are no longer held for clips, by cause.", "stream", "cause"
        )
        self.clips = counter("clips_total", "Clips by what became of them.", "result")
        self.clip_seconds = histogram("clip_seconds", "Cutting one clip, with its thumbnail.", _FAST_S)
        self.clip_previews = counter("clip_previews_total", "Previews of clips by what became of them.", "result")
        self.clip_preview_seconds = histogram("clip_preview_seconds", "Drawing the preview of one clip.", _FAST_S)
        self.clip_transfers = counter(
            "clip_transfers_total", "Clips moved to or removed from where they are kept, by result.", "what", "result"
        )
        self.clip_staging_bytes = gauge("clip_staging_bytes", "Files of clips that wait to be uploaded.")
        self.reels = counter("reels_total", "Reels by what became of them.", "result")
        self.deliveries = counter("deliveries_total", "Events handed to a sink, by result.", "sink", "result")
        self.delivery_queue = gauge("delivery_queue", "Events of the log that the sink has not come to yet.", "sink")
        self.ws_clients = gauge("ws_clients", "Websocket clients connected now.")
        self.sse_clients = gauge("sse_clients", "Clients of server-sent events connected now.")
        self.backtests = counter("backtests_total", "Backtests over held windows, by result.", "result")
        self.settings_reloads = counter("settings_reloads_total", "Changes of the settings file, by result.", "result")
        self.settings_refused = gauge("settings_refused", "1 while the settings file cannot be used as it is now.")
        self.build_info = Info("r2stream_build", "What is running.", registry=registry)

    def track_frame_age(self, stream: str, age_s: Callable[[], float]) -> None:
        """Ask `age_s` at each scrape, so that the age keeps growing while nothing arrives."""
        self.frame_age_seconds.labels(stream).set_function(age_s)

    def forget_stream(self, stream: str) -> None:
        """Drop every series of a stream that was removed, lest it be reported as alive for ever."""
        self._forget("stream", stream)

    def forget_query(self, query: str) -> None:
        """Drop every series of a query that was removed."""
        self._forget("query", query)

    def forget_sink(self, sink: str) -> None:
        """Drop every series of a sink that was removed, or begins anew."""
        self._forget("sink", sink)

    def _forget(self, label: str, value: str) -> None:
        for metric in self._by_label.get(label, ()):
            metric.remove_by_labels({label: value})

    def _labelled(self, metric: _M, labels: tuple[str, ...]) -> _M:
        for label in labels:
            self._by_label.setdefault(label, []).append(metric)
        return metric

    def render(self) -> bytes:
        """The text exposition of everything, as `GET /metrics` answers it (`CONTENT_TYPE`)."""
        return generate_latest(_WithoutCreated(self.registry))
