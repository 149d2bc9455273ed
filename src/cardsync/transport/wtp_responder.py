"""The side that answers the transactions of one peer, silent. WAP-224-WTP-20010710-a clause 9.

Datagrams and a time go in, datagrams and events come out. Each transaction of class 2 is told
once, by `Invoked`, and waits for `answer` or `abort`. A peer that was not heard of before is
asked whether its transaction is real, so that nothing is done for who forges an address.
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
    WINDOW,
    ProviderAbort,
    Trailer,
    TransactionClass,
)
from cardsync.transport.wtp_sar import Heard, Here, Incoming, Limits, Missing, Outgoing, Packet


class State(Enum):
    """Where a transaction stands. Clause 9.4; INVOKED is INVOKE RESP WAIT and RESULT WAIT."""

    TIDOK_WAIT = auto()
    ASSEMBLING = auto()  # packets of the invocation are on their way
    INVOKED = auto()
    RESULT_RESP_WAIT = auto()
    LISTEN = auto()


class Step(Enum):
    """What moves a transaction."""

    VERIFIED = auto()
    INVOKE_WHOLE = auto()
    ANSWERED = auto()
    ENDED = auto()  # acknowledged, aborted by either side, or given up


# Clause 9.4. What is not here is out of turn.
NEXT: Mapping[tuple[State, Step], State] = {
    (State.TIDOK_WAIT, Step.VERIFIED): State.ASSEMBLING,
    (State.TIDOK_WAIT, Step.ENDED): State.LISTEN,
    (State.ASSEMBLING, Step.INVOKE_WHOLE): State.INVOKED,
    (State.ASSEMBLING, Step.ENDED): State.LISTEN,
    (State.INVOKED, Step.ANSWERED): State.RESULT_RESP_WAIT,
    (State.INVOKED, Step.ENDED): State.LISTEN,
    (State.RESULT_RESP_WAIT, Step.ENDED): State.LISTEN,
}

_MOST_TOLD = 64

_TOLD = frozenset({State.INVOKED, State.RESULT_RESP_WAIT})


@dataclass(frozen=True, slots=True)
class Invoked:
    """The peer began a transaction of class 2: `answer` or `abort` owes it an end.

    One of class 0 has no TID: nothing is owed.
    """

    tid: int | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The peer has the result of the transaction `tid`."""

    tid: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The transaction `tid` ended before its result arrived; the reason is WSP's or ours."""

    tid: int
    reason: int
    user: bool = False


Event: TypeAlias = Invoked | Confirmed | Failed


class _Transaction:
    """One invocation and its result."""

    def __init__(self, first: Packet, limits: Limits, now: float) -> None:
        self.state = State.TIDOK_WAIT
        self.first = first
        self.invocation = Incoming(limits)
        self.result: Outgoing | None = None
        self.hold: float | None = None  # when the peer is told to wait
        self.end = now + limits.linger

    def move(self, step: Step) -> None:
        self.state = NEXT[self.state, step]

    def next_timer(self) -> float:
        result = None if self.result is None else self.result.deadline
        times = (self.hold, self.invocation.deadline, result)
        return min((self.end, *(time for time in times if time is not None)))


