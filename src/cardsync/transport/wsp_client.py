"""Octets with a content type over WSP, by a WAP gateway or directly to a server, and back.

    with WspCarrier("gateway.example") as carrier:
        content_type, body = carrier.exchange(url, "application/vnd.syncml+wbxml", message)

An address `http://...` goes to the gateway, or without one to the host that it names; one of
`wsp://HOST:PORT/...` to that server itself. Nothing is tried twice above WTP: whether a message
may be sent again is known to the session alone.
"""

import ipaddress
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wsp
from cardsync.transport.carrier import NONE, CarrierError, Failure, Fields, Tap, parted
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_client_session import (
    ClientSession,
    Connected,
    Event,
    Failed,
    Redirected,
    Refused,
    Replied,
    State,
)
from cardsync.transport.wsp_codes import Reason, http_status
from cardsync.transport.wsp_headers import (
    Headers,
    accept,
    fields_to_headers,
    headers_to_fields,
    retry_after,
    text_header,
)
from cardsync.transport.wtp_codes import LAST_TID, ProviderAbort
from cardsync.transport.wtp_sar import LARGEST_PACKET, Limits

CONNECTION_PORT = 9201
CONNECTIONLESS_PORT = 9200
"""WAP-259-WDP annex B; no WTLS."""

LARGEST_UNIT = 60_000
"""Octets of a message that one datagram holds beside address and headers."""

KEPT = 60.0
"""Seconds for which an unused session is kept; a peer may have forgotten an older one."""

_LARGEST_DATAGRAM = 65_536
_DIRECT = ("http", "wsp")
_BY_GATEWAY = (*_DIRECT, "https")
_MOST_REDIRECTS = 3

KINDS: Mapping[int, Failure] = {
    ProviderAbort.MESSAGETOOLARGE: Failure.TOO_LARGE,
    Reason.MRUEXCEEDED: Failure.TOO_LARGE,
    ProviderAbort.PROTOERR: Failure.GARBLED,
    Reason.PROTOERR: Failure.GARBLED,
    ProviderAbort.NORESPONSE: Failure.TIMED_OUT,
    ProviderAbort.CAPTEMPEXCEEDED: Failure.REFUSED,
    Reason.CONGESTION: Failure.REFUSED,
    Reason.MOREXCEEDED: Failure.REFUSED,
}
"""What a reason is to the session above; any other is `UNREACHABLE`."""

_BUSY = 503


