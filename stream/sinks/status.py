"""How a sink is doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SinkState = Literal["delivering", "retrying", "failed", "disabled"]
SinkType = Literal["webhook", "mqtt"]


@dataclass(frozen=True)
class SinkStatus:
    """One sink and how it is doing."""

    name: str
    type: SinkType
    state: SinkState
    """`retrying`: waiting may heal it; `failed`: it goes on trying, but somebody should act."""
    reason: str | None
    """What is wrong and what to do about it; None while delivering."""
    since: datetime
    """When the state was entered."""
    cursor: int
    """Of the last event that is delivered, or need not be."""
    lag: int
    """How many events the log holds after it."""
    last_delivery: datetime | None
    dead_letters: int
    """Events that were given up and can be redelivered."""
