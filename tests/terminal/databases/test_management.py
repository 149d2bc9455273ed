"""The device-management database: what the device shows, orders of the card, and sudden death."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.errors import ConfigError, LocalError
from cardsync.syncml import record
from cardsync.syncml.datastore import Anchors, Change, ChangeKind
from cardsync.syncml.record import Application, Kind, Parameter, Record
from cardsync.terminal.databases.management import (
    ManagementDatabase,
    Order,
    OrderState,
    StorageError,
    Updated,
)

LANGUAGE = Parameter("./DevInfo/Lang", "de")
EDITOR = Application("vim", "Vi IMproved", "9", 4096, installed=7, parameters=(("tab", "4"),))
GAME = Application("chess", "chess", "6", 100, kind=Kind.GAME)
CARD, REFERENCE = "8988211000000000017", bytes.fromhex("0007")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the file of a database."""
    return tmp_path / "devman.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[ManagementDatabase]:
    """Make a database."""
    with ManagementDatabase(path) as made:
        yield made


def test_update_counts(database: ManagementDatabase) -> None:
    """R-11: install, upgrade and removal show as added, changed and removed records."""
    upgraded = replace(EDITOR, version="10")

    assert Updated(3, 0, 0) == database.update([LANGUAGE, EDITOR, GAME], full=True)
    assert Updated(0, 1, 0) == database.update([upgraded], full=False)
    assert {LANGUAGE, upgraded, GAME} == set(database.records())
    assert Updated(0, 0, 1) == database.update([LANGUAGE, upgraded], full=True)
    assert (1, 1) == database.count()


def test_unchanged_records_cost_no_write(database: ManagementDatabase, path: Path) -> None:
    """What is as it was is written nowhere and takes no serial number."""
    records: list[Record] = [LANGUAGE, EDITOR, GAME]
    database.update(records, full=True)
    log = path.with_name("devman.sqlite-wal").read_bytes()

    assert Updated() == database.update(reversed(records), full=True)
    assert log == path.with_name("devman.sqlite-wal").read_bytes()


def test_language_change_is_one_change(database: ManagementDatabase) -> None:
    """R-10: a new language is visible at once, and is the only thing that is told."""
    database.update([LANGUAGE, EDITOR, GAME], full=True)
    datastore = database.datastore("peer", None)
    datastore.commit(Anchors("n", "p", datastore.token()))
    since = datastore.token()
    database.update([replace(LANGUAGE, value="fr")], full=False)

    assert [(ChangeKind.REPLACE, b'{"d":"fr","p":"./DevInfo/Lang"}')] == [
        (change.kind, change.data) for change in datastore.changes(since)
    ]


def test_what_a_peer_wrote_stays(database: ManagementDatabase) -> None:
    """A record that no collector reads is removed by no update; one that was read meanwhile is."""
    access = Parameter("./Ext/Network/APN", "internet")
    datastore = database.datastore("peer", None)
    datastore.apply(
        [
            Change(ChangeKind.ADD, "", access.encode(), "guid-1"),
            Change(ChangeKind.ADD, "", EDITOR.encode(), "guid-2"),
        ]
    )

    assert Updated(0, 0, 0) == database.update([EDITOR], full=True)
    assert Updated(0, 0, 1) == database.update([], full=True)
    assert (access,) == database.records()


def test_digest_is_that_of_the_records(database: ManagementDatabase) -> None:
    """R-01: one hash of every record, whatever their order, within the mask."""
    records: list[Record] = [GAME, EDITOR, LANGUAGE]
    database.update(records, full=True)

    assert record.collection_digest(records) == database.digest()
    assert record.collection_digest([Application("vim", "Vi IMproved")]) == database.digest(0x10)


def test_tables_are_readable(database: ManagementDatabase, path: Path) -> None:
    """R-10, R-11: any SQLite program reads parameters and applications in columns of their own."""
    database.update([LANGUAGE, EDITOR], full=True)
    with sqlite3.connect(path) as other:
        parameters = other.execute("SELECT path, value FROM parameters").fetchall()
        applications = other.execute(
            "SELECT identifier, name, version, size, kind, installed FROM applications"
        ).fetchall()

    assert [("./DevInfo/Lang", "de")] == parameters
    assert [("vim", "Vi IMproved", "9", 4096, 0, 7)] == applications


def kept(database: ManagementDatabase, reference: bytes, now: float, card: str = CARD) -> Order:
    """Keep an order and give it."""
    assert database.keep_order(card, reference, b"\xd0\x00", now)
    order = database.order(card, reference)
    assert order is not None
    return order


