"""A server's judgement of a client's changes, carried out."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardsync.syncml.datastore import Change, ChangeKind, Rule, ServerDatastore, would_empty
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.events import DatabaseResult, SessionResult
from cardsync.syncml.incoming import Received
from cardsync.syncml.kinds import KINDS
from cardsync.syncml.merging import whole
from cardsync.syncml.reconcile import Decision, reconcile
from cardsync.syncml.state import DatabaseState
from cardsync.syncml.status import StatusCode, succeeded


@dataclass(frozen=True, slots=True)
class _ClientAlone:
    """The judge of a one-way synchronization from the client: the client is right."""

    rule: Rule = Rule.CLIENT_WINS

    def merge(self, _ours: bytes, _theirs: bytes) -> bytes | None:
        return None

    def newer(self, _ours: Change, _theirs: Change) -> bool:
        return False


def take(state: DatabaseState, store: ServerDatastore, received: Sequence[Received]) -> list[int]:
    """Apply all but a deletion of everything, which the safety stop holds back: 403."""
    changes = whole(received, store, store.content_type)
    deleted = sum(isinstance(e, Change) and e.kind is ChangeKind.DELETE for e in changes)
    if would_empty(store, state.size, state.received.deleted + deleted):
        changes = [_held(change) for change in changes]
    taken = [change for change in changes if isinstance(change, Change)]
    codes = iter(decide_and_apply(state, store, taken))
    return [next(codes) if isinstance(change, Change) else change for change in changes]


def _held(change: Change | int) -> Change | int:
    is_deletion = isinstance(change, Change) and change.kind is ChangeKind.DELETE
    return StatusCode.FORBIDDEN if is_deletion else change


def decide_and_apply(
    state: DatabaseState, store: ServerDatastore, theirs: Sequence[Change]
) -> list[int]:
    """Settle the conflicts, apply all in one call; give the status of each change."""
    if state.kind is AlertCode.REFRESH_FROM_CLIENT or not theirs:
        return [applied.code for applied in store.apply(theirs)] if theirs else []
    decisions = _decide(state, store, theirs)
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


def _decide(
    state: DatabaseState, store: ServerDatastore, theirs: Sequence[Change]
) -> tuple[Decision, ...]:
    ours = store.conflicts(state.since, theirs)
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
