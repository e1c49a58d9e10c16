"""A small moving picture of a moment: animated WebP, which every browser plays in an `<img>`, for ever.

A video would be no smaller at this size, and needs a player; GIF and APNG are several times larger.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import av
from av.video.frame import VideoFrame

from stream.clips.packets import Selection
from stream.clips.pictures import pictures_across, rotation_deg, small

LONGEST_PX: Final = 320
PICTURES: Final = 12
LENGTH_S: Final = 3.0
"""After which it begins again."""
LONGEST_S: Final = 0.6
"""For one picture; a preview of few is shorter."""
MAX_BYTES: Final = 300_000
_QUALITIES: Final = (50, 15, 1)
"""From 100, the best, until it is small enough."""
_EFFORT: Final = 1
"""From 0 to 6: more takes several times as long and saves a tenth."""
_TICKS_PER_S: Final = 1000


def preview(selection: Selection, span_s: tuple[float, float]) -> bytes | None:
    """Pictures out of the media time `span_s`; None when none can be decoded, or they would be too large."""
    turned = rotation_deg(selection)
    decoded = pictures_across(selection, span_s, PICTURES)
    frames = [small(frame, LONGEST_PX, "yuv420p", turned) for frame in decoded]
    # A stream may change its size on the way.
    frames = [frame for frame in frames if (frame.width, frame.height) == (frames[0].width, frames[0].height)]
    if not frames:
        return None
    files = (_webp(frames, quality) for quality in _QUALITIES)
    return next((file for file in files if len(file) <= MAX_BYTES), None)


def _webp(frames: Sequence[VideoFrame], quality: int) -> bytes:
    file = io.BytesIO()
    ticks = round(min(LONGEST_S, LENGTH_S / len(frames)) * _TICKS_PER_S)
    with av.open(file, "w", format="webp", options={"loop": "0"}) as out:
        stream = out.add_stream("libwebp_anim", rate=_TICKS_PER_S)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        stream.options = {"quality": str(quality), "compression_level": str(_EFFORT), "loop": "0"}
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.duration = number * ticks, Fraction(1, _TICKS_PER_S), ticks
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()
