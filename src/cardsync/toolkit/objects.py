"""Data objects of the Card Application Toolkit, one class to a COMPREHENSION-TLV.

ETSI TS 102 223 clause 8, TS 31.111 clause 8; tags from TS 101 220 clause 7.2. Here stand those
that every message has and those of events and timers; the others stand by subject in the modules
that are imported here, so that whoever decodes knows them all. Those in daily use have their
name here too.
"""

from dataclasses import dataclass
from typing import Self

from cardsync.octets.semi import pair, unpair
from cardsync.octets.tlv import ComprehensionTlv
from cardsync.toolkit import browser, calls, channels, information, looks, network, readers, texts
from cardsync.toolkit.codes import Device, EventCode, TimeUnit
from cardsync.toolkit.data_object import (
    DataObject,
    Fields,
    MalformedObject,
    Unknown,
    code,
    decode,
    known,
    within,
)
from cardsync.toolkit.reasons import REASONS

__all__ = [
    "TERMINAL_TO_UICC",
    "UICC_TO_TERMINAL",
    "Address",
    "AlphaIdentifier",
    "CommandDetails",
    "ComprehensionTlv",
    "DataObject",
    "DeviceIdentities",
    "Duration",
    "EventList",
    "Item",
    "ItemIdentifier",
    "MalformedObject",
    "Result",
    "SmsTpdu",
    "TextCoding",
    "TextString",
    "TimerIdentifier",
    "TimerValue",
    "Unknown",
    "Url",
    "browser",
    "calls",
    "channels",
    "code",
    "decode",
    "information",
    "known",
    "looks",
    "network",
    "readers",
    "texts",
    "within",
]

Address = calls.Address
SmsTpdu = calls.SmsTpdu
AlphaIdentifier = texts.AlphaIdentifier
Item = texts.Item
ItemIdentifier = texts.ItemIdentifier
TextCoding = texts.TextCoding
TextString = texts.TextString
Url = browser.Url


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

    @property
    def reason(self) -> int | None:
        """What the first octet of the additional information means, where a list says it."""
        kind = REASONS.get(self.general)
        return code(kind, self.additional[0]) if kind and self.additional else None


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
class TimerIdentifier(Fields):
    """A timer of the terminal, 1 to 8. TS 102 223 clause 8.37."""

    identifier: int

    def __post_init__(self) -> None:
        within("timer", self.identifier, 1, 8)


@known(0x25)
@dataclass(frozen=True, slots=True)
class TimerValue(DataObject):
    """A time of up to 24 hours in seconds. TS 102 223 clause 8.38."""

    seconds: int

    def __post_init__(self) -> None:
        within("timer value", self.seconds, 0, 24 * 3600)

    @property
    def clock(self) -> str:
        """The time as hours, minutes and seconds."""
        minutes, seconds = divmod(self.seconds, 60)
        return "{:02}:{:02}:{:02}".format(*divmod(minutes, 60), seconds)

    def value(self) -> bytes:
        """Give hours, minutes and seconds as semi-octets."""
        minutes, seconds = divmod(self.seconds, 60)
        return bytes(map(pair, (*divmod(minutes, 60), seconds)))

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read three octets."""
        hours, minutes, seconds = map(unpair, value)
        within("minutes", minutes, 0, 59)
        within("seconds", seconds, 0, 59)
        return cls(hours * 3600 + minutes * 60 + seconds)
