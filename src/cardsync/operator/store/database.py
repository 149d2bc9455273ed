"""The connections that every aggregate of the store works with.

A method of an aggregate takes the connection as its first argument, so that its caller decides
what is one transaction: `with database.transaction() as connection: ...`.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from cardsync.errors import ConfigError
from cardsync.operator.store.migrate import migrate

_OPTIONS = "-c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"
"""Nothing of ours takes so long; what does is ended by the server, and its caller tries again."""

_FAR = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "connect_timeout": 5,
}
"""So that a server on another machine that falls silent is an error within seconds, where the
kernel would wait a quarter of an hour; in libpq's words, for what the DSN does not say itself."""

_AGAIN = 0.05
"""Seconds between two attempts to reach a server that is away."""

Connection = psycopg.Connection[TupleRow]


class Database:
    """PostgreSQL behind a DSN, brought to our schema, with at most `size` connections.

    A transaction waits up to `patience` seconds for a connection, and for a server that starts
    again; then it is `psycopg.OperationalError`. For a server that is away longer nobody waits
    any more: one attempt each, until one succeeds. Use it as a context: it opens and closes, and
    raises `ConfigError` for a database that cannot be used at all.

    A server that was started again has dropped every connection. So with the first one that is
    found broken all that are idle go: otherwise each would cost one transaction its time.
    """

    def __init__(self, dsn: str, *, size: int = 8, patience: float = 10.0) -> None:
        self._dsn = dsn
        self._conninfo = _conninfo(dsn)
        self._patience = patience
        self._away_since: float | None = None
        self._permits = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._open = False

    def __enter__(self) -> Self:
        try:
            migrate(self._dsn)
        except psycopg.Error as error:
            raise ConfigError(f"the database cannot be used: {error}") from error
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._drop_idle()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection in a transaction: committed at the end, undone on any exception."""
        deadline = time.monotonic() + self._patience
        if not self._permits.acquire(timeout=self._patience):
            raise psycopg.OperationalError("every connection to the database is in use")
        try:
            connection = self._take(deadline)
            try:
                yield connection
                connection.commit()
            finally:
                self._give_back(connection)
        finally:
            self._permits.release()

    def _take(self, deadline: float) -> Connection:
        """Take an idle connection that works, or make one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(deadline)
            if _works(connection):
                self._away_since = None
                return connection
            connection.close()
            self._drop_idle()

    def _connect(self, deadline: float) -> Connection:
        while True:
            if not self._open:
                raise psycopg.OperationalError("the database is not open")
            try:
                connection = psycopg.connect(self._conninfo)
            except psycopg.OperationalError:
                now = time.monotonic()
                since = self._away_since = self._away_since or now
                if now + _AGAIN > min(deadline, since + self._patience):
                    raise
                time.sleep(_AGAIN)
            else:
                self._away_since = None
                return connection

    def _give_back(self, connection: Connection) -> None:
        """Keep a connection for the next one, without what its transaction left unfinished."""
        with contextlib.suppress(psycopg.Error):
            connection.rollback()
        if connection.info.transaction_status is not TransactionStatus.IDLE or not self._open:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _conninfo(dsn: str) -> str:
    """Add what we want of every connection; the DSN may have a password in it and is not told."""
    try:
        said = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise ConfigError(
            "the DSN of the database cannot be read; postgresql://USER@HOST/NAME or "
            "'host=HOST user=USER dbname=NAME' is expected"
        ) from None
    return make_conninfo("", **{**_FAR, **said, "options": _OPTIONS})


def _works(connection: Connection) -> bool:
    """Ask the server for nothing, outside of any transaction."""
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.OperationalError:
        return False
    return True
