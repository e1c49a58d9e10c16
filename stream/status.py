"""How a stream that is not watched, and a query, are doing, with a reason a person can act on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from stream.api.protocol import QueryStatus, StreamStatus
from stream.definitions import Definition
from stream.query import Query
from stream.settings import StreamSettings


def unwatched_stream(definition: Definition[StreamSettings], problem: str | None) -> StreamStatus:
    """A stream without a source: switched off, or with a `problem` that keeps it from having one."""
    stream = definition.value
    status = StreamStatus(
        name=stream.name,
        url=stream.url,
        state="connecting",
        reason=None,
        since=_time(definition.since_s),
        epoch=None,
        frames=0,
        clock=None,
        frame_age_s=None,
        enabled=stream.enabled,
        transport=stream.transport,
        pace=stream.pace,
    )
    if not stream.enabled:
        return replace(status, state="disabled", reason="The stream is switched off; set enabled to true to watch it.")
    return status if problem is None else replace(status, state="failed", reason=problem)


def query_status(
    definition: Definition[Query], problem: str | None, watched: Sequence[StreamStatus], streams: Collection[str]
) -> QueryStatus:
    """A query that watches the `watched` streams, out of all `streams` there are; `problem` keeps it from working."""
    query = definition.value
    status = QueryStatus(query, "watching", None, _time(definition.since_s))
    if not query.enabled:
        return replace(status, state="disabled", reason="The query is switched off; set enabled to true to watch it.")
    if problem is not None:
        return replace(status, state="failed", reason=problem)
    online_since = [stream.since for stream in watched if stream.state == "online" and stream.since is not None]
    if online_since:
        missing = [name for name in query.streams if name not in streams]
        reason = f"There is no stream {missing[0]!r}; the others are watched." if missing else None
        return replace(status, reason=reason, since=max(_time(definition.since_s), min(online_since)))
    return replace(status, state="waiting", reason=_why_waiting(query, watched, streams))


def _why_waiting(query: Query, watched: Sequence[StreamStatus], streams: Collection[str]) -> str:
    missing = [name for name in query.streams if name not in streams]
    if missing:
        return f"There is no stream {missing[0]!r}; add it, or change the query's streams."
    if not watched:
        return "Its streams are switched off." if streams else "There is no stream to watch; add one."
    states = ", ".join(f"{stream.name} is {stream.state}" for stream in watched)
    return f"No stream is online: {states}."


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
