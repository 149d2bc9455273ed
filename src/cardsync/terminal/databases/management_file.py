"""The SQLite file of the device-management database: its tables, its transactions, its items.

A transaction is on the disk when it ends (WAL, synchronous FULL); a process killed within one
leaves what was there before. Every change of an item takes the next serial number, and a
deleted item stays as a tombstone without content: this is what the datastores count by.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from cardsync.errors import CardsyncError, ConfigError
from cardsync.syncml import record
from cardsync.syncml.record import Application, Kind, Parameter, Record

_VERSION = 2
_BUSY_SECONDS = 5.0

# An order is known by the card that gave it and by the session reference of that card.
_ORDERS = """CREATE TABLE orders (
        card TEXT NOT NULL,
        reference BLOB NOT NULL,
        command BLOB NOT NULL,
        state INTEGER NOT NULL,
        result BLOB,
        created REAL NOT NULL,
        PRIMARY KEY (card, reference))"""

# `items` is the history, the other two are the present. A luid is never given twice. `added` and
# `serial` number the item's first and last change, `collected` says that the device itself shows
# it, as against what a peer wrote. In `peer_items`, `serial` numbers what a peer did to an item
# last, `at_peer` says that it has the item, `anew` that it shall be told all the same, `name` is
# its own name of the item, given by change `named`.
_SCHEMA = (
    "CREATE TABLE counter (serial INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (0)",
    """CREATE TABLE items (
        luid INTEGER PRIMARY KEY AUTOINCREMENT,
        category INTEGER NOT NULL,
        added INTEGER NOT NULL,
        serial INTEGER NOT NULL UNIQUE,
        deleted INTEGER NOT NULL DEFAULT 0,
        collected INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE parameters (
        luid INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
        path TEXT NOT NULL UNIQUE,
        value TEXT NOT NULL)""",
    """CREATE TABLE applications (
        luid INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
        identifier TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        version TEXT,
        size INTEGER,
        kind INTEGER NOT NULL,
        installed INTEGER,
        parameters TEXT NOT NULL)""",
    """CREATE TABLE peers (
        peer INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        own TEXT,
        theirs TEXT,
        token INTEGER NOT NULL DEFAULT 0,
        mask INTEGER NOT NULL DEFAULT 0,
        mapped INTEGER NOT NULL DEFAULT 0,
        forgotten INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE peer_items (
        peer INTEGER NOT NULL REFERENCES peers ON DELETE CASCADE,
        luid INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
        serial INTEGER NOT NULL,
        at_peer INTEGER NOT NULL,
        anew INTEGER NOT NULL DEFAULT 0,
        name TEXT,
        named INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (peer, luid), UNIQUE (peer, name)) WITHOUT ROWID""",
    "CREATE INDEX items_of_peers ON peer_items (luid)",
    # Every item as every peer sees it. Its last change is ours, and owed to the peer, if we made
    # it after whatever the peer did. Of every deletion the peer hears, even if it does not have
    # the item as far as we know: a session that broke off may have taken it there.
    """CREATE VIEW seen AS SELECT
        peers.peer, i.luid, i.category, i.deleted, p.name AS peer_name,
        coalesce(p.at_peer, 0) AS at_peer,
        max(i.serial, coalesce(p.serial, 0)) AS last,
        i.serial > coalesce(p.serial, 0) OR coalesce(p.anew, 0) AS owed
        FROM peers CROSS JOIN items AS i
        LEFT JOIN peer_items AS p ON p.peer = peers.peer AND p.luid = i.luid""",
    _ORDERS,
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
)
# Of version 1 nobody knows which card gave an order, so no card may hear of it: the orders go,
# and the card gives up waiting. docs/request-synchronization.md clause 13, T7.
_STEPS = {1: ("DROP TABLE orders", _ORDERS)}


_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY}


class StorageError(CardsyncError):
    """The file takes nothing now, and is as it was: the disk is `full`, or it fails."""

    def __init__(self, cause: sqlite3.OperationalError) -> None:
        super().__init__(f"the database cannot be written: {cause}")
        self.full = cause.sqlite_errorcode == sqlite3.SQLITE_FULL


class ManagementFile:
    """An open file of the database; made with its tables if it is not there.

    Raises `ConfigError` where the file cannot be opened, is no SQLite database, is one of
    something else, or was made by a later version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        try:
            path.touch(mode=0o600)  # it tells whose device it is and what is on it
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"database {path} cannot be opened: {exc}") from exc
        try:
            self._prepare(path)
        except (sqlite3.Error, StorageError) as exc:
            self.close()
            raise ConfigError(f"database {path} cannot be used: {exc}") from exc
        except ConfigError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all that is within, or nothing; one thread at a time, and never within another.

        Raises `StorageError` where there is no room for it.
        """
        with self._lock:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except sqlite3.OperationalError as exc:
                self._roll_back()
                if exc.sqlite_errorcode & 0xFF in _NO_ROOM:  # the rest is an extended code
                    raise StorageError(exc) from exc
                raise
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read what is committed: no other thread is within a transaction meanwhile."""
        with self._lock:
            yield self.connection

    def serial(self) -> int:
        """Give the number of the last change."""
        (serial,) = self.connection.execute("SELECT serial FROM counter").fetchone()
        return int(serial)

    def next_serial(self, count: int = 1) -> int:
        """Take the next `count` numbers; give the last of them."""
        self.connection.execute("UPDATE counter SET serial = serial + ?", (count,))
        return self.serial()

    def luid(self, key: str) -> int | None:
        """Find the item that has a record of this key: a path, or an identifier."""
        found = self.connection.execute(
            "SELECT luid FROM parameters WHERE path = ?1"
            " UNION ALL SELECT luid FROM applications WHERE identifier = ?1",
            (key,),
        ).fetchone()
        return found and int(found[0])

    def records(self) -> list[tuple[int, bool, Record]]:
        """Read all records: luid, whether the device itself shows it, record."""
        rows = self.connection.execute(
            """SELECT luid, collected, path, value,
               identifier, name, version, size, kind, installed, parameters
               FROM items LEFT JOIN parameters USING (luid) LEFT JOIN applications USING (luid)
               WHERE NOT deleted ORDER BY luid"""
        )
        return [(row[0], bool(row[1]), record_of(row[2:])) for row in rows]

    def record(self, luid: int) -> Record | None:
        """Read the record of an item; None if it is deleted or was never there."""
        row = self.connection.execute(
            """SELECT path, value,
               identifier, name, version, size, kind, installed, parameters
               FROM items LEFT JOIN parameters USING (luid) LEFT JOIN applications USING (luid)
               WHERE luid = ? AND NOT deleted""",
            (luid,),
        ).fetchone()
        return row and record_of(row)

    def add(self, value: Record, *, collected: bool) -> int:
        """Add an item; give its luid."""
        serial = self.next_serial()
        cursor = self.connection.execute(
            "INSERT INTO items (category, added, serial, collected) VALUES (?, ?, ?, ?)",
            (record.category(value), serial, serial, collected),
        )
        luid = int(cursor.lastrowid or 0)
        self._write(luid, value)
        return luid

    def put(self, luid: int, value: Record) -> int:
        """Change an item, which may be a tombstone; give the number of the change."""
        serial = self.next_serial()
        self.connection.execute(
            """UPDATE items SET category = ?1, serial = ?2, deleted = 0,
               added = CASE WHEN deleted THEN ?2 ELSE added END WHERE luid = ?3""",
            (record.category(value), serial, luid),
        )
        self._erase(luid)
        self._write(luid, value)
        return serial

    def bury(self, luid: int) -> int:
        """Delete an item, its tombstone stays; give the number of the change."""
        serial = self.next_serial()
        self.connection.execute(
            "UPDATE items SET deleted = 1, serial = ? WHERE luid = ?", (serial, luid)
        )
        self._erase(luid)
        return serial

    def _write(self, luid: int, value: Record) -> None:
        if isinstance(value, Parameter):
            self.connection.execute(
                "INSERT INTO parameters VALUES (?, ?, ?)", (luid, value.path, value.value)
            )
            return
        self.connection.execute(
            "INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                luid,
                value.identifier,
                value.name,
                value.version,
                value.size,
                value.kind,
                value.installed,
                json.dumps(value.parameters, ensure_ascii=False) if value.parameters else "",
            ),
        )

    def _erase(self, luid: int) -> None:
        self.connection.execute("DELETE FROM parameters WHERE luid = ?", (luid,))
        self.connection.execute("DELETE FROM applications WHERE luid = ?", (luid,))

    def _roll_back(self) -> None:
        if self.connection.in_transaction:  # a full disk has rolled it back already
            self.connection.execute("ROLLBACK")

    def _prepare(self, path: Path) -> None:
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self.connection.execute(f"PRAGMA {setting}")
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == _VERSION:
                return
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if version not in _STEPS and (version or tables):
                raise ConfigError(
                    f"database {path} has schema version {version}, {_VERSION} was expected; "
                    "it is of something else or of a later version: name another file"
                )
            for statement in _STEPS.get(version, _SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")


def record_of(row: tuple[Any, ...]) -> Record:
    """Make a record of the columns of `parameters` and `applications`, without the luid."""
    path, value, identifier, name, version, size, kind, installed, parameters = row
    if path is not None:
        return Parameter(path, value)
    return Application(
        identifier,
        name,
        version,
        size,
        Kind(kind),
        installed,
        tuple((key, text) for key, text in json.loads(parameters or "[]")),
    )
