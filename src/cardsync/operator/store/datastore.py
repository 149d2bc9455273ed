"""The contract of a datastore (`syncml.datastore`) over PostgreSQL, in the role of the server.

It works in the transaction of its caller: what a message changes, the state of its session and
its reply are committed together. Its cost follows the change, not the database: where nothing
of ours changed since a token, nothing but the counters is read.

Tokens are "epoch.serial". `forget` begins a new epoch, which costs one row: every record of an
older one then counts as ours, unknown to the peer, in the order of its serial. Tokens compare as
pairs, so they name one line of time.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from cardsync.errors import LocalError, PeerError
from cardsync.operator.store import devices, owing, records
from cardsync.operator.store.batch import Batch, Content
from cardsync.operator.store.database import Connection
from cardsync.operator.store.records import Changed, Place, Row, State
from cardsync.syncml import record
from cardsync.syncml.datastore import (
    Anchors,
    Applied,
    Change,
    ChangeKind,
    Mapping,
    Rule,
    ServerDatastore,
)

_UNSUPPORTED = 415


class PostgresDatastore(ServerDatastore):
    """One database of one device, for the length of one transaction, in which `now` stands still.

    Items of our own content type must be records; others are kept as they are.
    """

    rule = Rule.CLIENT_WINS  # the device's database tells what is true of the device

    def __init__(
        self,
        connection: Connection,
        place: Place,
        now: datetime,
        content_type: str = record.CONTENT_TYPE,
        content_version: str = record.CONTENT_VERSION,
    ) -> None:
        self.name = place.database
        self.content_type = content_type
        self.content_version = content_version
        self.written = 0
        """How many contents were written or removed through this object."""
        self._connection = connection
        self._place = place
        self._now = now
        self._loaded: State | None = None
        self._lost: set[str] = set()

    # --- what was agreed --------------------------------------------------------------------

    def anchors(self) -> Sequence[Anchors]:
        """Give what was agreed at the last two successes, the newest first."""
        return [Anchors(own, peer, token) for own, peer, token in self._state.anchors]

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed, and what was agreed before."""
        agreed = [anchors.own, anchors.peer, anchors.token]
        self._state.anchors = [agreed, *self._state.anchors[:1]]
        self._save()

    def owe(self, identifiers: Sequence[str]) -> None:
        """Let the device hear of these items once more, as if we had changed them just now."""
        known = records.load(self._connection, self._place, identifiers)
        serials = {row.guid: self._state.next() for row in known}
        self._state.own_serial = self._state.serial
        owing.owe(self._connection, self._place, serials)
        self._save()

    def forget(self) -> str:
        """Begin a new epoch; give the token that ended the last one."""
        token, state = self.token(), self._state
        state.epoch += 1
        state.own_serial = state.serial
        state.anchors = []
        self._save()
        return token

    def prune(self) -> int:
        """Remove what the peer has not sent since `forget`."""
        pruned, *kinds = records.prune(self._connection, self._place, self._state.epoch, self._now)
        self.written += pruned
        self._grow(*[-count for count in kinds])
        return pruned

    # --- our changes ------------------------------------------------------------------------

    def token(self) -> str:
        """Name the present state."""
        return self._token(self._state.serial)

    def changes(self, since: str | None) -> Iterator[Change]:
        """Yield what we changed since a token; for None every item, as ADD."""
        epoch = self._state.epoch
        if since is None:
            for row in records.all_rows(self._connection, self._place, epoch):
                yield Change(ChangeKind.ADD, row[0], row[2], row[1], self._token(row[3]))
        elif self._is_ours_newer(since):
            serial = self._serial(since)
            for row in records.changed(self._connection, self._place, epoch, serial):
                yield self._change(row)

    def put(self, guid: str, data: bytes) -> None:
        """Add or change an item, as the operator does; its device hears of it the next time.

        Raises `PeerError` for what is no item of this database.
        """
        self.put_all({guid: data})

    def put_all(self, items: dict[str, bytes]) -> None:
        """Add or change many."""
        batch = self._batch(guids=items)
        for guid, data in items.items():
            batch.put(guid, self._content(data))
        self._write(batch)

    def remove(self, guid: str) -> None:
        """Delete an item, as the operator does; nothing happens if it is not there."""
        self.remove_all([guid])

    def remove_all(self, guids: Collection[str]) -> None:
        """Delete many."""
        batch = self._batch(guids=guids)
        for guid in guids:
            batch.remove(guid)
        self._write(batch)

    # --- the peer's changes -----------------------------------------------------------------

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Do what the peer asks: one statement finds all rows, a few write them."""
        contents = [self._try(change.data) for change in changes]
        batch = self._batch_of(changes, contents)
        applied = [
            Applied(_UNSUPPORTED, change.identifier)
            if content is None
            else batch.apply(change, content)
            for change, content in zip(changes, contents, strict=True)
        ]
        self._write(batch)
        return applied

    def stored(self, changes: Sequence[Change]) -> Sequence[bytes | None]:
        """Give the present content of the item that each change means."""
        contents = [self._try(change.data) or Content() for change in changes]
        batch = self._batch_of(changes, contents)
        pairs = zip(changes, contents, strict=True)
        rows = [batch.same(change, content, by_content=True) for change, content in pairs]
        guids = {row.guid for row in rows if row is not None and row.there}
        found = owing.contents(self._connection, self._place, guids) if guids else {}
        return [None if row is None else found.get(row.guid) for row in rows]

    def map(self, mappings: Sequence[Mapping]) -> Sequence[int]:
        """Learn the client's names of items that we added."""
        batch = self._batch(
            [mapping.identifier for mapping in mappings], [mapping.peer for mapping in mappings]
        )
        answers = [batch.map(mapping) for mapping in mappings]
        self._write(batch)
        return answers

    # --- conflicts --------------------------------------------------------------------------

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge two versions of one record field by field; other content only if it is equal."""
        if ours == theirs:
            return ours
        if self.content_type != record.CONTENT_TYPE:
            return None
        try:
            merged = record.merge(None, record.decode(ours), record.decode(theirs))
        except (PeerError, LocalError):
            return None
        return None if isinstance(merged, tuple) else merged.encode()

    def newer(self, ours: Change, theirs: Change) -> bool:
        """Say no: a record tells no time of its change, and the peer's reaches us only now."""
        del ours, theirs
        return False

    def conflicts(self, since: str, changes: Sequence[Change]) -> Sequence[Change | None]:
        """Find our own change of each item that the peer changed."""
        if not changes or not self._is_ours_newer(since):
            return [None] * len(changes)
        contents = [self._try(change.data) or Content() for change in changes]
        names: dict[str, list[Any]] = {
            "luid": [change.peer for change in changes if change.peer is not None],
            "key": [content.key for content in contents if content.key is not None],
            # Equal records have equal keys; only what has no key is looked for by its digest.
            "digest": [each.digest for each in contents if each.digest and each.key is None],
        }
        found = records.alike(
            self._connection, self._place, self._state.epoch, self._serial(since), names
        )
        ours = {row[0]: row for row in found}
        batch = self._batch(guids=ours)
        answers: list[Change | None] = []
        for change, content in zip(changes, contents, strict=True):
            same = batch.same(change, content, by_content=True)
            row = ours.pop(same.guid, None) if same else None
            answers.append(self._change(row) if row else None)
        return answers

    def keep(self, losers: Sequence[Change]) -> None:
        """Keep the versions that lost a conflict in the history of their items.

        Ours goes there when `apply` replaces it and is only marked; the peer's goes there now.
        """
        self._lost.update(loser.identifier for loser in losers if loser.identifier)
        theirs = [loser for loser in losers if not loser.identifier and loser.data is not None]
        contents = [self._try(loser.data) or Content() for loser in theirs]
        batch = self._batch_of(theirs, contents)
        lost = []
        for loser, content in zip(theirs, contents, strict=True):
            row = batch.same(loser, content, by_content=True)
            guid = row.guid if row else loser.peer or ""
            lost.append((guid, self._state.next(), content.key, loser.data or b"", False))
        if lost:
            records.keep(self._connection, self._place, lost, self._now)
            self._save()

    # --- inside -----------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        if self._loaded is None:
            self._loaded = records.open_state(self._connection, self._place)
        return self._loaded

    def _save(self) -> None:
        records.save_state(self._connection, self._place, self._state)

    def _batch(
        self, guids: Collection[str] = (), luids: Collection[str] = (), keys: Collection[str] = ()
    ) -> Batch:
        """Load what has one of these names; an empty database is not asked."""
        rows: list[Row] = []
        if self._state.serial and (guids or luids or keys):
            rows = records.load(self._connection, self._place, guids, luids, keys)
        return Batch(self._state, rows)

    def _batch_of(self, changes: Sequence[Change], contents: Sequence[Content | None]) -> Batch:
        """Load what the peer's changes may mean."""
        return self._batch(
            [change.identifier for change in changes if change.identifier],
            [change.peer for change in changes if change.peer is not None],
            [content.key for content in contents if content and content.key is not None],
        )

    def _write(self, batch: Batch) -> None:
        self.written += records.write(
            self._connection, self._place, batch.rows(), self._now, self._lost
        )
        self._grow(*records.grown(batch.rows()))
        if batch.advanced:
            self._save()

    def _grow(self, parameters: int, applications: int) -> None:
        """Keep the counts of the device, which its list shows, as the records become more."""
        if parameters or applications:
            devices.grow(self._connection, self._place.device_id, parameters, applications)

    def _token(self, serial: int) -> str:
        return f"{self._state.epoch}.{serial}"

    def _is_ours_newer(self, since: str) -> bool:
        """Say whether the counters admit that anything of ours changed since a token."""
        epoch, serial = _parts(since)
        state = self._state
        return (state.epoch > epoch and state.serial > 0) or state.own_serial > serial

    def _serial(self, since: str) -> int:
        """Give the serial after which a row counts: every one, for a token of an older epoch."""
        epoch, serial = _parts(since)
        return serial if epoch == self._state.epoch else 0

    def _change(self, row: Changed) -> Change:
        guid, luid, data, serial, at_peer = row[:5]
        kind = ChangeKind.REPLACE if at_peer else ChangeKind.ADD
        if data is None:
            kind = ChangeKind.DELETE
        return Change(kind, guid, data, luid, self._token(serial))

    def _content(self, data: bytes) -> Content:
        """Read what the columns tell of an item. Raises `PeerError` for what is no record."""
        if self.content_type != record.CONTENT_TYPE:
            return Content.of(data)
        return Content.of_record(data, record.decode(data))

    def _try(self, data: bytes | None) -> Content | None:
        """Read the content of a change, empty for a deletion; None if it is no record."""
        if data is None:
            return Content()
        try:
            return self._content(data)
        except PeerError:
            return None


def _parts(token: str) -> tuple[int, int]:
    epoch, _, serial = token.partition(".")
    return int(epoch), int(serial)
