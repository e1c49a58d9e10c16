import json
from dataclasses import replace
from typing import get_args

import pytest
from pydantic import ValidationError

from stream.events import (
    ClipData,
    ClipEventType,
    Instant,
    MomentEvent,
    MomentEventType,
    ReelData,
    ReelWish,
    StreamEventType,
    StreamStateName,
    clip_event,
    decode_event,
    event_schema,
    moment_event,
    query_of,
    reel_event,
    rfc3339,
    stream_event,
    stream_of,
    with_clip,
)
from stream.lifecycle import EndReason, EventKind, State
from stream.moment_update import MomentUpdate

OPEN = MomentUpdate(
    kind="updated",
    moment_id="m1",
    revision=3,
    state=State.OPEN,
    stream="pitch",
    query="goal",
    epoch=0,
    start_s=512.0,
    start_final=True,
    end_s=None,
    end_final=False,
    score=0.83,
    peak_score=0.9,
    wall_offset_s=1_735_786_472.5,
    clock="rtcp",
    now_s=520.0,
    onset_to_alert_s=4.1,
    backfilled=False,
    reason=None,
    peak_s=514.5,
)


def event(update: MomentUpdate = OPEN) -> MomentEvent:
    return moment_event(update, text="a player scores a goal", model="demo", time_s=1_735_786_992.6)


def test_a_moment_event_has_the_documented_body() -> None:
    """Every field of the wire, under its name."""
    assert json.loads(event().with_cursor(48213).to_json()) == {
        "specversion": "1.0",
        "id": "m1.3",
        "source": "/streams/pitch",
        "type": "r2stream.moment.updated",
        "time": "2025-01-02T03:03:12.600Z",
        "cursor": 48213,
        "data": {
            "moment_id": "m1",
            "revision": 3,
            "state": "open",
            "stream": "pitch",
            "query": "goal",
            "epoch": 0,
            "text": "a player scores a goal",
            "score": 0.83,
            "start": {"time": "2025-01-02T03:03:04.500Z", "media_time_s": 512.0, "final": True},
            "end": {"time": None, "media_time_s": None, "final": False},
            "clock": "rtcp",
            "onset_to_alert_s": 4.1,
            "backfilled": False,
            "reason": None,
            "model": "demo",
            "peak": {"time": "2025-01-02T03:03:07.000Z", "media_time_s": 514.5, "final": False},
            "clip": {"state": "none", "url": None},
            "thumbnail_url": None,
            "preview_url": None,
        },
    }


@pytest.mark.parametrize("kind", get_args(EventKind))
@pytest.mark.parametrize("reason", get_args(EndReason))
def test_moment_events_survive_json(kind: EventKind, reason: EndReason) -> None:
    """What is written to the log is what is read from it."""
    update = replace(OPEN, kind=kind, state=State.ENDED, end_s=515.25, end_final=True, reason=reason)
    assert decode_event(event(update).to_json()) == event(update)
    assert event(update).type in get_args(MomentEventType)


@pytest.mark.parametrize("state", get_args(StreamStateName))
def test_stream_events_survive_json(state: StreamStateName) -> None:
    """Each state of a stream has its type."""
    made = stream_event("pitch", state, time_s=1.0, cause="unreachable", reason="No answer.")
    assert made.type in get_args(StreamEventType)
    assert decode_event(made.to_json()) == made


def test_ids_are_unique_and_repeats_are_recognisable() -> None:
    """A revision keeps its id however often it is built; two stream events never share one."""
    assert event().id == event().id != event(replace(OPEN, revision=4)).id
    assert stream_event("a", "online", time_s=1.0).id != stream_event("a", "online", time_s=1.0).id


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_735_786_984.9996, "2025-01-02T03:03:05.000Z"),
        (1_735_786_984.0126, "2025-01-02T03:03:04.013Z"),
    ],
)
def test_times_are_rfc_3339_with_milliseconds(time_s: float, text: str) -> None:
    """Always three digits and a Z."""
    assert rfc3339(time_s) == text


@pytest.mark.parametrize("body", ["", "{}", '{"type": "r2stream.moment.started"}', '{"type": "x"}', "[]"])
def test_what_is_no_event_is_refused(body: str) -> None:
    """A damaged line of the log is an error, not an event."""
    with pytest.raises(ValidationError):
        decode_event(body)


def test_a_field_from_the_future_is_ignored() -> None:
    """An older reader understands a newer writer."""
    body = json.loads(event().to_json())
    body["data"]["mood"] = "tense"
    assert decode_event(json.dumps(body)) == event()


