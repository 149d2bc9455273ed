"""PDUs of the Wireless Transaction Protocol, one class to a PDU; datagrams that hold several.

WAP-224-WTP-20010710-a clause 8. The `tid` of a PDU is the 16 bits on the wire, the bit of the
direction among them.
"""

from dataclasses import dataclass
from typing import TypeAlias

from cardsync.errors import PeerError, ShortInput
from cardsync.octets.reader import Reader
from cardsync.transport.wtp_codes import (
    PduType,
    ProviderAbort,
    TpiIdentity,
    Trailer,
    TransactionClass,
)

MOST_PDUS = 32
"""PDUs that we take out of one datagram."""

_MOST_TPIS = 16
_CONCATENATED = 0x00  # the first octet of a datagram with several PDUs, clause 8.6
_CONTINUED = 0x80  # CON: an item of the variable header follows, clause 8.2.1


class MalformedPdu(PeerError):
    """A PDU cannot be read. `tid` is its transaction, None where not even that is there.

    `answer` is the reason of the Abort that is owed where there is a transaction.
    """

    def __init__(self, message: str, tid: int | None, answer: ProviderAbort) -> None:
        super().__init__(message, answer=answer)
        self.tid = tid


@dataclass(frozen=True, slots=True)
class Tpi:
    """An item of the variable header. Clause 8.4; we write none but the number of an Ack."""

    identity: int  # 0 to 15
    content: bytes


@dataclass(frozen=True, slots=True)
class Invoke:
    """The first packet of a transaction. Clause 8.3.1; `version` 0 is the only one there is."""

    tid: int
    data: bytes
    tcl: TransactionClass = TransactionClass.RESULT
    trailer: Trailer = Trailer.LAST
    rid: bool = False
    tid_new: bool = False
    user_ack: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The first packet of a result. Clause 8.3.2."""

    tid: int
    data: bytes
    trailer: Trailer = Trailer.LAST
    rid: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """Packets up to `psn` are here; None where the message has only one. Clause 8.3.3.

    With `tid_check` the responder asks whether the transaction is real, and the initiator
    says that it is.
    """

    tid: int
    psn: int | None = None  # carried in a TPI, clause 8.4.5
    tid_check: bool = False
    rid: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """The transaction is over. Clause 8.3.4; `user` says whose `reason` it is, WSP's or ours."""

    tid: int
    reason: int
    user: bool = False


@dataclass(frozen=True, slots=True)
class SegmentedInvoke:
    """A further packet of an invocation. Clause 8.3.5."""

    tid: int
    psn: int
    data: bytes
    trailer: Trailer
    rid: bool = False


@dataclass(frozen=True, slots=True)
class SegmentedResult:
    """A further packet of a result. Clause 8.3.6."""

    tid: int
    psn: int
    data: bytes
    trailer: Trailer
    rid: bool = False


@dataclass(frozen=True, slots=True)
class NegativeAck:
    """Packets that are missing; none named means the whole group. Clause 8.3.7."""

    tid: int
    missing: tuple[int, ...]
    rid: bool = False


Pdu: TypeAlias = Invoke | Result | Ack | Abort | SegmentedInvoke | SegmentedResult | NegativeAck


def encode(pdu: Pdu) -> bytes:
    """Give the octets of a PDU."""
    if isinstance(pdu, Ack):
        return _encode_ack(pdu)
    if isinstance(pdu, Abort):
        return _head(PduType.ABORT, pdu.tid, int(pdu.user)) + bytes([pdu.reason])
    if isinstance(pdu, NegativeAck):
        head = _head(PduType.NEGATIVE_ACK, pdu.tid, int(pdu.rid))
        return head + bytes([len(pdu.missing), *pdu.missing])
    flags = pdu.trailer << 1 | pdu.rid
    if isinstance(pdu, Invoke):
        options = pdu.version << 6 | pdu.tid_new << 5 | pdu.user_ack << 4 | pdu.tcl
        return _head(PduType.INVOKE, pdu.tid, flags) + bytes([options]) + pdu.data
    if isinstance(pdu, Result):
        return _head(PduType.RESULT, pdu.tid, flags) + pdu.data
    kind = PduType.SEGMENTED_INVOKE
    if isinstance(pdu, SegmentedResult):
        kind = PduType.SEGMENTED_RESULT
    return _head(kind, pdu.tid, flags) + bytes([pdu.psn]) + pdu.data


def _encode_ack(ack: Ack) -> bytes:
    head = _head(PduType.ACK, ack.tid, ack.tid_check << 2 | ack.rid)
    if ack.psn is None:
        return head
    item = bytes([TpiIdentity.PACKET_SEQUENCE_NUMBER << 3 | 1, ack.psn])
    return bytes([head[0] | _CONTINUED]) + head[1:] + item


