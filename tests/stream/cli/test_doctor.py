"""What `r2stream doctor` finds and advises."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stream.cli import doctor
from stream.cli.doctor import CHECKS, Finding, as_plain, examine
from stream.cli.doctor_report import report
from stream.settings import ServerSettings, Settings


@pytest.fixture
def settings(tmp_path: Path, model_file: Path) -> Settings:
    """Settings under which everything works."""
    return Settings(data_dir=tmp_path / "data", model=str(model_file), server=ServerSettings(port=0))


def only(settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """What one check finds, through the same door as all of them."""
    monkeypatch.setattr(doctor, "CHECKS", {name: CHECKS[name]})
    (finding,) = examine(settings)
    return finding


def test_a_sound_machine_has_nothing_failing(settings: Settings) -> None:
    """Every check runs, and leaves the data folder empty."""
    findings = examine(settings)
    assert [finding.check for finding in findings] == list(CHECKS)
    assert [finding for finding in findings if finding.status == "failing"] == []
    assert list(settings.data_dir.iterdir()) == []


def test_a_missing_model_says_what_to_give(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named, and so are the other choices."""
    finding = only(replace(settings, model="/nowhere/m.safetensors"), "model", monkeypatch)
    assert finding.status == "failing" and "/nowhere/m.safetensors" in finding.todo and "hf://" in finding.todo


def test_a_device_that_is_not_there_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the device to use instead."""
    finding = only(replace(settings, device="nonsense"), "torch", monkeypatch)
    assert finding.status == "failing" and "nonsense" in finding.found and "cpu" in finding.todo


def test_a_folder_that_cannot_be_written_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here because a file is in the way, which stops root too."""
    (tmp_path / "file").touch()
    finding = only(replace(settings, data_dir=tmp_path / "file" / "data"), "data folder", monkeypatch)
    assert finding.status == "failing" and "--data-dir" in finding.todo


def test_little_room_on_the_disk_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log still works today."""
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 10**30)
    assert only(settings, "data folder", monkeypatch).status == "warning"


def test_a_slow_log_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events would come late."""
    monkeypatch.setattr(doctor, "MIN_EVENTS_PER_S", 1e9)
    assert only(settings, "event log", monkeypatch).status == "warning"


def test_a_database_that_does_not_answer_is_failing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named without its password, and with what to look at."""
    away = replace(settings, database="postgresql://me:letmein@127.0.0.1:1/events")
    finding = only(away, "event log", monkeypatch)
    assert (
        finding.status == "failing" and "127.0.0.1:1" in finding.found and "check that the server runs" in finding.todo
    )
    assert "letmein" not in finding.found + finding.todo


def test_a_taken_port_is_failing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = replace(settings, server=ServerSettings(port=server.getsockname()[1]))
        finding = only(taken, "address", monkeypatch)
    assert finding.status == "failing" and "--port" in finding.todo


def test_one_broken_check_stops_no_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a check cannot handle becomes its finding."""

    def breaks(settings: Settings) -> Finding:
        raise RuntimeError("boom")

    monkeypatch.setattr(doctor, "CHECKS", {"broken": breaks, "python": CHECKS["python"]})
    broken, python = examine(settings)
    assert broken.status == "failing" and "boom" in broken.todo and python.status == "ok"


def test_the_report_for_programs_is_json(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether all is well, and every finding."""
    monkeypatch.setattr(doctor, "CHECKS", {"python": CHECKS["python"]})
    assert report(settings, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["ok"] is True and printed["checks"][0]["check"] == "python"
    assert as_plain([Finding("x", "failing", "")])["ok"] is False


def test_the_report_for_people_tells_what_to_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under what was found, in the same row, and whole."""
    monkeypatch.setattr(doctor, "CHECKS", {"model": CHECKS["model"]})
    console = Console(width=80)
    with console.capture() as written:
        assert not report(replace(settings, model="/nowhere"), as_json=False, console=console)
    text = written.get()
    assert "✗ failing" in text and "→ there is no model file /nowhere" in text and "1 of 1 checks fail" in text
