"""The other TPDUs of the short message service: SMS-SUBMIT-REPORT, SMS-STATUS-REPORT, SMS-COMMAND.

TS 23.040 clauses 9.2.2.2a, 9.2.2.3 and 9.2.2.4. What a report may leave out is told by its
parameter indicator (clause 9.2.3.27).
"""

from dataclasses import dataclass, field
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.sms import (
    Address,
    TimeStamp,
    decode_user_data,
    encode_user_data,
)
from cardsync.transport.user_data import UserData

_MTI, _SUBMIT_REPORT, _STATUS_REPORT, _COMMAND = 0x03, 0x01, 0x02, 0x02
_MORE_MESSAGES = 0x04
_LOOP_PREVENTION = 0x08
_OF_COMMAND = 0x20  # TP-SRQ: the report answers an SMS-COMMAND
_WANTED = 0x20  # TP-SRR: a report is asked for
_UDHI = 0x40
_LONGEST_COMMAND = 146  # octets of TP-CD that fit the TPDU, clause 9.2.3.20


@dataclass(frozen=True, slots=True)
class Optional:
    """What TP-PI says is there: protocol, coding, user data. TS 23.040 clause 9.2.3.27."""

    protocol: int | None = None
    coding: int | None = None
    user_data: UserData | None = None

    def encode(self) -> bytes:
        """Give TP-PI and what it announces."""
        parts = (self.protocol, self.coding, self.user_data)
        octets = bytearray([sum(1 << bit for bit, one in enumerate(parts) if one is not None)])
        octets += bytes([one for one in (self.protocol, self.coding) if one is not None])
        return bytes(octets) + self._data()

    def _data(self) -> bytes:
        return b"" if self.user_data is None else encode_user_data(self.user_data, self.coding or 0)

    @property
    def header(self) -> int:
        """The bit of the first octet that announces a user data header."""
        return _UDHI if self.user_data is not None and self.user_data.header else 0

    @classmethod
    def decode(cls, present: int, reader: Reader, first: int) -> Self:
        """Read what TP-PI announces; raise `PeerError` for what it reserves."""
        if present & 0xF8:
            raise PeerError(f"parameter indicator {present:02X} has reserved bits")
        protocol = reader.uint8() if present & 0x01 else None
        coding = reader.uint8() if present & 0x02 else None
        user_data = decode_user_data(reader, first, coding or 0) if present & 0x04 else None
        reader.finish()
        return cls(protocol, coding, user_data)


def _first(reader: Reader, kind: int, name: str, used: int) -> int:
    """Read the first octet; raise `PeerError` for another kind or a bit that is not in use."""
    first = reader.uint8()
    if first & _MTI != kind:
        raise PeerError(f"message type {first & _MTI} is no {name}")
    if first & ~(used | _UDHI | _MTI):
        raise PeerError(f"first octet {first:02X} has bits that an {name} does not use")
    return first


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """SMS-SUBMIT-REPORT, service centre to mobile. TS 23.040 clause 9.2.2.2a.

    With `failure` (TP-FCS, 80 to FF) it came in an RP-ERROR, without in an RP-ACK.
    """

    timestamp: TimeStamp
    optional: Optional = field(default_factory=Optional)
    failure: int | None = None

    def encode(self) -> bytes:
        """Give the octets."""
        head = [_SUBMIT_REPORT | self.optional.header]
        head += [] if self.failure is None else [self.failure]
        told = self.optional.encode()
        return bytes(head) + told[:1] + self.timestamp.octets + told[1:]

    @classmethod
    def decode(cls, octets: bytes, *, failed: bool) -> Self:
        """Read the TPDU of an RP-ERROR (`failed`) or RP-ACK; raise `PeerError` if malformed."""
        reader = Reader(octets)
        first = _first(reader, _SUBMIT_REPORT, "SMS-SUBMIT-REPORT", 0)
        failure = reader.uint8() if failed else None
        present = reader.uint8()
        timestamp = TimeStamp(reader.octets(7))
        return cls(timestamp, Optional.decode(present, reader, first), failure)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """SMS-STATUS-REPORT, service centre to mobile. TS 23.040 clause 9.2.2.3.

    `status` below 20 says that the message arrived, below 40 that the centre still tries.
    `optional` is None where TP-PI is not there.
    """

    reference: int
    recipient: Address
    timestamp: TimeStamp
    discharge: TimeStamp
    status: int
    optional: Optional | None = None
    more_messages: bool = False
    loop_prevention: bool = False
    of_command: bool = False

    def encode(self) -> bytes:
        """Give the octets."""
        first = (
            _STATUS_REPORT
            | (0 if self.more_messages else _MORE_MESSAGES)
            | (_LOOP_PREVENTION if self.loop_prevention else 0)
            | (_OF_COMMAND if self.of_command else 0)
            | (self.optional.header if self.optional else 0)
        )
        times = self.timestamp.octets + self.discharge.octets + bytes([self.status])
        told = self.optional.encode() if self.optional else b""
        return bytes([first, self.reference]) + self.recipient.encode() + times + told

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the TPDU; raise `PeerError` where it is malformed or another kind."""
        reader = Reader(octets)
        used = _MORE_MESSAGES | _LOOP_PREVENTION | _OF_COMMAND
        first = _first(reader, _STATUS_REPORT, "SMS-STATUS-REPORT", used)
        reference, recipient = reader.uint8(), Address.decode(reader)
        timestamp, discharge = TimeStamp(reader.octets(7)), TimeStamp(reader.octets(7))
        status = reader.uint8()
        optional = Optional.decode(reader.uint8(), reader, first) if len(reader) else None
        return cls(
            reference,
            recipient,
            timestamp,
            discharge,
            status,
            optional,
            more_messages=not first & _MORE_MESSAGES,
            loop_prevention=bool(first & _LOOP_PREVENTION),
            of_command=bool(first & _OF_COMMAND),
        )


@dataclass(frozen=True, slots=True)
class Command:
    """SMS-COMMAND, mobile to service centre. TS 23.040 clause 9.2.2.4.

    `type` is TP-CT (0 enquiry, 1 no report, 2 delete, 3 report), of the message `number`.
    """

    reference: int
    type: int
    number: int
    destination: Address
    data: bytes = b""
    protocol: int = 0
    has_header: bool = False
    status_report: bool = False

    def __post_init__(self) -> None:
        if len(self.data) > _LONGEST_COMMAND:
            raise LocalError(f"{len(self.data)} octets are too many for an SMS-COMMAND")

    def encode(self) -> bytes:
        """Give the octets."""
        first = _COMMAND | (_UDHI if self.has_header else 0)
        first |= _WANTED if self.status_report else 0
        head = bytes([first, self.reference, self.protocol, self.type, self.number])
        return head + self.destination.encode() + bytes([len(self.data)]) + self.data

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the TPDU; raise `PeerError` where it is malformed or another kind."""
        reader = Reader(octets)
        first = _first(reader, _COMMAND, "SMS-COMMAND", _WANTED)
        reference, protocol, type_, number = reader.octets(4)
        destination = Address.decode(reader)
        data = reader.octets(reader.uint8())
        reader.finish()
        return cls(
            reference,
            type_,
            number,
            destination,
            data,
            protocol,
            has_header=bool(first & _UDHI),
            status_report=bool(first & _WANTED),
        )
