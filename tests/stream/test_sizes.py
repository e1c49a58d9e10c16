"""Sizes as people write them."""

from __future__ import annotations

import pytest

from stream.sizes import parse_size_bytes


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [(0, 0), (1500, 1500), ("1500", 1500), ("64MiB", 64 << 20), ("10 GB", 10**10), ("1.5kib", 1536), ("7b", 7)],
)
def test_sizes_are_read(written: object, size_bytes: int) -> None:
    """With units of either kind, or without."""
    assert parse_size_bytes(written) == size_bytes


@pytest.mark.parametrize("written", ["", "much", "-1", -1, 1.5, True, None, "5ib", "1e9", "64 MiBs"])
def test_what_is_no_size_is_refused(written: object) -> None:
    """With an example."""
    with pytest.raises(ValueError, match="must be a size such as 64MiB"):
        parse_size_bytes(written)
