"""A client's half of a WSP session over WTP, silent. WAP-230-WSP-20010705-a clause 7.1.

Datagrams and a time go in, datagrams and events come out. Each method that was invoked ends in
exactly one event, `Replied` or `Failed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wsp
from cardsync.transport.wsp_capabilities import DEFAULT_SDU, Capabilities
from cardsync.transport.wsp_codes import Reason, http_status
from cardsync.transport.wsp_headers import Headers
from cardsync.transport.wtp_initiator import Failed as TransactionFailed
from cardsync.transport.wtp_initiator import Initiator, ResultReceived
from cardsync.transport.wtp_sar import Limits


class State(Enum):
    """Where the session stands. Table 13; CLOSING is over as soon as it is said."""

    NULL = auto()
    CONNECTING = auto()
    CONNECTED = auto()


class Step(Enum):
    """What moves the session."""

    CONNECT = auto()
    ACCEPTED = auto()
    REFUSED = auto()  # or redirected, or without an answer
    DISCONNECT = auto()  # by either side


# Table 13. What is not here is out of turn.
NEXT: Mapping[tuple[State, Step], State] = {
    (State.NULL, Step.CONNECT): State.CONNECTING,
    (State.CONNECTING, Step.ACCEPTED): State.CONNECTED,
    (State.CONNECTING, Step.REFUSED): State.NULL,
    (State.CONNECTING, Step.DISCONNECT): State.NULL,
    (State.CONNECTED, Step.DISCONNECT): State.NULL,
}


@dataclass(frozen=True, slots=True)
class Connected:
    """The session is there; `capabilities` are those that the server mentioned."""

    session_id: int
    capabilities: Capabilities
    headers: Headers


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no session: a status of HTTP, or the reason of an abort."""

    status: int | None = None
    reason: int | None = None


@dataclass(frozen=True, slots=True)
class Redirected:
    """There is no session here; another address may have one."""

    redirect: wsp.Redirect


@dataclass(frozen=True, slots=True)
class Replied:
    """The method has its reply."""

    method: int
    reply: wsp.Reply


@dataclass(frozen=True, slots=True)
class Failed:
    """The method has no reply; `reason` is a `Reason` or a `ProviderAbort`.

    `by_peer` is false where the peer was not heard or not understood.
    """

    method: int
    reason: int
    by_peer: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """The server knows the session no more."""

    reason: int


Event: TypeAlias = Connected | Refused | Redirected | Replied | Failed | Ended


