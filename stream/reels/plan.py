"""What a reel shows, in which order, and where each moment is in it. Nothing is read or written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

from stream.clips.joiner import SAME_S, Chapter, Kind, Piece, length_s
from stream.cuts.choice import Cut
from stream.errors import R2StreamError
from stream.events import Instant, ReelChapter, unix_s

SAME_CLOCK_S: Final = 1.0
"""Two clips are of the same connection if wall time and media time lie apart alike: connections are counted from 0
again when the service starts."""
NEAR_S: Final = 1.0
"""Chapters this close to each other are one."""
_NAMED: Final = 3
"""Clips that a message names of each kind."""


class MixedKindsError(R2StreamError):
    """The clips cannot be joined as they are; the message says which do not fit, and what can be done."""

    default_code = "reel_failed"


@dataclass(frozen=True)
class Material:
    """A moment and its files, of which there is at least one."""

    cut: Cut
    pieces: tuple[Piece, ...]
    """One for each of `cut.ready`."""


@dataclass
class Stretch:
    """Pieces of one connection that follow on from each other, and the moments that they show."""

    stream: str
    epoch: int
    clock_s: float
    """Unix time less media time."""
    pieces: list[Piece] = field(default_factory=list)
    moments: list[Material] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        return max(piece.end_s for piece in self.pieces)

    def take(self, piece: Piece) -> None:
        """What shows nothing new is not needed."""
        if not self.pieces or piece.end_s > self.end_s + SAME_S:
            self.pieces.append(piece)


@dataclass(frozen=True)
class Plan:
    """A whole reel."""

    stretches: tuple[tuple[Piece, ...], ...]
    chapters: tuple[ReelChapter, ...]
    length_s: float


def plan(materials: Sequence[Material]) -> Plan:
    """A reel of these moments, in this order; what overlaps is shown once, where the first of it has its place."""
    stretches = _stretches(materials)
    place = {id(material): number for number, material in enumerate(materials)}
    stretches.sort(key=lambda stretch: min(place[id(material)] for material in stretch.moments))
    chapters: list[ReelChapter] = []
    begin_s = 0.0
    for stretch in stretches:
        at = {id(m): begin_s + max(0.0, _start_s(m) - stretch.pieces[0].start_s) for m in stretch.moments}
        chapters += [_chapter(material, at[id(material)]) for material in sorted(stretch.moments, key=_start_s)]
        begin_s += length_s(stretch.pieces)
    return Plan(tuple(tuple(stretch.pieces) for stretch in stretches), tuple(chapters), begin_s)


def within(materials: Sequence[Material], max_length_s: float | None) -> bool:
    """Whether a reel of these is no longer than that."""
    return max_length_s is None or plan(materials).length_s <= max_length_s


def check_kinds(materials: Iterable[Material]) -> None:
    """Raises MixedKindsError when they cannot be joined as they are."""
    kinds: dict[Kind, list[str]] = {}
    for material in materials:
        for clip, piece in zip(material.cut.ready, material.pieces, strict=True):
            kinds.setdefault(piece.kind, []).append(f"{clip.clip_id} of {clip.stream}")
    if len(kinds) < 2:
        return
    told = "; ".join(f"{kind} ({_some(clips)})" for kind, clips in kinds.items())
    raise MixedKindsError(
        f"the clips are of {len(kinds)} kinds, which cannot be joined as they are: {told}; choose one stream, or "
        "queries of streams that are alike"
    )


def titles(chapters: Sequence[ReelChapter], zone: tzinfo) -> list[Chapter]:
    """The chapters of the file: the sentence, and the time of day at which its moment began."""
    found: list[Chapter] = []
    for chapter in chapters:
        time = None if chapter.time is None else datetime.fromisoformat(chapter.time).astimezone(zone)
        title = chapter.text if time is None else f"{chapter.text} · {time:%H:%M:%S}"
        if found and chapter.start_s < found[-1].start_s + NEAR_S:
            found[-1] = Chapter(found[-1].start_s, f"{found[-1].title} / {title}")
        else:
            found.append(Chapter(chapter.start_s, title))
    return found


def _stretches(materials: Sequence[Material]) -> list[Stretch]:
    placed = [(material, piece) for material in materials for piece in material.pieces]
    stretches: list[Stretch] = []
    for material, piece in sorted(placed, key=lambda pair: pair[1].start_s):
        stretch = next((known for known in reversed(stretches) if _goes_on(known, material, piece)), None)
        if stretch is None:
            moment = material.cut.moment
            stretch = Stretch(moment.stream, moment.epoch, _clock_s(moment.start))
            stretches.append(stretch)
        stretch.take(piece)
        if not any(known is material for known in stretch.moments):
            stretch.moments.append(material)
    return stretches


def _goes_on(stretch: Stretch, material: Material, piece: Piece) -> bool:
    moment = material.cut.moment
    if (stretch.stream, stretch.epoch) != (moment.stream, moment.epoch) or piece.start_s > stretch.end_s + SAME_S:
        return False
    alike = abs(stretch.clock_s - _clock_s(moment.start)) <= SAME_CLOCK_S
    return alike and stretch.pieces[-1].kind == piece.kind


def _chapter(material: Material, start_s: float) -> ReelChapter:
    moment = material.cut.moment
    return ReelChapter(
        start_s=round(start_s, 3),
        moment_id=moment.moment_id,
        stream=moment.stream,
        query=moment.query,
        text=moment.text,
        score=moment.score,
        time=moment.start.time,
    )


def _start_s(material: Material) -> float:
    """What its clip shows from, as it was asked for."""
    return material.pieces[0].zero_s


def _clock_s(start: Instant) -> float:
    return (unix_s(start) or 0.0) - (start.media_time_s or 0.0)


def _some(clips: Sequence[str]) -> str:
    more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
    return f"{', '.join(clips[:_NAMED])}{more}"
