"""How many files are kept, clips and reels together: the oldest go, whichever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream.store import ClipRecord, ReelRecord, Store


@dataclass
class Retention:
    """How many files are kept; may be changed at any time."""

    max_bytes: int
    max_age_s: float

    def next_to_go(
        self, store: Store, now_s: float, leaving: Mapping[str, int] | None = None
    ) -> tuple[ClipRecord | ReelRecord, str] | None:
        """The oldest file and why it must go; None when all may stay. `leaving` go already, and how large they are.

        Raises StoreError.
        """
        leaving = leaving or {}
        clip, reel = store.clips.oldest_ready(but=leaving), store.reels.oldest_ready()
        oldest = min((record for record in (clip, reel) if record is not None), key=_age, default=None)
        if oldest is None:
            return None
        kept_bytes = store.clips.ready_bytes() + store.reels.ready_bytes() - sum(leaving.values())
        if kept_bytes > self.max_bytes:
            return oldest, "It was removed for newer files; raise clips.max_bytes to keep more."
        if now_s - oldest.created_s > self.max_age_s:
            return oldest, "It was removed for its age; raise clips.max_age to keep files longer."
        return None


def _age(record: ClipRecord | ReelRecord) -> float:
    return record.created_s
