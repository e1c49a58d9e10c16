"""What a spreadsheet reads."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from stream.cuts.choice import Cut
from stream.cuts.table import COLUMNS, table
from tests.stream.cuts.conftest import clip_of

if TYPE_CHECKING:
    from tests.stream.cuts.conftest import CutFactory


def rows(*cuts: Cut) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table(cuts), newline=""), strict=True))


def test_a_line_says_all_about_a_cut(cut: CutFactory) -> None:
    """Times as RFC 3339 and as media time, the clip and its picture."""
    (row,) = rows(cut(12.0, 15.0, clip_of("m1", 10.0, 17.0), moment_id="m1"))
    assert row == {
        "moment_id": "m1",
        "stream": "pitch",
        "query": "goal",
        "text": "a player scores a goal",
        "score": "0.83",
        "start": "2025-01-02T03:00:12.000Z",
        "end": "2025-01-02T03:00:15.000Z",
        "start_media_s": "12.0",
        "end_media_s": "15.0",
        "clip": "ready",
        "clip_start": "2025-01-02T03:00:10.000Z",
        "clip_end": "2025-01-02T03:00:17.000Z",
        "clip_file": "m1.mp4",
        "clip_url": "/v1/moments/m1/clip.mp4",
        "thumbnail_url": "/v1/moments/m1/thumbnail.jpg",
    }


def test_each_part_and_each_moment_without_a_clip_has_a_line(cut: CutFactory) -> None:
    """Nothing that happened is left out."""
    parts = [clip_of("m1", 0, 60), clip_of("m1", 60, 90, clip_id="m1-2", state="failed")]
    told = rows(cut(2, 88, *parts, moment_id="m1"), cut(100, 101, moment_id="m2"))
    assert [(row["moment_id"], row["clip"], row["clip_file"]) for row in told] == [
        ("m1", "ready", "m1.mp4"),
        ("m1", "failed", ""),
        ("m2", "none", ""),
    ]


@pytest.mark.parametrize("text", ['a "goal", at last', "two\nlines", "ein Müller schießt; na endlich"])
def test_any_sentence_comes_back(cut: CutFactory, text: str) -> None:
    """With quotes, commas, line ends and all letters."""
    assert rows(cut(1, 2, text=text))[0]["text"] == text


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_sentence_runs_as_a_formula(cut: CutFactory, text: str) -> None:
    """A spreadsheet shows what begins with an apostrophe as it is written."""
    assert rows(cut(1, 2, text=text))[0]["text"] == f"'{text}"


def test_an_empty_list_has_its_heading() -> None:
    """So that a script finds its columns."""
    assert table([]) == ",".join(COLUMNS) + "\r\n"
