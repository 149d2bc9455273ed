"""The contract of a datastore: what a session asks of the thing that it synchronizes.

A datastore serves one peer at a time. It numbers its changes, so that "what has changed since"
is a question about one token; a change that came from the peer is never told back to it.
Whoever implements the contract may touch the world; the sessions that call it do not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class ChangeKind(IntEnum):
    """What happened to an item, or shall happen to it."""

    ADD = 1
    REPLACE = 2
    DELETE = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One item that changed: `identifier` is the datastore's own, `data` is None for DELETE."""

    kind: ChangeKind
    identifier: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """How one change of the peer went: a SyncML status, and the datastore's own identifier.

    200 done, 201 added, 211 was not there to be deleted, 418 was there already, 420 full, 500.
    """

    code: int
    identifier: str


@dataclass(frozen=True, slots=True)
class Anchors:
    """What was agreed at the last success: our Next, the peer's Next, and our change token."""

    own: str
    peer: str
    token: str


class Datastore(Protocol):
    """One database of ours, as one peer sees it."""

    name: str
    """The relative address by which the peer names it, such as `devman`."""

    content_type: str
    """The media type of its items."""

    content_version: str
    """The version of that type, for the device information."""

    def anchors(self) -> Anchors | None:
        """Give what was agreed last; None if there never was a success."""

    def token(self) -> str:
        """Name the present state, to be given to `changes` later."""

    def changes(self, since: str | None) -> Iterable[Change]:
        """Yield what changed since a token, all as ADD for None; not what the peer itself did."""

    def count(self, since: str | None) -> int:
        """Count what `changes` would yield."""

    def read(self, identifiers: Sequence[str]) -> dict[str, bytes]:
        """Give the data of those of `identifiers` that are there."""

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Do what the peer asks, in this order, and answer each.

        The identifier of an ADD is the peer's; `Applied.identifier` is the one it got here.
        """

    def clear(self) -> int:
        """Remove all items because the peer refreshes them; give how many there were."""

    def commit(self, anchors: Anchors) -> None:
        """Keep what was agreed: the session ended well."""
