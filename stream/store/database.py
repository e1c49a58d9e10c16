"""Opens the SQLite file: durable, readable while written, and with errors that say what to do."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stream.errors import R2StreamError
from stream.store.schema import SCHEMA_VERSION, facts, metadata

LOCK_TIMEOUT_S: Final = 5.0
"""How long to wait for another process's write, or for a free connection, before giving up."""

POOL_SIZE: Final = 8


class StoreError(R2StreamError):
    """The event log cannot be read or written. Codes: `store_unusable`, `store_in_use` (a person must
    act), `store_busy` (may pass by itself), `store_closed`."""

    default_code: ClassVar[str] = "store_unusable"


class Database:
    """One SQLite file, held by one process at a time. Any thread may read; writes wait for each other."""

    def __init__(self, path: Path) -> None:
        """Open the file, creating it for this user's eyes only. Raises StoreError."""
        self.path = path
        self._writing = threading.RLock()
        self._engine = _create_engine(path)
        self._lock_file: int | None = None
        try:
            with self._explained():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock_file = _hold(path.with_name(path.name + ".lock"))
                # Stream addresses hold passwords; SQLite gives its side files the permissions of the main one.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with self.writing() as connection:
                metadata.create_all(connection)
                _check_version(connection, path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back. Safe to call twice."""
        lock_file, self._lock_file = self._lock_file, None
        self._engine.dispose()
        if lock_file is not None:
            os.close(lock_file)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every statement sees all that was committed before it. Raises StoreError."""
        if self._lock_file is None:
            raise StoreError(f"{self.path} is closed", code="store_closed")
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread writes meanwhile: for what must follow transactions in their order. Raises StoreError."""
        if not self._writing.acquire(timeout=LOCK_TIMEOUT_S):
            raise StoreError(f"{self.path} is still being written; try again", code="store_busy")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: on leaving it is on the disk, after an error nothing of it is. Raises StoreError."""
        with self.alone(), self.reading() as connection:
            # Taking the write lock at once avoids failing half-way, when a read turns into a write.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise _explain(error, self.path) from error


def _create_engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": LOCK_TIMEOUT_S, "check_same_thread": False},
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=LOCK_TIMEOUT_S,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL flushes the log at each commit: an event that was sent survives a power cut, not only a crash.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _hold(path: Path) -> int:
    """An open file that keeps other processes out until it is closed, also by `kill -9`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        message = f"another r2stream is using {path.parent}; stop it or choose another data directory"
        raise StoreError(message, code="store_in_use") from None
    return descriptor


def _check_version(connection: Connection, path: Path) -> None:
    version = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
    if version is None:
        connection.execute(facts.insert().values(name="schema_version", value=SCHEMA_VERSION))
    elif version != SCHEMA_VERSION:
        raise StoreError(f"{path} has the format {version} of another r2stream version; upgrade, or move it away")


def _roll_back(connection: Connection) -> None:
    # The first error is the one to report; a connection that cannot even roll back is thrown away.
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()


def _explain(error: Exception, path: Path) -> StoreError:
    text = str(getattr(error, "orig", None) or error)
    if isinstance(error, PoolTimeoutError) or "locked" in text or "busy" in text:
        return StoreError(f"{path} is locked by another program; close it or try again", code="store_busy")
    if "not a database" in text or "malformed" in text:
        return StoreError(f"{path} is damaged; restore a copy of it, or move it away to start with an empty log")
    if isinstance(error, OSError):
        return StoreError(f"{path} cannot be opened ({error.strerror or error}); check the path and its permissions")
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"{path} cannot be written; check the permissions of the file and of its folder")
    if "full" in text:
        return StoreError(f"no space left for {path}; make room on the disk")
    return StoreError(f"{path} cannot be used ({text})")
