"""Where clips lie when that is not a folder of this machine: any place that fsspec can write to.

Nothing here is tried twice: that is for those who call. Every call ends in time, whatever the other side does.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from stream.clips.folder import KINDS, Kind, check_id
from stream.clips.patience import Patience
from stream.clips.protocols import OBJECT_STORES, protocol_of
from stream.errors import NotFoundError, R2StreamError, TargetError
from stream.redact import HIDDEN, redact, sounds_secret

CALLS: Final = 6
"""At once; each has a connection of its own where a library cannot share one."""
TIMEOUT_S: Final = 30.0
"""For a call, less the time that the data takes."""
SLOWEST_BYTES_PER_S: Final = 64_000
"""A connection that is slower has failed."""
READ_S: Final = 10.0
"""The same for one piece that somebody waits to see."""
PAUSE_S: Final = 5.0
"""After a read that was not answered, others are not even tried for so long: nobody waits in vain behind them."""
_MAX_MESSAGE: Final = 200
_T = TypeVar("_T")


class RemoteFolder:
    """A folder at an address such as `s3://bucket/prefix`. Thread-safe; every call may take `timeout_s`, and more for
    the data it moves. Raises TargetError."""

    def __init__(self, address: str, options: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> None:
        """`options` go to fsspec as they are. Nothing is connected before the first call."""
        self.shown = redact(address)
        self._address = address
        self._options = dict(options)
        self._timeout_s = timeout_s
        self._at_once = protocol_of(address) in OBJECT_STORES
        self._patience = Patience("clips.target", threads=CALLS)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._readers: Counter[str] = Counter()
        self._leaving: set[str] = set()
        self._silent_until_s = 0.0

    def upload(self, file: Path, clip_id: str, kind: Kind) -> None:
        """Copy a file there; it has its name only once all of it is there."""
        size_bytes = file.stat().st_size

        def put(system: Any, root: str, timeout_s: float) -> None:
            name = _name(root, clip_id, kind)
            if self._at_once:
                _run(system, "put_file", str(file), name, timeout_s=timeout_s)
            else:
                _run(system, "makedirs", root, exist_ok=True, timeout_s=timeout_s)
                _run(system, "put_file", str(file), f"{name}.part", timeout_s=timeout_s)
                if _run(system, "exists", name, timeout_s=timeout_s):
                    _run(system, "rm_file", name, timeout_s=timeout_s)
                system.mv(f"{name}.part", name)
            there = _run(system, "info", name, timeout_s=timeout_s)["size"]
            if there != size_bytes:
                raise TargetError(f"{self.shown} has {there} of {size_bytes} bytes that were sent")

        try:
            self._call(put, self._timeout_s + size_bytes / SLOWEST_BYTES_PER_S)
        except FileNotFoundError as error:
            wish = "make the bucket or folder, or change clips.folder"
            raise TargetError(f"{self.shown} is not there ({self._told(error)}): {wish}", lasting=True) from None

    def open(self, clip_id: str, kind: Kind, size_bytes: int | None = None) -> RemoteFile:
        """Begin to read a file, without asking whether it is there; until it is closed, it will not be removed.

        Raises NotFoundError for a clip that is being removed.
        """
        with self._lock:
            if clip_id in self._leaving:
                raise NotFoundError(f"the clip '{clip_id}' was removed", code="clip_removed")
            self._readers[clip_id] += 1
        return RemoteFile(self, clip_id, kind, size_bytes)

    def leave(self, clip_id: str) -> bool:
        """Let nobody begin to read a clip any more; says whether nobody does, so that it can be removed."""
        with self._lock:
            self._leaving.add(clip_id)
            return not self._readers[clip_id]

    def forget(self, clip_id: str) -> None:
        """A clip that has left."""
        with self._lock:
            self._leaving.discard(clip_id)

    def remove(self, clip_id: str) -> None:
        """A clip's files, if there are any."""

        def remove(system: Any, root: str, timeout_s: float) -> None:
            for kind in KINDS:
                name = _name(root, clip_id, kind)
                with suppress(FileNotFoundError):
                    # Object stores remove what is not there; others have their own way to say that it is not.
                    if self._at_once or _run(system, "exists", name, timeout_s=timeout_s):
                        _run(system, "rm_file", name, timeout_s=timeout_s)

        self._call(remove, self._timeout_s)

    def size_bytes(self, clip_id: str, kind: Kind) -> int:
        """How large a file is. Raises NotFoundError when it is not there."""

        def info(system: Any, root: str, timeout_s: float) -> int:
            return int(_run(system, "info", _name(root, clip_id, kind), timeout_s=timeout_s)["size"])

        return self._read(info, clip_id)

    def read(self, clip_id: str, kind: Kind, start: int, end: int) -> bytes:
        """The bytes `[start, end)` of a file. Raises NotFoundError when it is not there."""

        def cat(system: Any, root: str, timeout_s: float) -> bytes:
            name = _name(root, clip_id, kind)
            return bytes(_run(system, "cat_file", name, start=start, end=end, timeout_s=timeout_s))

        return self._read(cat, clip_id)

    def close(self) -> None:
        """Take no more calls."""
        self._patience.stop()

    def _done_reading(self, clip_id: str) -> None:
        with self._lock:
            self._readers[clip_id] -= 1
            if not self._readers[clip_id]:
                del self._readers[clip_id]

    def _read(self, what: Callable[[Any, str, float], _T], clip_id: str) -> _T:
        if time.monotonic() < self._silent_until_s:
            raise TargetError(f"{self.shown} does not answer")
        try:
            return self._call(what, min(READ_S, self._timeout_s))
        except FileNotFoundError:
            raise NotFoundError(f"somebody has removed the file of the clip '{clip_id}'", code="clip_removed") from None
        except TargetError:
            self._silent_until_s = time.monotonic() + PAUSE_S
            raise

    def _call(self, what: Callable[[Any, str, float], _T], timeout_s: float) -> _T:
        """Raises TargetError; and FileNotFoundError, which each caller takes in its own way."""

        def run() -> _T:
            system, root = self._connected(timeout_s)
            try:
                return what(system, root, timeout_s)
            except (FileNotFoundError, TargetError):
                raise
            except Exception:
                if not system.async_impl:
                    self._own.connection = None  # a connection that failed once may fail for ever
                raise

        try:
            # The libraries' own limit comes first, for it ends the call and not only the waiting.
            return self._patience.call(run, timeout_s + 1.0)
        except (FileNotFoundError, R2StreamError):
            raise
        except Exception as error:
            raise self._explained(error) from None

    def _connected(self, timeout_s: float) -> tuple[Any, str]:
        """This thread's own connection: most libraries cannot share one."""
        if getattr(self._own, "connection", None) is None:
            from fsspec.core import url_to_fs

            self._own.connection = url_to_fs(self._address, **self._options, skip_instance_cache=True)
        system, root = self._own.connection
        return system, root

    def _explained(self, error: Exception) -> TargetError:
        """What a person can do about it."""
        kind = type(error).__name__
        if isinstance(error, TimeoutError) or "Timeout" in kind:
            return TargetError(f"{self.shown} does not answer")
        if isinstance(error, PermissionError) or "Credentials" in kind or "Auth" in kind:
            wish = "check clips.options, or the credentials in the environment"
            return TargetError(f"{self.shown} refuses access ({self._told(error)}): {wish}", lasting=True)
        if isinstance(error, ImportError | TypeError | ValueError):
            return TargetError(f"{self.shown} cannot be used as clips.options say ({self._told(error)})", lasting=True)
        return TargetError(f"{self.shown} cannot be reached or written ({self._told(error)})")

    def _told(self, error: Exception) -> str:
        """An error in its own words, without what is secret in the options."""
        words = redact(" ".join(str(error).split()))
        for secret in _secrets(self._options):
            words = words.replace(secret, HIDDEN)
        return f"{type(error).__name__}: {words}"[:_MAX_MESSAGE] if words else type(error).__name__


