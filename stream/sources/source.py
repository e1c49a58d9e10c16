"""What every source is: an endless-or-not iterator of pictures that tells its state, and a thread that drains it."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from stream.clips.ring import PacketRing
from stream.redact import redacted_trace
from stream.sources.connection import Limits
from stream.sources.failure import Failure, internal
from stream.sources.host_clock import HostClock, SystemClock
from stream.sources.spec import SourceSpec
from stream.sources.state import Cause, SourceState, SourceStats, StateName
from stream.types import Picture

_log = logging.getLogger(__name__)


class Wants(Protocol):
    """Whether a picture is of use to whoever takes them; asked before a picture is handed over."""

    def __call__(self, media_time_s: float, epoch: int) -> bool: ...


def _everything(media_time_s: float, epoch: int) -> bool:
    return True


def _ignore(state: SourceState) -> None:
    pass


@dataclass(frozen=True)
class Surroundings:
    """What a source is given from outside."""

    wants: Wants = _everything
    on_state: Callable[[SourceState], None] = _ignore
    """Called in the source's thread on every change of state, and on nothing else."""
    clock: HostClock = field(default_factory=SystemClock)
    limits: Limits = field(default_factory=Limits)
    first_epoch: int = 0
    ring: PacketRing | None = None
    """Where encoded packets are kept for clips; None keeps none."""


class Source(ABC):
    """Pictures of one stream. `pictures` runs in one thread; `stop`, `state` and `stats` may be used from any."""

    no_packets: ClassVar[str | None] = "This kind of stream has no encoded video, so no clips can be cut."
    """Why no packets come into the ring, in a sentence; None when they do."""

    def __init__(self, spec: SourceSpec, surroundings: Surroundings) -> None:
        self.spec = spec
        self.stats = SourceStats()
        self._wants = surroundings.wants
        self._on_state = surroundings.on_state
        self._clock = surroundings.clock
        self._limits = surroundings.limits
        self._epoch = surroundings.first_epoch
        self._stop = threading.Event()
        self._state = SourceState("connecting", "none", f"Connecting to {spec.shown}.", self._clock.now_s())

    @abstractmethod
    def pictures(self) -> Iterator[Picture]:
        """The pictures that are wanted, in the order of time; ends when the source has `ended`, `failed` or is stopped.

        Blocks while nothing comes, and reconnects without end where that is of use. Call it once.
        """

    @property
    def state(self) -> SourceState:
        """How the source is now."""
        return self._state

    def stop(self) -> None:
        """Asks `pictures` to end. It does so at once when pictures come, and else within the limits for silence."""
        self._stop.set()

    @property
    def stop_bound_s(self) -> float:
        """The longest time that `pictures` may take to end once asked to, plus some for a busy machine."""
        return 2 * self._limits.open_s + self._limits.read_s + 1.0

    def fail(self, failure: Failure) -> None:
        """Notes that the source is of no use any more."""
        self._enter("failed", failure.cause, failure.reason)

    def _enter(self, name: StateName, cause: Cause = "none", reason: str = "") -> None:
        now = self._state
        if self._stop.is_set() or (now.name, now.cause, now.reason) == (name, cause, reason):
            return
        since_s = now.since_s if now.name == name else self._clock.now_s()
        self._state = SourceState(name, cause, reason, since_s)
        _log.log(
            logging.INFO if name in ("online", "ended", "connecting") else logging.WARNING,
            "%s: %s %s",
            self.spec.shown,
            name,
            reason,
        )
        self._on_state(self._state)


class SourceThread:
    """Drains a source in a thread of its own, so that nothing waits for a source and no source waits for another."""

    def __init__(self, name: str, source: Source, on_picture: Callable[[Picture], None]) -> None:
        """`name` is the stream's; `on_picture` is called in the thread and must not wait for long."""
        self.source = source
        self._on_picture = on_picture
        # A daemon, since a library call that waits for a dead server must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"source[{name}]", daemon=True)

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Ends the source; says whether its thread has ended within `timeout_s` (the source's own bound if None).

        With 0 it only asks. After the call `on_picture` is called no more, except for a picture already on its way.
        """
        self.source.stop()
        if self._thread.ident is None or self._thread is threading.current_thread():
            return True
        self._thread.join(self.source.stop_bound_s if timeout_s is None else timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for picture in self.source.pictures():
                self._on_picture(picture)
        except Exception as error:
            # Nobody looks at a thread that has died: its stream must say so.
            _log.error("%s: the source's thread ended by a mistake\n%s", self.source.spec.shown, redacted_trace(error))
            self.source.fail(internal(error))
