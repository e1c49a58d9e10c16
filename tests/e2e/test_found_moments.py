"""What the shipped model finds in a broadcast that comes over RTSP, against the broadcast's own truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from clients import Event
from stream.broadcast import Broadcast, sentences
from tests.e2e.conftest import ServeProcess, encode_broadcast, listening
from tests.servers import ServerProcess, rtsp_folder_server

LENGTH_S = 75
Span = tuple[float, float]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def iou(a: Span, b: Span) -> float:
    common = min(a[1], b[1]) - max(a[0], b[0])
    return max(0.0, common) / (max(a[1], b[1]) - min(a[0], b[0]))


def found_spans(events: Iterable[Event]) -> dict[str, list[Span]]:
    """By sentence, where the newest revision of each moment of the first connection lies."""
    newest = {event.moment.moment_id: event.moment for event in events if event.moment is not None}
    found: dict[str, list[Span]] = {}
    for moment in newest.values():
        start_s, end_s = moment.start.media_time_s, moment.end.media_time_s
        if moment.state != "retracted" and start_s is not None and end_s is not None:
            found.setdefault(moment.text, []).append((start_s, end_s))
    return found


def open_moments(events: Iterable[Event]) -> set[str]:
    """Moments that have been told of and are not final yet."""
    newest = {event.moment.moment_id: event.moment for event in events if event.moment is not None}
    return {moment_id for moment_id, moment in newest.items() if moment.state in ("open", "ending")}


async def test_most_of_what_happens_is_found(
    tmp_path: Path,
    start_server: Callable[[ServerProcess], ServerProcess],
    serve: Callable[..., ServeProcess],
) -> None:
    """Of all that the broadcast says happens in it, at least half is reported with IoU 0.5 or better."""
    broadcast = Broadcast(7, held_out=False)
    encode_broadcast(tmp_path / "programme.mp4", broadcast, LENGTH_S)
    happenings = [h for h in broadcast.happenings(0, LENGTH_S) if h.start_s >= 1.0 and h.end_s <= LENGTH_S - 4]
    texts = {f"q{i}": sentences(meaning)[0] for i, meaning in enumerate(dict.fromkeys(h.meaning for h in happenings))}
    truth = [(text, span) for text in texts.values() for span in broadcast.truth(text, 1.0, LENGTH_S - 4)]
    assert len(truth) >= 6

    server = start_server(rtsp_folder_server(tmp_path))
    service = serve(model="demo", queries=texts)
    async with listening(service.url) as heard:
        await heard.client.add_stream("match", server.url("programme.mp4?play_count=1"))
        await heard.until(lambda events: "stream.online" in {event.kind for event in events})
        await heard.until(lambda events: "stream.offline" in {event.kind for event in events}, LENGTH_S + 60)
        await heard.until(lambda events: not open_moments(events))
        found = found_spans(heard.events)
    hits = [any(iou(span, seen) >= 0.5 for seen in found.get(text, [])) for text, span in truth]
    missed = [case for case, hit in zip(truth, hits, strict=True) if not hit]
    assert sum(hits) >= 0.5 * len(truth), f"missed {missed}; found {found}"
