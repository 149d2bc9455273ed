"""The rows of one batch of changes: found at once, changed in memory, written at once.

Which row a change of the peer means, in this order: the one that it names as ours; the one that
has the peer's name; for a record, the one with the same key that is not known to be at the peer
(a device that lost its database gives new names to the same records). A row of an older epoch
with another key than the change has lost its name: the device gives it to something else.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cardsync.operator.store.records import Row, State
from cardsync.syncml.datastore import Applied, Change, ChangeKind, Mapping
from cardsync.syncml.record import Application, Record

_OK, _ADDED, _NOT_DELETED, _NOT_FOUND = 200, 201, 211, 404


@dataclass(frozen=True, slots=True)
class Content:
    """An item's data and what the columns tell of it; all None for a deletion."""

    data: bytes | None = None
    digest: bytes | None = None
    kind: int | None = None
    key: str | None = None
    label: str | None = None
    version: str | None = None

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Take data of a type that is not ours."""
        return cls(data, sha256(data).digest())

    @classmethod
    def of_record(cls, data: bytes, record: Record) -> Self:
        """Take a record of the device-management database: a parameter (0), an application (1)."""
        digest = sha256(data).digest()
        if isinstance(record, Application):
            return cls(data, digest, 1, record.key, record.name, record.version)
        return cls(data, digest, 0, record.key, record.path, None)


class Batch:
    """Rows of one database, and its counters, which take a serial for each change."""

    def __init__(self, state: State, rows: Iterable[Row]) -> None:
        self._state = state
        self._rows: dict[str, Row] = {}
        self._named: dict[str, str] = {}
        self._absent: dict[str | bytes, list[str]] = {}
        self._begin = (state.serial, state.own_serial)
        for row in rows:
            self._index(row)

    @property
    def advanced(self) -> bool:
        """Whether the counters have changed."""
        return self._begin != (self._state.serial, self._state.own_serial)

    def rows(self) -> Collection[Row]:
        """Give all rows; those that changed say so."""
        return self._rows.values()

    def same(self, change: Change, content: Content, *, by_content: bool = False) -> Row | None:
        """Find the row that a change means; with `by_content`, equal content too names it."""
        if change.identifier:
            return self._rows.get(change.identifier)
        named = self._rows.get(self._named.get(change.peer or "", ""))
        if named and (self._is_current(named) or content.key in {None, named.key}):
            return named
        names = (content.digest if by_content else None, content.key)
        for name in (name for name in names if name is not None):
            for guid in self._absent.get(name, ()):
                if not self._at_peer(self._rows[guid]):
                    return self._rows[guid]
        return None

    def apply(self, change: Change, content: Content) -> Applied:
        """Do what the peer asks of one item."""
        if change.kind is ChangeKind.MERGE:
            return self._merge(change, content)
        row = self.same(change, content)
        if change.kind is ChangeKind.DELETE:
            return self._delete(row)
        if change.kind is ChangeKind.SOFT_DELETE:
            return self._release(row, change.token)
        if row is None:
            if change.identifier:
                return Applied(_NOT_FOUND, change.identifier)
            row = self._new(f"s{self._state.next()}")
        created = not row.there
        self._fill(row, content, own=False, at_peer=True)
        if change.peer is not None:
            self._name(row, change.peer)
        return Applied(_ADDED if created else _OK, row.guid)

    def map(self, mapping: Mapping) -> int:
        """Give a row the peer's name."""
        row = self._rows.get(mapping.identifier)
        if row is None:
            return _NOT_FOUND
        self._name(row, mapping.peer)
        self._mark(row, own=self._is_own(row), at_peer=True)
        return _OK

    def put(self, guid: str, content: Content) -> None:
        """Add or change a row as the operator does."""
        row = self._rows.get(guid) or self._new(guid)
        self._fill(row, content, own=True, at_peer=self._at_peer(row))

    def remove(self, guid: str) -> None:
        """Delete a row as the operator does."""
        row = self._rows.get(guid)
        if row is not None and row.there:
            self._fill(row, Content(), own=True, at_peer=self._at_peer(row))

    def _merge(self, change: Change, content: Content) -> Applied:
        if change.identifier:
            row = self._rows.get(change.identifier)
        else:
            row = self._new(f"s{self._state.next()}")
        if row is None:
            return Applied(_NOT_FOUND, change.identifier)
        if change.peer is None:
            self._unname(row)
        else:
            self._name(row, change.peer)
        row.digest = None  # the peer has yet to hear of it, even where the content stays
        self._fill(row, content, own=True, at_peer=change.peer is not None)
        return Applied(_OK, row.guid)

    def _delete(self, row: Row | None) -> Applied:
        if row is None or not (row.there or self._is_current(row)):
            return Applied(_NOT_DELETED, "")
        code = _OK if row.there else _NOT_DELETED
        if row.there:
            self._fill(row, Content(), own=False, at_peer=False)
        else:
            self._mark(row, own=False, at_peer=False)
        return Applied(code, row.guid)

    def _release(self, row: Row | None, token: str) -> Applied:
        """Note that the peer does not have a row any more, unless it changed after a token."""
        if row is None or not row.there:
            return Applied(_NOT_DELETED, "")
        epoch, _, serial = token.partition(".")
        if not token or (int(epoch) == self._state.epoch and row.serial <= int(serial)):
            self._mark(row, own=False, at_peer=False)
            self._unname(row)
        return Applied(_OK, row.guid)

    def _fill(self, row: Row, content: Content, *, own: bool, at_peer: bool) -> None:
        """Give a row its content; the same content is not written again."""
        self._mark(row, own=own, at_peer=at_peer)
        if row.there and row.digest == content.digest and not own:
            return
        row.rewritten = True
        row.data, row.digest, row.there = content.data, content.digest, content.data is not None
        if row.there:  # what was deleted keeps its key and label, for those who read the history
            row.kind, row.key, row.label = content.kind, content.key, content.label
            row.version = content.version
        row.serial = self._state.next()
        if own:
            self._state.own_serial = row.serial

    def _mark(self, row: Row, *, own: bool, at_peer: bool) -> None:
        marks = (self._state.epoch, own, at_peer)
        row.touched = row.touched or marks != (row.epoch, row.own, row.at_peer)
        row.epoch, row.own, row.at_peer = marks

    def _is_current(self, row: Row) -> bool:
        return row.epoch == self._state.epoch

    def _at_peer(self, row: Row) -> bool:
        return row.at_peer and self._is_current(row)

    def _is_own(self, row: Row) -> bool:
        return row.own or not self._is_current(row)

    def _new(self, guid: str) -> Row:
        row = Row(guid, epoch=self._state.epoch)
        self._index(row)
        return row

    def _index(self, row: Row) -> None:
        self._rows[row.guid] = row
        if row.luid is not None:
            self._named[row.luid] = row.guid
        if row.there and not self._at_peer(row):
            for name in (row.digest, row.key):
                if name is not None:
                    self._absent.setdefault(name, []).append(row.guid)

    def _name(self, row: Row, peer: str) -> None:
        """Give a row the peer's name; who had the name before is no longer at the peer."""
        before = self._rows.get(self._named.get(peer, ""))
        if before is not None and before is not row:
            self._unname(before)
            before.at_peer = False
        if row.luid != peer:
            self._unname(row)
            row.luid, row.touched = peer, True
            self._named[peer] = row.guid

    def _unname(self, row: Row) -> None:
        if row.luid is not None:
            self._named.pop(row.luid, None)
            row.luid, row.touched = None, True
