"""One database behind both: how it is opened, how long anything may take, what its errors mean.

SQLite keeps a write-ahead log, so that readers and the one writer do not wait for each other.
"""

import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import Engine, create_engine, event, exc, make_url, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool, QueuePool

from virtuoso.domain.errors import (
    SettingsError,
    StoreDamagedError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    import psycopg

DEADLINE_S: Final = 2.0
"""No statement and no wait for a connection takes longer."""
BUSY_MS: Final = 10_000
"""How long SQLite waits for another process's lock, off the loop; a backup may hold it."""

Use: TypeAlias = Literal["bulk", "ledger", "read", "admin"]
"""What a connection is for: rows that a power cut may take the last second of, rows that it must
not, reading alone, or migration and care."""

_DAMAGED: Final = ("malformed", "not a database", "file is encrypted")


@dataclass(frozen=True, slots=True)
class Place:
    """Which database, as the settings name it."""

    url: URL

    @property
    def path(self) -> Path | None:
        """The file, where there is one."""
        if self.url.get_backend_name() != "sqlite" or not self.url.database:
            return None
        return Path(self.url.database)

    def __str__(self) -> str:
        """Name it without its password."""
        path = self.path
        return self.url.render_as_string(hide_password=True) if path is None else str(path)


def place_of(url: str, folder: Path) -> Place:
    """Read `[store] url`; empty: a file in the state folder. Raises SettingsError."""
    if not url:
        return Place(URL.create("sqlite", database=str(folder / "history.sqlite")))
    try:
        found = make_url(url)
        kind = found.get_backend_name()
    except exc.ArgumentError as error:
        msg = "expected store.url as sqlite:///PATH or postgresql://USER@HOST/NAME, found neither"
        raise SettingsError(msg) from error
    if kind == "sqlite" and found.database and found.database != ":memory:":
        return Place(URL.create("sqlite", database=str(Path(found.database).expanduser())))
    if kind == "postgresql":
        return Place(found.set(drivername="postgresql+psycopg"))
    msg = (
        "expected store.url as sqlite:///PATH or postgresql://USER@HOST/NAME, "
        f"found {found.render_as_string(hide_password=True)[:100]!r}"
    )
    raise SettingsError(msg)


def open_engine(place: Place, use: Use, connections: int = 1) -> Engine:
    """Open a place for one use; nothing is connected before the first statement."""
    if place.path is not None:
        return _sqlite(place.path, use, connections)
    return _postgres(place.url, use, connections)


def _sqlite(path: Path, use: Use, connections: int) -> Engine:
    mode = "ro" if use == "read" else "rwc"

    def connect() -> sqlite3.Connection:
        if use != "read":
            make_private(path)
        # SQLAlchemy hands a connection to one thread at a time
        link = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_MS / 1_000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            link.execute("PRAGMA foreign_keys = ON")
            if use == "read":
                link.execute("PRAGMA query_only = ON")
            else:
                link.execute("PRAGMA journal_mode = WAL")
                safe = "NORMAL" if use == "bulk" else "FULL"
                link.execute(f"PRAGMA synchronous = {safe}")
            # 256 MB of the file may be read without a copy, 8 MB are kept by each connection
            link.execute("PRAGMA mmap_size = 268435456")
            link.execute("PRAGMA cache_size = -8000")
        except BaseException:
            link.close()
            raise
        return link

    if use == "admin":
        engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    else:
        engine = create_engine(
            "sqlite://",
            creator=connect,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=DEADLINE_S,
        )
    # the driver begins too late for a schema's changes, and reads before it locks
    begin = "BEGIN" if use == "read" else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def make_private(path: Path) -> None:
    """Make the file, and its folder, for nobody else to read; what is there is left as it is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _postgres(url: URL, use: Use, connections: int) -> Engine:
    milliseconds = round(DEADLINE_S * 1_000)
    options = [f"-c lock_timeout={milliseconds}", "-c timezone=UTC"]
    if use != "admin":
        options.append(f"-c statement_timeout={milliseconds}")
        options.append("-c idle_in_transaction_session_timeout=30000")
    if use == "read":
        options.append("-c default_transaction_read_only=on")
    arguments: dict[str, Any] = {
        "connect_timeout": 2,
        "options": " ".join(options),
        "application_name": f"virtuoso-{use}",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": milliseconds,
    }
    if use == "admin":
        return create_engine(url, connect_args=arguments, poolclass=NullPool)
    return create_engine(
        url,
        connect_args=arguments,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=DEADLINE_S,
        pool_recycle=3_600,
    )


def sever(connection: Connection) -> None:
    """End what a connection is doing, from another thread; it raises there. Never blocks."""
    link: sqlite3.Connection | psycopg.Connection[Any] | None = (
        connection.connection.driver_connection
    )
    if isinstance(link, sqlite3.Connection):
        with suppress(sqlite3.Error):
            link.interrupt()
    elif link is not None:
        # a server that stands still sends nothing and keeps its socket: only we can end the wait
        with suppress(OSError, *_of_postgres("Error")):
            ours = socket.socket(fileno=os.dup(link.pgconn.socket))
            try:
                ours.shutdown(socket.SHUT_RDWR)
            finally:
                ours.close()


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except exc.TimeoutError as error:
        msg = f"expected a free connection to {place} within {DEADLINE_S:g} s, found none"
        raise StoreUnavailableError(msg) from error
    except exc.DBAPIError as error:
        raise _ours(place, error.orig or error) from error
    except _raised_by_drivers() as error:
        raise _ours(place, error) from error


def _ours(place: Place, error: BaseException) -> StoreError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, sqlite3.DatabaseError) and any(word in said for word in _DAMAGED):
        return StoreDamagedError(f"{place} is damaged: {said}")
    if isinstance(error, _of_postgres("errors.UndefinedTable")):
        return StoreUnavailableError(f"{place} has no tables yet: {said}")
    refused: tuple[type[BaseException], ...] = (
        sqlite3.IntegrityError,
        sqlite3.ProgrammingError,
        sqlite3.InterfaceError,
        sqlite3.DataError,
        *_of_postgres("IntegrityError", "ProgrammingError", "DataError"),
    )
    if isinstance(error, refused):
        return StoreRefusedError(f"{place} refused: {said}")
    return StoreUnavailableError(f"{place} cannot be used: {said}")


def _raised_by_drivers() -> tuple[type[BaseException], ...]:
    return (sqlite3.Error, OSError, *_of_postgres("Error"))


def _of_postgres(*names: str) -> tuple[type[BaseException], ...]:
    """Give errors of PostgreSQL's driver by name; none before it was loaded, for none was raised.

    SQLAlchemy loads it with the first engine of such a place: it takes an eighth of a second.
    """
    driver = sys.modules.get("psycopg")
    return () if driver is None else tuple(attrgetter(each)(driver) for each in names)


def ask(connection: Connection, statement: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Give the first value that a plain statement finds."""
    return connection.execute(text(statement)).scalar()
