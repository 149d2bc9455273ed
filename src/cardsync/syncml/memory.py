"""Datastores in memory, one for each role: the contract in its plainest form.

Tests and the fleet use them; they also show the writer of a real store what each call means.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

from cardsync.syncml.datastore import (
    Anchors,
    Applied,
    Change,
    ChangeKind,
    Mapping,
    Rule,
)

_OK, _ADDED, _NOT_DELETED, _NOT_FOUND = 200, 201, 211, 404


@dataclass(slots=True)
class _Row:
    """An item, or with `data` None the memory of one.

    `serial` is the number of its last change, `own` says that the change was ours, `at_peer`
    that the peer has the item.
    """

    identifier: str
    data: bytes | None
    serial: int
    own: bool
    at_peer: bool
    peer: str | None = None


class _MemoryDatastore:
    """What both roles share. `prefix` begins the names of items that the peer added."""

    allows_slow = True
    allows_emptying = True

    def __init__(self, name: str, content_type: str, content_version: str, prefix: str) -> None:
        self.name = name
        self.content_type = content_type
        self.content_version = content_version
        self._prefix = prefix
        self._rows: dict[str, _Row] = {}
        self._peers: dict[str, str] = {}  # the peer's name: ours
        self._serial = 0
        self._forgotten = 0
        self._agreed: tuple[Anchors, ...] = ()

    def put(self, identifier: str, data: bytes) -> None:
        """Add or change an item, as the owner of the datastore does."""
        row = self._rows.get(identifier)
        if row is None:
            row = self._rows[identifier] = _Row(identifier, None, 0, own=True, at_peer=False)
        row.data, row.own, row.serial = data, True, self._next()

    def remove(self, identifier: str) -> None:
        """Delete an item, as the owner of the datastore does."""
        row = self._rows[identifier]
        row.data, row.own, row.serial = None, True, self._next()

    def items(self) -> dict[str, bytes]:
        """Give every item under our name."""
        return {row.identifier: row.data for row in self._rows.values() if row.data is not None}

    def anchors(self) -> Sequence[Anchors]:
        """Give what was agreed at the last two successes, the newest first."""
        return self._agreed

    def token(self) -> str:
        """Name the present state."""
        return str(self._serial)

    def changes(self, since: str | None) -> Iterator[Change]:
        """Yield what we changed since a token; for None every item, as ADD."""
        for row in sorted(self._rows.values(), key=lambda row: row.serial):
            kind = _everything(row) if since is None else self._changed(row, int(since))
            if kind:
                yield Change(kind, row.identifier, row.data, row.peer, str(row.serial))

    def count(self, since: str | None) -> int:
        """Count what `changes` yields."""
        return sum(1 for _ in self.changes(since))

    def size(self) -> int:
        """Count the items."""
        return len(self.items())

    def stored(self, changes: Sequence[Change]) -> Sequence[bytes | None]:
        """Give the present content of the item that each change means."""
        rows = map(self._find, changes)
        return [None if row is None else row.data for row in rows]

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Put everything back if the block fails."""
        before = deepcopy((self._rows, self._peers, self._serial))
        try:
            yield
        except BaseException:
            self._rows, self._peers, self._serial = before
            raise

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Do what the peer asks."""
        return [self._apply(change) for change in changes]

    def forget(self) -> str:
        """Begin anew: every item waits for the peer to send it."""
        token = self.token()
        self._agreed = ()
        for row in list(self._rows.values()):
            if row.data is None:
                self._drop(row)
            else:
                row.at_peer, row.own, row.serial = False, True, self._next()
        self._forgotten = self._serial
        return token

    def prune(self) -> int:
        """Remove what the peer has not sent since `forget`."""
        left = [r for r in self._rows.values() if not r.at_peer and r.serial <= self._forgotten]
        for row in left:
            self._drop(row)
        return len(left)

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed, and what was agreed before."""
        self._agreed = (anchors, *self._agreed[:1])

    def owe(self, identifiers: Sequence[str]) -> None:
        """Count these items as changed by us just now."""
        for row in map(self._rows.get, identifiers):
            if row is not None:
                row.own, row.serial = True, self._next()

    def _changed(self, row: _Row, since: int) -> ChangeKind | None:
        if row.serial <= since or not row.own:
            return None
        if row.data is None:
            return ChangeKind.DELETE if row.at_peer else None
        return ChangeKind.REPLACE if row.at_peer else ChangeKind.ADD

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _find(self, change: Change) -> _Row | None:
        identifier = change.identifier or self._peers.get(change.peer or "", "")
        return self._rows.get(identifier)

    def _apply(self, change: Change) -> Applied:
        row = self._find(change)
        if change.kind is ChangeKind.DELETE:
            return self._apply_delete(row)
        created = row is None or row.data is None
        if row is None:
            if change.identifier:
                return Applied(_NOT_FOUND, change.identifier)
            row = self._new()
        row.data, row.own, row.serial = change.data, False, self._next()
        row.at_peer = True
        if change.peer is not None:
            self._name(row, change.peer)
        return Applied(_ADDED if created else _OK, row.identifier)

    def _apply_delete(self, row: _Row | None) -> Applied:
        if row is None:
            return Applied(_NOT_DELETED, "")
        code = _NOT_DELETED if row.data is None else _OK
        row.data, row.own, row.serial = None, False, self._next()
        row.at_peer = False
        return Applied(code, row.identifier)

    def _new(self) -> _Row:
        identifier = f"{self._prefix}{self._next()}"
        row = self._rows[identifier] = _Row(identifier, None, 0, own=False, at_peer=True)
        return row

    def _name(self, row: _Row, peer: str) -> None:
        """Give an item the peer's name; who had the name before is no longer at the peer."""
        before = self._rows.get(self._peers.get(peer, ""))
        if before is not None and before is not row:
            before.peer, before.at_peer = None, False
        self._unname(row)
        row.peer = peer
        self._peers[peer] = row.identifier

    def _unname(self, row: _Row) -> None:
        if row.peer is not None:
            self._peers.pop(row.peer, None)
        row.peer = None

    def _drop(self, row: _Row) -> None:
        self._unname(row)
        del self._rows[row.identifier]


