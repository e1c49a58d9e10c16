"""Notices that the settings file has changed, and has the service go on with it; a mistake in it changes nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from watchfiles import Change, watch

from stream.errors import ConfigError, R2StreamError
from stream.metrics import Metrics
from stream.redact import redacted_trace
from stream.settings import Settings
from stream.settings_check import locate
from stream.yaml_document import MAX_BYTES

QUIET_MS: Final = 200
"""A file that has not changed for so long has been written to its end."""

PATIENCE_MS: Final = 2000
"""A file that never stops changing is looked at nevertheless."""

LOOK_S: Final = 5.0
"""It is looked at this often in any case: file systems on a network and links to elsewhere send no notice."""

STOP_S: Final = 2.0
_NOTHING: Final = b""
_NEVER: Final = b"never"
_log = logging.getLogger(__name__)


class Reconfigurable(Protocol):
    """The service, as far as it concerns its settings."""

    @property
    def metrics(self) -> Metrics: ...

    def apply_settings(self, settings: Settings) -> Sequence[str]: ...

    def refuse_settings(self, place: str) -> None: ...


class SettingsFile:
    """The settings file of a service. `look` is called in one thread at a time."""

    def __init__(self, path: Path, load: Callable[[], Settings], service: Reconfigurable) -> None:
        """`load` reads the file, and whatever else the settings are made of, as at the start."""
        self.path = path
        self._load = load
        self._service = service
        self._seen: bytes | None = _NEVER
        self._problem = ""

    def look(self) -> None:
        """Take up what the file says if its content has changed since the last look. Logs, and raises nothing."""
        content = self._content()
        if content == self._seen:
            return
        self._seen = content
        try:
            if content is not None and not content.strip():
                # Most likely somebody is about to write it; else it would end all streams.
                raise ConfigError("is empty; write 'streams: {}' if nothing is to be watched", code="bad_file")
            changes = self._service.apply_settings(self._load())
        except ConfigError as error:
            self._refuse(error)
        except R2StreamError as error:
            self._seen = _NEVER  # not the file's fault: try again
            self._say("failed", f"the settings file cannot be applied now, and is tried again: {error}")
        except Exception as error:
            # A mistake of ours must not keep the next change from being seen.
            self._say("failed", f"the settings file was not applied, by a mistake\n{redacted_trace(error)}")
        else:
            self._accept(changes)

    def _content(self) -> bytes | None:
        """A fingerprint of the file; nothing but white space as it is; None when it cannot be read."""
        try:
            with self.path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        return blake2b(content).digest() if content.strip() else _NOTHING

    def _refuse(self, error: ConfigError) -> None:
        where = locate(ConfigError("", path=error.path, code=error.code), self.path)
        self._service.refuse_settings(where)
        self._say("invalid", f"the settings before it hold, for {self.path} cannot be used: {locate(error, self.path)}")

    def _accept(self, changes: Sequence[str]) -> None:
        if self._problem:
            _log.info("%s can be used again", self.path)
        self._problem = ""
        if changes:
            self._service.metrics.settings_reloads.labels("applied").inc()
            _log.info("the settings have changed: %s", "; ".join(changes))

    def _say(self, result: str, problem: str) -> None:
        """What is said once is not repeated at every look."""
        if problem != self._problem:
            self._service.metrics.settings_reloads.labels(result).inc()
            _log.error("%s", problem)
        self._problem = problem


class SettingsWatch:
    """Looks at a settings file whenever it changes, in a thread of its own, from `with` to the end of its block."""

    def __init__(self, file: SettingsFile, *, look_s: float = LOOK_S) -> None:
        self._file = file
        self._look_s = look_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settings", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        self._file.look()
        try:
            self._follow()
        except Exception as error:
            _log.warning("changes of %s are looked for every %g s only: %s", self._file.path, self._look_s, error)
            while not self._stop.wait(self._look_s):
                self._file.look()

    def _follow(self) -> None:
        # Its folder, for editors replace the file by another one, and Kubernetes the link `..data` that it is behind.
        changes = watch(
            self._file.path.absolute().parent,
            watch_filter=self._may_concern,
            debounce=PATIENCE_MS,
            step=QUIET_MS,
            stop_event=self._stop,
            rust_timeout=round(1000 * self._look_s),
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
        )
        for _ in changes:
            self._file.look()

    def _may_concern(self, change: Change, path: str) -> bool:
        return Path(path).name in (self._file.path.name, "..data")
