"""Sizes as people write them: `64MiB`, `10GB`, or a plain number of bytes."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    **{"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12},
    **{"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40},
}
SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*((?:[KMGTkmgt][Ii]?)?[Bb])?\s*")
"""What a size in text looks like."""


def parse_size_bytes(value: object) -> int:
    """Bytes, zero or more. Raises ValueError whose text completes the sentence "<key> ..."."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value % 1 == 0:
        return int(value)
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a size such as 64MiB, 10GiB or a number of bytes, not {value!r}")
    return int(float(match[1]) * _UNITS[(match[2] or "b").lower()])
