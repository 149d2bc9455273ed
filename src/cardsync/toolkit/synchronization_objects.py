"""The data objects of REQUEST SYNCHRONIZATION.

Our specification: docs/request-synchronization.md. The command was never standardized; the
objects take experimental three-byte tags: `7F FE xx` (comprehension required) and `7F 7E xx`,
where nobody chose others (code_points.py).
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader
from cardsync.toolkit import code_points
from cardsync.toolkit.data_object import DataObject, Fields, Octets, known, within
from cardsync.toolkit.information import Imei
from cardsync.toolkit.synchronization_codes import (
    AuthenticationScheme,
    Bearers,
    DatabaseIdType,
    DeviceIdType,
    Phase,
    Protocol,
    Representation,
    Transport,
)

__all__ = [
    "CODE_POINTS",
    "AuthenticationReference",
    "AuthenticationScheme",
    "Bearers",
    "Capability",
    "CategoryMask",
    "Constraints",
    "Database",
    "DatabaseIdType",
    "DeviceIdType",
    "Notification",
    "Phase",
    "ProfileReference",
    "Protocol",
    "Representation",
    "Retry",
    "SessionReference",
    "SourceDatabase",
    "Summary",
    "SynchronizationProtocol",
    "SynchronizationType",
    "TargetDatabase",
    "Transport",
    "TransportList",
]


CODE_POINTS = code_points.in_use()

_ANCHOR = 16
"""Octets of an anchor that a summary tells."""


def _tag(number: int) -> int:
    return CODE_POINTS.tags | number


def _lv(octets: bytes) -> bytes:
    within("length of an identifier", len(octets), 0, 255)
    return bytes([len(octets)]) + octets


@known(_tag(0x01), three_octets=True)
@dataclass(frozen=True, slots=True)
class SynchronizationProtocol(Fields):
    """Protocol, its version in BCD (12 is 1.2) and its representation."""

    protocol: int
    version: int = 0x12
    representation: int = Representation.WBXML


@known(_tag(0x02), three_octets=True)
@dataclass(frozen=True, slots=True)
class TransportList(DataObject):
    """One to eight transports, the preferred one first."""

    transports: tuple[int, ...]

    def __post_init__(self) -> None:
        within("number of transports", len(self.transports), 1, 8)

    def value(self) -> bytes:
        """Give one octet a transport."""
        return bytes(self.transports)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet a transport."""
        return cls(tuple(value))


@known(_tag(0x03), three_octets=True)
@dataclass(frozen=True, slots=True)
class SynchronizationType(DataObject):
    """The SyncML alert code in one octet, 200 to 205; 0 leaves it to the agent."""

    code: int

    def __post_init__(self) -> None:
        if self.code:
            within("synchronization type", self.code, 200, 205)

    def value(self) -> bytes:
        """Give one octet."""
        return bytes([self.code])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet."""
        (code,) = value
        return cls(code)


@dataclass(frozen=True, slots=True)
class Database(DataObject):
    """A database: a device, and a database on it, each by the kind of name that it has."""

    device_type: int
    device: bytes
    database_type: int
    database: bytes

    def value(self) -> bytes:
        """Give type and name of the device, then of the database."""
        device = bytes([self.device_type]) + _lv(self.device)
        return device + bytes([self.database_type]) + _lv(self.database)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read both names to the end."""
        reader = Reader(value)
        device_type, device = reader.uint8(), reader.octets(reader.uint8())
        database_type, database = reader.uint8(), reader.octets(reader.uint8())
        reader.finish()
        return cls(device_type, device, database_type, database)

    @property
    def uri(self) -> str | None:
        """The name of the database as a URI, None if it is of another kind.

        Raises `PeerError` for octets that are no UTF-8.
        """
        if self.database_type != DatabaseIdType.URI:
            return None
        try:
            return self.database.decode()
        except UnicodeDecodeError:
            raise PeerError("the name of a database is not UTF-8") from None


@known(_tag(0x04), three_octets=True)
@dataclass(frozen=True, slots=True)
class SourceDatabase(Database):
    """The database in the terminal or in the card."""

    @classmethod
    def of_imei(cls, digits: str, database: str) -> Self:
        """Name a database of the terminal that has this IMEI."""
        imei = Imei(digits).value()
        return cls(DeviceIdType.IMEI, imei, DatabaseIdType.URI, database.encode())


@known(_tag(0x05), three_octets=True)
@dataclass(frozen=True, slots=True)
class TargetDatabase(Database):
    """The database of the operator."""

    @classmethod
    def of_uri(cls, server: str, database: str) -> Self:
        """Name a database of the server at this address."""
        return cls(DeviceIdType.URI, server.encode(), DatabaseIdType.URI, database.encode())


