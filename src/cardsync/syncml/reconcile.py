"""Two sets of changes and a rule give the operations that make both sides equal. Pure.

The server decides (OMA DS Protocol 1.2, "Conflict resolution"). Each change of the client meets
our own change of the same item, if there is one; the table below says what becomes of them.

    theirs    ours      client wins    server wins    duplicate
    content   none      theirs         theirs         theirs
    delete    none      theirs         theirs         theirs
    delete    delete    theirs         theirs         theirs
    content   equal     theirs         theirs         theirs       (names joined, nothing lost)
    content   content   theirs, 208    ours, 419      both, 209    (a merge goes before: 207)
    content   delete    theirs, 208    delete, 419    theirs, 208
    delete    content   delete, 208    ours, 419      ours, 419

"Newest" is "client wins" or "server wins", as the datastore compares the two. A version that
lost is in the decision, to be kept. In a slow synchronization every item of ours is a change of
ours, found by its name or its content, and the same table serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cardsync.syncml.datastore import Change, ChangeKind, Rule
from cardsync.syncml.status import StatusCode


class Judge(Protocol):
    """Who settles conflicts: a rule, a merge, a comparison. Every server datastore is one."""

    @property
    def rule(self) -> Rule:
        """Who is right where nothing can be merged."""

    def merge(self, ours: bytes, theirs: bytes, /) -> bytes | None:
        """Merge two versions; None where that is not possible."""

    def newer(self, ours: Change, theirs: Change, /) -> bool:
        """Say whether ours is the newer one."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one change of the client.

    `changes` are applied here, in order; the last one answers for the client's command, unless
    `code` is given. `lost` is the version that did not survive.
    """

    changes: tuple[Change, ...]
    code: int | None = None
    lost: Change | None = None


def reconcile(
    theirs: Sequence[Change], ours: Sequence[Change | None], judge: Judge
) -> tuple[Decision, ...]:
    """Decide each change of the client against our own change of the same item, if any."""
    return tuple(
        Decision((their,)) if our is None else _meet(their, our, judge)
        for their, our in zip(theirs, ours, strict=True)
    )


def _meet(theirs: Change, ours: Change, judge: Judge) -> Decision:
    if theirs.data == ours.data:
        return Decision((_take(theirs, ours),))
    if theirs.data is not None and ours.data is not None:
        merged = judge.merge(ours.data, theirs.data)
        if merged is not None:
            return _merge(theirs, ours, merged)
    return _RULES[_settle(theirs, ours, judge)](theirs, ours)


def _settle(theirs: Change, ours: Change, judge: Judge) -> Rule:
    """Resolve NEWEST into one of the sides."""
    if judge.rule is not Rule.NEWEST:
        return judge.rule
    return Rule.SERVER_WINS if judge.newer(ours, theirs) else Rule.CLIENT_WINS


def _take(theirs: Change, ours: Change) -> Change:
    """Apply the client's change to our item, which gets the client's name."""
    kind = ChangeKind.DELETE if theirs.data is None else ChangeKind.REPLACE
    return Change(kind, ours.identifier, theirs.data, theirs.peer)


def _tell(ours: Change, data: bytes, peer: str | None) -> Change:
    """Keep content of ours and have it told to the client."""
    return Change(ChangeKind.MERGE, ours.identifier, data, peer)


def _merge(theirs: Change, ours: Change, merged: bytes) -> Decision:
    if merged == theirs.data:
        return Decision((_take(theirs, ours),))
    told = _tell(ours, merged, theirs.peer)
    return Decision((told,), StatusCode.RESOLVED_WITH_MERGE)


def _client_wins(theirs: Change, ours: Change) -> Decision:
    lost = None if ours.data is None else ours
    return Decision((_take(theirs, ours),), StatusCode.RESOLVED_WITH_CLIENT, lost)


def _server_wins(theirs: Change, ours: Change) -> Decision:
    if ours.data is None:  # our deletion is told as our own change, nothing is applied here
        return Decision((), StatusCode.RESOLVED_WITH_SERVER, theirs)
    peer = None if theirs.data is None else theirs.peer
    lost = None if theirs.data is None else theirs
    return Decision((_tell(ours, ours.data, peer),), StatusCode.RESOLVED_WITH_SERVER, lost)


def _duplicate(theirs: Change, ours: Change) -> Decision:
    if ours.data is None:
        return _client_wins(theirs, ours)
    if theirs.data is None:
        return _server_wins(theirs, ours)
    # Ours becomes a new item: under its name the client would take it for the one that it has.
    added = Change(ChangeKind.MERGE, "", ours.data)
    return Decision((added, _take(theirs, ours)), StatusCode.RESOLVED_WITH_DUPLICATE)


_RULES = {
    Rule.CLIENT_WINS: _client_wins,
    Rule.SERVER_WINS: _server_wins,
    Rule.DUPLICATE: _duplicate,
}
