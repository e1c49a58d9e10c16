"""How long a recording is."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.sources import SourceSpec, recording_length_s


def test_a_file_says_how_long_it_is(h264_file: Path) -> None:
    """4 s of pictures."""
    assert recording_length_s(SourceSpec.parse(str(h264_file))) == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("address", ["rtsp://camera/1", "http://127.0.0.1:9/a.mp4", "demo://broadcast", "nowhere.mp4"])
def test_others_do_not(address: str) -> None:
    """And nothing is connected to for it; a file that cannot be read is for its reader to explain."""
    assert recording_length_s(SourceSpec.parse(address)) is None