class RemoteFile:
    """A file that somebody reads. `close` it, in whatever way reading ends."""

    def __init__(self, folder: RemoteFolder, clip_id: str, kind: Kind, size_bytes: int | None) -> None:
        self.clip_id = clip_id
        self.kind: Kind = kind
        self._folder = folder
        self._size_bytes = size_bytes
        self._open = True

    def size_bytes(self) -> int:
        """Asked for where it is not known. Raises NotFoundError and TargetError, as `read` does."""
        if self._size_bytes is None:
            self._size_bytes = self._folder.size_bytes(self.clip_id, self.kind)
        return self._size_bytes

    def read(self, start: int, end: int) -> bytes:
        """The bytes `[start, end)`."""
        return self._folder.read(self.clip_id, self.kind, start, end)

    def close(self) -> None:
        """Reading is over; may be called twice."""
        if self._open:
            self._open = False
            self._folder._done_reading(self.clip_id)


def _name(root: str, clip_id: str, kind: Kind) -> str:
    return f"{root.rstrip('/')}/{check_id(clip_id)}.{kind}"


def _run(system: Any, method: str, *arguments: object, timeout_s: float, **options: object) -> Any:
    """Call a file system, which ends the call by itself in time where it knows how to."""
    if not system.async_impl:
        return getattr(system, method)(*arguments, **options)
    from fsspec.asyn import sync

    return sync(system.loop, getattr(system, f"_{method}"), *arguments, timeout=timeout_s, **options)


def _secrets(options: Mapping[str, Any]) -> list[str]:
    """The values of all options that sound like secrets."""
    found: list[str] = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += _secrets(value)
        elif isinstance(value, str) and value and sounds_secret(name):
            found.append(value)
    return found
