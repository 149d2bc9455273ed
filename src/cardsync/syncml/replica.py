"""One database of a client's session: what it sends, what it is sent, and what is agreed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cardsync.errors import LocalError
from cardsync.syncml.datastore import (
    Anchors,
    Change,
    ChangeKind,
    ClientDatastore,
    Mapping,
)
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Anchor,
    Item,
    Location,
    Map,
    MapItem,
    Meta,
    Replace,
    Status,
    Sync,
)
from cardsync.syncml.events import Applied, Counts, DatabaseResult
from cardsync.syncml.incoming import Chunk, Received, Receiver
from cardsync.syncml.kinds import KINDS, Sends, becomes, kind_of, may_become
from cardsync.syncml.letter import Letter, Supply
from cardsync.syncml.status import StatusCode, succeeded


@dataclass(frozen=True, slots=True)
class DatabaseRequest:
    """A database to synchronize: ours, the server's name of its own, the kind (200 to 205).

    `now_anchor` names this session and differs from that of the session before.
    """

    datastore: ClientDatastore
    target_database: str
    sync_type: AlertCode
    now_anchor: str

    def __post_init__(self) -> None:
        if self.sync_type not in KINDS:
            raise LocalError(f"{self.sync_type.name} is not asked for by a client")


@dataclass(slots=True)
class _Waiting:
    """A command of ours without Status: `items` of a kind, or a Sync or Map (None)."""

    kind: ChangeKind | None
    items: int


class Replica:
    """A database while it is synchronized. `status` stays 200 until something fails."""

    def __init__(self, request: DatabaseRequest, max_obj_size: int) -> None:
        self.store = request.datastore
        self.target = request.target_database
        self.status: int = StatusCode.OK
        self.sent_all = False
        self._asked = request.sync_type
        self._next = request.now_anchor
        self._agreed = next(iter(self.store.anchors()), None)
        self._kind = becomes(request.sync_type, agreed=self._agreed is not None)
        self._max_obj_size = max_obj_size
        self._peer_max_obj_size: int | None = None
        self._server_next: str | None = None
        self._token = ""
        self._supply = Supply(())
        self._waiting: dict[tuple[int, int], _Waiting] = {}
        self._maps: list[Mapping] = []
        self._chunk: Chunk | None = None
        self._forgotten = False
        self._sent = self._received = Counts()
        self._failed = 0

    @property
    def alive(self) -> bool:
        """Say whether the server takes part with this database."""
        return self.status == StatusCode.OK or self._failed > 0

    @property
    def agreed_to(self) -> bool:
        """Say whether the server has alerted the database in its turn."""
        return self._server_next is not None

    @property
    def kind(self) -> AlertCode:
        """The kind that is performed."""
        return self._kind

    @property
    def has_maps(self) -> bool:
        """Say whether the server has yet to hear names of ours."""
        return bool(self._maps)

    def is_named(self, ours: Location | None, theirs: Location | None) -> bool:
        """Say whether a command of the server means this database."""
        return (ours is not None and _plain(ours.uri) == _plain(self.store.name)) or (
            ours is None and theirs is not None and _plain(theirs.uri) == _plain(self.target)
        )

    def stop(self, code: int) -> None:
        """Give the database up: the server does not take it."""
        if self.status == StatusCode.OK:
            self.status = code

    def alert(self, number: int) -> Alert:
        """Ask for the synchronization. Package 1."""
        last = self._agreed.own if self._agreed and KINDS[self._kind].anew else None
        meta = Meta(anchor=Anchor(self._next, last), max_obj_size=self._max_obj_size)
        item = Item(Location(self.target), Location(self.store.name), meta)
        return Alert(number, self._kind, (item,))

    def on_alert(self, code: int, item: Item) -> tuple[StatusCode, tuple[Item, ...]]:
        """Take the server's Alert: the kind it chose and its anchor; give what it is owed."""
        kind = kind_of(code)
        anchor = item.meta.anchor if item.meta else None
        if anchor is None:
            return StatusCode.INCOMPLETE, ()
        if kind is None or not may_become(self._kind, kind):
            self.stop(StatusCode.NOT_SUPPORTED)
            return StatusCode.NOT_SUPPORTED, ()
        self._kind = kind
        self._server_next = anchor.next
        self._peer_max_obj_size = item.meta.max_obj_size if item.meta else None
        return StatusCode.OK, (Item(data=Meta(anchor=Anchor(anchor.next))),)

    def begin(self) -> None:
        """Note our state and what is to be sent. Package 3 begins."""
        sends = KINDS[self._kind].client
        self._token = self.store.token()
        if sends is Sends.NOTHING and self._agreed:
            self._token = self._agreed.token
        self._maps = list(self.store.mappings())
        self._supply = Supply(self._changes(sends))

    def send(self, letter: Letter) -> None:
        """Write what fits into a message: names the server may not have heard, then changes."""
        if self._maps:
            self.send_maps(letter)
        if self._maps:
            return
        sync = Sync(letter.number(), Location(self.target), Location(self.store.name))
        media_type = self.store.content_type
        _, commands = letter.sync(sync, self._supply, media_type, _our_item)
        message = letter.header.msg_id
        self._waiting[message, sync.cmd_id] = _Waiting(None, 1)
        for command in commands:
            kind = _KINDS.get(type(command), ChangeKind.DELETE)
            self._waiting[message, command.cmd_id] = _Waiting(kind, len(command.items))
        self.sent_all = self._supply.done

    def send_maps(self, letter: Letter) -> None:
        """Tell the server our names of what it added. DS Protocol 1.2, "Mapping of data items"."""
        room = letter.room()
        told = 0
        for mapping in self._maps:
            room -= letter.cost(mapping.identifier, mapping.peer)
            if room < 0 and told:
                break
            told += 1
        items = tuple(MapItem(each.peer, each.identifier) for each in self._maps[:told])
        names = Location(self.target), Location(self.store.name)
        command = Map(letter.number(), *names, items)
        letter.add(command)
        self._waiting[letter.header.msg_id, command.cmd_id] = _Waiting(None, 1)
        self._maps = self._maps[told:]

    def on_status(self, status: Status) -> None:
        """Take the server's answer, if it is one to a command of this database."""
        key = status.msg_ref, status.cmd_ref
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        items = max(len(status.source_refs), len(status.target_refs)) or waiting.items
        items = min(items, waiting.items)
        if not succeeded(status.code):
            self._fail(status.code, items)
        elif waiting.kind and status.code != StatusCode.CHUNK_ACCEPTED:
            self._sent = self._sent.plus([waiting.kind] * items)
        waiting.items -= items
        if not waiting.items:
            del self._waiting[key]

    def allows_changes(self) -> bool:
        """Say whether the server may send changes."""
        return KINDS[self._kind].server is not Sends.NOTHING

    def apply(self, sync: Sync) -> list[tuple[Received, int]]:
        """Apply the server's changes, all of a message at once; give each item its status."""
        if self._kind is AlertCode.REFRESH_FROM_SERVER and not self._forgotten:
            self.store.forget()
            self._forgotten = True
        receiver = Receiver(self.store.name, self.store.content_type, _their_change, self._chunk)
        items = tuple(receiver.read(sync))
        self._chunk = receiver.chunk
        changes = [each.change for each in items if each.change is not None]
        applied = iter(self.store.apply(changes) if changes else ())
        results = []
        for each in items:
            if each.change is None:
                results.append((each, each.code))
                continue
            done = next(applied)
            results.append((each, done.code))
            if each.change.peer is not None and succeeded(done.code):
                self._maps.append(Mapping(done.identifier, each.change.peer))
        self._count(results)
        return results

    def received_all(self) -> None:
        """Close what the server sent: what a refresh did not bring is gone."""
        if self._kind is not AlertCode.REFRESH_FROM_SERVER or not self.alive:
            return
        if not self._forgotten:
            self.stop(StatusCode.INCOMPLETE)
        elif not self._failed:
            self.store.prune()
            self._token = self.store.token()

    def applied(self) -> Applied:
        """Tell what the server's changes came to so far."""
        return Applied(self.store.name, self._received, self._failed)

    def finish(self, code: int) -> DatabaseResult:
        """End: agree if the session and every item went well."""
        if code != StatusCode.OK:
            self.stop(code)
        for waiting in self._waiting.values():
            if self.alive:
                self._fail(StatusCode.INCOMPLETE, waiting.items)
        if self.status == StatusCode.OK and self._server_next is not None:
            self.store.commit(Anchors(self._next, self._server_next, self._token))
        return DatabaseResult(
            database=self.store.name,
            status=self.status,
            asked=self._asked,
            performed=self._kind,
            sent=self._sent,
            received=self._received,
            failed=self._failed,
        )

    def _changes(self, sends: Sends) -> Iterator[Change]:
        """Give what is to be sent; what the server cannot take is a failure, told at the end."""
        if sends is Sends.NOTHING:
            return
        since = self._agreed.token if sends is Sends.CHANGES and self._agreed else None
        slow = self._kind is AlertCode.SLOW
        for change in self.store.changes(since):
            limit = self._peer_max_obj_size
            if limit is not None and len(change.data or b"") > limit:
                self._fail(StatusCode.TOO_LARGE, 1)
            else:  # in a slow synchronization the server decides what is new
                yield replace(change, kind=ChangeKind.REPLACE) if slow else change

    def _count(self, results: list[tuple[Received, int]]) -> None:
        good = [each.change.kind for each, code in results if each.change and succeeded(code)]
        self._received = self._received.plus(good)
        for _, code in results:
            if not succeeded(code):
                self._fail(code, 1)

    def _fail(self, code: int, items: int) -> None:
        self._failed += items
        self.stop(code)


_KINDS = {Add: ChangeKind.ADD, Replace: ChangeKind.REPLACE}


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _our_item(change: Change) -> Item:
    """Name an item by our own name, which the server knows it by."""
    return Item(source=Location(change.identifier))


def _their_change(kind: ChangeKind, item: Item) -> Change | None:
    """Read the names of an item: what the server adds has its name, all else has ours."""
    if kind is ChangeKind.ADD:
        return Change(kind, "", peer=item.source.uri) if item.source else None
    return Change(kind, item.target.uri) if item.target else None
