"""The half of an OBEX connection that asks, silent.

IrDA Object Exchange Protocol 1.3 clause 3 and OMA-TS-SyncML_OBEXBinding-V1_2: a connection for
the target SYNCML-SYNC, Put and Get of messages with their content type, and its end. One request
is under way at a time. Octets go in, octets and events come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
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


class State(Enum):
    """Where the client's half stands."""

    NULL = auto()
    CONNECTING = auto()
    IDLE = auto()
    PUTTING = auto()
    GETTING = auto()
    DISCONNECTING = auto()


class Step(Enum):
    """What moves the client's half."""

    CONNECT = auto()
    PUT = auto()
    GET = auto()
    DISCONNECT = auto()
    ANSWERED = auto()
    REFUSED = auto()


# Clause 3.3. What is not here is out of turn.
NEXT: Mapping[tuple[State, Step], State] = {
    (State.NULL, Step.CONNECT): State.CONNECTING,
    (State.CONNECTING, Step.ANSWERED): State.IDLE,
    (State.CONNECTING, Step.REFUSED): State.NULL,
    (State.IDLE, Step.PUT): State.PUTTING,
    (State.PUTTING, Step.ANSWERED): State.IDLE,
    (State.PUTTING, Step.REFUSED): State.IDLE,
    (State.IDLE, Step.GET): State.GETTING,
    (State.GETTING, Step.ANSWERED): State.IDLE,
    (State.GETTING, Step.REFUSED): State.IDLE,
    (State.IDLE, Step.DISCONNECT): State.DISCONNECTING,
    (State.DISCONNECTING, Step.ANSWERED): State.NULL,
    (State.DISCONNECTING, Step.REFUSED): State.NULL,
}


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection is there; the peer takes packets of up to `largest` octets."""

    largest: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The peer took what was put."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was asked for; `content_type` is that which was asked where the peer says none."""

    content_type: str
    body: bytes
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer answered the request of `step` with another code than success."""

    step: Step
    code: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is over."""


ClientEvent: TypeAlias = Connected | Stored | Fetched | Refused | Disconnected


class ClientSession:
    """The half that asks."""

    def __init__(self, limits: Limits | None = None, target: bytes = TARGET) -> None:
        self._limits = limits or Limits()
        self._target = target
        self._framer = Framer(self._limits.packet)
        self._state = State.NULL
        self._room = self._limits.packet
        self._identity: Headers = ()
        self._asked = Step.CONNECT
        self._cutter: Cutter | None = None
        self._got = bytearray()
        self._content_type = ""
        self._fields = NONE
        self._outbox = bytearray()
        self._events: list[ClientEvent] = []

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._state

    def connect(self) -> None:
        """Ask for a connection; `LocalError` if there is one."""
        self._begin(Step.CONNECT)
        headers = (Header(HeaderId.TARGET, self._target),)
        self._send(Opcode.CONNECT | FINAL, headers, self._limits.packet)

    def put(self, content_type: str, body: bytes, fields: Fields = NONE) -> None:
        """Send a message; `LocalError` out of turn, or for what cannot be written."""
        length = Header(HeaderId.LENGTH, len(body))
        headers = (*self._identity, type_header(content_type), length, *fields_to_headers(fields))
        cutter = Cutter(headers, body, self._room)
        self._begin(Step.PUT)
        self._cutter = cutter
        self._put_on(cutter)

    def get(self, content_type: str) -> None:
        """Ask for a message; `LocalError` out of turn, or for a type that cannot be written."""
        kind = type_header(content_type)
        self._begin(Step.GET)
        self._got.clear()
        self._fields = NONE
        self._content_type = content_type
        self._send(Opcode.GET | FINAL, (*self._identity, kind))

    def disconnect(self) -> None:
        """End the connection; `LocalError` out of turn."""
        self._begin(Step.DISCONNECT)
        self._send(Opcode.DISCONNECT | FINAL, self._identity)

    def receive_data(self, data: bytes) -> None:
        """Take octets of the peer; `PeerError` where the connection is of no use any more."""
        self._framer.feed(data)
        while (octets := self._framer.take()) is not None:
            packet = Packet.decode(octets, connect=self._state is State.CONNECTING)
            if self._state in {State.NULL, State.IDLE}:
                raise PeerError("an answer to nothing")
            self._receive(packet)

    def data_to_send(self) -> bytes:
        """Give the octets for the peer, once."""
        octets = bytes(self._outbox)
        self._outbox.clear()
        return octets

    def events(self) -> list[ClientEvent]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    # Inside.

    def _begin(self, step: Step) -> None:
        self._move(step)
        self._asked = step

    def _move(self, step: Step) -> None:
        if (self._state, step) not in NEXT:
            raise LocalError(f"{step.name} in the state {self._state.name}")
        self._state = NEXT[self._state, step]

    def _send(self, code: int, headers: Headers, largest: int | None = None) -> None:
        self._outbox += Packet(code, headers, largest).encode()

    def _put_on(self, cutter: Cutter) -> None:
        headers = cutter.take()
        self._send(Opcode.PUT | (FINAL if cutter.done else 0), headers)

    def _receive(self, packet: Packet) -> None:
        if packet.code == Code.CONTINUE and self._state is State.PUTTING:
            if self._cutter is None or self._cutter.done:
                raise PeerError("told to continue what is over")
            self._put_on(self._cutter)
        elif packet.code == Code.CONTINUE and self._state is State.GETTING:
            self._keep(packet.headers)
            self._send(Opcode.GET | FINAL, ())
        elif packet.code == Code.SUCCESS:
            self._answered(packet)
        else:
            asked = self._asked
            self._move(Step.REFUSED)
            self._events.append(Refused(asked, packet.code))

    def _keep(self, headers: Headers) -> None:
        self._got += body_of(headers)
        self._content_type = content_type_of(headers) or self._content_type
        self._fields = fields_of(headers) or self._fields
        if len(self._got) > self._limits.body:
            raise PeerError(f"a body of more than {self._limits.body} octets",
                            answer=Code.ENTITY_TOO_LARGE)  # fmt: skip

    def _answered(self, packet: Packet) -> None:
        if self._state is State.CONNECTING:
            self._accepted(packet)
        elif self._state is State.GETTING:
            self._keep(packet.headers)
            self._events.append(Fetched(self._content_type, bytes(self._got), self._fields))
        elif self._state is State.PUTTING:
            self._events.append(Stored())
        else:
            self._events.append(Disconnected())
        self._move(Step.ANSWERED)

    def _accepted(self, packet: Packet) -> None:
        self._room = min(packet.largest or SMALLEST_PACKET, self._limits.packet)
        identifier = number_of(packet.headers, HeaderId.CONNECTION_ID)
        if identifier is not None:
            # Clause 2.2.11: it is the first header of every request.
            self._identity = (Header(HeaderId.CONNECTION_ID, identifier),)
        who = octets_of(packet.headers, HeaderId.WHO)
        if who is not None and who != self._target:
            raise PeerError("connected to another service")
        self._events.append(Connected(self._room))
