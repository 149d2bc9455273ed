"""Everything that would grow for ever goes after its time, page by page, and nothing before."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardsync.errors import ConfigError, LocalError
from cardsync.operator import housekeeping
from cardsync.operator.housekeeping import Housekeeper, Retention, background
from cardsync.operator.server import Operator
from cardsync.operator.store import restoring
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.records import Place
from cardsync.operator.store.seal import MasterKey

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AGES = (0, 2, 20, 60, 200, 400)
"""Of what is in each table, in days; of each age there is one."""

_FILL = """
INSERT INTO journal (at, iccid, what, octets, milliseconds) VALUES (%(at)s, '89', 'x', 0, 0);
INSERT INTO outbox (iccid, purpose, tar, data, key_set, repeatable, state, due, expires, created,
    done) VALUES ('89', 'ended', '', '', 1, false, 3, %(at)s, %(at)s, %(at)s, %(at)s);
INSERT INTO outbox (iccid, purpose, tar, data, key_set, repeatable, state, due, expires, created)
    VALUES ('89', 'owed', '', '', 1, false, 0, %(at)s, %(at)s, %(at)s);
INSERT INTO proof_part VALUES ('89', %(days)s::text, 1, '', %(at)s);
INSERT INTO card_report VALUES ('89', %(days)s, %(at)s, 'sms', 0, NULL, NULL, NULL, NULL, 0, '',
    '', '');
INSERT INTO card_visit VALUES ('89', %(days)s, %(at)s, 'x', NULL);
INSERT INTO sync_session VALUES (1, %(days)s::text, '', '', '', 1, '', '', '', NULL, NULL, %(at)s,
    %(at)s);
INSERT INTO sync_log VALUES (1, %(days)s::text, 'devman', NULL, 200, 200, 200, %(at)s, %(at)s, 1,
    0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO record_history VALUES (1, 'devman', %(days)s::text, 1, NULL, '', false, %(at)s, %(at)s,
    'replace')"""

TABLES = {
    "journal": "at", "outbox": "done", "proof_part": "received", "card_report": "received",
    "card_visit": "visited", "sync_session": "updated", "sync_log": "started",
    "record_history": "ended",
}  # fmt: skip


@pytest.fixture
def full(database: Database) -> Iterator[Database]:
    """Give a database with a card, a device and something of each age in every table."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, journal, proof_part, forgotten")
        connection.execute("INSERT INTO card VALUES ('89', '1', NULL, NULL, NULL, %s)", [NOW])
        connection.execute("INSERT INTO device (name, created) VALUES ('IMEI:1', %s)", [NOW])
        connection.execute("INSERT INTO device_database (device_id, database) VALUES (1, 'devman')")
        for days in AGES:
            values = {"days": days, "at": NOW - timedelta(days=days)}
            for statement in _FILL.split(";"):
                connection.execute(statement.encode(), values)
    yield database
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, journal, proof_part, forgotten")


def ages(database: Database) -> dict[str, tuple[int, ...]]:
    """Give the ages, in days, of what is still in each table."""
    found = {}
    with database.transaction() as connection:
        for table, column in TABLES.items():
            rows = connection.execute(
                f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL".encode()
            )
            found[table] = tuple(sorted((NOW - at).days for (at,) in rows))
    return found


def keep(database: Database, retention: Retention) -> Counter[str]:
    """Keep house once; count what has gone."""
    gone: Counter[str] = Counter()
    for page in Housekeeper(database, retention).pages(NOW):
        gone.update(page)
    return gone


def test_each_thing_has_its_time(full: Database) -> None:
    """What is old goes, what is young or owed stays; the second round finds nothing."""
    first = keep(full, Retention())
    left = ages(full)
    second = keep(full, Retention())
    with full.transaction() as connection:
        owed = connection.execute("SELECT count(*) FROM outbox WHERE state = 0").fetchone()

    assert {
        "journal": (0, 2, 20),
        "outbox": (0, 2, 20, 60),
        "proof_part": (0,),
        "card_report": (0, 2, 20, 60, 200),
        "card_visit": (0, 2, 20, 60, 200),
        "sync_session": (0,),
        "sync_log": (0, 2, 20, 60, 200),
        "record_history": (0, 2, 20, 60, 200),
    } == left
    assert {"journal": 3, "packets": 2, "segments": 5, "reports": 2, "states": 5, "sessions": 1,
            "history": 1} == first  # fmt: skip
    assert {0} == set(second.values())
    assert (len(AGES),) == owed


