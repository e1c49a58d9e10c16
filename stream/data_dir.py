"""What a service opens on its disk, and keeps others out of."""

from __future__ import annotations

from typing import Final

from stream.settings import Settings
from stream.store import FileLock, Store, StoreError

LOG_FILE: Final = "events.sqlite3"
"""The event log and all definitions, unless a database elsewhere holds them."""
LOCK_FILE: Final = "r2stream.lock"
"""Clips lie in the data directory too, wherever the log is: two services would tidy up each other's."""


def lock_data_dir(settings: Settings) -> FileLock:
    """Keep other services out of the data directory, made if it is missing. Raises StoreError."""
    try:
        return FileLock(settings.data_dir / LOCK_FILE)
    except OSError as error:
        message = f"{settings.data_dir} cannot be opened ({error.strerror}); check the path and its permissions"
        raise StoreError(message) from error


def open_store(settings: Settings) -> Store:
    """The event log where `settings` say. Raises StoreError."""
    retention = settings.retention
    return Store(
        settings.database or settings.data_dir / LOG_FILE,
        max_events=retention.max_events,
        max_age_s=retention.max_age_s,
    )
