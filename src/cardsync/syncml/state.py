"""What a server remembers of a session from one message to the next.

Small, and never the items themselves: what is still to be sent is a place in the datastore.
It is stored beside the reply, in the transaction of the items; so any process can go on.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from hashlib import sha256
from typing import Any, Final

from cardsync.errors import LocalError, PeerError
from cardsync.syncml import wbxml
from cardsync.syncml.auth import Challenge, Scheme
from cardsync.syncml.datastore import Change
from cardsync.syncml.elements import Alert, AlertCode, Location, Message, Results, Status, SyncHdr
from cardsync.syncml.events import Counts
from cardsync.syncml.filters import ALL, Wanted
from cardsync.syncml.incoming import Chunk
from cardsync.syncml.status import StatusCode

_LEFT_OUT: Final = 1000
_NOBODY: Final = SyncHdr("", 0, Location(""), Location(""))


class Phase(IntEnum):
    """Which package is under way: 1 the client's first ... 6 the server's last."""

    INITIALIZATION = 1
    CLIENT_CHANGES = 3
    SERVER_CHANGES = 4
    MAPPING = 5
    DONE = 6
    SUSPENDED = 7


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One database of the session.

    `since` is the token of the last agreement, or of the forgetting once `begun`; `until` the
    one that will be agreed. `cursor` and `offset` say how far our own changes have been sent,
    `acked` how far they have been answered. `size` is the number of items before the session,
    where the datastore guards them. `filter` is what the client asks for;
    `is_partial` says that it goes on from a session by other fields, so that its items may lack
    some. `max_obj_size` is the client's, None where it gave none; `left_out` names what
    of ours was not sent for such a reason, and failed is not.
    """

    name: str
    client_name: str
    asked: AlertCode
    kind: AlertCode
    client_next: str
    server_next: str
    server_last: str | None = None
    since: str = ""
    until: str = ""
    cursor: str = ""
    offset: int = 0
    acked: str = ""
    size: int = 0
    filter: Wanted = ALL
    is_partial: bool = False
    max_obj_size: int | None = None
    left_out: tuple[str, ...] = ()
    begun: bool = False
    sent_all: bool = False
    failed: int = 0
    status: int = 200
    sent: Counts = field(default_factory=Counts)
    received: Counts = field(default_factory=Counts)

    def fail(self, code: int, items: int = 1) -> "DatabaseState":
        """Count failures; the first one gives the status."""
        status = code if self.status == 200 else self.status
        return replace(self, failed=self.failed + items, status=status)

    def leave_out(self, left_out: Sequence[tuple[Change, StatusCode]]) -> "DatabaseState":
        """Note what is not sent; beyond some thousand it is failed, too: nothing is agreed."""
        if not left_out:
            return self
        state = self.fail(left_out[0][1], 0)
        names = (*self.left_out, *(change.identifier for change, _ in left_out))
        if len(names) > _LEFT_OUT:
            return replace(state, failed=state.failed + len(left_out))
        return replace(state, left_out=names)

    @property
    def missing(self) -> int:
        """Count what one side has and the other lacks, for whatever reason."""
        return self.failed + len(self.left_out)


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A command of ours that waits for its Status: `items` of them.

    `before` is the cursor of its database before the message. An Alert has no items.
    """

    msg_id: int
    cmd_id: int
    database: int
    items: int
    before: str = ""


@dataclass(frozen=True, slots=True)
class ServerState:
    """A session between two messages.

    `msg_id` and `digest` name the last message that was served, `replies` counts ours,
    `max_msg_size` is the client's, 0 where it gave none. `owed` is what the last reply had no
    room for, `alerted` counts our Alerts. The client has met our own credentials with
    `challenges`, the last one of a `scheme` and a `nonce`, until we are trusted. `has_asked`
    says that credentials of a database were asked for, `is_sealed` that the client owes a MAC
    with each message. `goes_on` says that a package of the client is complete and ours, the
    answer to it, is not: whoever asks for the rest of it has no Final to send.
    """

    session_id: str
    device: str
    identity: str | None = None
    phase: Phase = Phase.INITIALIZATION
    msg_id: int = 0
    digest: str = ""
    replies: int = 0
    max_msg_size: int = 0
    alerted: int = 0
    asked_devinf: bool = False
    databases: tuple[DatabaseState, ...] = ()
    outstanding: tuple[Outstanding, ...] = ()
    chunk: Chunk | None = None
    owed: tuple[Status | Results | Alert, ...] = ()
    challenges: int = 0
    scheme: str = ""
    nonce: str = field(default="", repr=False)
    is_trusted: bool = False
    has_asked: bool = False
    is_sealed: bool = False
    goes_on: bool = False

    @classmethod
    def begin(cls, header: SyncHdr) -> "ServerState":
        """Begin a session with the header of its first message."""
        return cls(header.session_id, header.source.uri, msg_id=header.msg_id - 1)

    @property
    def asked(self) -> Challenge | None:
        """Give what the client wants to be shown of us, if it is to be shown anything."""
        if not self.scheme:
            return None
        return Challenge(Scheme(self.scheme), base64.b64decode(self.nonce))

    def challenged(self, challenge: Challenge) -> "ServerState":
        """Note what the client wants to be shown."""
        nonce = base64.b64encode(challenge.nonce).decode()
        return replace(self, scheme=challenge.scheme.value, nonce=nonce)

    def answered(self, header: SyncHdr, digest: str) -> bool:
        """Say whether this very message was served last: its stored reply is the answer."""
        same = (self.session_id, self.msg_id, self.digest)
        return same == (header.session_id, header.msg_id, digest)

    def encode(self) -> bytes:
        """Write the state, to be stored."""
        fields = asdict(replace(self, owed=()))
        if self.chunk:
            fields["chunk"]["data"] = base64.b64encode(self.chunk.data).decode()
        if self.owed:
            fields["owed"] = base64.b64encode(wbxml.encode(Message(_NOBODY, self.owed))).decode()
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, octets: bytes) -> "ServerState":
        """Read what `encode` wrote; raises LocalError for anything else."""
        try:
            return _state(json.loads(octets))
        except (ValueError, TypeError, KeyError, PeerError) as exc:
            raise LocalError("not the state of a session") from exc


def fingerprint(octets: bytes) -> str:
    """Give the digest by which a repeated message is known."""
    return sha256(octets).hexdigest()


def _state(fields: dict[str, Any]) -> ServerState:
    chunk = fields["chunk"]
    if chunk:
        seams, data = tuple(chunk.get("seams", ())), base64.b64decode(chunk["data"])
        chunk = Chunk(**(chunk | {"data": data, "seams": seams}))
    return ServerState(
        **fields
        | {
            "phase": Phase(fields["phase"]),
            "databases": tuple(_database(each) for each in fields["databases"]),
            "outstanding": tuple(Outstanding(**each) for each in fields["outstanding"]),
            "chunk": chunk,
            "owed": _owed(fields["owed"]),
        }
    )


def _owed(text: str | list[str]) -> tuple[Status | Results | Alert, ...]:
    """Read what is owed to the client, which is kept as it would be sent."""
    if not isinstance(text, str):
        return ()
    commands = wbxml.decode(base64.b64decode(text)).commands
    return tuple(each for each in commands if isinstance(each, Status | Results | Alert))


def _database(fields: dict[str, Any]) -> DatabaseState:
    return DatabaseState(
        **fields
        | {
            "asked": AlertCode(fields["asked"]),
            "kind": AlertCode(fields["kind"]),
            "sent": Counts(**fields["sent"]),
            "received": Counts(**fields["received"]),
            "left_out": tuple(fields.get("left_out", ())),
            "filter": _wanted(fields["filter"]),
        }
    )


def _wanted(asked: dict[str, Any] | str) -> Wanted:
    """Read what is asked; a session that an older version began has the query alone."""
    if isinstance(asked, str):
        return Wanted(asked)
    return Wanted(**asked | {"fields": tuple(asked["fields"])})
