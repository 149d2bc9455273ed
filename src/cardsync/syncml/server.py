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
that leaves nothing to be answered says so (NoResp) and is the last one. What has no room in a
reply is owed, and goes in the next one before all else.
"""

from collections import deque
from dataclasses import replace

from cardsync.errors import PeerError
from cardsync.syncml import auth, description
from cardsync.syncml.answering import answers, next_anchors, unfinished_object
from cardsync.syncml.answers import Answers
from cardsync.syncml.auth import Authenticate
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Command,
    Get,
    Item,
    Location,
    Map,
    Message,
    Put,
    Results,
    Status,
    Sync,
    SyncHdr,
    Unread,
)
from cardsync.syncml.events import Authenticated, Event, Finished, NotRead, PeerDescribed
from cardsync.syncml.identity import answered, begun, heading, judge, mac
from cardsync.syncml.kinds import HEARD, kind_of
from cardsync.syncml.letter import Letter
from cardsync.syncml.server_config import MAX_MESSAGES, OpenDatastore, Response, ServerConfig
from cardsync.syncml.serving import Databases
from cardsync.syncml.state import Phase, ServerState
from cardsync.syncml.status import StatusCode

__all__ = ["Authenticate", "OpenDatastore", "Response", "ServerConfig", "respond", "unreadable"]


def respond(
    state: ServerState | None,
    request: Message,
    *,
    digest: str,
    open_datastore: OpenDatastore,
    authenticate: Authenticate,
    config: ServerConfig,
    beside: auth.Proof | None = None,
) -> Response:
    """Serve one message, of which `digest` is the `state.fingerprint`, `beside` the MAC.

    None for a state begins a session, and so does a message 1 that is not the one known. A
    reply whose state does not have the digest has changed nothing, and is not to be stored.
    """
    header = request.header
    if state is None or header.msg_id == 1:
        state = begun(header, config)
    turn = _Turn(state, request, open_datastore, config)
    expected = state.msg_id + 1, state.session_id
    if (header.msg_id, header.session_id) != expected or state.replies >= MAX_MESSAGES:
        return turn.refuse(StatusCode.BAD_REQUEST)
    if config.moved:
        return turn.refuse(StatusCode.MOVED_PERMANENTLY, config.moved)
    if config.busy:
        return turn.refuse(StatusCode.IN_PROGRESS)
    if turn.authenticate(authenticate, beside):
        turn.serve()
    elif state.is_sealed:  # somebody else's, or changed on the way: nothing happened
        return replace(turn.close(digest), state=state)
    return turn.close(digest)


def unreadable(header: SyncHdr, code: int, config: ServerConfig) -> bytes:
    """Answer a message of which no more than the header could be read."""
    turn = _Turn(ServerState.begin(header), Message(header), lambda *_: None, config)
    return turn.refuse(code).octets


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
        self._answers = Answers(request.header, refs=config.plain)
        self._databases = Databases(
            state,
            lambda name: open_datastore(self._state.identity or "", name),
            meta.max_obj_size if meta else None,
        )
        self._events: list[Event] = []
        self._after: list[Results] = []  # what follows the Status commands
        self._rejects = self._silent = False
        self._repeats = False  # whether the client's package is to come again, or ours
        self._asks = False  # whether the client must answer something of this reply

    # --- who it is --------------------------------------------------------------------------

    def refuse(self, code: int, moved: str | None = None) -> Response:
        """Answer a message that is not served; nothing changes."""
        items = (Item(target=Location(moved)),) if moved else ()
        self._answers.to_header(code, items=items)
        letter = self._begin_letter()
        letter.pay(self._answers.owed)
        octets = letter.encode(final=True)
        return Response(self._state, octets, mac=mac(self._state, self._config.account, octets))

    def authenticate(self, authenticate: Authenticate, beside: auth.Proof | None) -> bool:
        """Answer the header; a client that we do not know has every command refused.

        One we know shows himself in vain. A MAC is that of one message: who showed one owes it.
        """
        header, sealed = self._request.header, self._state.is_sealed
        if self._state.identity is not None and not sealed:
            self._answers.to_header(StatusCode.OK)
            return True
        odd = None  # credentials of which nobody can say whose they are
        try:
            shown = beside if sealed else auth.proof(header) or beside
        except PeerError:
            shown, odd = None, header.cred
        result = authenticate(shown, header.source.uri)
        if not result.ok:
            code = StatusCode.UNAUTHORIZED if shown or odd else StatusCode.MISSING_CREDENTIALS
            return self._reject(code, result.challenge)
        sealed = shown is not None and shown.scheme is auth.Scheme.MAC
        if self._state.identity is None:
            self._events.append(Authenticated(result.identity))
        self._state = replace(self._state, identity=result.identity, is_sealed=sealed)
        for_now = sealed or (shown is None and result.challenge is None)
        code = StatusCode.OK if for_now else StatusCode.AUTHENTICATED
        self._answers.to_header(code, result.challenge)
        return True

    def _reject(self, code: int, challenge: auth.Challenge | None) -> bool:
        self._answers.to_header(code, challenge)
        for command in self._request.commands:
            if not isinstance(command, Status):
                self._answers.to(command, code)
        self._rejects = True
        return False

    # --- what it asks -----------------------------------------------------------------------

    def serve(self) -> None:
        """Do what every command asks, then move on with the packages."""
        for command in self._request.commands:
            self._serve(command)
        self._answers.owed.extend(self._after)
        if self._request.final and not self._repeats:
            self._end_package()

    def _serve(self, command: Command) -> None:
        match command:
            case Status():
                self._on_status(command)
            case Put() | Results() | Get():
                self._on_devinf(command)
            case Unread():
                self._on_unread(command)
            case Alert():
                self._on_alert(command)
            case Sync():
                self._on_sync(command)
            case Map():
                at = self._databases.find(command.target)
                code = StatusCode.NOT_FOUND if at is None else self._databases.map(at, command)
                self._answers.to(command, code)
            case _:
                self._answers.to(command, StatusCode.NOT_SUPPORTED)

    def _on_status(self, status: Status) -> None:
        if status.cmd_ref:
            self._databases.answered(status)
        else:
            before = self._state.challenges
            self._state = answered(self._state, status)
            self._repeats |= self._state.challenges > before

    def _on_devinf(self, command: Put | Results | Get) -> None:
        """Take the client's device information, or give ours."""
        header, ours, form = self._request.header, self._config.devinf, self._config.content_type
        code, theirs, results = description.exchange(command, ours, header, form)
        if theirs is not None:
            self._events.append(PeerDescribed(theirs))
            self._state = replace(self._state, asked_devinf=True)
        self._answers.to(command, code)
        self._after += [results] if results else []

    def _on_unread(self, command: Unread) -> None:
        self._events.append(NotRead(command))
        if command.name in {"Put", "Results"}:  # it would not be better if we asked for it
            self._state = replace(self._state, asked_devinf=True)
        self._databases.miss(command)  # what it may have held is not taken to be nothing
        self._answers.to(command, command.code)

    def _on_alert(self, alert: Alert) -> None:
        """Take the client's wish to synchronize a database, to resume, or to break off."""
        resume = alert.code == AlertCode.RESUME
        kind = AlertCode.RESUME if resume else kind_of(alert.code)
        if alert.code == AlertCode.SUSPEND:
            self._state = replace(self._state, phase=Phase.SUSPENDED)
            self._answers.to(alert, StatusCode.OK)
        elif kind is None:
            known = alert.code in HEARD
            self._answers.to(alert, StatusCode.OK if known else StatusCode.NOT_SUPPORTED)
            if alert.code == AlertCode.NEXT_MESSAGE and self._has_missed():
                self._databases.send_again()
                self._state = replace(self._state, phase=Phase.SERVER_CHANGES)
        elif self._state.phase is not Phase.INITIALIZATION:
            self._answers.to(alert, StatusCode.FORBIDDEN)
        else:
            self._open(alert, kind)

    def _open(self, alert: Alert, kind: AlertCode) -> None:
        """Open what an Alert names, if the client shows that it may."""
        code, challenge = judge(alert, self._request.header, self._config.guard)
        if code:
            # The package goes on, once, so that the client can come back with credentials.
            self._repeats |= challenge is not None and not self._state.has_asked
            self._state = replace(self._state, has_asked=True)
        else:
            anchor, before = self._config.next_anchor, self._config.before
            if before and before.identity != self._state.identity:
                before = None
            codes = [self._databases.alert(kind, each, anchor, before) for each in alert.items]
            code = max(codes, default=StatusCode.INCOMPLETE)
        taken = code in (StatusCode.OK, StatusCode.REFRESH_REQUIRED)
        self._answers.to(alert, code, next_anchors(alert) if taken else (), challenge)

    def _has_missed(self) -> bool:
        """Say whether the client has not looked at our package 4: old ones ask for it first."""
        answers = any(isinstance(e, Status) and e.cmd_ref for e in self._request.commands)
        return self._state.phase is Phase.MAPPING and not answers

    def _on_sync(self, sync: Sync) -> None:
        """Apply the client's changes to a database, all of this message at once."""
        at = self._databases.find(sync.target)
        code = self._may_sync(sync, at)
        if code is StatusCode.REFRESH_REQUIRED:  # our Alert says so, and package 3 is yet to come
            self._repeats = True
            self._state = replace(self._state, phase=Phase.CLIENT_CHANGES)
        if code is not StatusCode.OK or at is None:
            for command in (sync, *sync.commands):
                self._answers.to(command, code)
            return
        self._state = replace(self._state, phase=Phase.CLIENT_CHANGES, goes_on=False)
        outcomes, unfinished = self._databases.apply(at, sync)
        if self._request.final and self._databases.would_empty(at):
            code = StatusCode.FORBIDDEN
        self._answers.to(sync, code)
        if not self._request.header.no_resp and sync.target:
            store = self._databases.store(sync.target.uri)
            message = self._request.header.msg_id
            refs = self._config.plain
            self._answers.owed.extend(answers(sync.commands, outcomes, store, message, refs=refs))
            self._answers.owed.extend(map(unfinished_object, unfinished))

    def _may_sync(self, sync: Sync, at: int | None) -> StatusCode:
        if at is None:
            known = self._databases.known(sync.target)
            return StatusCode.FORBIDDEN if known else StatusCode.NOT_FOUND
        if self._state.phase not in (Phase.INITIALIZATION, Phase.CLIENT_CHANGES):
            return StatusCode.FORBIDDEN
        chosen = tuple(self._databases)[at]
        is_slow = chosen.kind is AlertCode.SLOW is not chosen.asked
        if is_slow and at >= self._state.alerted:
            return StatusCode.REFRESH_REQUIRED  # it came with the Alert: these are changes alone
        if sync.commands and not self._databases.allows_changes(at):
            return StatusCode.NOT_ALLOWED
        return StatusCode.OK

    def _end_package(self) -> None:
        """Move on after the last message of a package of the client."""
        phase = self._state.phase
        if phase is Phase.INITIALIZATION and len(self._databases):
            self._state = replace(self._state, phase=Phase.CLIENT_CHANGES)
        elif phase is Phase.CLIENT_CHANGES and not self._state.goes_on:
            self._databases.begin_sending()
            self._state = replace(self._state, phase=Phase.SERVER_CHANGES)
        elif phase is Phase.MAPPING:
            self._finish()

    # --- what we say ------------------------------------------------------------------------

    def close(self, digest: str) -> Response:
        """Write the reply: what is owed, then what is ours to say."""
        letter = self._begin_letter()
        owed = deque((*self._state.owed, *self._answers.owed))
        final = letter.pay(owed) and (self._rejects or self._go_on(letter))
        if not final and self._state.phase not in (Phase.SERVER_CHANGES, Phase.DONE):
            letter.ask(Alert(0, AlertCode.NEXT_MESSAGE))
        state = replace(
            self._databases.into(self._state),
            msg_id=self._request.header.msg_id,
            digest=digest,
            replies=self._state.replies + 1,
            owed=tuple(owed),
            goes_on=not final and (self._request.final or self._state.goes_on),
        )
        octets = letter.encode(final=final, no_resp=self._silent)
        shown = mac(self._state, self._config.account, octets)
        return Response(state, octets, (*self._events, *self._databases.events), shown)

    def _go_on(self, letter: Letter) -> bool:
        """Write what is ours to say; True if our package ends with this message."""
        if not self._write_alerts(letter) or not self._ask_devinf(letter):
            return False
        if self._state.phase is Phase.SERVER_CHANGES:
            return self._send(letter)
        return self._request.final or self._state.goes_on

    def _write_alerts(self, letter: Letter) -> bool:
        """Answer the client's wishes by our own: the kind and the anchors. Package 2."""
        waits = self._state.phase is Phase.INITIALIZATION and not self._state.has_asked
        if waits or self._state.phase is Phase.SUSPENDED:
            return True
        for at, alert in self._databases.alerts(self._config.max_obj_size):
            if at < self._state.alerted:
                continue
            number = letter.push(alert)
            if not number:
                return False
            self._databases.alerted(at, letter.header.msg_id, number)
            self._asks = True
            self._state = replace(self._state, alerted=at + 1)
        return True

    def _ask_devinf(self, letter: Letter) -> bool:
        """Ask for the client's device information where it is unknown."""
        if self._config.peer_known or self._state.asked_devinf:
            return True
        version, content_type = self._request.header.version, self._config.content_type
        if not letter.push(description.ask(version, content_type)):
            return False
        self._asks = True
        self._state = replace(self._state, asked_devinf=True)
        return True

    def _send(self, letter: Letter) -> bool:
        """Send our changes until the message is full. Package 4."""
        if not self._databases.send(letter, counts=self._config.number_of_changes):
            return False
        if self._databases.waiting or self._asks:
            self._state = replace(self._state, phase=Phase.MAPPING)
        else:
            # With NoResp in the header "the recipient MUST NOT" answer any command with a
            # Status; nothing is left to be said. Representation Protocol 1.2, NoResp.
            self._silent = not self._config.plain
            self._finish()
        return True

    def _finish(self) -> None:
        self._state = replace(self._state, phase=Phase.DONE)
        self._databases.events.append(Finished(self._databases.finish()))

    def _begin_letter(self) -> Letter:
        header, config = self._request.header, self._config
        reply = heading(header, self._state, config)
        limit = min(config.max_msg_size, self._state.max_msg_size or config.max_msg_size)
        return Letter(reply, config.content_type, limit, singly=config.plain)
