"""Transfer protocol data units of the short message service. TS 23.040 clause 9.2.

SMS-DELIVER, SMS-SUBMIT and SMS-DELIVER-REPORT, without the service centre address that some
interfaces put before them. `sms_reports` has the others.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets import text
from cardsync.octets.reader import Reader
from cardsync.transport.user_data import Alphabet, UserData

PID_SIM_DATA_DOWNLOAD = 0x7F  # TS 23.040 clause 9.2.3.9, "(U)SIM Data download"
DCS_CLASS_2_OCTETS = 0xF6  # TS 23.038 clause 4: class 2, 8-bit data

_MTI = 0x03
_MORE_MESSAGES = 0x04  # 0 says that more are waiting
_REJECT_DUPLICATES = 0x04
_LOOP_PREVENTION = 0x08
_REPORT = 0x20
_UDHI = 0x40
_REPLY_PATH = 0x80
_LONGEST_ADDRESS = 20  # semi-octets, clause 9.1.2.5
_DIGITS = "0123456789*#abc"


class TypeOfNumber(IntEnum):
    """Bits 7 to 5 of the type of address. TS 23.040 clause 9.1.2.5."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6
    RESERVED = 7


class NumberingPlan(IntEnum):
    """Bits 4 to 1 of the type of address that are in use."""

    UNKNOWN = 0
    ISDN = 1
    DATA = 3
    TELEX = 4
    NATIONAL = 8
    PRIVATE = 9
    ERMES = 10


def alphabet(coding: int) -> Alphabet:
    """Tell how TP-DCS `coding` has the user data counted; reserved ones are GSM 7 bit."""
    group = coding >> 4
    if group < 0x8:
        if coding & 0x20:  # compressed: TP-UDL counts octets, TS 23.040 clause 9.2.3.16
            return Alphabet.OCTETS
        return (Alphabet.GSM7, Alphabet.OCTETS, Alphabet.UCS2, Alphabet.GSM7)[coding >> 2 & 3]
    if group == 0xE:
        return Alphabet.UCS2
    return Alphabet.OCTETS if group == 0xF and coding & 0x04 else Alphabet.GSM7


