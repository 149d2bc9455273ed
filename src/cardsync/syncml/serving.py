"""The databases of a server's session while one message is served.

Alerts open them, the client's changes are decided and applied, ours are sent as far as the
message has room, and at the end the anchors are agreed. OMA DS Protocol 1.2.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cardsync.syncml.datastore import (
    Anchors,
    Change,
    ChangeKind,
    Mapping,
    Rule,
    ServerDatastore,
)
from cardsync.syncml.elements import AlertCode, Item, Location, Map, Status, Sync
from cardsync.syncml.events import (
    Applied,
    DatabaseResult,
    Event,
    SessionResult,
    SyncTypeChanged,
)
from cardsync.syncml.incoming import Chunk, Received, Receiver
from cardsync.syncml.kinds import KINDS, Sends, becomes
from cardsync.syncml.letter import Letter, Supply
from cardsync.syncml.reconcile import Decision, reconcile
from cardsync.syncml.state import DatabaseState, Outstanding, ServerState
from cardsync.syncml.status import StatusCode, succeeded

Open = Callable[[str], ServerDatastore | None]
"""Give the datastore of a name; None if there is none for this client."""


class Databases:
    """What a message does to the databases; `events` tells the shell."""

    def __init__(self, state: ServerState, open_datastore: Open) -> None:
        self.events: list[Event] = []
        self._states = list(state.databases)
        self._outstanding = list(state.outstanding)
        self._chunk: Chunk | None = state.chunk
        self._open = open_datastore
        self._stores: dict[str, ServerDatastore] = {}

    def __iter__(self) -> Iterator[DatabaseState]:
        return iter(tuple(self._states))

    def __len__(self) -> int:
        return len(self._states)

    @property
    def waiting(self) -> bool:
        """Say whether a command of ours has no Status yet."""
        return bool(self._outstanding)

    def into(self, state: ServerState) -> ServerState:
        """Put what is to be remembered into the state of the session."""
        return replace(
            state,
            databases=tuple(self._states),
            outstanding=tuple(self._outstanding),
            chunk=self._chunk,
        )

    def known(self, target: Location | None) -> bool:
        """Say whether there is a datastore of this name."""
        return target is not None and self._store(target.uri) is not None

    def find(self, target: Location | None) -> int | None:
        """Give the place of a database that is part of the session."""
        names = [state.name for state in self._states]
        if target is None or target.uri not in names or not self.known(target):
            return None
        return names.index(target.uri)

    def allows_changes(self, at: int) -> bool:
        """Say whether the client may send changes of this database."""
        return KINDS[self._states[at].kind].client is not Sends.NOTHING

    def alert(self, kind: AlertCode, item: Item, next_anchor: str) -> StatusCode:
        """Open a database for this session; its anchors decide the kind."""
        anchor = item.meta.anchor if item.meta else None
        if item.target is None or item.source is None or anchor is None:
            return StatusCode.INCOMPLETE
        store = self._store(item.target.uri)
        if store is None:
            return StatusCode.NOT_FOUND
        agreed = next((each for each in store.anchors() if each.peer == anchor.last), None)
        performed = becomes(kind, agreed=agreed is not None)
        state = DatabaseState(
            name=item.target.uri,
            client_name=item.source.uri,
            asked=kind,
            kind=performed,
            client_next=anchor.next,
            server_next=next_anchor,
            server_last=agreed.own if agreed and KINDS[performed].anew else None,
            since=agreed.token if agreed else "",
        )
        self._states = [each for each in self._states if each.name != state.name] + [state]
        if performed is kind:
            return StatusCode.OK
        self.events.append(SyncTypeChanged(state.name, kind, performed))
        return StatusCode.REFRESH_REQUIRED

    def apply(self, at: int, sync: Sync) -> list[tuple[Received, int]]:
        """Decide and apply all changes of a Sync at once; give each item its status."""
        self._begin(at)
        state = self._states[at]
        store = self._stores[state.name]
        receiver = Receiver(state.name, store.content_type, _client_change, self._chunk)
        items = tuple(receiver.read(sync))
        self._chunk = receiver.chunk
        theirs = [each.change for each in items if each.change is not None]
        decisions = _decide(state, store, theirs)
        codes = iter(_carry_out(store, decisions))
        results = [(each, next(codes) if each.change else each.code) for each in items]
        done = [each.change.kind for each, code in results if each.change and succeeded(code)]
        failed = [code for _, code in results if not succeeded(code)]
        state = replace(state, received=state.received.plus(done))
        self._states[at] = state.fail(failed[0], len(failed)) if failed else state
        if results:
            self.events.append(Applied(state.name, self._states[at].received, len(failed)))
        return results

    def map(self, at: int, command: Map) -> int:
        """Learn the client's names of what we added; give the status."""
        store = self._stores[self._states[at].name]
        codes = store.map([Mapping(item.target, item.source) for item in command.items])
        return max(codes, default=int(StatusCode.OK))

    def answered(self, status: Status) -> None:
        """Take the client's answer to one of our commands."""
        left = []
        for sent in self._outstanding:
            if (sent.msg_id, sent.cmd_id) != (status.msg_ref, status.cmd_ref):
                left.append(sent)
                continue
            items = max(len(status.source_refs), len(status.target_refs)) or sent.items
            if not succeeded(status.code):
                self._states[sent.database] = self._states[sent.database].fail(status.code, items)
            if sent.items > items:
                left.append(replace(sent, items=sent.items - items))
        self._outstanding = left

    def begin_sending(self) -> None:
        """Close what the client sent, and note the token that will be agreed."""
        for at, state in enumerate(self._states):
            store = self._store(state.name)
            if store is None:
                self._states[at] = replace(state.fail(StatusCode.NOT_FOUND), sent_all=True)
                continue
            self._begin(at)
            kind = KINDS[state.kind]
            if state.kind is AlertCode.REFRESH_FROM_CLIENT and not state.failed:
                store.prune()
            moves = kind.server is not Sends.NOTHING or kind.client is Sends.EVERYTHING
            until = store.token() if moves else state.since
            self._states[at] = replace(self._states[at], until=until)

    def send(self, letter: Letter) -> bool:
        """Write our changes until the message is full; True if that was all."""
        for at, state in enumerate(self._states):
            if not state.sent_all:
                self._send(at, letter)
            if not self._states[at].sent_all:
                return False
        return True

    def finish(self) -> SessionResult:
        """Agree where everything went well."""
        for sent in self._outstanding:
            self._states[sent.database] = self._states[sent.database].fail(
                StatusCode.INCOMPLETE, sent.items
            )
        self._outstanding = []
        for state in self._states:
            store = None if state.failed else self._store(state.name)
            if store is not None:
                store.commit(Anchors(state.server_next, state.client_next, state.until))
        return _result(self._states)

    def _send(self, at: int, letter: Letter) -> None:
        state = self._states[at]
        store = self._store(state.name)
        changes: Iterator[Change] = iter(())
        if store is None:
            self._states[at] = replace(state.fail(StatusCode.NOT_FOUND), sent_all=True)
            return
        if KINDS[state.kind].server is not Sends.NOTHING:
            changes = iter(store.changes(state.cursor or state.since))
        supply = Supply(changes, state.offset)
        sync = Sync(letter.number(), Location(state.client_name), Location(state.name))
        pieces, commands = letter.sync(sync, supply, store.content_type, _our_item)
        whole = [piece.change for piece in pieces if not piece.more]
        self._states[at] = replace(
            state,
            cursor=whole[-1].token if whole else state.cursor,
            offset=supply.offset,
            sent_all=supply.done,
            sent=state.sent.plus([change.kind for change in whole]),
        )
        message = letter.header.msg_id
        self._outstanding += [
            Outstanding(message, command.cmd_id, at, len(command.items)) for command in commands
        ]

    def _begin(self, at: int) -> None:
        """Forget what was known, once, where everything is sent anew."""
        state = self._states[at]
        if not state.begun:
            anew = KINDS[state.kind].anew is None
            since = self._stores[state.name].forget() if anew else state.since
            self._states[at] = replace(state, begun=True, since=since)

    def _store(self, name: str) -> ServerDatastore | None:
        """Open a datastore once a message; a client may write its name with "./"."""
        if name not in self._stores:
            store = self._open(name.removeprefix("./"))
            if store is None:
                return None
            self._stores[name] = store
        return self._stores[name]


