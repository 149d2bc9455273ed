"""Data objects of the bearer independent protocol: channels, bearers, addresses, services.

TS 102 223 clause 8, TS 31.111 clause 8.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import ClassVar, Self

from cardsync.octets.reader import Reader
from cardsync.toolkit.bearers import PARAMETERS, BearerParameters
from cardsync.toolkit.codes import AddressType, BearerType, CommandType, TransportProtocol
from cardsync.toolkit.data_object import Code, DataObject, Fields, Octets, code, known, within

_LINK_DROPPED = 0x05
_ADDRESS_OCTETS: dict[int | None, int] = {AddressType.IPV4: 4, AddressType.IPV6: 16}


@known(0x35)
@dataclass(frozen=True, slots=True)
class BearerDescription(DataObject):
    """A bearer and its parameters, as TS 31.111 clause 8.52 has them. TS 102 223 clause 8.52."""

    type: int
    parameters: bytes = b""

    @property
    def quality(self) -> BearerParameters | None:
        """The parameters by their names, where the standard names them."""
        kind = PARAMETERS.get(self.type)
        return kind.read(self.parameters) if kind else None

    def value(self) -> bytes:
        """Give type and parameters."""
        return bytes([self.type]) + self.parameters

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read type and parameters."""
        reader = Reader(value)
        return cls(code(BearerType, reader.uint8()), reader.rest())


@known(0x36)
@dataclass(frozen=True, slots=True)
class ChannelData(Octets):
    """What is sent or was received. TS 102 223 clause 8.53."""

    octets: bytes = field(repr=False)


@known(0x37)
@dataclass(frozen=True, slots=True)
class ChannelDataLength(Fields):
    """Octets wanted, left to be read, or free to be sent; 255 is 255 or more. Clause 8.54."""

    length: int


@known(0x38)
@dataclass(frozen=True, slots=True)
class ChannelStatus(DataObject):
    """The channel in bits 1 to 3 and how it is, then more; of TCP in server mode too.

    TS 102 223 clause 8.56.
    """

    status: int
    information: bytes

    def __post_init__(self) -> None:
        within("length of further information", len(self.information), 1, 255)

    @property
    def channel(self) -> int:
        """The channel, 1 to 7; 0 is none."""
        return self.status & 0x07

    @property
    def established(self) -> bool:
        """Whether the link is there."""
        return self.status >= 0x80

    @property
    def dropped(self) -> bool:
        """Whether the link broke: further information 05."""
        return self.information[0] == _LINK_DROPPED

    def value(self) -> bytes:
        """Give two octets or more."""
        return bytes([self.status]) + self.information

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two octets or more."""
        return cls(Reader(value).uint8(), value[1:])


@known(0x39)
@dataclass(frozen=True, slots=True)
class BufferSize(DataObject):
    """Octets that the terminal shall keep for a channel, to 65,535. TS 102 223 clause 8.55."""

    size: int

    def __post_init__(self) -> None:
        within("buffer", self.size, 0, 0xFFFF)

    def value(self) -> bytes:
        """Give two octets."""
        return self.size.to_bytes(2, "big")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two octets."""
        if len(value) != 2:
            raise ValueError("two octets are expected")
        return cls(int.from_bytes(value, "big"))


@known(0x3C)
@dataclass(frozen=True, slots=True)
class TransportLevel(DataObject):
    """The protocol between card and terminal, and its port. TS 102 223 clause 8.59."""

    protocol: int
    port: int

    def __post_init__(self) -> None:
        within("port", self.port, 0, 0xFFFF)

    def value(self) -> bytes:
        """Give three octets."""
        return bytes([self.protocol]) + self.port.to_bytes(2, "big")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read three octets."""
        reader = Reader(value)
        found = cls(code(TransportProtocol, reader.uint8()), reader.uint16())
        reader.finish()
        return found


@dataclass(frozen=True, slots=True)
class _Internet(DataObject):
    """The shape of an address in the internet."""

    type: int | None
    address: bytes = b""

    def __post_init__(self) -> None:
        if self.type is None and self.address:
            raise ValueError("an address has a type")

    @property
    def host(self) -> str | None:
        """The address as people write it; None where it is none of IPv4 or IPv6."""
        if len(self.address) != _ADDRESS_OCTETS.get(self.type):
            return None
        return str(ip_address(self.address))

    def value(self) -> bytes:
        """Give type and address, or nothing."""
        return b"" if self.type is None else bytes([self.type]) + self.address

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read type and address, or nothing."""
        return cls(code(AddressType, value[0]), value[1:]) if value else cls(None)


