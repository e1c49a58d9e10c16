"""`r2stream clip`: the video file of a moment."""

from __future__ import annotations

from pathlib import Path

from clients import Client
from stream.cli.problems import CommandError


async def fetch_clip(url: str, token: str | None, moment_id: str, out: Path | None) -> str:
    """Download a moment's clip; a sentence about the file. Raises ClientError and CommandError."""
    async with Client(url, token) as client:
        clip = await client.clip_info(moment_id)
        file = out or Path(f"{Path(clip.clip_id).name}{Path(clip.url or 'clip.mp4').suffix}")
        if not file.parent.is_dir():
            raise CommandError(f"there is no folder {file.parent}; make it first")
        size_bytes = await client.save_clip(moment_id, file)
    return f"{file}: {size_bytes / 1e6:.1f} MB, {_length(clip.start.media_time_s, clip.end.media_time_s)}"


def _length(start_s: float | None, end_s: float | None) -> str:
    return "" if start_s is None or end_s is None else f"{end_s - start_s:.1f} s"
