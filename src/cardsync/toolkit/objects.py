"""Data objects of the Card Application Toolkit, one class to a COMPREHENSION-TLV.

ETSI TS 102 223 clause 8, TS 31.111 clause 8; tags from TS 101 220 clause 7.2. An object that
exists is valid. `decode` turns a TLV into its object, or into `Unknown`, which keeps its octets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self, TypeVar

from cardsync.errors import CardsyncError, PeerError
from cardsync.octets import text
from cardsync.octets.semi import swapped, unswapped
from cardsync.octets.tlv import ComprehensionTlv
from cardsync.toolkit.codes import Device, EventCode, GeneralResult, TimeUnit


class MalformedObject(PeerError):
    """A data object cannot be read; the command that holds it is answered `32`."""

    def __init__(self, name: str, value: bytes, reason: object) -> None:
        super().__init__(
            f"{name} cannot be read from {value.hex().upper() or 'nothing'}: {reason}",
            answer=GeneralResult.DATA_NOT_UNDERSTOOD,
        )


class DataObject:
    """A data object: `value` gives its octets, `read` makes one of octets, `TAG` is its tag."""

    __slots__ = ()
    TAG: ClassVar[int]
    THREE_OCTETS: ClassVar[bool] = False

    def value(self) -> bytes:
        """Give the value octets."""
        raise NotImplementedError

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Make the object of its value octets; raise `ValueError` or a `CardsyncError`."""
        raise NotImplementedError

    def encode(self, *, comprehension: bool = True) -> bytes:
        """Give the octets of the TLV, with or without comprehension required."""
        return ComprehensionTlv(self.TAG, self.value(), comprehension, self.THREE_OCTETS).encode()


@dataclass(frozen=True, slots=True)
class Unknown(DataObject):
    """An object that we do not know; its octets are kept. `octets` are those of its value."""

    tag: int
    octets: bytes
    three_octets: bool = False

    def value(self) -> bytes:
        """Give the value octets as they came."""
        return self.octets

    def encode(self, *, comprehension: bool = True) -> bytes:
        """Give the octets of the TLV as they came."""
        return ComprehensionTlv(self.tag, self.octets, comprehension, self.three_octets).encode()


_KNOWN: dict[tuple[int, bool], type[DataObject]] = {}
_Object = TypeVar("_Object", bound=type[DataObject])


def known(tag: int, *, three_octets: bool = False) -> Callable[[_Object], _Object]:
    """Register a class under its tag."""

    def register(cls: _Object) -> _Object:
        cls.TAG, cls.THREE_OCTETS = tag, three_octets
        _KNOWN[tag, three_octets] = cls
        return cls

    return register


def decode(tlv: ComprehensionTlv) -> DataObject:
    """Make the object of a TLV; raise `MalformedObject` if its class cannot read it."""
    cls = _KNOWN.get((tlv.tag, tlv.three_octets))
    if cls is None:
        return Unknown(tlv.tag, tlv.value, tlv.three_octets)
    try:
        return cls.read(tlv.value)
    except (ValueError, CardsyncError) as exc:
        raise MalformedObject(cls.__name__, tlv.value, exc) from exc


def code(enumeration: type[IntEnum], octet: int) -> int:
    """Name an octet if its list has it, else keep it as it is."""
    try:
        return enumeration(octet)
    except ValueError:
        return octet


def within(name: str, number: int, low: int, high: int) -> None:
    """Raise `ValueError` if a number is out of its range."""
    if not low <= number <= high:
        raise ValueError(f"{name} {number} is not {low} to {high}")


@known(0x01)
@dataclass(frozen=True, slots=True)
class CommandDetails(DataObject):
    """Number 1 to 254, type and qualifier of a command. TS 102 223 clause 8.6."""

    number: int
    type: int
    qualifier: int = 0

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.number, self.type, self.qualifier])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read three octets."""
        number, type_, qualifier = value
        return cls(number, type_, qualifier)


@known(0x02)
@dataclass(frozen=True, slots=True)
class DeviceIdentities(DataObject):
    """Where a message comes from and goes to. TS 102 223 clause 8.7."""

    source: int
    destination: int

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.source, self.destination])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two octets."""
        source, destination = value
        return cls(source, destination)


UICC_TO_TERMINAL = DeviceIdentities(Device.UICC, Device.TERMINAL)
TERMINAL_TO_UICC = DeviceIdentities(Device.TERMINAL, Device.UICC)


@known(0x03)
@dataclass(frozen=True, slots=True)
class Result(DataObject):
    """How a command went: `general` and its additional information. TS 102 223 clause 8.12."""

    general: int
    additional: bytes = b""

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.general]) + self.additional

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read at least one octet."""
        if not value:
            raise ValueError("a general result is expected")
        return cls(value[0], value[1:])


@known(0x04)
@dataclass(frozen=True, slots=True)
class Duration(DataObject):
    """A length of time: `interval` is 1 to 255 of `unit`. TS 102 223 clause 8.8."""

    unit: TimeUnit
    interval: int

    def __post_init__(self) -> None:
        within("interval", self.interval, 1, 255)

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.interval * {0: 60.0, 1: 1.0, 2: 0.1}[self.unit]

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.unit, self.interval])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read two octets."""
        unit, interval = value
        return cls(TimeUnit(unit), interval)


