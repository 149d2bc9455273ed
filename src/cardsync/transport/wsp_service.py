"""The WSP sessions of all clients of a server, and its requests without a session, silent.

WAP-230-WSP-20010705-a clauses 7.1 and 7.2. A peer is its address and port, in whatever form the
shell knows them. The number of peers is bounded: the one that was silent longest is forgotten
first, and connects again.
"""

import heapq
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cardsync.transport import wsp
from cardsync.transport.wsp_codes import PduType, status_code
from cardsync.transport.wsp_server_session import (
    METHOD_NOT_ALLOWED,
    Dropped,
    Requested,
    ServerSession,
    State,
)
from cardsync.transport.wtp_sar import LARGEST_PACKET, Limits

Peer = TypeVar("Peer", bound=Hashable)

LARGEST_SESSION_ID = 0xFFFFFFFF
_MOST_TIMERS = 4  # to a peer


@dataclass(frozen=True, slots=True)
class Call(Generic[Peer]):
    """A peer posts; `reply` with this call is owed.

    `number` is the method of a session, or the transaction of a request without one.
    """

    peer: Peer
    number: int
    request: wsp.Post


@dataclass(frozen=True, slots=True)
class Gone(Generic[Peer]):
    """A call is over without a reply: the peer does not want it, or is not there."""

    peer: Peer
    number: int


class Service(Generic[Peer]):
    """Sessions in connection mode."""

    def __init__(
        self,
        first_session: int,
        limits: Limits | None = None,
        *,
        peers: int = 4096,
        redirect: wsp.Redirect | None = None,
    ) -> None:
        """Name sessions from `first_session` on; remember at most `peers` clients."""
        self._limits = limits or Limits()
        self._next_session = first_session
        self._most = peers
        self._redirect = redirect
        self._sessions: OrderedDict[Peer, ServerSession] = OrderedDict()
        self._strangers: OrderedDict[Peer, ServerSession] = OrderedDict()  # not connected
        self._timers: list[tuple[float, int, Peer]] = []  # a heap; what is late is looked at anew
        self._timer_of: dict[Peer, float] = {}
        self._pushed = 0
        self._outbox: list[tuple[Peer, bytes]] = []
        self._events: list[Call[Peer] | Gone[Peer]] = []

    def receive_data(self, datagram: bytes, peer: Peer, now: float) -> None:
        """Take a datagram; raise `PeerError` for what cannot be read, and go on."""
        session = self._session(peer)
        try:
            session.receive_data(datagram, now)
        finally:
            self._collect(peer, session)

    def reply(self, call: Call[Peer], reply: wsp.Reply, now: float) -> None:
        """Answer a call; one that is over is passed over. `LocalError` if it cannot be written."""
        session = self._known(call.peer)
        if session is not None:
            session.reply(call.number, reply, now)
            self._collect(call.peer, session)

    def data_to_send(self) -> list[tuple[Peer, bytes]]:
        """Give datagrams with their peers, once."""
        datagrams, self._outbox = self._outbox, []
        return datagrams

    def events(self) -> list[Call[Peer] | Gone[Peer]]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def next_timer(self) -> float | None:
        """Give the time at which `handle_timer` wants to be called, or None."""
        return self._timers[0][0] if self._timers else None

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        while self._timers and self._timers[0][0] <= now:
            time, _, peer = heapq.heappop(self._timers)
            if self._timer_of.get(peer) != time:
                continue
            del self._timer_of[peer]
            session = self._known(peer)
            if session is not None:
                session.handle_timer(now)
                self._collect(peer, session)

    # Inside.

    def _known(self, peer: Peer) -> ServerSession | None:
        return self._sessions.get(peer) or self._strangers.get(peer)

    def _session(self, peer: Peer) -> ServerSession:
        for sessions in (self._sessions, self._strangers):
            if peer in sessions:
                sessions.move_to_end(peer)
                return sessions[peer]
        if len(self._sessions) + len(self._strangers) >= self._most:
            self._forget()
        session = ServerSession(self._next_session, self._limits, self._redirect)
        self._next_session = (self._next_session + 1) & LARGEST_SESSION_ID
        self._strangers[peer] = session
        return session

    def _forget(self) -> None:
        """Forget who was silent longest: of those without a session, while there are any.

        So a flood of forged addresses drives nobody out who has a session.
        """
        peer, session = (self._strangers or self._sessions).popitem(last=False)
        self._timer_of.pop(peer, None)
        self._events += [Gone(peer, number) for number in session.forsake()]

    def _collect(self, peer: Peer, session: ServerSession) -> None:
        if session.state is State.CONNECTED and peer in self._strangers:
            self._sessions[peer] = self._strangers.pop(peer)
        for event in session.events():
            if isinstance(event, Requested):
                self._events.append(Call(peer, event.method, event.request))
            elif isinstance(event, Dropped):
                self._events.append(Gone(peer, event.method))
        self._outbox += [(peer, datagram) for datagram in session.data_to_send()]
        due = session.next_timer()
        known = self._timer_of.get(peer)
        if due is not None and (known is None or due < known):
            self._timer_of[peer] = due
            self._pushed += 1
            heapq.heappush(self._timers, (due, self._pushed, peer))
            if len(self._timers) > _MOST_TIMERS * self._most:
                self._forget_timers()

    def _forget_timers(self) -> None:
        """Drop the timers of peers that were forgotten: a flood leaves nothing behind."""
        self._timers = [
            (due, number, peer) for number, (peer, due) in enumerate(self._timer_of.items())
        ]
        heapq.heapify(self._timers)


class UnitService(Generic[Peer]):
    """Requests without a session: one datagram each way. Clause 7.2."""

    def __init__(self, largest: int = LARGEST_PACKET) -> None:
        """Take replies up to `largest` octets."""
        self._largest = largest
        self._under_way: set[tuple[Peer, int]] = set()
        self._outbox: list[tuple[Peer, bytes]] = []
        self._events: list[Call[Peer]] = []

    def receive_data(self, datagram: bytes, peer: Peer) -> None:
        """Take a datagram; raise `PeerError` for what cannot be read: nothing is owed for it.

        One that comes again while its first is thought about is passed over.
        """
        tid, pdu = wsp.read_unit(datagram)
        if (peer, tid) in self._under_way:
            return
        if isinstance(pdu, wsp.Post) and pdu.method == PduType.POST:
            self._under_way.add((peer, tid))
            self._events.append(Call(peer, tid, pdu))
        elif isinstance(pdu, wsp.Get | wsp.Post):
            self._outbox.append((peer, wsp.unit(tid, METHOD_NOT_ALLOWED)))

    def reply(self, call: Call[Peer], reply: wsp.Reply) -> None:
        """Answer a call; what does not fit into a datagram becomes an error of the server.

        `LocalError` if it cannot be written.
        """
        self._under_way.discard((call.peer, call.number))
        datagram = wsp.unit(call.number, reply)
        if len(datagram) > self._largest:
            too_long = wsp.Reply(status_code(500), "text/plain", b"too long for a datagram")
            datagram = wsp.unit(call.number, too_long)
        self._outbox.append((call.peer, datagram))

    def data_to_send(self) -> list[tuple[Peer, bytes]]:
        """Give datagrams with their peers, once."""
        datagrams, self._outbox = self._outbox, []
        return datagrams

    def events(self) -> list[Call[Peer]]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened
