"""The contract of a datastore: what a session asks of the thing that it synchronizes.

A datastore serves one peer at a time. It numbers its changes, so that "what has changed since"
is a question about one token; a change that came from the peer is never told back to it.
Whoever implements the contract may touch the world; the sessions that call it do not.

Two names of one item: `identifier` is the datastore's own, `peer` is the other side's. On the
wire the client's name (LUID) is the one that both use; only what the server adds travels under
the server's name (GUID), until the client has answered with its own.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

ANY_TYPE = "*/*"
"""The content type of a datastore that takes items of any type and tells that of each."""


LEAST_EMPTYING = 5
"""Items whose deletion may be that of everything."""


class ChangeKind(IntEnum):
    """What happened to an item, or shall happen to it."""

    ADD = 1
    REPLACE = 2
    DELETE = 3
    MERGE = 4
    """Of `apply` at the server only: the outcome of a conflict, see `ServerDatastore`."""
    SOFT_DELETE = 5
    """At the server: the item leaves the client and stays here, see `ServerDatastore`."""


@dataclass(frozen=True, slots=True)
class Change:
    """One item that changed: `data` is None for DELETE.

    From `changes`: `identifier` is ours, `peer` the other side's name where we know it, `token`
    the one that makes `changes` go on after this change.
    To `apply`: `identifier` is ours where the session knows it, else empty; then `peer` says
    which item is meant.
    `type` is the media type of this item where the datastore has items of any type (`ANY_TYPE`).
    """

    kind: ChangeKind
    identifier: str
    data: bytes | None = None
    peer: str | None = None
    token: str = ""
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """How one change of the peer went: a SyncML status, and the datastore's own identifier.

    200 done, 201 added, 211 was not there to be deleted, 404 was not there to be replaced,
    415 not our kind of data, 420 full, 500 failed.
    """

    code: int
    identifier: str


@dataclass(frozen=True, slots=True)
class Anchors:
    """What was agreed at a success: our Next, the peer's Next, and our change token."""

    own: str
    peer: str
    token: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """Two names of one item: ours and the peer's."""

    identifier: str
    peer: str


class Rule(IntEnum):
    """Who is right where both sides changed one item and their fields cannot be merged."""

    CLIENT_WINS = 1
    SERVER_WINS = 2
    NEWEST = 3
    DUPLICATE = 4


class Datastore(Protocol):
    """One database of ours, as one peer sees it."""

    name: str
    """The relative address by which the peer names it, such as `devman`."""

    content_type: str
    """The media type of its items."""

    content_version: str
    """The version of that type, for the device information."""

    def anchors(self) -> Sequence[Anchors]:
        """Give what was agreed at the last successes, the newest first; empty if there was none.

        A server keeps the last two: the client may not have heard of the last one.
        """

    def token(self) -> str:
        """Name the present state, to be given to `changes` later."""

    def changes(self, since: str | None) -> Iterable[Change]:
        """Yield what changed since a token, the oldest first, each item once.

        What the peer itself did is left out. None asks for every item, as ADD.
        """

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Do what the peer asks, in this order, and answer each; all of a message in one call.

        It may come twice: an ADD or REPLACE whose `peer` is known already replaces the item that
        has it, else it adds; a DELETE of what is not there is 211. A REPLACE that names ours, by
        `identifier`, and has a `peer` gives that item this name.
        """

    def forget(self) -> str:
        """Begin anew: no item is known to be at the peer, nothing is agreed.

        The names stay, so that what the peer sends finds its item again. Gives the token since
        which `changes` yields, as ADD, the items that the peer has not sent.
        """

    def prune(self) -> int:
        """Remove what the peer has not sent since `forget`, as it would; give how many."""

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed: the session ended well."""


