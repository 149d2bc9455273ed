"""A stand-alone SyncML client: databases of this machine with a server, over a carrier."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

from cardsync.fleet.syncml_describe import MANUFACTURER, describe
from cardsync.syncml import auth, codec
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest, Interrupted
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.events import DatabaseResult, PeerDescribed, SessionResult
from cardsync.syncml.filters import ALL, Wanted
from cardsync.syncml.kinds import becomes
from cardsync.syncml.status import StatusCode
from cardsync.terminal.databases.indexed import SafetyStop
from cardsync.terminal.databases.sources import CLOSED, Source
from cardsync.transport.carrier import Carrier, CarrierError, Failure, Headed, check_tls

_RESENDS = 3  # of one message, where the carrier lost it or its answer
_LOST = {Failure.UNREACHABLE, Failure.TIMED_OUT}
_NOT_ASKED = {StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS, StatusCode.CANCELLED}
"""Failures that have nothing to do with an interruption."""
_FORGOTTEN = {StatusCode.BAD_REQUEST, StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS}
"""How a server answers the middle of a session that it does not know."""
_WITH_NONCE = {auth.Scheme.MD5: "nonce", auth.Scheme.MAC: "mac"}
"""What is remembered of each scheme, by its name in the index."""
_BASIC = auth.Scheme.BASIC
_NONCE = 12  # octets

Tell = Callable[[int, int, int], None]
"""Hears how many items were sent and received so far, and how many octets it took."""

Bare = Callable[[str], None]
"""Hears the address to which the password itself goes, because the server asks for that."""


@dataclass(frozen=True, slots=True)
class Order:
    """What shall be synchronized, and how. Sizes in octets; `filters` go by database.

    The account's scheme is the least that is shown; without one the server may choose. `server`
    is what the server has to show of itself, at least by its scheme, if it has to.
    """

    url: str
    kind: AlertCode = AlertCode.TWO_WAY
    version: Version = Version.V1_2
    content_type: str = codec.WBXML
    account: auth.Account | None = None
    device_id: str | None = None
    max_msg_size: int = 65536
    stop: SafetyStop = CLOSED
    filters: Mapping[str, Wanted] = field(default_factory=dict)
    server: auth.Account | None = None


def synchronize(
    order: Order,
    sources: Sequence[Source],
    carrier: Carrier,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
    wants_end: Callable[[], bool] = lambda: False,
    tell: Tell = lambda _sent, _received, _octets: None,
    bare: Bare = lambda _url: None,
) -> SessionResult:
    """Run one session, or go on with one that broke off. Raises `CarrierError`.

    Where the server cannot go on, or forgot the session in the middle, as by a restart, there is
    one more, from what was agreed last.
    `wants_end` says that a person wants it to break off, in order, to go on later. `tell` hears
    after each message how many items have gone each way so far.
    """
    chosen = order.account is not None and order.account.scheme is not None
    line = _Line(order.url, carrier, pause, wants_end, tell, _quiet if chosen else bare)
    clients = [_Client(order, source, int(clock())) for source in sources]
    resumes = any(client.interrupted for client in clients)
    result = _run(order, clients, line, clock, resume=True)
    in_vain = resumes and not result.ok and result.status not in _NOT_ASKED
    forgotten = result.status in _FORGOTTEN and any(client.begun for client in clients)
    if not (in_vain or forgotten):
        return result
    clients = [_Client(order, source, int(clock())) for source in sources]
    return _run(order, clients, line, clock, resume=False)


def _run(
    order: Order,
    clients: Sequence["_Client"],
    line: "_Line",
    clock: Callable[[], float],
    *,
    resume: bool,
) -> SessionResult:
    first = clients[0].source
    device = order.device_id or _device(first)
    known = f"devinf:{order.url}#{order.version.dtd}"
    devinf = describe(order.version.dtd, device, "workstation", [each.source for each in clients])
    digest = sha256(repr(devinf).encode()).digest()
    maker = first.index.recall(f"maker:{order.url}")
    server = _Server(order, order.server, first) if order.server else None
    session = ClientSession(
        ClientConfig(
            url=order.url,
            device_id=device,
            session_id=str((int(clock()) + (not resume)) % 65536),  # never the one before
            databases=tuple([client.request(resume=resume) for client in clients]),
            version=order.version,
            content_type=order.content_type,
            max_msg_size=order.max_msg_size,
            account=_with_nonces(order, first, beside=line.has_fields),
            devinf=devinf,
            put_devinf=first.index.recall(known) != digest,
            get_devinf=maker is None,
            plain=maker != MANUFACTURER.encode(),
            beside=line.has_fields,
            authenticate=server.judge if server else None,
        )
    )
    line.run(session, order.content_type, clients, server)
    result = session.result or SessionResult(StatusCode.FAILED)
    first.index.remember(known, digest if result.ok else None)
    _learn(first, order, session)
    for client, each in zip(clients, result.databases, strict=False):
        client.end(each, result)
    return result


def _learn(source: Source, order: Order, session: ClientSession) -> None:
    """Remember who made the server, and the nonce for the next digest, unless it is of no use."""
    for event in session.events():
        if isinstance(event, PeerDescribed):
            maker = event.devinf.manufacturer or ""
            source.index.remember(f"maker:{order.url}", maker.encode())
    shown = session.account
    result = session.result
    refused = result and result.status == StatusCode.UNAUTHORIZED and not result.error
    for scheme in _WITH_NONCE:
        good = shown and shown.scheme is scheme and shown.nonce and not refused
        source.index.remember(_nonce(order, scheme), shown.nonce if shown and good else None)


def _nonce(order: Order, scheme: auth.Scheme) -> str:
    """Name the nonce that a server gave to a user."""
    return f"{_WITH_NONCE[scheme]}:{order.url}#{order.account.user if order.account else ''}"


def _with_nonces(order: Order, source: Source, *, beside: bool) -> auth.Account | None:
    """Show a digest at once to a server that gave a nonce the last time, and never less.

    Who chose basic gets it: the server may know nothing else any more.
    """
    account = order.account
    if account is None or account.scheme is _BASIC:
        return account
    for scheme in _WITH_NONCE if beside else [auth.Scheme.MD5]:
        nonce = source.index.recall(_nonce(order, scheme))
        with suppress(auth.AsksForLess):
            if nonce:
                return account.meet(auth.Challenge(scheme, nonce))
    return account


def _quiet(_url: str) -> None:
    """Say nothing: it was said, or a person has chosen it."""


class _Server:
    """What the server has to show of itself, with the nonce that it was given last."""

    def __init__(self, order: Order, account: auth.Account, source: Source) -> None:
        self._account = account
        self._index = source.index
        self._given = f"server:{order.url}#{account.user}"
        self._nonce = source.index.recall(self._given) or b""

    def judge(self, proof: auth.Proof | None, _server: str) -> auth.AuthResult:
        """Judge what is shown with one message."""
        passwords = {self._account.user: self._account.password}
        wanted = self._account.scheme or auth.Scheme.MD5
        nonces = self._nonce, secrets.token_bytes(_NONCE)
        result, self._nonce = auth.judge(proof, passwords, nonces, wanted, least=wanted)
        return result

    def told(self) -> None:
        """Remember the nonce, which goes to the server now."""
        self._index.remember(self._given, self._nonce)


class _Client:
    """One database: what of it is asked, and what is left of a session that broke off."""

    def __init__(self, order: Order, source: Source, now: int) -> None:
        self.source = source
        self.begun = False
        self._order = order
        self._key = f"interrupted:{order.url}#{source.name}"
        self._partial = f"partial:{order.url}#{source.name}"
        self._asked = order.filters.get(source.name, ALL)
        self._store = source.client(f"{order.url}#{source.name}", order.stop)
        # The session is named by the second, and never two by the same.
        last = [int(each.own) for each in self._store.anchors() if each.own.isdecimal()]
        self._anchor = str(max([now, *(second + 1 for second in last)]))

    @property
    def interrupted(self) -> Interrupted | None:
        """What is left, if the server may be asked to go on: version 1.2, the same kind."""
        kept = self.source.index.recall(self._key)
        if kept is None or self._order.version is not Version.V1_2:
            return None
        left = Interrupted.decode(kept)
        kinds = [becomes(self._order.kind, agreed=agreed) for agreed in (True, False)]
        return left if left.kind in kinds else None

    def keep(self, left: Interrupted | None) -> None:
        """Keep what is left, or forget it."""
        self.begun |= left is not None
        self.source.index.remember(self._key, left.encode() if left else None)

    def request(self, *, resume: bool) -> DatabaseRequest:
        """Say what is asked; that items may lack fields is remembered before one comes."""
        left, index = self.interrupted if resume else None, self.source.index
        if self._asked.fields:
            index.remember(self._partial, b"fields")
        return DatabaseRequest(
            self._store,
            self.source.name,
            self._order.kind,
            self._anchor,
            left,
            filter=self._asked,
            is_partial=index.recall(self._partial) is not None,
        )

    def end(self, result: DatabaseResult, session: SessionResult) -> None:
        """Forget what was left, and that items lack fields once the server has given them all."""
        gives = result.performed in (AlertCode.SLOW, AlertCode.REFRESH_FROM_SERVER)
        if gives and result.status == StatusCode.OK and not self._asked.fields:
            self.source.index.remember(self._partial, None)
        if session.status != StatusCode.CANCELLED:
            self.keep(None)


def _device(source: Source) -> str:
    """Name this end of the synchronization: every database that goes by itself is a device."""
    identity = source.index.recall("identity") or b""
    return f"cardsync-{sha256(identity).hexdigest()[:16]}"


class _Line:
    """The way to the server and back."""

    def __init__(
        self,
        first: str,
        carrier: Carrier,
        pause: Callable[[float], None],
        wants_end: Callable[[], bool],
        tell: Tell,
        bare: Bare,
    ) -> None:
        self._first = first
        self._carrier = carrier
        self._pause = pause
        self._wants_end = wants_end
        self._tell = tell
        self._bare = bare

    @property
    def has_fields(self) -> bool:
        """Whether a MAC can go beside a message."""
        return isinstance(self._carrier, Headed)

    def run(
        self,
        session: ClientSession,
        content_type: str,
        clients: Sequence[_Client],
        server: _Server | None,
    ) -> None:
        """Bring messages until the session is over; after each, keep what would be left of it."""
        while (octets := session.data_to_send()) is not None:
            if server:
                server.told()
            if session.account and session.account.scheme is _BASIC:
                self._bare(session.url.partition("?")[0])  # behind it is a key
                self._bare = _quiet
            try:
                reply, mac = self._exchange(session, content_type, octets)
            except CarrierError:
                if not self._wants_end():
                    raise
                session.drop()  # the person does not wait for a server that is silent
                return
            if self._wants_end():
                session.suspend()
            session.receive_data(reply, mac)
            self._tell(*session.so_far)
            for client, left in zip(clients, session.interrupted, strict=True):
                if session.result is None:
                    client.keep(left)

    def _exchange(
        self, session: ClientSession, content_type: str, octets: bytes
    ) -> tuple[bytes, str | None]:
        """Send a message; the same once more where it or its answer was lost on the way."""
        resends = 0
        while True:
            try:
                kind, body, mac = self._bring(session, content_type, octets)
                break
            except CarrierError as error:
                if error.kind not in _LOST or resends == _RESENDS:
                    raise
                resends += 1
                self._pause(0.2 * resends)
        if codec.known(kind) not in ("", content_type):  # some servers do not say it
            raise CarrierError(Failure.GARBLED, f"an answer of type {kind or 'none'}")
        return body, mac

    def _bring(
        self, session: ClientSession, content_type: str, octets: bytes
    ) -> tuple[str, bytes, str | None]:
        """Bring a message, with its MAC beside it where the carrier has fields."""
        carrier, url = self._carrier, session.url
        check_tls(self._first, url)
        if not isinstance(carrier, Headed):
            return *carrier.exchange(url, content_type, octets), None
        beside = {auth.HMAC_HEADER: session.mac} if session.mac else {}
        kind, body, fields = carrier.exchange_beside(url, content_type, octets, beside)
        return kind, body, fields.get(auth.HMAC_HEADER)
