"""The contract of a datastore (`syncml.datastore`) over any collection and its index.

Names on the wire are the names of the items. The owner of the collection may change it at any
time. The whole of it is looked at when a session begins, and not with each message, which would
cost the more the more items there are; in the middle of a session, what he changed of an item is
noticed before that item is replaced, and all else the next time.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cardsync.errors import PeerError
from cardsync.syncml.datastore import (
    Anchors,
    Applied,
    Change,
    ChangeKind,
    Mapping,
)
from cardsync.terminal.databases.index import Index

_OK, _ADDED, _NOT_DELETED, _NOT_FOUND, _CONFLICT = 200, 201, 211, 404, 409
_FAILED = 510

Row = tuple[int, str, bytes, int]
"""Number of an item, its name, the digest of its content, whether it is a tombstone."""


@dataclass(frozen=True, slots=True)
class SafetyStop:
    """What a peer may do that may cost everything; the stop is closed unless a person opens it."""

    allows_slow: bool = False
    allows_emptying: bool = False


class IndexedDatastore:
    """A collection as one peer sees it; what both roles share."""

    _kept_anchors = 1

    def __init__(self, index: Index, name: str, peer: str, stop: SafetyStop) -> None:
        self.allows_slow = stop.allows_slow
        self.allows_emptying = stop.allows_emptying
        self.name = name
        self.content_type = index.collection.content_type
        self.content_version = index.collection.content_version
        self._index = index
        self._collection = index.collection
        self._peer = index.peer(peer)

    def anchors(self) -> Sequence[Anchors]:
        """Give what was agreed, the newest first; see what the owner has changed since."""
        self._index.scan()
        return [Anchors(*each) for each in self._agreed()]

    def token(self) -> str:
        """Name the present state."""
        with self._index.transaction():
            return str(self._index.serial())

    def changes(self, since: str | None) -> Iterator[Change]:
        """Yield what changed since a token, the oldest first; for None every item, as ADD."""
        for name, deleted, peer, at_peer, last in self._changed(since):
            data = None if deleted else self._collection.read(name)
            if deleted:
                yield Change(ChangeKind.DELETE, name, None, peer, str(last))
            elif data is not None:  # else it was removed just now: the next scan tells
                kind = ChangeKind.REPLACE if at_peer and since is not None else ChangeKind.ADD
                kept = self._collection.type_of(data)
                yield Change(kind, name, data, peer, str(last), kept)

    def count(self, since: str | None) -> int:
        """Count what `changes` yields."""
        return len(self._changed(since))

    def size(self) -> int:
        """Count the items."""
        with self._index.transaction():
            return self._index.count()

    def stored(self, changes: Sequence[Change]) -> Sequence[bytes | None]:
        """Give the present content of the item that each change means."""
        rows = map(self._seen, changes)
        return [None if row is None or row[3] else self._collection.read(row[1]) for row in rows]

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Undo everything if the block fails."""
        with self._index.writing():
            yield

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Do what the peer asks, in this order, and answer each.

        409 for an item that its owner has changed since it was looked at last.
        """
        with self.atomic():
            return [self._try(change) for change in changes]

    def forget(self) -> str:
        """Begin anew: no item is known to be at the peer, nothing is agreed."""
        with self._index.transaction() as connection:
            token = self._index.serial()
            connection.execute("UPDATE peer_items SET at_peer = 0 WHERE peer = ?", (self._peer,))
            # Each item gets the next number in the order of the numbers that they had.
            items = connection.execute(
                """INSERT INTO peer_items (peer, item, serial, at_peer, anew)
                   SELECT peer, item, :token + row_number() OVER (ORDER BY last), 0, 1
                   FROM seen WHERE peer = :peer AND NOT deleted
                   ON CONFLICT (peer, item) DO UPDATE SET serial = excluded.serial, anew = 1""",
                {"peer": self._peer, "token": token},
            ).rowcount
            connection.execute(
                "UPDATE peers SET anchors = '[]', oldest = 0, forgotten = ? WHERE peer = ?",
                (self._index.next_serial(items), self._peer),
            )
        return str(token)

    def prune(self) -> int:
        """Remove what the peer has not sent since `forget`, as it would; give how many."""
        self._index.scan()
        with self._index.writing():
            left = self._index.connection.execute(
                """SELECT item, seen.name FROM seen JOIN peers USING (peer) WHERE peer = ?
                   AND NOT deleted AND NOT at_peer AND last <= forgotten""",
                (self._peer,),
            ).fetchall()
            for item, name in left:
                self._remove(item, name)
        return len(left)

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed; tombstones of which every peer has heard are taken away."""
        agreed = [[anchors.own, anchors.peer, anchors.token], *self._agreed()]
        kept = agreed[: self._kept_anchors]
        with self._index.transaction() as connection:
            connection.execute("UPDATE peer_items SET anew = 0 WHERE peer = ?", (self._peer,))
            connection.execute(
                "UPDATE peers SET anchors = ?, oldest = ?, mapped = ? WHERE peer = ?",
                (json.dumps(kept), int(kept[-1][2]), self._index.serial(), self._peer),
            )
            connection.execute(
                "DELETE FROM items WHERE deleted AND serial <= (SELECT min(oldest) FROM peers)"
            )

    def owe(self, identifiers: Sequence[str]) -> None:
        """Count these items, for this peer, as changed by us just now."""
        with self._index.transaction() as connection:
            for name in identifiers:
                connection.execute(
                    """INSERT INTO peer_items (peer, item, serial, at_peer, anew)
                       SELECT ?, item, ?, 0, 1 FROM items WHERE name = ?
                       ON CONFLICT (peer, item) DO UPDATE SET serial = excluded.serial, anew = 1""",
                    (self._peer, self._index.next_serial(), name),
                )

    def _agreed(self) -> list[list[str]]:
        with self._index.transaction() as connection:
            row = connection.execute("SELECT anchors FROM peers WHERE peer = ?", (self._peer,))
            return [[str(part) for part in each] for each in json.loads(row.fetchone()[0])]

    def _changed(self, since: str | None) -> list[Any]:
        """Read what is owed to the peer since a token; everything for None."""
        with self._index.transaction() as connection:
            return connection.execute(
                """SELECT name, deleted, peer_name, at_peer, last FROM seen
                   WHERE peer = :peer AND CASE WHEN :after IS NULL THEN NOT deleted
                   ELSE owed AND last > :after AND (at_peer OR NOT deleted OR :tell) END
                   ORDER BY last""",
                {
                    "peer": self._peer,
                    "after": since and int(since),
                    "tell": self._tells_every_deletion,
                },
            ).fetchall()

    _tells_every_deletion = False

    # --- what the peer asks -----------------------------------------------------------------

    def _try(self, change: Change) -> Applied:
        try:
            return self._apply(change)
        except PeerError as exc:
            return Applied(exc.answer or _FAILED, change.identifier)
        except OSError:
            return Applied(_FAILED, change.identifier)

    def _apply(self, change: Change) -> Applied:
        row = self._find(change)
        if row is not None and not self._is_as_seen(row):
            return Applied(_CONFLICT, row[1])
        if change.kind is ChangeKind.DELETE:
            return self._delete(row)
        if row is None and change.identifier:
            return Applied(_NOT_FOUND, change.identifier)
        item, name, created = self._write(row, change.data or b"", change.peer or "")
        self._note(item, at_peer=True)
        if change.peer is not None:
            self._name(item, change.peer)
        return Applied(_ADDED if created else _OK, name)

    def _write(self, row: Row | None, data: bytes, wanted: str) -> tuple[int, str, bool]:
        """Write content; give the item, its name, and whether it is new."""
        if row is not None and not row[3] and row[2] == sha256(data).digest():
            return row[0], row[1], False
        name = row[1] if row else self._free(wanted, data)
        stamp = self._collection.write(name, data)
        self._index.promise(name, data)
        kept = self._collection.read(name) if stamp else data
        item = self._index.note(name, stamp, data if kept is None else kept)
        return item, name, row is None or bool(row[3])

    def _free(self, wanted: str, data: bytes) -> str:
        """Give a name that neither an item nor a tombstone has."""
        name = self._collection.name(wanted, data)
        while self._row("name = ?", name) is not None:
            name = self._collection.name("", data)
        return name

    def _delete(self, row: Row | None) -> Applied:
        if row is None:
            return Applied(_NOT_DELETED, "")
        item, name, _, deleted = row
        if not deleted:
            self._remove(item, name)
        self._note(item, at_peer=False)
        return Applied(_NOT_DELETED if deleted else _OK, name)

    def _remove(self, item: int, name: str) -> None:
        self._collection.remove(name)
        self._index.promise(name, None)
        self._index.bury(name)
        self._note(item, at_peer=False)

    def _find(self, change: Change) -> Row | None:
        """Find the item that a change means, which may be a tombstone."""
        if change.identifier:
            return self._row("name = ?", change.identifier)
        return self._row(
            "item = (SELECT item FROM peer_items WHERE peer = ? AND name = ?)",
            self._peer,
            change.peer,
        )

    def _meant(self, change: Change) -> Row | None:
        """Find the item whose fields a change has."""
        return self._find(change)

    def _seen(self, change: Change) -> Row | None:
        """Find the item whose fields a change has, as its owner has left it."""
        row = self._meant(change)
        if row is None or self._is_as_seen(row):
            return row
        self._index.look(row[1])
        return self._meant(change)

    def _row(self, condition: str, *values: object) -> Row | None:
        found: Row | None = self._index.connection.execute(
            f"SELECT item, name, digest, deleted FROM items WHERE {condition}",  # noqa: S608  # ours
            values,
        ).fetchone()
        return found

    def _is_as_seen(self, row: Row) -> bool:
        """Say whether the owner has left an item as it was when it was looked at."""
        data = self._collection.read(row[1])
        if data is None:
            return bool(row[3])
        return not row[3] and sha256(data).digest() == row[2]

    def _note(self, item: int, *, at_peer: bool) -> None:
        """Note that the last change of an item is the peer's."""
        self._index.connection.execute(
            """INSERT INTO peer_items (peer, item, serial, at_peer) VALUES (?, ?, ?, ?)
               ON CONFLICT (peer, item) DO UPDATE
               SET serial = excluded.serial, at_peer = excluded.at_peer, anew = 0""",
            (self._peer, item, self._index.next_serial(), at_peer),
        )

    def _name(self, item: int, name: str | None) -> None:
        """Give an item the peer's name; who had the name before is no longer at the peer."""
        values = {"peer": self._peer, "item": item, "name": name, "serial": self._index.serial()}
        self._index.connection.execute(
            """UPDATE peer_items SET name = NULL, at_peer = 0
               WHERE peer = :peer AND name = :name AND item <> :item""",
            values,
        )
        self._index.connection.execute(
            """UPDATE peer_items SET name = :name, named = :serial
               WHERE peer = :peer AND item = :item""",
            values,
        )


