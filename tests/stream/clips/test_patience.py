"""Calls that may hang."""

from __future__ import annotations

import threading

import pytest

from stream.clips.patience import Patience


def test_what_a_call_returns_or_raises_comes_through() -> None:
    """As if it had been made here."""
    patience = Patience("clips.test", threads=1)
    assert patience.call(lambda: 7, 20.0) == 7

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        patience.call(fail, 20.0)
    patience.stop()


def test_a_call_that_hangs_holds_up_its_own_thread_alone() -> None:
    """Whoever called goes on in time; when all threads hang, so do the calls behind them, and they too end in time."""
    patience, go = Patience("clips.test", threads=2), threading.Event()
    with pytest.raises(TimeoutError):
        patience.call(lambda: go.wait(20), 0.01)
    assert patience.call(lambda: "fine", 20.0) == "fine"
    late = list[int]()
    with pytest.raises(TimeoutError):
        patience.call(lambda: go.wait(20), 0.01)
    with pytest.raises(TimeoutError):
        patience.call(lambda: late.append(1), 0.01)
    go.set()
    assert patience.call(lambda: "again", 20.0) == "again"
    assert not late, "nobody waits for it any more"
    patience.stop()
    with pytest.raises(TimeoutError, match="too many"):
        patience.call(lambda: 1, 1.0)
