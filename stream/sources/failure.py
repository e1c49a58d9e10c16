"""Turns what went wrong with a source into a cause, a sentence a person can act on, and when to try again."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import av

from stream.redact import redact
from stream.sources.spec import SourceSpec
from stream.sources.state import Cause

Retry = Literal["now", "soon", "later", "never"]
"""`now` is for a listener that goes on listening. `later` is for what only a person can put right (a password, a path):
often enough to recover without being asked, rarely enough not to lock an account."""


@dataclass(frozen=True)
class Failure:
    """Why a source stopped."""

    cause: Cause
    reason: str
    retry: Retry


class SourceFailure(Exception):
    """Raised inside a source when the stream itself, and not the library, shows what is wrong."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def silent(spec: SourceSpec, seconds: float) -> Failure:
    """Connected, but nothing comes."""
    return Failure("silent", f"{spec.host} has sent no video for {seconds:g} s; connecting anew.", "soon")


def closed(spec: SourceSpec) -> Failure:
    """A live stream came to an end, which live streams do not do."""
    if spec.kind == "rtmp-listen":
        return Failure("closed", f"The publisher has left; waiting for one at {spec.shown}.", "now")
    return Failure("closed", f"{spec.host} has closed the stream; connecting anew.", "soon")


def no_video(spec: SourceSpec) -> Failure:
    """There is something, but no video track in it."""
    return Failure("no_video", f"{spec.shown} has no video track.", later(spec))


def undecodable(spec: SourceSpec, codec: str) -> Failure:
    """There is a video track, but no picture comes out of it."""
    reason = (
        f"The video of {spec.shown} ({codec}) cannot be decoded. Check that the file or the camera's encoder is sound."
    )
    return Failure("undecodable", reason, later(spec))


def internal(error: Exception, retry: Retry = "never") -> Failure:
    """A mistake of ours, of the media library, or of whoever takes the pictures."""
    return Failure("internal", redact(f"Internal error ({type(error).__name__}: {error}); see the log."), retry)


def classify(error: Exception, spec: SourceSpec, *, opened: bool, waited_s: float, allowed_s: float) -> Failure:
    """Understands an error of the media library (or of the system below it).

    Args:
        opened: whether the stream had been opened before it failed.
        waited_s: how long the step that failed took.
        allowed_s: how long it was allowed to take.
    """
    if isinstance(error, SourceFailure):
        return error.failure
    if spec.kind == "file":
        return _classify_file(error, spec)
    for kinds, explain in _NETWORK:
        if isinstance(error, kinds):
            return explain(spec)
    # An RTSP server that hangs before its first word is reported as one that talks nonsense.
    timed_out = not opened and isinstance(error, av.InvalidDataError) and waited_s > 0.9 * allowed_s
    if timed_out or isinstance(error, av.ExitError | TimeoutError):
        return silent(spec, allowed_s) if opened else _no_answer(spec, allowed_s)
    return closed(spec) if opened else _unclear(error, spec)


def later(spec: SourceSpec) -> Retry:
    """For what time may heal: files do not heal by themselves."""
    return "never" if spec.kind == "file" else "later"


def _classify_file(error: Exception, spec: SourceSpec) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure("not_found", f"There is no file {spec.shown!r}.", "never")
    if isinstance(error, IsADirectoryError):
        return Failure("unreadable", f"{spec.shown!r} is a folder; give the path of a video file.", "never")
    if isinstance(error, PermissionError):
        return Failure("unreadable", f"The file {spec.shown!r} may not be read; check its permissions.", "never")
    return Failure("unreadable", f"{spec.shown!r} is no video file that can be read, or it is damaged.", "never")


def _refused(spec: SourceSpec) -> Failure:
    reason = f"{spec.host} refuses the connection. Check that it is running and that the port is right."
    return Failure("unreachable", reason, "soon")


def _no_answer(spec: SourceSpec, allowed_s: float) -> Failure:
    if spec.kind == "rtmp-listen":
        return Failure("no_publisher", f"Waiting for a publisher at {spec.shown}.", "now")
    reason = (
        f"{spec.host} did not answer within {allowed_s:g} s. Check the address, and that no firewall is in between."
    )
    return Failure("unreachable", reason, "soon")


def _unauthorised(spec: SourceSpec) -> Failure:
    reason = f"{spec.host} does not accept the user name or password (or wants one). Write them as {_with_user(spec)}."
    return Failure("unauthorised", reason, "later")


def _with_user(spec: SourceSpec) -> str:
    parts = urlsplit(spec.shown)
    return f"{parts.scheme}://user:password@{spec.host}{parts.path}"


def _forbidden(spec: SourceSpec) -> Failure:
    reason = f"{spec.host} does not allow this user to see {spec.path}. Check the user's rights there."
    return Failure("unauthorised", reason, "later")


def _not_found(spec: SourceSpec) -> Failure:
    return Failure("not_found", f"{spec.host} has no stream at {spec.path}. Check the path.", "later")


def _server_error(spec: SourceSpec) -> Failure:
    reason = f"{spec.host} cannot serve {spec.path} and answers with an error of its own. See that server's log."
    return Failure("refused_by_server", reason, "soon")


def _bad_request(spec: SourceSpec) -> Failure:
    reason = f"{spec.host} rejects the request for {spec.path}. Check the path and its options."
    return Failure("refused_by_server", reason, "later")


_NETWORK: tuple[tuple[type[Exception], Callable[[SourceSpec], Failure]], ...] = (
    (av.HTTPUnauthorizedError, _unauthorised),
    (av.HTTPForbiddenError, _forbidden),
    (av.HTTPNotFoundError, _not_found),
    (av.HTTPServerError, _server_error),
    (av.HTTPClientError, _bad_request),
    (ConnectionRefusedError, _refused),
)


def _unclear(error: Exception, spec: SourceSpec) -> Failure:
    """An error while opening that does not say what it means; the library reports an unknown host as "I/O error"."""
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        reason = f"{spec.host} is already in use on this machine. Choose another port or stop what listens there."
        return Failure("address_in_use", reason, "later")
    if isinstance(error, av.InvalidDataError):
        return Failure("unreadable", f"What {spec.host} sends at {spec.path} is no video that can be read.", "later")
    if number == errno.EIO and not _host_is_known(spec):
        return Failure("unreachable", f"There is no host {_host_name(spec)!r}. Check its name.", "soon")
    what = getattr(error, "strerror", None) or type(error).__name__
    return Failure("unreachable", redact(f"{spec.host} cannot be reached ({what}). Check the address."), "soon")


def _host_name(spec: SourceSpec) -> str:
    return urlsplit(spec.address).hostname or ""


def _host_is_known(spec: SourceSpec) -> bool:
    try:
        socket.getaddrinfo(_host_name(spec), None)
    except OSError:
        return False
    return True
