"""The device-management database and its peers: the mask, several peers, data that is refused."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.syncml import record
from cardsync.syncml.datastore import Anchors, Change, ChangeKind, Mapping
from cardsync.syncml.record import Application, Kind, Parameter
from cardsync.terminal.databases.management import ManagementDatabase, StorageError

SERVER = "http://dm.operator.example/syncml"
ADD, REPLACE, DELETE = ChangeKind.ADD, ChangeKind.REPLACE, ChangeKind.DELETE
EDITOR = Application("vim", "Vi IMproved", "9", 4096, installed=7, parameters=(("tab", "4"),))
GAME = Application("chess", "chess", "6", 100, kind=Kind.GAME)
LANGUAGE = Parameter("./DevInfo/Lang", "de")


def data(name: str, value: str) -> bytes:
    """Give the octets of a parameter of this name."""
    return Parameter(f"./Ext/{name}", value).encode()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ManagementDatabase]:
    """Make a database."""
    with ManagementDatabase(tmp_path / "devman.sqlite") as made:
        yield made


def test_what_is_no_record(database: ManagementDatabase) -> None:
    """Data of another kind is answered 415; the other changes of the message are done."""
    datastore = database.datastore(SERVER, None)
    answers = datastore.apply(
        [
            Change(ADD, "", b"BEGIN:VCARD", "guid-1"),
            Change(ADD, "", None, "guid-2"),
            Change(ADD, "", data("a", "1"), "guid-3"),
        ]
    )

    assert [415, 415, 201] == [answer.code for answer in answers]
    assert (1, 0) == database.count()


def test_full_disk(database: ManagementDatabase) -> None:
    """On a full disk nothing of the message is done, and each change is answered 420."""
    datastore = database.datastore(SERVER, None)
    pages = database._file.connection.execute("PRAGMA page_count").fetchone()[0]
    database._file.connection.execute(f"PRAGMA max_page_count = {pages}")
    changes = [Change(ADD, "", data(str(n), "x" * 1000), f"guid-{n}") for n in range(20)]

    assert {420} == {answer.code for answer in datastore.apply(changes)}
    assert (0, 0) == database.count()

    database._file.connection.execute("PRAGMA max_page_count = 100000")

    assert {201} == {answer.code for answer in datastore.apply(changes)}


def test_other_errors_are_not_the_peers(database: ManagementDatabase) -> None:
    """An error of the file is told to the caller."""
    datastore = database.datastore(SERVER, None)
    database._file.connection.execute("DROP TABLE applications")
    with pytest.raises(sqlite3.OperationalError):
        datastore.apply([Change(ADD, "", EDITOR.encode(), "guid-1")])


def test_file_that_cannot_be_written(database: ManagementDatabase) -> None:
    """It is not full, so the peer is not told that it is; the caller hears of it."""
    datastore = database.datastore(SERVER, None)
    database._file.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(StorageError) as caught:
        datastore.apply([Change(ADD, "", EDITOR.encode(), "guid-1")])

    assert not caught.value.full


def test_two_peers(database: ManagementDatabase) -> None:
    """What one peer writes is told to the other; each has its anchors; the tombstone waits."""
    one, two = database.datastore("one", None), database.datastore("two", None)
    (applied,) = one.apply([Change(ADD, "", LANGUAGE.encode(), "guid-1")])
    (luid,) = [change.identifier for change in two.changes("0")]
    for datastore in (one, two):
        datastore.commit(Anchors("n", "p", datastore.token()))
    since = two.token()
    one.apply([Change(DELETE, luid)])
    one.commit(Anchors("n", "p", one.token()))

    assert applied.identifier == luid
    assert [] == list(one.changes(since))
    assert [DELETE] == [change.kind for change in two.changes(since)]

    two.commit(Anchors("n", "p", two.token()))

    assert (0,) == database._file.connection.execute("SELECT count(*) FROM items").fetchone()


def test_mask_limits_what_is_told(database: ManagementDatabase) -> None:
    """O-6: what is sent never exceeds the category mask of the command."""
    database.update([EDITOR, GAME, LANGUAGE], full=True)
    names = database.datastore(SERVER, 0x12)  # b2 language, b5 applications
    expected = [Application("vim", "Vi IMproved").encode(), LANGUAGE.encode()]

    assert expected == [change.data for change in names.changes(None)]
    assert record.collection_digest(map(record.decode, expected)) == database.digest(0x12)

    names.commit(Anchors("n", "p", names.token()))
    since = names.token()
    database.update([LANGUAGE], full=True)

    assert ["1"] == [change.identifier for change in names.changes(since)]


def test_mask_takes_nothing_away(database: ManagementDatabase) -> None:
    """A peer empties and removes by no means what it was never told; what it writes is taken."""
    database.update([EDITOR, GAME, LANGUAGE], full=True)
    names = database.datastore(SERVER, 0x10)
    answers = names.apply(
        [
            Change(REPLACE, "1", Application("vim", "Editor").encode()),
            Change(ADD, "", data("Network/APN", "internet"), "guid-1"),
        ]
    )
    renamed, access = replace(EDITOR, name="Editor"), Parameter("./Ext/Network/APN", "internet")
    names.forget()

    assert [200, 201] == [answer.code for answer in answers]
    assert (renamed, GAME, LANGUAGE, access) == database.records()
    assert names.prune() == 1
    assert (GAME, LANGUAGE, access) == database.records()


def test_wider_mask_needs_everything_anew(database: ManagementDatabase) -> None:
    """Anchors of a narrower mask are none; those of a wider one serve."""
    narrow, wide = database.datastore(SERVER, 0x10), database.datastore(SERVER, 0x12)
    narrow.commit(Anchors("n", "p", "0"))

    assert [Anchors("n", "p", "0")] == list(narrow.anchors())
    assert [] == list(wide.anchors())

    wide.commit(Anchors("n2", "p2", "0"))

    assert [Anchors("n2", "p2", "0")] == list(narrow.anchors())
    assert [] == list(database.datastore(SERVER, None).anchors())


def test_kept_over_closing(tmp_path: Path) -> None:
    """Anchors, names and what the peer has are in the file."""
    path = tmp_path / "devman.sqlite"
    with ManagementDatabase(path) as database:
        database.update([LANGUAGE], full=True)
        datastore = database.datastore(SERVER, None)
        datastore.commit(Anchors("n", "p", datastore.token()))
        datastore.apply([Change(ADD, "", EDITOR.encode(), "guid-1")])
    with ManagementDatabase(path) as database:
        datastore = database.datastore(SERVER, None)

        assert [Anchors("n", "p", "1")] == list(datastore.anchors())
        assert [Mapping("2", "guid-1")] == list(datastore.mappings())
        assert [] == list(datastore.changes("1"))
