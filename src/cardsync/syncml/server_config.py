"""What a server is told of itself and of the client, for one message."""

from collections.abc import Callable
from dataclasses import dataclass

from cardsync.syncml import auth, incoming
from cardsync.syncml.datastore import ServerDatastore
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.events import Event
from cardsync.syncml.state import ServerState

MAX_MESSAGES = 20_000
"""Messages of a session; a client that sends more is taken to go round in circles."""

OpenDatastore = Callable[[str, str], ServerDatastore | None]
"""Give the datastore that an identity means by a name; None if there is none for it."""


Guard = Callable[[str, auth.Proof | None, str], auth.AuthResult]
"""Judge what a peer (its LocURI) showed for one database, by its name: None if nothing."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The server in one session.

    `next_anchor` names this session and differs from that of the session before; `resp_uri` is
    where the next messages shall go; `peer_known` says that the client's device information is
    here already, `number_of_changes` that by it the client wants to hear how many will come.
    `account` is what we show of ourselves to clients that we know, at least by its scheme; `asked`
    is what this client asked for in its last session. `before` is its last session with
    databases: if it broke off, it can be resumed. `guard` asks for credentials of each database
    besides those of the session. `busy` sends the client away for now, `moved` for ever. `plain`
    is for peers of which nothing is known: some need in a Status the names of what it answers,
    see only the first item of a command, or do not know NoResp. Sizes in octets.
    """

    device_id: str
    content_type: str
    next_anchor: str
    resp_uri: str | None = None
    devinf: DevInf | None = None
    peer_known: bool = True
    max_msg_size: int = 65536
    max_obj_size: int = incoming.MAX_OBJECT
    number_of_changes: bool = False
    account: auth.Account | None = None
    asked: auth.Challenge | None = None
    before: ServerState | None = None
    busy: bool = False
    moved: str | None = None
    plain: bool = False
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answers: next state, octets, what happened, the `x-syncml-hmac`, if any."""

    state: ServerState
    octets: bytes
    events: tuple[Event, ...] = ()
    mac: str | None = None
