"""One event as one line of a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from clients import Clip, Event, Instant, Moment

_MARKS: Final = {
    "moment.started": ("▶", "started", "bold green"),
    "moment.updated": ("·", "goes on", "cyan"),
    "moment.ended": ("■", "ended", "bold cyan"),
    "moment.retracted": ("✗", "withdrawn", "yellow"),
    "clip.ready": ("▣", "clip", "green"),
    "clip.failed": ("▣", "no clip", "yellow"),
    "reel.ready": ("▤", "reel", "green"),
    "reel.failed": ("▤", "no reel", "yellow"),
    "stream.online": ("●", "online", "green"),
    "stream.offline": ("●", "offline", "red"),
    "stream.stalled": ("●", "stalled", "yellow"),
}


def print_event(console: Console, event: Event) -> None:
    """Print an event; a line is never broken, so that it can be searched for when it goes into a file."""
    console.print(event_line(event), soft_wrap=True)


def event_line(event: Event) -> Text:
    """Time, stream, what, and for a moment its query, start and end, score and latency. Times are local."""
    mark, word, style = _MARKS.get(event.kind, ("?", event.kind, "dim"))
    line = Text(f"{clock(event.time)}  ", style="dim")
    line.append(f"{mark} {word:<9} ", style=style)
    if event.reel is not None:
        return line.append(plain(f"{event.reel.reel_id}  {event.reel.url or event.reel.reason or ''}"), style="dim")
    line.append(f"{plain(event.stream)}  ")
    if event.clip is not None:
        return line.append(plain(_about_clip(event.clip)), style="dim")
    if event.moment is None:
        line.append(plain(event.data.get("reason") or ""), style="dim")
        return line
    return line.append_text(_about(event.moment, first=event.kind == "moment.started"))


def _about(moment: Moment, first: bool) -> Text:
    line = Text(plain(moment.query), style="bold")
    line.append(f"  {interval(moment)}", style="not bold")
    line.append(f"  score {moment.score:.2f}", style="not bold")
    if first and moment.onset_to_alert_s is not None:
        line.append(f"  {moment.onset_to_alert_s:.1f} s after it began", style="not bold dim")
    line.append(f"  “{plain(moment.text)}”", style="not bold dim")
    return line


def _about_clip(clip: Clip) -> str:
    whose = clip.query or clip.clip_id
    return f"{whose}  {clip.url}" if clip.url else f"{whose}  {clip.reason or ''}"


def interval(moment: Moment) -> str:
    """`12:00:01.5 → 12:00:05.0 (3.5 s)`, with `…` for an end that is not known yet and `?` on one that may move.

    A recording's moments are told in its own time: `0:12.0 → 0:15.5 (3.5 s)`.
    """
    start_s, end_s = moment.start.media_time_s, moment.end.media_time_s
    start, end = _when(moment.start, moment.clock), _when(moment.end, moment.clock)
    if start_s is None or end_s is None:
        return f"{start} → {end}"
    return f"{start} → {end}{'' if moment.end.final else '?'} ({end_s - start_s:.1f} s)"


def _when(instant: Instant, kind: str) -> str:
    if instant.time is None or instant.media_time_s is None:
        return "…"
    return minutes(instant.media_time_s) if kind == "file" else clock(instant.time)


def minutes(time_s: float) -> str:
    """Seconds as `m:ss.t`."""
    tenths = round(time_s * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def clock(time: datetime) -> str:
    """Local time of day, to a tenth of a second."""
    local = time.astimezone()
    return f"{local:%H:%M:%S}.{local.microsecond // 100_000}"


def plain(text: str) -> str:
    """Text from outside without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
