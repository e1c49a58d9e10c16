"""Decides which clips are to be cut, from what the event log says about moments.

The log is read as any client reads it, from a cursor of its own. What was not cut when the process ended has failed,
and is told so at the next start: the packets were in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from stream.clips.clocks import Clocks
from stream.clips.jobs import Job, failed, moment_job
from stream.events import Event, MomentEvent
from stream.query import Rolls
from stream.store import ClipRecord, Store

CAPACITY: Final = 512
"""Clips that may wait; moments that end while so many do get none, and are told why."""
GRACE_S: Final = 30.0
"""How long a clip waits for packets that do not come, beyond its post-roll, before it is cut without them."""
PAGE: Final = 200

RESTARTED: Final = "r2stream was restarted before the clip was cut, and the video was in memory only."


class Planner:
    """From events of the log to jobs, and rows of the store. Used by the writer's thread alone."""

    def __init__(self, store: Store, rolls: Callable[[str], Rolls | None], clocks: Clocks) -> None:
        """`rolls` tells those of a query by name. Moments that are in the log already were cut by another process."""
        self._store = store
        self._rolls = rolls
        self._clocks = clocks
        self._begun_at = store.latest_cursor()
        known = store.clips.cursor()
        self._cursor = self._begun_at if known is None else known

    def left_behind(self) -> list[ClipRecord]:
        """The clips that an earlier process did not finish, or did not tell of."""
        return self._store.clips.unfinished()

    def next(self, waiting: int) -> tuple[list[Job], list[ClipRecord]] | None:
        """What the next page of the log asks for: clips to be cut, and those that will not even be tried.

        `waiting` clips wait already. All that is returned is in the store. None at the end of the log. Raises
        StoreError.
        """
        page = self._store.recent(self._cursor, PAGE) or self._store.read(self._cursor, PAGE)
        if page.next == self._cursor:
            return None
        records, jobs = self._taken(page.events, waiting)
        if records:
            self._store.clips.add(records, page.next)
        self._cursor = page.next
        return jobs, [record for record in records if record.data.state == "failed"]

    def _taken(self, events: Sequence[Event], waiting: int) -> tuple[list[ClipRecord], list[Job]]:
        records: list[ClipRecord] = []
        jobs: list[Job] = []
        for event in events:
            job = self._job_of(event)
            if job is None:
                continue
            reason = self._refusal(event, waiting + len(jobs))
            data = job.data if reason is None else failed(job.data, reason)
            records.append(ClipRecord(data, job.created_s, told=False))
            if reason is None:
                jobs.append(job)
        return records, jobs

    def _job_of(self, event: Event) -> Job | None:
        if not isinstance(event, MomentEvent) or event.data.state != "ended" or event.data.clip.state != "pending":
            return None
        old = (event.cursor or 0) <= self._begun_at
        if old and self._store.clips.find(event.data.moment_id) is not None:
            return None
        rolls = self._rolls(event.data.query) or Rolls()
        until_s = self._clocks.monotonic_s() + rolls.post_roll_s + GRACE_S
        return moment_job(event, rolls, now_s=self._clocks.wall_time_s(), until_s=until_s)

    def _refusal(self, event: Event, waiting: int) -> str | None:
        """Why a moment's clip is not even tried."""
        if (event.cursor or 0) <= self._begun_at:
            return RESTARTED
        if waiting >= CAPACITY:
            return f"{CAPACITY} clips were waiting already; the machine cannot keep up."
        return None


def restarted(record: ClipRecord) -> ClipRecord:
    """What a clip that an earlier process left behind has become."""
    if record.data.state != "pending":
        return record
    return ClipRecord(failed(record.data, RESTARTED), record.created_s, told=False)