class ClientSession:
    """A session as its client sees it."""

    def __init__(
        self,
        first_tid: int,
        asked: Capabilities,
        headers: Headers = (),
        limits: Limits | None = None,
    ) -> None:
        """Ask for capabilities; `headers` hold for every method of the session."""
        self._transactions = Initiator(first_tid, limits)
        self._connect = wsp.Connect(asked, headers)
        self._state = State.NULL
        self._connecting: int | None = None
        self._session_id = 0
        self._server_sdu = asked.server_sdu or 0
        self._method_mor = asked.method_mor or 1
        self._methods: set[int] = set()
        self._events: list[Event] = []

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    def connect(self, now: float) -> None:
        """Ask for a session; `LocalError` if there is one."""
        self._move(Step.CONNECT)
        self._connecting = self._transactions.invoke(self._connect.encode(), now)

    def invoke(self, request: wsp.Get | wsp.Post, now: float) -> int:
        """Send a method, give its name; `LocalError` out of turn, too long, or too many."""
        if self._state is not State.CONNECTED:
            raise LocalError(f"a method in the state {self._state.name}")
        if len(self._methods) >= self._method_mor:
            raise LocalError(f"{self._method_mor} methods are under way")
        octets = request.encode()
        if self._server_sdu and len(octets) > self._server_sdu:
            raise LocalError(f"{len(octets)} octets; the server takes {self._server_sdu}")
        method = self._transactions.invoke(octets, now)
        self._methods.add(method)
        return method

    def abort(self, method: int) -> None:
        """Give up a method: nothing more is heard of it. Clause 6.3.3.9."""
        if method in self._methods:
            self._methods.remove(method)
            self._transactions.abort(method, Reason.PEERREQ)

    def disconnect(self) -> None:
        """End the session; nothing more is heard of its methods."""
        if self._state is State.CONNECTED:
            self._transactions.tell(wsp.Disconnect(self._session_id).encode())
        elif self._connecting is not None:
            self._transactions.abort(self._connecting, Reason.DISCONNECT)
        if self._state is not State.NULL:
            self._move(Step.DISCONNECT)
        for method in self._methods:
            self._transactions.abort(method, Reason.DISCONNECT)
        self._methods.clear()

    def receive_data(self, datagram: bytes, now: float) -> None:
        """Take a datagram; raise `PeerError` for what cannot be read, and go on."""
        try:
            self._transactions.receive_data(datagram, now)
        finally:
            self._hear()

    def data_to_send(self) -> list[bytes]:
        """Give the datagrams for the peer, once."""
        return self._transactions.data_to_send()

    def events(self) -> list[Event]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def next_timer(self) -> float | None:
        """Give the time at which `handle_timer` wants to be called, or None."""
        return self._transactions.next_timer()

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        self._transactions.handle_timer(now)
        self._hear()

    # Inside.

    def _move(self, step: Step) -> None:
        if (self._state, step) not in NEXT:
            raise LocalError(f"{step.name} in the state {self._state.name}")
        self._state = NEXT[self._state, step]

    def _hear(self) -> None:
        for event in self._transactions.events():
            if event.tid == self._connecting:
                self._connecting = None
                self._hear_of_session(event)
            elif event.tid in self._methods:
                self._methods.remove(event.tid)
                self._hear_of_method(event)

    def _hear_of_session(self, event: ResultReceived | TransactionFailed) -> None:
        if isinstance(event, TransactionFailed):
            self._refused(Refused(reason=event.reason))
            return
        try:
            pdu = wsp.decode(event.data)
        except PeerError:
            self._refused(Refused(reason=Reason.PROTOERR))
            return
        if isinstance(pdu, wsp.ConnectReply):
            self._accepted(pdu)
        elif isinstance(pdu, wsp.Redirect):
            self._refused(Redirected(pdu))
        elif isinstance(pdu, wsp.Reply):
            self._refused(Refused(http_status(pdu.status)))
        else:
            self._refused(Refused(reason=Reason.PROTOERR))

    def _refused(self, event: Refused | Redirected) -> None:
        self._move(Step.REFUSED)
        self._events.append(event)

    def _accepted(self, pdu: wsp.ConnectReply) -> None:
        self._move(Step.ACCEPTED)
        self._session_id = pdu.session_id
        granted = pdu.capabilities
        # What is asked for and not answered is granted; what is neither has its default.
        if granted.server_sdu is not None:
            self._server_sdu = granted.server_sdu
        elif self._connect.capabilities.server_sdu is None:
            self._server_sdu = DEFAULT_SDU
        if granted.method_mor is not None:
            self._method_mor = max(1, granted.method_mor)
        self._events.append(Connected(pdu.session_id, granted, pdu.headers))

    def _hear_of_method(self, event: ResultReceived | TransactionFailed) -> None:
        if isinstance(event, ResultReceived):
            self._events.append(_reply(event))
            return
        self._events.append(Failed(event.tid, event.reason, event.by_peer))
        if event.user and event.reason == Reason.DISCONNECT:
            self._move(Step.DISCONNECT)
            self._events.append(Ended(event.reason))
            for method in sorted(self._methods):
                self._transactions.abort(method, Reason.DISCONNECT)
                self._events.append(Failed(method, event.reason))
            self._methods.clear()


def _reply(event: ResultReceived) -> Replied | Failed:
    try:
        pdu = wsp.decode(event.data)
    except PeerError:
        return Failed(event.tid, Reason.PROTOERR, by_peer=False)
    if not isinstance(pdu, wsp.Reply):
        return Failed(event.tid, Reason.PROTOERR, by_peer=False)
    return Replied(event.tid, pdu)
