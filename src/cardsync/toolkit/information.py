"""What the terminal tells of itself and of its network, as data objects.

TS 102 223 clause 8, TS 31.111 clause 8: the answers of PROVIDE LOCAL INFORMATION and the
contents of events.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self

from cardsync.octets.reader import Reader
from cardsync.octets.semi import pair, swapped, unpair, unswapped
from cardsync.toolkit.codes import AccessTechnologyCode, Battery, CommandType, SearchMode
from cardsync.toolkit.data_object import Code, DataObject, Fields, Octets, code, known, within

_ZONE_UNKNOWN = 0xFF
_ZONE_WEST = 0x08  # the sign is bit 4, in the half with the tens. TS 23.040 clause 9.2.3.11


def plmn(mcc: str, mnc: str) -> bytes:
    """Write a network identity of three octets. TS 24.008 clause 10.5.1.3."""
    third = mnc[2:] or "F"
    return bytes.fromhex(mcc[1] + mcc[0] + third + mcc[2] + mnc[1] + mnc[0])


def plmn_of(octets: bytes) -> tuple[str, str]:
    """Read a network identity as MCC and MNC; F stands for digits that are not known."""
    h = octets.hex().upper()
    if len(h) != 6:
        raise ValueError("a network identity of three octets is expected")
    return h[1] + h[0] + h[3], h[5] + h[4] + h[2].replace("F", "")


@known(0x13)
@dataclass(frozen=True, slots=True)
class LocationInformation(DataObject):
    """Network and cell: `mcc` and `mnc` are digits, `rest` is what follows. Clause 8.19.

    `rest` is the area in two octets (three in NG-RAN), then the cell: two octets in GERAN, four
    in UTRAN and E-UTRAN, five in NG-RAN. TS 31.111 clause 8.19.
    """

    mcc: str
    mnc: str
    rest: bytes = b""

    def __post_init__(self) -> None:
        within("number of digits of MCC", len(self.mcc), 3, 3)
        within("number of digits of MNC", len(self.mnc), 2, 3)

    @property
    def area(self) -> int | None:
        """The location area or tracking area; None where none is told."""
        size = {4: 2, 6: 2, 8: 3}.get(len(self.rest))
        return size and int.from_bytes(self.rest[:size], "big")

    @property
    def cell(self) -> int | None:
        """The cell of GERAN, or in UTRAN its lower 16 bits."""
        return int.from_bytes(self.rest[2:4], "big") if len(self.rest) in {4, 6} else None

    @property
    def extended_cell(self) -> int | None:
        """The radio network controller of a cell of UTRAN."""
        return int.from_bytes(self.rest[4:], "big") if len(self.rest) == 6 else None

    @property
    def e_utran_cell(self) -> int | None:
        """The 28 bits of a cell, if the network is E-UTRAN."""
        return int.from_bytes(self.rest[2:], "big") >> 4 if len(self.rest) == 6 else None

    @property
    def ng_ran_cell(self) -> int | None:
        """The 36 bits of a cell of NG-RAN."""
        return int.from_bytes(self.rest[3:], "big") >> 4 if len(self.rest) == 8 else None

    def value(self) -> bytes:
        """Give the value octets."""
        return plmn(self.mcc, self.mnc) + self.rest

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read a network identity of three octets and what follows."""
        return cls(*plmn_of(value[:3]), value[3:])


@known(0x14)
@dataclass(frozen=True, slots=True)
class Imei(DataObject):
    """The IMEI of the terminal, 15 digits. TS 102 223 clause 8.20, TS 24.008 clause 10.5.1.4."""

    digits: str

    def __post_init__(self) -> None:
        if len(self.digits) != 15 or not _are_digits(self.digits):
            raise ValueError("an IMEI has 15 digits")

    def value(self) -> bytes:
        """Give the value octets: odd number of digits, type IMEI (A)."""
        return swapped("A" + self.digits)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read eight octets."""
        digits = unswapped(value)
        if digits[:1] != "A":
            raise ValueError("an identity of type IMEI is expected")
        return cls(digits[1:])


@known(0x62)
@dataclass(frozen=True, slots=True)
class Imeisv(DataObject):
    """The IMEI with its software version, 16 digits. TS 102 223 clause 8.74."""

    digits: str

    def __post_init__(self) -> None:
        if len(self.digits) != 16 or not _are_digits(self.digits):
            raise ValueError("an IMEISV has 16 digits")

    def value(self) -> bytes:
        """Give the value octets: even number of digits, type IMEISV (3), a filler at the end."""
        return swapped("3" + self.digits)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read nine octets."""
        digits = unswapped(value)
        if digits[:1] != "3":
            raise ValueError("an identity of type IMEISV is expected")
        return cls(digits[1:])


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


@known(0x16)
@dataclass(frozen=True, slots=True)
class NetworkMeasurementResults(Octets):
    """What the terminal measures, as TS 24.008 or TS 25.331 has it. TS 102 223 clause 8.22."""