class ClientDatastore(Datastore, Protocol):
    """A datastore in the role of the client."""

    def mappings(self) -> Sequence[Mapping]:
        """Give the items that the server added since the last `commit`.

        The server may not have heard our names of them; they are told again before all else.
        """

    def part(self, identifiers: Sequence[str]) -> None:
        """Forget the server's names of items: what it adds by such a name is another one now."""


class ServerDatastore(Datastore, Protocol):
    """A datastore in the role of the server, which decides the conflicts.

    `apply` here also takes MERGE: `data` becomes the item's content as a change of our own,
    which the peer has yet to hear: as REPLACE under its name `peer`, or, where `peer` is None,
    as ADD, for the peer does not have it. Where `identifier` is empty it is a new item.

    And it takes SOFT_DELETE: the peer does not have the item any more, nor a name of it, and is
    owed nothing of it; what changes later is ADD. With a `token` all this only where the item
    has not changed after it.
    """

    rule: Rule

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge two versions field by field; None where a field was changed on both sides."""

    def newer(self, ours: Change, theirs: Change) -> bool:
        """Say whether our version is the newer one; asked under the rule NEWEST alone."""

    def conflicts(self, since: str, changes: Sequence[Change]) -> Sequence[Change | None]:
        """Give, for each change of the peer, our own change since a token of the same item.

        The same item is the one that has the `peer` name. Where none has it, it is, for ADD and
        REPLACE, one that is not at the peer and has the same content. None where there is no
        such change; none is given twice.
        """

    def map(self, mappings: Sequence[Mapping]) -> Sequence[int]:
        """Learn the client's names of items that we added; 200 each, 404 if it is not there."""

    def keep(self, losers: Sequence[Change]) -> None:
        """Keep the versions that lost a conflict where a person can read them."""


# --- what a datastore may offer besides -----------------------------------------------------


@runtime_checkable
class Counting(Protocol):
    """A datastore that can say beforehand how much there is to be sent (NumberOfChanges)."""

    def count(self, since: str | None) -> int:
        """Count what `changes` would yield."""


@runtime_checkable
class Readable(Protocol):
    """A datastore that tells what it has, so that fields can go into an item (FieldLevel)."""

    def stored(self, changes: Sequence[Change]) -> Sequence[bytes | None]:
        """Give the present content of the item that each change means; None if there is none."""


@runtime_checkable
class Transactional(Protocol):
    """A datastore that can undo what a peer asked, so that Atomic can be served."""

    def atomic(self) -> AbstractContextManager[None]:
        """Undo all that was done within if an exception leaves the block."""


@runtime_checkable
class Owing(Protocol):
    """A datastore that remembers what a session had to leave out."""

    def owe(self, identifiers: Sequence[str]) -> None:
        """Let `changes` yield these items, by our names, as if they had changed just now.

        Not between `forget` and `prune`: there nothing is owed.
        """


@runtime_checkable
class Guarded(Protocol):
    """A datastore with a safety stop; one that is none has no stop, and everything is allowed."""

    allows_slow: bool
    """Its rule allows a slow synchronization, or a refresh, that was not asked for."""

    allows_emptying: bool
    """Its rule allows a peer to delete all, or nearly all, of its items."""

    def size(self) -> int:
        """Count the items."""


def agree(store: Datastore, anchors: Anchors, left_out: Sequence[str]) -> None:
    """Keep what was agreed, but for items left out, which come again in the next session.

    With a datastore that cannot remember those nothing is agreed, and everything comes again.
    """
    if not left_out:
        store.commit(anchors)
    elif isinstance(store, Owing):
        store.commit(anchors)
        store.owe(left_out)


def would_empty(store: object, size: int, deleted: int) -> bool:
    """Say whether the safety stop holds the deletion of so many of `size` items back.

    Nearly all counts as all, for a session may come in several messages. The deletion of fewer
    than five items stops nothing: a person may well mean it.
    """
    if not isinstance(store, Guarded) or store.allows_emptying:
        return False
    return deleted >= LEAST_EMPTYING and (size - deleted) * 10 < size
