"""Data objects of calls, supplementary services and short messages.

TS 102 223 clause 8, TS 31.111 clause 8.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from cardsync.octets import text
from cardsync.octets.semi import swapped, unswapped
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode
from cardsync.toolkit.data_object import (
    Characters,
    Code,
    DataObject,
    Fields,
    Octets,
    known,
    of_event,
)

_TO_DIGITS = str.maketrans("AB", "*#")
_TO_HALVES = str.maketrans("*#", "AB")


def _halves(digits: str) -> bytes:
    """Write a number: `*` is A, `#` is B; C, D and E stand as they are. TS 31.102 4.4.2.3."""
    return swapped(digits.translate(_TO_HALVES))


def _digits(octets: bytes) -> str:
    """Read a number; only its last half may be a filler."""
    digits = unswapped(octets)
    if "F" in digits or swapped(digits) != octets:
        raise ValueError("a filler stands before the last digit")
    return digits.translate(_TO_DIGITS)


@dataclass(frozen=True, slots=True)
class _Number(DataObject):
    """The shape of a number: type and plan in one octet, digits."""

    digits: str
    ton_npi: int = 0x91

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.ton_npi]) + _halves(self.digits)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read type, plan and semi-octets."""
        if not value:
            raise ValueError("type of number is expected")
        return cls(_digits(value[1:]), value[0])


@known(0x06)
@dataclass(frozen=True, slots=True)
class Address(_Number):
    """A number: type and plan in one octet (91 international ISDN), digits. Clause 8.1."""


@known(0x07)
@dataclass(frozen=True, slots=True)
class CapabilityConfigurationParameters(Octets):
    """The bearer of a call, as TS 24.008 clause 10.5.4.5 has it. TS 102 223 clause 8.4."""


@known(0x08)
@dataclass(frozen=True, slots=True)
class Subaddress(Octets):
    """A subaddress, as TS 24.008 clause 10.5.4.8 has it. TS 102 223 clause 8.3."""


@known(0x09)
@dataclass(frozen=True, slots=True)
class SsString(_Number):
    """A control string of supplementary services, `**21*...#`. TS 31.111 clause 8.14."""


@known(0x0A)
@dataclass(frozen=True, slots=True)
class UssdString(DataObject):
    """A USSD string with its coding scheme (TS 23.038 clause 5). TS 31.111 clause 8.17."""

    coding: int
    octets: bytes

    def value(self) -> bytes:
        """Give coding and octets."""
        return bytes([self.coding]) + self.octets

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read coding and octets."""
        if not value:
            raise ValueError("a data coding scheme is expected")
        return cls(value[0], value[1:])

    @property
    def text(self) -> str:
        """The string as it shows; raises `PeerError` if its octets are no text."""
        return text.decode_text(self.octets, text.broadcast_alphabet(self.coding))


@known(0x0B)
@dataclass(frozen=True, slots=True)
class SmsTpdu(DataObject):
    """A short message as it stands, TPDU of TS 23.040. TS 31.111 clause 8.13."""

    tpdu: bytes

    def value(self) -> bytes:
        """Give the value octets."""
        return self.tpdu

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Take the octets as they are."""
        return cls(value)


@known(0x48)
@dataclass(frozen=True, slots=True)
class CdmaSmsTpdu(Octets):
    """A short message of a CDMA network, as it stands. TS 102 223 clause 8.71."""


