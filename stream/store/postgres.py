"""A PostgreSQL database by its URL, for those who run one anyway, back it up and look into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import stream.store.database as database
from stream.store.database import POOL_SIZE, Database, StoreError
from stream.store.migrate import migrate

_LOCK: Final = 0x72_32_73_74_72_65_61_6D  # "r2stream"
"""The number of the advisory lock that one r2stream holds in its database."""


_BY_CODE: Final = (
    ("28", "refuses the user or the password", "correct the address in `database`"),
    ("3D", "has no such database", "create it with createdb, or correct its name"),
    ("42501", "does not let this user make or write tables", "grant it the schema"),
    ("53", "has no room", "make room on its disk or among its connections"),
)
"""What the server's codes for errors begin with, and what to do about them."""
_BY_WORDS: Final = (
    ("password authentication failed", *_BY_CODE[0][1:]),
    ("does not exist", "has no such database or user", *_BY_CODE[1][2:]),
)
"""While connecting there are no codes."""


class PostgresDatabase(Database):
    """A database that an advisory lock keeps other r2streams away from.

    The lock belongs to the one connection that writes: if that is lost, so is the right to write, until it is taken
    again. What was committed is on the server's disk (`synchronous_commit`, on unless the server says otherwise).
    """

    begin = "BEGIN"

    def __init__(self, url: str) -> None:
        """Connect, take the lock, and bring the tables up to date. Raises StoreError."""
        address = _address(url)
        super().__init__(address.render_as_string(hide_password=True), _create_engine(address))
        self._own: Connection | None = None
        try:
            with self.writing() as connection:
                migrate(connection, self.name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            # Unlocked by hand, for the server may take a while to see that the connection is gone.
            with suppress(SQLAlchemyError):
                own.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            with suppress(SQLAlchemyError):
                own.close()
        super().close()

    @contextmanager
    def _writer(self) -> Iterator[Connection]:
        own = self._own
        if own is None or own.closed or own.invalidated:
            own = self._own = self._take()
        try:
            yield own
        except OperationalError:
            self._own = None
            with suppress(SQLAlchemyError):
                own.invalidate()
                own.close()
            raise

    def _take(self) -> Connection:
        """A connection that holds the lock. Raises StoreError when another one does."""
        connection = self._engine.connect()
        try:
            held = connection.scalar(select(text("pg_try_advisory_lock(:lock)")).params(lock=_LOCK))
            if not held:
                message = f"another r2stream is using {self.name}; stop it or choose another database"
                raise StoreError(message, code="store_in_use")
        except BaseException:
            connection.close()
            raise
        return connection

    def _explain(self, error: Exception) -> StoreError:
        return _explained(error, self.name)


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError:
        raise StoreError("`database` must look like postgresql://user:password@host/name") from None
    if address.get_backend_name() != "postgresql" or not address.database:
        raise StoreError("`database` must look like postgresql://user:password@host/name")
    return address.set(drivername="postgresql+psycopg")


def server_version(url: str) -> str:
    """What answers at that URL, such as "PostgreSQL 15.8", without taking the lock. Raises StoreError."""
    address = _address(url)
    name, engine = address.render_as_string(hide_password=True), _create_engine(address)
    try:
        with engine.connect() as connection:
            return "PostgreSQL " + str(connection.scalar(text("SHOW server_version"))).split()[0]
    except SQLAlchemyError as error:
        raise _explained(error, name) from error
    finally:
        engine.dispose()


def _create_engine(address: URL) -> Engine:
    try:
        return _engine(address)
    except ModuleNotFoundError:
        message = "PostgreSQL needs the package psycopg: pip install 'r2stream[postgres]'"
        raise StoreError(message) from None


def _engine(address: URL) -> Engine:
    timeout_ms = round(1000 * database.LOCK_TIMEOUT_S)
    return create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "connect_timeout": round(database.LOCK_TIMEOUT_S),
            "options": f"-c lock_timeout={timeout_ms} -c statement_timeout={6 * timeout_ms}",
            # A server whose machine is gone says nothing: noticed after 15 s, and not after two hours.
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 15_000,
        },
        pool_size=POOL_SIZE,
        max_overflow=1,  # the writer's
        pool_timeout=database.LOCK_TIMEOUT_S,
        pool_pre_ping=True,
    )


def _reason(error: Exception) -> str:
    """The server's own words, on one line."""
    original = getattr(error, "orig", None) if isinstance(error, DBAPIError) else None
    return " ".join(str(original or error).split())


def _explained(error: Exception, name: str) -> StoreError:
    """What a person can do about it, by the server's code for the error."""
    reason = _reason(error)
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    by_code = [advice for advice in _BY_CODE if state.startswith(advice[0])]
    by_words = [advice for advice in _BY_WORDS if not state and advice[0] in reason]
    for _, what, todo in [*by_code, *by_words][:1]:
        return StoreError(f"{name} {what} ({reason}); {todo}")
    if isinstance(error, PoolTimeoutError) or state.startswith("55"):
        return StoreError(f"{name} is busy; try again", code="store_busy")
    if isinstance(error, OperationalError):
        message = f"{name} does not answer ({reason}); check that the server runs and that the address is right"
        return StoreError(message, code="store_busy")
    return StoreError(f"{name} cannot be used ({reason})")
