"""`r2stream test`: files here, streams of a running service, several wordings side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.cli.app import run
from stream.cli.testing import Trial
from tests.media import encode_video
from tests.models import random_image

if TYPE_CHECKING:
    from tests.conftest import Served

TEXTS = ("numbers go by", "a ball enters the goal")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the developer's takes part."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 s of noise, 5 pictures a second."""
    pictures = (random_image(number // 5) for number in range(150))
    return encode_video(tmp_path_factory.mktemp("video") / "noise.mp4", pictures, fps=5)


def test_a_file_is_tested_for_several_wordings(
    video: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it, as JSON for programs; what goes on at the end ends with the recording."""
    assert run(["test", str(video), *TEXTS, "--model", str(model_file), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["clock"], report["model"]) == (60, "file", "random")
    assert [outcome["text"] for outcome in report["outcomes"]] == list(TEXTS)
    moments = [moment for outcome in report["outcomes"] for moment in outcome["moments"]]
    assert moments and all(moment["state"] in ("ended", "retracted") for moment in moments)


def test_it_is_shown_as_a_table(video: Path, model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each wording."""
    assert run(["test", str(video), *TEXTS, "--model", str(model_file)]) == 0
    printed = capsys.readouterr().out
    assert "0:00.0 → 0:30.0, 60 frames" in printed and all(text in printed for text in TEXTS)
    assert "told at 0:" in printed and "saliency" in printed


def test_settings_hold_for_every_wording(video: Path, model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And only so much is looked at as is wanted."""
    options = ["--enter", "1.0", "--exit", "0.9", "--min-duration", "2s", "--seconds", "5", "--json"]
    assert run(["test", str(video), *TEXTS, "--model", str(model_file), *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == 10
    assert [outcome["threshold"] for outcome in report["outcomes"]] == [{"enter": 1.0, "exit": 0.9}] * 2


@pytest.mark.parametrize(
    ("source", "texts", "options", "said"),
    [
        ("notes.mp4", TEXTS, [], "notes.mp4"),
        ("missing.mp4", TEXTS, [], "missing.mp4"),
        ("ftp://host/a", TEXTS, [], "sources do not speak"),
        ("VIDEO", [" "], [], "queries.0.text"),
        ("VIDEO", ["ball " * 100], [], "0"),
        ("VIDEO", TEXTS, ["--enter", "7"], "queries.0.threshold.enter"),
        ("VIDEO", TEXTS, ["--min-duration", "soon"], "queries.0.min_duration"),
    ],
)
def test_mistakes_are_one_sentence(
    source: str,
    texts: list[str],
    options: list[str],
    said: str,
    video: Path,
    model_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing waits for a source that will not come."""
    Path("notes.mp4").write_text("not a video")
    source = source.replace("VIDEO", str(video))
    assert run(["test", source, *texts, "--model", str(model_file), *options]) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and error.count("r2stream:") == 1


def test_a_stream_of_a_running_service_is_tested(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no file; the service does the work."""
    served.service.add_stream("pitch", {"url": "rtsp://camera/1"})
    assert run(["test", "pitch", "a goal", "--url", served.url, "--enter", "0.9"]) == 0
    printed = capsys.readouterr().out
    assert "pitch" in printed and "best score is 0.80, below enter (0.9)" in printed
    assert run(["test", "court", "a goal", "--url", served.url]) == 1
    assert "no stream 'court'" in capsys.readouterr().err


def test_a_file_beside_it_wins_over_a_stream() -> None:
    """A name with a slash or a dot is never a stream."""
    assert Trial("pitch", TEXTS).is_stream and not Trial("./pitch", TEXTS).is_stream
    assert not Trial("pitch.mp4", TEXTS).is_stream and not Trial("demo://broadcast", TEXTS).is_stream
    Path("pitch").touch()
    assert not Trial("pitch", TEXTS).is_stream
