"""What rings have no memory for goes to the disk, in a thread of its own, so that no source ever waits for it."""

from __future__ import annotations

import errno
import itertools
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from stream.clips.ring import PacketRing
from stream.clips.segments import OpenFile, Place, Segments, pack, sweep
from stream.clips.stretch import Gop
from stream.clips.workers import Task, Workers

MAX_STORED_S: Final = 6 * 3600.0
MAX_STORED_GOPS: Final = 20_000
"""Of one stream. What is known of each stays in memory: some 300 bytes."""
WAITING: Final = 10_000
"""GOPs that may wait to be written. Until then they are in memory, where each ring has its bounds."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_log = logging.getLogger(__name__)


class Overflow:
    """The disk's part of all rings: files in a folder that nobody else uses. Nothing in it outlives the process."""

    def __init__(self, folder: Path, bytes_per_stream: int, open_file: OpenFile = FileIO) -> None:
        """0 bytes keep nothing on the disk."""
        self.folder = folder
        self.bytes_per_stream = bytes_per_stream
        self._open_file = open_file
        self._workers = Workers("clips.overflow", threads=1, capacity=WAITING)
        self._numbers = itertools.count()

    def start(self) -> None:
        """Begin by removing what a crash left behind."""
        if self.bytes_per_stream or self.folder.exists():
            self._workers.offer(self._sweep)

    def stop(self, timeout_s: float) -> bool:
        """Remove all files; says whether the disk was done in time."""
        if not self._workers.stop(timeout_s):
            return False
        self._sweep()
        return True

    def disk(self, stream: str) -> RingDisk | None:
        """The disk's part of a new ring; None when nothing is kept there."""
        if not self.bytes_per_stream:
            return None
        name = f"{stream}.{next(self._numbers)}"
        segments = Segments(self.folder, name, self.bytes_per_stream, self._open_file)
        return RingDisk(stream, segments, self._workers.offer)

    def _sweep(self) -> None:
        try:
            sweep(self.folder)
        except OSError as error:
            _log.warning("old packets in %s cannot be removed: %s", self.folder, error)


class RingDisk:
    """Implements `stream.clips.ring.Disk`."""

    def __init__(self, stream: str, segments: Segments, have_done: Callable[[Task], bool]) -> None:
        """`have_done` puts off a task to the thread that may wait for the disk; False when too many are put off."""
        self.max_bytes = segments.max_bytes
        self.problem: str | None = None
        self._stream = stream
        self._segments = segments
        self._have_done = have_done

    @property
    def used_bytes(self) -> int:
        return self._segments.bytes

    def offer(self, ring: PacketRing, gop: Gop) -> None:
        # When there is no room, the ring drops it as any that was not written in time.
        self._have_done(partial(self._take, ring, gop))

    def close(self) -> bool:
        return self._have_done(self._segments.clear)

    def _take(self, ring: PacketRing, gop: Gop) -> None:
        """Write one GOP, unless it is gone."""
        contents = ring.contents(gop)
        if contents is None:
            return
        try:
            record = pack(*contents)
            if len(record) > self.max_bytes:
                ring.refused(gop, "old")
                return
            ring.written(gop, self._write(ring, record))
        except struct.error as error:
            ring.refused(gop, "disk_error")
            _log.error("%s: packets that make no sense are not kept on the disk: %s", self._stream, error)
        except OSError as error:
            ring.refused(gop, "disk_full" if error.errno in _FULL else "disk_error")
            self._has_failed(error)
        else:
            self._works()

    def _write(self, ring: PacketRing, record: bytes) -> Place:
        """Behind all others, the oldest making room for it; also when somebody else has filled the disk."""
        while True:
            count, seconds = ring.stored
            over = self.used_bytes + len(record) > self.max_bytes or seconds > MAX_STORED_S or count > MAX_STORED_GOPS
            if over and self._remove_oldest(ring):
                continue
            try:
                return self._segments.write(record)
            except OSError as error:
                if error.errno not in _FULL or not self._remove_oldest(ring):
                    raise

    def _remove_oldest(self, ring: PacketRing) -> bool:
        """Whether there was anything to remove."""
        oldest = self._segments.oldest
        if oldest is None:
            return False
        ring.forget(oldest)
        with suppress(OSError):
            self._segments.remove_oldest()
        return True

    def _has_failed(self, error: OSError) -> None:
        folder = self._segments.folder
        if error.errno in _FULL:
            problem = f"No space is left in {folder}: make room, or lower clips.disk_per_stream."
        else:
            reason = error.strerror or error
            problem = f"{folder} cannot be written ({reason}); check the disk and the permissions of data_dir."
        if self.problem is None:
            _log.warning("%s: older video is not kept on the disk: %s", self._stream, problem)
        self.problem = problem

    def _works(self) -> None:
        if self.problem is not None:
            _log.warning("%s: older video is kept on the disk again", self._stream)
        self.problem = None
