"""A list of cuts as CSV (RFC 4180), for spreadsheets and scripts: a line for each file, and for each moment without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from stream.cuts.choice import Cut
from stream.cuts.edl import file_name
from stream.events import ClipData

COLUMNS: Final = (
    "moment_id",
    "stream",
    "query",
    "text",
    "score",
    "start",
    "end",
    "start_media_s",
    "end_media_s",
    "clip",
    "clip_start",
    "clip_end",
    "clip_file",
    "clip_url",
    "thumbnail_url",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def table(cuts: Sequence[Cut]) -> str:
    """The cuts in their order, with a heading."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for cut in cuts:
        for clip in cut.clips or (None,):
            writer.writerow(map(_harmless, [*_about_moment(cut), *_about_clip(clip)]))
    return out.getvalue()


def _about_moment(cut: Cut) -> Iterator[object]:
    moment = cut.moment
    yield from (moment.moment_id, moment.stream, moment.query, moment.text, moment.score)
    yield from (moment.start.time, moment.end.time, moment.start.media_time_s, moment.end.media_time_s)


def _about_clip(clip: ClipData | None) -> Iterator[object]:
    if clip is None:
        yield from ("none", "", "", "", "", "")
        return
    yield from (clip.state, clip.start.time, clip.end.time)
    yield from (file_name(clip) if clip.state == "ready" else "", clip.url, clip.thumbnail_url)


def _harmless(value: object) -> object:
    """What somebody wrote as a sentence must not run as a formula where the table is opened."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
