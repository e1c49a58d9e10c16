"""Errors of the library and the system become a cause, a sentence, and a time to try again."""

from __future__ import annotations

import errno

import av
import pytest

from stream.sources.failure import SourceFailure, classify, internal, silent
from stream.sources.spec import SourceSpec

CAMERA = SourceSpec.parse("rtsp://admin:hunter2@127.0.0.1:554/1")


@pytest.mark.parametrize("kind", [av.ExitError, av.TimeoutError])
def test_both_kinds_of_time_out_mean_the_same(kind: type[av.FFmpegError]) -> None:
    """The library reports a time-out in two ways, only one of which is an OSError: both are silence, or no answer."""
    error = kind(1, "Immediate exit requested", CAMERA.address)
    reading = classify(error, CAMERA, opened=True, waited_s=60.0, allowed_s=4.0)
    opening = classify(error, CAMERA, opened=False, waited_s=5.0, allowed_s=5.0)
    assert (reading.cause, reading.retry) == ("silent", "soon")
    assert (opening.cause, opening.retry) == ("unreachable", "soon")
    assert "has sent no video for 4 s" in reading.reason
    assert "did not answer within 5 s" in opening.reason


@pytest.mark.parametrize("number", [errno.EIO, errno.ECONNRESET, errno.EPIPE])
def test_an_open_connection_that_breaks_was_closed(number: int) -> None:
    """However the break is reported (a publisher that leaves is an "I/O error"), the stream was closed."""
    error = av.OSError(number, "broken", CAMERA.address)
    assert classify(error, CAMERA, opened=True, waited_s=9.0, allowed_s=4.0).cause == "closed"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_an_unclear_error_while_opening_is_told_as_it_is(number: int) -> None:
    """An error without a sentence of its own keeps the system's words, without the password."""
    error = av.OSError(number, "Strange trouble", CAMERA.address)
    failure = classify(error, CAMERA, opened=False, waited_s=0.1, allowed_s=5.0)
    assert failure.cause == "unreachable"
    assert failure.reason == "127.0.0.1:554 cannot be reached (Strange trouble). Check the address."


def test_nonsense_after_a_long_wait_is_no_answer() -> None:
    """The library calls an RTSP server that never spoke "invalid data"; the time it took gives it away."""
    error = av.InvalidDataError(1, "Invalid data", CAMERA.address)
    assert classify(error, CAMERA, opened=False, waited_s=5.0, allowed_s=5.0).cause == "unreachable"
    assert classify(error, CAMERA, opened=False, waited_s=0.1, allowed_s=5.0).cause == "unreadable"


def test_failures_that_are_known_keep_their_meaning() -> None:
    """What the source itself found out is not explained again."""
    failure = silent(CAMERA, 4.0)
    assert classify(SourceFailure(failure), CAMERA, opened=True, waited_s=9.0, allowed_s=4.0) is failure


def test_internal_errors_hold_no_password() -> None:
    """Even a mistake of ours is told without secrets."""
    assert "hunter2" not in internal(RuntimeError(f"bad {CAMERA.address}")).reason
