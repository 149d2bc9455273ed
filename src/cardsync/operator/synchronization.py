"""The operator's SyncML endpoint: one message in, one reply out, one transaction for both.

What a message changes, the state of its session and its reply are committed together, so any
worker may serve any message, and a message that comes again, after a crash or a lost reply,
gets the reply that was kept. Who is on the other side is shown by

- a card: user is the device's own name (the LocURI of Source, "IMEI:..."), password the base64
  of a one-time token. The token names the card and the database that the session may touch. An
  unknown device is registered, and the card is noted to be in it;
- a user with a password, as it stands, as a digest (MD5) or as a MAC beside the message; the
  devices of one user are apart from those of all others.
"""

import base64
import binascii
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from cardsync.errors import PeerError
from cardsync.operator.description import describe
from cardsync.operator.store import devices, sessions
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.credentials import Accounts
from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.operator.store.records import Place
from cardsync.operator.store.sessions import Session
from cardsync.syncml import auth, codec, server
from cardsync.syncml.elements import Alert, Message, SyncHdr
from cardsync.syncml.events import Finished, NotRead, PeerDescribed
from cardsync.syncml.identity import mac
from cardsync.syncml.state import ServerState, fingerprint

DATABASES = ("devman",)
"""The databases that a device may synchronize."""

MAX_MESSAGE = 256 * 1024
"""Octets of a message that we announce to take (MaxMsgSize)."""

