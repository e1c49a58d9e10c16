"""A list of cuts as CMX 3600, the edit decision list that every editing suite reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final, Literal

from stream.cuts.choice import Cut
from stream.cuts.timecode import Rate
from stream.events import ClipData, Instant

MAX_EVENTS: Final = 999
"""Their number has three digits."""
MAX_TITLE: Final = 70
REEL_LENGTH: Final = 8
_RECORD_BEGINS_S: Final = 3600
"""By custom a programme begins at 01:00:00:00."""

Timecode = Literal["clip", "day"]
"""What source timecode counts: the time of a clip's own file, or the time of day at which the stream showed it."""


def edl(title: str, cuts: Sequence[Cut], rate: Rate, timecode: Timecode, zone: tzinfo) -> str:
    """The cuts one behind the other, in their order, an event for each file.

    With `clip`, sources are the files, whole; what has none is left out. With `day`, sources are the streams, as
    somebody has recorded them with the time of day (of `zone`) as timecode; those without a file are listed then, too.
    """
    lines = [f"TITLE: {_one_line(title)[:MAX_TITLE]}", f"FCM: {'' if rate.drops else 'NON-'}DROP FRAME"]
    reels = _Reels()
    record = rate.counted * _RECORD_BEGINS_S
    if rate.drops:
        record -= rate.counted // 15 * 54  # an hour has 54 minutes that drop
    for number, source in enumerate(_sources(cuts, timecode), 1):
        begin = 0 if timecode == "clip" else rate.time_of_day(datetime.fromisoformat(source.start).astimezone(zone))
        length = rate.pictures(source.length_s)
        stamps = (begin, begin + length, record, record + length)
        reel = reels.name(source.reel)
        lines += [
            "",
            f"{number:03}  {reel:<{REEL_LENGTH}} {source.channels:<5} C        {' '.join(map(rate.label, stamps))}",
            f"* FROM CLIP NAME: {source.name}",
            f"* COMMENT: {source.comment}",
        ]
        record += length
    return "\r\n".join([*lines, ""])


def count_events(cuts: Sequence[Cut], timecode: Timecode) -> int:
    """How many events their list has."""
    return sum(1 for _ in _sources(cuts, timecode))


@dataclass(frozen=True)
class _Source:
    """What one event takes its pictures from."""

    reel: str
    name: str
    start: str
    length_s: float
    channels: str
    comment: str


def _sources(cuts: Sequence[Cut], timecode: Timecode) -> Iterator[_Source]:
    for cut in cuts:
        for clip in cut.ready:
            name = file_name(clip) if timecode == "clip" else clip.stream
            reel = clip.clip_id if timecode == "clip" else clip.stream
            yield from _source(cut, clip.start, clip.end, reel, name, "AA/V" if clip.has_sound else "V")
        if timecode == "day" and not cut.ready:
            stream = cut.moment.stream
            yield from _source(cut, cut.moment.start, cut.moment.end, stream, stream, "V")


def _source(cut: Cut, start: Instant, end: Instant, reel: str, name: str, channels: str) -> Iterator[_Source]:
    if start.time is None or start.media_time_s is None or end.media_time_s is None:
        return
    moment = cut.moment
    comment = f"{moment.score:.2f} {moment.stream} {moment.query} {moment.start.time} {moment.text}"
    yield _Source(reel, name, start.time, end.media_time_s - start.media_time_s, channels, _one_line(comment))


@dataclass
class _Reels:
    """Names of at most eight letters and digits, another one for each source."""

    _names: dict[str, str] = field(default_factory=dict)

    def name(self, source: str) -> str:
        if source not in self._names:
            short = re.sub(r"[^A-Z0-9]", "", source.upper())[:REEL_LENGTH] or "REEL"
            number, taken = 1, set(self._names.values())
            name = short
            while name in taken:
                number += 1
                name = f"{short[: REEL_LENGTH - len(str(number))]}{number}"
            self._names[source] = name
        return self._names[source]


def file_name(clip: ClipData) -> str:
    """What the file of a clip is called when it is downloaded."""
    return f"{clip.clip_id}.{clip.container}"


def _one_line(text: str) -> str:
    """Nothing of it begins a line of its own."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
