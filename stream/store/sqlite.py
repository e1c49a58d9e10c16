"""One SQLite file: durable, readable while written, and with errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import stream.store.database as database
from stream.store.database import POOL_SIZE, Database, StoreError
from stream.store.file_lock import FileLock
from stream.store.migrate import migrate


class SqliteDatabase(Database):
    """A file that a lock beside it keeps other processes away from."""

    # Taking the write lock at once avoids failing half-way, when a read turns into a write.
    begin = "BEGIN IMMEDIATE"

    def __init__(self, path: Path) -> None:
        """Open the file, creating it for this user's eyes only, and bring it up to date. Raises StoreError."""
        super().__init__(str(path), _create_engine(path))
        self._lock: FileLock | None = None
        try:
            with self._explained():
                self._lock = FileLock(path.with_name(path.name + ".lock"))
                # Stream addresses hold passwords; SQLite gives its side files the permissions of the main one.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with self.writing() as connection:
                migrate(connection, self.name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        super().close()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def _writer(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    def _explain(self, error: Exception) -> StoreError:
        text, name = str(getattr(error, "orig", None) or error), self.name
        if isinstance(error, PoolTimeoutError) or "locked" in text or "busy" in text:
            return StoreError(f"{name} is locked by another program; close it or try again", code="store_busy")
        if "not a database" in text or "malformed" in text:
            return StoreError(f"{name} is damaged; restore a copy of it, or move it away to start with an empty log")
        if isinstance(error, OSError):
            return StoreError(
                f"{name} cannot be opened ({error.strerror or error}); check the path and its permissions"
            )
        if "readonly" in text or "unable to open" in text:
            return StoreError(f"{name} cannot be written; check the permissions of the file and of its folder")
        if "full" in text:
            return StoreError(f"no space left for {name}; make room on the disk")
        return StoreError(f"{name} cannot be used ({text})")


def _create_engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": database.LOCK_TIMEOUT_S, "check_same_thread": False},
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=database.LOCK_TIMEOUT_S,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL flushes the log at each commit: an event that was sent survives a power cut, not only a crash.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
