"""What a client is asked to synchronize, and what it needs to go on after an interruption."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from cardsync.errors import LocalError
from cardsync.syncml import auth, codec, incoming
from cardsync.syncml.datastore import ClientDatastore
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.filters import ALL, Wanted
from cardsync.syncml.kinds import BY_SERVER, KINDS


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Where a session broke off: what the server has answered of `kind` up to `cursor`.

    `token` is our state at its beginning; `forgotten` says that a refresh had begun. `agreed` is
    our anchor of the last success: after another one there is nothing to go on with.
    """

    kind: AlertCode
    token: str
    cursor: str
    forgotten: bool = False
    agreed: str = ""

    def encode(self) -> bytes:
        """Write it, to be kept until the next session."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read what `encode` wrote; raises LocalError for anything else."""
        try:
            fields = json.loads(octets)
            return cls(**fields | {"kind": AlertCode(fields["kind"])})
        except (ValueError, TypeError, KeyError) as exc:
            raise LocalError("not an interrupted session") from exc


@dataclass(frozen=True, slots=True)
class DatabaseRequest:
    """A database to synchronize: ours, the server's name of its own, the kind.

    200 to 205, or 206 to 210 where a notification of the server has asked for it. `now_anchor`
    names this session and differs from that of the session before. `resume` goes on with an
    interrupted session where the server can, else begins `sync_type` (1.2 only).
    `number_of_changes` says that the server wants to hear beforehand how many will come.
    `account` is what we show for this database, besides what we show for the session. `filter`
    says what we are sent of it (1.2), as `filters` tells;
    `is_partial` that items of ours may lack fields, by a filter of former sessions.
    """

    datastore: ClientDatastore
    target_database: str
    sync_type: AlertCode
    now_anchor: str
    resume: Interrupted | None = None
    number_of_changes: bool = False
    account: auth.Account | None = None
    filter: Wanted = ALL
    is_partial: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LocalError(f"{self.sync_type.name} is not asked for by a client")

    @property
    def kind(self) -> AlertCode:
        """The kind, whoever asked for it."""
        return BY_SERVER.get(self.sync_type, self.sync_type)

    @property
    def by_server(self) -> bool:
        """Say whether a notification has asked for it."""
        return self.sync_type in BY_SERVER


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """One session: `url` of the server, `device_id` of ours such as "IMEI:490154203237518".

    `put_devinf` says that the server does not know our device information yet, `get_devinf`
    that we do not know its. `authenticate` judges what the server shows of itself; without it
    nothing is asked of the server. `plain` is for servers of which nothing is known: some need in
    a Status the names of what it answers, or see only the first item of a command. `beside` says
    that the carrier has fields beside a message, where a MAC can stand. Sizes in octets.
    """

    url: str
    device_id: str
    session_id: str
    databases: tuple[DatabaseRequest, ...]
    version: Version = Version.V1_2
    content_type: str = codec.WBXML
    max_msg_size: int = 65536
    max_obj_size: int = incoming.MAX_OBJECT
    account: auth.Account | None = None
    devinf: DevInf | None = None
    put_devinf: bool = True
    get_devinf: bool = False
    authenticate: auth.Authenticate | None = None
    terse: bool = False
    plain: bool = False
    beside: bool = False

    def __post_init__(self) -> None:
        if self.version is not Version.V1_2 and any(each.filter != ALL for each in self.databases):
            raise LocalError("a filter needs SyncML 1.2")
        if self.account and self.account.scheme is auth.Scheme.MAC and not self.beside:
            raise LocalError("a MAC stands beside a message, where this carrier has nothing")
