"""A database of a device as it was before, by the history of its records."""

from datetime import UTC, datetime, timedelta

from cardsync.operator.store import restoring
from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.operator.store.records import Place
from cardsync.operator.store.restoring import Restored, restore
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.record import Parameter

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, LATER = FIRST + timedelta(hours=1), FIRST + timedelta(hours=2)


def item(name: str, value: str) -> bytes:
    """Write a record."""
    return Parameter(f"./Ext/{name}", value).encode()


def make(connection: Connection, count: int = 0) -> Place:
    """Make a device that sent A, B, C and more, and an hour later A anew, C, and D: all of it."""
    row = connection.execute(
        "INSERT INTO device (name, created) VALUES ('IMEI:1', %s) RETURNING device_id", [FIRST]
    ).fetchone()
    assert row is not None
    place = Place(int(row[0]), "devman")
    more = [item(f"more-{n}", "1") for n in range(count)]
    before = [item("A", "1"), item("B", "1"), item("C", "1"), *more]
    after = [item("A", "2"), item("C", "1"), item("D", "1")]
    store = PostgresDatastore(connection, place, FIRST)
    store.apply([Change(ChangeKind.ADD, "", data, str(n)) for n, data in enumerate(before)])
    store = PostgresDatastore(connection, place, SECOND)
    store.forget()
    store.apply([Change(ChangeKind.ADD, "", data, f"n{n}") for n, data in enumerate(after)])
    store.prune()
    return place


def contents(connection: Connection, place: Place) -> set[bytes]:
    """Read what is there."""
    store = PostgresDatastore(connection, place, LATER)
    return {change.data for change in store.changes(None) if change.data is not None}


def test_restore_undoes_a_refresh(database: Database) -> None:
    """What it replaced or removed is there again, what it brought is not, and the device hears."""
    with database.transaction() as connection:
        place = make(connection)
        token = PostgresDatastore(connection, place, LATER).token()
        done = restore(connection, place, SECOND, LATER)
        told = PostgresDatastore(connection, place, LATER).changes(token)

        assert Restored(back=2, removed=1) == done
        assert {item(name, "1") for name in "ABC"} == contents(connection, place)
        assert sorted((change.kind, change.data or b"") for change in told) == [
            (ChangeKind.ADD, item("B", "1")),
            (ChangeKind.REPLACE, item("A", "1")),
            (ChangeKind.DELETE, b""),
        ]
        afterwards = LATER + timedelta(hours=1)
        assert Restored(0, 0) == restore(connection, place, afterwards, afterwards)


def test_restore_can_be_undone(database: Database) -> None:
    """What a restoration replaced is in the history too."""
    with database.transaction() as connection:
        place = make(connection)
        was = contents(connection, place)
        restore(connection, place, SECOND, LATER)
        restore(connection, place, LATER, LATER + timedelta(hours=1))

        assert was == contents(connection, place)


def test_restore_many(database: Database) -> None:
    """More records than one page of the history."""
    with database.transaction() as connection:
        place = make(connection, 1201)
        done = restore(connection, place, SECOND, LATER)

        assert Restored(back=1203, removed=1) == done
        assert 1204 == len(contents(connection, place))


def test_last_refresh(database: Database) -> None:
    """The last one that changed something; None for a device that sent nothing yet."""
    with database.transaction() as connection:
        place = make(connection)
        found = [restoring.last_refresh(connection, place)]
        for hours, written in ((1, 3), (2, 0)):
            started = FIRST + timedelta(hours=hours)
            connection.execute(
                "INSERT INTO sync_log (device_id, session_key, database, asked, performed, "
                "started, messages, octets_in, octets_out, added, replaced, deleted, sent, failed, "
                "written) VALUES (%s, %s, 'devman', 203, 203, %s, 2, 1, 1, 3, 0, 0, 0, 0, %s)",
                [place.device_id, str(hours), started, written],
            )
            found.append(restoring.last_refresh(connection, place))

        assert [None, SECOND, SECOND] == found
