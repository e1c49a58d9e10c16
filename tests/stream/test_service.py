"""The whole service in one process: definitions, sources, events, and what happens when something is wrong."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from r2model import R2Model
from stream.api import ServiceProtocol
from stream.data_dir import LOG_FILE
from stream.engine import Engine, ModelError
from stream.errors import ConfigError, ConflictError, NotFoundError
from stream.events import Event, MomentEvent, StreamEvent
from stream.query import Query
from stream.service import Service
from stream.settings import parse_settings
from stream.sources import Source, SourceSpec, Surroundings, open_source
from stream.sources.spec import Pace
from stream.store import Store, StoreError
from stream.types import Image, Picture
from tests.media import encode_video
from tests.models import FRAME_INTERVAL_S, random_image, random_model, save_random_model
from tests.receiver import receiving
from tests.servers import free_port

GOAL, CAR = "a ball enters the goal", "a red car drives from left to right"
LIVE = "live.mp4?pace=fast"
"""A scripted stream; `fast`, so that a busy machine loses no frame of it."""
EAGER = {"text": GOAL, "threshold": {"enter": 0.5, "exit": 0.3}}
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def model() -> R2Model:
    """Sees something everywhere, so that every query soon has an open moment."""
    return random_model(sure=2.0)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s of noise."""
    images = [random_image(seed) for seed in range(25)]
    pictures = (images[i // 10] for i in range(250))
    return encode_video(tmp_path_factory.mktemp("video") / "noise.mp4", pictures)


def _not_a_picture(seed: int) -> Image:
    raise ValueError(f"picture {seed} is damaged")


class ScriptedSource(Source):
    """A stream that shows its next pictures whenever a test says so."""

    def __init__(self, address: str, surroundings: Surroundings) -> None:
        super().__init__(SourceSpec.parse(address), surroundings)
        self._pushed: queue.SimpleQueue[Picture] = queue.SimpleQueue()
        self._count = 0

    def push(self, count: int, convert: Callable[[int], Image] = random_image) -> None:
        """Show one picture for each of the next `count` slots."""
        for index in range(self._count, self._count + count):
            media_time_s = index * FRAME_INTERVAL_S
            self._pushed.put(
                Picture(media_time_s, 1_000_000.0 + media_time_s, "arrival", self._epoch, partial(convert, index // 4))
            )
        self._count += count

    def push_broken(self) -> None:
        """Show a picture that cannot be converted."""
        self.push(1, _not_a_picture)

    def pictures(self) -> Iterator[Picture]:
        self._enter("online")
        while not self._stop.is_set():
            with suppress(queue.Empty):
                yield self._pushed.get(timeout=0.02)


class Script:
    """Opens scripted sources in place of `live.mp4`, and real ones for all other addresses."""

    def __init__(self) -> None:
        self.sources: list[ScriptedSource] = []

    def open(self, address: str, surroundings: Surroundings, *, pace: Pace) -> Source:
        if not address.startswith("live"):
            return open_source(address, surroundings, pace=pace)
        self.sources.append(ScriptedSource(address, surroundings))
        return self.sources[-1]

    def push(self, count: int) -> None:
        """Show pictures on the stream that was opened last."""
        self.sources[-1].push(count)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr("stream.runner.open_source", script.open)
    return script


class Made:
    """Starts services on one data directory, one after the other."""

    def __init__(self, model: R2Model, data_dir: Path) -> None:
        self.model, self.data_dir = model, data_dir

    @contextmanager
    def running(self, **document: Any) -> Iterator[Service]:
        settings = parse_settings({"data_dir": str(self.data_dir), **document})
        with Service(settings, Engine(self.model, name="random"), Store(self.data_dir / LOG_FILE)) as service:
            yield service

    def log(self) -> list[Event]:
        """All that is in the log of a stopped service."""
        store = Store(self.data_dir / LOG_FILE)
        try:
            return events_of(store)
        finally:
            store.close()


@pytest.fixture
def made(model: R2Model, tmp_path: Path) -> Made:
    return Made(model, tmp_path / "data")


def events_of(store: Store) -> list[Event]:
    return list(store.read(0, 10_000).events)


def moments(events: Sequence[Event], query: str | None = None) -> list[MomentEvent]:
    found = [event for event in events if isinstance(event, MomentEvent)]
    return [event for event in found if query in (None, event.data.query)]


def started(service: Service, query: str, stream: str | None = None) -> bool:
    found = moments(events_of(service.store), query)
    return any(event.type.endswith("started") and stream in (None, event.data.stream) for event in found)


def endings(events: Sequence[Event], query: str | None = None) -> list[str | None]:
    return [event.data.reason for event in moments(events, query) if event.data.state == "ended"]


def test_a_recording_is_watched_to_its_end(made: Made, video: Path, until: Until) -> None:
    """Events of a file come complete, in order, and its moments are over when it is."""
    with made.running(streams={"noise": {"url": str(video), "pace": "fast"}}, queries={"goal": EAGER}) as service:
        until(lambda: service.stream("noise").state == "offline" and len(endings(events_of(service.store))) > 0)
        status = service.stream("noise")
        assert status.frames == 20 and status.clock == "file" and status.reason is not None
        events = events_of(service.store)
    first = events[0]
    assert isinstance(first, StreamEvent) and first.type == "r2stream.stream.online"
    assert [e.data.cause for e in events if isinstance(e, StreamEvent)] == [None, "ended"]
    assert [event.cursor for event in events] == list(range(1, len(events) + 1))
    opening = moments(events)[0]
    assert opening.type == "r2stream.moment.started" and opening.source == "/streams/noise"
    assert (opening.data.model, opening.data.text, opening.data.query) == ("random", GOAL, "goal")
    assert opening.data.onset_to_alert_s is not None and not opening.data.backfilled
    assert "gap" in endings(events)


def test_no_frame_of_a_fast_recording_is_dropped(made: Made, video: Path, until: Until) -> None:
    """A recording waits for the engine, whatever the engine's queue holds."""
    streams = {f"noise{i}": {"url": str(video), "pace": "fast"} for i in range(3)}
    with made.running(streams=streams, queries={"goal": EAGER}) as service:
        until(lambda: all(status.state == "offline" for status in service.streams()))
        assert [status.frames for status in service.streams()] == [20, 20, 20]
        assert b'result="dropped' not in service.metrics.render()


def test_settling_waits_for_all_that_a_recording_has_to_say(made: Made, video: Path, until: Until) -> None:
    """Once it is over, every frame has been looked at and what it says is in the log; nothing comes after that."""
    with made.running(streams={"noise": {"url": str(video), "pace": "fast"}}, queries={"goal": EAGER}) as service:
        until(lambda: service.stream("noise").state == "offline")
        assert service.settle(30)
        told = moments(events_of(service.store))
        newest = {event.data.moment_id: event.data.state for event in told}
        assert newest and set(newest.values()) <= {"ended", "retracted"}
        assert service.settle(30)
        assert moments(events_of(service.store)) == told


def test_stopping_ends_open_moments(made: Made, script: Script, until: Until) -> None:
    """A moment that is open when the service stops is final, with the reason."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        script.push(4)
        until(lambda: started(service, "goal"))
    assert endings(made.log())[-1] == "shutdown"
    assert service.stop(), "stopping twice is no mistake"


def test_what_the_api_adds_survives_a_restart(made: Made, script: Script, until: Until) -> None:
    """Streams and queries that were added are watched again by the next process."""
    with made.running() as service:
        assert service.add_stream("live", {"url": LIVE}).enabled
        assert service.add_query("goal", EAGER).query.enter == 0.5
        service.patch_query("goal", {"cooldown": 3})
    with made.running() as service:
        script.push(4)
        until(lambda: service.query("goal").state == "watching")
        until(lambda: started(service, "goal"))
        assert service.query("goal").query.cooldown_s == 3
        service.remove_query("goal")
        service.remove_stream("live")
    with made.running() as service:
        assert not service.streams() and not service.queries()


def test_events_reach_the_sinks_that_a_query_names(made: Made, script: Script, until: Until) -> None:
    """From a picture to a webhook; the last events of a service that stops still arrive."""
    with receiving() as receiver, receiving() as other:
        sinks = {
            name: {"type": "webhook", "url": one.url, "allow_private": True}
            for name, one in (("hook", receiver), ("other", other))
        }
        with made.running(streams={"live": LIVE}, sinks=sinks) as service:
            with pytest.raises(ConfigError, match=r"queries.goal.deliver: there is no sink 'hok'; did you mean 'hook'"):
                service.add_query("goal", {**EAGER, "deliver": ["hok"]})
            service.add_query("goal", {**EAGER, "deliver": ["hook"]})
            script.push(4)
            until(lambda: started(service, "goal"))
        logged = made.log()
        until(lambda: len(receiver.requests) == len(logged))
        assert receiver.ids == [event.id for event in logged]
        assert other.ids == [event.id for event in logged if isinstance(event, StreamEvent)]


def test_a_query_whose_sink_went_away_is_still_watched(
    made: Made, script: Script, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """Others want to hear of it; the log says what is missing."""
    with receiving() as receiver:
        hook = {"type": "webhook", "url": receiver.url, "allow_private": True}
        with made.running(streams={"live": LIVE}, sinks={"hook": hook}) as service:
            service.add_query("goal", {**EAGER, "deliver": ["hook"]})
    with made.running(streams={"live": LIVE}) as service:
        script.push(4)
        until(lambda: started(service, "goal"))
    assert "there is no sink 'hook'" in caplog.text


def test_what_the_settings_file_defines_is_changed_there(made: Made) -> None:
    """The API refuses to change or shadow what belongs to the file."""
    with made.running(streams={"live": {"url": LIVE, "enabled": False}}, queries={"goal": GOAL}) as service:
        for change in (
            lambda: service.patch_stream("live", {"enabled": True}),
            lambda: service.remove_stream("live"),
            lambda: service.patch_query("goal", {"text": CAR}),
            lambda: service.remove_query("goal"),
        ):
            with pytest.raises(ConflictError, match="settings file") as caught:
                change()
            assert caught.value.code == "defined_in_file"
        with pytest.raises(ConflictError, match="already"):
            service.add_query("goal", {"text": CAR})
        with pytest.raises(ConflictError, match="already"):
            service.add_stream("live", {"url": LIVE})


def test_a_new_query_is_answered_for_the_window_already_held(made: Made, script: Script, until: Until) -> None:
    """What happened before the query was added is found at once, and said to be so."""
    with made.running(streams={"live": LIVE}) as service:
        script.push(12)
        until(lambda: service.stream("live").frames >= 12)
        service.add_query("goal", EAGER)
        until(lambda: started(service, "goal"))
        assert service.stream("live").frames == 12
        opening = moments(events_of(service.store))[0]
        assert opening.data.backfilled and opening.data.onset_to_alert_s is None


def test_wordings_are_tested_on_the_window_held_and_nobody_is_told(made: Made, script: Script, until: Until) -> None:
    """What adding them would have told comes back, and neither log nor queries know of it."""
    with made.running(streams={"live": LIVE}, queries={"car": CAR}) as service:
        script.push(8)
        until(lambda: service.stream("live").frames >= 8)
        eager = Query.parse("0", EAGER)
        report = service.test("live", [eager, Query("1", CAR, enter=0.99, exit=0.98)])
        assert report.frames == 8 and [len(outcome.fired) > 0 for outcome in report.outcomes] == [True, False]
        assert not moments(events_of(service.store), "0") and [q.query.name for q in service.queries()] == ["car"]
        with pytest.raises(NotFoundError, match="no stream 'nowhere'"):
            service.test("nowhere", [eager])
        with pytest.raises(ConfigError, match=r"queries\.0\.text"):
            service.test("live", [Query("0", "ball " * 100)])


def test_removing_a_query_ends_its_moments_before_it_returns(made: Made, script: Script, until: Until) -> None:
    """When the call returns, the end is in the log, and nothing of the query comes after it."""
    with made.running(streams={"live": LIVE}, queries={"car": CAR}) as service:
        service.add_query("goal", EAGER)
        script.push(4)
        until(lambda: started(service, "goal"))
        service.remove_query("goal")
        log = events_of(service.store)
        assert endings(log, "goal")[-1] == "query_removed"
        count = len(moments(log, "goal"))
        script.push(6)
        until(lambda: service.stream("live").frames == 10)
        assert len(moments(events_of(service.store), "goal")) == count
        with pytest.raises(NotFoundError):
            service.query("goal")


def test_another_text_is_another_query_and_another_threshold_is_not(made: Made, script: Script, until: Until) -> None:
    """Changing thresholds leaves a moment open; changing the sentence ends it."""
    with made.running(streams={"live": LIVE}) as service:
        service.add_query("goal", {**EAGER, "max_duration": "1h"})
        script.push(4)
        until(lambda: started(service, "goal"))
        service.patch_query("goal", {"cooldown": "7s"})
        assert "query_changed" not in endings(events_of(service.store))
        service.patch_query("goal", {"text": CAR})
        assert endings(events_of(service.store), "goal")[-1] == "query_changed"
        script.push(4)
        until(lambda: any(event.data.text == CAR for event in moments(events_of(service.store), "goal")))


def test_switching_a_query_off_and_on(made: Made, script: Script, until: Until) -> None:
    """A query that is off has no moments and says why."""
    with made.running(streams={"live": LIVE}) as service:
        service.add_query("goal", EAGER)
        script.push(4)
        until(lambda: started(service, "goal"))
        off = service.patch_query("goal", {"enabled": False})
        assert off.state == "disabled" and off.reason
        assert endings(events_of(service.store), "goal")[-1] == "query_removed"
        assert service.patch_query("goal", {"enabled": True}).state == "watching"


def test_removing_a_stream_ends_its_moments_and_says_so(made: Made, script: Script, until: Until) -> None:
    """Open moments end with the stream, which is then offline and unknown."""
    with made.running(queries={"goal": EAGER}) as service:
        service.add_stream("live", {"url": LIVE})
        script.push(4)
        until(lambda: started(service, "goal"))
        service.remove_stream("live")
        log = events_of(service.store)
        assert endings(log)[-1] == "stream_removed"
        assert isinstance(log[-1], StreamEvent) and log[-1].data.cause == "removed"
        with pytest.raises(NotFoundError):
            service.stream("live")
        assert b'stream="live"' not in service.metrics.render()


def test_another_address_is_another_epoch(made: Made, script: Script, until: Until) -> None:
    """After a change of address the stream goes on in a new epoch, with a new window."""
    with made.running(queries={"goal": EAGER}) as service:
        service.add_stream("live", {"url": LIVE})
        script.push(4)
        until(lambda: started(service, "goal"))
        service.patch_stream("live", {"url": "live2.mp4?pace=fast"})
        script.push(1)
        until(lambda: service.stream("live").epoch == 1)
        assert "gap" in endings(events_of(service.store))
        assert service.patch_stream("live", {"enabled": False}).state == "disabled"


def test_a_dead_stream_says_why_and_harms_no_other(made: Made, script: Script, until: Until) -> None:
    """An address where nobody answers is offline with a reason; its neighbour is watched all the while."""
    dead = f"rtsp://user:secret@127.0.0.1:{free_port()}/cam"
    with made.running(streams={"dead": dead, "live": LIVE}, queries={"goal": EAGER}) as service:
        script.push(4)
        until(lambda: service.stream("dead").state == "offline" and started(service, "goal", "live"))
        status = service.stream("dead")
        assert status.reason and "127.0.0.1" in status.reason and "secret" not in status.reason
        offline = [e for e in events_of(service.store) if isinstance(e, StreamEvent) and e.data.stream == "dead"]
        assert [event.type for event in offline] == ["r2stream.stream.offline"]
        assert service.query("goal").state == "watching"
        service.add_query("deaf", {"text": CAR, "streams": ["dead"]})
        assert service.query("deaf").state == "waiting"
        assert "dead is" in str(service.query("deaf").reason)
        assert service.ready().ready


def test_a_damaged_picture_is_passed_over(made: Made, script: Script, until: Until) -> None:
    """The stream says that pictures cannot be converted, keeps running, and is well again with the next good one."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        script.push(2)
        script.sources[-1].push_broken()
        until(lambda: service.stream("live").state == "failed")
        assert "cannot be converted (ValueError)" in str(service.stream("live").reason)
        assert b'result="dropped_bad_picture",stream="live"} 1.0' in service.metrics.render()
        script.push(2)
        until(lambda: service.stream("live").state == "online")
        assert service.stream("live").frames == 5, "the slot of the damaged one is filled with the one before"


def test_a_query_without_its_stream_waits(made: Made) -> None:
    """A query for a stream that is not there yet is taken, and says what it waits for."""
    with made.running() as service:
        status = service.add_query("goal", {"text": GOAL, "streams": ["later"]})
        assert status.state == "waiting" and "later" in str(status.reason)
        assert service.add_query("any", {"text": CAR}).reason == "There is no stream to watch; add one."
        service.add_stream("later", {"url": LIVE, "enabled": False})
        assert service.query("goal").reason == "Its streams are switched off."


@pytest.mark.parametrize(
    ("name", "definition", "code", "path"),
    [
        ("goal", {"text": "ball " * 80}, "bad_text", "queries.goal.text"),
        ("goal", {"text": "  "}, "bad_value", "queries.goal.text"),
        ("goal", {"text": GOAL, "treshold": {}}, "unknown_key", "queries.goal.treshold"),
        ("goal", {}, "missing_key", "queries.goal"),
    ],
)
def test_bad_queries_are_refused_and_nothing_is_kept(
    made: Made, name: str, definition: dict[str, object], code: str, path: str
) -> None:
    """An empty, over-long or misspelt query is an error that names the place; the service stays as it was."""
    with made.running() as service:
        with pytest.raises(ConfigError) as caught:
            service.add_query(name, definition)
        assert (caught.value.code, caught.value.path) == (code, path)
        assert not service.queries() and not service.store.queries.all()


@pytest.mark.parametrize("url", ["gopher://host/1", "rtsp://", "demo://broadcast?sede=1"])
def test_bad_addresses_are_refused_and_nothing_is_kept(made: Made, url: str) -> None:
    """An address that no source understands is an error, and no stream is there afterwards."""
    with made.running() as service:
        with pytest.raises(ConfigError):
            service.add_stream("cam", {"url": url})
        assert not service.streams() and not service.store.streams.all()


@pytest.mark.parametrize(
    "document", [{"queries": {"goal": "ball " * 80}}, {"streams": {"cam": "gopher://host/1"}}], ids=["query", "stream"]
)
def test_a_settings_file_that_cannot_be_used_stops_the_start(made: Made, document: dict[str, Any]) -> None:
    """A mistake in the file is told at once, and everything that had been started is stopped."""
    with pytest.raises(ConfigError, match=r"^(queries|streams)\.|gopher"), made.running(**document):
        pass
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("engine", "recorder")]
    assert made.log() == []


def test_a_kept_query_that_another_model_cannot_read_fails_alone(made: Made, script: Script, until: Until) -> None:
    """The service starts, the query says why it does not work, and the others do."""
    store = Store(made.data_dir / LOG_FILE)
    store.queries.save("long", {"text": "ball " * 80})
    store.streams.save("odd", {"url": "gopher://host/1"})
    store.close()
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        status = service.query("long")
        assert status.state == "failed" and "too long" in str(status.reason)
        assert service.stream("odd").state == "failed"
        script.push(4)
        until(lambda: started(service, "goal"))
        assert service.patch_query("long", {"text": CAR}).state == "watching"


def test_opening_says_what_is_wrong(tmp_path: Path) -> None:
    """A wrong model file or data directory is one sentence; the log is free again afterwards."""
    model_file = save_random_model(tmp_path / "small.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        Service.open(parse_settings({"data_dir": str(tmp_path / "file" / "data"), "model": str(model_file)}))
    settings = {"data_dir": str(tmp_path / "data")}
    with pytest.raises(ModelError, match="no model file"):
        Service.open(parse_settings({**settings, "model": str(tmp_path / "absent.safetensors")}))
    service = Service.open(parse_settings({**settings, "model": str(model_file)}))
    with service, pytest.raises(StoreError, match="another r2stream"):
        Service.open(parse_settings({**settings, "model": str(model_file)}))


def test_the_service_is_what_the_api_asks_for(made: Made) -> None:
    """Its type is the protocol's, and a running service is ready."""
    with made.running() as service:
        protocol: ServiceProtocol = service
        assert protocol.ready().ready
    assert not service.ready().ready