class Responder:
    """All transactions that one peer begins."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._last_tid: int | None = None
        self._told: dict[int, float] = {}  # TIDs that were told, and until when that is known
        self._transactions: dict[int, _Transaction] = {}
        self._outbox: list[bytes] = []
        self._events: list[Event] = []

    def answer(self, tid: int, data: bytes, now: float) -> None:
        """Send the result of a transaction; `LocalError` if none waits or it cannot be sent."""
        transaction = self._transactions.get(tid)
        if transaction is None or transaction.state is not State.INVOKED:
            raise LocalError(f"no transaction {tid} waits for a result")
        segmented = transaction.first.trailer is not Trailer.UNSEGMENTED
        transaction.result = Outgoing(data, self._limits, segmented=segmented)
        transaction.hold = None
        transaction.end = now + self._limits.answer
        transaction.move(Step.ANSWERED)
        self._send_packets(tid, transaction.result.begin(now))

    def abort(self, tid: int, reason: int) -> None:
        """End a transaction for a reason of WSP's; nothing more is heard of it."""
        transaction = self._transactions.get(tid)
        if transaction is not None:
            self._send(wtp.Abort(tid | RESPONDER, reason, user=True))
            self._end(tid, transaction)

    def waits(self, tid: int) -> bool:
        """Tell whether the transaction still waits for its result."""
        transaction = self._transactions.get(tid)
        return transaction is not None and transaction.state is State.INVOKED

    def receive_data(self, datagram: bytes, now: float) -> None:
        """Take a datagram of the peer; raise `MalformedPdu` for what cannot be read."""
        for octets in wtp.split(datagram):
            try:
                pdu = wtp.decode(octets)
            except wtp.MalformedPdu as error:
                self._refuse(error)
                raise
            if not pdu.tid & RESPONDER:
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
        """Do what is due at `now`: tell to wait, send again, give up."""
        for tid, transaction in tuple(self._transactions.items()):
            if transaction.next_timer() <= now:
                self._expire(tid, transaction, now)

    # Inside.

    def _send(self, pdu: wtp.Pdu) -> None:
        self._outbox.append(wtp.encode(pdu))

    def _send_packets(self, tid: int, packets: tuple[Packet, ...]) -> None:
        wire = tid | RESPONDER
        for packet in packets:
            if packet.psn:
                self._send(
                    wtp.SegmentedResult(wire, packet.psn, packet.data, packet.trailer, packet.rid)
                )
            else:
                self._send(wtp.Result(wire, packet.data, packet.trailer, packet.rid))

    def _end(self, tid: int, transaction: _Transaction) -> None:
        transaction.move(Step.ENDED)
        del self._transactions[tid]

    def _fail(self, tid: int, transaction: _Transaction, reason: int, *, user: bool) -> None:
        told = transaction.state in _TOLD
        self._end(tid, transaction)
        if told:
            self._events.append(Failed(tid, reason, user))

    def _give_up(self, tid: int, transaction: _Transaction, reason: int) -> None:
        self._send(wtp.Abort(tid | RESPONDER, reason))
        self._fail(tid, transaction, reason, user=False)

    def _refuse(self, error: wtp.MalformedPdu) -> None:
        """Answer a malformed PDU that has a TID. Clause 9.2."""
        if error.tid is None or error.tid & RESPONDER:
            return
        reason = error.answer or ProviderAbort.PROTOERR
        transaction = self._transactions.get(error.tid)
        if transaction is not None:
            self._give_up(error.tid, transaction, reason)
        else:
            self._send(wtp.Abort(error.tid | RESPONDER, reason))

    def _receive_pdu(self, pdu: wtp.Pdu, now: float) -> None:
        transaction = self._transactions.get(pdu.tid)
        if isinstance(pdu, wtp.Invoke):
            self._receive_invoke(pdu, transaction, now)
        elif transaction is None:
            return  # late, or repeated by the network, clause 9.2
        elif isinstance(pdu, wtp.Abort):
            self._fail(pdu.tid, transaction, pdu.reason, user=pdu.user)
        elif isinstance(pdu, wtp.SegmentedInvoke):
            # Before the transaction is known to be real nothing is kept for it.
            if transaction.state is not State.TIDOK_WAIT:
                packet = Packet(pdu.psn, pdu.trailer, pdu.data, pdu.rid)
                self._take(pdu.tid, transaction, packet, now)
        elif isinstance(pdu, wtp.Ack):
            self._receive_ack(pdu, transaction, now)
        elif isinstance(pdu, wtp.NegativeAck) and transaction.result is not None:
            self._send_packets(pdu.tid, transaction.result.refused(pdu.missing, now))

    def _receive_invoke(
        self, pdu: wtp.Invoke, transaction: _Transaction | None, now: float
    ) -> None:
        if pdu.tcl is TransactionClass.UNRELIABLE:
            self._events.append(Invoked(None, pdu.data))
        elif transaction is not None:
            self._repeated(pdu, transaction, now)
        elif self._told.get(pdu.tid, now) > now and not pdu.tid_new:
            # Late, or given up here: no verification could tell, for its answer may be as late.
            self._send(wtp.Abort(pdu.tid | RESPONDER, ProviderAbort.NORESPONSE))
        elif pdu.tcl is TransactionClass.RELIABLE:
            # WSP lets a client begin no transaction of class 1.
            self._send(wtp.Abort(pdu.tid | RESPONDER, ProviderAbort.PROTOERR))
        elif len(self._transactions) >= self._limits.transactions or self._costs_too_much(pdu):
            self._send(wtp.Abort(pdu.tid | RESPONDER, ProviderAbort.CAPTEMPEXCEEDED))
        else:
            self._begin(pdu, now)

    def _begin(self, pdu: wtp.Invoke, now: float) -> None:
        packet = Packet(0, pdu.trailer, pdu.data, pdu.rid)
        transaction = _Transaction(packet, self._limits, now)
        self._transactions[pdu.tid] = transaction
        if pdu.tid_new:
            # Clause 7.8.3: what is known of earlier ones is not valid any more.
            self._last_tid = None
            self._told.clear()
        if self._is_new(pdu.tid):
            self._accept(pdu.tid, transaction, now)
        else:
            self._send(wtp.Ack(pdu.tid | RESPONDER, tid_check=True))

    def _costs_too_much(self, pdu: wtp.Invoke) -> bool:
        """Tell whether a peer that has proved nothing wants much to be kept for him."""
        return self._last_tid is None and len(pdu.data) > self._limits.stranger

    def _is_new(self, tid: int) -> bool:
        """Tell whether a TID is in the window behind the last one. Clause 7.8."""
        return self._last_tid is not None and 0 < (tid - self._last_tid) & LAST_TID < WINDOW

    def _accept(self, tid: int, transaction: _Transaction, now: float) -> None:
        self._last_tid = tid
        transaction.move(Step.VERIFIED)
        transaction.end = now + self._limits.answer
        self._take(tid, transaction, transaction.first, now)

    def _repeated(self, pdu: wtp.Invoke, transaction: _Transaction, now: float) -> None:
        if transaction.state is State.TIDOK_WAIT:
            self._send(wtp.Ack(pdu.tid | RESPONDER, tid_check=True))
        else:
            packet = Packet(0, pdu.trailer, pdu.data, pdu.rid)
            self._take(pdu.tid, transaction, packet, now)

    def _take(self, tid: int, transaction: _Transaction, packet: Packet, now: float) -> None:
        was_whole = transaction.invocation.whole
        try:
            heard = transaction.invocation.take(packet, now)
        except PeerError as error:
            self._give_up(tid, transaction, error.answer or ProviderAbort.PROTOERR)
            return
        if transaction.invocation.whole and not was_whole:
            transaction.move(Step.INVOKE_WHOLE)
            # The result will do as acknowledgement, if it comes soon. Clause 7.3.
            transaction.hold = now + self._limits.acknowledge
            transaction.end = now + self._limits.answer
            self._remember(tid, now)
            self._events.append(Invoked(tid, transaction.invocation.message))
        elif transaction.state is State.ASSEMBLING:
            transaction.end = now + self._limits.answer
            self._answer(tid, transaction, heard)
        elif transaction.state is not State.RESULT_RESP_WAIT:
            self._answer(tid, transaction, heard)

    def _remember(self, tid: int, now: float) -> None:
        """Remember that a transaction was told, beyond its end; the oldest are forgotten."""
        self._told.pop(tid, None)
        self._told[tid] = now + self._limits.answer + self._limits.linger
        if len(self._told) > _MOST_TOLD:
            del self._told[next(iter(self._told))]

    def _answer(self, tid: int, transaction: _Transaction, heard: Heard) -> None:
        if isinstance(heard, Here):
            several = transaction.invocation.several
            self._send(wtp.Ack(tid | RESPONDER, heard.psn if several else None))
        elif isinstance(heard, Missing):
            self._send(wtp.NegativeAck(tid | RESPONDER, heard.psns))

    def _receive_ack(self, pdu: wtp.Ack, transaction: _Transaction, now: float) -> None:
        if transaction.state is State.TIDOK_WAIT and pdu.tid_check:
            self._accept(pdu.tid, transaction, now)
        elif transaction.result is not None and not pdu.tid_check:
            packets = transaction.result.acknowledged(pdu.psn, now)
            if packets:
                transaction.end = now + self._limits.answer
            self._send_packets(pdu.tid, packets)
            if transaction.result.done:
                self._end(pdu.tid, transaction)
                self._events.append(Confirmed(pdu.tid))

    def _expire(self, tid: int, transaction: _Transaction, now: float) -> None:
        if transaction.end <= now and transaction.state is State.TIDOK_WAIT:
            self._end(tid, transaction)  # it was not real
            return
        if transaction.end <= now:
            self._give_up(tid, transaction, ProviderAbort.NORESPONSE)
            return
        if transaction.hold is not None and transaction.hold <= now:
            transaction.hold = None
            self._answer(tid, transaction, transaction.invocation.so_far)
        gather = transaction.invocation.deadline
        if gather is not None and gather <= now:
            self._answer(tid, transaction, transaction.invocation.overdue())
        if transaction.result is not None:
            self._repeat(tid, transaction, transaction.result, now)

    def _repeat(self, tid: int, transaction: _Transaction, result: Outgoing, now: float) -> None:
        if result.deadline is None or result.deadline > now:
            return
        packets = result.repeat(now)
        self._send_packets(tid, packets)
        if not packets:
            self._give_up(tid, transaction, ProviderAbort.NORESPONSE)
