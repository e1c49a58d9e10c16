"""What the installed FFmpeg can read, for a person who wonders why a stream does not come."""

from __future__ import annotations

from typing import Final

import av

VIDEO_CODECS: Final = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg")
"""What cameras, servers and files mostly send."""


def ffmpeg_version() -> str:
    """Versions of PyAV and of the FFmpeg inside it."""
    return f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"


def missing_codecs() -> tuple[str, ...]:
    """Which of `VIDEO_CODECS` cannot be decoded here."""
    return tuple(name for name in VIDEO_CODECS if not _can_decode(name))


def _can_decode(name: str) -> bool:
    try:
        av.codec.Codec(name, "r")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
