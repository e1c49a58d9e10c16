"""The bit of a VP8 picture that says whether it is shown (RFC 6386, section 9.1).

Decoding does not depend on it, so that a file may begin with pictures that are only there for those behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from stream.clips.packets import EncodedPacket, Selection

_SHOW_FRAME: Final = 0x10
"""In the first byte."""


def first_shown_pts(selection: Selection) -> int:
    """The picture that is on when the piece begins; encoders send some that are never shown."""
    shown = [p.pts for p in selection.video if p.pts <= selection.first_pts and _is_shown(p)]
    return max(shown, default=selection.video[0].pts)


def hidden_before(packets: Sequence[EncodedPacket], pts: int) -> list[EncodedPacket]:
    """The packets with those before `pts` decoded at that time and not shown: no player has to wait for them."""
    return [packet if packet.pts >= pts else _hidden(packet, pts) for packet in packets]


def _is_shown(packet: EncodedPacket) -> bool:
    # A picture that an encoder left out is an empty packet.
    return bool(packet.data) and bool(packet.data[0] & _SHOW_FRAME)


def _hidden(packet: EncodedPacket, pts: int) -> EncodedPacket:
    data = bytes(byte & ~_SHOW_FRAME for byte in packet.data[:1]) + packet.data[1:]
    return replace(packet, data=data, pts=pts, dts=pts, duration=0)
