"""Files of encoded packets: a ring's oldest GOPs, one after the other, in segments that go as a whole.

They are of no use to anybody but the process that wrote them, which alone knows what lies where.
"""

from __future__ import annotations

import errno
import struct
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from stream.clips.packets import EncodedPacket

SUFFIX: Final = ".packets"
SHARE: Final = 32
"""A segment is this part of all that may be held, so that little goes when the oldest one does."""

_HEAD: Final = struct.Struct("<II")
"""How many packets of video and of sound."""
_PACKET: Final = struct.Struct("<qqqI?")
"""pts, dts, duration, bytes, whether it is a keyframe."""
_NO_DTS: Final = -(1 << 63)

Packets = Sequence[EncodedPacket]
OpenFile = Callable[[Path, str], FileIO]
"""Opens a file, unbuffered, as `FileIO` does."""


@dataclass(eq=False)
class Segment:
    """One file."""

    path: Path
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a GOP lies."""

    segment: Segment
    offset: int
    bytes: int

    def read(self) -> tuple[list[EncodedPacket], list[EncodedPacket]]:
        """Its video and its sound. Raises OSError; FileNotFoundError when its segment is gone."""
        with self.segment.path.open("rb") as file:
            file.seek(self.offset)
            record = file.read(self.bytes)
        try:
            return unpack(record)
        except (struct.error, ValueError) as error:
            raise OSError(errno.EIO, "other bytes than those that were written", str(self.segment.path)) from error


class Segments:
    """The files of one ring. One thread writes and removes; any may read."""

    def __init__(self, folder: Path, name: str, max_bytes: int, open_file: OpenFile = FileIO) -> None:
        """`name` is part of all file names and nobody else's."""
        self.folder = folder
        self.max_bytes = max_bytes
        self.bytes = 0
        self._name = name
        self._open_file = open_file
        self._segments: deque[Segment] = deque()
        self._number = 0

    @property
    def oldest(self) -> Segment | None:
        return self._segments[0] if self._segments else None

    def write(self, record: bytes) -> Place:
        """Put a record behind all others. Raises OSError, and then it is as if nothing had been tried."""
        if not self._segments or self._segments[-1].bytes >= self.max_bytes // SHARE:
            self._begin()
        segment = self._segments[-1]
        try:
            self._append(segment, record)
        except OSError:
            if not segment.bytes:
                self._segments.pop()
                with suppress(OSError):
                    segment.path.unlink()
            raise
        place = Place(segment, segment.bytes, len(record))
        segment.bytes += len(record)
        self.bytes += len(record)
        return place

    def _append(self, segment: Segment, record: bytes) -> None:
        # Not kept open: there may be more streams than a process may have files.
        with self._open_file(segment.path, "r+b" if segment.bytes else "wb") as file:
            file.seek(segment.bytes)
            try:
                rest = memoryview(record)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
            except OSError:
                with suppress(OSError):
                    file.truncate(segment.bytes)
                raise

    def remove_oldest(self) -> None:
        """Give its space back. Raises OSError when the file stays."""
        segment = self._segments.popleft()
        self.bytes -= segment.bytes
        segment.path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Give all space back."""
        while self._segments:
            with suppress(OSError):
                self.remove_oldest()

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._segments.append(Segment(self.folder / f"{self._name}.{self._number}{SUFFIX}"))
        self._number += 1


def sweep(folder: Path) -> None:
    """Remove what an earlier process left behind. Raises OSError."""
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink(missing_ok=True)


def pack(video: Packets, sound: Packets) -> bytes:
    """Packets as a record. Raises struct.error when a number in them does not fit."""
    packets = [*video, *sound]
    heads = b"".join(
        _PACKET.pack(p.pts, _NO_DTS if p.dts is None else p.dts, p.duration, len(p.data), p.is_keyframe)
        for p in packets
    )
    return b"".join([_HEAD.pack(len(video), len(sound)), heads, *(packet.data for packet in packets)])


def unpack(record: bytes) -> tuple[list[EncodedPacket], list[EncodedPacket]]:
    """What `pack` was given. Raises struct.error and ValueError for anything else."""
    videos, sounds = _HEAD.unpack_from(record)
    at = _HEAD.size + (videos + sounds) * _PACKET.size
    packets: list[EncodedPacket] = []
    for pts, dts, duration, size, is_keyframe in _PACKET.iter_unpack(record[_HEAD.size : at]):
        data = record[at : at + size]
        packets.append(EncodedPacket(data, pts, None if dts == _NO_DTS else dts, duration, is_keyframe))
        at += size
    if at != len(record) or len(packets) != videos + sounds:
        raise ValueError("the record is not whole")
    return packets[:videos], packets[videos:]
