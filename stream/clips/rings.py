"""The rings of all streams. One that is no longer watched is kept for a while, for clips that are still to be cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from stream.clips.overflow import Overflow
from stream.clips.ring import PacketRing

RETIRED_S: Final = 15.0
"""How long the packets of a stream that was removed are kept."""


class Rings:
    """One ring for each stream, by name; all of them of the same size. Thread-safe."""

    def __init__(
        self,
        memory_per_stream: int,
        monotonic_s: Callable[[], float] = time.monotonic,
        overflow: Overflow | None = None,
    ) -> None:
        """`memory_per_stream` is in bytes; 0 keeps no packets at all. What does not fit goes to the `overflow`."""
        self.memory_per_stream = memory_per_stream
        self._overflow = overflow
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._rings: dict[str, PacketRing] = {}
        self._retired: dict[str, float] = {}

    def ring(self, stream: str) -> PacketRing | None:
        """The stream's ring, which stays the same when the stream is changed; None when no packets are kept."""
        if not self.memory_per_stream:
            return None
        with self._lock:
            self._purge()
            if stream not in self._rings:
                disk = None if self._overflow is None else self._overflow.disk(stream)
                self._rings[stream] = PacketRing(max_bytes=self.memory_per_stream, disk=disk)
            return self._rings[stream]

    def resize(self, memory_per_stream: int) -> None:
        """Hold so many bytes of each stream from now on. Neither to nor from 0: whether packets are kept at all is
        settled when a stream begins."""
        if not memory_per_stream or not self.memory_per_stream:
            raise ValueError("whether packets are kept cannot be changed")
        with self._lock:
            self.memory_per_stream = memory_per_stream
            for ring in self._rings.values():
                ring.resize(memory_per_stream)

    def find(self, stream: str) -> PacketRing | None:
        """The stream's ring, if there is one."""
        with self._lock:
            self._purge()
            return self._rings.get(stream)

    def keep(self, stream: str) -> None:
        """The stream is watched (again)."""
        with self._lock:
            self._retired.pop(stream, None)

    def retire(self, stream: str) -> None:
        """The stream is not watched any more: its packets go in a while."""
        with self._lock:
            if stream in self._rings:
                self._retired[stream] = self._monotonic_s()

    def _purge(self) -> None:
        for stream, since_s in list(self._retired.items()):
            if self._monotonic_s() - since_s >= RETIRED_S and self._rings[stream].clear():
                del self._retired[stream], self._rings[stream]
