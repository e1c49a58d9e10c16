"""Where the files of clips lie. A file has its name only once it is complete and on the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from stream.clips.packets import Container

Kind = Literal["mp4", "webm", "jpg", "webp"]
"""A clip's files, by their suffix: the video, its picture, its preview."""
KINDS: Final[tuple[Kind, ...]] = ("mp4", "webm", "jpg", "webp")
_PART: Final = ".part"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ClipFolder:
    """A local folder, made when the first clip is. Every method raises OSError when the disk does not do its part."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, clip_id: str, kind: Kind) -> Path:
        """Where a file is, or will be."""
        return self.path / f"{check_id(clip_id)}.{kind}"

    def video(self, clip_id: str, container: Container) -> Path:
        """Where a clip's video is, or will be."""
        return self.file(clip_id, container)

    def thumbnail(self, clip_id: str) -> Path:
        """Where its picture is, or will be."""
        return self.file(clip_id, "jpg")

    def preview(self, clip_id: str) -> Path:
        """Where its preview is, or will be."""
        return self.file(clip_id, "webp")

    def part(self, clip_id: str) -> Path:
        """Where a clip is written before it is whole."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path / f"{check_id(clip_id)}.clip{_PART}"

    def publish(self, part: Path, file: Path) -> None:
        """Give a complete file, which is on the disk already, its name; durable when it returns."""
        os.replace(part, file)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write(self, data: bytes, file: Path) -> None:
        """A small file, whole or not at all."""
        part = file.with_name(file.name + _PART)
        with part.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        self.publish(part, file)

    def kinds(self, clip_id: str) -> tuple[Kind, ...]:
        """Which files of a clip there are."""
        return tuple(kind for kind in KINDS if self.file(clip_id, kind).is_file())

    def remove(self, clip_id: str) -> None:
        """A clip's files, if there are any. Whoever has one open reads it to its end all the same."""
        for kind in KINDS:
            self.file(clip_id, kind).unlink(missing_ok=True)

    def clear_parts(self) -> None:
        """What a crash left half written."""
        with suppress(FileNotFoundError):
            for part in self.path.glob(f"*{_PART}"):
                part.unlink(missing_ok=True)

    def keep_only(self, clip_ids: Collection[str]) -> None:
        """Remove the files of all other clips."""
        for kind in KINDS:
            for file in self.path.glob(f"*.{kind}"):
                if file.stem not in clip_ids:
                    file.unlink(missing_ok=True)


def check_id(clip_id: str) -> str:
    """The name of a clip's files. Raises ValueError for one that could leave the folder."""
    if not _ID.fullmatch(clip_id):
        raise ValueError(f"{clip_id!r} is no name of a clip")
    return clip_id
