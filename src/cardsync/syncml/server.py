"""The server's half of a session: packages 2, 4 and 6. OMA DS Protocol 1.2.

Nothing is remembered here between two messages: `respond` takes the state of the session and a
message, and gives the next state and the reply. Whoever calls it stores both in the transaction
in which the datastores wrote, and answers a message that was `answered` already by the reply
that it stored. So any process may serve any message, and none is applied twice.

    package of the client            our package                    phase before
    1  credentials, Put, Alert       2  credentials, Alert          INITIALIZATION
    3  Sync                          4  Sync                        CLIENT_CHANGES
    5  Status, Map                   6  Status                      MAPPING

Each may take several messages; SERVER_CHANGES is the phase while package 4 does. A package 4
that leaves nothing to be answered says so (NoResp) and is the last one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cardsync.errors import PeerError
from cardsync.syncml import auth, description, incoming
from cardsync.syncml.datastore import ServerDatastore
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Anchor,
    Command,
    Get,
    Item,
    Location,
    Map,
    Message,
    Meta,
    Put,
    Results,
    Status,
    Sync,
    SyncHdr,
)
from cardsync.syncml.events import Authenticated, Event, Finished, PeerDescribed
from cardsync.syncml.kinds import kind_of
from cardsync.syncml.letter import Letter
from cardsync.syncml.serving import Databases
from cardsync.syncml.state import Phase, ServerState
from cardsync.syncml.status import StatusCode

OpenDatastore = Callable[[str, str], ServerDatastore | None]
"""Give the datastore that an identity means by a name; None if there is none for it."""

Authenticate = Callable[[auth.Proof | None, str], auth.AuthResult]
"""Judge what a device (its LocURI) showed; None is shown where it gave no credentials."""

_Rejection = tuple[int, auth.Challenge | None]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The server in one session.

    `next_anchor` names this session and differs from that of the session before; `resp_uri` is
    where the next messages shall go; `peer_known` says that the client's device information is
    here already. Sizes in octets.
    """

    device_id: str
    content_type: str
    next_anchor: str
    resp_uri: str | None = None
    devinf: DevInf | None = None
    peer_known: bool = True
    max_msg_size: int = 65536
    max_obj_size: int = incoming.MAX_OBJECT


@dataclass(frozen=True, slots=True)
class Response:
    """The next state, the reply as a tree and as octets, and what happened."""

    state: ServerState
    message: Message
    octets: bytes
    events: tuple[Event, ...] = ()


def respond(
    state: ServerState | None,
    request: Message,
    *,
    digest: str,
    open_datastore: OpenDatastore,
    authenticate: Authenticate,
    config: ServerConfig,
) -> Response:
    """Serve one message, of which `digest` is the `state.fingerprint`.

    None for a state begins a session, and so does a message 1 that is not the one known.
    """
    header = request.header
    if state is None or header.msg_id == 1:
        state = ServerState.begin(header)
    turn = _Turn(state, request, open_datastore, config)
    if (header.msg_id, header.session_id) != (state.msg_id + 1, state.session_id):
        return turn.refuse(StatusCode.BAD_REQUEST)
    rejection = turn.authenticate(authenticate)
    if rejection:
        return turn.reject(rejection, digest)
    return turn.serve(digest)