_TEXT = "text/plain; charset=utf-8"
_UNSUPPORTED = 415
_ID_DIGITS = 19  # of a number that PostgreSQL's bigint certainly holds
_KEY = 8
"""Octets of the key of a session, which is good for it, for its device, and as long as it lasts."""
_CHALLENGE = auth.Challenge(auth.Scheme.BASIC)
_REFUSED = auth.AuthResult(ok=False, challenge=_CHALLENGE)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a POST: HTTP status, content type, body, its `x-syncml-hmac` if it has one."""

    status: int
    content_type: str
    body: bytes
    mac: str | None = None


class Synchronization:
    """Serves SyncML messages; safe to be called by many threads and processes at once.

    `account` is what we show of ourselves to users; to a card, whose session was ordered by us and
    costs what it costs on the air, we show nothing.
    """

    def __init__(
        self,
        database: Database,
        cards: Cards,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        account: auth.Account | None = None,
    ) -> None:
        self._database = database
        self._account = account
        self._cards = cards
        self._accounts = Accounts(cards.master)
        self._clock = clock

    def serve(
        self, body: bytes, content_type: str, query: str | None, beside: str | None = None
    ) -> Reply:
        """Serve one message. `query` is that of the URL: it carries our key of the session.

        It is None where the carrier has no URL: then the key stands in the target of the message.
        `beside` is what came beside the message as `x-syncml-hmac`.

        What is no SyncML message is answered 400, another content type 415.
        """
        try:
            message = codec.decode(body, content_type)
        except PeerError as error:
            status = _UNSUPPORTED if error.answer == _UNSUPPORTED else 400
            return Reply(status, _TEXT, f"{error}\n".encode())
        try:
            with self._database.transaction() as connection:
                now = self._clock()
                proof, accounts = auth.mac_proof(beside, body), (self._accounts, self._account)
                exchange = _Exchange(connection, self._cards, now, message, accounts, proof)
                return exchange.run(body, codec.media_type(content_type), query)
        except psycopg.DataError:  # a NUL, or half a surrogate pair, in one of its names
            return Reply(400, _TEXT, b"a character that no name may have\n")


class _Exchange:
    """One message and its reply, within one transaction."""

    def __init__(
        self,
        connection: Connection,
        cards: Cards,
        now: datetime,
        message: Message,
        accounts: tuple[Accounts, auth.Account | None],
        beside: auth.Proof | None,
    ) -> None:
        self._connection = connection
        self._cards = cards
        self._now = now
        self._message = message
        self._header = message.header
        self._accounts, self._account = accounts
        self._beside = beside
        self._name, self._is_card = _device_name(message, beside)
        self._device = 0
        self._known = False
        self._key = ""
        self._iccid: str | None = None
        self._allowed: str | None = None
        self._stores: dict[str, PostgresDatastore] = {}

    def run(self, body: bytes, content_type: str, query: str | None) -> Reply:
        """Serve the message, or give the reply that it got before."""
        digest = fingerprint(body)
        devices.lock(self._connection, self._header.source.uri)
        session = self._session(digest, query)
        if session and (session.message, session.digest) == (self._header.msg_id, digest):
            again = mac(ServerState.decode(session.state), self._own(session), session.reply)
            return Reply(200, session.content_type, session.reply, again)
        state = self._take_up(session)
        response = server.respond(
            state,
            self._message,
            digest=digest,
            open_datastore=lambda _, name: self._open(name),
            authenticate=self._authenticate,
            config=self._config(content_type, session),
            beside=self._beside,
        )
        if response.state.identity is None:
            self._connection.rollback()  # a stranger leaves nothing behind
        elif response.state.digest == digest:  # else it was out of turn: nothing has changed
            self._keep(response, session, len(body), content_type)
        return Reply(200, content_type, response.octets, response.mac)

    def _own(self, session: Session | None) -> auth.Account | None:
        """Give what we show of ourselves, which is nothing to a card."""
        return None if self._is_card or (session and session.iccid) else self._account

    def _asked(self, session: Session | None) -> auth.Challenge | None:
        """Give what the device wanted to be shown in its last session."""
        asks = not session and self._known and self._own(session) is not None
        last = sessions.last(self._connection, self._device) if asks else None
        return ServerState.decode(last).asked if last else None

    def _session(self, digest: str, query: str | None) -> Session | None:
        """Find the session that goes on, or the one whose first message comes again."""
        header = self._header
        if query is None:
            query = header.target.uri.partition("?")[2]
        number, _, key = query.rpartition(".")
        device = devices.find(self._connection, self._name)
        if key and header.msg_id > 1:
            named = number.isdecimal() and len(number) < _ID_DIGITS
            place = int(number) if named else device
            session = place and sessions.load(self._connection, place, key, header.source.uri)
            if session:
                return session
        if device is None:
            return None
        self._device, self._known = device, True
        return sessions.repeated(self._connection, device, header.session_id, header.msg_id, digest)

    def _take_up(self, session: Session | None) -> ServerState | None:
        """Go on with a session, or begin one: its key, and the number of a new device."""
        if session is None:
            self._key = secrets.token_urlsafe(_KEY)
            if not self._known:
                self._device = devices.new_number(self._connection)
            return None
        self._device, self._known, self._key = session.device_id, True, session.key
        self._iccid, self._allowed = session.iccid, session.allowed
        return ServerState.decode(session.state)

    def _config(self, content_type: str, session: Session | None) -> server.ServerConfig:
        ours = self._header.target.uri.partition("?")[0]
        return server.ServerConfig(
            device_id=ours,
            content_type=content_type,
            next_anchor=_anchor(self._now),
            resp_uri=f"{ours}?{self._address()}",
            devinf=describe(ours, self._header.version.dtd, DATABASES),
            peer_known=self._known and devices.is_described(self._connection, self._device),
            max_msg_size=MAX_MESSAGE,
            account=self._own(session),
            asked=self._asked(session),
        )

    def _address(self) -> str:
        """Name the session, as short as it may be: with a device that its name does not tell."""
        own = self._name == self._header.source.uri
        return self._key if own else f"{self._device}.{self._key}"

    # --- who it is --------------------------------------------------------------------------

    def _authenticate(self, proof: auth.Proof | None, device: str) -> auth.AuthResult:
        """Judge what was shown: a card's token under the device's name, or a user's password."""
        if proof is None:
            return self._refused(device)
        scheme, user = proof.scheme, proof.user
        challenge = self._challenge(scheme, user, device)
        try:
            identity = self._judge(proof, device, challenge)
        except PeerError:
            return auth.AuthResult(ok=False, challenge=challenge)
        if not self._known:
            devices.register(self._connection, self._device, self._name, self._now)
            self._known = True
        if self._iccid is not None:
            devices.pair(self._connection, self._device, self._iccid, self._now)
        if scheme is auth.Scheme.BASIC:
            return auth.AuthResult(ok=True, identity=identity)
        devices.note_proof(self._connection, self._device)
        challenge = self._challenge(scheme, user, device)
        return auth.AuthResult(ok=True, identity=identity, challenge=challenge)

    def _refused(self, device: str) -> auth.AuthResult:
        """Ask who it is: a user who is named for a digest, anybody else for a password."""
        user = _named(self._header)
        if not user:
            return _REFUSED
        return auth.AuthResult(ok=False, challenge=self._challenge(auth.Scheme.MD5, user, device))

    def _challenge(self, scheme: auth.Scheme, user: str, device: str) -> auth.Challenge:
        """Ask for the same again; a digest is made with a nonce that is good for one success."""
        if scheme is auth.Scheme.BASIC:
            return _CHALLENGE
        known = self._device if self._known else None
        return auth.Challenge(scheme, self._accounts.nonce(self._connection, user, device, known))

    def _judge(self, proof: auth.Proof, device: str, challenge: auth.Challenge) -> str:
        """Say who it is; raises `PeerError`."""
        password = _card_password(proof, device)
        if password is not None:
            return self._by_token(password)
        self._accounts.check(self._connection, proof, challenge.nonce)
        return proof.user

    def _by_token(self, password: bytes) -> str:
        try:
            token = base64.b64decode(password, validate=True)
        except binascii.Error as error:
            raise PeerError("the password is not base64") from error
        session = f"{self._header.source.uri} {self._header.session_id}"
        accepted = self._cards.accept_token(
            self._connection, token, self._targets(), session, self._now
        )
        self._iccid, self._allowed = accepted.iccid, accepted.target.removeprefix("./")
        return accepted.iccid

    def _targets(self) -> tuple[str, ...]:
        """Give what the card may have called the databases of this message, or of the session."""
        named = [
            item.target.uri
            for command in self._message.commands
            if isinstance(command, Alert)
            for item in command.items
            if item.target
        ]
        bare = {name.removeprefix("./") for name in (*named, self._allowed or "") if name}
        return tuple(form for name in sorted(bare) for form in (f"./{name}", name))

    # --- what it does -----------------------------------------------------------------------

    def _open(self, name: str) -> PostgresDatastore | None:
        if name not in DATABASES or self._allowed not in {None, name}:
            return None
        place = Place(self._device, name)
        self._stores[name] = PostgresDatastore(self._connection, place, self._now)
        return self._stores[name]

    def _keep(
        self, response: server.Response, before: Session | None, octets_in: int, content_type: str
    ) -> None:
        """Keep state and reply, what the device said of itself, and the log."""
        session = Session(
            device_id=self._device,
            key=self._key,
            peer=self._header.source.uri,
            peer_session=self._header.session_id,
            state=response.state.encode(),
            message=response.state.msg_id,
            digest=response.state.digest,
            reply=response.octets,
            content_type=content_type,
            iccid=self._iccid,
            allowed=self._allowed,
            started=before.started if before else self._now,
        )
        sessions.save(self._connection, session, self._now)
        finished = False
        for event in response.events:
            if isinstance(event, PeerDescribed):
                devices.describe(self._connection, self._device, event.devinf)
            elif isinstance(event, NotRead):
                logging.getLogger(__name__).warning("%r: %s", self._name, event.command)
            elif isinstance(event, Finished):
                finished = True
                if self._iccid is not None:
                    self._cards.close_token(self._connection, self._iccid)
                if event.result.ok:
                    devices.note_synchronized(self._connection, self._device, self._now)
        logged = [(each, self._written(each.name)) for each in response.state.databases]
        sessions.log_message(
            self._connection, session, logged, octets_in, self._now, finished=finished
        )

    def _written(self, name: str) -> int:
        store = self._stores.get(name.removeprefix("./"))
        return store.written if store else 0


