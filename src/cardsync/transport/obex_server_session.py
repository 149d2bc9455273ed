"""The half of an OBEX connection that answers, silent.

IrDA Object Exchange Protocol 1.3 clause 3 and OMA-TS-SyncML_OBEXBinding-V1_2. Octets go in,
octets and events come out; each `PutAsked` and each `GetAsked` waits for its answer, and nothing
is read before it is given.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport.carrier import NONE, Fields
from cardsync.transport.obex import (
    FINAL,
    SMALLEST_PACKET,
    TARGET,
    Code,
    Cutter,
    Framer,
    Header,
    HeaderId,
    Headers,
    Limits,
    Opcode,
    Packet,
    body_of,
    content_type_of,
    fields_of,
    fields_to_headers,
    number_of,
    octets_of,
    type_header,
)

_OPCODES = frozenset(Opcode)


@dataclass(frozen=True, slots=True)
class PutAsked:
    """The peer puts a message: `accept` or `refuse` is owed."""

    content_type: str
    body: bytes
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GetAsked:
    """The peer asks for a message of a type: `send` or `refuse` is owed."""

    content_type: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The peer ended the connection."""


ServerEvent: TypeAlias = PutAsked | GetAsked | Disconnected


class ServerSession:
    """The half that answers."""

    def __init__(
        self, connection_id: int, limits: Limits | None = None, target: bytes = TARGET
    ) -> None:
        """Name the connection; only `target` is served."""
        self._limits = limits or Limits()
        self._identifier = connection_id
        self._target = target
        self._framer = Framer(self._limits.packet)
        self._connected = False
        self._owing = False
        self._room = self._limits.packet
        self._opcode: int | None = None  # of the request of which more packets follow
        self._headers: list[Header] = []
        self._size = 0
        self._cutter: Cutter | None = None
        self._outbox = bytearray()
        self._events: list[ServerEvent] = []

    def accept(self) -> None:
        """Say that what was put is taken; `LocalError` if nothing waits."""
        self._answer(Code.SUCCESS)

    def refuse(self, code: int) -> None:
        """Say that a Put or a Get cannot be served; `LocalError` if nothing waits."""
        self._answer(code)

    def send(self, content_type: str, body: bytes, fields: Fields = NONE) -> None:
        """Give what was asked for; `LocalError` if nothing waits or it cannot be written."""
        length = Header(HeaderId.LENGTH, len(body))
        headers = (type_header(content_type), length, *fields_to_headers(fields))
        cutter = Cutter(headers, body, self._room)
        self._settle()
        self._cutter = cutter
        self._send_on(cutter)

    def receive_data(self, data: bytes) -> None:
        """Take octets of the peer; `PeerError` where the connection is of no use any more."""
        self._framer.feed(data)
        while (octets := self._framer.take()) is not None:
            if self._owing and octets[0] & ~FINAL != Opcode.ABORT:
                raise PeerError("asked before it was answered")
            self._receive(octets)

    def data_to_send(self) -> bytes:
        """Give the octets for the peer, once."""
        octets = bytes(self._outbox)
        self._outbox.clear()
        return octets

    def events(self) -> list[ServerEvent]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    # Inside.

    def _answer(self, code: int) -> None:
        self._settle()
        self._reply(code)

    def _settle(self) -> None:
        if not self._owing:
            raise LocalError("nothing waits for an answer")
        self._owing = False

    def _reply(self, code: int, headers: Headers = (), largest: int | None = None) -> None:
        self._outbox += Packet(code, headers, largest).encode()

    def _forget(self) -> None:
        self._opcode, self._cutter, self._size = None, None, 0
        self._headers.clear()

    def _receive(self, octets: bytes) -> None:
        opcode = octets[0] & ~FINAL
        if opcode not in _OPCODES:
            self._reply(Code.NOT_IMPLEMENTED)
            return
        try:
            packet = Packet.decode(octets, connect=opcode == Opcode.CONNECT)
        except PeerError:
            self._forget()
            self._reply(Code.BAD_REQUEST)
            return
        if opcode == Opcode.CONNECT:
            self._connect(packet)
        elif opcode == Opcode.DISCONNECT:
            self._disconnect()
        elif opcode == Opcode.ABORT:
            self._owing = False
            self._forget()
            self._reply(Code.SUCCESS)
        else:
            self._request(opcode, packet)

    def _connect(self, packet: Packet) -> None:
        self._forget()
        if octets_of(packet.headers, HeaderId.TARGET) != self._target:
            self._reply(Code.NOT_FOUND, (), self._limits.packet)
            return
        self._connected = True
        self._room = min(packet.largest or SMALLEST_PACKET, self._limits.packet)
        headers = (
            Header(HeaderId.CONNECTION_ID, self._identifier),
            Header(HeaderId.WHO, self._target),
        )
        self._reply(Code.SUCCESS, headers, self._limits.packet)

    def _disconnect(self) -> None:
        self._forget()
        self._connected = False
        self._reply(Code.SUCCESS)
        self._events.append(Disconnected())

    def _request(self, opcode: int, packet: Packet) -> None:
        if opcode == Opcode.GET and self._cutter is not None:
            self._send_on(self._cutter)  # what follows a packet of ours asks for the next
            return
        if self._opcode not in {None, opcode}:
            self._forget()
        code = self._check(packet)
        if code is not None:
            self._forget()
            self._reply(code)
            return
        self._opcode = opcode
        self._headers += packet.headers
        if packet.code & FINAL:
            self._ask(opcode, tuple(self._headers))
        else:
            self._reply(Code.CONTINUE)

    def _check(self, packet: Packet) -> Code | None:
        """Give what is to be answered in place of serving a packet, or None."""
        if not self._connected:
            return Code.FORBIDDEN
        identifier = number_of(packet.headers, HeaderId.CONNECTION_ID)
        if identifier not in {None, self._identifier}:
            return Code.SERVICE_UNAVAILABLE  # clause 2.2.11
        self._size += sum(len(header) for header in packet.headers)
        if self._size > self._limits.body + self._limits.packet:
            return Code.ENTITY_TOO_LARGE
        return None

    def _ask(self, opcode: int, headers: Headers) -> None:
        self._forget()
        content_type = content_type_of(headers)
        body = body_of(headers)
        if content_type is None:
            self._reply(Code.BAD_REQUEST)
        elif len(body) > self._limits.body:
            self._reply(Code.ENTITY_TOO_LARGE)
        else:
            self._owing = True
            put = PutAsked(content_type, body, fields_of(headers))
            self._events.append(put if opcode == Opcode.PUT else GetAsked(content_type))

    def _send_on(self, cutter: Cutter) -> None:
        headers = cutter.take()
        if cutter.done:
            self._cutter = None
        self._reply(Code.SUCCESS if cutter.done else Code.CONTINUE, headers)
