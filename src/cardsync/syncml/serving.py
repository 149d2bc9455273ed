"""The databases of a server's session while one message is served.

Alerts open them, the client's changes are decided and applied, ours are sent as far as the
message has room, and at the end the anchors are agreed. OMA DS Protocol 1.2.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from cardsync.errors import PeerError
from cardsync.syncml import filters
from cardsync.syncml.answering import Outcome, carry_out
from cardsync.syncml.datastore import (
    Anchors,
    ChangeKind,
    Counting,
    Guarded,
    Mapping,
    ServerDatastore,
    agree,
    would_empty,
)
from cardsync.syncml.deciding import can_resume, release, result, take, was_partial
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Anchor,
    Item,
    Location,
    Map,
    Meta,
    Status,
    Sync,
    Unread,
)
from cardsync.syncml.events import Applied, Counts, Event, NotRead, SessionResult, SyncTypeChanged
from cardsync.syncml.filters import Wanted
from cardsync.syncml.incoming import Chunk, Receiver
from cardsync.syncml.kinds import KINDS, Sends, becomes
from cardsync.syncml.letter import Letter
from cardsync.syncml.names import client_change, plain, server_item
from cardsync.syncml.outgoing import Manner, Supply
from cardsync.syncml.state import DatabaseState, Outstanding, Phase, ServerState
from cardsync.syncml.status import StatusCode, succeeded

Open = Callable[[str], ServerDatastore | None]
"""Give the datastore of a name; None if there is none for this client."""

_NEVER: Final = (None, "", "0")
"""What a client says for the anchor of the last session, before there was one."""

_NOT_YET: Final = {StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS}
"""What a client says that has yet to know us."""


class Databases:
    """What a message does to the databases; `events` tells the shell.

    `most` is the MaxObjSize of its header, where some clients tell it for all databases.
    """

    def __init__(self, state: ServerState, open_datastore: Open, most: int | None = None) -> None:
        self._most = most
        self.events: list[Event] = []
        self._states = list(state.databases)
        self._outstanding = {(sent.msg_id, sent.cmd_id): sent for sent in state.outstanding}
        self._chunk: Chunk | None = state.chunk
        self._open = open_datastore
        self._stores: dict[str, ServerDatastore] = {}

    def __iter__(self) -> Iterator[DatabaseState]:
        return iter(tuple(self._states))

    def __len__(self) -> int:
        return len(self._states)

    @property
    def waiting(self) -> bool:
        """Say whether a command of ours that carries items has no Status yet."""
        return any(sent.items for sent in self._outstanding.values())

    def into(self, state: ServerState) -> ServerState:
        """Put what is to be remembered into the state of the session."""
        self._acknowledge()
        return replace(
            state,
            databases=tuple(self._states),
            outstanding=tuple(self._outstanding.values()),
            chunk=self._chunk,
        )

    def known(self, target: Location | None) -> bool:
        """Say whether there is a datastore of this name."""
        return target is not None and self.store(target.uri) is not None

    def find(self, target: Location | None) -> int | None:
        """Give the place of a database that is part of the session."""
        names = [plain(state.name) for state in self._states]
        if target is None or plain(target.uri) not in names or not self.known(target):
            return None
        return names.index(plain(target.uri))

    def store(self, name: str) -> ServerDatastore | None:
        """Open a datastore once a message."""
        name = plain(name)
        if name not in self._stores:
            store = self._open(name)
            if store is None:
                return None
            self._stores[name] = store
        return self._stores[name]

    def allows_changes(self, at: int) -> bool:
        """Say whether the client may send changes of this database."""
        return KINDS[self._states[at].kind].client is not Sends.NOTHING

    # --- initialization ---------------------------------------------------------------------

    def alert(
        self, kind: AlertCode, item: Item, next_anchor: str, before: ServerState | None
    ) -> StatusCode:
        """Open a database for this session; its anchors decide the kind.

        RESUME goes on with the session `before`, if that broke off and nothing came between;
        else all is done anew.
        """
        anchor = item.meta.anchor if item.meta else None
        if item.target is None or item.source is None or anchor is None:
            return StatusCode.INCOMPLETE
        store = self.store(item.target.uri)
        if store is None:
            return StatusCode.NOT_FOUND
        try:
            wanted = filters.wanted(item, store.content_type)
        except PeerError as exc:
            return StatusCode(exc.answer or StatusCode.NOT_SUPPORTED)
        state = DatabaseState(
            name=item.target.uri,
            client_name=item.source.uri,
            asked=kind,
            kind=kind,
            client_next=anchor.next,
            server_next=wanted.mark(next_anchor),
            filter=wanted,
            max_obj_size=(item.meta.max_obj_size if item.meta else None) or self._most,
        )
        if kind is not AlertCode.RESUME:
            return self._open_database(store, state, anchor.last, wanted)
        found = next((e for e in before.databases if _alike(e, state)), None) if before else None
        if before and found and can_resume(found, store, done=before.phase is Phase.DONE):
            self._go_on(found, state, before.chunk)
            return StatusCode.OK
        anew = becomes(found.asked, agreed=False) if found else AlertCode.SLOW
        code = self._open_database(store, replace(state, asked=anew), anchor.last, wanted)
        return StatusCode.REFRESH_REQUIRED if code is StatusCode.OK else code

    def _open_database(
        self, store: ServerDatastore, state: DatabaseState, last: str | None, wanted: Wanted
    ) -> StatusCode:
        """Begin a database of which the client says our `last` anchor; agreed is what it is of."""
        met = (each for each in store.anchors() if each.peer == last and wanted.is_of(each.own))
        agreed = next(met, None)
        alone = wanted.exclusive and state.asked is AlertCode.ONE_WAY_FROM_SERVER
        performed = becomes(state.asked, agreed=agreed is not None and not alone)
        if wanted.exclusive and KINDS[performed].server is Sends.NOTHING:
            return StatusCode.NOT_SUPPORTED
        unexpected = performed is not state.asked and last not in _NEVER
        if unexpected and isinstance(store, Guarded) and not store.allows_slow:
            return StatusCode.FORBIDDEN
        self._add(
            replace(
                state,
                kind=performed,
                server_last=agreed.own if agreed and KINDS[performed].anew else None,
                since=agreed.token if agreed else "",
                size=store.size() if isinstance(store, Guarded) else 0,
                is_partial=performed is AlertCode.SLOW and was_partial(store),
            )
        )
        if performed is state.asked:
            return StatusCode.OK
        self.events.append(SyncTypeChanged(state.name, state.asked, performed))
        return StatusCode.REFRESH_REQUIRED

    def _go_on(self, state: DatabaseState, now: DatabaseState, chunk: Chunk | None) -> None:
        """Go on with a database where its session broke off."""
        if chunk and chunk.database == state.name:
            self._chunk = chunk
        state = replace(state, client_next=now.client_next, server_next=now.server_next)
        state = replace(state, cursor=state.acked, offset=0, sent_all=False)
        self._add(replace(state, max_obj_size=now.max_obj_size))

    def _add(self, state: DatabaseState) -> None:
        self._states = [each for each in self._states if each.name != state.name] + [state]

    def alerts(self, max_obj_size: int) -> Iterator[tuple[int, Alert]]:
        """Give our own alerts: the kind and the anchors. Package 2."""
        for at, state in enumerate(self._states):
            anchor = Anchor(state.server_next, state.server_last)
            meta = Meta(anchor=anchor, max_obj_size=max_obj_size)
            item = Item(Location(state.client_name), Location(state.name), meta)
            yield at, Alert(0, state.kind, (item,))

    def alerted(self, at: int, msg_id: int, cmd_id: int) -> None:
        """Note that an Alert of ours was sent: the client may answer that it needs another kind."""
        self._outstanding[msg_id, cmd_id] = Outstanding(msg_id, cmd_id, at, 0)

    # --- the client's changes ---------------------------------------------------------------

    def apply(self, at: int, sync: Sync) -> tuple[list[Outcome], list[str]]:
        """Decide and apply all changes of a Sync at once; give each item its status.

        With them the names of objects whose end did not come.
        """
        self._begin(at)
        state = self._states[at]
        store = self._stores[plain(state.name)]
        receiver = Receiver(state.name, store.content_type, client_change, self._chunk)
        received = tuple(receiver.read(sync.commands))
        self._chunk = receiver.chunk
        outcomes = carry_out(received, store, lambda part: take(state, store, part))
        done = [each.change.kind for each, code in outcomes if each.change and succeeded(code)]
        failed = [code for _, code in outcomes if not succeeded(code)]
        failed += [each.code for each in receiver.unread]
        self.events += map(NotRead, receiver.unread)
        state = replace(state, received=state.received.plus(done))
        self._states[at] = state.fail(failed[0], len(failed)) if failed else state
        if outcomes:
            event = Applied(state.name, state.received, len(failed), sync.number_of_changes)
            self.events.append(event)
        return outcomes, receiver.unfinished

    def miss(self, command: Unread) -> None:
        """Count a Sync that could not be read as failed: it may have been that of any database."""
        if command.name == "Sync":
            self._states = [each.fail(command.code) for each in self._states]

    def map(self, at: int, command: Map) -> int:
        """Learn the client's names of what we added; give the status."""
        store = self._stores[plain(self._states[at].name)]
        codes = store.map([Mapping(item.target, item.source) for item in command.items])
        return max(codes, default=int(StatusCode.OK))

    # --- ours -------------------------------------------------------------------------------

    def answered(self, status: Status) -> None:
        """Take the client's answer to one of our commands."""
        key = status.msg_ref, status.cmd_ref
        sent = self._outstanding.get(key)
        if sent is None:
            return
        items = max(len(status.source_refs), len(status.target_refs)) or sent.items
        if not sent.items:
            self._on_alert_status(sent.database, status.code)
        elif not succeeded(status.code):
            self._states[sent.database] = self._states[sent.database].fail(status.code, items)
        if sent.items > items:
            self._outstanding[key] = replace(sent, items=sent.items - items)
        else:
            del self._outstanding[key]

    def send_again(self) -> None:
        """Forget that items were sent of which the client has answered none."""
        missed = {sent.database for sent in self._outstanding.values() if sent.items}
        for at in missed:
            state = self._states[at]
            self._states[at] = replace(
                state, cursor=state.acked, offset=0, sent_all=False, sent=Counts(), left_out=()
            )
        self._outstanding = {}

    def _on_alert_status(self, at: int, code: int) -> None:
        """Begin anew where the client finds only now that its anchors do not match: 508.

        What it refuses together with our header, before it knows us, is said again.
        """
        state = self._states[at]
        if code == StatusCode.REFRESH_REQUIRED:
            performed = becomes(state.kind, agreed=False)
            self.events.append(SyncTypeChanged(state.name, state.kind, performed))
            self._states[at] = replace(state, kind=performed, server_last=None)
        elif not succeeded(code) and code not in _NOT_YET:
            self._states[at] = state.fail(code)

    def _acknowledge(self) -> None:
        """Note how far the client has answered, where a later session could go on."""
        for at, state in enumerate(self._states):
            waits = (
                each.before
                for each in self._outstanding.values()
                if each.items and each.database == at
            )
            self._states[at] = replace(state, acked=next(waits, state.cursor))

    def begin_sending(self) -> None:
        """Close what the client sent, and note the token that will be agreed."""
        for at, state in enumerate(self._states):
            store = self.store(state.name)
            if store is None:
                self._states[at] = replace(state.fail(StatusCode.NOT_FOUND), sent_all=True)
                continue
            self._begin(at)
            self._prune(at, store)
            begun = self._states[at]
            kind = KINDS[begun.kind]
            moves = kind.server is not Sends.NOTHING or kind.client is Sends.EVERYTHING
            until = store.token() if moves else begun.since
            self._states[at] = replace(begun, until=until)

    def would_empty(self, at: int) -> bool:
        """Say whether the safety stop holds back that a refresh brings (nearly) nothing."""
        state = self._states[at]
        if state.kind is not AlertCode.REFRESH_FROM_CLIENT or state.failed:
            return False
        left = state.size - state.received.total
        return would_empty(self._stores[plain(state.name)], state.size, left)

    def _prune(self, at: int, store: ServerDatastore) -> None:
        """Remove what a refresh of the client did not bring, unless that were everything: 403."""
        state = self._states[at]
        if self.would_empty(at):
            self._states[at] = state.fail(StatusCode.FORBIDDEN)
        elif state.kind is AlertCode.REFRESH_FROM_CLIENT and not state.failed:
            store.prune()

    def send(self, letter: Letter, *, counts: bool) -> bool:
        """Write our changes until the message is full; True if that was all.

        `counts` says that the client wants to hear beforehand how many there are.
        """
        for at, state in enumerate(self._states):
            if not state.sent_all:
                self._send(at, letter, counts=counts)
            if not self._states[at].sent_all:
                return False
        return True

    def _send(self, at: int, letter: Letter, *, counts: bool) -> None:
        state = self._states[at]
        store = self.store(state.name)
        if store is None:
            self._states[at] = replace(state.fail(StatusCode.NOT_FOUND), sent_all=True)
            return
        since = state.cursor or state.since
        sends = KINDS[state.kind].server is not Sends.NOTHING
        changes = store.changes(since) if sends else ()
        leaving = ChangeKind.DELETE if letter.is_plain else ChangeKind.SOFT_DELETE
        changes = filters.select(changes, state.filter, store.content_type, leaving)
        supply = Supply(changes, state.offset)
        sync = Sync(0, Location(state.client_name), Location(state.name))
        if counts and sends and not (state.cursor or state.offset or state.filter.query):
            number = store.count(since) if isinstance(store, Counting) else None
            sync = replace(sync, number_of_changes=number)
        some = bool(state.filter.fields)
        manner = Manner(store.content_type, server_item, state.max_obj_size, field_level=some)
        written = letter.sync(sync, supply, manner)
        if written is None:
            return
        self._states[at] = replace(
            state.leave_out(written.left_out),
            cursor=written.passed or state.cursor,
            offset=supply.offset,
            sent_all=supply.done,
            sent=state.sent.plus([change.kind for change in written.whole]),
        )
        message = letter.header.msg_id
        for each in written.commands:
            sent = Outstanding(message, each.cmd_id, at, each.items, state.cursor)
            self._outstanding[message, each.cmd_id] = sent

    def finish(self) -> SessionResult:
        """Agree where everything went well."""
        for sent in self._outstanding.values():
            if sent.items:
                state = self._states[sent.database]
                self._states[sent.database] = state.fail(StatusCode.INCOMPLETE, sent.items)
        self._outstanding = {}
        for state in self._states:
            store = None if state.failed else self.store(state.name)
            if store is not None:
                release(state, store)
                agreed = Anchors(state.server_next, state.client_next, state.until)
                agree(store, agreed, state.left_out)
        return result(self._states)

    def _begin(self, at: int) -> None:
        """Forget what was known, once, where everything is sent anew."""
        state = self._states[at]
        if not state.begun:
            anew = KINDS[state.kind].anew is None
            since = self._stores[plain(state.name)].forget() if anew else state.since
            self._states[at] = replace(state, begun=True, since=since)


def _alike(one: DatabaseState, other: DatabaseState) -> bool:
    """Say whether two sessions have the same database, and the same of it."""
    return (one.name, one.client_name, one.filter) == (other.name, other.client_name, other.filter)