@known(0x1B)
@dataclass(frozen=True, slots=True)
class LocationStatus(DataObject):
    """Service: 0 normal, 1 limited, 2 none. TS 102 223 clause 8.27."""

    status: int

    def __post_init__(self) -> None:
        within("location status", self.status, 0, 2)

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.status])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet."""
        (status,) = value
        return cls(status)


@known(0x1D)
@dataclass(frozen=True, slots=True)
class BcchChannelList(Octets):
    """The channels of the neighbouring cells, ten bits each. TS 31.111 clause 8.29."""


@known(0x26)
@dataclass(frozen=True, slots=True)
class DateTime(DataObject):
    """Local time to the second; `zone` as it stands, FF unknown. TS 102 223 clause 8.39."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    zone: int = _ZONE_UNKNOWN

    def __post_init__(self) -> None:
        within("year", self.year, 2000, 2099)
        within("month", self.month, 1, 12)
        within("day", self.day, 1, 31)
        within("hour", self.hour, 0, 23)
        within("minute", self.minute, 0, 59)
        within("second", self.second, 0, 59)
        if self.zone != _ZONE_UNKNOWN:
            unpair(self.zone & ~_ZONE_WEST)

    @property
    def offset(self) -> int | None:
        """Minutes east of UTC, negative in the west; None where the zone is not known."""
        if self.zone == _ZONE_UNKNOWN:
            return None
        minutes = unpair(self.zone & ~_ZONE_WEST) * 15
        return -minutes if self.zone & _ZONE_WEST else minutes

    def value(self) -> bytes:
        """Give seven octets; the year is the last two digits."""
        fields = (self.year % 100, self.month, self.day, self.hour, self.minute, self.second)
        return bytes([*map(pair, fields), self.zone])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read seven octets; a year is of this century."""
        *fields, zone = value
        year, month, day, hour, minute, second = map(unpair, fields)
        return cls(2000 + year, month, day, hour, minute, second, zone)


def zone_of(minutes: int) -> int:
    """Write minutes east of UTC as the octet of a time zone, quarters of an hour to 19:45."""
    quarters = abs(minutes) // 15
    within("quarters of an hour", quarters, 0, 79)
    return pair(quarters) | (_ZONE_WEST if minutes < 0 else 0)


@known(0x2D)
@dataclass(frozen=True, slots=True)
class Language(DataObject):
    """A language in two letters of ISO 639-1. TS 102 223 clause 8.45."""

    code: str

    def __post_init__(self) -> None:
        if len(self.code) != 2 or not self.code.isascii():
            raise ValueError("a language has two letters")

    def value(self) -> bytes:
        """Give the value octets."""
        return self.code.encode()

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two letters."""
        return cls(value.decode("ascii"))


@known(0x2E)
@dataclass(frozen=True, slots=True)
class TimingAdvance(DataObject):
    """Whether the terminal is idle (0) or not (1), and its advance. TS 31.111 clause 8.46.

    The advance has one octet in GERAN; that of E-UTRAN (to 1,282) and of a satellite need more.
    """

    state: int
    advance: int
    size: int = field(default=1, repr=False)

    def __post_init__(self) -> None:
        within("octets of the advance", self.size, 1, 4)
        within("advance", self.advance, 0, (1 << 8 * self.size) - 1)

    def value(self) -> bytes:
        """Give state and advance."""
        return bytes([self.state]) + self.advance.to_bytes(self.size, "big")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read state and advance."""
        reader = Reader(value)
        state, advance = reader.uint8(), reader.rest()
        return cls(state, int.from_bytes(advance, "big"), len(advance))


@known(0x3F)
@dataclass(frozen=True, slots=True)
class AccessTechnology(DataObject):
    """The technologies now in use, one or more. TS 102 223 clause 8.61."""

    technologies: tuple[int, ...]

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes(self.technologies)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet a technology."""
        if not value:
            raise ValueError("a technology is expected")
        return cls(tuple([code(AccessTechnologyCode, octet) for octet in value]))


@known(0x34, CommandType.PROVIDE_LOCAL_INFORMATION)
@dataclass(frozen=True, slots=True)
class SupportedRadioAccessTechnologies(DataObject):
    """Technology and state (bit 1: enabled) of each. TS 102 223 clause 8.105."""

    technologies: tuple[tuple[int, int], ...]

    def value(self) -> bytes:
        """Give two octets a technology."""
        return bytes([octet for one in self.technologies for octet in one])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two octets a technology."""
        if len(value) % 2:
            raise ValueError("a technology has two octets")
        names = [code(AccessTechnologyCode, octet) for octet in value[::2]]
        return cls(tuple(zip(names, value[1::2], strict=True)))


@known(0x46)
@dataclass(frozen=True, slots=True)
class Esn(Octets):
    """The electronic serial number, four octets. TS 102 223 clause 8.69."""

    LENGTHS: ClassVar[range] = range(4, 5)


@known(0x6D)
@dataclass(frozen=True, slots=True)
class Meid(Octets):
    """The mobile equipment identifier of a CDMA terminal: 14 digits, or these behind their length.

    TS 102 223 clause 8.81.
    """

    LENGTHS: ClassVar[range] = range(7, 9)


@known(0x63)
@dataclass(frozen=True, slots=True)
class BatteryState(Code):
    """How full the battery is. TS 102 223 clause 8.76."""

    CODES = Battery


@known(0x65)
@dataclass(frozen=True, slots=True)
class NetworkSearchMode(Code):
    """Manual or automatic. TS 102 223 clause 8.75."""

    CODES = SearchMode


@known(0x7A)
@dataclass(frozen=True, slots=True)
class BroadcastNetworkInformation(Octets):
    """Technology of a broadcast network, and where the terminal is in it. Clause 8.90."""


@known(0x40)
@dataclass(frozen=True, slots=True)
class DisplayParameters(Fields):
    """Height and width in characters with their flags, and the effects. Clause 8.62.

    They are bytes 14 to 16 of TERMINAL PROFILE.
    """

    height: int
    width: int
    effects: int
