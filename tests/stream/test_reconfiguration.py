"""Another settings file while the service runs: what differs is taken up, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from r2model import R2Model
from stream.errors import ConfigError, ConflictError, NotFoundError
from stream.service import Service
from stream.settings import parse_settings
from tests.models import random_model
from tests.receiver import Receiver, receiving
from tests.stream.test_service import CAR, EAGER, GOAL, LIVE, Made, Script, endings, events_of, moments, started

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def model() -> R2Model:
    """Sees something everywhere, so that every query soon has an open moment."""
    return random_model(sure=2.0)


@pytest.fixture
def made(model: R2Model, tmp_path: Path) -> Made:
    return Made(model, tmp_path / "data")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr("stream.runner.open_source", script.open)
    return script


def apply(service: Service, made: Made, **document: Any) -> Sequence[str]:
    return service.apply_settings(parse_settings({"data_dir": str(made.data_dir), **document}))


def hook(receiver: Receiver) -> dict[str, Any]:
    return {"type": "webhook", "url": receiver.url, "allow_private": True}


def refused(service: Service) -> float | None:
    return service.metrics.registry.get_sample_value("r2stream_settings_refused")


def test_an_equal_file_changes_nothing(made: Made, script: Script) -> None:
    """However often it is applied."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        before = service.streams(), service.queries()
        assert apply(service, made, streams={"live": {"url": LIVE}}, queries={"goal": EAGER}) == []
        assert (service.streams(), service.queries()) == before and len(script.sources) == 1


def test_what_is_equal_is_not_touched(made: Made, script: Script, until: Until) -> None:
    """The stream keeps its connection and window, and the query its open moment, while others come and go."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER, "old": CAR}) as service:
        script.push(6)
        until(lambda: started(service, "goal"))
        told = len(moments(events_of(service.store), "goal"))
        changes = apply(service, made, streams={"live": LIVE, "tv": "live2.mp4"}, queries={"goal": EAGER, "new": EAGER})
        assert changes == ["stream 'tv' added", "query 'new' added", "query 'old' removed"]
        assert len(script.sources) == 2 and service.stream("live").frames == 6
        assert [query.query.name for query in service.queries()] == ["goal", "new"]
        until(lambda: started(service, "new", "live"))
        assert moments(events_of(service.store), "new")[0].data.backfilled
        assert len(moments(events_of(service.store), "goal")) == told and not endings(events_of(service.store), "goal")


def test_a_query_with_the_same_text_keeps_its_moments_and_another_text_does_not(
    made: Made, script: Script, until: Until
) -> None:
    """As when the API changes it."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        script.push(6)
        until(lambda: started(service, "goal"))
        assert apply(service, made, streams={"live": LIVE}, queries={"goal": {**EAGER, "cooldown": "9s"}}) == [
            "query 'goal' changed"
        ]
        assert service.query("goal").query.cooldown_s == 9.0 and not endings(events_of(service.store))
        apply(service, made, streams={"live": LIVE}, queries={"goal": {**EAGER, "text": CAR}})
        assert "query_changed" in endings(events_of(service.store), "goal")


