"""Where the files of reels lie: beside those of the clips, here or elsewhere."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from stream.clips.folder import ClipFolder
from stream.clips.packets import Container
from stream.clips.remote import RemoteFile, RemoteFolder
from stream.errors import ConflictError, NotFoundError

_PREFIX: Final = "reel."
_SUFFIX: Final = ".making"
"""Not what clips that are being written end with: each clears up after itself alone."""
_PART_BYTES: Final = 4 << 20


class ReelPlace:
    """Makes reels in a local folder; they stay there, or go to `target`. Thread-safe.

    Methods raise OSError when the disk does not do its part, and TargetError when the target does not.
    """

    def __init__(self, folder: ClipFolder, target: RemoteFolder | None = None) -> None:
        self._folder = folder
        self._target = target
        self.shown = target.shown if target else str(folder.path)

    def workroom(self) -> TemporaryDirectory[str]:
        """A folder to make a reel in, which is gone when that is over; on the disk of the local folder."""
        self._folder.path.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=_PREFIX, suffix=_SUFFIX, dir=self._folder.path, ignore_cleanup_errors=True)

    def keep(self, made: Path, reel_id: str, container: Container) -> None:
        """A complete file, which is on the disk already, comes to its place and gets its name."""
        if self._target is None:
            self._folder.publish(made, self._folder.video(reel_id, container))
        else:
            self._target.upload(made, reel_id, container)

    def open(self, reel_id: str, container: Container, size_bytes: int | None) -> Path | RemoteFile:
        """A reel's file. Raises NotFoundError when somebody has taken it away."""
        if self._target is not None:
            return self._target.open(reel_id, container, size_bytes)
        path = self._folder.video(reel_id, container)
        if not path.is_file():
            raise NotFoundError(f"somebody has removed the file of the reel '{reel_id}'", code="reel_removed")
        return path

    def remove(self, reel_id: str) -> None:
        """A reel's file, if there is one. Raises ConflictError while somebody reads it, where that cannot go on."""
        if self._target is None:
            self._folder.remove(reel_id)
            return
        try:
            if not self._target.leave(reel_id):
                raise ConflictError(f"somebody is reading the reel '{reel_id}'; try again", code="reel_busy")
            self._target.remove(reel_id)
        finally:
            self._target.forget(reel_id)

    def clear(self) -> None:
        """What a crash left half made."""
        with suppress(FileNotFoundError):
            for room in self._folder.path.glob(f"{_PREFIX}*{_SUFFIX}"):
                shutil.rmtree(room, ignore_errors=True)


def brought(file: Path | RemoteFile, to: Path) -> Path:
    """The file itself where it is on this machine, else a copy of it."""
    if isinstance(file, Path):
        return file
    try:
        size_bytes = file.size_bytes()
        with to.open("wb") as out:
            for start in range(0, size_bytes, _PART_BYTES):
                out.write(file.read(start, min(start + _PART_BYTES, size_bytes)))
    finally:
        file.close()
    return to
