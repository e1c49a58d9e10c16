"""`r2stream config`: what is wrong goes to stderr with exit code 1, what would run to stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream.cli.app import run

GOOD = """\
data_dir: /var/lib/r2stream
server: {token: sesame}
streams:
  pitch: {url: "rtsp://me:hunter2@cam/1", transport: udp, enabled: false}
  film: {url: demo://broadcast, pace: fast}
queries:
  goal: {text: a player scores a goal, streams: [pitch], threshold: {enter: 0.6, exit: 0.4}, min_duration: 2s}
  rain: it rains
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file and no variable of the developer's takes part."""
    monkeypatch.chdir(tmp_path)
    for name in ("R2STREAM_CONFIG", "R2STREAM_TOKEN", "R2STREAM_MODEL", "R2STREAM_DATA_DIR", "R2STREAM_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")


def test_a_good_file_says_what_would_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The environment included, and no secret."""
    Path("r2stream.yaml").write_text(GOOD)
    assert run(["config", "check"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for told in (
        "demo on cpu",
        "/var/lib/r2stream",
        "127.0.0.1 port 8642, a token is asked for",
        "rtsp://me:***@cam/1",
        "udp, realtime, switched off",
        "0.6 / 0.4",
        "min_duration 2 s",
        "it rains",
        "r2stream.yaml can be used.",
    ):
        assert told in printed.out
    assert "sesame" not in printed.out and "hunter2" not in printed.out


def test_a_bad_file_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it, and nothing would run."""
    Path("my.yaml").write_text("server: {prt: 1}\nqueries:\n  goal: {text: a, treshold: 1}\n")
    assert run(["config", "check", "-c", "my.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "my.yaml: line 1: server.prt: unknown key; did you mean 'port'?",
        "my.yaml: line 3: queries.goal.treshold: unknown key; did you mean 'threshold'?",
    ]


def test_a_warning_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, and the exit code is 0."""
    Path("r2stream.yaml").write_text("queries: {goal: a goal}\n")
    assert run(["config", "check"]) == 0
    assert "warning: streams: no stream is defined" in capsys.readouterr().err


def test_without_a_file_there_is_nothing_to_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that the environment names counts."""
    assert run(["config", "check"]) == 1
    assert "no r2stream.yaml here" in capsys.readouterr().err
    Path("other.yaml").write_text("streams: {tv: demo://broadcast}")
    monkeypatch.setenv("R2STREAM_CONFIG", "other.yaml")
    assert run(["config", "check"]) == 0
    assert "other.yaml can be used" in capsys.readouterr().out


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For `# yaml-language-server: $schema=…`."""
    assert run(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "r2stream settings"
