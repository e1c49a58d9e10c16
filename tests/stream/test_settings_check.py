"""All that is wrong with a settings file at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import ConfigError
from stream.settings_check import check_settings, locate

BROKEN = """\
model: demo
server: {prt: 1}
streams:
  pitch: {url: "ftp://me:hunter2@cam/1"}
  gate:
    url: demo://broadcast
    pace: slow
  Big: demo://broadcast
queries:
  goal:
    text: a player scores a goal
    treshold: {enter: 0.6}
  car: {}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r2stream.yaml"
    path.write_text(text)
    return path


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    """One for the top, and one for each stream and query that cannot be used."""
    checked = check_settings(write(tmp_path, BROKEN), {})
    assert checked.settings is None
    told = [str(mistake) for mistake in checked.mistakes]
    assert [mistake.line for mistake in checked.mistakes] == [2, 7, 3, 12, 13]
    assert told[0] == "line 2: server.prt: unknown key; did you mean 'port'?"
    assert told[1] == "line 7: streams.gate.pace: must be one of realtime, fast, not 'slow'"
    assert told[3].startswith("line 12: queries.goal.treshold: unknown key")
    assert told[4] == "line 13: queries.car: the key 'text' is required"


def test_a_query_may_name_sinks_that_are_there(tmp_path: Path) -> None:
    """A sink that cannot be used is one mistake, not a second one of the query."""
    text = (
        "streams: {tv: demo://broadcast}\nqueries:\n  goal: {text: a goal, deliver: [hook]}\n"
        "  rain: {text: it rains, deliver: [hoke]}\nsinks:\n  hook: {type: webhook}\n"
    )
    told = [str(mistake) for mistake in check_settings(write(tmp_path, text), {}).mistakes]
    assert told == [
        "line 4: queries.rain.deliver: there is no sink 'hoke'; did you mean 'hook'?",
        "line 6: sinks.hook: the key 'url' is required",
    ]


def test_an_address_that_is_none_is_a_mistake_and_its_secret_is_not_shown(tmp_path: Path) -> None:
    """It is looked at once the rest is right."""
    (mistake,) = check_settings(write(tmp_path, "streams:\n  a: ftp://me:hunter2@cam/1\n"), {}).mistakes
    assert (mistake.path, mistake.line) == ("streams.a.url", 2)
    assert "sources do not speak 'ftp'" in mistake.problem and "hunter2" not in str(mistake)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: a\nmodel: b", "line 2, column 1: is not valid YAML: the key 'model' is written twice"),
        ("just text", "must be a mapping of keys to values, not text"),
        ("streams: [a]", "line 1: streams: must be a mapping of keys to values, not a list"),
        ("streams: {1: x}", "line 1: streams: the name 1 must be"),
    ],
)
def test_a_file_of_another_shape_is_one_mistake(tmp_path: Path, text: str, told: str) -> None:
    """Whatever it holds."""
    (mistake,) = check_settings(write(tmp_path, text), {}).mistakes
    assert str(mistake).startswith(told)


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    """As for `serve`."""
    (mistake,) = check_settings(tmp_path / "r2stream.yaml", {}).mistakes
    assert "cannot be read" in str(mistake)


def test_the_environment_is_checked_too(tmp_path: Path) -> None:
    """It takes part in what would run; its mistakes have no line."""
    path = write(tmp_path, "streams: {tv: demo://broadcast}")
    checked = check_settings(path, {"R2STREAM_PORT": "9000"})
    assert checked.settings is not None and checked.settings.server.port == 9000
    (mistake,) = check_settings(path, {"R2STREAM_PORT": "http"}).mistakes
    assert str(mistake).startswith("R2STREAM_PORT: must be a port number")


def test_what_may_not_be_meant_is_a_warning(tmp_path: Path) -> None:
    """The file can be used nevertheless."""
    text = (
        "server: {host: 0.0.0.0}\nstreams:\n  film: /nowhere/film.mp4\n"
        "queries:\n  goal: {text: a goal, streams: [film, pitch]}\n"
    )
    checked = check_settings(write(tmp_path, text), {})
    assert checked.settings is not None and not checked.mistakes
    assert [(warning.path, warning.line) for warning in checked.warnings] == [
        ("streams.film.url", 3),
        ("queries.goal.streams", 5),
        ("server.host", 1),
    ]
    (nothing,) = check_settings(write(tmp_path, ""), {}).warnings
    assert "no stream is defined" in nothing.problem


def test_an_error_is_located_for_logs(tmp_path: Path) -> None:
    """Also when the file is gone meanwhile."""
    error = ConfigError("is wrong", path="queries.goal.text")
    assert locate(error, write(tmp_path, "queries:\n  goal: x")) == "line 2: queries.goal.text: is wrong"
    assert locate(error, tmp_path / "gone.yaml") == "queries.goal.text: is wrong"