def test_order_is_kept_once(database: ManagementDatabase) -> None:
    """O-2: the same session reference again is the same order."""
    order = Order(CARD, REFERENCE, b"\xd0\x00", OrderState.OPEN, None, 100.0)

    assert database.order(CARD, REFERENCE) is None
    assert database.keep_order(CARD, REFERENCE, b"\xd0\x00", 100.0)
    assert not database.keep_order(CARD, REFERENCE, b"\xd0\x01", 200.0)
    assert order == database.order(CARD, REFERENCE)
    assert (order,) == database.open_orders()


def test_order_outlives_the_process(path: Path) -> None:
    """O-3: after power-up what is open goes on, what is owed is told until the card takes it."""
    with ManagementDatabase(path) as database:
        first, second, third = (kept(database, bytes([n]), float(n)) for n in range(3))
        database.finish_order(first, b"result", owed=True)
        database.finish_order(third, b"result", owed=False)
    with ManagementDatabase(path) as database:
        owed = replace(first, state=OrderState.OWED, result=b"result")

        assert (second,) == database.open_orders()
        assert (owed,) == database.owed_orders()

        database.order_told(CARD, first.reference)
        told = database.order(CARD, first.reference)

        assert database.owed_orders() == ()
        assert replace(owed, state=OrderState.DONE) == told

        database.owe_order(CARD, first.reference)

        assert (owed,) == database.owed_orders()


def test_orders_of_two_cards(database: ManagementDatabase) -> None:
    """Two cards may give the same reference; each has orders and results of its own. RS-23."""
    ours, theirs = kept(database, REFERENCE, 1.0), kept(database, REFERENCE, 2.0, "another")
    database.finish_order(ours, b"result", owed=True)

    assert (theirs,) == database.open_orders() == database.open_orders("another")
    assert () == database.open_orders(CARD) == database.owed_orders("another")
    assert [CARD] == [one.card for one in database.owed_orders()]

    with pytest.raises(LocalError):
        database.order_told("another", REFERENCE)


def test_what_ended_an_order_first_counts(database: ManagementDatabase) -> None:
    """An order ends once: the session, the cancellation, or the loss of power."""
    order = kept(database, REFERENCE, 1.0)

    assert database.finish_order(order, b"cancelled", owed=False)
    assert not database.finish_order(order, b"performed", owed=True)
    assert () == database.owed_orders()


def test_orders_are_forgotten(database: ManagementDatabase) -> None:
    """An event that the card has not taken in time is dropped and counted; open orders stay."""
    orders = [kept(database, bytes([number]), float(number)) for number in range(4)]
    for number, owed in ((0, True), (1, False), (3, True)):
        database.finish_order(orders[number], b"", owed=owed)

    assert database.forget_orders(3.0) == 1
    assert [b"\x02"] == [order.reference for order in database.open_orders()]
    assert [b"\x03"] == [order.reference for order in database.owed_orders()]


def test_unknown_order(database: ManagementDatabase) -> None:
    """There is no result of what was never ordered, or has not ended."""
    order = kept(database, REFERENCE, 1.0)

    assert not database.finish_order(replace(order, reference=b"none"), b"", owed=True)
    for reference in (REFERENCE, b"none"):
        with pytest.raises(LocalError):
            database.order_told(CARD, reference)
        with pytest.raises(LocalError):
            database.owe_order(CARD, reference)


def test_no_room_for_an_order(database: ManagementDatabase) -> None:
    """On a full disk an order is not kept, and the caller hears of it."""
    pages = database._file.connection.execute("PRAGMA page_count").fetchone()[0]
    database._file.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError) as caught:
        database.keep_order(CARD, REFERENCE, bytes(20_000), 1.0)

    assert caught.value.full
    assert database.order(CARD, REFERENCE) is None


def test_file_of_the_first_version(path: Path) -> None:
    """Its records stay; its orders go, for nobody knows which card gave them. RS-23."""
    with ManagementDatabase(path) as database:
        database.update([LANGUAGE], full=True)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE orders")
        connection.execute(
            "CREATE TABLE orders (reference BLOB PRIMARY KEY, command BLOB NOT NULL,"
            " state INTEGER NOT NULL, result BLOB, created REAL NOT NULL)"
        )
        connection.execute("INSERT INTO orders VALUES (x'00', x'00', 0, NULL, 1.0)")
        connection.execute("PRAGMA user_version = 1")
    with ManagementDatabase(path) as database:
        assert (LANGUAGE,) == database.records()
        assert () == database.open_orders()
        assert kept(database, REFERENCE, 1.0)
    with ManagementDatabase(path) as database:
        assert 1 == len(database.open_orders())