class IndexedClient(IndexedDatastore):
    """A collection in the role of the client."""

    _tells_every_deletion = True  # a session that broke may have taken the item to the server

    def mappings(self) -> Sequence[Mapping]:
        """Give what the server added since the last commit."""
        with self._index.transaction() as connection:
            rows = connection.execute(
                """SELECT items.name, p.name FROM peer_items AS p JOIN peers USING (peer)
                   JOIN items USING (item)
                   WHERE peer = ? AND p.name IS NOT NULL AND named > mapped ORDER BY named""",
                (self._peer,),
            ).fetchall()
        return [Mapping(name, peer) for name, peer in rows]

    def part(self, identifiers: Sequence[str]) -> None:
        """Forget the server's names of these items."""
        with self._index.transaction() as connection:
            connection.executemany(
                """UPDATE peer_items SET name = NULL
                   WHERE peer = ? AND item = (SELECT item FROM items WHERE name = ?)""",
                [(self._peer, each) for each in identifiers],
            )

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed: what we changed until its token is at the server."""
        with self._index.transaction() as connection:
            connection.execute(
                """INSERT INTO peer_items (peer, item, serial, at_peer)
                   SELECT ?, item, 0, 1 FROM items WHERE added <= ? AND NOT deleted
                   ON CONFLICT (peer, item) DO UPDATE SET at_peer = 1 WHERE NOT at_peer""",
                (self._peer, int(anchors.token)),
            )
            super().commit(anchors)
