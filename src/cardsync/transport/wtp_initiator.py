"""The side that begins transactions, silent. WAP-224-WTP-20010710-a clauses 7 and 9.

Datagrams and a time go in, datagrams and events come out. Each transaction of class 2 ends in
exactly one event, `ResultReceived` or `Failed`, unless it is aborted from here. What is out of
turn or belongs to no transaction is a repetition from the network, and ignored or refused as
the clauses say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wtp
from cardsync.transport.wtp_codes import (
    LAST_TID,
    RESPONDER,
    ProviderAbort,
    Trailer,
    TransactionClass,
)
from cardsync.transport.wtp_sar import Heard, Here, Incoming, Limits, Missing, Outgoing, Packet


class State(Enum):
    """Where a transaction stands. Clause 9.3; INVOKING is RESULT WAIT before "hold on"."""

    INVOKING = auto()
    RESULT_WAIT = auto()
    WAIT_TIMEOUT = auto()
    NULL = auto()


class Step(Enum):
    """What moves a transaction."""

    INVOKE_HELD = auto()  # the peer has the whole invocation: "hold on"
    RESULT_WHOLE = auto()
    ENDED = auto()  # aborted by either side, or given up
    TIMED_OUT = auto()


# Clause 9.3. What is not here is out of turn.
NEXT: Mapping[tuple[State, Step], State] = {
    (State.INVOKING, Step.INVOKE_HELD): State.RESULT_WAIT,
    (State.INVOKING, Step.RESULT_WHOLE): State.WAIT_TIMEOUT,
    (State.INVOKING, Step.ENDED): State.NULL,
    (State.RESULT_WAIT, Step.RESULT_WHOLE): State.WAIT_TIMEOUT,
    (State.RESULT_WAIT, Step.ENDED): State.NULL,
    (State.WAIT_TIMEOUT, Step.ENDED): State.NULL,
    (State.WAIT_TIMEOUT, Step.TIMED_OUT): State.NULL,
}

_ACTIVE = frozenset({State.INVOKING, State.RESULT_WAIT})


@dataclass(frozen=True, slots=True)
class ResultReceived:
    """The transaction `tid` has its result."""

    tid: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The transaction `tid` has no result: `reason` is the user's (WSP's) or a `ProviderAbort`.

    `by_peer` is false where the peer was not heard or not understood: whether it took the
    invocation is unknown then.
    """

    tid: int
    reason: int
    user: bool = False
    by_peer: bool = True


Event: TypeAlias = ResultReceived | Failed


class _Transaction:
    """One invocation and its result."""

    def __init__(self, invocation: Outgoing, limits: Limits) -> None:
        self.state = State.INVOKING
        self.invocation = invocation
        self.result = Incoming(limits)
        self.end = 0.0  # of waiting for the result, or of WAIT_TIMEOUT

    def move(self, step: Step) -> None:
        self.state = NEXT[self.state, step]

    def next_timer(self) -> float:
        times = (self.invocation.deadline, self.result.deadline)
        return min((self.end, *(time for time in times if time is not None)))