def _anchor(now: datetime) -> str:
    """Name a session by its millisecond within 49 days: an anchor crosses the air three times."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFFFFFF
    return base64.urlsafe_b64encode(milliseconds.to_bytes(4, "big")).decode().rstrip("=")


def _device_name(message: Message, beside: auth.Proof | None) -> tuple[str, bool]:
    """Name a device; one that shows a user's password is that user's own.

    With it, whether a card's token is shown.
    """
    name = message.header.source.uri
    try:
        proof = auth.proof(message.header) or beside
    except PeerError:
        return name, False
    if proof is not None and _card_password(proof, name) is not None:
        return name, True
    user = proof.user if proof else _named(message.header)
    return (f"{user}: {name}" if proof or user else name), False


def _named(header: SyncHdr) -> str:
    """Give the user whom a first message names beside its device, before he shows anything."""
    return (header.source.name or "") if header.msg_id == 1 else ""


def _card_password(proof: auth.Proof, device: str) -> bytes | None:
    """Give what was shown as the password of the device itself; None if a user showed it.

    A digest is always that of a user.
    The name of a device has a colon in it, at which the pair was parted too early.
    """
    if proof.scheme is not auth.Scheme.BASIC:
        return None
    pair, user = proof.user.encode() + b":" + proof.secret, device.encode() + b":"
    return pair.removeprefix(user) if pair.startswith(user) else None
