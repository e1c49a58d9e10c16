"""What the store needs of a database, whichever it is: readers that never wait, and one writer at a time."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from stream.errors import R2StreamError

LOCK_TIMEOUT_S: Final = 5.0
"""How long to wait for another process's write, or for a free connection, before giving up."""

POOL_SIZE: Final = 8


class StoreError(R2StreamError):
    """The event log cannot be read or written. Codes: `store_unusable`, `store_in_use` (a person must
    act), `store_busy` (may pass by itself), `store_closed`."""

    default_code: ClassVar[str] = "store_unusable"


class Database(ABC):
    """A database that one process holds at a time. Any thread may read; writes wait for each other.

    Statements run one by one (`AUTOCOMMIT`), so that a read sees all that was committed before it; a write is one
    transaction between an explicit BEGIN and COMMIT.
    """

    begin: ClassVar[str]
    """How a writing transaction starts."""

    def __init__(self, name: str, engine: Engine) -> None:
        """`name` is how messages call the database; it may hold no secret."""
        self.name = name
        self._engine = engine
        self._writing = threading.RLock()
        self._open = True

    def close(self) -> None:
        """Give the database back. Safe to call twice."""
        self._open = False
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every statement sees all that was committed before it. Raises StoreError."""
        self._refuse_closed()
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread writes meanwhile: for what must follow transactions in their order. Raises StoreError."""
        if not self._writing.acquire(timeout=LOCK_TIMEOUT_S):
            raise StoreError(f"{self.name} is still being written; try again", code="store_busy")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: on leaving it is on the disk, after an error nothing of it is. Raises StoreError."""
        with self.alone():
            self._refuse_closed()
            with self._explained(), self._writer() as connection:
                connection.exec_driver_sql(self.begin)
                try:
                    yield connection
                    connection.exec_driver_sql("COMMIT")
                except BaseException:
                    _roll_back(connection)
                    raise

    @abstractmethod
    def _writer(self) -> AbstractContextManager[Connection]:
        """The connection that may write."""

    @abstractmethod
    def _explain(self, error: Exception) -> StoreError:
        """What a person can do about an error of the driver or of the file system."""

    def _refuse_closed(self) -> None:
        if not self._open:
            raise StoreError(f"{self.name} is closed", code="store_closed")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise self._explain(error) from error


def _roll_back(connection: Connection) -> None:
    # The first error is the one to report; a connection that cannot even roll back is thrown away.
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()