@known(0x3E)
@dataclass(frozen=True, slots=True)
class OtherAddress(_Internet):
    """An address in the internet; without a type it is to be assigned. TS 102 223 clause 8.58."""


@known(0x40, CommandType.OPEN_CHANNEL)
@dataclass(frozen=True, slots=True)
class DnsServerAddress(_Internet):
    """A name server that the network told. TS 102 223 clause 8.104."""


@known(0x47)
@dataclass(frozen=True, slots=True)
class NetworkAccessName(DataObject):
    """The name of an access point as labels, each behind its length. TS 102 223 clause 8.70."""

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for label in self.labels:
            within("length of a label", len(label), 0, 63)

    @property
    def name(self) -> str:
        """The labels with dots between them."""
        return ".".join(self.labels)

    def value(self) -> bytes:
        """Give the labels. TS 23.003 clause 9.1."""
        return b"".join([bytes([len(label)]) + label.encode("ascii") for label in self.labels])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read labels to the end."""
        reader, labels = Reader(value), []
        while len(reader):
            labels.append(reader.octets(reader.uint8()).decode("ascii"))
        return cls(tuple(labels))


@known(0x49)
@dataclass(frozen=True, slots=True)
class RemoteEntityAddress(DataObject):
    """A device near by: 0 a Bluetooth address, 1 one of IrDA. TS 102 223 clause 8.68."""

    coding: int
    address: bytes

    def value(self) -> bytes:
        """Give coding and address."""
        return bytes([self.coding]) + self.address

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read coding and address."""
        reader = Reader(value)
        return cls(reader.uint8(), reader.rest())


@dataclass(frozen=True, slots=True)
class _Local(DataObject):
    """The shape of what is said of a local bearer: its technology, then octets of its own."""

    technology: int
    octets: bytes

    def value(self) -> bytes:
        """Give technology and octets."""
        return bytes([self.technology]) + self.octets

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read technology and octets."""
        reader = Reader(value)
        return cls(reader.uint8(), reader.rest())


@known(0x41)
@dataclass(frozen=True, slots=True)
class ServiceRecord(_Local):
    """A service: its identifier (one octet) and its record. TS 102 223 clause 8.63."""


@known(0x42)
@dataclass(frozen=True, slots=True)
class DeviceFilter(_Local):
    """Which devices are looked for. TS 102 223 clause 8.64."""


@known(0x43)
@dataclass(frozen=True, slots=True)
class ServiceSearch(_Local):
    """Which services are looked for. TS 102 223 clause 8.65."""


@known(0x44)
@dataclass(frozen=True, slots=True)
class AttributeInformation(_Local):
    """Which attributes of a service are wanted. TS 102 223 clause 8.66."""


@known(0x45)
@dataclass(frozen=True, slots=True)
class ServiceAvailability(_Local):
    """Which services were found. TS 102 223 clause 8.67."""


@known(0x54)
@dataclass(frozen=True, slots=True)
class ContactlessFunctionalityState(Code):
    """0 on, 1 off. TS 102 223 clause 8.92."""


@known(0x53)
@dataclass(frozen=True, slots=True)
class ContactlessStateRequest(Code):
    """0: it shall be on, 1: off. TS 102 223 clause 8.91."""


@known(0x7B)
@dataclass(frozen=True, slots=True)
class ActivateDescriptor(Code):
    """What is to be activated; 1 is the interface to the contactless front-end. Clause 8.89."""


@known(0x71)
@dataclass(frozen=True, slots=True)
class RegistryApplicationData(Octets):
    """What a contactless application registers. TS 102 223 clause 8.88."""

    LENGTHS: ClassVar[range] = range(1, 0x10000)