def test_a_stream_that_changes_connects_anew_and_one_that_goes_ends(made: Made, script: Script, until: Until) -> None:
    """Its moments end; a stream switched off is not watched."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        script.push(6)
        until(lambda: started(service, "goal"))
        other = "live2.mp4?pace=fast"
        assert apply(service, made, streams={"live": other}, queries={"goal": EAGER}) == ["stream 'live' changed"]
        assert endings(events_of(service.store)) and len(script.sources) == 2
        script.push(6)
        until(lambda: service.stream("live").epoch == 1)
        apply(service, made, streams={"live": {"url": other, "enabled": False}}, queries={"goal": EAGER})
        assert service.stream("live").state == "disabled"
        assert apply(service, made, queries={"goal": EAGER}) == ["stream 'live' removed"]
        assert service.streams() == [] and b'stream="live"' not in service.metrics.render()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"queries": {"goal": EAGER, "new": "ball " * 100}}, "queries.new.text"),
        ({"queries": {"goal": EAGER}, "streams": {"new": "ftp://host/a"}}, "streams.new.url"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    made: Made, script: Script, document: dict[str, Any], path: str
) -> None:
    """Nor what in it could be used."""
    with made.running(streams={"live": LIVE}, queries={"goal": EAGER}) as service:
        with pytest.raises(ConfigError) as error:
            apply(service, made, **document)
        assert error.value.path == path
        assert [stream.name for stream in service.streams()] == ["live"] and len(script.sources) == 1
        assert [query.query.name for query in service.queries()] == ["goal"]


def test_what_the_api_added_stays(made: Made, script: Script) -> None:
    """A name that the file takes is the file's while it holds it, and the API's again afterwards."""
    with made.running(streams={"live": LIVE}) as service:
        service.add_query("mine", {"text": GOAL})
        service.add_stream("tv", {"url": "live2.mp4"})
        assert apply(service, made, streams={"live": LIVE}, queries={"mine": CAR}) == ["query 'mine' changed"]
        assert service.query("mine").query.text == CAR and service.stream("tv").name == "tv"
        with pytest.raises(ConflictError):
            service.patch_query("mine", {"cooldown": 1})
        apply(service, made, streams={"live": LIVE})
        assert service.patch_query("mine", {"cooldown": 1}).query.text == GOAL
    with made.running(streams={"live": LIVE}) as service:
        assert service.query("mine").query.cooldown_s == 1.0


def test_sinks_come_and_go(made: Made, script: Script, until: Until) -> None:
    """A new one hears what comes next; streams, queries and the other sinks notice nothing."""
    watched: dict[str, Any] = {"streams": {"live": LIVE}, "queries": {"goal": EAGER}}
    with receiving() as kept, receiving() as new, made.running(**watched, sinks={"kept": hook(kept)}) as service:
        script.push(6)
        until(lambda: started(service, "goal") and service.stream("live").frames == 6 and service.settle(10))
        until(lambda: service.sinks.status("kept").lag == 0)
        since, heard = service.sinks.status("kept").since, len(kept.requests)
        sinks = {"kept": hook(kept), "new": hook(new)}
        assert apply(service, made, **watched, sinks=sinks) == ["sink 'new' added"]
        assert service.sinks.status("kept").since == since and len(script.sources) == 1
        apply(service, made, streams={"live": LIVE}, sinks=sinks)
        until(lambda: bool(new.requests) and len(kept.requests) == heard + len(new.requests))
        assert new.ids == kept.ids[heard:] and not service.ready().warnings
        assert apply(service, made, streams={"live": LIVE}, sinks={"new": hook(new)}) == ["sink 'kept' removed"]
        with pytest.raises(NotFoundError):
            service.sinks.status("kept")


def test_how_much_is_kept_is_taken_up(made: Made, script: Script) -> None:
    """Of events, of files and of packets; all else about clips needs a restart, and whether packets are kept at all."""
    with made.running(streams={"live": LIVE}) as service:
        kept: dict[str, Any] = {
            "retention": {"max_events": 7, "max_age": "1h"},
            "clips": {"max_bytes": "1MiB", "max_age": "1d"},
        }
        assert apply(service, made, streams={"live": LIVE}, **kept) == [
            "retention.max_events changed",
            "retention.max_age changed",
            "clips.max_bytes changed",
            "clips.max_age changed",
        ]
        assert apply(service, made, streams={"live": LIVE}, **kept) == [] and len(script.sources) == 1
        memory = {**kept, "clips": {**kept["clips"], "memory_per_stream": "32MiB"}}
        assert apply(service, made, streams={"live": LIVE}, **memory) == ["clips.memory_per_stream changed"]
        assert service.ready().warnings == ()
        other = {**kept, "clips": {"memory_per_stream": 0, "folder": "elsewhere"}}
        told = apply(service, made, streams={"live": LIVE}, **other)
        assert told[-1].endswith("after a restart of r2stream: clips.folder, clips.memory_per_stream.")
        assert told[:-1] == ["clips.max_bytes changed", "clips.max_age changed"]


def test_what_needs_a_restart_is_said_until_it_is_as_it_was(made: Made, script: Script) -> None:
    """Once in words, and in the readiness, which it does not spoil; the token itself is not shown."""
    with made.running(streams={"live": LIVE}) as service:
        changes = apply(service, made, streams={"live": LIVE}, model="other", server={"port": 1, "token": "sesame"})
        (told,) = changes
        assert told.endswith("after a restart of r2stream: model, server.port, server.token.") and "sesame" not in told
        assert service.ready().ready and service.ready().warnings == (told,)
        assert apply(service, made, streams={"live": LIVE}, model="other", server={"port": 1, "token": "sesame"}) == []
        assert apply(service, made, streams={"live": LIVE}) == [] and service.ready().warnings == ()


def test_a_refused_file_is_a_warning_until_one_is_taken(made: Made, script: Script) -> None:
    """In the readiness and as a metric."""
    with made.running(streams={"live": LIVE}) as service:
        service.refuse_settings("line 3: queries.goal")
        assert service.ready().ready and "(line 3: queries.goal)" in service.ready().warnings[0]
        assert refused(service) == 1
        apply(service, made, streams={"live": LIVE})
        assert service.ready().warnings == () and refused(service) == 0


def test_a_service_that_has_stopped_takes_nothing_up(made: Made) -> None:
    """The watch of the file may outlive it by a moment."""
    with made.running() as service:
        pass
    assert apply(service, made, queries={"goal": EAGER}) == ()
