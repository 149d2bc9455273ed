"""The pool of connections that every aggregate of the store works with.

A method of an aggregate takes the connection as its first argument, so that its caller decides
what is one transaction: `with database.transaction() as connection: ...`.
"""

import contextlib
from collections.abc import Iterator
from typing import Self

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from cardsync.operator.store.migrate import migrate

_OPTIONS = "-c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"
"""Nothing of ours takes so long; what does is ended by the server, and its caller tries again."""

Connection = psycopg.Connection[TupleRow]


class Database:
    """PostgreSQL behind a DSN, brought to our schema, with at most `size` connections.

    A connection that the server has dropped is replaced when it is taken. Use it as a context:
    it opens and closes the pool.
    """

    def __init__(self, dsn: str, *, size: int = 8) -> None:
        self._dsn = dsn
        self._pool = ConnectionPool(
            dsn,
            kwargs={"options": _OPTIONS},
            min_size=1,
            max_size=size,
            open=False,
            timeout=10.0,
            check=ConnectionPool.check_connection,
            name="cardsync",
        )

    def __enter__(self) -> Self:
        migrate(self._dsn)
        self._pool.open(wait=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection in a transaction: committed at the end, undone on any exception."""
        with self._pool.connection() as connection:
            yield connection
