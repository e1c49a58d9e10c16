"""Sources read with FFmpeg: RTSP, RTMP, HTTP and HLS, raw packets on the network, and files."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

import av

from stream.backoff import Backoff
from stream.redact import redact, redacted_trace
from stream.sources.connection import connect
from stream.sources.failure import Failure, SourceFailure, classify, closed, internal, later
from stream.sources.session import Session, SessionSettings
from stream.sources.source import Source, Surroundings
from stream.sources.spec import SourceSpec
from stream.types import Picture

_log = logging.getLogger(__name__)

STEADY_S = 10.0
"""A connection that held so long was a good one: the next try comes soon again."""


class Reader(Source):
    """One stream or file. Demuxes, decodes and hands over; reconnects for ever, each connection a new epoch."""

    no_packets = None

    def __init__(self, spec: SourceSpec, surroundings: Surroundings) -> None:
        super().__init__(spec, surroundings)
        self._soon = Backoff(first_s=0.25, cap_s=10.0)
        self._later = Backoff(first_s=5.0, cap_s=60.0)
        self._settings = SessionSettings(
            spec=spec,
            stats=self.stats,
            clock=self._clock,
            limits=self._limits,
            stop=self._stop,
            wants=self._wants,
            on_first_picture=self._on_first_picture,
            ring=surroundings.ring,
        )
        self._online_s: float | None = None

    def pictures(self) -> Iterator[Picture]:
        if self.spec.kind == "rtmp-listen":
            self._enter("connecting", "no_publisher", f"Waiting for a publisher at {self.spec.shown}.")
        while not self._stop.is_set():
            self._online_s = None
            failure = yield from self._one_connection()
            if failure is None or self._stop.is_set():
                return
            if self._online_s is not None and self._clock.monotonic_s() - self._online_s >= STEADY_S:
                self._soon.reset()
                self._later.reset()
            self._report(failure)
            if failure.retry == "never" or self._clock.wait(self._stop, self._wait_s(failure)):
                return

    def stop(self) -> None:
        super().stop()
        if self.spec.kind == "rtmp-listen":
            _knock(self.spec)

    def _one_connection(self) -> Generator[Picture, None, Failure | None]:
        """Pictures of one connection; returns why it broke, or None after the good end of a recording."""
        session: Session | None = None
        began_s = self._clock.monotonic_s()
        try:
            with connect(self.spec, self._limits, with_sound=self._settings.ring is not None) as connection:
                session = Session(self._settings, connection, self._epoch)
                self._on_connected()
                yield from session.pictures()
        except (av.FFmpegError, OSError, SourceFailure) as error:
            return self._broken(error, session, self._clock.monotonic_s() - began_s)
        except Exception as error:
            # What nobody foresaw may heal by itself, as a camera that sends nonsense once: the stream is not given up.
            _log.error("%s: reading failed by a mistake\n%s", self.spec.shown, redacted_trace(error))
            return internal(error, later(self.spec))
        finally:
            if session is not None and session.shown:
                self._epoch = session.epoch + 1
        if not session.recorded:
            return closed(self.spec)
        self._enter("ended")
        return None

    def _broken(self, error: Exception, session: Session | None, took_s: float) -> Failure | None:
        _log.debug("%s: %s", self.spec.shown, redact(str(error)))
        if session is not None and session.shown and session.recorded:
            # From the start again, it would show everything twice.
            what = "is damaged" if self.spec.kind == "file" else "broke off"
            reason = f"{self.spec.shown!r} {what} after {session.position_s:.1f} s; what comes before was read."
            self._enter("ended", "unreadable", reason)
            return None
        allowed_s = self._limits.read_s if session else self._limits.open_s
        return classify(error, self.spec, opened=session is not None, waited_s=took_s, allowed_s=allowed_s)

    def _on_connected(self) -> None:
        self.stats.connections += 1
        if self._state.name == "connecting":
            self._enter("connecting", "none", f"Connected to {self.spec.shown}; waiting for the first picture.")

    def _on_first_picture(self) -> None:
        self._online_s = self._clock.monotonic_s()
        self._enter("online")

    def _report(self, failure: Failure) -> None:
        if failure.retry == "never":
            self.fail(failure)
            return
        if failure.cause != "no_publisher":
            self.stats.reconnects[failure.cause] += 1
        self._enter("stalled" if failure.cause == "silent" else "offline", failure.cause, failure.reason)

    def _wait_s(self, failure: Failure) -> float:
        if failure.retry == "now":
            return 0.0
        return (self._soon if failure.retry == "soon" else self._later).next_s()


def _knock(spec: SourceSpec) -> None:
    """Ends the wait for a publisher by being one who leaves at once: nothing else can interrupt it."""
    parts = urlsplit(spec.address)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname)
    with contextlib.suppress(OSError), socket.create_connection((host, parts.port), timeout=0.5):
        pass
