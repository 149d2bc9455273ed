"""The device-management database as one peer sees it: the contract of a client's datastore.

What the category mask of the command does not admit is never told to the peer; nor does it lose
anything by a peer that was never told of it: a refresh does not remove it, and a record that
comes back without the fields that were kept from the peer does not empty them.
"""

import re
from collections.abc import Iterator, Sequence

from cardsync.errors import PeerError
from cardsync.syncml import record
from cardsync.syncml.datastore import Anchors, Applied, Change, ChangeKind, Mapping
from cardsync.syncml.record import Record
from cardsync.terminal.databases.management_file import ManagementFile, StorageError, record_of

_LUID = re.compile("[0-9]{1,18}")  # what SQLite keeps in 64 bits
_OK, _ADDED, _NOT_DELETED = 200, 201, 211
_NOT_FOUND, _UNSUPPORTED, _EXISTS, _FULL = 404, 415, 418, 420


class ManagementDatastore:
    """The database `devman` for the peer `peer`, within `mask` (None: no limit).

    Several sessions with one peer at a time are the caller's mistake; sessions with several
    peers, and changes of the device meanwhile, are not.
    """

    name = "devman"
    content_type = record.CONTENT_TYPE
    content_version = record.CONTENT_VERSION

    def __init__(self, file: ManagementFile, peer: str, mask: int | None) -> None:
        self._file = file
        self._mask = -1 if mask is None else mask
        self._limit = mask
        with file.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO peers (name) VALUES (?)", (peer,))
            found = connection.execute("SELECT peer FROM peers WHERE name = ?", (peer,))
            (self._peer,) = found.fetchone()

    def anchors(self) -> Sequence[Anchors]:
        """Give what was agreed at the last success; empty if there was none.

        Nor is there one within a narrower mask than ours: the peer lacks what has not changed
        since, and has to be told everything.
        """
        with self._file.reading() as connection:
            own, theirs, token, mask = connection.execute(
                "SELECT own, theirs, token, mask FROM peers WHERE peer = ?", (self._peer,)
            ).fetchone()
        if own is None or self._mask & ~mask:
            return ()
        return (Anchors(own, theirs, str(token)),)

    def token(self) -> str:
        """Name the present state, to be given to `changes` later."""
        with self._file.reading():
            return str(self._file.serial())

    def changes(self, since: str | None) -> Iterator[Change]:
        """Yield what changed since a token, the oldest first; for None every item, as ADD."""
        with self._file.reading() as connection:
            rows = connection.execute(
                """SELECT luid, deleted, at_peer, peer_name, last, path, value,
                   identifier, name, version, size, kind, installed, parameters
                   FROM seen LEFT JOIN parameters USING (luid) LEFT JOIN applications USING (luid)
                   WHERE peer = :peer AND category & :mask AND CASE WHEN :since IS NULL
                   THEN NOT deleted ELSE owed AND last > :since END ORDER BY last""",
                {"peer": self._peer, "mask": self._mask, "since": since and int(since)},
            ).fetchall()
        for luid, deleted, at_peer, name, last, *columns in rows:
            data = None if deleted else self._told(record_of(columns))
            known = at_peer and since is not None
            kind = ChangeKind.REPLACE if known else ChangeKind.ADD
            yield Change(ChangeKind.DELETE if deleted else kind, str(luid), data, name, str(last))

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Do what the peer asks in one transaction, in this order, and answer each.

        Beside the statuses of the contract 418, where a record would get the key of another one.
        On a full disk nothing is done, and each is answered 420.
        """
        try:
            with self._file.transaction():
                return [self._apply(change) for change in changes]
        except StorageError as exc:
            if not exc.full:
                raise
            return [Applied(_FULL, change.identifier) for change in changes]

    def stored(self, changes: Sequence[Change]) -> Sequence[bytes | None]:
        """Give the present record that each change means, as the peer knows it."""
        with self._file.reading():
            luids = [self._find(change) for change in changes]
            found = [None if luid is None else self._file.record(luid) for luid in luids]
        return [None if value is None else self._told(value) for value in found]

    def forget(self) -> str:
        """Begin anew: no item is known to be at the peer, nothing is agreed."""
        with self._file.transaction() as connection:
            token = self._file.serial()
            connection.execute("UPDATE peer_items SET at_peer = 0 WHERE peer = ?", (self._peer,))
            # Each item gets the next number in the order of the numbers that they had.
            items = connection.execute(
                """INSERT INTO peer_items (peer, luid, serial, at_peer, anew)
                   SELECT peer, luid, :token + row_number() OVER (ORDER BY last), 0, 1
                   FROM seen WHERE peer = :peer AND NOT deleted
                   ON CONFLICT (peer, luid) DO UPDATE SET serial = excluded.serial, anew = 1""",
                {"peer": self._peer, "token": token},
            ).rowcount
            connection.execute(
                "UPDATE peers SET own = NULL, theirs = NULL, token = 0, forgotten = ?"
                " WHERE peer = ?",
                (self._file.next_serial(items), self._peer),
            )
        return str(token)

    def prune(self) -> int:
        """Remove what the peer has not sent since `forget`, as it would; give how many."""
        with self._file.transaction() as connection:
            left = connection.execute(
                """SELECT luid FROM seen JOIN peers USING (peer) WHERE peer = :peer
                   AND category & :mask AND NOT deleted AND NOT at_peer AND last <= forgotten""",
                {"peer": self._peer, "mask": self._mask},
            ).fetchall()
            for (luid,) in left:
                self._file.bury(luid)
                self._note(luid, at_peer=False)
        return len(left)

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed: what we changed until its token is at the peer."""
        values = {
            "peer": self._peer,
            "mask": self._mask,
            "own": anchors.own,
            "theirs": anchors.peer,
            "token": int(anchors.token),
        }
        with self._file.transaction() as connection:
            connection.execute("UPDATE peer_items SET anew = 0 WHERE peer = :peer", values)
            connection.execute(
                """INSERT INTO peer_items (peer, luid, serial, at_peer)
                   SELECT :peer, luid, 0, 1 FROM items WHERE added <= :token
                   AND category & :mask AND NOT deleted
                   ON CONFLICT (peer, luid) DO UPDATE SET at_peer = 1 WHERE NOT at_peer""",
                values,
            )
            connection.execute(
                """UPDATE peers SET own = :own, theirs = :theirs, token = :token, mask = :mask,
                   mapped = (SELECT serial FROM counter) WHERE peer = :peer""",
                values,
            )
            connection.execute(
                "DELETE FROM items WHERE deleted AND serial <= (SELECT min(token) FROM peers)"
            )

    def mappings(self) -> Sequence[Mapping]:
        """Give the items that the server added since the last `commit`.

        Those deleted since then too: the server has to know our name of what it shall delete.
        """
        with self._file.reading() as connection:
            rows = connection.execute(
                """SELECT luid, p.name FROM peer_items AS p JOIN peers USING (peer)
                   JOIN items USING (luid)
                   WHERE peer = ? AND p.name IS NOT NULL AND named > mapped
                   ORDER BY named""",
                (self._peer,),
            ).fetchall()
        return [Mapping(str(luid), name) for luid, name in rows]

    def part(self, identifiers: Sequence[str]) -> None:
        """Forget the server's names of these items."""
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE peer_items SET name = NULL WHERE peer = ? AND luid = CAST(? AS INTEGER)",
                [(self._peer, each) for each in identifiers],
            )

    def _told(self, value: Record) -> bytes | None:
        told = record.restrict(value, self._limit)
        return None if told is None else told.encode()

    def _apply(self, change: Change) -> Applied:
        try:
            if change.kind is ChangeKind.DELETE:
                return self._delete(change)
            return self._write(change)
        except PeerError as exc:
            return Applied(exc.answer or _UNSUPPORTED, change.identifier)

    def _write(self, change: Change) -> Applied:
        value = record.decode(change.data or b"")
        named, holder = self._find(change), self._file.luid(value.key)
        if change.identifier and named is None:
            return Applied(_NOT_FOUND, change.identifier)
        alive = named is not None and self._file.record(named) is not None
        if alive and holder not in {None, named}:
            return Applied(_EXISTS, str(named))
        luid = named if alive or holder is None else holder  # the same key is the same item
        ours = None if luid is None else self._file.record(luid)
        value = record.restore(value, ours, self._limit)
        if luid is None:
            luid = self._file.add(value, collected=False)
        elif value != ours:
            self._file.put(luid, value)
        self._note(luid, at_peer=True)
        if change.peer is not None:
            self._name(luid, change.peer)
        return Applied(_ADDED if ours is None else _OK, str(luid))

    def _delete(self, change: Change) -> Applied:
        luid = self._find(change)
        if luid is None:
            return Applied(_NOT_DELETED, change.identifier)
        there = self._file.record(luid) is not None
        if there:
            self._file.bury(luid)
        self._note(luid, at_peer=False)
        return Applied(_OK if there else _NOT_DELETED, str(luid))

    def _find(self, change: Change) -> int | None:
        """Find the item that a change means, which may be a tombstone."""
        connection = self._file.connection
        if _LUID.fullmatch(change.identifier):
            found = connection.execute(
                "SELECT luid FROM items WHERE luid = ?", (change.identifier,)
            ).fetchone()
        elif change.identifier:
            return None
        else:
            found = connection.execute(
                "SELECT luid FROM peer_items WHERE peer = ? AND name = ?",
                (self._peer, change.peer),
            ).fetchone()
        return found and int(found[0])

    def _note(self, luid: int, *, at_peer: bool) -> None:
        """Note that the last change of an item is the peer's."""
        self._file.connection.execute(
            """INSERT INTO peer_items (peer, luid, serial, at_peer) VALUES (?, ?, ?, ?)
               ON CONFLICT (peer, luid) DO UPDATE
               SET serial = excluded.serial, at_peer = excluded.at_peer, anew = 0""",
            (self._peer, luid, self._file.next_serial(), at_peer),
        )

    def _name(self, luid: int, name: str) -> None:
        """Give an item the peer's name; who had the name before is no longer at the peer."""
        values = {"peer": self._peer, "luid": luid, "name": name, "serial": self._file.serial()}
        self._file.connection.execute(
            """UPDATE peer_items SET name = NULL, at_peer = 0
               WHERE peer = :peer AND name = :name AND luid <> :luid""",
            values,
        )
        self._file.connection.execute(
            "UPDATE peer_items SET name = :name, named = :serial"
            " WHERE peer = :peer AND luid = :luid",
            values,
        )
