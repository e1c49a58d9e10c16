"""One picture of a selection as JPEG."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.video.frame import VideoFrame

from stream.clips.packets import Selection
from stream.clips.pictures import picture_at, rotation_deg, small

LONGEST_PX: Final = 640
_QUALITY: Final = "4"
"""From 2, the best, to 31."""


def thumbnail(selection: Selection, time_s: float) -> bytes | None:
    """The picture on at the media time `time_s` as JPEG; None when nothing can be decoded."""
    frame = picture_at(selection, time_s)
    return None if frame is None else _jpeg(small(frame, LONGEST_PX, "yuvj420p", rotation_deg(selection)))


def _jpeg(frame: VideoFrame) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": _QUALITY, "qmax": _QUALITY}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