class _Turn:
    """One message and its reply. `_state` is replaced as things happen."""

    def __init__(
        self,
        state: ServerState,
        request: Message,
        open_datastore: OpenDatastore,
        config: ServerConfig,
    ) -> None:
        meta = request.header.meta
        if meta and meta.max_msg_size:
            state = replace(state, max_msg_size=meta.max_msg_size)
        self._state = state
        self._request = request
        self._config = config
        self._databases = Databases(
            state, lambda name: open_datastore(self._state.identity or "", name)
        )
        self._events: list[Event] = []
        self._after: list[Results] = []  # what follows the Status commands
        self._asks = False  # whether the client must answer something of this reply
        self._letter = self._begin_letter(request.header)

    def refuse(self, code: StatusCode) -> Response:
        """Answer a message out of turn; nothing changes."""
        self._answer_header(code)
        letter = self._letter
        return Response(self._state, letter.message(final=True), letter.encode(final=True))

    def authenticate(self, authenticate: Authenticate) -> _Rejection | None:
        """Answer the header, or give the code and the challenge of the rejection."""
        header = self._request.header
        if self._state.identity is not None and header.cred is None:
            self._answer_header(StatusCode.OK)
            return None
        try:
            shown = auth.proof(header)
        except PeerError as exc:
            return exc.answer or StatusCode.UNAUTHORIZED, None
        result = authenticate(shown, header.source.uri)
        if not result.ok:
            code = StatusCode.UNAUTHORIZED if shown else StatusCode.MISSING_CREDENTIALS
            return code, result.challenge
        self._state = replace(self._state, identity=result.identity)
        self._events.append(Authenticated(result.identity))
        if shown is None:
            self._answer_header(StatusCode.OK)
        else:
            self._answer_header(StatusCode.AUTHENTICATED, result.challenge)
        return None

    def reject(self, rejection: _Rejection, digest: str) -> Response:
        """Answer a client that we do not know: every command gets the code of the header."""
        code, challenge = rejection
        self._answer_header(code, challenge)
        for command in self._request.commands:
            if not isinstance(command, Status):
                self._answer(command, code)
        return self._close(digest, final=True)

    def serve(self, digest: str) -> Response:
        """Do what every command asks, then go on with our own package."""
        for command in self._request.commands:
            self._serve(command)
        for results in self._after:
            self._letter.add(replace(results, cmd_id=self._letter.number()))
        if self._request.final:
            self._end_package()
        return self._close(digest, final=self._go_on())

    def _serve(self, command: Command) -> None:
        match command:
            case Status():
                self._databases.answered(command)
            case Put() | Results():
                self._on_devinf(command)
            case Get():
                self._on_get(command)
            case Alert():
                self._on_alert(command)
            case Sync():
                self._on_sync(command)
            case Map():
                at = self._databases.find(command.target)
                code = StatusCode.NOT_FOUND if at is None else self._databases.map(at, command)
                self._answer(command, code)
            case _:
                self._answer(command, StatusCode.NOT_SUPPORTED)

    def _on_devinf(self, command: Put | Results) -> None:
        """Take the client's device information."""
        devinf = description.told(command)
        if devinf is not None:
            self._events.append(PeerDescribed(devinf))
            self._state = replace(self._state, asked_devinf=True)
        self._answer(command, StatusCode.OK)

    def _on_get(self, command: Get) -> None:
        """Give our device information; there is nothing else to get."""
        header, config = self._request.header, self._config
        results = description.answer(command, config.devinf, header, config.content_type)
        self._answer(command, StatusCode.OK if results else StatusCode.NOT_FOUND)
        if results:
            self._after.append(results)

    def _on_alert(self, alert: Alert) -> None:
        """Take the client's wish to synchronize a database; other Alerts ask for nothing."""
        kind = kind_of(alert.code)
        if kind is None:
            known = alert.code in (AlertCode.NEXT_MESSAGE, AlertCode.RESULT, AlertCode.DISPLAY)
            self._answer(alert, StatusCode.OK if known else StatusCode.NOT_SUPPORTED)
            return
        if self._state.phase is not Phase.INITIALIZATION:
            self._answer(alert, StatusCode.FORBIDDEN)
            return
        anchor = self._config.next_anchor
        codes = [self._databases.alert(kind, item, anchor) for item in alert.items]
        code = max(codes, default=StatusCode.INCOMPLETE)
        taken = code in (StatusCode.OK, StatusCode.REFRESH_REQUIRED)
        self._answer(alert, code, _next_anchors(alert) if taken else ())

    def _on_sync(self, sync: Sync) -> None:
        """Apply the client's changes to a database, all of this message at once."""
        at = self._databases.find(sync.target)
        code = self._may_sync(sync, at)
        self._answer(sync, code)
        if code is not StatusCode.OK or at is None:
            for command in sync.commands:
                self._answer(command, code)
            return
        self._state = replace(self._state, phase=Phase.CLIENT_CHANGES)
        results = self._databases.apply(at, sync)
        if not self._request.header.no_resp:
            message = self._request.header.msg_id
            number = self._letter.number
            self._letter.extend(incoming.statuses(sync, results, message, number))

    def _may_sync(self, sync: Sync, at: int | None) -> StatusCode:
        if at is None:
            known = self._databases.known(sync.target)
            return StatusCode.FORBIDDEN if known else StatusCode.NOT_FOUND
        if self._state.phase not in (Phase.INITIALIZATION, Phase.CLIENT_CHANGES):
            return StatusCode.FORBIDDEN
        if sync.commands and not self._databases.allows_changes(at):
            return StatusCode.NOT_ALLOWED
        return StatusCode.OK

    def _end_package(self) -> None:
        """Move on after the last message of a package of the client."""
        phase = self._state.phase
        if phase is Phase.INITIALIZATION and len(self._databases):
            self._state = replace(self._state, phase=Phase.CLIENT_CHANGES)
        elif phase is Phase.CLIENT_CHANGES:
            self._databases.begin_sending()
            self._state = replace(self._state, phase=Phase.SERVER_CHANGES)
        elif phase is Phase.MAPPING:
            self._finish()

    def _go_on(self) -> bool:
        """Write what is ours to say; True if our package ends with this message."""
        self._write_alerts()
        self._ask_devinf()
        if self._state.phase is Phase.SERVER_CHANGES:
            return self._send()
        if not self._request.final and self._state.phase is not Phase.DONE:
            self._letter.add(Alert(self._letter.number(), AlertCode.NEXT_MESSAGE))
        return self._request.final

    def _write_alerts(self) -> None:
        """Answer the client's wishes by our own: the kind and the anchors. Package 2."""
        if self._state.alerted or self._state.phase is Phase.INITIALIZATION:
            return
        for database in self._databases:
            anchor = Anchor(database.server_next, database.server_last)
            meta = Meta(anchor=anchor, max_obj_size=self._config.max_obj_size)
            item = Item(Location(database.client_name), Location(database.name), meta)
            self._letter.add(Alert(self._letter.number(), database.kind, (item,)))
        self._asks = True
        self._state = replace(self._state, alerted=True)

    def _ask_devinf(self) -> None:
        """Ask for the client's device information where it is unknown."""
        if self._config.peer_known or self._state.asked_devinf:
            return
        version, content_type = self._request.header.version, self._config.content_type
        self._letter.add(description.ask(self._letter.number(), version, content_type))
        self._asks = True
        self._state = replace(self._state, asked_devinf=True)

    def _send(self) -> bool:
        """Send our changes until the message is full. Package 4."""
        if not self._databases.send(self._letter):
            return False
        if self._databases.waiting or self._asks:
            self._state = replace(self._state, phase=Phase.MAPPING)
        else:
            # With NoResp in the header "the recipient MUST NOT" answer any command with a
            # Status; nothing is left to be said. Representation Protocol 1.2, NoResp.
            self._letter.header = replace(self._letter.header, no_resp=True)
            self._finish()
        return True

    def _finish(self) -> None:
        self._state = replace(self._state, phase=Phase.DONE)
        self._databases.events.append(Finished(self._databases.finish()))

    def _begin_letter(self, header: SyncHdr) -> Letter:
        first = self._state.replies == 0
        own, theirs = self._config.max_msg_size, self._state.max_msg_size
        reply = SyncHdr(
            session_id=header.session_id,
            msg_id=self._state.replies + 1,
            target=Location(header.source.uri),
            source=Location(self._config.device_id),
            version=header.version,
            resp_uri=self._config.resp_uri if first else None,
            meta=Meta(max_msg_size=own) if first else None,
        )
        return Letter(reply, self._config.content_type, min(own, theirs or own))

    def _close(self, digest: str, *, final: bool) -> Response:
        state = replace(
            self._databases.into(self._state),
            msg_id=self._request.header.msg_id,
            digest=digest,
            replies=self._state.replies + 1,
        )
        message, octets = self._letter.message(final=final), self._letter.encode(final=final)
        events = (*self._events, *self._databases.events)
        return Response(state, message, octets, events)

    def _answer_header(self, code: int, challenge: auth.Challenge | None = None) -> None:
        if not self._request.header.no_resp:
            chal = auth.write_challenge(challenge) if challenge else None
            number, message = self._letter.number(), self._request.header.msg_id
            self._letter.add(Status(number, message, 0, "SyncHdr", code, chal=chal))

    def _answer(self, command: Command, code: int, items: tuple[Item, ...] = ()) -> None:
        silent = self._request.header.no_resp or getattr(command, "no_resp", False)
        if not silent:
            message = self._request.header.msg_id
            status = incoming.refuse(command, code, message, self._letter.number)
            self._letter.add(replace(status, items=items))


def _next_anchors(alert: Alert) -> tuple[Item, ...]:
    """Give the client's Next anchors back, as the Status of an Alert must."""
    anchors = [item.meta.anchor for item in alert.items if item.meta and item.meta.anchor]
    return tuple(Item(data=Meta(anchor=Anchor(each.next))) for each in anchors)
