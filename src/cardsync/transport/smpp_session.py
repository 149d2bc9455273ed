"""One half of an SMPP 3.4 connection, an ESME's or a message centre's, silent.

Octets and a time go in, octets and events come out; two sessions back to back understand each
other without a socket. Times are seconds of any clock that only rises. Each request that was
sent ends in exactly one event, `Answered` or `Unanswered`; each `Requested` waits for `answer`
or `refuse`, and nothing is answered before. Clauses are those of SMPP 3.4, issue 1.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from cardsync.errors import LocalError
from cardsync.transport.smpp import (
    LAST_SEQUENCE,
    Framer,
    MalformedPdu,
    Pdu,
    Request,
    Response,
    refusal,
)
from cardsync.transport.smpp_bodies import (
    Bind,
    DeliverSm,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    Unbind,
    UnbindResp,
)
from cardsync.transport.smpp_codes import BINDS, RESPONSE, CommandId, CommandStatus, status_name


class Role(Enum):
    """Whose half of the connection it is. Clause 2.2."""

    ESME = "ESME"
    SMSC = "SMSC"


class State(Enum):
    """Where the session stands. Clause 2.2; UNBOUND waits only for the socket to close."""

    OPEN = "open"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBOUND = "unbound"
    CLOSED = "closed"


_LINK = frozenset({CommandId.ENQUIRE_LINK, CommandId.UNBIND})

# Who may ask what, and when. Clause 2.3, table 2-1. What is not here is out of turn.
MAY_ASK: Mapping[tuple[State, Role], frozenset[CommandId]] = {
    (State.OPEN, Role.ESME): BINDS,
    (State.BOUND_TX, Role.ESME): _LINK | {CommandId.SUBMIT_SM},
    (State.BOUND_TX, Role.SMSC): _LINK,
    (State.BOUND_RX, Role.ESME): _LINK,
    (State.BOUND_RX, Role.SMSC): _LINK | {CommandId.DELIVER_SM},
    (State.BOUND_TRX, Role.ESME): _LINK | {CommandId.SUBMIT_SM},
    (State.BOUND_TRX, Role.SMSC): _LINK | {CommandId.DELIVER_SM},
}

# What a positive response, sent or received, makes of the state.
NEXT: Mapping[tuple[State, CommandId], State] = {
    (State.OPEN, CommandId.BIND_TRANSMITTER_RESP): State.BOUND_TX,
    (State.OPEN, CommandId.BIND_RECEIVER_RESP): State.BOUND_RX,
    (State.OPEN, CommandId.BIND_TRANSCEIVER_RESP): State.BOUND_TRX,
    (State.BOUND_TX, CommandId.UNBIND_RESP): State.UNBOUND,
    (State.BOUND_RX, CommandId.UNBIND_RESP): State.UNBOUND,
    (State.BOUND_TRX, CommandId.UNBIND_RESP): State.UNBOUND,
}

_ENDED = frozenset({State.UNBOUND, State.CLOSED})
_WINDOWED = frozenset({CommandId.SUBMIT_SM, CommandId.DELIVER_SM})
# The header cannot be trusted: answered by generic_nack, clause 4.3.
_HEADER_ERRORS = frozenset({CommandStatus.ESME_RINVCMDLEN, CommandStatus.ESME_RINVCMDID})
_BUSY = {  # what answers a request above `Limits.incoming`
    CommandId.SUBMIT_SM: CommandStatus.ESME_RTHROTTLED,
    CommandId.DELIVER_SM: CommandStatus.ESME_RX_T_APPN,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a session: counts of requests, and seconds. Clause 7.2 names the timers."""

    window: int = 10  # requests of ours that may wait for their responses, clause 2.9
    incoming: int = 1000  # requests of the peer that may wait for ours
    response_timeout: float = 10.0
    enquire_interval: float = 30.0  # of silence, until we ask whether somebody is there
    session_init: float = 10.0  # until a bind must have been accepted


@dataclass(frozen=True, slots=True)
class Requested:
    """The peer asks (a bind, a submit_sm, a deliver_sm); `answer` or `refuse` owes it a reply."""

    sequence: int
    body: Bind | SubmitSm | DeliverSm


@dataclass(frozen=True, slots=True)
class Answered:
    """A request of ours has its response; `status` says whether it was accepted."""

    sequence: int
    request: Request
    status: int
    response: Response


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request of ours has no readable response in time: whether it took effect is unknown."""

    sequence: int
    request: Request
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """The peer broke the standard; what was owed has been answered already."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over: send what `data_to_send` still gives, then close the socket."""

    reason: str


