"""A server's half of the WSP session of one client, silent. WAP-230-WSP-20010705-a clause 7.1.

Datagrams and a time go in, datagrams and events come out. Each `Requested` waits for `reply`,
unless `Dropped` tells that the client does not want it any more. Only POST is served: that is
all that a message needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wsp
from cardsync.transport.wsp_capabilities import DEFAULT_SDU
from cardsync.transport.wsp_codes import PduType, Reason, status_code
from cardsync.transport.wtp_responder import Failed as TransactionFailed
from cardsync.transport.wtp_responder import Invoked, Responder
from cardsync.transport.wtp_sar import Limits

METHOD_NOT_ALLOWED = wsp.Reply(status_code(405), "text/plain", b"")


class State(Enum):
    """Where the session stands. Table 15; CONNECTING is over within one datagram."""

    NULL = auto()
    CONNECTED = auto()


class Step(Enum):
    """What moves the session."""

    CONNECT = auto()
    DISCONNECT = auto()


# Table 15. A client that connects again has lost its session, and begins a new one.
NEXT: Mapping[tuple[State, Step], State] = {
    (State.NULL, Step.CONNECT): State.CONNECTED,
    (State.CONNECTED, Step.CONNECT): State.CONNECTED,
    (State.CONNECTED, Step.DISCONNECT): State.NULL,
    (State.NULL, Step.DISCONNECT): State.NULL,
}


@dataclass(frozen=True, slots=True)
class Requested:
    """The client posts; `reply` with the name of the method is owed."""

    method: int
    request: wsp.Post


@dataclass(frozen=True, slots=True)
class Dropped:
    """The method is over without a reply."""

    method: int


Event: TypeAlias = Requested | Dropped


class ServerSession:
    """A session as its server sees it."""

    def __init__(
        self, session_id: int, limits: Limits, redirect: wsp.Redirect | None = None
    ) -> None:
        """Give the session its name; with `redirect` it is refused, and the client sent there."""
        self._transactions = Responder(limits)
        self._limits = limits
        self._session_id = session_id
        self._redirect = redirect
        self._state = State.NULL
        self._client_sdu = DEFAULT_SDU
        self._methods: set[int] = set()
        self._events: list[Event] = []

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    def reply(self, method: int, reply: wsp.Reply, now: float) -> None:
        """Answer a method; one that is over is passed over.

        `LocalError` if the reply cannot be written. What is longer than the client takes is
        not sent: the client learns why.
        """
        if method not in self._methods:
            return
        octets = reply.encode()
        self._methods.remove(method)
        if self._client_sdu and len(octets) > self._client_sdu:
            self._transactions.abort(method, Reason.MRUEXCEEDED)
            return
        self._answer(method, octets, now)

    def forsake(self) -> tuple[int, ...]:
        """Give the methods that wait, and forget them: the session is not kept any more."""
        methods = tuple(sorted(self._methods))
        self._methods.clear()
        return methods

    def receive_data(self, datagram: bytes, now: float) -> None:
        """Take a datagram; raise `PeerError` for what cannot be read, and go on."""
        try:
            self._transactions.receive_data(datagram, now)
        finally:
            self._hear(now)

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
        self._hear(now)

    # Inside.

    def _hear(self, now: float) -> None:
        for event in self._transactions.events():
            if isinstance(event, TransactionFailed):
                self._drop(event.tid)
            elif isinstance(event, Invoked):
                self._hear_pdu(event, now)

    def _hear_pdu(self, event: Invoked, now: float) -> None:
        try:
            pdu = wsp.decode(event.data)
        except PeerError:
            self._refuse(event.tid, Reason.PROTOERR)
            return
        if event.tid is None:
            if isinstance(pdu, wsp.Disconnect) and pdu.session_id == self._session_id:
                self._move(Step.DISCONNECT)
            elif isinstance(pdu, wsp.Other) and pdu.kind == PduType.SUSPEND:
                self._move(Step.DISCONNECT)  # clause 7.1.5: without the facility it is the end
        elif isinstance(pdu, wsp.Connect):
            self._connect(event.tid, pdu, now)
        elif isinstance(pdu, wsp.Get | wsp.Post):
            self._method(event.tid, pdu, now)
        elif isinstance(pdu, wsp.Other) and pdu.kind == PduType.RESUME:
            self._refuse(event.tid, Reason.DISCONNECT)
        else:
            self._refuse(event.tid, Reason.PROTOERR)

    def _refuse(self, tid: int | None, reason: Reason) -> None:
        if tid is not None:
            self._transactions.abort(tid, reason)

    def _move(self, step: Step) -> None:
        self._state = NEXT[self._state, step]
        for method in sorted(self._methods):
            self._transactions.abort(method, Reason.DISCONNECT)
            self._drop(method)

    def _connect(self, tid: int, pdu: wsp.Connect, now: float) -> None:
        if self._redirect is not None:
            self._answer(tid, self._redirect.encode(), now)
            return
        self._move(Step.CONNECT)
        asked = pdu.capabilities
        granted = asked.grant(self._limits.largest, self._limits.transactions)
        if granted.client_sdu is not None:
            self._client_sdu = granted.client_sdu
        self._answer(tid, wsp.ConnectReply(self._session_id, granted).encode(), now)

    def _method(self, tid: int, pdu: wsp.Get | wsp.Post, now: float) -> None:
        if self._state is not State.CONNECTED:
            self._transactions.abort(tid, Reason.DISCONNECT)
        elif isinstance(pdu, wsp.Post) and pdu.method == PduType.POST:
            self._methods.add(tid)
            self._events.append(Requested(tid, pdu))
        else:
            self._answer(tid, METHOD_NOT_ALLOWED.encode(), now)

    def _answer(self, tid: int, octets: bytes, now: float) -> None:
        try:
            self._transactions.answer(tid, octets, now)
        except LocalError:
            # The peer knows no segmentation, and this is longer than a datagram.
            self._transactions.abort(tid, Reason.MRUEXCEEDED)

    def _drop(self, method: int) -> None:
        if method in self._methods:
            self._methods.remove(method)
            self._events.append(Dropped(method))
