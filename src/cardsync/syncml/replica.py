"""One database of a client's session: what it sends, what it is sent, and what is agreed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cardsync.errors import PeerError
from cardsync.syncml import auth, filters
from cardsync.syncml.answering import Outcome, carry_out
from cardsync.syncml.datastore import (
    Anchors,
    Change,
    ChangeKind,
    Counting,
    Guarded,
    Mapping,
    agree,
    would_empty,
)
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Anchor,
    Item,
    Location,
    Map,
    MapItem,
    Meta,
    Status,
    Sync,
    Unread,
)
from cardsync.syncml.events import Applied, Counts, DatabaseResult
from cardsync.syncml.incoming import Chunk, Received, Receiver
from cardsync.syncml.kinds import KINDS, Sends, alert_code, becomes, kind_of, may_become
from cardsync.syncml.letter import Letter, Waiting
from cardsync.syncml.merging import hold, whole
from cardsync.syncml.names import client_item, plain, server_change
from cardsync.syncml.outgoing import Manner, Supply
from cardsync.syncml.request import ClientConfig, DatabaseRequest, Interrupted
from cardsync.syncml.status import StatusCode, succeeded

_REFUSALS = {StatusCode.REFRESH_REQUIRED, StatusCode.NO_RESUME, StatusCode.NOT_SUPPORTED}
"""By which a server says that it cannot resume, and begins anew by an Alert of its own."""


class Replica:
    """A database while it is synchronized. `status` stays 200 until something fails.

    `account` is what we show for it; `is_asked` says that the server wants other credentials.
    """

    def __init__(self, request: DatabaseRequest, max_obj_size: int) -> None:
        self.store = request.datastore
        self.target = request.target_database
        self.status: int = StatusCode.OK
        self.sent_all = False
        self._agreed = next(iter(self.store.anchors()), None)
        self._forgotten = False
        if request.resume and request.resume.agreed != self._own_anchor():
            request = replace(request, resume=None)
        self.account = request.account
        self.is_asked = self._challenged = False
        self._request = request
        self._resume = request.resume
        self._kind = becomes(request.kind, agreed=self._agreed is not None)
        if self._resume:
            self._kind = self._resume.kind
        self._is_partial = request.is_partial or bool(request.filter.fields)
        self._max_obj_size = max_obj_size
        self._peer_max_obj_size: int | None = None
        self._server_next: str | None = None
        self._token = self._began = ""
        self._cursor = ""
        self._begun = False
        self._supply = Supply(())
        self._counted: int | None = None
        self._waiting: dict[tuple[int, int], Waiting] = {}
        self._maps: list[Mapping] = []
        self._chunk: Chunk | None = None
        self.unread: list[Unread] = []
        self._size = self.store.size() if isinstance(self.store, Guarded) else 0
        self._sent = self._received = Counts()
        self._left_out: list[tuple[Change, StatusCode]] = []
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

    @property
    def waits(self) -> bool:
        """Say whether the server has yet to answer a command of this database."""
        return bool(self._waiting)

    @property
    def so_far(self) -> tuple[int, int]:
        """Give how many items the server took, and how many we took."""
        return self._sent.total, self._received.total

    def is_named(self, ours: Location | None, theirs: Location | None) -> bool:
        """Say whether a command of the server means this database."""
        return (ours is not None and plain(ours.uri) == plain(self.store.name)) or (
            theirs is not None and plain(theirs.uri) == plain(self.target)
        )

    def stop(self, code: int) -> None:
        """Give the database up."""
        if self.status == StatusCode.OK:
            self.status = code

    # --- initialization ---------------------------------------------------------------------

    def alert(self, config: ClientConfig) -> Alert:
        """Ask for the synchronization, or that an interrupted one goes on. Package 1."""
        last = self._agreed.own if self._agreed and KINDS[self._kind].anew else None
        code = alert_code(self._kind, by_server=self._request.by_server)
        if self._resume:
            code = AlertCode.RESUME
        meta = Meta(anchor=Anchor(self._request.now_anchor, last), max_obj_size=self._max_obj_size)
        self.is_asked, shown = False, self.account
        asked = filters.write(self._request.filter, self.store.content_type, config.content_type)
        target = Location(self.target, filter=asked)
        item = Item(target, Location(self.store.name, auth.name(shown)), meta)
        return Alert(0, code, (item,), cred=auth.credential(shown, config.version))

    def on_alert_status(self, status: Status) -> None:
        """Take the server's answer to our Alert."""
        if status.chal and self.account and not self._challenged:
            challenge = auth.read_challenge(status.chal)
            if challenge.scheme is auth.Scheme.MAC:
                raise PeerError("a MAC for a database", answer=StatusCode.NOT_SUPPORTED)
            self.account = self.account.meet(challenge)
            self._challenged = self.is_asked = not succeeded(status.code)
            if self.is_asked:
                return
        if self._resume and status.code in _REFUSALS:
            self._resume = None
            # To compare everything would bring back what was deleted, and old versions: who asks
            # for changes begins anew from what was agreed last.
            if becomes(self._kind, agreed=False) is not self._kind:
                self.stop(StatusCode.NO_RESUME)
        elif status.code not in (StatusCode.OK, StatusCode.REFRESH_REQUIRED):
            self.stop(status.code)

    def on_alert(self, code: int, item: Item) -> tuple[StatusCode, tuple[Item, ...]]:
        """Take the server's Alert: the kind it chose and its anchor; give what it is owed."""
        kind = kind_of(code)
        anchor = item.meta.anchor if item.meta else None
        if anchor is None:
            return StatusCode.INCOMPLETE, ()
        if kind is None or not may_become(self._kind, kind):
            self.stop(StatusCode.NOT_SUPPORTED)
            return StatusCode.NOT_SUPPORTED, ()
        unexpected = kind is not self._kind and self._agreed and not self._request.resume
        if unexpected and isinstance(self.store, Guarded) and not self.store.allows_slow:
            self.stop(StatusCode.REFRESH_REQUIRED)
            return StatusCode.FORBIDDEN, ()
        if kind is not self._kind:
            self._resume = None
        self._kind = kind
        self._server_next = anchor.next
        self._peer_max_obj_size = item.meta.max_obj_size if item.meta else None
        return StatusCode.OK, (Item(data=Meta(anchor=Anchor(anchor.next))),)

    # --- what we send -----------------------------------------------------------------------

    def begin(self) -> None:
        """Note our state and what is to be sent. Package 3 begins."""
        sends = KINDS[self._kind].client
        self._begun = True
        self._token = self._began = self.store.token()
        if sends is Sends.NOTHING and self._agreed:
            self._token = self._agreed.token
        self._maps = list(self.store.mappings())
        since = self._agreed.token if sends is Sends.CHANGES and self._agreed else None
        changes: Iterator[Change] = iter(())
        if self._resume:
            changes = self._go_on(self._resume, sends, since)
        elif sends is not Sends.NOTHING:
            changes = iter(self.store.changes(since))
            if self._request.number_of_changes and isinstance(self.store, Counting):
                self._counted = self.store.count(since)
        self._supply = Supply(self._sendable(changes))

    def _go_on(self, interrupted: Interrupted, sends: Sends, since: str | None) -> Iterator[Change]:
        """Give what the server has not answered before the session was interrupted."""
        self._forgotten = interrupted.forgotten
        self._cursor = interrupted.cursor
        if sends is Sends.EVERYTHING:
            # What was deleted since is in no list of everything: the next session tells it.
            self._token = interrupted.token
            return self._after(interrupted.cursor)
        if sends is Sends.CHANGES:
            return iter(self.store.changes(interrupted.cursor or since))
        return iter(())

    def _after(self, cursor: str) -> Iterator[Change]:
        """Give everything behind a place; everything, if the item at it has changed since."""
        changes = iter(self.store.changes(None))
        if any(change.token == cursor for change in changes):
            return changes
        return iter(self.store.changes(None))

    def send(self, letter: Letter) -> None:
        """Write what fits into a message: names the server may not have heard, then changes."""
        if self._maps:
            self.send_maps(letter)
        if self._maps:
            return
        sync = Sync(0, Location(self.target), Location(self.store.name))
        sync = replace(sync, number_of_changes=self._counted)
        most, some = self._peer_max_obj_size or None, self._is_partial
        manner = Manner(self.store.content_type, client_item, most, field_level=some)
        written = letter.sync(sync, self._supply, manner)
        if written is None:
            return
        self._counted = None  # it goes with the first
        message, before = letter.header.msg_id, self._cursor
        self._waiting[message, written.cmd_id] = Waiting(None, 1, before)
        for each in written.commands:
            self._waiting[message, each.cmd_id] = Waiting(each.kind, each.items, before)
        self._left_out += written.left_out
        self._cursor = written.passed or self._cursor
        self.sent_all = self._supply.done

    def send_maps(self, letter: Letter) -> None:
        """Tell the server our names of what it added. DS Protocol 1.2, "Mapping of data items"."""
        names = Location(self.target), Location(self.store.name)
        told = len(self._maps)
        while told:
            items = tuple(MapItem(each.peer, each.identifier) for each in self._maps[:told])
            command = Map(0, *names, items)
            number = letter.add(command) if told > 1 else letter.push(command)
            if number:
                self._waiting[letter.header.msg_id, number] = Waiting(None, 1, self._cursor)
                self._maps = self._maps[told:]
                return
            told //= 2

    def on_status(self, status: Status) -> None:
        """Take the server's answer, if it is one to a command of this database."""
        key = status.msg_ref, status.cmd_ref
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        items = max(len(status.source_refs), len(status.target_refs)) or waiting.items
        items = min(items, waiting.items)
        if not succeeded(status.code):
            self.miss(status.code, items)
        elif waiting.kind and status.code != StatusCode.CHUNK_ACCEPTED:
            if status.code == StatusCode.RESOLVED_WITH_DUPLICATE:
                self.store.part(status.source_refs)  # its version comes by the name it had
            self._sent = self._sent.plus([waiting.kind] * items)
        waiting.items -= items
        if not waiting.items:
            del self._waiting[key]

    # --- what we are sent -------------------------------------------------------------------

    def allows_changes(self) -> bool:
        """Say whether the server may send changes."""
        return KINDS[self._kind].server is not Sends.NOTHING

    def apply(self, sync: Sync) -> tuple[list[Outcome], list[str]]:
        """Apply the server's changes, all of a message at once; give each item its status.

        With them the names of objects whose end did not come.
        """
        if self._kind is AlertCode.REFRESH_FROM_SERVER and not self._forgotten:
            self.store.forget()
            self._forgotten = True
            self._began = self.store.token()
        kind = self.store.content_type
        receiver = Receiver(
            self.store.name, kind, server_change, self._chunk, soft=ChangeKind.DELETE
        )
        received = tuple(receiver.read(sync.commands))
        self._chunk, self.unread = receiver.chunk, receiver.unread
        outcomes = carry_out(received, self.store, self._apply)
        for code in [code for _, code in outcomes] + [each.code for each in self.unread]:
            if not succeeded(code):
                self.miss(code)
        good = [each.change.kind for each, code in outcomes if each.change and succeeded(code)]
        self._received = self._received.plus(good)
        return outcomes, receiver.unfinished

    def _apply(self, received: Sequence[Received]) -> list[int]:
        """Apply all but what must not be: edits of this very session, the deletion of all."""
        changes = self._held(whole(received, self.store, self.store.content_type))
        taken = [change for change in changes if isinstance(change, Change)]
        applied = iter(self.store.apply(taken) if taken else ())
        codes = []
        for change in changes:
            if not isinstance(change, Change):
                codes.append(change)
                continue
            done = next(applied)
            codes.append(done.code)
            if change.peer is not None and succeeded(done.code):
                self._maps.append(Mapping(done.identifier, change.peer))
        return codes

    def _held(self, changes: Sequence[Change | int]) -> list[Change | int]:
        """Put 409 for an item that was edited here since we began, 403 for a deletion of all."""
        edited = {each.identifier for each in self.store.changes(self._began)} if changes else ()
        deleted = sum(isinstance(e, Change) and e.kind is ChangeKind.DELETE for e in changes)
        stop = would_empty(self.store, self._size, self._received.deleted + deleted)
        return hold(changes, edited, stop=stop)

    def received_all(self) -> None:
        """Close what the server sent: what a refresh did not bring is gone."""
        if self._kind is not AlertCode.REFRESH_FROM_SERVER or not self.alive:
            return
        if not self._forgotten:
            self.stop(StatusCode.INCOMPLETE)
        elif not self._failed:
            left = self._size - self._received.total
            if not self._resume and would_empty(self.store, self._size, left):
                self.stop(StatusCode.FORBIDDEN)
                return
            self.store.prune()
            self._token = self.store.token()

    def applied(self) -> Applied:
        """Tell what the server's changes came to so far."""
        return Applied(self.store.name, self._received, self._failed)

    # --- the end ----------------------------------------------------------------------------

    def interrupted(self) -> Interrupted | None:
        """Give what a later session needs to go on; None if there is nothing to go on with."""
        if not self._begun or self.status != StatusCode.OK or self._left_out:
            return None
        cursors = (each.before for each in self._waiting.values() if each.kind)
        cursor = next(cursors, self._cursor)
        return Interrupted(self._kind, self._token, cursor, self._forgotten, self._own_anchor())

    def suspend(self) -> Alert:
        """Tell the server that we break off. DS Protocol 1.2, "Suspend of the session"."""
        meta = Meta(anchor=Anchor(self._request.now_anchor))
        item = Item(Location(self.target), Location(self.store.name), meta)
        return Alert(0, AlertCode.SUSPEND, (item,))

    def finish(self, code: int) -> DatabaseResult:
        """End: agree if the session and every item went well."""
        if code != StatusCode.OK:
            self.stop(code)
        for waiting in self._waiting.values():
            if self.alive:
                self.miss(StatusCode.INCOMPLETE, waiting.items)
        if self.status == StatusCode.OK and self._server_next is not None:
            anchors = Anchors(self._request.now_anchor, self._server_next, self._token)
            agree(self.store, anchors, [change.identifier for change, _ in self._left_out])
        for _, reason in self._left_out:
            self.miss(reason, 1)
        return DatabaseResult(
            database=self.store.name,
            status=self.status,
            asked=self._request.kind,
            performed=self._kind,
            sent=self._sent,
            received=self._received,
            failed=self._failed,
        )

    def _sendable(self, changes: Iterator[Change]) -> Iterator[Change]:
        """Give our changes as the server takes them."""
        # In a slow synchronization the server decides what is new. What it may have by our name
        # is replaced there; some servers take nothing but Add, where they cannot have anything.
        again = self._kind is AlertCode.SLOW and self._agreed is not None
        if self._is_partial:
            changes = filters.known(changes, self._request.filter, self.store.content_type)
        for change in changes:
            yield replace(change, kind=ChangeKind.REPLACE) if again else change

    def _own_anchor(self) -> str:
        """Name the last success, unless it is forgotten since."""
        return "" if self._agreed is None or self._forgotten else self._agreed.own

    def miss(self, code: int, items: int = 1) -> None:
        """Count items that one side has now and the other lacks."""
        self._failed += items
        self.stop(code)