@dataclass(frozen=True, slots=True)
class _ClientAlone:
    """The judge of a one-way synchronization from the client: the client is right."""

    rule: Rule = Rule.CLIENT_WINS

    def merge(self, _ours: bytes, _theirs: bytes) -> bytes | None:
        return None

    def newer(self, _ours: Change, _theirs: Change) -> bool:
        return False


def _decide(
    state: DatabaseState, store: ServerDatastore, theirs: Sequence[Change]
) -> tuple[Decision, ...]:
    if state.kind is AlertCode.REFRESH_FROM_CLIENT or not theirs:
        return tuple(Decision((each,)) for each in theirs)
    ours = store.conflicts(state.since, theirs)
    alone = state.kind is AlertCode.ONE_WAY_FROM_CLIENT
    return reconcile(theirs, ours, _ClientAlone() if alone else store)


def _carry_out(store: ServerDatastore, decisions: Sequence[Decision]) -> list[int]:
    """Apply in one call what was decided; give the status of each decision."""
    changes = [change for each in decisions for change in each.changes]
    lost = [each.lost for each in decisions if each.lost is not None]
    if lost:
        store.keep(lost)
    applied = iter(store.apply(changes) if changes else ())
    codes = []
    for each in decisions:
        own = [next(applied).code for _ in each.changes]
        bad = [code for code in own if not succeeded(code)]
        codes.append(bad[0] if bad else each.code or own[-1])
    return codes


def _client_change(kind: ChangeKind, item: Item) -> Change | None:
    """Read the client's name of an item, which is its Source."""
    return Change(kind, "", peer=item.source.uri) if item.source else None


def _our_item(change: Change) -> Item:
    """Name an item to the client: what it has by its own name, what we add by ours."""
    if change.kind is ChangeKind.ADD:
        return Item(source=Location(change.identifier))
    return Item(target=Location(change.peer or change.identifier))


def _result(states: Sequence[DatabaseState]) -> SessionResult:
    databases = tuple(
        DatabaseResult(
            database=each.name,
            status=each.status,
            asked=each.asked,
            performed=each.kind,
            sent=each.sent,
            received=each.received,
            failed=each.failed,
        )
        for each in states
    )
    bad = [each.status for each in databases if each.status != StatusCode.OK]
    return SessionResult(bad[0] if bad else StatusCode.OK, databases)