@known(0x05)
@dataclass(frozen=True, slots=True)
class AlphaIdentifier(DataObject):
    """A text of the application for the user. TS 102 223 clause 8.2."""

    text: str

    def value(self) -> bytes:
        """Give the value octets."""
        return text.encode_alpha(self.text)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read an alpha field."""
        return cls(text.decode_alpha(value))


@known(0x06)
@dataclass(frozen=True, slots=True)
class Address(DataObject):
    """A number: type and plan in one octet (91 international ISDN), digits. Clause 8.1."""

    digits: str
    ton_npi: int = 0x91

    def value(self) -> bytes:
        """Give the value octets: `*` is A, `#` is B. TS 31.102 clause 4.4.2.3."""
        semi = self.digits.replace("*", "A").replace("#", "B")
        return bytes([self.ton_npi]) + swapped(semi)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read type, plan and semi-octets."""
        if not value:
            raise ValueError("type of number is expected")
        return cls(unswapped(value[1:]).replace("A", "*").replace("B", "#"), value[0])


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


class TextCoding:
    """Data coding schemes of a text string. TS 102 223 clause 8.15, TS 23.038."""

    PACKED = 0x00
    OCTETS = 0x04
    UCS2 = 0x08


@known(0x0D)
@dataclass(frozen=True, slots=True)
class TextString(DataObject):
    """A text with its data coding scheme; an empty string is a null text. Clause 8.15."""

    text: str
    coding: int = TextCoding.OCTETS

    def value(self) -> bytes:
        """Give the value octets."""
        if not self.text:
            return b""
        if self.coding == TextCoding.UCS2:
            return bytes([self.coding]) + text.encode_ucs2(self.text)
        septets = text.encode_septets(self.text)
        if self.coding == TextCoding.PACKED:
            return bytes([self.coding]) + text.pack(septets)
        return bytes([self.coding]) + septets

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read coding and text."""
        if not value:
            return cls("")
        coding, body = value[0], value[1:]
        if coding == TextCoding.UCS2:
            return cls(text.decode_ucs2(body), coding)
        if coding == TextCoding.PACKED:
            return cls(text.decode_septets(text.unpack(body, len(body) * 8 // 7)), coding)
        if coding == TextCoding.OCTETS:
            return cls(text.decode_septets(body), coding)
        raise ValueError(f"data coding scheme {coding:02X} is not 00, 04 or 08")

    @classmethod
    def of(cls, content: str) -> Self:
        """Choose 8-bit where the default alphabet can write the text, else UCS2."""
        return cls(content, TextCoding.OCTETS if text.is_gsm(content) else TextCoding.UCS2)


@known(0x0F)
@dataclass(frozen=True, slots=True)
class Item(DataObject):
    """An item of a menu or a choice: `identifier` 1 to 255. TS 102 223 clause 8.9."""

    identifier: int
    text: str

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.identifier]) + text.encode_alpha(self.text)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read identifier and text; an empty item takes the menu away."""
        if not value:
            raise ValueError("an identifier is expected")
        return cls(value[0], text.decode_alpha(value[1:]))


@known(0x10)
@dataclass(frozen=True, slots=True)
class ItemIdentifier(DataObject):
    """Which item was chosen. TS 102 223 clause 8.10."""

    identifier: int

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.identifier])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet."""
        (identifier,) = value
        return cls(identifier)


@known(0x19)
@dataclass(frozen=True, slots=True)
class EventList(DataObject):
    """Events, as a set that is asked for or as the one that occurred. Clause 8.25."""

    events: tuple[int, ...]

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes(self.events)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet an event; those that we do not know are kept."""
        return cls(tuple([code(EventCode, octet) for octet in value]))


@known(0x24)
@dataclass(frozen=True, slots=True)
class TimerIdentifier(DataObject):
    """A timer of the terminal, 1 to 8. TS 102 223 clause 8.37."""

    identifier: int

    def __post_init__(self) -> None:
        within("timer", self.identifier, 1, 8)

    def value(self) -> bytes:
        """Give the value octets."""
        return bytes([self.identifier])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet."""
        (identifier,) = value
        return cls(identifier)


@known(0x25)
@dataclass(frozen=True, slots=True)
class TimerValue(DataObject):
    """A time of up to 24 hours in seconds. TS 102 223 clause 8.38."""

    seconds: int

    def __post_init__(self) -> None:
        within("timer value", self.seconds, 0, 24 * 3600)

    def value(self) -> bytes:
        """Give hours, minutes and seconds as semi-octets."""
        minutes, seconds = divmod(self.seconds, 60)
        return swapped("{:02}{:02}{:02}".format(*divmod(minutes, 60), seconds))

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read three octets."""
        hours, minutes, seconds = (int(unswapped(bytes([octet])).zfill(2)) for octet in value)
        return cls(hours * 3600 + minutes * 60 + seconds)


@known(0x31)
@dataclass(frozen=True, slots=True)
class Url(DataObject):
    """An address for the browser; empty is the default one. TS 102 223 clause 8.48."""

    url: str

    def value(self) -> bytes:
        """Give the value octets."""
        return self.url.encode("ascii")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read seven-bit characters."""
        return cls(value.decode("ascii"))
