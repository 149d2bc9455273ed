"""`cardsync operator serve --journal`: what happens, told line by line on standard output."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cardsync.cli import lines, operator
from cardsync.operator import journal
from cardsync.operator.server import Operator
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.seal import MasterKey


def write(database: Database, what: str, count: int, at: datetime) -> None:
    """Write entries."""
    with database.transaction() as connection:
        for _ in range(count):
            journal.note(connection, "89001", what, at)


def test_from_now_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was written before; a clock that is put back, or a database away, ends nothing.

    The journal is read further when the database is back.
    """
    with database.transaction() as connection:
        connection.execute("TRUNCATE journal")
    now = datetime.now(UTC)
    write(database, "long ago", journal.PAGE + 10, now - timedelta(days=1))
    told: list[str] = []
    done, real, away = asyncio.Event(), journal.journal_since, iter((False, False, True, True))

    def since(connection: Connection, after: journal.Position) -> list[journal.Entry]:
        if next(away, False):
            raise psycopg.OperationalError("the database system is shutting down")
        found = real(connection, after)
        if not found and not told:
            write(database, "by a clock that was put back", 1, now - timedelta(days=2))
        return found

    def tell(_: str, step: dict[str, object]) -> None:
        told.append(str(step["what"]))
        done.set()

    monkeypatch.setattr(journal, "journal_since", since)
    monkeypatch.setattr(lines, "write", tell)

    async def run() -> None:
        running = Operator(database, Cards(database, MasterKey(bytes(32))), "http://a.example/")
        task = asyncio.create_task(operator._tell_journal(running))
        await asyncio.wait_for(done.wait(), 30)
        task.cancel()

    asyncio.run(run())

    assert ["by a clock that was put back"] == told
