"""Durations as people write them: `5s`, `500ms`, `2m`, `1h`, `30d`, or a plain number of seconds."""

from __future__ import annotations

import math
import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h|d)?\s*")
"""What a duration in text looks like."""


def parse_duration_s(value: object) -> float:
    """Seconds, zero or more. Raises ValueError whose text completes the sentence "<key> ..."."""
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"must be a duration such as 5s, 500ms, 2m or a number of seconds, not {value!r}")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS_S[match[2] or "s"] if match else None