class Initiator:
    """All transactions that are begun here with one peer."""

    def __init__(self, first_tid: int, limits: Limits | None = None) -> None:
        """Begin with the transaction `first_tid`, 0 to 32767: best a random number."""
        self._limits = limits or Limits()
        self._tid = (first_tid - 1) & LAST_TID
        self._transactions: dict[int, _Transaction] = {}
        self._outbox: list[bytes] = []
        self._events: list[Event] = []

    def invoke(self, data: bytes, now: float) -> int:
        """Begin a transaction of class 2; give its TID. `LocalError` where it cannot be sent."""
        if len(self._transactions) >= self._limits.transactions and not self._forget():
            raise LocalError(f"{len(self._transactions)} transactions are under way")
        transaction = _Transaction(Outgoing(data, self._limits), self._limits)
        transaction.end = now + self._limits.answer
        tid = self._next_tid()
        self._transactions[tid] = transaction
        self._send_packets(tid, transaction.invocation.begin(now))
        return tid

    def tell(self, data: bytes) -> None:
        """Send a transaction of class 0: one datagram, no answer, no guarantee."""
        tid = self._next_tid()
        self._send(wtp.Invoke(tid, data, TransactionClass.UNRELIABLE, Trailer.LAST))

    def abort(self, tid: int, reason: int) -> None:
        """Give up a transaction for a reason of WSP's; nothing more is heard of it."""
        transaction = self._transactions.get(tid)
        if transaction is not None and transaction.state in _ACTIVE:
            self._send(wtp.Abort(tid, reason, user=True))
            self._end(tid, transaction)

    def receive_data(self, datagram: bytes, now: float) -> None:
        """Take a datagram of the peer; raise `MalformedPdu` for what cannot be read."""
        for octets in wtp.split(datagram):
            try:
                pdu = wtp.decode(octets)
            except wtp.MalformedPdu as error:
                self._refuse(error)
                raise
            self._receive_pdu(pdu, now)

    def data_to_send(self) -> list[bytes]:
        """Give the datagrams for the peer, once."""
        datagrams, self._outbox = self._outbox, []
        return datagrams

    def events(self) -> list[Event]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def next_timer(self) -> float | None:
        """Give the time at which `handle_timer` wants to be called, or None."""
        times = (transaction.next_timer() for transaction in self._transactions.values())
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`: send again, give up, forget."""
        for tid, transaction in tuple(self._transactions.items()):
            if transaction.next_timer() <= now:
                self._expire(tid, transaction, now)

    # Inside.

    def _next_tid(self) -> int:
        self._tid = (self._tid + 1) & LAST_TID
        return self._tid

    def _forget(self) -> bool:
        """Forget the oldest transaction that is over; say whether there was one."""
        for tid, transaction in self._transactions.items():
            if transaction.state is State.WAIT_TIMEOUT:
                del self._transactions[tid]
                return True
        return False

    def _send(self, pdu: wtp.Pdu) -> None:
        self._outbox.append(wtp.encode(pdu))

    def _send_packets(self, tid: int, packets: tuple[Packet, ...]) -> None:
        for packet in packets:
            if packet.psn:
                self._send(
                    wtp.SegmentedInvoke(tid, packet.psn, packet.data, packet.trailer, packet.rid)
                )
            else:
                tcl = TransactionClass.RESULT
                self._send(wtp.Invoke(tid, packet.data, tcl, packet.trailer, packet.rid))

    def _end(self, tid: int, transaction: _Transaction) -> None:
        transaction.move(Step.ENDED)
        del self._transactions[tid]

    def _fail(self, tid: int, transaction: _Transaction, failed: Failed) -> None:
        active = transaction.state in _ACTIVE
        self._end(tid, transaction)
        if active:
            self._events.append(failed)

    def _refuse(self, error: wtp.MalformedPdu) -> None:
        """Abort the transaction to which a malformed PDU belongs. Clause 9.2."""
        tid = -1 if error.tid is None else error.tid ^ RESPONDER
        transaction = self._transactions.get(tid)
        if transaction is not None:
            reason = error.answer or ProviderAbort.PROTOERR
            self._send(wtp.Abort(tid, reason))
            self._fail(tid, transaction, Failed(tid, reason, by_peer=False))

    def _receive_pdu(self, pdu: wtp.Pdu, now: float) -> None:
        tid = pdu.tid ^ RESPONDER
        if tid & RESPONDER:
            self._receive_foreign(pdu)
            return
        transaction = self._transactions.get(tid)
        if isinstance(pdu, wtp.Ack) and pdu.tid_check:
            self._verify(tid, transaction)
        elif transaction is None:
            return
        else:
            self._hear(tid, transaction, pdu, now)

    def _hear(self, tid: int, transaction: _Transaction, pdu: wtp.Pdu, now: float) -> None:
        """Take what the peer says of a transaction."""
        if transaction.state in _ACTIVE:
            transaction.end = now + self._limits.answer
        if isinstance(pdu, wtp.Abort):
            self._fail(tid, transaction, Failed(tid, pdu.reason, pdu.user))
        elif isinstance(pdu, wtp.Result):
            packet = Packet(0, pdu.trailer, pdu.data, pdu.rid)
            self._receive_result(tid, transaction, packet, now)
        elif isinstance(pdu, wtp.SegmentedResult):
            packet = Packet(pdu.psn, pdu.trailer, pdu.data, pdu.rid)
            self._receive_result(tid, transaction, packet, now)
        elif isinstance(pdu, wtp.NegativeAck) and transaction.state is State.INVOKING:
            self._send_packets(tid, transaction.invocation.refused(pdu.missing, now))
        elif isinstance(pdu, wtp.Ack) and transaction.state is State.INVOKING:
            self._receive_ack(tid, transaction, pdu, now)

    def _receive_foreign(self, pdu: wtp.Pdu) -> None:
        """Refuse a transaction that the peer begins: nothing is served here."""
        if isinstance(pdu, wtp.Invoke) and pdu.tcl is not TransactionClass.UNRELIABLE:
            self._send(wtp.Abort(pdu.tid ^ RESPONDER, ProviderAbort.NOTIMPLEMENTEDCL2))

    def _verify(self, tid: int, transaction: _Transaction | None) -> None:
        """Say whether the transaction is real. Clause 7.8.2."""
        if transaction is not None and transaction.state in _ACTIVE:
            self._send(wtp.Ack(tid, tid_check=True))
        else:
            self._send(wtp.Abort(tid, ProviderAbort.INVALIDTID))

    def _receive_ack(self, tid: int, transaction: _Transaction, ack: wtp.Ack, now: float) -> None:
        self._send_packets(tid, transaction.invocation.acknowledged(ack.psn, now))
        if transaction.invocation.done:
            transaction.move(Step.INVOKE_HELD)

    def _receive_result(
        self, tid: int, transaction: _Transaction, packet: Packet, now: float
    ) -> None:
        # A result tells that the whole invocation arrived.
        transaction.invocation.finish()
        was_whole = transaction.result.whole
        try:
            heard = transaction.result.take(packet, now)
        except PeerError as error:
            reason = error.answer or ProviderAbort.PROTOERR
            self._send(wtp.Abort(tid, reason))
            self._fail(tid, transaction, Failed(tid, reason, by_peer=False))
            return
        self._answer(tid, transaction, heard)
        if transaction.result.whole and not was_whole:
            transaction.move(Step.RESULT_WHOLE)
            transaction.end = now + self._limits.linger
            self._events.append(ResultReceived(tid, transaction.result.message))

    def _answer(self, tid: int, transaction: _Transaction, heard: Heard) -> None:
        if isinstance(heard, Here):
            self._send(wtp.Ack(tid, heard.psn if transaction.result.several else None))
        elif isinstance(heard, Missing):
            self._send(wtp.NegativeAck(tid, heard.psns))

    def _expire(self, tid: int, transaction: _Transaction, now: float) -> None:
        if transaction.state is State.WAIT_TIMEOUT:
            transaction.move(Step.TIMED_OUT)
            del self._transactions[tid]
            return
        if transaction.end <= now:
            self._give_up(tid, transaction)
            return
        gather = transaction.result.deadline
        if gather is not None and gather <= now:
            self._answer(tid, transaction, transaction.result.overdue())
        again = transaction.invocation.deadline
        if again is None or again > now:
            return
        packets = transaction.invocation.repeat(now)
        if packets:
            self._send_packets(tid, packets)
        else:
            self._give_up(tid, transaction)

    def _give_up(self, tid: int, transaction: _Transaction) -> None:
        self._send(wtp.Abort(tid, ProviderAbort.NORESPONSE))
        self._fail(tid, transaction, Failed(tid, ProviderAbort.NORESPONSE, by_peer=False))
