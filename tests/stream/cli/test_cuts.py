"""`r2stream cuts` as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.cli.app import run
from stream.store import ClipRecord
from tests.stream.cuts.conftest import clip_of, instant

if TYPE_CHECKING:
    from tests.conftest import MomentFactory, Served

DAY = ["--day", "2025-01-02", "--timezone", "UTC"]


@pytest.fixture
def day(served: Served, moment: MomentFactory, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Three moments: one with a clip, one whose clip failed, one that has none. The terminal is wide."""
    monkeypatch.setenv("COLUMNS", "150")
    for i, name in enumerate(("m1", "m2", "m3")):
        served.append(moment("ended", moment_id=name, start=instant(10.0 * i), end=instant(10.0 * i + 4)))
    served.store.clips.add([ClipRecord(clip_of("m1", 0.0, 6.0), 1.0, told=True)])
    served.store.clips.add([ClipRecord(clip_of("m2", 8.0, 16.0, state="failed"), 1.0, told=True)])
    return served


def test_a_table_to_look_at(day: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each moment, and why there is no clip."""
    assert run(["cuts", *DAY, "--url", day.url]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-2:] for line in lines[1:4]] == [["m1", "ready"], ["No", "video."], ["m3", "none"]]
    assert " ".join(lines[4]) == "3 moments on 2025-01-02, 1 with a clip"


def test_a_day_on_which_nothing_happened(day: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Is said to be one; today is meant where nothing else is said."""
    assert run(["cuts", "--url", day.url]) == 0
    assert capsys.readouterr().out == "No moments today.\n"


@pytest.mark.parametrize(("kind", "first"), [("csv", b"moment_id,"), ("edl", b"TITLE: r2stream cuts-2025-01-02\r\n")])
def test_a_list_for_other_programs(
    day: Served, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], kind: str, first: bytes
) -> None:
    """To the terminal or into a file, byte for byte the same."""
    assert run(["cuts", *DAY, "--format", kind, "--url", day.url]) == 0
    shown = capfdbinary.readouterr().out
    assert shown.startswith(first) and shown.count(b"\r\n") == shown.count(b"\n")
    file = tmp_path / f"day.{kind}"
    assert run(["cuts", *DAY, "--format", kind, "-o", str(file), "--url", day.url]) == 0
    assert file.read_bytes() == shown and list(tmp_path.glob("*.part")) == []


def test_json_is_one_line_for_each_cut(day: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """As the server tells it."""
    span = ["--since", "2025-01-02T03:00:05Z", "--until", "2025-01-02 03:00:15", "--timezone", "UTC"]
    assert run(["cuts", *span, "--format", "json", "--url", day.url]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["moment_id"] == "m2"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--day", "today", "--since", "18:30"], "give either --day, or --since and --until"),
        (["--since", "noon"], "--since is a time such as 18:30"),
        (["--rate", "25"], "--rate and --timecode are for --format edl"),
        (["-o", "x"], "a file is written with --format json, csv or edl"),
        (["--format", "csv", "-o", "no/such/folder/x.csv"], "there is no folder no/such/folder"),
        (["--timezone", "Nowhere"], "--timezone: is no time zone that is known here"),
    ],
)
def test_a_wrong_wish_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody is asked."""
    assert run(["cuts", *arguments]) == 1
    assert sentence in capsys.readouterr().err
