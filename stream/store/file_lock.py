"""A file that says that somebody is here: one r2stream at a time uses a log, and one a data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from stream.store.database import StoreError

_NUMBER_BYTES: Final = 20


class FileLock:
    """Keeps other processes out until it is given back, also by `kill -9`. The file stays, with the holder's number."""

    def __init__(self, path: Path) -> None:
        """Take it, making the file and its folder.

        Raises:
            StoreError: another process holds it; names it.
            OSError: there can be no such file.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._file, path.parent)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give it back. Safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _take(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(file, _NUMBER_BYTES, 0).decode(errors="replace").strip()
        who = f" (process {holder})" if holder.isdigit() else ""
        message = f"another r2stream is using {folder}{who}; stop it or choose another data directory"
        raise StoreError(message, code="store_in_use") from None
    os.ftruncate(file, 0)
    os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