def _head(kind: PduType, tid: int, flags: int) -> bytes:
    return bytes([kind << 3 | flags]) + tid.to_bytes(2, "big")


def split(datagram: bytes) -> tuple[bytes, ...]:
    """Give the octets of each PDU of a datagram. Clause 8.6.

    Raises `MalformedPdu` without a TID.
    """
    if datagram[:1] != bytes([_CONCATENATED]):
        return (datagram,)
    reader, parts = Reader(datagram, 1), []
    try:
        while len(reader):
            length = reader.uint8()
            if length & 0x80:
                length = (length & 0x7F) << 8 | reader.uint8()
            parts.append(reader.octets(length))
            if len(parts) > MOST_PDUS:
                raise MalformedPdu("too many PDUs in a datagram", None, ProviderAbort.PROTOERR)
    except ShortInput as exc:
        raise MalformedPdu(str(exc), None, ProviderAbort.PROTOERR) from exc
    return tuple(parts)


def decode(octets: bytes) -> Pdu:
    """Read one PDU. Raises `MalformedPdu`."""
    if len(octets) < 3:
        raise MalformedPdu(f"{len(octets)} octets are no PDU", None, ProviderAbort.PROTOERR)
    tid = int.from_bytes(octets[1:3], "big")
    try:
        return _decode(Reader(octets, 3), octets[0], tid)
    except MalformedPdu:
        raise
    except (PeerError, ValueError) as exc:
        raise MalformedPdu(str(exc), tid, ProviderAbort.PROTOERR) from exc


def _decode(reader: Reader, first: int, tid: int) -> Pdu:
    kind, flags, rid = PduType(first >> 3 & 0x0F), first & 0x07, bool(first & 1)
    if kind is PduType.INVOKE:
        return _decode_invoke(reader, first, tid)
    if kind is PduType.ACK:
        psn = _psn(_decode_end(reader, first))
        return Ack(tid, psn, bool(flags & 0x04), rid)
    if kind is PduType.ABORT:
        if flags > 1:
            raise PeerError(f"abort type {flags}")
        reason = reader.uint8()
        _decode_end(reader, first)
        return Abort(tid, reason, bool(flags))
    if kind is PduType.NEGATIVE_ACK:
        missing = tuple(reader.octets(reader.uint8()))
        _decode_end(reader, first)
        return NegativeAck(tid, missing, rid)
    return _decode_packet(reader, first, tid, kind)


def _decode_packet(reader: Reader, first: int, tid: int, kind: PduType) -> Pdu:
    trailer, rid = Trailer(first >> 1 & 0x03), bool(first & 1)
    if kind is PduType.RESULT:
        _decode_tpis(reader, first)
        return Result(tid, reader.rest(), trailer, rid)
    psn = reader.uint8()
    _decode_tpis(reader, first)
    if kind is PduType.SEGMENTED_INVOKE:
        return SegmentedInvoke(tid, psn, reader.rest(), trailer, rid)
    return SegmentedResult(tid, psn, reader.rest(), trailer, rid)


def _decode_invoke(reader: Reader, first: int, tid: int) -> Invoke:
    options = reader.uint8()
    if options >> 6:
        # Clause 8.3.1: "The current version is 0x00"; the reason names what we speak.
        raise MalformedPdu(f"version {options >> 6}", tid, ProviderAbort.WTPVERSIONZERO)
    _decode_tpis(reader, first)
    return Invoke(
        tid,
        reader.rest(),
        TransactionClass(options & 0x03),
        Trailer(first >> 1 & 0x03),
        rid=bool(first & 1),
        tid_new=bool(options & 0x20),
        user_ack=bool(options & 0x10),
    )


def _decode_end(reader: Reader, first: int) -> tuple[Tpi, ...]:
    """Read the variable header of a PDU without data."""
    items = _decode_tpis(reader, first)
    reader.finish()
    return items


def _decode_tpis(reader: Reader, first: int) -> tuple[Tpi, ...]:
    items: list[Tpi] = []
    more = first & _CONTINUED
    while more:
        if len(items) == _MOST_TPIS:
            raise PeerError(f"more than {_MOST_TPIS} items in a variable header")
        octet = reader.uint8()
        more = octet & _CONTINUED
        length = reader.uint8() if octet & 0x04 else octet & 0x03
        items.append(Tpi(octet >> 3 & 0x0F, reader.octets(length)))
    return tuple(items)


def _psn(items: tuple[Tpi, ...]) -> int | None:
    for item in items:
        if item.identity == TpiIdentity.PACKET_SEQUENCE_NUMBER:
            return Reader(item.content).uint8()
    return None