class WspCarrier:
    """A client of a WAP gateway, or of a server that speaks WSP; for one thread at a time.

    In connection mode one session is kept open, and messages may be as long as both sides
    take; connectionless, a message is one datagram. Without `host` there is no gateway.
    `timeout` is seconds for a whole exchange (the look-up of a name in the DNS is the
    system's). `limits.largest` bounds an answer.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        connectionless: bool = False,
        timeout: float = 30.0,
        limits: Limits | None = None,
        tap: Tap | None = None,
        user_agent: str = "cardsync",
    ) -> None:
        self._usual = CONNECTIONLESS_PORT if connectionless else CONNECTION_PORT
        self._gateway = None if host is None else (host, port or self._usual)
        self._place = self._where = self._gateway or ("", self._usual)
        self._connectionless = connectionless
        self._timeout = timeout
        self._limits = limits or Limits()
        self._tap = tap
        self._user_agent = user_agent
        self._headers: Headers = (accept("*/*"), text_header("User-Agent", user_agent))
        self._link: _Link | None = None
        self._used = 0.0
        self._session: ClientSession | None = None
        self._unit = secrets.randbelow(0x100)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def by(self, host: str, port: int | None) -> "WspCarrier":
        """Give a carrier like this one that goes by another gateway."""
        return WspCarrier(
            host, port, connectionless=self._connectionless, timeout=self._timeout,
            limits=self._limits, tap=self._tap, user_agent=self._user_agent,
        )  # fmt: skip

    def close(self) -> None:
        """End the session and close the socket."""
        link, self._link = self._link, None
        session, self._session = self._session, None
        if link is None:
            return
        if session is not None and session.state is not State.NULL:
            session.disconnect()
            with suppress(OSError):  # nobody may be there to hear it
                link.send(*session.data_to_send())
        link.close()

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Post a message; give the answer's content type (as it was sent, or empty) and body.

        Raises `CarrierError` and nothing else for whatever the address and the peer do, and
        `LocalError` for a content type that cannot be written.
        """
        return self.exchange_beside(url, content_type, body, NONE)[:2]

    def exchange_beside(
        self, url: str, content_type: str, body: bytes, fields: Fields
    ) -> tuple[str, bytes, Fields]:
        """Do as `exchange` does, with headers by text names beside the message both ways."""
        uri, usual = self._aim(url), self._headers if self._connectionless else ()
        post = wsp.Post(uri, content_type, body, (*usual, *fields_to_headers(fields)))
        post.encode()  # what cannot be written is said before anything is sent
        now = time.monotonic()
        if now - self._used > KEPT:
            self.close()
        self._used, end = now, now + self._timeout
        try:
            exchange = self._exchange_unit if self._connectionless else self._exchange_method
            reply = exchange(post, end)
        except CarrierError:
            self.close()  # what comes late must meet nobody
            raise
        except OSError as exc:
            self.close()
            raise CarrierError(Failure.UNREACHABLE, type(exc).__name__) from exc
        return _checked(reply)

    def _aim(self, url: str) -> str:
        """Choose who is spoken to; give the address that he is told. One of WSP is told as HTTP."""
        parts = parted(url, _DIRECT if self._gateway is None else _BY_GATEWAY)
        if not wsp.is_uri(url):
            raise CarrierError(Failure.UNSUPPORTED, "an address that cannot be written")
        direct = parts.scheme == "wsp"
        place = self._gateway
        if direct or place is None:
            place = parts.hostname or "", (parts.port if direct else None) or self._usual
        if place != self._place:
            self.close()
            self._place = self._where = place
        return parts._replace(scheme="http").geturl() if direct else url

    # Without a session.

    def _exchange_unit(self, post: wsp.Post, end: float) -> wsp.Reply:
        self._unit = (self._unit + 1) & 0xFF
        datagram = _written(wsp.unit(self._unit, post))
        link = self._opened(self._where)
        link.send(datagram)
        while True:
            answer = link.receive(end)
            if answer[:1] != datagram[:1]:
                continue  # of an exchange that was given up
            try:
                _, pdu = wsp.read_unit(answer)
            except PeerError as exc:
                raise CarrierError(Failure.GARBLED, str(exc)) from exc
            if isinstance(pdu, wsp.Reply):
                return pdu

    # With a session.

    def _exchange_method(self, post: wsp.Post, end: float) -> wsp.Reply:
        session = self._connected(end)
        try:
            method = session.invoke(post, time.monotonic())
        except LocalError as exc:
            raise CarrierError(Failure.TOO_LARGE, str(exc)) from exc
        while True:
            for event in self._happened(session, end):
                if isinstance(event, Replied) and event.method == method:
                    return event.reply
                if isinstance(event, Failed):
                    raise _failure(event.reason)

    def _connected(self, end: float) -> ClientSession:
        if self._session is not None and self._session.state is State.CONNECTED:
            return self._session
        where = self._where
        for _ in range(_MOST_REDIRECTS + 1):
            found = self._connect(where, end)
            if isinstance(found, ClientSession):
                return found
            where = _elsewhere(found, where[1])
            if found.permanent:
                self._where = where
        raise CarrierError(Failure.UNREACHABLE, "sent from one gateway to the next")

    def _connect(self, where: tuple[str, int], end: float) -> ClientSession | wsp.Redirect:
        self.close()
        self._opened(where)
        largest = self._limits.largest
        asked = Capabilities(client_sdu=largest, server_sdu=largest)
        first = secrets.randbelow(LAST_TID + 1)
        session = ClientSession(first, asked, self._headers, self._limits)
        self._session = session
        session.connect(time.monotonic())
        while True:
            for event in self._happened(session, end):
                if isinstance(event, Connected):
                    return session
                if isinstance(event, Redirected):
                    return event.redirect
                if isinstance(event, Refused):
                    raise _refusal(event)

    def _happened(self, session: ClientSession, end: float) -> list[Event]:
        """Wait until something happens, a timer perhaps."""
        link = self._opened(self._where)
        link.send(*session.data_to_send())
        timer = session.next_timer()
        datagram = link.receive_until(end if timer is None else min(end, timer), end)
        # A stray datagram is nobody's; a transaction of ours that one breaks has its own event.
        with suppress(PeerError):
            if datagram is not None:
                session.receive_data(datagram, time.monotonic())
        session.handle_timer(time.monotonic())
        events = session.events()
        link.send(*session.data_to_send())
        return events

    def _opened(self, where: tuple[str, int]) -> "_Link":
        if self._link is None:
            self._link = _Link(where, self._tap)
        return self._link


