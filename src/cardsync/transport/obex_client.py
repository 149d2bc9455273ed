"""Octets with a content type over OBEX and TCP, and back.

    with ObexCarrier("phone.example") as carrier:
        content_type, body = carrier.exchange(url, "application/vnd.syncml+wbxml", message)

A message is put, and its answer is got. Without a host of its own the carrier connects to that of
the address, `obex://HOST:PORT/...` or `http://HOST/...`; the address itself is not carried: the
connection is the address. Nothing is tried twice.
"""

import socket
import time
from types import TracebackType
from typing import Self

from cardsync.errors import PeerError
from cardsync.transport.carrier import NONE, CarrierError, Failure, Fields, Tap, parted
from cardsync.transport.obex import Code, Limits, http_status
from cardsync.transport.obex_client_session import (
    ClientEvent,
    ClientSession,
    Fetched,
    Refused,
    State,
)

PORT = 650
"""IANA's for OBEX."""

KEPT = 60.0
"""Seconds for which an unused connection is kept; a peer may have closed an older one."""

_CHUNK = 65_536
_SCHEMES = ("http", "obex")


class ObexCarrier:
    """A client that keeps one connection open; for one thread at a time.

    `timeout` is seconds for a whole exchange from connecting to the last octet (the look-up of
    a name in the DNS is the system's). `limits.body` bounds an answer.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int = PORT,
        *,
        timeout: float = 30.0,
        limits: Limits | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._is_bound = host is not None
        self._where = (host or "", port)
        self._timeout = timeout
        self._limits = limits or Limits()
        self._tap = tap
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._session = ClientSession(self._limits)
        self._ends = ("", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        end = time.monotonic() + 1.0
        try:
            if self._socket is not None and self._session.state is State.IDLE:
                self._session.disconnect()
                self._await(end)
        except (OSError, PeerError):
            pass  # it is over in any case
        finally:
            self._drop()

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Put a message and get its answer: its content type and body.

        Raises `CarrierError` for whatever the peer does, and `LocalError` for a content type
        that cannot be written.
        """
        return self.exchange_beside(url, content_type, body, NONE)[:2]

    def exchange_beside(
        self, url: str, content_type: str, body: bytes, fields: Fields
    ) -> tuple[str, bytes, Fields]:
        """Do as `exchange` does, with lines of HTTP beside the message both ways."""
        if not self._is_bound:
            self._aim(url)
        now = time.monotonic()
        if now - self._used > KEPT:
            self.close()
        self._used, end = now, now + self._timeout
        try:
            if self._socket is None:
                self._connect(end)
            self._session.put(content_type, body, fields)
            self._await(end)
            self._session.get(content_type)
            event = self._await(end)
        except CarrierError as error:
            if error.kind is not Failure.REFUSED or self._session.state is not State.IDLE:
                self._drop()
            raise
        except PeerError as exc:
            self._drop()
            kind = Failure.TOO_LARGE if exc.answer == Code.ENTITY_TOO_LARGE else Failure.GARBLED
            raise CarrierError(kind, str(exc)) from exc
        except OSError as exc:
            self._drop()
            raise CarrierError(Failure.UNREACHABLE, type(exc).__name__) from exc
        if not isinstance(event, Fetched):
            raise CarrierError(Failure.GARBLED, "no answer to a Get")
        return event.content_type, event.body, event.fields

    # Inside.

    def _aim(self, url: str) -> None:
        """Choose who is spoken to. The port in an address of HTTP is none of OBEX."""
        parts = parted(url, _SCHEMES)
        where = parts.hostname or "", (parts.port if parts.scheme == "obex" else None) or PORT
        if where != self._where:
            self.close()
            self._where = where

    def _connect(self, end: float) -> None:
        self._session = ClientSession(self._limits)
        try:
            self._socket = socket.create_connection(self._where, _left(end))
        except TimeoutError as exc:
            raise _timed_out() from exc
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        here, there = self._socket.getsockname(), self._socket.getpeername()
        names = f"{here[0]}:{here[1]}", f"{there[0]}:{there[1]}"
        self._ends = ">".join(names), ">".join(reversed(names))
        self._session.connect()
        self._await(end)

    def _await(self, end: float) -> ClientEvent:
        """Send and receive until the request is answered; raise what it is refused with."""
        while True:
            self._send(self._session.data_to_send(), end)
            for event in self._session.events():
                if isinstance(event, Refused):
                    raise _refusal(event.code)
                return event
            self._session.receive_data(self._receive(end))

    def _send(self, octets: bytes, end: float) -> None:
        link = self._opened()
        try:
            link.settimeout(_left(end))
            link.sendall(octets)
        except TimeoutError as exc:
            raise _timed_out() from exc
        if self._tap is not None and octets:
            self._tap(self._ends[0], octets)

    def _receive(self, end: float) -> bytes:
        link = self._opened()
        try:
            link.settimeout(_left(end))
            octets = link.recv(_CHUNK)
        except TimeoutError as exc:
            raise _timed_out() from exc
        if not octets:
            raise CarrierError(Failure.UNREACHABLE, "the connection was closed")
        if self._tap is not None:
            self._tap(self._ends[1], octets)
        return octets

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise CarrierError(Failure.UNREACHABLE, "there is no connection")
        return self._socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _timed_out()
    return left


def _timed_out() -> CarrierError:
    return CarrierError(Failure.TIMED_OUT, "no whole answer within the time for it")


def _refusal(code: int) -> CarrierError:
    status = http_status(code)
    if status is None:
        return CarrierError(Failure.GARBLED, f"code {code:02X}")
    return CarrierError(Failure.REFUSED, f"code {code:02X}", status=status)