def message_class(coding: int) -> int | None:
    """Give the message class 0 to 3 of TP-DCS `coding`, None where it has none."""
    if coding >> 4 == 0xF or (coding < 0x80 and coding & 0x10):
        return coding & 0x03
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """An address field: `number` is up to 20 of `0-9*#abc`, or up to 11 characters of text.

    `written` holds its octets where the sender counted or filled in another way than we do.
    """

    number: str
    type_of_number: TypeOfNumber = TypeOfNumber.INTERNATIONAL
    numbering_plan: int = NumberingPlan.ISDN
    written: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.numbering_plan <= 0xF:
            raise LocalError(f"numbering plan {self.numbering_plan} is not 0 to 15")
        if self._semi_octets() > _LONGEST_ADDRESS:
            raise LocalError(f"address {self.number!r} is too long")
        if not self._is_text() and not set(self.number) <= set(_DIGITS):
            raise LocalError(f"address {self.number!r} is not made of {_DIGITS}")

    def _is_text(self) -> bool:
        return self.type_of_number is TypeOfNumber.ALPHANUMERIC

    def _semi_octets(self) -> int:
        if self._is_text():
            return (7 * len(text.encode_septets(self.number)) + 3) // 4
        return len(self.number)

    def encode(self) -> bytes:
        """Give the octets: number of semi-octets, type of address, value."""
        return self.written or self._octets()

    def _octets(self) -> bytes:
        type_of_address = 0x80 | self.type_of_number << 4 | self.numbering_plan
        if self._is_text():
            value = text.pack(text.encode_septets(self.number))
        else:
            digits = [_DIGITS.index(digit) for digit in self.number] + [0xF] * (
                len(self.number) % 2
            )
            value = bytes(low | high << 4 for low, high in zip(*[iter(digits)] * 2, strict=True))
        return bytes([self._semi_octets(), type_of_address]) + value

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read an address field; raise `PeerError` where it is none.

        The first bit of its type is always set and says nothing: it is not missed where a sender
        left it out.
        """
        length, type_of_address = reader.uint8(), reader.uint8()
        if length > _LONGEST_ADDRESS:
            raise PeerError(f"an address of {length} digits is too long")
        value = reader.octets((length + 1) // 2)
        kind = TypeOfNumber(type_of_address >> 4 & 0x07)
        of_text = kind is TypeOfNumber.ALPHANUMERIC
        number = _characters(value, length) if of_text else _number(value, length)
        found = cls(number, kind, type_of_address & 0x0F)
        written = bytes([length, type_of_address]) + value
        return found if found._octets() == written else replace(found, written=written)


def _characters(value: bytes, length: int) -> str:
    return text.decode_septets(text.unpack(value, 4 * length // 7))


def _number(value: bytes, length: int) -> str:
    nibbles = [nibble for octet in value for nibble in (octet & 0xF, octet >> 4)][:length]
    if 0xF in nibbles:  # the half octet behind an odd number is not looked at
        raise PeerError("an address digit is filler")
    return "".join(_DIGITS[nibble] for nibble in nibbles)


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """TP-SCTS, kept as its seven octets: it is stored as received. Clause 9.2.3.11."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != 7:
            raise LocalError("a time stamp is seven octets")

    @classmethod
    def of(
        cls, year: int, month: int, day: int, hour: int, minute: int, second: int, zone: int = 0
    ) -> Self:
        """Build from local time: `year` 0 to 99, `zone` -79 to 79 quarters of an hour from UTC."""
        parts = (year, month, day, hour, minute, second, abs(zone))
        if not all(0 <= part <= 99 for part in parts) or abs(zone) > 79:
            raise LocalError(f"{parts} is no time stamp")
        octets = bytearray(part % 10 << 4 | part // 10 for part in parts)
        octets[6] |= 0x08 if zone < 0 else 0
        return cls(bytes(octets))

    @property
    def local(self) -> str:
        """The local time as people write it, with its distance from UTC."""
        year, month, day, hour, minute, second, zone = self.parts()
        hours, quarters = divmod(abs(zone), 4)
        east = f"{'-' if zone < 0 else '+'}{hours:02}:{quarters * 15:02}"
        return f"{year:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {east}"

    def parts(self) -> tuple[int, int, int, int, int, int, int]:
        """Give year, month, day, hour, minute, second and zone.

        A digit that is none counts as 0, as clause 9.2.3.11 says.
        """
        year, month, day, hour, minute, second = (_swapped(octet) for octet in self.octets[:6])
        zone = _swapped(self.octets[6] & 0xF7)
        return year, month, day, hour, minute, second, -zone if self.octets[6] & 0x08 else zone


def _swapped(octet: int) -> int:
    tens, ones = octet & 0x0F, octet >> 4
    return (tens if tens < 10 else 0) * 10 + (ones if ones < 10 else 0)


def decode_user_data(reader: Reader, first: int, coding: int) -> UserData:
    """Read TP-UDL and TP-UD to the end; `first` is the first octet of the TPDU, coding TP-DCS."""
    length = reader.uint8()
    return UserData.decode(
        reader.rest(), length, has_header=bool(first & _UDHI), alphabet=alphabet(coding)
    )


def encode_user_data(user_data: UserData, coding: int) -> bytes:
    """Give TP-UDL and TP-UD."""
    kind = alphabet(coding)
    octets = user_data.encode(kind)
    return bytes([user_data.length(kind)]) + octets


@dataclass(frozen=True, slots=True)
class Deliver:
    """SMS-DELIVER, service centre to mobile. TS 23.040 clause 9.2.2.1."""

    originator: Address
    timestamp: TimeStamp
    user_data: UserData
    protocol: int = PID_SIM_DATA_DOWNLOAD
    coding: int = DCS_CLASS_2_OCTETS
    more_messages: bool = False
    loop_prevention: bool = False
    status_report: bool = False
    reply_path: bool = False

    @property
    def for_card(self) -> bool:
        """Whether the terminal passes it to the UICC. TS 31.111 clause 7.1.1.1."""
        return self.protocol == PID_SIM_DATA_DOWNLOAD and message_class(self.coding) == 2

    def encode(self) -> bytes:
        """Give the octets."""
        first = (
            (0 if self.more_messages else _MORE_MESSAGES)
            | (_LOOP_PREVENTION if self.loop_prevention else 0)
            | (_REPORT if self.status_report else 0)
            | (_UDHI if self.user_data.header else 0)
            | (_REPLY_PATH if self.reply_path else 0)
        )
        head = bytes([first]) + self.originator.encode() + bytes([self.protocol, self.coding])
        return head + self.timestamp.octets + encode_user_data(self.user_data, self.coding)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the TPDU; raise `PeerError` where it is malformed or another kind."""
        reader = Reader(octets)
        first = reader.uint8()
        if first & _MTI:
            raise PeerError(f"message type {first & _MTI} is no SMS-DELIVER")
        originator = Address.decode(reader)
        protocol, coding = reader.uint8(), reader.uint8()
        timestamp = TimeStamp(reader.octets(7))
        return cls(
            originator,
            timestamp,
            decode_user_data(reader, first, coding),
            protocol,
            coding,
            more_messages=not first & _MORE_MESSAGES,
            loop_prevention=bool(first & _LOOP_PREVENTION),
            status_report=bool(first & _REPORT),
            reply_path=bool(first & _REPLY_PATH),
        )


_VALIDITY_LENGTH = (0, 7, 1, 7)  # by TP-VPF: absent, enhanced, relative, absolute
_RELATIVE, _ABSOLUTE = 2, 3


@dataclass(frozen=True, slots=True)
class Submit:
    """SMS-SUBMIT, mobile to service centre. TS 23.040 clause 9.2.2.2.

    `validity` is TP-VP as octets, none, one (relative) or seven; `enhanced` tells which seven.
    """

    destination: Address
    user_data: UserData
    protocol: int = 0
    coding: int = DCS_CLASS_2_OCTETS
    reference: int = 0
    validity: bytes = b""
    enhanced: bool = False
    reject_duplicates: bool = False
    status_report: bool = False
    reply_path: bool = False

    def __post_init__(self) -> None:
        if len(self.validity) not in _VALIDITY_LENGTH:
            raise LocalError(f"validity period of {len(self.validity)} octets")

    def _validity_format(self) -> int:
        if len(self.validity) == 7:
            return 1 if self.enhanced else _ABSOLUTE
        return _RELATIVE if self.validity else 0

    def encode(self) -> bytes:
        """Give the octets."""
        first = (
            0x01
            | (_REJECT_DUPLICATES if self.reject_duplicates else 0)
            | self._validity_format() << 3
            | (_REPORT if self.status_report else 0)
            | (_UDHI if self.user_data.header else 0)
            | (_REPLY_PATH if self.reply_path else 0)
        )
        head = bytes([first, self.reference]) + self.destination.encode()
        head += bytes([self.protocol, self.coding]) + self.validity
        return head + encode_user_data(self.user_data, self.coding)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the TPDU; raise `PeerError` where it is malformed or another kind."""
        reader = Reader(octets)
        first, reference = reader.uint8(), reader.uint8()
        if first & _MTI != 0x01:
            raise PeerError(f"message type {first & _MTI} is no SMS-SUBMIT")
        destination = Address.decode(reader)
        protocol, coding = reader.uint8(), reader.uint8()
        validity_format = first >> 3 & 0x03
        validity = reader.octets(_VALIDITY_LENGTH[validity_format])
        return cls(
            destination,
            decode_user_data(reader, first, coding),
            protocol,
            coding,
            reference,
            validity,
            enhanced=validity_format == 1,
            reject_duplicates=bool(first & _REJECT_DUPLICATES),
            status_report=bool(first & _REPORT),
            reply_path=bool(first & _REPLY_PATH),
        )


@dataclass(frozen=True, slots=True)
class DeliverReport:
    """SMS-DELIVER-REPORT, mobile to service centre. TS 23.040 clause 9.2.2.1a.

    With `failure` (TP-FCS, 80 to FF) it goes in an RP-ERROR, without in an RP-ACK.
    """

    user_data: UserData = field(default_factory=UserData)
    protocol: int | None = None
    coding: int | None = None
    failure: int | None = None

    def encode(self) -> bytes:
        """Give the octets; what is None is not sent. TP-UD is sent where it is not empty."""
        has_data = bool(self.user_data.header or self.user_data.data)
        present = (self.protocol is not None, self.coding is not None, has_data)
        octets = bytearray([_UDHI if self.user_data.header else 0])
        if self.failure is not None:
            octets.append(self.failure)
        octets.append(sum(1 << bit for bit, there in enumerate(present) if there))
        octets += bytes(part for part in (self.protocol, self.coding) if part is not None)
        if has_data:
            octets += encode_user_data(self.user_data, self.coding or 0)
        return bytes(octets)

    @classmethod
    def decode(cls, octets: bytes, *, failed: bool) -> Self:
        """Read the TPDU of an RP-ERROR (`failed`) or RP-ACK; raise `PeerError` if malformed."""
        reader = Reader(octets)
        first = reader.uint8()
        if first & _MTI:
            raise PeerError(f"message type {first & _MTI} is no SMS-DELIVER-REPORT")
        failure = reader.uint8() if failed else None
        present = reader.uint8()
        if present & 0xF8:
            raise PeerError(f"parameter indicator {present:02X} has reserved bits")
        protocol = reader.uint8() if present & 0x01 else None
        coding = reader.uint8() if present & 0x02 else None
        user_data = UserData()
        if present & 0x04:
            user_data = decode_user_data(reader, first, coding or 0)
        reader.finish()
        return cls(user_data, protocol, coding, failure)
