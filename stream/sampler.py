"""One picture per frame slot, on media time.

The time axis of one epoch starts at its first picture; slot `i` begins at `origin + i * frame_interval_s`, and the
first picture at or after that moment fills it (`SLOT_TOLERANCE_S` early is early enough). Nothing later is looked at,
so what a slot shows never depends on the future. A slot or two that no picture filled repeat the last one; when more
are missing, time jumps back or the connection is new, the axis breaks: a `Gap` comes first, then the new frames.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Literal, get_args

from stream.types import Frame, Gap, Image, Picture

SLOT_TOLERANCE_S = 0.01
"""How early a picture may come: timestamps are rounded to milliseconds or 1/90000 s. Less than a picture at 60 Hz."""

MAX_REPEATED_FRAMES = 2
"""Missed slots that are filled by repeating the last picture; more make a gap."""

JUMP_BACK_S = 1.0
"""A picture older than the last one taken by more than this means that time jumped; by less, that it came late."""

SamplerResult = Literal["taken", "repeated", "surplus", "late", "gap"]
"""Taken into a slot; a slot filled by repetition; not needed because its slot is filled; older than the last one
taken; a break of the time axis."""

GapReason = Literal["new_connection", "time_jumped_back", "frames_missing"]


class Sampler:
    """Turns the pictures of one stream into frames and gaps. Bounded: it keeps one frame."""

    def __init__(self, stream: str, frame_interval_s: float) -> None:
        """Raises ValueError when `frame_interval_s` is not above 0."""
        if not (math.isfinite(frame_interval_s) and frame_interval_s > 0):
            raise ValueError(f"frame_interval_s must be above 0, not {frame_interval_s}")
        self.stream = stream
        self.frame_interval_s = frame_interval_s
        self._origin_s = 0.0
        self._taken_s = 0.0
        self._last: Frame | None = None
        self._counts: Counter[SamplerResult] = Counter()

    @property
    def counts(self) -> dict[SamplerResult, int]:
        """How many pictures, slots and breaks had which result, since the start; a copy."""
        return {result: self._counts[result] for result in get_args(SamplerResult)}

    def wants(self, media_time_s: float, epoch: int | None = None) -> bool:
        """Whether a picture of that time would be taken, so that nobody decodes or converts one that is not.

        Leave `epoch` out where the connection has not changed since the last picture fed.
        """
        if self._last is None or (epoch is not None and epoch != self._last.epoch):
            return True
        return self._jumped_back(media_time_s) or self._slot(media_time_s) > self._last.index

    def feed(self, picture: Picture) -> list[Frame | Gap]:
        """Frames and gaps in the order of time; empty when the picture is not needed.

        Calls `to_rgb` once at most, before anything changes: when it raises, it is as if the picture never came.
        """
        if not self.wants(picture.media_time_s, picture.epoch):
            self._counts["late" if picture.media_time_s < self._taken_s else "surplus"] += 1
            return []
        image = picture.to_rgb()
        reason = self._break_before(picture)
        out: list[Frame | Gap] = []
        if reason:
            self._counts["gap"] += 1
            out.append(Gap(self.stream, picture.epoch, reason))
        if self._last is None or reason in ("new_connection", "time_jumped_back"):
            self._origin_s, slot = picture.media_time_s, 0
        else:
            slot = self._slot(picture.media_time_s)
            out += [] if reason else self._repeat(self._last, slot)
        self._taken_s = picture.media_time_s
        return [*out, self._take(picture, slot, image)]

    def _break_before(self, picture: Picture) -> GapReason | None:
        """Why the time axis cannot go on to this picture."""
        if self._last is None:
            return None
        if picture.epoch != self._last.epoch:
            return "new_connection"
        if self._jumped_back(picture.media_time_s):
            return "time_jumped_back"
        missed = self._slot(picture.media_time_s) - self._last.index - 1
        return "frames_missing" if missed > MAX_REPEATED_FRAMES else None

    def _jumped_back(self, media_time_s: float) -> bool:
        return media_time_s < self._taken_s - JUMP_BACK_S

    def _slot(self, media_time_s: float) -> int:
        return math.floor((media_time_s - self._origin_s + SLOT_TOLERANCE_S) / self.frame_interval_s)

    def _repeat(self, last: Frame, until_slot: int) -> list[Frame]:
        """Copies of the last frame for the slots between it and `until_slot`."""
        copies = [
            replace(
                last,
                index=index,
                media_time_s=self._slot_s(index),
                wall_time_s=last.wall_time_s + (index - last.index) * self.frame_interval_s,
                repeated=True,
            )
            for index in range(last.index + 1, until_slot)
        ]
        self._counts["repeated"] += len(copies)
        return copies

    def _take(self, picture: Picture, slot: int, image: Image) -> Frame:
        slot_s = self._slot_s(slot)
        self._last = Frame(
            stream=self.stream,
            epoch=picture.epoch,
            index=slot,
            media_time_s=slot_s,
            wall_time_s=picture.wall_time_s - (picture.media_time_s - slot_s),
            clock=picture.clock,
            image=image,
        )
        self._counts["taken"] += 1
        return self._last

    def _slot_s(self, slot: int) -> float:
        return self._origin_s + slot * self.frame_interval_s