def test_remember(database: ManagementDatabase) -> None:
    """The agent keeps small things under a key."""
    assert database.recall("devinf") is None

    database.remember("devinf", b"one")
    database.remember("devinf", b"two")

    assert database.recall("devinf") == b"two"

    database.remember("devinf", None)

    assert database.recall("devinf") is None


def test_file_is_private(database: ManagementDatabase, path: Path) -> None:
    """Nobody but the owner reads what is on the device."""
    database.remember("a", b"b")

    assert {0o600} == {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    """What is no database, one of something else, or of a later version is left alone."""
    text, other, later = (tmp_path / name for name in ("text", "other", "later"))
    text.write_text("no database at all, but long enough to be taken for one" * 20)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE something (x)")
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 3")
    for path in (text, other, later, tmp_path / "no" / "folder", tmp_path):
        with pytest.raises(ConfigError, match=str(path)):
            ManagementDatabase(path)


def test_one_transaction_at_a_time(database: ManagementDatabase) -> None:
    """Threads that share the database do not see or disturb each other's transactions."""

    def work(number: int) -> None:
        for value in range(10):
            database.update([Parameter(f"./Ext/{number}", str(value))], full=False)
            database.records()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {Parameter(f"./Ext/{number}", "9") for number in range(4)} == set(database.records())


# Writes one version of every record after another, each in one update, and tells which is through.
WRITER = """
import sys
from pathlib import Path
from cardsync.syncml.datastore import Anchors
from cardsync.syncml.record import Application
from cardsync.terminal.databases.management import ManagementDatabase
database = ManagementDatabase(Path(sys.argv[1]))
datastore = database.datastore("peer", None)
version = int((database.recall("version") or b"0"))
while True:
    version += 1
    names = [f"a{number}" for number in range(version % 7, 200)]
    database.update([Application(name, name, str(version)) for name in names], full=True)
    datastore.commit(Anchors(str(version), "p", datastore.token()))
    database.remember("version", b"%d" % version)
    print(version, flush=True)
"""


def content(database: ManagementDatabase) -> tuple[int, set[str]]:
    """Check that the file is sound and of one version; give that and the identifiers."""
    found = [one for one in database.records() if isinstance(one, Application)]
    (version,) = {int(one.version or 0) for one in found}
    connection = database._file.connection

    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

    return version, {one.identifier for one in found}


def test_killed_at_any_moment(path: Path) -> None:
    """A process that gets SIGKILL some time leaves the old or the new content, whole."""
    for delay in (0.0, 0.003, 0.007, 0.011, 0.017):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        told, _ = child.communicate()
        last = int(told.split("\n")[-2]) if "\n" in told else 0
        with ManagementDatabase(path) as database:
            version, identifiers = content(database)
            (anchors,) = database.datastore("peer", None).anchors()
            kept = int(database.recall("version") or b"0")

            assert {f"a{number}" for number in range(version % 7, 200)} == identifiers
            assert last <= kept <= int(anchors.own) <= version <= kept + 1


# Does an update to count SQLite's instructions, then another one and dies after a part of them.
SUICIDE = """
import os, signal, sys
from pathlib import Path
from cardsync.syncml.record import Application
from cardsync.terminal.databases.management import ManagementDatabase
def update(version, first):
    names = [f"a{number}" for number in range(first, 200)]
    database.update([Application(name, name, version) for name in names], full=True)
def step():
    global done
    done += 1
    if done == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
deadly = 0
for path in (sys.argv[1] + "-counted", sys.argv[1]):
    database = ManagementDatabase(Path(path))
    update("1", 0)
    done = 0
    database._file.connection.set_progress_handler(step, 20)
    update("2", 50)
    deadly = max(1, done * int(sys.argv[2]) // 100)
"""


@pytest.mark.parametrize("percent", [0, 20, 50, 80, 98])
def test_killed_within_an_update(path: Path, percent: int) -> None:
    """A process killed while it writes leaves what was there before, whole."""
    command = [sys.executable, "-c", SUICIDE, str(path), str(percent)]
    child = subprocess.run(command, check=False)
    with ManagementDatabase(path) as database:
        assert child.returncode == -signal.SIGKILL
        assert (1, {f"a{number}" for number in range(200)}) == content(database)
