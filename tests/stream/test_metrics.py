"""The names Prometheus sees, and that what was removed is no longer reported."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import Metrics

LABELS = {
    "r2stream_stream_up": {"stream"},
    "r2stream_stream_reconnects": {"stream", "reason"},
    "r2stream_frames": {"stream", "result"},
    "r2stream_decode_seconds": {"stream"},
    "r2stream_frame_age_seconds": {"stream"},
    "r2stream_encode_batch_size": set(),
    "r2stream_encode_seconds": set(),
    "r2stream_ground_seconds": set(),
    "r2stream_window_bytes": {"device"},
    "r2stream_event_latency_seconds": {"stage"},
    "r2stream_moments": {"stream", "query", "outcome"},
    "r2stream_dropped_packets": {"stream", "cause"},
    "r2stream_clips": {"result"},
    "r2stream_clip_seconds": set(),
    "r2stream_clip_previews": {"result"},
    "r2stream_clip_preview_seconds": set(),
    "r2stream_clip_transfers": {"what", "result"},
    "r2stream_clip_staging_bytes": set(),
    "r2stream_reels": {"result"},
    "r2stream_deliveries": {"sink", "result"},
    "r2stream_delivery_queue": {"sink"},
    "r2stream_ws_clients": set(),
    "r2stream_sse_clients": set(),
    "r2stream_backtests": {"result"},
    "r2stream_settings_reloads": {"result"},
    "r2stream_settings_refused": set(),
    "r2stream_build_info": set(),
}


def _families(metrics: Metrics) -> dict[str, str]:
    return {family.name: family.type for family in text_string_to_metric_families(metrics.render().decode())}


def _sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_published_names_are_exactly_those_promised() -> None:
    """Every promised family is there, and nothing else (no `_created` series)."""
    assert set(_families(Metrics())) == set(LABELS)


def test_only_counters_end_in_total() -> None:
    """`_total` marks counters and nothing but counters."""
    metrics = Metrics()
    metrics.frames.labels("pitch", "encoded").inc()
    metrics.stream_up.labels("pitch").set(1)
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")


def test_labels_are_those_promised() -> None:
    """Each family carries the labels its users rely on."""
    metrics = Metrics()
    metrics.stream_reconnects.labels(stream="pitch", reason="eof").inc()
    metrics.moments.labels(stream="pitch", query="goal", outcome="ended").inc()
    metrics.deliveries.labels(sink="ws", result="sent").inc()
    metrics.event_latency_seconds.labels(stage="onset_to_alert").observe(4.1)
    metrics.window_bytes.labels(device="cpu").set(3)
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == LABELS[family.name]


def test_two_services_do_not_share_numbers() -> None:
    """Each service has its own registry, so that two in one process do not collide."""
    one, two = Metrics(), Metrics()
    one.ws_clients.inc()
    assert _sample(one, "r2stream_ws_clients") == 1
    assert _sample(two, "r2stream_ws_clients") == 0


def test_frame_age_is_asked_for_at_each_scrape() -> None:
    """The age of the newest frame keeps growing while nothing arrives."""
    metrics = Metrics()
    ages = iter((1.0, 2.0))
    metrics.track_frame_age("pitch", lambda: next(ages))
    assert b'r2stream_frame_age_seconds{stream="pitch"} 1.0' in metrics.render()
    assert b'r2stream_frame_age_seconds{stream="pitch"} 2.0' in metrics.render()


def test_a_removed_stream_is_no_longer_reported() -> None:
    """A removed stream's series vanish; another stream's stay."""
    metrics = Metrics()
    for name in ("pitch", "gate"):
        metrics.stream_up.labels(name).set(1)
        metrics.moments.labels(name, "goal", "ended").inc()
    metrics.forget_stream("pitch")
    assert _sample(metrics, "r2stream_stream_up", stream="pitch") is None
    assert _sample(metrics, "r2stream_stream_up", stream="gate") == 1
    assert _sample(metrics, "r2stream_moments_total", stream="pitch", query="goal", outcome="ended") is None


def test_a_removed_query_is_no_longer_reported() -> None:
    """A removed query's series vanish; another query's stay."""
    metrics = Metrics()
    metrics.moments.labels("pitch", "goal", "ended").inc()
    metrics.moments.labels("pitch", "corner", "ended").inc()
    metrics.forget_query("goal")
    assert _sample(metrics, "r2stream_moments_total", stream="pitch", query="goal", outcome="ended") is None
    assert _sample(metrics, "r2stream_moments_total", stream="pitch", query="corner", outcome="ended") == 1
