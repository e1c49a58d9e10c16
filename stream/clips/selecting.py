"""Which packets of a stretch show a piece of time."""

from __future__ import annotations

from collections.abc import Iterator

from stream.clips.packets import EncodedPacket, Selection
from stream.clips.stretch import REORDER_S, SAME_S, Gop, Stretch


def select(stretch: Stretch, start_s: float, end_s: float) -> Selection | None:
    """The packets that show the media time `[start_s, end_s)`, outwards; None when there are none."""
    video = stretch.tracks.video
    begin, end = start_s + stretch.offset_s + SAME_S, end_s + stretch.offset_s - SAME_S
    gops = list(stretch.gops)
    first = max((i for i, gop in enumerate(gops) if video.seconds(gop.packets[0].pts) <= begin), default=0)
    tick_s = float(video.time_base)
    packets = _up_to(_decodable(gops[first:]), end / tick_s, REORDER_S / tick_s)
    if not packets or end <= begin - 2 * SAME_S:
        return None
    first_pts = max((p.pts for p in packets if video.seconds(p.pts) <= begin), default=packets[0].pts)
    shown_until_s = _end_s(packets, stretch)
    if shown_until_s <= begin:
        return None
    return Selection(
        tracks=stretch.tracks,
        video=tuple(packets),
        audio=_sound(stretch, video.seconds(packets[0].pts), shown_until_s),
        first_pts=first_pts,
        start_s=video.seconds(first_pts) - stretch.offset_s,
        end_s=shown_until_s - stretch.offset_s,
        offset_s=stretch.offset_s,
        wall_offset_s=stretch.wall_offset_s,
    )


def _sound(stretch: Stretch, from_s: float, until_s: float) -> tuple[EncodedPacket, ...]:
    audio = stretch.tracks.audio
    if audio is None:
        return ()
    begin, end = from_s / float(audio.time_base), until_s / float(audio.time_base)
    return tuple(packet for packet in stretch.audio if begin <= packet.pts + packet.duration and packet.pts < end)


def _decodable(gops: list[Gop]) -> Iterator[EncodedPacket]:
    """All packets, less those right after the first keyframe that need pictures from before it: they lead it."""
    for number, gop in enumerate(gops):
        keyframe = gop.packets[0]
        for packet in gop.packets:
            if number or packet.pts >= keyframe.pts:
                yield packet


def _up_to(packets: Iterator[EncodedPacket], end_ticks: float, reorder_ticks: float) -> list[EncodedPacket]:
    """Packets up to the last one shown before the end, and those that complete the order in which they are shown."""
    taken: list[EncodedPacket] = []
    needed = 0
    for packet in packets:
        if packet.pts >= end_ticks + reorder_ticks:
            break
        taken.append(packet)
        if packet.pts < end_ticks:
            needed = len(taken)
    highest = max((packet.pts for packet in taken[:needed]), default=0)
    while needed < len(taken) and taken[needed].pts < highest:
        needed += 1
    return taken[:needed]


def _end_s(packets: list[EncodedPacket], stretch: Stretch) -> float:
    last = max(packets, key=lambda packet: packet.pts)
    times = sorted(packet.pts for packet in packets)
    step = last.duration or (times[-1] - times[-2] if len(times) > 1 else 0)
    return stretch.tracks.video.seconds(last.pts + step)
