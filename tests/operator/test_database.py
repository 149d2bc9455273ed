"""The connections to PostgreSQL: lent, kept, replaced after the server was started again."""

import threading
import time

import psycopg
import pytest

from cardsync.errors import ConfigError
from cardsync.operator.store.database import Connection, Database


def backend(connection: Connection) -> int:
    """Name the server's process behind a connection."""
    return connection.info.backend_pid


def use(database: Database) -> int:
    """Use a connection."""
    with database.transaction() as connection:
        connection.execute("SELECT 1")
        return backend(connection)


def fill(database: Database, count: int) -> set[int]:
    """Make so many connections idle at once."""
    barrier, found = threading.Barrier(count), set()

    def one() -> None:
        with database.transaction() as connection:
            found.add(backend(connection))
            barrier.wait(10)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return found


def end(server: str, backends: set[int]) -> None:
    """End connections as a server does that is started again."""
    with psycopg.connect(server, autocommit=True) as connection:
        for number in backends:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [number])


def test_first_broken_connection_takes_all_idle_ones_with_it(server: str) -> None:
    """After a restart of the server one transaction finds out, and the next ones need not."""
    with Database(server) as database:
        before = fill(database, 4)
        end(server, before)
        after = use(database)
        left = len(database._idle)
        again = use(database)

    assert 4 == len(before)
    assert after not in before
    assert (1, after) == (left, again)


def test_server_that_comes_back_is_waited_for(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts are repeated until one succeeds; the caller sees no error."""
    tries, real = [], psycopg.connect

    def connect(*arguments: str, **settings: int) -> Connection:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise psycopg.OperationalError("the database system is starting up")
        return real(*arguments, **settings)  # type: ignore[arg-type]  # as it was called

    with Database(server) as database:
        monkeypatch.setattr(psycopg, "connect", connect)
        use(database)

    assert 4 == len(tries)


def test_server_that_stays_away_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a database that was not opened, and one whose connections are all in use."""
    monkeypatch.setattr("cardsync.operator.store.database.migrate", lambda _: None)
    with (
        Database("host=/nowhere", patience=0.2) as away,
        pytest.raises(psycopg.OperationalError),
    ):
        use(away)
    with pytest.raises(psycopg.OperationalError, match="not open"):
        use(Database("host=/nowhere"))


def attempts(database: Database, monkeypatch: pytest.MonkeyPatch) -> int:
    """Use a database whose server refuses; count the attempts to reach it."""
    tries = []

    def refuse(*_: str, **__: int) -> Connection:
        tries.append(1)
        raise psycopg.OperationalError("the database system is shutting down")

    with monkeypatch.context() as patched:
        patched.setattr(psycopg, "connect", refuse)
        with pytest.raises(psycopg.OperationalError):
            use(database)
    return len(tries)


def test_server_that_stays_away_is_waited_for_once(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later callers make one attempt each, until one succeeds; then patience is as before."""
    with Database(server, patience=0.3) as database:
        first, second, third = [attempts(database, monkeypatch) for _ in range(3)]
        end(server, {use(database)})
        after = attempts(database, monkeypatch)

    assert (1, 1) == (second, third)
    assert first > 1 < after


def test_far_server_that_falls_silent_is_noticed(server: str) -> None:
    """Keepalives and the time-out of unacknowledged data are set, where the DSN says nothing."""
    with Database(f"{server} keepalives_idle=99") as database, database.transaction() as connection:
        said = connection.info.get_parameters()

    assert ("99", "15000") == (said["keepalives_idle"], said["tcp_user_timeout"])


@pytest.mark.parametrize("dsn", ["host=/nowhere", "postgresql:/secret word"])
def test_database_that_cannot_be_used(dsn: str) -> None:
    """Said in one line, without a password that may be in the DSN."""
    with pytest.raises(ConfigError, match=r"the (DSN of the )?database") as told, Database(dsn):
        pass

    assert "secret" not in str(told.value)


def test_every_connection_in_use(server: str) -> None:
    """Whoever waits too long for another one's end is told."""
    with (
        Database(server, size=1, patience=0.2) as database,
        database.transaction(),
        pytest.raises(psycopg.OperationalError, match="in use"),
    ):
        use(database)


def fail(database: Database) -> None:
    """Do half of something."""
    with database.transaction() as connection:
        connection.execute("CREATE TABLE not_to_be (n int)")
        raise ZeroDivisionError


def test_transaction_is_whole_or_not_at_all(server: str) -> None:
    """An exception undoes; the connection is good for the next one, and nothing is left in it."""
    with Database(server) as database:
        number = use(database)
        with pytest.raises(ZeroDivisionError):
            fail(database)
        with pytest.raises(psycopg.DatabaseError), database.transaction() as connection:
            connection.execute("no statement")
        with database.transaction() as connection:
            found = connection.execute("SELECT to_regclass('not_to_be')").fetchone()

        assert ((None,), number) == (found, use(database))
