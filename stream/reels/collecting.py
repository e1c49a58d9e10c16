"""Finds the best moments whose clips are there, and brings their files to where they can be joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from stream.clips.clocks import Clocks
from stream.clips.cutter import CutError
from stream.clips.joiner import Piece, survey
from stream.clips.packets import Container
from stream.clips.remote import RemoteFile
from stream.cuts.choice import Cut, cuts_of
from stream.cuts.days import parse_time_s
from stream.errors import NotFoundError, R2StreamError
from stream.events import ClipData, LeftOut, ReelWish, unix_s
from stream.reels.place import brought
from stream.reels.plan import Material, check_kinds, within
from stream.store import MomentChoice, Store

CANDIDATES: Final = 1000
"""Moments that are looked through, best first."""
MAX_TOLD: Final = 50
"""Moments of which a reel says why it does not show them."""
PATIENCE_S: Final = 120.0
"""How long a reel waits for clips that are not ready yet."""

Step = Callable[[float], None]
"""Told how much is done, from 0 to 1; it raises to end the work."""


class NotYetError(R2StreamError):
    """Clips that a reel may want are not ready yet."""

    default_code = "reel_pending"


class ClipFiles(Protocol):
    """Where files of clips come from."""

    def video(self, clip_id: str, container: Container) -> Path | RemoteFile:
        """Raises NotFoundError and ConflictError."""
        ...


@dataclass(frozen=True)
class Collected:
    """What a reel is made of, in its order, and what it would have shown besides."""

    materials: tuple[Material, ...]
    left_out: tuple[LeftOut, ...]


class Collector:
    """Used by the maker's thread alone."""

    def __init__(self, store: Store, clips: ClipFiles, clocks: Clocks) -> None:
        self._store = store
        self._clips = clips
        self._clocks = clocks

    def has_moments(self, wish: ReelWish) -> bool:
        """Whether anything happened. Raises StoreError."""
        return bool(self._store.ended_moments(_choice(wish), 1))

    def collect(self, wish: ReelWish, since_s: float, room: Path, step: Step) -> Collected:
        """The moments of a reel that was asked for at `since_s`. Copies of files from elsewhere go into `room`.

        Raises:
            NotYetError: clips are not ready, and may still be.
            CutError, MixedKindsError: no reel can be made of what there is.
            TargetError, StoreError, OSError: something does not do its part.
        """
        cuts = cuts_of(self._store, self._store.ended_moments(_choice(wish), CANDIDATES))
        if not cuts:
            raise CutError("there were no such moments in that time")
        if self._clocks.wall_time_s() < since_s + PATIENCE_S and any(map(_is_pending, cuts)):
            raise NotYetError("clips are not ready yet")
        taken: list[Material] = []
        left_out: list[LeftOut] = []
        for cut in cuts:
            if len(taken) == wish.best:
                break
            reason = self._take(cut, wish, room, taken)
            step(len(taken) / wish.best)
            if reason is not None:
                left_out.append(LeftOut(moment_id=cut.moment.moment_id, reason=reason))
        if not taken:
            raise CutError(f"none of the {len(cuts)} moments of that time can be shown: {left_out[0].reason}")
        check_kinds(taken)
        if wish.order == "time":
            taken.sort(key=lambda material: unix_s(material.cut.moment.start) or 0.0)
        return Collected(tuple(taken), tuple(left_out[:MAX_TOLD]))

    def _take(self, cut: Cut, wish: ReelWish, room: Path, taken: list[Material]) -> str | None:
        """Add a moment to those that are shown, or say why not."""
        if not cut.ready:
            return cut.clips[0].reason or "Its clip has no file." if cut.clips else "It has no clip."
        try:
            pieces = [self._piece(clip, room) for clip in cut.ready]
        except (NotFoundError, FileNotFoundError, CutError) as error:
            return f"{error}."
        material = Material(cut, tuple(pieces))
        if not within([*taken, material], wish.max_length):
            return "The reel has no room for it; raise max_length."
        taken.append(material)
        return None

    def _piece(self, clip: ClipData, room: Path) -> Piece:
        assert clip.container is not None, "it is ready"
        file = brought(self._clips.video(clip.clip_id, clip.container), room / f"{clip.clip_id}.{clip.container}")
        return survey(file, clip.container, clip.start.media_time_s or 0.0)


def _choice(wish: ReelWish) -> MomentChoice:
    return MomentChoice(
        since_s=None if wish.since is None else parse_time_s(wish.since, "from"),
        until_s=None if wish.until is None else parse_time_s(wish.until, "to"),
        streams=wish.streams,
        queries=wish.queries,
        min_score=wish.min_score,
    )


def _is_pending(cut: Cut) -> bool:
    begun = any(clip.state == "pending" for clip in cut.clips)
    return begun or (not cut.clips and cut.moment.clip.state == "pending")
