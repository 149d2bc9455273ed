"""What a server remembers of a session from one message to the next.

Small, and never the items themselves: what is still to be sent is a place in the datastore.
It is stored beside the reply, in the transaction of the items; so any process can go on.
"""

import base64
import json
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from hashlib import sha256
from typing import Any

from cardsync.errors import LocalError
from cardsync.syncml.elements import AlertCode, SyncHdr
from cardsync.syncml.events import Counts
from cardsync.syncml.incoming import Chunk


class Phase(IntEnum):
    """Which package is under way: 1 the client's first ... 6 the server's last."""

    INITIALIZATION = 1
    CLIENT_CHANGES = 3
    SERVER_CHANGES = 4
    MAPPING = 5
    DONE = 6


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One database of the session.

    `since` is the token of the last agreement, or of the forgetting once `begun`; `until` the
    one that will be agreed. `cursor` and `offset` say how far our own changes have been sent.
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


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A command of ours that waits for its Status: `items` of them."""

    msg_id: int
    cmd_id: int
    database: int
    items: int


@dataclass(frozen=True, slots=True)
class ServerState:
    """A session between two messages.

    `msg_id` and `digest` name the last message that was served, `replies` counts ours,
    `max_msg_size` is the client's, 0 where it gave none.
    """

    session_id: str
    device: str
    identity: str | None = None
    phase: Phase = Phase.INITIALIZATION
    msg_id: int = 0
    digest: str = ""
    replies: int = 0
    max_msg_size: int = 0
    alerted: bool = False
    asked_devinf: bool = False
    databases: tuple[DatabaseState, ...] = ()
    outstanding: tuple[Outstanding, ...] = ()
    chunk: Chunk | None = None

    @classmethod
    def begin(cls, header: SyncHdr) -> "ServerState":
        """Begin a session with the header of its first message."""
        return cls(header.session_id, header.source.uri, msg_id=header.msg_id - 1)

    def answered(self, header: SyncHdr, digest: str) -> bool:
        """Say whether this very message was served last: its stored reply is the answer."""
        same = (self.session_id, self.msg_id, self.digest)
        return same == (header.session_id, header.msg_id, digest)

    def encode(self) -> bytes:
        """Write the state, to be stored."""
        fields = asdict(self)
        if self.chunk:
            fields["chunk"]["data"] = base64.b64encode(self.chunk.data).decode()
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, octets: bytes) -> "ServerState":
        """Read what `encode` wrote; raises LocalError for anything else."""
        try:
            return _state(json.loads(octets))
        except (ValueError, TypeError, KeyError) as exc:
            raise LocalError("not the state of a session") from exc


def fingerprint(octets: bytes) -> str:
    """Give the digest by which a repeated message is known."""
    return sha256(octets).hexdigest()


def _state(fields: dict[str, Any]) -> ServerState:
    chunk = fields["chunk"]
    if chunk:
        chunk = Chunk(**(chunk | {"data": base64.b64decode(chunk["data"])}))
    return ServerState(
        **fields
        | {
            "phase": Phase(fields["phase"]),
            "databases": tuple(_database(each) for each in fields["databases"]),
            "outstanding": tuple(Outstanding(**each) for each in fields["outstanding"]),
            "chunk": chunk,
        }
    )


def _database(fields: dict[str, Any]) -> DatabaseState:
    return DatabaseState(
        **fields
        | {
            "asked": AlertCode(fields["asked"]),
            "kind": AlertCode(fields["kind"]),
            "sent": Counts(**fields["sent"]),
            "received": Counts(**fields["received"]),
        }
    )
