"""What a session tells the one who runs it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cardsync.errors import PeerError
from cardsync.syncml.datastore import ChangeKind
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import AlertCode, Unread


@dataclass(frozen=True, slots=True)
class Counts:
    """Items that went one way."""

    added: int = 0
    replaced: int = 0
    deleted: int = 0

    def plus(self, kinds: Sequence[ChangeKind]) -> "Counts":
        """Count further items."""
        return Counts(
            self.added + kinds.count(ChangeKind.ADD),
            self.replaced + kinds.count(ChangeKind.REPLACE) + kinds.count(ChangeKind.MERGE),
            self.deleted + kinds.count(ChangeKind.DELETE) + kinds.count(ChangeKind.SOFT_DELETE),
        )

    @property
    def total(self) -> int:
        """All of them."""
        return self.added + self.replaced + self.deleted


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The peer has shown who it is."""

    identity: str


@dataclass(frozen=True, slots=True)
class PeerDescribed:
    """The peer gave its device information, to be kept so that it need not be asked again."""

    devinf: DevInf


@dataclass(frozen=True, slots=True)
class SyncTypeChanged:
    """A database is synchronized in another way than was asked for, usually slowly."""

    database: str
    asked: AlertCode
    performed: AlertCode


@dataclass(frozen=True, slots=True)
class Applied:
    """Changes of the peer were applied; `failed` were refused.

    `announced` is how many the peer said that there would be (NumberOfChanges), if it said so.
    """

    database: str
    counts: Counts
    failed: int
    announced: int | None = None


@dataclass(frozen=True, slots=True)
class DatabaseResult:
    """How one database fared.

    `status` is a SyncML status: 200, or the first failure. `sent` counts what the peer took.
    """

    database: str
    status: int
    asked: AlertCode
    performed: AlertCode
    sent: Counts = field(default_factory=Counts)
    received: Counts = field(default_factory=Counts)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How a session ended. `status` is 200, or the SyncML status of the failure.

    `error` says what the server did for which we ended it, if that was so. Octets and round
    trips are those of the messages that this session object saw.
    """

    status: int
    databases: tuple[DatabaseResult, ...] = ()
    octets_sent: int = 0
    octets_received: int = 0
    round_trips: int = 0
    error: PeerError | None = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        """Say whether both sides are equal now."""
        return self.status == 200

    @property
    def slow(self) -> bool:
        """Say whether a database had to be synchronized anew although that was not asked."""
        return any(each.asked is not each.performed for each in self.databases)


@dataclass(frozen=True, slots=True)
class Finished:
    """The session is over."""

    result: SessionResult


@dataclass(frozen=True, slots=True)
class NotRead:
    """A command of the peer could not be read and was refused; the rest of its message was not."""

    command: Unread


Event = NotRead | Authenticated | PeerDescribed | SyncTypeChanged | Applied | Finished