@known(_tag(0x06), three_octets=True)
@dataclass(frozen=True, slots=True)
class Notification(DataObject):
    """0 none, 1 the end, 2 the end and progress each `interval` times ten seconds at most."""

    mode: int
    interval: int | None = None

    def __post_init__(self) -> None:
        within("notification", self.mode, 0, 2)
        within("interval", self.interval or 0, 0, 255)

    def value(self) -> bytes:
        """Give one or two octets."""
        return bytes([self.mode] if self.interval is None else [self.mode, self.interval])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one or two octets."""
        if len(value) not in {1, 2}:
            raise ValueError("one or two octets are expected")
        return cls(*value)


@known(_tag(0x07), three_octets=True)
@dataclass(frozen=True, slots=True)
class SessionReference(Octets):
    """Two to eight octets by which the card knows the session again."""

    LENGTHS: ClassVar[range] = range(2, 9)


@known(_tag(0x08), three_octets=True)
@dataclass(frozen=True, slots=True)
class AuthenticationReference(DataObject):
    """What the agent shows the server: a scheme, and up to 32 octets of its own."""

    scheme: int
    data: bytes = b""

    def __post_init__(self) -> None:
        within("length of authentication data", len(self.data), 0, 32)

    def __repr__(self) -> str:
        """Leave the data out: a token is as good as a password while it lasts."""
        return f"AuthenticationReference(scheme={self.scheme}, data=<{len(self.data)} octets>)"

    def value(self) -> bytes:
        """Give scheme and data."""
        return bytes([self.scheme]) + self.data

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read scheme and data."""
        if not value:
            raise ValueError("a scheme is expected")
        return cls(value[0], value[1:])


@known(_tag(0x09), three_octets=True)
@dataclass(frozen=True, slots=True)
class CategoryMask(DataObject):
    """What may be sent, 16 bits; bit 1 is the least. The terminal never sends more."""

    mask: int

    def __post_init__(self) -> None:
        within("category mask", self.mask, 0, 0xFFFF)

    def value(self) -> bytes:
        """Give two octets."""
        return self.mask.to_bytes(2, "big")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two octets."""
        if len(value) != 2:
            raise ValueError("two octets are expected")
        return cls(int.from_bytes(value, "big"))


@known(_tag(0x0A), three_octets=True)
@dataclass(frozen=True, slots=True)
class Constraints(DataObject):
    """At most so many kilobytes, at least so much battery (%), over these `Bearers` alone."""

    kilobytes: int
    battery: int
    bearers: int

    def __post_init__(self) -> None:
        within("kilobytes", self.kilobytes, 0, 0xFFFF)
        within("battery", self.battery, 0, 100)
        within("bearers", self.bearers, 0, 255)

    def value(self) -> bytes:
        """Give four octets."""
        return self.kilobytes.to_bytes(2, "big") + bytes([self.battery, self.bearers])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read four octets."""
        reader = Reader(value)
        found = cls(reader.uint16(), reader.uint8(), reader.uint8())
        reader.finish()
        return found


@known(_tag(0x0B), three_octets=True)
@dataclass(frozen=True, slots=True)
class Retry(Fields):
    """What the terminal may try again by itself: minutes, a shift of the delay, jitter in %."""

    attempts: int
    first_delay: int
    back_off: int
    jitter: int

    def __post_init__(self) -> None:
        within("attempts", self.attempts, 1, 15)
        within("first delay", self.first_delay, 1, 255)
        within("back-off", self.back_off, 0, 3)
        within("jitter", self.jitter, 0, 100)


@known(_tag(0x0C), three_octets=True)
@dataclass(frozen=True, slots=True)
class Summary(DataObject):
    """What a session did: counts of items, octets up and down, seconds, the new anchor.

    A count that is too large is told as the largest number, an anchor by its first 16 octets.
    """

    phase: int = Phase.DONE
    native: int = 0
    added: int = 0
    replaced: int = 0
    deleted: int = 0
    failed: int = 0
    conflicts: int = 0
    octets_up: int = 0
    octets_down: int = 0
    seconds: int = 0
    anchor: bytes = b""

    def value(self) -> bytes:
        """Give the octets."""
        counts = (self.native, self.added, self.replaced, self.deleted, self.failed)
        head = bytes([self.phase]) + b"".join([_capped(n, 2) for n in (*counts, self.conflicts)])
        traffic = _capped(self.octets_up, 3) + _capped(self.octets_down, 3)
        return head + traffic + _capped(self.seconds, 2) + _lv(self.anchor[:_ANCHOR])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read all fields to the end."""
        reader = Reader(value)
        phase = reader.uint8()
        native, added, replaced, deleted, failed, conflicts = (reader.uint16() for _ in range(6))
        up, down, seconds = reader.uint24(), reader.uint24(), reader.uint16()
        anchor = reader.octets(reader.uint8())
        within("length of an anchor", len(anchor), 0, _ANCHOR)
        reader.finish()
        counts = (native, added, replaced, deleted, failed, conflicts)
        return cls(phase, *counts, up, down, seconds, anchor)


def _capped(number: int, size: int) -> bytes:
    return min(number, (1 << 8 * size) - 1).to_bytes(size, "big")


@known(_tag(0x0D), three_octets=True)
@dataclass(frozen=True, slots=True)
class Capability(DataObject):
    """What the agent has: protocols, representations, transports, types, ways to authenticate."""

    protocols: tuple[int, ...]
    representations: tuple[int, ...]
    transports: tuple[int, ...]
    types: tuple[int, ...]
    schemes: tuple[int, ...]

    def value(self) -> bytes:
        """Give each list behind its length, one octet an entry."""
        lists = (self.protocols, self.representations, self.transports, self.types, self.schemes)
        return b"".join([_lv(bytes(each)) for each in lists])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read five lists to the end."""
        reader = Reader(value)
        lists = [tuple(reader.octets(reader.uint8())) for _ in range(5)]
        reader.finish()
        return cls(*lists)


@known(_tag(0x0E), three_octets=True)
@dataclass(frozen=True, slots=True)
class ProfileReference(Fields):
    """The index of a set of parameters that was provisioned before."""

    index: int
