"""`r2stream clip`: the video file of a moment, or of any time that is held."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from clients import Client, Clip
from stream.cli.local_time import local_zone, parse_time
from stream.cli.problems import CommandError
from stream.cuts.days import parse_zone

POLL_S: Final = 0.2


@dataclass(frozen=True)
class Piece:
    """A piece of a stream, both ends as times, or both as media time in seconds."""

    stream: str
    start: datetime | float
    end: datetime | float

    @staticmethod
    def parse(stream: str, since: str | None, until: str | None, timezone: str | None) -> Piece:
        """From what a user wrote. Raises CommandError and ConfigError."""
        if since is None or until is None:
            raise CommandError("give both --since and --until")
        try:
            return Piece(stream, float(since), float(until))
        except ValueError:
            zone = parse_zone(timezone or local_zone(), "--timezone")
            return Piece(stream, parse_time(since, zone, "--since"), parse_time(until, zone, "--until"))


async def fetch_clip(url: str, token: str | None, moment_id: str, out: Path | None, *, preview: bool = False) -> str:
    """Download a moment's clip, or its preview; a sentence about the file. Raises ClientError and CommandError."""
    async with Client(url, token) as client:
        if preview:
            return await _save_preview(client, moment_id, out)
        return await _save(client, await client.clip_info(moment_id), out)


async def cut_clip(url: str, token: str | None, piece: Piece, out: Path | None) -> str:
    """Have a clip cut and download it; a sentence about the file. Raises ClientError and CommandError."""
    _check_folder(out)
    async with Client(url, token) as client:
        clip = await client.add_clip(piece.stream, piece.start, piece.end)
        # The service itself gives it up in time, and says why.
        while clip.state == "pending":
            await asyncio.sleep(POLL_S)
            clip = await client.clip_info(clip.clip_id)
        if clip.state != "ready":
            raise CommandError(clip.reason or f"the clip is {clip.state}")
        return await _save(client, clip, out)


async def _save(client: Client, clip: Clip, out: Path | None) -> str:
    file = out or Path(f"{Path(clip.clip_id).name}{Path(clip.url or 'clip.mp4').suffix}")
    _check_folder(file)
    size_bytes = await client.save_clip(clip.clip_id, file)
    return f"{file}: {size_bytes / 1e6:.1f} MB, {_length(clip.start.media_time_s, clip.end.media_time_s)}"


async def _save_preview(client: Client, moment_id: str, out: Path | None) -> str:
    file = out or Path(f"{Path(moment_id).name}.webp")
    _check_folder(file)
    picture = await client.preview(moment_id)
    file.write_bytes(picture)
    return f"{file}: {len(picture) / 1e3:.0f} kB"


def _check_folder(file: Path | None) -> None:
    if file is not None and not file.parent.is_dir():
        raise CommandError(f"there is no folder {file.parent}; make it first")


def _length(start_s: float | None, end_s: float | None) -> str:
    return "" if start_s is None or end_s is None else f"{end_s - start_s:.1f} s"
