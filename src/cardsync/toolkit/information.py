"""What the terminal tells of itself and of its network, as data objects.

TS 102 223 clause 8, TS 31.111 clause 8: the answers of PROVIDE LOCAL INFORMATION and the
contents of events.
"""

from dataclasses import dataclass
from typing import Self

from cardsync.octets.semi import swapped, unswapped
from cardsync.toolkit.codes import AccessTechnologyCode
from cardsync.toolkit.objects import DataObject, code, known, within


@known(0x13)
@dataclass(frozen=True, slots=True)
class LocationInformation(DataObject):
    """Network and cell: `mcc` and `mnc` are digits, `rest` is what follows. Clause 8.19."""

    mcc: str
    mnc: str
    rest: bytes = b""

    def value(self) -> bytes:
        """Give the value octets. TS 24.008 clause 10.5.1.3."""
        third = self.mnc[2:] or "F"
        halves = self.mcc[1] + self.mcc[0] + third + self.mcc[2] + self.mnc[1] + self.mnc[0]
        return bytes.fromhex(halves) + self.rest

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read a network identity of three octets and what follows."""
        if len(value) < 3:
            raise ValueError("a network identity of three octets is expected")
        h = value[:3].hex().upper()
        return cls(h[1] + h[0] + h[3], (h[5] + h[4] + h[2]).rstrip("F"), value[3:])


@known(0x14)
@dataclass(frozen=True, slots=True)
class Imei(DataObject):
    """The IMEI of the terminal, 15 digits. TS 102 223 clause 8.20, TS 24.008 clause 10.5.1.4."""

    digits: str

    def __post_init__(self) -> None:
        if len(self.digits) != 15 or not self.digits.isdigit():
            raise ValueError("an IMEI has 15 digits")

    def value(self) -> bytes:
        """Give the value octets: odd number of digits, type IMEI (A)."""
        return swapped("A" + self.digits)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read eight octets."""
        return cls(unswapped(value)[1:])


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
    zone: int = 0xFF

    def value(self) -> bytes:
        """Give seven octets; the year is the last two digits."""
        fields = (self.year % 100, self.month, self.day, self.hour, self.minute, self.second)
        return swapped("".join([f"{field:02}" for field in fields])) + bytes([self.zone])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read seven octets; a year is of this century."""
        year, month, day, hour, minute, second = (
            int(unswapped(bytes([octet])).zfill(2)) for octet in value[:6]
        )
        (zone,) = value[6:]
        return cls(2000 + year, month, day, hour, minute, second, zone)


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
