"""`r2stream query` and `r2stream stream` against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from stream.cli.app import run

Say = Callable[..., str]


@pytest.fixture
def say(served: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Runs a command against the server; what it printed, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_it(*arguments: str, code: int = 0) -> str:
        assert run([*arguments, "--url", served.url]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run_it


def test_a_query_comes_changes_and_goes(say: Say, served: Any) -> None:
    """Each time with a sentence about it; what is not said stays."""
    told = say(
        "query", "add", "goal", "a player scores a goal", "--stream", "pitch", "--enter", "0.6", "--cooldown", "30s"
    )
    assert told == "goal: watching on pitch for “a player scores a goal”\n"
    assert say("query", "set", "goal", "--enter", "0.7", "--pre-roll", "5s", "--max-duration", "1m").startswith(
        "goal: "
    )
    query = served.service.query("goal").query
    assert (query.enter, query.cooldown_s, query.max_duration_s, query.streams) == (0.7, 30.0, 60.0, ("pitch",))
    assert query.clip is not None and query.clip.pre_roll_s == 5.0
    say("query", "set", "goal", "--default", "cooldown", "--no-clip", "--text", "a goal", "--disabled")
    query = served.service.query("goal").query
    assert (query.cooldown_s, query.clip, query.text, query.enabled) == (0.0, None, "a goal", False)
    assert say("query", "remove", "goal") == "goal: removed\n"
    assert say("query", "list").startswith("Nothing is watched for")


def test_a_stream_comes_changes_and_goes(say: Say, served: Any) -> None:
    """Its secrets are shown to nobody."""
    told = say("stream", "add", "pitch", "rtsp://viewer:s3cr3t@camera/1", "--transport", "udp")
    assert told.startswith("pitch: ") and "s3cr3t" not in told
    say("stream", "set", "pitch", "--pace", "fast", "--disabled")
    status = served.service.stream("pitch")
    assert (status.transport, status.pace, status.enabled) == ("udp", "fast", False)
    assert "s3cr3t" not in say("stream", "list")
    assert say("stream", "remove", "pitch") == "pitch: removed\n"
    assert say("stream", "list").startswith("Nothing is watched")


def test_lists_are_tables_or_json(say: Say) -> None:
    """A line for each."""
    say("query", "add", "goal", "a player scores a goal")
    say("stream", "add", "pitch", "rtsp://camera/1")
    heading, line = say("query", "list").splitlines()
    assert heading.split()[:3] == ["query", "text", "streams"] and "0.5 / 0.35" in line and "every" in line
    heading, line = say("stream", "list").splitlines()
    assert heading.split()[:3] == ["stream", "from", "state"] and line.split()[:2] == ["pitch", "rtsp://camera/1"]
    assert json.loads(say("query", "list", "--json"))["name"] == "goal"
    assert json.loads(say("stream", "list", "--json"))["name"] == "pitch"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["query", "set", "goal"], "say what is to change"),
        (["query", "set", "goal", "--enter", "0.5"], "no query 'goal'"),
        (["query", "remove", "goal"], "no query 'goal'"),
        (["query", "add", "goal", "a goal", "--cooldown", "soon"], "cooldown"),
        (["query", "add", "goal", "a goal", "--no-clip", "--pre-roll", "2s"], "--no-clip leaves nothing"),
        (["query", "add", "Goal!", "a goal"], "name"),
        (["stream", "add", "pitch", " "], "url"),
    ],
)
def test_a_wrong_wish_is_one_sentence(say: Say, arguments: list[str], sentence: str) -> None:
    """As the server, or the command itself, explains it."""
    told = say(*arguments, code=1)
    assert sentence in told and told.count("\n") == 1