@known(0x0C)
@dataclass(frozen=True, slots=True)
class CellBroadcastPage(Octets):
    """A page of a cell broadcast, 88 octets of TS 23.041 clause 9.4.1. TS 31.111 clause 8.5."""

    LENGTHS: ClassVar[range] = range(7, 89)

    @property
    def serial(self) -> int:
        """Scope (2 bits), message code (10) and update number (4)."""
        return int.from_bytes(self.octets[:2], "big")

    @property
    def scope(self) -> int:
        """Where the message holds: 0 and 3 the cell, 1 the network, 2 the area."""
        return self.serial >> 14

    @property
    def message_code(self) -> int:
        """Which of the messages of its kind it is."""
        return self.serial >> 4 & 0x3FF

    @property
    def update_number(self) -> int:
        """How often the message was changed."""
        return self.serial & 0x0F

    @property
    def identifier(self) -> int:
        """Which kind of message it is."""
        return int.from_bytes(self.octets[2:4], "big")

    @property
    def coding(self) -> int:
        """The data coding scheme."""
        return self.octets[4]

    @property
    def page(self) -> tuple[int, int]:
        """Which page it is, of how many."""
        return self.octets[5] >> 4, self.octets[5] & 0x0F

    @property
    def content(self) -> bytes:
        """What the page says."""
        return self.octets[6:]


@known(0x1A)
@dataclass(frozen=True, slots=True)
class Cause(Octets):
    """Why a call ended, as TS 24.008 clause 10.5.4.11 has it; empty for a link that broke.

    TS 102 223 clause 8.26.
    """

    @property
    def number(self) -> int | None:
        """The cause value, behind the location and perhaps a recommendation."""
        at = 1 if self.octets[:1] >= b"\x80" else 2
        return self.octets[at] & 0x7F if len(self.octets) > at else None


@known(0x1C)
@dataclass(frozen=True, slots=True)
class TransactionIdentifier(DataObject):
    """Which calls: the identifier in bits 5 to 7, its flag in bit 8. TS 102 223 clause 8.28."""

    identifiers: tuple[int, ...]

    def value(self) -> bytes:
        """Give one octet a call."""
        return bytes(self.identifiers)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet a call."""
        return cls(tuple(value))


@known(0x27)
@dataclass(frozen=True, slots=True)
class CallControlRequestedAction(Octets):
    """What call control made of the request, as its own objects. TS 102 223 clause 8.30."""


@known(0x2A)
@dataclass(frozen=True, slots=True)
class BcRepeatIndicator(Fields):
    """How two bearers of a call take turns. TS 31.111 clause 8.42."""

    indicator: int


@known(0x2C)
@dataclass(frozen=True, slots=True)
class DtmfString(DataObject):
    """Tones to be sent: digits, `*`, `#`, C for a pause. TS 102 223 clause 8.44."""

    digits: str

    def value(self) -> bytes:
        """Give the semi-octets."""
        return _halves(self.digits)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read semi-octets."""
        return cls(_digits(value))


_WITH_URI = (
    CommandType.SET_UP_CALL,
    CommandType.SEND_SHORT_MESSAGE,
    EnvelopeTag.CALL_CONTROL,
    EnvelopeTag.MO_SHORT_MESSAGE_CONTROL,
    of_event(EventCode.MT_CALL),
)
_OF_CALLS = (
    CommandType.SET_UP_CALL,
    EnvelopeTag.CALL_CONTROL,
    of_event(EventCode.MT_CALL),
    of_event(EventCode.CALL_CONNECTED),
    of_event(EventCode.CALL_DISCONNECTED),
)


@known(0x31, *_WITH_URI)
@dataclass(frozen=True, slots=True)
class ImsUri(Characters):
    """Who is called, as a SIP or telephone URI in UTF-8. TS 31.111 clause 8.108."""


@known(0x73, *_WITH_URI)
@dataclass(frozen=True, slots=True)
class UriTruncated(Octets):
    """Says that a URI was cut short to fit. TS 101 220 table 7.23."""


@known(0x7E, *_OF_CALLS)
@dataclass(frozen=True, slots=True)
class MediaType(Code):
    """Bit 1 voice, bit 2 video. TS 31.111 clause 8.132."""


@known(0x55, of_event(EventCode.CALL_DISCONNECTED))
@dataclass(frozen=True, slots=True)
class ImsCallDisconnectionCause(Octets):
    """Why a call over IMS ended. TS 101 220 table 7.23."""
