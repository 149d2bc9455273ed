"""Two halves of a session back to back: a client, a stateless server, and the wire between."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cardsync.syncml import codec
from cardsync.syncml.auth import AuthResult, Proof, mac_proof
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest, Interrupted
from cardsync.syncml.elements import AlertCode, Message
from cardsync.syncml.events import Event, SessionResult
from cardsync.syncml.memory import MemoryClientDatastore, MemoryServerDatastore
from cardsync.syncml.server import Authenticate, ServerConfig, respond
from cardsync.syncml.state import ServerState, fingerprint

URL = "http://a.example/s"
DEVICE = "IMEI:490154203237518"


def everyone(_proof: Proof | None, device: str) -> AuthResult:
    """Let every device in."""
    return AuthResult(ok=True, identity=device)


@dataclass
class Server:
    """What an operator does around `respond`: sessions and replies by session identifier."""

    datastores: dict[str, MemoryServerDatastore]
    authenticate: Authenticate = everyone
    config: ServerConfig = field(
        default_factory=lambda: ServerConfig(URL, codec.WBXML, "S0", resp_uri=None)
    )
    sessions: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)
    served: int = 0
    mac: str | None = None
    before: ServerState | None = None

    def _broken_off(self) -> ServerState | None:
        """Give the last session with databases."""
        states = (ServerState.decode(octets) for octets, _ in reversed(self.sessions.values()))
        return next((state for state in states if state.databases), None)

    def post(self, octets: bytes, mac: str | None = None) -> bytes:
        """Serve one message, as any worker would: the state comes from where it was stored.

        `mac` came beside it, and `self.mac` goes beside the reply.
        """
        request = codec.decode(octets, self.config.content_type)
        digest = fingerprint(octets)
        stored = self.sessions.get(request.header.session_id)
        state = None
        if stored:
            state = ServerState.decode(stored[0])
            if state.answered(request.header, digest):
                return stored[1]
        self.served += 1
        if request.header.msg_id == 1:
            self.before = self._broken_off()
        response = respond(
            state,
            request,
            digest=digest,
            open_datastore=lambda _identity, name: self.datastores.get(name),
            authenticate=self.authenticate,
            config=replace(
                self.config, next_anchor=f"S{request.header.session_id}", before=self.before
            ),
            beside=mac_proof(mac, octets),
        )
        self.mac = response.mac
        if response.state.digest == digest:
            self.sessions[request.header.session_id] = (response.state.encode(), response.octets)
        self.events += response.events
        self.replies.append(codec.decode(response.octets, self.config.content_type))
        return response.octets


@dataclass
class Pair:
    """A client's and a server's datastore, and a server that serves it."""

    client: MemoryClientDatastore = field(default_factory=lambda: MemoryClientDatastore("db"))
    store: MemoryServerDatastore = field(default_factory=lambda: MemoryServerDatastore("db"))
    content_type: str = codec.WBXML
    client_config: Callable[[ClientConfig], ClientConfig] = lambda config: config
    sessions: int = 0
    wire: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put the server up."""
        config = ServerConfig(URL, self.content_type, "")
        self.server = Server({"db": self.store}, config=config)

    def begin(
        self, kind: AlertCode, target: str = "db", resume: Interrupted | None = None
    ) -> ClientSession:
        """Begin a session of the client, or go on with one that broke off."""
        self.sessions += 1
        request = DatabaseRequest(self.client, target, kind, f"C{self.sessions}", resume)
        config = ClientConfig(
            URL, DEVICE, str(self.sessions), (request,), content_type=self.content_type
        )
        return ClientSession(self.client_config(config))

    def sync(
        self,
        kind: AlertCode = AlertCode.TWO_WAY,
        target: str = "db",
        resume: Interrupted | None = None,
    ) -> SessionResult:
        """Run a session to its end."""
        session = self.begin(kind, target, resume)
        self.wire = []
        while (octets := session.data_to_send()) is not None:
            reply = self.server.post(octets)
            self.wire.append((octets, reply))
            session.receive_data(reply)
        assert session.result is not None
        return session.result

    def names(self) -> dict[str, str | None]:
        """Give the server's map: its names to the client's."""
        rows = self.store._rows.values()
        return {row.identifier: row.peer for row in rows if row.data is not None}

    def equal(self) -> bool:
        """Say whether both sides have the same items, one to one by the server's map."""
        names = self.names()
        theirs = {names[each]: data for each, data in self.store.items().items()}
        return len(theirs) == len(names) and theirs == self.client.items()
