"""Packets come back from the disk as they were, or not at all."""

from __future__ import annotations

import errno
import struct
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clips.packets import EncodedPacket
from stream.clips.segments import SHARE, Segments, pack, sweep, unpack

NUMBERS = st.integers(-(1 << 62), 1 << 62)
PACKETS = st.lists(
    st.builds(EncodedPacket, st.binary(max_size=50), NUMBERS, st.none() | NUMBERS, NUMBERS, st.booleans()), max_size=8
)


def packets(*sizes: int) -> list[EncodedPacket]:
    return [EncodedPacket(bytes([size % 251]) * size, size, None, 1, True) for size in sizes]


@given(PACKETS, PACKETS)
def test_a_record_is_what_was_put_into_it(video: list[EncodedPacket], sound: list[EncodedPacket]) -> None:
    """Whatever the packets are."""
    assert unpack(pack(video, sound)) == (video, sound)


@given(PACKETS, st.data())
def test_half_a_record_is_none(video: list[EncodedPacket], data: st.DataObject) -> None:
    """Nothing is made of bytes that are not all there."""
    record = pack(video, [])
    with pytest.raises((ValueError, struct.error)):
        unpack(record[: data.draw(st.integers(0, len(record) - 1))])


def test_records_are_found_where_they_were_put(tmp_path: Path) -> None:
    """In as many files as it takes, each of which goes as a whole."""
    segments = Segments(tmp_path / "new", "pitch.0", SHARE * 1000)
    places = [segments.write(pack(packets(size), [])) for size in range(300, 900, 100)]
    files = sorted((tmp_path / "new").iterdir())
    assert len(files) == 3 and all(file.name.startswith("pitch.0.") for file in files)
    assert segments.bytes == sum(file.stat().st_size for file in files)
    assert [place.read()[0] for place in places] == [packets(size) for size in range(300, 900, 100)]
    oldest = segments.oldest
    assert oldest is not None
    segments.remove_oldest()
    assert not oldest.path.exists()
    kept = [place for place in places if place.segment is not oldest]
    assert segments.bytes == sum(place.bytes for place in kept)
    assert 0 < len(kept) < len(places)
    with pytest.raises(FileNotFoundError):
        places[0].read()
    assert kept[0].read()
    segments.clear()
    assert segments.bytes == 0 and not list((tmp_path / "new").iterdir())
    assert segments.write(pack(packets(5), [])).read() == (packets(5), [])


def test_a_file_that_somebody_has_changed_is_an_error(tmp_path: Path) -> None:
    """And no packets of it are shown."""
    segments = Segments(tmp_path, "a", 1 << 20)
    place = segments.write(pack(packets(500), []))
    place.segment.path.write_bytes(b"\xff" * 700)
    with pytest.raises(OSError, match="other bytes"):
        place.read()
    place.segment.path.write_bytes(b"")
    with pytest.raises(OSError, match="other bytes"):
        place.read()


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Half a record is taken back, so that the next one lies where it is said to lie."""

    class Narrow(FileIO):
        room = 1000

        def write(self, data: object) -> int:
            assert isinstance(data, memoryview)
            if not self.room:
                raise OSError(errno.ENOSPC, "no space")
            some = data[: self.room]
            Narrow.room -= len(some)
            return super().write(some)

    segments = Segments(tmp_path, "a", 1 << 20, Narrow)
    first = segments.write(pack(packets(500), []))
    with pytest.raises(OSError, match="no space"):
        segments.write(pack(packets(700), []))
    Narrow.room = 5000
    second = segments.write(pack(packets(600), []))
    assert (first.read()[0], second.read()[0]) == (packets(500), packets(600))
    assert first.segment.path.stat().st_size == segments.bytes == second.offset + second.bytes


def test_leftovers_are_swept(tmp_path: Path) -> None:
    """Files of packets, and nothing else; a folder that is not there has none."""
    Segments(tmp_path, "a", 1000).write(pack(packets(5), []))
    (tmp_path / "note.txt").write_text("keep")
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]
