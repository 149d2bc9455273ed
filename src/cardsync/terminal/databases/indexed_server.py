"""A collection in the role of the server: conflicts, the client's names, versions that lost."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cardsync.errors import ConfigError
from cardsync.syncml.datastore import Applied, Change, ChangeKind, Mapping, Rule
from cardsync.terminal.databases.dates import newer
from cardsync.terminal.databases.index import Index
from cardsync.terminal.databases.indexed import IndexedDatastore, Row, SafetyStop

_OK, _NOT_DELETED, _NOT_FOUND, _CONFLICT = 200, 211, 404, 409
_ROWS: Final = 10_000  # in one statement; SQLite takes 32,766 values


class IndexedServer(IndexedDatastore):
    """A collection in the role of the server; versions that lost a conflict become files."""

    _kept_anchors = 2

    def __init__(self, index: Index, name: str, peer: str, stop: SafetyStop, rule: Rule) -> None:
        super().__init__(index, name, peer, stop)
        self.rule = rule

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge two versions field by field, where the collection knows of fields."""
        return self._collection.merge(ours, theirs)

    def newer(self, ours: Change, theirs: Change) -> bool:
        """Compare the dates that both versions carry; what carries none is the newer one."""
        return newer(ours.data, theirs.data)

    def conflicts(self, since: str, changes: Sequence[Change]) -> Sequence[Change | None]:
        """Find our own change of each item that the peer changed."""
        own = {change.identifier: change for change in self._own(since, changes)}
        alike: dict[bytes, list[str]] = {}
        for change in own.values():
            if change.kind is ChangeKind.ADD and change.data is not None:
                alike.setdefault(self._index.likeness(change.data), []).append(change.identifier)
        found = []
        for change in changes:
            row = self._find(change)
            name = row[1] if row else None
            if name is None and change.data is not None:
                names = alike.get(self._index.likeness(change.data), ())
                name = next((each for each in names if each in own), None)
            found.append(own.pop(name, None) if name else None)
        return found

    def map(self, mappings: Sequence[Mapping]) -> Sequence[int]:
        """Learn the client's names of items that we added."""
        with self._index.transaction():
            return [self._map(mapping) for mapping in mappings]

    def keep(self, losers: Sequence[Change]) -> None:
        """Write the versions that lost a conflict into the folder `lost`, numbered, for good.

        Raises `ConfigError` if they cannot be written: then nothing may take their places.
        """
        home = self._index.home / "lost"
        try:
            home.mkdir(exist_ok=True)
            for loser in losers:
                if loser.data is not None:
                    name = loser.identifier or self._collection.name(loser.peer or "", loser.data)
                    _write_new(home, self._index.serial(), name.replace("/", "_"), loser.data)
        except OSError as exc:
            raise ConfigError(f"{home}: what lost a conflict cannot be kept: {exc}") from exc

    def _meant(self, change: Change) -> Row | None:
        """Find the item of a change also by what is alike and not at the peer."""
        found = self._find(change)
        if found is not None or change.identifier or change.data is None:
            return found
        return self._row(
            """item = (SELECT item FROM seen WHERE peer = ? AND likeness = ?
               AND NOT at_peer AND NOT deleted ORDER BY last)""",
            self._peer,
            self._index.likeness(change.data),
        )

    def _own(self, since: str, changes: Sequence[Change]) -> Iterator[Change]:
        """Give our changes that may be of the same items: by the peer's name or the content."""
        for change in changes:
            self._seen(change)
        names = [change.peer for change in changes]
        alike = [None if e.data is None else self._index.likeness(e.data) for e in changes]
        for at in range(0, len(changes), _ROWS):
            part = names[at : at + _ROWS], alike[at : at + _ROWS]
            yield from self._among(int(since), *part)

    def _among(
        self, since: int, names: list[str | None], alike: list[bytes | None]
    ) -> list[Change]:
        marks = ",".join("?" * len(names))
        rows = self._index.connection.execute(
            f"""SELECT name, deleted, peer_name, at_peer, last FROM seen
                WHERE peer = ? AND owed AND last > ? AND (at_peer OR NOT deleted)
                AND (peer_name IN ({marks}) OR (likeness IN ({marks}) AND NOT at_peer))
                ORDER BY last""",  # noqa: S608  # question marks
            (self._peer, since, *names, *alike),
        ).fetchall()
        return [self._change(*row) for row in rows]

    def _change(self, name: str, deleted: int, peer: str, at_peer: int, last: int) -> Change:
        data = None if deleted else self._collection.read(name)
        if data is None:
            return Change(ChangeKind.DELETE, name, None, peer, str(last))
        kind = ChangeKind.REPLACE if at_peer else ChangeKind.ADD
        return Change(kind, name, data, peer, str(last))

    def _map(self, mapping: Mapping) -> int:
        row = self._row("name = ?", mapping.identifier)
        if row is None:
            return _NOT_FOUND
        self._place(row[0], mapping.peer)
        return _OK

    def _place(self, item: int, peer: str | None) -> None:
        """Note by what name the peer has an item, None if it does not have it."""
        self._index.connection.execute(
            """INSERT INTO peer_items (peer, item, serial, at_peer) VALUES (?1, ?2, 0, ?3)
               ON CONFLICT (peer, item) DO UPDATE SET at_peer = ?3""",
            (self._peer, item, peer is not None),
        )
        self._name(item, peer)

    def _release(self, change: Change) -> Applied:
        """Note that the peer does not have an item any more, unless it changed after a token."""
        row = self._find(change)
        if row is None or row[3]:
            return Applied(_NOT_DELETED, "")
        (last,) = self._index.connection.execute(
            "SELECT last FROM seen WHERE peer = ? AND item = ?", (self._peer, row[0])
        ).fetchone()
        if not change.token or last <= int(change.token):
            self._note(row[0], at_peer=False)
            self._name(row[0], None)
        return Applied(_OK, row[1])

    def _apply(self, change: Change) -> Applied:
        if change.kind is ChangeKind.SOFT_DELETE:
            return self._release(change)
        if change.kind is not ChangeKind.MERGE:
            return super()._apply(change)
        row = self._row("name = ?", change.identifier) if change.identifier else None
        if row is not None and not self._is_as_seen(row):
            return Applied(_CONFLICT, row[1])
        name = row[1] if row else self._free("", change.data or b"")
        data = change.data or b""
        stamp = self._collection.write(name, data)
        self._index.promise(name, data)
        item = self._index.note(name, stamp, data)
        self._place(item, change.peer)
        return Applied(_OK, name)


def _write_new(home: Path, number: int, name: str, data: bytes) -> None:
    """Write a file under the first number from this one on that is free."""
    while True:
        with suppress(FileExistsError), (home / f"{number}.{name}").open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            return
        number += 1
