"""How long a recording is, for a progress bar."""

from __future__ import annotations

import av

from stream.sources.spec import SourceSpec


def recording_length_s(spec: SourceSpec) -> float | None:
    """Seconds; None where a source has no end, does not say, or would have to be asked over the network."""
    if spec.kind != "file":
        return None
    try:
        with av.open(f"file:{spec.address}", metadata_errors="replace") as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, OSError):
        return None  # whoever reads it says what is wrong with it