Event: TypeAlias = Requested | Answered | Unanswered | Violation | Ended


@dataclass(frozen=True, slots=True)
class _Pending:
    request: Request
    sent: float
    deadline: float


class Session:
    """One half of a connection; the half that is an ESME asks to bind as its first request."""

    def __init__(self, role: Role, now: float, limits: Limits | None = None) -> None:
        self.role = role
        self._peer = Role.SMSC if role is Role.ESME else Role.ESME
        self._limits = limits or Limits()
        self._state = State.OPEN
        self._framer = Framer()
        self._sequence = 0
        self._heard = now
        self._init_deadline = now + self._limits.session_init
        self._pending: dict[int, _Pending] = {}  # oldest first
        self._in_window = 0
        self._enquiring = False
        self._owed: dict[int, Bind | SubmitSm | DeliverSm] = {}
        self._outbox = bytearray()
        self._events: list[Event] = []

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self._state in _ENDED

    @property
    def free(self) -> int:
        """How many more messages may be sent before the window is full."""
        return self._limits.window - self._in_window

    def owes(self, sequence: int) -> bool:
        """Tell whether the request `sequence` of the peer still waits for our response."""
        return sequence in self._owed

    # What the application says.

    def ask(self, request: Request, now: float) -> int:
        """Send a request, give its sequence number; `LocalError` out of turn or window full."""
        if request.command not in MAY_ASK.get((self._state, self.role), ()):
            raise LocalError(f"{request.command.name} by the {self.role.value} in {self._state}")
        if request.command in _WINDOWED and not self.free:
            raise LocalError(f"{self._limits.window} requests wait for their responses already")
        sequence = self._next_sequence()
        self._in_window += request.command in _WINDOWED
        self._enquiring |= isinstance(request, EnquireLink)
        self._send(Pdu(request, sequence))
        self._pending[sequence] = _Pending(request, now, now + self._limits.response_timeout)
        return sequence

    def answer(self, sequence: int, response: Response) -> None:
        """Accept the request `sequence`; `LocalError` if none of that kind waits."""
        request = self._owed.get(sequence)
        if request is None or response.command != request.command | RESPONSE:
            raise LocalError(f"no request {sequence} waits for {response.command.name}")
        del self._owed[sequence]
        self._send(Pdu(response, sequence))
        self._move(response.command)

    def refuse(self, sequence: int, status: CommandStatus) -> None:
        """Refuse the request `sequence` with a status; `LocalError` if none waits."""
        if sequence not in self._owed:
            raise LocalError(f"no request {sequence} waits for a response")
        self._send(Pdu(refusal(self._owed.pop(sequence).command), sequence, status))

    # What the connection says.

    def receive_data(self, data: bytes, now: float) -> None:
        """Take octets from the peer; what comes behind the end of the session is dropped."""
        if self.ended:
            return
        self._heard = now
        self._framer.feed(data)
        try:
            while not self.ended and (frame := self._framer.take()) is not None:
                self._receive_pdu(frame)
        except MalformedPdu as error:
            # Clause 4.3: the data are corrupt; where the next PDU begins cannot be known.
            self._receive_malformed(error)
            self._end(str(error))

    def receive_eof(self) -> None:
        """Learn that the connection is gone."""
        if not self.ended:
            self._end("the connection was lost")
        self._state = State.CLOSED

    def data_to_send(self) -> bytes:
        """Give the octets for the peer, once."""
        octets = bytes(self._outbox)
        self._outbox.clear()
        return octets

    def events(self) -> list[Event]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def next_timer(self) -> float | None:
        """Give the time at which `handle_timer` wants to be called, or None."""
        if self.ended:
            return None
        # All deadlines are equally far, so that of the oldest request is the next.
        times = [next(iter(self._pending.values())).deadline] if self._pending else []
        if self._state is State.OPEN:
            times.append(self._init_deadline)
        elif not self._enquiring:
            times.append(self._heard + self._limits.enquire_interval)
        return min(times)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`: give up requests, ask whether somebody is there."""
        if self.ended:
            return
        self._expire(now)
        if self._state is State.OPEN and now >= self._init_deadline:
            self._end("no bind within the time for it")
        may_ask = EnquireLink.command in MAY_ASK.get((self._state, self.role), ())
        silent = now >= self._heard + self._limits.enquire_interval
        if may_ask and silent and not self._enquiring:
            self.ask(EnquireLink(), now)

    # Inside.

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        return self._sequence

    def _send(self, pdu: Pdu) -> None:
        self._outbox += pdu.encode()

    def _move(self, command: CommandId) -> None:
        self._state = NEXT.get((self._state, command), self._state)

    def _settle(self, sequence: int) -> Request:
        request = self._pending.pop(sequence).request
        self._in_window -= request.command in _WINDOWED
        self._enquiring &= not isinstance(request, EnquireLink)
        return request

    def _give_up(self, sequence: int, reason: str) -> None:
        self._events.append(Unanswered(sequence, self._settle(sequence), reason))

    def _end(self, reason: str, state: State = State.CLOSED) -> None:
        for sequence in tuple(self._pending):
            self._give_up(sequence, reason)
        self._owed.clear()
        self._state = state
        self._events.append(Ended(reason))

    def _expire(self, now: float) -> None:
        for sequence, late in tuple(self._pending.items()):
            if late.deadline > now:
                return
            reason = f"no response to {late.request.command.name} in time"
            self._give_up(sequence, reason)
            # Octets that came behind our question show that somebody is there after all.
            alive = isinstance(late.request, EnquireLink) and self._heard > late.sent
            if late.request.command not in _WINDOWED and not alive:
                self._end(reason)
                return

    def _receive_pdu(self, frame: bytes) -> None:
        try:
            pdu = Pdu.decode(frame)
        except MalformedPdu as error:
            self._receive_malformed(error)
            return
        body = pdu.body
        if isinstance(body, Response):
            self._receive_response(pdu, body)
        else:
            self._receive_request(pdu.sequence, body)

    def _receive_malformed(self, error: MalformedPdu) -> None:
        """Answer what cannot be read; clause 4.3 says when by generic_nack."""
        self._events.append(Violation(str(error)))
        if error.command & RESPONSE:
            if error.sequence in self._pending:
                self._give_up(error.sequence, str(error))
        elif error.status in _HEADER_ERRORS:
            self._send(Pdu(GenericNack(), error.sequence, error.status))
        else:
            self._send(Pdu(refusal(CommandId(error.command)), error.sequence, error.status))

    def _receive_request(self, sequence: int, body: Request) -> None:
        status = self._turn(body)
        if status:
            self._events.append(Violation(f"{body.command.name}: {status.name}"))
            self._send(Pdu(refusal(body.command), sequence, status))
        elif isinstance(body, EnquireLink):
            self._send(Pdu(EnquireLinkResp(), sequence))
        elif isinstance(body, Unbind):
            self._send(Pdu(UnbindResp(), sequence))
            self._end("the peer unbound", State.UNBOUND)
        elif sequence not in self._owed:  # said twice, it is answered once
            self._owed[sequence] = body
            self._events.append(Requested(sequence, body))

    def _turn(self, body: Request) -> CommandStatus:
        """Give ESME_ROK, or why the peer may not ask this now."""
        is_bind = isinstance(body, Bind)
        if body.command not in MAY_ASK.get((self._state, self._peer), ()):
            late_bind = is_bind and self._state is not State.OPEN
            return CommandStatus.ESME_RALYBND if late_bind else CommandStatus.ESME_RINVBNDSTS
        if is_bind and self._owed:
            return CommandStatus.ESME_RALYBND
        if len(self._owed) >= self._limits.incoming:
            return _BUSY.get(body.command, CommandStatus.ESME_ROK)
        return CommandStatus.ESME_ROK

    def _receive_response(self, pdu: Pdu, body: Response) -> None:
        waiting = self._pending.get(pdu.sequence)
        fits = waiting and body.command in {
            waiting.request.command | RESPONSE,
            CommandId.GENERIC_NACK,
        }
        if not fits:
            self._events.append(Violation(f"{body.command.name} answers nothing that waits"))
            return
        request = self._settle(pdu.sequence)
        self._events.append(Answered(pdu.sequence, request, pdu.status, body))
        if pdu.status == CommandStatus.ESME_ROK:
            self._move(body.command)
        if isinstance(request, Bind) and self._state is State.OPEN:
            self._end(f"bind refused: {status_name(pdu.status)}")
        elif isinstance(request, Unbind):
            self._end("unbound", State.UNBOUND)
