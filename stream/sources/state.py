"""What a source says about itself: its state with a reason a person can act on, and its counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

StateName = Literal["connecting", "online", "stalled", "offline", "ended", "failed"]
"""`connecting` until the first picture; `stalled` when a connected source falls silent; `offline` while a live source
cannot be reached and is retried; `ended` after a recording's last picture; `failed` when trying again is of no use."""

Cause = Literal[
    "none",
    "unreachable",
    "unauthorised",
    "not_found",
    "refused_by_server",
    "silent",
    "closed",
    "no_video",
    "undecodable",
    "unreadable",
    "address_in_use",
    "no_publisher",
    "internal",
]
"""Why a source is not online, in a word that metrics can carry."""


@dataclass(frozen=True)
class SourceState:
    """A source's state, the reason for it (one clear sentence without secrets, empty when online) and since when."""

    name: StateName
    cause: Cause
    reason: str
    since_s: float
    """Unix seconds."""


@dataclass
class SourceStats:
    """Running totals since the source was made. Written by the source's thread alone; others read single values."""

    packets: int = 0
    bytes: int = 0
    pictures: int = 0
    """Decoded (or, by the demo, shown)."""
    taken: int = 0
    """Handed over, because the sampler wanted them. Pictures that nobody wanted are no drops."""
    decode_seconds: float = 0.0
    connections: int = 0
    discontinuities: int = 0
    """Jumps of the stream's own clock within one connection."""
    reconnects: Counter[str] = field(default_factory=Counter)
    """By `Cause`: how often a live source was lost, or could not be reached, and was tried again."""
    drops: Counter[str] = field(default_factory=Counter)
    """By cause, what was lost although somebody may have wanted it: `decode_error` packets, `out_of_order` pictures."""
