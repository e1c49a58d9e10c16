"""The command line itself: exit codes, sentences instead of tracebacks, and how little it loads."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stream.cli import main
from stream.cli.app import run

HEAVY = ("torch", "numpy", "av", "cv2", "fastapi", "sqlalchemy", "rich.live", "r2model", "clients", "stream.service")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file and no variable of the developer's takes part."""
    monkeypatch.chdir(tmp_path)
    for name in ("R2STREAM_CONFIG", "R2STREAM_TOKEN", "R2STREAM_MODEL", "R2STREAM_DATA_DIR", "R2STREAM_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_importing_the_command_loads_nothing_heavy() -> None:
    """`r2stream --version` answers at once."""
    script = f"import sys, stream.cli.app as _; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """As `r2stream 0.1.0`."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("r2stream ")


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--nope"], ["nope"], ["watch"], ["watch", "rtsp://x"], ["demo", "--seconds", "soon"], ["events"]],
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As every shell tool does; no command runs."""
    assert run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "watch",
        "test",
        "serve",
        "doctor",
        "bench",
        "config check",
        "events tail",
        "clip",
        "cuts",
        "reel",
        "reels",
        "train demo",
    ]
    + ["sinks", "sinks dead-letters", "sinks redeliver"]
    + [f"query {verb}" for verb in ("list", "add", "set", "remove", "test")]
    + [f"stream {verb}" for verb in ("list", "add", "set", "remove")],
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With -h as with --help."""
    assert run([*command.split(), "-h"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_a_failure_is_one_sentence_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, with nothing else around it."""
    assert run(["serve", "-c", "missing.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("r2stream: missing.yaml: ") and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--debug", "doctor", "-c", "missing.yaml"], ["doctor", "-c", "missing.yaml", "--debug"]]
)
def test_debug_shows_where_from_wherever_it_stands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before the command or after it."""
    assert run(arguments) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unknown_key_names_its_place_and_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A settings file that is wrong is refused before anything is loaded."""
    Path("r2stream.yaml").write_text("streams:\n  pitch: {urll: rtsp://cam/1}\n")
    assert run(["serve"]) == 1
    error = capsys.readouterr().err
    assert "r2stream.yaml: streams.pitch" in error and "url" in error


def test_a_server_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """`events tail` does not wait for a server that never was."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run(["events", "tail", "--url", f"http://127.0.0.1:{port}"]) == 1
    assert "is r2stream serving?" in capsys.readouterr().err


def test_main_leaves_with_the_exit_code() -> None:
    """As a program does."""
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
