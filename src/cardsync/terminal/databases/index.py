"""What is remembered of a collection: its items, their changes, its peers. A SQLite file.

A collection has no memory; `scan` finds what its owner changed since the last time and numbers
each change. A deleted item stays as a tombstone until every peer has heard of it. The file lies
beside the collection, in a folder with the versions that lost a conflict.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Final

from cardsync.errors import ConfigError, PeerError
from cardsync.terminal.databases.collection import Collection

_VERSION: Final = 1
_BUSY_SECONDS: Final = 10.0

# `serial` numbers the last change of an item, `added` its first. In `peer_items`, `serial` numbers
# what a peer did to an item last, `at_peer` says that it has the item, `anew` that it shall be
# told all the same, `name` is its own name of the item, given by change `named`.
_SCHEMA: Final = (
    "CREATE TABLE counter (serial INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (0)",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
    """CREATE TABLE items (
        item INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        stamp TEXT NOT NULL,
        digest BLOB NOT NULL,
        likeness BLOB NOT NULL,
        added INTEGER NOT NULL,
        serial INTEGER NOT NULL UNIQUE,
        deleted INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE peers (
        peer INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        anchors TEXT NOT NULL DEFAULT '[]',
        oldest INTEGER NOT NULL DEFAULT 0,
        mapped INTEGER NOT NULL DEFAULT 0,
        forgotten INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE peer_items (
        peer INTEGER NOT NULL REFERENCES peers ON DELETE CASCADE,
        item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
        serial INTEGER NOT NULL,
        at_peer INTEGER NOT NULL,
        anew INTEGER NOT NULL DEFAULT 0,
        name TEXT,
        named INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (peer, item), UNIQUE (peer, name)) WITHOUT ROWID""",
    "CREATE INDEX items_of_peers ON peer_items (item)",
    # Every item as every peer sees it: its last change is ours, and owed to the peer, if it was
    # made after whatever the peer did.
    """CREATE VIEW seen AS SELECT
        peers.peer, i.item, i.name, i.likeness, i.deleted, p.name AS peer_name,
        coalesce(p.at_peer, 0) AS at_peer,
        max(i.serial, coalesce(p.serial, 0)) AS last,
        i.serial > coalesce(p.serial, 0) OR coalesce(p.anew, 0) AS owed
        FROM peers CROSS JOIN items AS i
        LEFT JOIN peer_items AS p ON p.peer = peers.peer AND p.item = i.item""",
)


# What is noted here as done and may not be in the collection yet: `data`, NULL for a deletion, in
# the place of what had the digest `before`, NULL for nothing.
_PROMISES: Final = """CREATE TABLE IF NOT EXISTS promises (
    name TEXT PRIMARY KEY, before BLOB, data BLOB)"""


class Index:
    """The memory of one collection, in `home`; made anew if the collection is another one.

    Raises `ConfigError` where it cannot be used. One thread at a time is within it.
    """

    def __init__(self, home: Path, collection: Collection) -> None:
        self.home = home
        self.collection = collection
        self._lock = RLock()
        self._depth = 0
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.connection = self._open(home / "index.sqlite")
            if self.recall("identity") != collection.identity().encode():
                self.connection.close()
                (home / "index.sqlite").unlink()
                self.connection = self._open(home / "index.sqlite")
                self.remember("identity", collection.identity().encode())
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"the memory in {home} cannot be used: {exc}") from exc

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all that is within, or nothing; one within another is part of it.

        Raises `ConfigError` where the disk takes no more, or somebody else does not let us in.
        """
        try:
            with self._transaction():
                yield self.connection
        except sqlite3.Error as exc:
            raise ConfigError(
                f"the memory in {self.home} cannot be used now: {exc}; nothing was changed"
            ) from exc

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            if self._depth == 0:
                self.connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0 and self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("COMMIT")

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM meta WHERE key = ?", (key,))
            if value is not None:
                connection.execute("INSERT INTO meta VALUES (?, ?)", (key, value))

    def recall(self, key: str) -> bytes | None:
        """Give a value that was kept."""
        with self._lock:
            row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def peer(self, name: str) -> int:
        """Give the number of a peer, which is new if it was never here."""
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO peers (name) VALUES (?)", (name,))
            row = connection.execute("SELECT peer FROM peers WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def serial(self) -> int:
        """Give the number of the last change."""
        (serial,) = self.connection.execute("SELECT serial FROM counter").fetchone()
        return int(serial)

    def next_serial(self, count: int = 1) -> int:
        """Take the next `count` numbers; give the last of them."""
        self.connection.execute("UPDATE counter SET serial = serial + ?", (count,))
        return self.serial()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Change the collection and this memory of it together, or neither, whatever happens.

        The memory is on the disk first, with what the collection shall be: `promise` says it.
        """
        with self._lock:
            with self.collection.batch(), self.transaction():
                yield
            self._keep_promises()

    def promise(self, name: str, data: bytes | None) -> None:
        """Note what an item shall be, before its change is noted."""
        self.connection.execute(
            """INSERT INTO promises
               VALUES (?1, (SELECT digest FROM items WHERE name = ?1 AND NOT deleted), ?2)
               ON CONFLICT (name) DO UPDATE SET data = excluded.data""",
            (name, data),
        )

    def _keep_promises(self) -> frozenset[str]:
        """Do what was cut off by a crash; give the names of what cannot be done yet."""
        if self._depth:
            return frozenset()
        rows = self.connection.execute("SELECT name, before, data FROM promises").fetchall()
        kept = [name for name, before, data in rows if self._keep_promise(name, before, data)]
        if kept:
            with self.transaction() as connection:
                connection.executemany("DELETE FROM promises WHERE name = ?", [(n,) for n in kept])
        return frozenset(name for name, _, _ in rows) - frozenset(kept)

    def _keep_promise(self, name: str, before: bytes | None, data: bytes | None) -> bool:
        there = self.collection.read(name)
        digest = None if there is None else sha256(there).digest()
        try:
            if digest == before and there != data:
                if data is None:
                    self.collection.remove(name)
                else:
                    self.collection.write(name, data)
        except (PeerError, OSError):
            return False
        return True

    def scan(self) -> None:
        """Note what the owner of the collection has changed.

        Raises `ConfigError` if another one lies in its place now, such as an empty folder where a
        disk was mounted: else everything would be taken for deleted.
        """
        with self._lock:
            self._check_identity()
            self._scan(self._keep_promises())

    def _check_identity(self) -> None:
        try:
            found = self.collection.identity().encode()
        except OSError as exc:
            raise ConfigError(f"the database of {self.home} is not there: {exc}") from exc
        if found != self.recall("identity"):
            raise ConfigError(
                f"another database lies in the place of that of {self.home}; start again if that "
                "is meant"
            )

    def _scan(self, owed: frozenset[str]) -> None:
        with self.transaction() as connection:
            stamps = dict(self.collection.stamps())
            for name in owed:
                stamps.pop(name, None)
            gone = []
            for name, known in connection.execute(
                "SELECT name, stamp FROM items WHERE NOT deleted"
            ):
                if name not in owed and name not in stamps:
                    gone.append(name)
                elif known and stamps.get(name) == known:
                    del stamps[name]
            for name, stamp in sorted(stamps.items()):
                self._look(name, stamp)
            for name in sorted(gone):
                self.bury(name)

    def look(self, name: str) -> None:
        """Note what the owner has changed of one item."""
        with self.transaction():
            data = self.collection.read(name)
            if data is None:
                self.bury(name)
            else:
                self.note(name, "", data)

    def _look(self, name: str, stamp: str) -> None:
        """Note an item whose stamp is not the known one; its content may be."""
        data = self.collection.read(name)
        if data is None:  # gone since
            return
        changed = self.connection.execute(
            "UPDATE items SET stamp = ? WHERE name = ? AND digest = ? AND NOT deleted",
            (stamp, name, sha256(data).digest()),
        ).rowcount
        if not changed:
            self.note(name, stamp, data)

    def note(self, name: str, stamp: str, data: bytes) -> int:
        """Note that an item was added or changed; give its number."""
        serial = self.next_serial()
        row = self.connection.execute(
            """INSERT INTO items (name, stamp, digest, likeness, added, serial)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5)
               ON CONFLICT (name) DO UPDATE SET stamp = excluded.stamp, digest = excluded.digest,
               likeness = excluded.likeness,
               added = CASE WHEN deleted THEN excluded.serial ELSE added END,
               serial = excluded.serial, deleted = 0
               RETURNING item""",
            (name, stamp, sha256(data).digest(), self.likeness(data), serial),
        ).fetchone()
        return int(row[0])

    def likeness(self, data: bytes) -> bytes:
        """Give a digest of what two versions of one item have in common."""
        return sha256(self.collection.likeness(data)).digest()

    def bury(self, name: str) -> None:
        """Note that an item was deleted; its tombstone stays."""
        self.connection.execute(
            "UPDATE items SET deleted = 1, stamp = '', serial = ? WHERE name = ?",
            (self.next_serial(), name),
        )

    def count(self) -> int:
        """Count the items."""
        (items,) = self.connection.execute(
            "SELECT count(*) FROM items WHERE NOT deleted"
        ).fetchone()
        return int(items)

    def _open(self, path: Path) -> sqlite3.Connection:
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute(_PROMISES)
        connection.execute("COMMIT")
        if version not in {0, _VERSION}:
            connection.close()
            raise ConfigError(f"{path} is of a later version; {_VERSION} was expected")
        return connection