class _Link:
    """A socket that is connected to one peer, and heard."""

    def __init__(self, where: tuple[str, int], tap: Tap | None) -> None:
        family, address = resolve(*where)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        here, there = self._socket.getsockname(), self._socket.getpeername()
        self._out = f"{here[0]}:{here[1]}>{there[0]}:{there[1]}"
        self._in = f"{there[0]}:{there[1]}>{here[0]}:{here[1]}"
        self._tap = tap

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self._socket.send(datagram)
            if self._tap is not None:
                self._tap(self._out, datagram)

    def receive(self, end: float) -> bytes:
        """Wait for a datagram; `CarrierError` at `end`."""
        datagram = self.receive_until(end, end)
        while datagram is None:
            datagram = self.receive_until(end, end)
        return datagram

    def receive_until(self, moment: float, end: float) -> bytes | None:
        """Wait for a datagram until `moment`; `CarrierError` from `end` on."""
        now = time.monotonic()
        if now >= end:
            raise CarrierError(Failure.TIMED_OUT, "no whole answer within the time for it")
        self._socket.settimeout(max(moment - now, 0.001))
        try:
            datagram = self._socket.recv(_LARGEST_DATAGRAM)
        except TimeoutError:
            return None
        if self._tap is not None:
            self._tap(self._in, datagram)
        return datagram

    def close(self) -> None:
        self._socket.close()


def resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Look a name up. Raises `OSError`.

    IPv4 goes first: WAP knows little else, and by UDP nobody finds out who is there.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    return family, address


def _written(datagram: bytes) -> bytes:
    if len(datagram) > LARGEST_PACKET:
        raise CarrierError(Failure.TOO_LARGE, f"{len(datagram)} octets are no datagram")
    return datagram


def _elsewhere(redirect: wsp.Redirect, port: int) -> tuple[str, int]:
    for address in redirect.addresses:
        if len(address.address) in {4, 16}:
            return str(ipaddress.ip_address(address.address)), address.port or port
    raise CarrierError(Failure.UNREACHABLE, "sent to no address of the Internet")


def _failure(reason: int) -> CarrierError:
    kind = KINDS.get(reason, Failure.UNREACHABLE)
    status = _BUSY if kind is Failure.REFUSED else None
    return CarrierError(kind, f"the transaction ended with reason {reason:02X}", status=status)


def _refusal(event: Refused) -> CarrierError:
    if event.reason is not None:
        return _failure(event.reason)
    return CarrierError(Failure.REFUSED, f"no session: {event.status}", status=event.status)


def _checked(reply: wsp.Reply) -> tuple[str, bytes, Fields]:
    """Let pass an answer whose body is worth reading."""
    status = http_status(reply.status)
    if status is None:
        raise CarrierError(Failure.GARBLED, f"status {reply.status:02X}")
    if 200 <= status < 300:
        return reply.content_type, reply.body, headers_to_fields(reply.headers)
    try:
        pause = retry_after(reply.headers, time.time())
    except PeerError:
        pause = None
    detail = f"status {status}" + (", not followed" if 300 <= status < 400 else "")
    raise CarrierError(Failure.REFUSED, detail, status=status, retry_after=pause)