def test_for_ever(full: Database) -> None:
    """What a person wants to keep stays; states of sessions and segments are of no use to him."""
    names = ("journal", "packets", "reports", "sessions", "history")
    keep(full, Retention.read([f"{name}=forever" for name in names]))
    left = ages(full)

    assert {"proof_part": (0,), "sync_session": (0,)} == {
        table: days for table, days in left.items() if days != AGES
    }


@pytest.mark.parametrize("given", ["journal", "journal=0", "journal=-1", "log=3", "history=\u0663"])
def test_what_is_no_time(given: str) -> None:
    """The error names what can be kept, and how it is written."""
    with pytest.raises(ConfigError, match="WHAT one of journal, packets, reports, sessions, hist"):
        Retention.read(["history=7", given])


def test_pages_are_bounded(full: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many entries, cards or devices in one transaction."""
    monkeypatch.setattr(housekeeping, "_ROWS", 2)
    monkeypatch.setattr(housekeeping, "_OWNERS", 1)
    with full.transaction() as connection:
        connection.execute("INSERT INTO card VALUES ('90', '2', NULL, NULL, NULL, %s)", [NOW])
    pages = list(Housekeeper(full, Retention()).pages(NOW))

    assert [{"journal": 2}, {"journal": 1}] == [page for page in pages if "journal" in page]
    assert [{"reports": 2}, {"reports": 0}] == [page for page in pages if "reports" in page]


def test_one_keeps_house(full: Database) -> None:
    """Where another operator is at it nothing is done, and nobody waits."""
    with full.transaction() as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [housekeeping._LOCK])
        meanwhile = keep(full, Retention())
    after = keep(full, Retention())

    assert {0} == set(meanwhile.values())
    assert 3 == after["journal"]


def test_restore_knows_how_far_the_history_reaches(full: Database) -> None:
    """Before that, what is left must not be taken for all that there was. O-10."""
    place = Place(1, "devman")
    keep(full, Retention(history=100))
    with full.transaction() as connection:
        reached = restoring.restore(connection, place, NOW - timedelta(days=99), NOW)
    with (
        pytest.raises(LocalError, match="the history reaches back to 2026-08-15"),
        full.transaction() as connection,
    ):
        restoring.restore(connection, place, NOW - timedelta(days=101), NOW)

    assert (0, 0) == (reached.back, reached.removed)


def test_beside_the_server(full: Database) -> None:
    """A round at the start and after each pause, by the clock that it is given; it is told."""
    told: list[Mapping[str, int]] = []
    moments = iter((NOW, NOW + timedelta(days=15)))
    operator = Operator(full, Cards(full, MasterKey(bytes(32))), "http://a.example/")

    async def run() -> None:
        done = asyncio.Event()

        def tell(gone: Mapping[str, int]) -> None:
            told.append(gone)
            if len(told) == 2:
                done.set()

        start = background(Retention(), tell, lambda: next(moments), pause=0)
        task = asyncio.create_task(start(operator))  # it ends by itself where time ends
        await asyncio.wait_for(done.wait(), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())

    assert 3 == told[0]["journal"]
    assert {"journal": 1, "segments": 1, "states": 1} == told[1]


def test_database_that_is_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that cannot be is told in the log and made up for later; the server goes on."""
    away = Database(f"host={home}", patience=0)
    away._open = True
    operator = Operator(away, Cards(away, MasterKey(bytes(32))), "http://a.example/")
    said: list[str] = []

    async def run() -> bool:
        heard = asyncio.Event()

        def warn(words: str, *_: object) -> None:
            said.append(words)
            heard.set()

        monkeypatch.setattr(housekeeping._LOG, "warning", warn)
        task = asyncio.create_task(background(Retention(), pause=60)(operator))
        await asyncio.wait_for(heard.wait(), 30)
        is_over = task.done()
        task.cancel()
        return is_over

    assert not asyncio.run(run())
    assert ["housekeeping goes on later: %s"] == said
