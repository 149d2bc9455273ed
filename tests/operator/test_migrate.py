"""Migrations: in order, once, whole or not at all; the schema keeps the rules of Citus."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from cardsync.errors import ConfigError
from cardsync.operator.store.database import Database
from cardsync.operator.store.migrate import Migration, migrate, migrations

FIRST = Migration(1, "first", "CREATE TABLE one (n int PRIMARY KEY);\n")
SECOND = Migration(2, "second", "CREATE TABLE two (n int);\nINSERT INTO two VALUES (1);\n")
FLEET_WIDE = {"ident", "credential", "card", "key_set", "card_token", "card_ident"}
"""Tables that are distributed by another value than the device, or not at all."""


@pytest.fixture(scope="session")
def beside(server: str) -> str:
    """Make another database; give its DSN."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE beside")
    return psycopg.conninfo.make_conninfo(server, dbname="beside")


@pytest.fixture
def empty(beside: str) -> str:
    """Give the DSN of an empty database."""
    with psycopg.connect(beside, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return beside


def tables(dsn: str) -> set[str]:
    """Read the names of the tables."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return {name for (name,) in rows} - {"schema_migration"}


def test_applied_once_in_order(empty: str) -> None:
    """What is there already is not applied again; new files are."""
    assert ["first"] == migrate(empty, (FIRST,))
    assert ["second"] == migrate(empty, (FIRST, SECOND))
    assert [] == migrate(empty, (FIRST, SECOND))
    assert {"one", "two"} == tables(empty)


def test_many_at_once(empty: str) -> None:
    """Of several processes one migrates, the others wait for it."""
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: migrate(empty, (FIRST, SECOND)), range(4)))

    assert [[], [], [], ["first", "second"]] == sorted(done)


def test_failing_file_leaves_nothing(empty: str) -> None:
    """A migration is applied whole or not at all, and can be tried again."""
    broken = Migration(2, "broken", "CREATE TABLE two (n int);\nSELECT no_such_function();\n")
    with pytest.raises(psycopg.Error):
        migrate(empty, (FIRST, broken))

    assert {"one"} == tables(empty)
    assert ["second"] == migrate(empty, (FIRST, SECOND))


def test_changed_file_is_refused(empty: str) -> None:
    """A file that was applied must stay as it was."""
    migrate(empty, (FIRST,))
    with pytest.raises(ConfigError, match=r"migration 0001 \(first\) differs"):
        migrate(empty, (Migration(1, "first", "SELECT 1;\n"),))


def test_newer_database_is_refused(empty: str) -> None:
    """A database that a newer program has migrated is not touched."""
    migrate(empty, (FIRST, SECOND))
    with pytest.raises(ConfigError, match="newer version"):
        migrate(empty, (FIRST,))


def test_no_transaction(empty: str) -> None:
    """A marked file runs statement by statement, as CREATE INDEX CONCURRENTLY needs it."""
    text = (
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON one (n);\n"
        "-- a comment at the end;\n"
    )
    done = migrate(empty, (FIRST, Migration(2, "index", text)))

    assert ["first", "index"] == done


def test_distribution_is_left_out_without_citus(empty: str) -> None:
    """What stands after the mark runs only where Citus is installed."""
    text = (
        "CREATE TABLE two (n int);\n-- distribute\nSELECT create_distributed_table('two', 'n');\n"
    )
    done = migrate(empty, (Migration(1, "both", text),))

    assert ["both"] == done
    assert {"two"} == tables(empty)


def test_numbers_are_unique() -> None:
    """No two files have one number, and each has a distribution or needs none."""
    numbers = [migration.number for migration in migrations()]

    assert sorted(set(numbers)) == numbers


def test_own_schema_twice(empty: str) -> None:
    """Our own migrations apply to an empty database, and then to nothing."""
    assert [migration.name for migration in migrations()] == migrate(empty)
    assert [] == migrate(empty)


def test_schema_can_be_distributed(database: Database) -> None:
    """Every unique key of a device's table begins with device_id, and there is no trigger.

    These are the rules under which Citus can distribute the tables.
    """
    with database.transaction() as connection:
        keys = connection.execute(
            "SELECT t.relname, a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
            "JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public' "
            "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] "
            "JOIN pg_attribute d ON d.attrelid = t.oid AND d.attname = 'device_id' "
            "WHERE i.indisunique"
        ).fetchall()
        triggers = connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        ).fetchone()
        distributed = "".join(migration.distribution for migration in migrations())

    device_tables = {table for table, _ in keys} - FLEET_WIDE
    assert {"device", "record", "record_history", "sync_session"} <= device_tables
    assert {"device_id"} == {first for table, first in keys if table in device_tables}
    assert (0,) == triggers
    for table in device_tables | FLEET_WIDE:
        assert f"create_distributed_table('{table}'" in distributed
