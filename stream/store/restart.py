"""What becomes of a moment that was open when the process died."""

from __future__ import annotations

from datetime import datetime

from stream.events import Instant, MomentEvent, rfc3339


def ended_by_restart(last: MomentEvent, time_s: float) -> MomentEvent:
    """The event that ends a moment of which `last` was the newest, said at Unix time `time_s`.

    Nobody saw its end; unless an end had been seen already, it is set to the last time the moment was known to run.
    """
    data = last.data
    revision = data.revision + 1
    end = data.end if data.end.media_time_s is not None else _last_known(last)
    ended = {
        "revision": revision,
        "state": "ended",
        "start": data.start.model_copy(update={"final": True}),
        "end": end.model_copy(update={"final": True}),
        "reason": "restart",
    }
    return MomentEvent.model_validate(
        {
            **dict(last),
            "id": f"{data.moment_id}.{revision}",
            "type": "r2stream.moment.ended",
            "time": rfc3339(time_s),
            "cursor": None,
            "data": {**dict(data), **ended},
        }
    )


def _last_known(last: MomentEvent) -> Instant:
    start = last.data.start
    if start.time is None or start.media_time_s is None:
        return start
    started_s = datetime.fromisoformat(start.time).timestamp()
    if last.data.clock == "file":
        # A file may be read faster than it plays: only media time counts, and of that only this much is known.
        known_s = last.data.onset_to_alert_s or 0.0
    else:
        known_s = max(0.0, datetime.fromisoformat(last.time).timestamp() - started_s)
    return Instant(time=rfc3339(started_s + known_s), media_time_s=round(start.media_time_s + known_s, 3), final=True)
