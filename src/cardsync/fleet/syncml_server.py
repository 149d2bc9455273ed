"""A stand-alone SyncML server: any databases, many devices, no database server.

It is neither terminal nor operator, but puts the databases of the one, the server's half of a
session and HTTP together; so it lives here. Sessions are kept in memory: one that a restart of
the server cuts off is begun anew by its client, and nothing is lost or doubled, because what was
agreed, and whose name is whose, lies with the databases.
"""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeAlias
from urllib.parse import parse_qs

from cardsync.fleet.syncml_describe import MANUFACTURER, describe
from cardsync.syncml import auth, codec, server
from cardsync.syncml.datastore import Rule
from cardsync.syncml.elements import Message, SyncHdr
from cardsync.syncml.events import Event, PeerDescribed
from cardsync.syncml.state import ServerState, fingerprint
from cardsync.syncml.tree import MalformedMessage
from cardsync.terminal.databases.indexed import SafetyStop
from cardsync.terminal.databases.indexed_server import IndexedServer
from cardsync.terminal.databases.sources import Source

MAX_MESSAGE = 1 << 20
"""Octets of a message, and of the body of a request, that we take at all."""

_SESSIONS = 4096
_OTHERS = 3  # sessions that a device has at once, besides the last one
_STRANGERS = 256  # devices that have not shown who they are; they displace nobody else
_LONGEST_NAME = 1024  # characters of what a device calls itself
_NONCE = 12  # octets
_UNSUPPORTED = 415
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a POST: HTTP status, content type, body."""

    status: int
    content_type: str
    body: bytes
    mac: str | None = None
    """What goes beside it as `x-syncml-hmac`."""


_Reply: TypeAlias = tuple[bytes, str | None]
"""A message of ours and its MAC."""

SLOW_IS_SAFE = SafetyStop(allows_slow=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """Who may come in, by name and password (nobody named: everyone), and who wins conflicts.

    `max_message` is the MaxMsgSize that we announce, in octets. `account` is what we show of
    ourselves, at least by its scheme, to devices that we know. A slow synchronization that a
    device needs is no danger here: what is equal is found again.
    """

    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    scheme: auth.Scheme = auth.Scheme.MD5
    rule: Rule = Rule.CLIENT_WINS
    max_message: int = 256 * 1024
    stop: SafetyStop = SLOW_IS_SAFE
    account: auth.Account | None = None


@dataclass(slots=True)
class _Session:
    """A session: the key that goes on with it, and the address that began it."""

    key: str
    origin: str = ""
    state: ServerState | None = None
    reply: _Reply = (b"", None)

    def awaits(self, header: SyncHdr) -> bool:
        """Say whether a message is the next one of this session."""
        named = header.session_id, header.msg_id
        return self.state is not None and (self.state.session_id, self.state.msg_id + 1) == named


@dataclass(frozen=True, slots=True)
class _Way:
    """How a message came: the query of its URL, the address of its sender, its MAC."""

    query: str
    origin: str
    beside: auth.Proof | None

    def goes_on(self, session: _Session) -> bool:
        """Say whether who sends this may go on with a session: who has its key.

        Some old devices keep to the URL that a person gave them, whatever RespURI says; for
        them, who show no key at all, the address that the session began from has to do.
        """
        shown = parse_qs(self.query).get("s")
        if shown is None:
            return bool(self.origin) and self.origin == session.origin
        return hmac.compare_digest(session.key.encode(), shown[0].encode())


@dataclass(slots=True)
class _Device:
    """What is remembered of a device: last session, next nonce, whether it told of itself.

    `name` is its LocURI. `is_ours` says that it is the other half of this, to which less needs
    to be said.
    `before` is the state of the last session that had to do with databases. `others` are sessions
    that were not over when this one began: two people may have devices of one name.
    """

    name: str
    session: _Session
    before: ServerState | None = None
    others: tuple[_Session, ...] = ()
    nonce: bytes = field(default=b"", repr=False)
    described: bool = False
    is_ours: bool = False

    def last(self, session: _Session) -> ServerState | None:
        """Give the last session with databases before another one."""
        state = self.session.state
        is_other = self.session.key != session.key
        return state if is_other and state and state.databases else self.before


Heard = Callable[[str, Sequence[Event]], None]
"""Hears what happens, with the name of the device."""


class SyncmlServer:
    """Serves messages one at a time; safe to be called by many threads."""

    def __init__(
        self,
        sources: Sequence[Source],
        settings: Settings,
        heard: Heard = lambda _device, _events: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._settings = settings
        self._heard = heard
        self._clock = clock
        self._lock = Lock()
        self._last_anchor = 0
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._strangers: OrderedDict[str, _Device] = OrderedDict()

    def serve(
        self,
        body: bytes,
        content_type: str,
        query: str | None = "",
        origin: str = "",
        mac: str | None = None,
    ) -> Reply:
        """Serve one message. `query` is that of the URL: it carries our key of the session.

        It is None where the carrier has no URL: then the key stands in the target of the message.
        `origin` is the address that the message came from, where that is known, `mac` what came
        beside it as `x-syncml-hmac`.

        Another content type is answered 415 of HTTP, and 400 what is no SyncML message at all.
        """
        told = codec.media_type(content_type)
        kind = codec.known(told)
        try:
            message = codec.decode(body, kind)
        except MalformedMessage as error:
            return self._refuse(error, kind)
        if len(message.header.source.uri) > _LONGEST_NAME:
            return Reply(400, _TEXT, b"the name of the device is too long\n")
        target = message.header.target.uri.partition("?")[2]
        way = _Way(target if query is None else query, origin, auth.mac_proof(mac, body))
        with self._lock:
            reply = self._serve(message, fingerprint(body), kind, way)
        return Reply(200, told, *reply)

    def _refuse(self, error: MalformedMessage, content_type: str) -> Reply:
        """Answer what cannot be read, in SyncML where at least its header can."""
        if error.answer == _UNSUPPORTED or error.header is None:
            status = _UNSUPPORTED if error.answer == _UNSUPPORTED else 400
            return Reply(status, _TEXT, f"{error}\n".encode())
        config = server.ServerConfig(error.header.target.uri, content_type, "")
        code = error.answer or 400
        return Reply(200, content_type, server.unreadable(error.header, code, config))

    def _serve(
        self, message: Message, digest: str, content_type: str, way: "_Way"
    ) -> tuple[bytes, str | None]:
        header = message.header
        device = self._device(header.source.uri)
        sessions = self._sessions(device, way)
        for known in sessions:
            if known.state and known.state.answered(header, digest):
                return known.reply
        session = next((each for each in sessions if each.awaits(header)), device.session)
        if header.msg_id == 1:
            session = _Session(secrets.token_urlsafe(9), way.origin)
        elif session.state and not way.goes_on(session) and self._settings.users:
            # Nobody goes on with a session of another one: who does not know its key is asked.
            session = replace(session, state=replace(session.state, identity=None))
        response = server.respond(
            session.state,
            message,
            digest=digest,
            open_datastore=lambda identity, name: self._open(
                f"{identity}/{header.source.uri}", name
            ),
            authenticate=lambda proof, _device: self._authenticate(device, proof),
            config=self._config(message, content_type, device, session),
            beside=way.beside,
        )
        reply = response.octets, response.mac
        if response.state.digest == digest:  # else it was out of turn: nothing has changed
            self._keep(device, replace(session, state=response.state, reply=reply))
            for each in response.events:
                if isinstance(each, PeerDescribed):
                    device.described = True
                    device.is_ours = each.devinf.manufacturer == MANUFACTURER
            self._heard(header.source.uri, response.events)
        return reply

    def _device(self, name: str) -> _Device:
        """Find a device, or begin to remember it."""
        known = self._devices if name in self._devices else self._strangers
        device = known.setdefault(name, _Device(name, _Session("")))
        _bound(known, name, _SESSIONS if known is self._devices else _STRANGERS)
        return device

    def _sessions(self, device: _Device, way: "_Way") -> list[_Session]:
        """Give the sessions that a message may belong to: the likeliest first.

        Somebody who has yet to show who he is may have begun one in the name of a known device.
        """
        stranger = self._strangers.get(device.name, device)
        found = [stranger.session, device.session, *device.others]
        return sorted(found, key=lambda session: not way.goes_on(session))

    def _keep(self, device: _Device, session: _Session) -> None:
        """Remember a session; one with a stranger apart, and no more of it than its last reply."""
        if session.state and session.state.identity is None:
            session.state = replace(session.state, owed=())
            stranger = self._strangers.setdefault(device.name, _Device(device.name, session))
            stranger.session = session
            _bound(self._strangers, device.name, _STRANGERS)
            return
        device.before = device.last(session)
        others = (device.session, *device.others)
        device.others = tuple([e for e in others if e.key not in ("", session.key)])[:_OTHERS]
        device.session = session
        self._strangers.pop(device.name, None)
        self._devices[device.name] = device
        _bound(self._devices, device.name, _SESSIONS)

    def _config(
        self, message: Message, content_type: str, device: _Device, session: _Session
    ) -> server.ServerConfig:
        header = message.header
        ours = header.target.uri.partition("?")[0]
        version = header.version.dtd
        return server.ServerConfig(
            device_id=ours,
            content_type=content_type,
            next_anchor=self._anchor(),
            # Some devices name the server by no URL; they will come back to where they are.
            resp_uri=f"{ours}?s={session.key}" if "://" in ours else None,
            devinf=describe(version, ours, "server", self._sources.values()),
            peer_known=device.described,
            before=device.last(session),
            max_msg_size=self._settings.max_message,
            plain=not device.is_ours,
            account=self._settings.account,
            asked=device.session.state.asked if device.session.state else None,
        )

    def _anchor(self) -> str:
        """Name a session by the second, and never two by the same."""
        self._last_anchor = max(int(self._clock()), self._last_anchor + 1)
        return str(self._last_anchor)

    def _open(self, peer: str, name: str) -> IndexedServer | None:
        source = self._sources.get(name)
        return (
            None
            if source is None
            else source.server(peer, self._settings.rule, self._settings.stop)
        )

    def _authenticate(self, device: _Device, proof: auth.Proof | None) -> auth.AuthResult:
        """Compare with the password; a nonce is good for one success."""
        settings = self._settings
        if not settings.users:
            return auth.AuthResult(ok=True, identity="")
        nonces = device.nonce, secrets.token_bytes(_NONCE)
        result, device.nonce = auth.judge(proof, settings.users, nonces, settings.scheme)
        return result


def _bound(devices: OrderedDict[str, _Device], newest: str, most: int) -> None:
    """Forget the device that was silent longest, if there are too many."""
    devices.move_to_end(newest)
    if len(devices) > most:
        devices.popitem(last=False)