class MemoryClientDatastore(_MemoryDatastore):
    """A datastore in the role of the client."""

    def __init__(
        self, name: str, content_type: str = "text/plain", content_version: str = "1.0"
    ) -> None:
        super().__init__(name, content_type, content_version, "c")
        self._untold: dict[str, None] = {}

    def mappings(self) -> Sequence[Mapping]:
        """Give what the server added since the last commit."""
        return [
            Mapping(row.identifier, row.peer)
            for row in map(self._rows.get, self._untold)
            if row is not None and row.peer is not None
        ]

    def part(self, identifiers: Sequence[str]) -> None:
        """Forget the server's names of these items."""
        for row in map(self._rows.get, identifiers):
            if row is not None:
                self._unname(row)

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed: what we changed until its token is at the server."""
        super().commit(anchors)
        self._untold.clear()
        for row in self._rows.values():
            if row.serial <= int(anchors.token):
                row.at_peer = row.data is not None

    def _changed(self, row: _Row, since: int) -> ChangeKind | None:
        """Tell every deletion: a session that broke may have taken the item to the server."""
        if row.data is None and row.own and row.serial > since:
            return ChangeKind.DELETE
        return super()._changed(row, since)

    def _name(self, row: _Row, peer: str) -> None:
        super()._name(row, peer)
        self._untold[row.identifier] = None


class MemoryServerDatastore(_MemoryDatastore):
    """A datastore in the role of the server; `kept` are the versions that lost a conflict."""

    def __init__(
        self,
        name: str,
        content_type: str = "text/plain",
        content_version: str = "1.0",
        rule: Rule = Rule.CLIENT_WINS,
    ) -> None:
        super().__init__(name, content_type, content_version, "s")
        self.rule = rule
        self.kept: list[Change] = []

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Plain octets have no fields: equal ones merge, others do not."""
        return ours if ours == theirs else None

    def newer(self, ours: Change, theirs: Change) -> bool:
        """Plain octets have no time; the greater ones count as the newer ones."""
        return (ours.data or b"") > (theirs.data or b"")

    def conflicts(self, since: str, changes: Sequence[Change]) -> Sequence[Change | None]:
        """Find our own change of each item that the peer changed."""
        own = {change.identifier: change for change in self.changes(since)}
        alike: dict[bytes | None, list[str]] = {}
        for change in own.values():
            if change.kind is ChangeKind.ADD:
                alike.setdefault(change.data, []).append(change.identifier)
        found = []
        for change in changes:
            identifier = self._peers.get(change.peer or "")
            if identifier is None and change.kind is not ChangeKind.DELETE:
                same = [each for each in alike.get(change.data, ()) if each in own]
                identifier = same[0] if same else None
            found.append(own.pop(identifier, None) if identifier else None)
        return found

    def map(self, mappings: Sequence[Mapping]) -> Sequence[int]:
        """Learn the client's names of items that we added."""
        return [self._map(mapping) for mapping in mappings]

    def keep(self, losers: Sequence[Change]) -> None:
        """Keep the versions that lost a conflict."""
        self.kept.extend(losers)

    def _map(self, mapping: Mapping) -> int:
        row = self._rows.get(mapping.identifier)
        if row is None:
            return _NOT_FOUND
        self._name(row, mapping.peer)
        row.at_peer = True
        return _OK

    def _apply(self, change: Change) -> Applied:
        if change.kind is ChangeKind.SOFT_DELETE:
            return self._release(change)
        if change.kind is not ChangeKind.MERGE:
            return super()._apply(change)
        row = self._rows[change.identifier] if change.identifier else self._new()
        row.data, row.own, row.serial = change.data, True, self._next()
        row.at_peer = change.peer is not None
        if change.peer is None:
            self._unname(row)
        else:
            self._name(row, change.peer)
        return Applied(_OK, row.identifier)

    def _release(self, change: Change) -> Applied:
        row = self._find(change)
        if row is None or row.data is None:
            return Applied(_NOT_DELETED, "")
        if not change.token or row.serial <= int(change.token):
            row.own, row.at_peer, row.serial = False, False, self._next()
            self._unname(row)
        return Applied(_OK, row.identifier)


def _everything(row: _Row) -> ChangeKind | None:
    return None if row.data is None else ChangeKind.ADD
