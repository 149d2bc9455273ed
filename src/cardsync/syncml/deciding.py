"""A server's judgement of a client's changes, carried out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cardsync.syncml import fields, filters
from cardsync.syncml.datastore import (
    Applied,
    Change,
    ChangeKind,
    Owing,
    Rule,
    ServerDatastore,
    would_empty,
)
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.events import DatabaseResult, SessionResult
from cardsync.syncml.incoming import Received
from cardsync.syncml.kinds import KINDS, Sends
from cardsync.syncml.merging import Level, hold, whole
from cardsync.syncml.reconcile import Decision, reconcile
from cardsync.syncml.state import DatabaseState
from cardsync.syncml.status import StatusCode, succeeded

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _ClientAlone:
    """The judge of a one-way synchronization from the client: the client is right."""

    rule: Rule = Rule.CLIENT_WINS

    def merge(self, _ours: bytes, _theirs: bytes) -> bytes | None:
        return None

    def newer(self, _ours: Change, _theirs: Change) -> bool:
        return False


def take(state: DatabaseState, store: ServerDatastore, received: Sequence[Received]) -> list[int]:
    """Apply all but a deletion of everything, which the safety stop holds back: 403.

    What the client then lacks of its own items, or shall not have, it is told.
    """
    changes = whole(received, store, store.content_type, _level(state))
    deleted = sum(isinstance(e, Change) and e.kind is ChangeKind.DELETE for e in changes)
    stop = would_empty(store, state.size, state.received.deleted + deleted)
    changes = hold(changes, (), stop=True) if stop else changes
    taken = [change for change in changes if isinstance(change, Change)]
    applied = iter(decide_and_apply(state, store, taken))
    done = [next(applied) if isinstance(e, Change) else Applied(e, "") for e in changes]
    if isinstance(store, Owing) and KINDS[state.kind].server is not Sends.NOTHING:
        parts = zip(received, changes, done, strict=True)
        owed = [
            each.identifier
            for part, change, each in parts
            if each.identifier and isinstance(change, Change) and _owes(state, store, part, change)
        ]
        if owed:
            store.owe(owed)
    return [each.code for each in done]


def _level(state: DatabaseState) -> Level:
    """Say what the client has of the items that it sends."""
    is_compared = state.is_partial or KINDS[state.kind].anew is None
    names = state.filter.fields
    return Level(bool(names) or state.is_partial, names, is_complete=not is_compared)


def _owes(state: DatabaseState, store: ServerDatastore, received: Received, change: Change) -> bool:
    """Say whether the client has more or less than it asks for of an item that it sent."""
    theirs = received.change.data if received.change else None
    if theirs is None or change.data is None:
        return False
    kind = received.type or store.content_type
    if state.filter.exclusive and not state.filter.meets(change, kind):
        return True
    if state.kind is not AlertCode.SLOW or theirs == change.data:
        return False
    return not fields.alike(theirs, change.data, kind, state.filter.fields)


def release(state: DatabaseState, store: ServerDatastore) -> None:
    """Note that what left the client, as it does not meet the query, is no longer there.

    Not before the end: until then a client that was not heard of may have it.
    """
    if not state.filter.exclusive:
        return
    changes = filters.select(store.changes(state.since), state.filter, store.content_type)
    gone = [replace(e, token=state.until) for e in changes if e.kind is ChangeKind.SOFT_DELETE]
    for at in range(0, len(gone), _BATCH):
        store.apply(gone[at : at + _BATCH])


def decide_and_apply(
    state: DatabaseState, store: ServerDatastore, theirs: Sequence[Change]
) -> Sequence[Applied]:
    """Settle the conflicts, apply all in one call; give the status of each change.

    With it our name of the item, where it became what the client sent.
    """
    if state.kind is AlertCode.REFRESH_FROM_CLIENT or not theirs:
        return store.apply(theirs) if theirs else []
    decisions = _decide(state, store, theirs)
    changes = [change for each in decisions for change in each.changes]
    lost = [each.lost for each in decisions if each.lost is not None]
    if lost:
        store.keep(lost)
    applied = iter(store.apply(changes) if changes else ())
    return [_outcome(each, [next(applied) for _ in each.changes]) for each in decisions]


def _outcome(decision: Decision, own: Sequence[Applied]) -> Applied:
    bad = [each.code for each in own if not succeeded(each.code)]
    if bad or not own:
        return Applied(bad[0] if bad else decision.code or StatusCode.OK, "")
    is_theirs = decision.changes[-1].kind in (ChangeKind.ADD, ChangeKind.REPLACE)
    return Applied(decision.code or own[-1].code, own[-1].identifier if is_theirs else "")


def _decide(
    state: DatabaseState, store: ServerDatastore, theirs: Sequence[Change]
) -> tuple[Decision, ...]:
    found = store.conflicts(state.since, theirs)
    # What leaves the client alone stays as it is here, whatever we have changed.
    pairs = zip(theirs, found, strict=True)
    ours = [None if their.kind is ChangeKind.SOFT_DELETE else our for their, our in pairs]
    alone = state.kind is AlertCode.ONE_WAY_FROM_CLIENT
    return reconcile(theirs, ours, _ClientAlone() if alone else store)


def result(states: Sequence[DatabaseState]) -> SessionResult:
    """Tell how each database fared."""
    databases = tuple(
        DatabaseResult(
            database=each.name,
            status=each.status,
            asked=each.asked,
            performed=each.kind,
            sent=each.sent,
            received=each.received,
            failed=each.missing,
        )
        for each in states
    )
    bad = [each.status for each in databases if each.status != StatusCode.OK]
    return SessionResult(bad[0] if bad else StatusCode.OK, databases)


def was_partial(store: ServerDatastore) -> bool:
    """Say whether the client was last given some fields alone."""
    return any(filters.is_partial(each.own) for each in store.anchors()[:1])


def can_resume(state: DatabaseState, store: ServerDatastore, *, done: bool) -> bool:
    """Say whether all went well until the break, and no other session was meanwhile.

    A session may be `done` without the client's knowing: its last reply was lost.
    """
    tokens = [each.token for each in store.anchors()]
    if done:
        met = tokens[:1] == [state.until]
    elif KINDS[state.kind].anew is not None:
        met = state.since in tokens
    else:
        met = not (tokens and state.begun)
    return met and not state.failed and state.status == StatusCode.OK
