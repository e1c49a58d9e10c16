"""`r2stream serve` with a log that is busy: so many events in each second as if many streams had much to tell.

Usage: python -m tests.loaded_service SETTINGS EVENTS_PER_S
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stream.cli.embedded import running
from stream.cli.lifetime import stopped_by_user
from stream.events import Event, stream_event
from stream.metrics import Metrics
from stream.recorder import Recorder
from stream.settings import load_settings

STREAM = "load"
"""What the events are about; no stream of that name is watched."""


def tell_steadily(recorder: Recorder, events_per_s: float) -> None:
    """One event after the other, each stamped with the time at which it is due; those that are late follow at once."""
    began_s = time.time()
    for number in range(sys.maxsize):
        due_s = began_s + number / events_per_s
        time.sleep(max(0.0, due_s - time.time()))
        recorder.put(partial(_event, due_s))


def _event(due_s: float, now_s: float) -> Sequence[Event]:
    return [stream_event(STREAM, "online", time_s=due_s)]


def main() -> None:
    settings = load_settings(Path(sys.argv[1]), {})
    with stopped_by_user(), running(settings) as server:
        # A second one beside the service's own, as nobody but the service itself may put anything into that.
        recorder = Recorder(server.app.state.service.store, Metrics())
        recorder.start()
        tell_steadily(recorder, float(sys.argv[2]))


if __name__ == "__main__":
    main()