CLIP = ClipData(
    clip_id="m1",
    moment_id="m1",
    stream="pitch",
    query="goal",
    state="ready",
    reason=None,
    url="/v1/moments/m1/clip.mp4",
    thumbnail_url=None,
    container="mp4",
    start=Instant(time="2025-01-02T03:03:02.500Z", media_time_s=510.0, final=True),
    end=Instant(time="2025-01-02T03:03:12.500Z", media_time_s=520.0, final=True),
    bytes=123456,
    picture_rate_hz=25.0,
    has_sound=True,
)


def test_a_clip_event_has_the_documented_body() -> None:
    """Every field of the wire, under its name; a clip has one event, whoever builds it again."""
    told = clip_event(CLIP, time_s=1_735_786_992.6)
    assert json.loads(told.to_json()) == {
        "specversion": "1.0",
        "id": "clip-m1",
        "source": "/streams/pitch",
        "type": "r2stream.clip.ready",
        "time": "2025-01-02T03:03:12.600Z",
        "cursor": None,
        "data": {
            "clip_id": "m1",
            "moment_id": "m1",
            "stream": "pitch",
            "query": "goal",
            "state": "ready",
            "reason": None,
            "url": "/v1/moments/m1/clip.mp4",
            "thumbnail_url": None,
            "preview_url": None,
            "container": "mp4",
            "start": {"time": "2025-01-02T03:03:02.500Z", "media_time_s": 510.0, "final": True},
            "end": {"time": "2025-01-02T03:03:12.500Z", "media_time_s": 520.0, "final": True},
            "bytes": 123456,
            "picture_rate_hz": 25.0,
            "has_sound": True,
        },
    }
    assert decode_event(told.to_json()) == told
    failed = CLIP.model_copy(update={"state": "failed", "reason": "No."})
    assert clip_event(failed, time_s=1.0).type == "r2stream.clip.failed"


def test_a_moment_says_whether_a_clip_comes() -> None:
    """Pending from its first event on, but for one that is withdrawn; what became of it can be added later."""
    about = {"text": "a player scores a goal", "model": "demo", "time_s": 1.0}
    assert moment_event(OPEN, **about, with_clip=True).data.clip.state == "pending"  # type: ignore[arg-type]
    gone = replace(OPEN, kind="retracted", state=State.RETRACTED)
    assert moment_event(gone, **about, with_clip=True).data.clip.state == "none"  # type: ignore[arg-type]
    shown = with_clip(event(), CLIP.model_copy(update={"thumbnail_url": "/t.jpg"})).data
    assert (shown.clip.state, shown.clip.url, shown.thumbnail_url) == ("ready", CLIP.url, "/t.jpg")


def test_events_cannot_be_changed() -> None:
    """What was said stays said."""
    with pytest.raises(ValidationError):
        event().data.score = 0.1


def test_the_schema_names_every_type_and_state() -> None:
    """A client can be generated from it."""
    schema = json.dumps(event_schema())
    for word in (
        *get_args(MomentEventType),
        *get_args(ClipEventType),
        *get_args(StreamEventType),
        "retracted",
        "max_duration",
    ):
        assert f'"{word}"' in schema


def test_a_reel_event_has_the_documented_body() -> None:
    """It is about no stream and no query; a wish's times are `from` and `to`, as in the request."""
    wish = ReelWish(since="2025-01-01T23:00:00.000Z", best=10)
    reel = ReelData(reel_id="daily-2025-01-02", state="failed", reason="Nothing happened.", wish=wish)
    told = reel_event(reel, time_s=1_735_786_992.6)
    body = json.loads(told.to_json())
    assert (body["id"], body["source"]) == ("reel-daily-2025-01-02", "/reels/daily-2025-01-02")
    assert body["type"] == "r2stream.reel.failed" and (stream_of(told), query_of(told)) == (None, None)
    assert body["data"] == {
        "reel_id": "daily-2025-01-02",
        "state": "failed",
        "reason": "Nothing happened.",
        **dict.fromkeys(("url", "container", "length_s", "bytes", "progress")),
        "wish": {
            "from": "2025-01-01T23:00:00.000Z",
            "to": None,
            "timezone": "UTC",
            "streams": None,
            "queries": None,
            "min_score": 0.0,
            "best": 10,
            "max_length": None,
            "order": "time",
        },
        "chapters": [],
        "left_out": [],
    }
    assert decode_event(told.to_json()) == told
