"""The commands that run a whole service: each with a model of random weights, which finds things nearly everywhere."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stream.broadcast import Broadcast, understand
from stream.cli.app import run
from stream.cli.demo import QUERIES, SEED, STREAM, DemoOptions, demo_settings, run_demo, usual_port_or_any
from stream.cli.watch import Choice, query_names, watch_settings, watch_until_stopped
from stream.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the developer's takes part."""
    monkeypatch.chdir(tmp_path)


@contextmanager
def pressed(key: signal.Signals, when: Callable[[], bool], timeout_s: float = 60.0) -> Iterator[None]:
    """Send this process a signal once something is so, as a user would."""
    over = threading.Event()

    def press() -> None:
        for _ in range(int(timeout_s / 0.05)):
            if over.wait(0.05):
                return
            if when():
                break
        os.kill(os.getpid(), key)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("key", [signal.SIGINT, signal.SIGTERM])
def test_serve_serves_until_it_is_told_to_stop(key: signal.Signals, tmp_path: Path, model_file: Path) -> None:
    """From the settings file beside it; a stop is no failure, and the log stays where it was asked to be."""
    port = free_port()
    Path("r2stream.yaml").write_text(
        f"model: {model_file}\ndata_dir: {tmp_path / 'data'}\nserver: {{port: {port}}}\n"
        "streams: {tv: 'demo://broadcast?seed=1'}\nqueries: {goal: a player scores a goal}\n"
    )
    with pressed(key, lambda: answers(f"http://127.0.0.1:{port}/v1/queries/goal")):
        assert run(["serve"]) == 0
    assert (tmp_path / "data" / "events.sqlite3").exists()


def test_serve_takes_up_changes_of_its_settings_file(tmp_path: Path, model_file: Path) -> None:
    """While it runs; options of the command line stay as they are."""
    port = free_port()
    file, url = Path("r2stream.yaml"), f"http://127.0.0.1:{port}/v1/queries"
    seen: list[bool] = []
    common = f"model: {model_file}\ndata_dir: {tmp_path / 'data'}\nserver: {{port: 1}}\n"
    file.write_text(common + "queries: {goal: a player scores a goal}\n")

    def taken_up() -> bool:
        if answers(f"{url}/goal") and not answers(f"{url}/rain"):
            file.write_text(common + "queries: {goal: a player scores a goal, rain: it rains}\n")
        seen.append(answers(f"{url}/rain"))
        return seen[-1]

    with pressed(signal.SIGTERM, taken_up):
        assert run(["serve", "--port", str(port)]) == 0
    assert seen[-1], "nobody waited any longer"


def test_serve_says_that_the_port_is_taken(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence with the port in it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = ["--port", str(port), "--model", str(model_file), "--data-dir", str(tmp_path)]
        assert run(["serve", *arguments]) == 1
    error = capsys.readouterr().err
    assert str(port) in error and "another port" in error and "Traceback" not in error


def test_serve_warns_when_the_door_is_open(model_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other machines can reach it, and nothing is asked of them."""
    port = free_port()
    arguments = ["--host", "0.0.0.0", "--port", str(port), "--model", str(model_file), "--data-dir", str(tmp_path)]
    with pressed(signal.SIGTERM, lambda: "server.token" in caplog.text):
        assert run(["serve", *arguments]) == 0
    assert "server.token" in caplog.text


def test_serve_says_that_the_model_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And names the file."""
    assert run(["serve", "--port", "0", "--model", "/nowhere/m.pth", "--data-dir", str(tmp_path)]) == 1
    assert "/nowhere/m.pth" in capsys.readouterr().err


def test_watch_prints_what_a_recording_holds_and_ends_with_it(
    h264_file: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every moment that began is told to its end."""
    watch_until_stopped(f"{h264_file}?pace=fast", ["numbers go by"], Choice(model=str(model_file)), as_json=True)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["type"].removeprefix("r2stream.") for event in events]
    assert {"stream.online", "stream.offline", "moment.started"} <= set(kinds)
    assert kinds.count("moment.started") == kinds.count("moment.ended") + kinds.count("moment.retracted")


def test_watch_says_why_a_stream_can_never_be_watched(
    tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not wait for a file that is none."""
    (tmp_path / "notes.mp4").write_text("not a video")
    assert run(["watch", str(tmp_path / "notes.mp4"), "a goal", "--model", str(model_file)]) == 1
    error = capsys.readouterr().err
    assert "notes.mp4" in error and "Traceback" not in error


def test_watch_takes_the_model_that_the_environment_names(
    tmp_path: Path, h264_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the service does; a settings file that the environment names takes no part."""
    monkeypatch.setenv("R2STREAM_MODEL", "/nowhere/m.pth")
    monkeypatch.setenv("R2STREAM_CONFIG", "/nowhere/r2stream.yaml")
    assert run(["watch", str(h264_file), "a goal"]) == 1
    assert "/nowhere/m.pth" in capsys.readouterr().err


def test_watch_names_queries_after_their_sentences() -> None:
    """Readable, different, and short enough, whatever is written."""
    names = query_names(["A player scores!", "a player scores", "進球", "x" * 500])
    assert names[:3] == ["a-player-scores", "a-player-scores-2", "query-3"]
    assert len(set(names)) == 4 and max(map(len, names)) <= 64
    assert len(set(query_names(["go 3", "go", "go", "go"]))) == 4


def test_watch_refuses_an_empty_sentence(tmp_path: Path) -> None:
    """Before anything is loaded."""
    with pytest.raises(ConfigError, match="say what to watch for"):
        watch_settings("demo://broadcast", ["a goal", " "], Choice(), tmp_path)


def test_the_demo_asks_for_what_its_programme_knows() -> None:
    """Each sentence has a truth, and happens in the first minute; the first is over early enough for an event."""
    first_ends_s = []
    for text in QUERIES.values():
        assert understand(text) is not None
        spans = Broadcast(SEED).truth(text, 0.0, 60.0)
        assert spans, f"{text!r} does not happen in the first minute"
        first_ends_s.append(spans[0][1])
    assert min(first_ends_s) < 30.0


def test_the_demo_runs_for_as_long_as_asked_and_sums_up(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal in lines: where it serves, what happens, and the tally at the end."""
    run_demo(DemoOptions(seconds=4, port=0, model=str(model_file)))
    printed = capsys.readouterr().out
    assert "serving http://127.0.0.1:" in printed and "alert" in printed
    assert all(text in printed for text in QUERIES.values())


def test_the_demo_is_left_with_a_key(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is how a demo ends: with the summary, and as a success."""
    port = free_port()
    with pressed(signal.SIGINT, lambda: answers(f"http://127.0.0.1:{port}/v1/streams")):
        assert run(["demo", "--port", str(port), "--model", str(model_file)]) == 0
    assert "onset to alert" in capsys.readouterr().out


def test_the_demo_takes_another_port_when_the_usual_one_is_taken(tmp_path: Path) -> None:
    """Two demos can run side by side; a port that was asked for is not replaced."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8642))
            probe.listen()
        except OSError:
            pass  # taken already, which serves as well
        assert usual_port_or_any() == 0
    settings = demo_settings(DemoOptions(port=1234), tmp_path)
    assert settings.server.port == 1234 and set(settings.streams) == {STREAM}
