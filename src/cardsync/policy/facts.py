"""What an expression can speak of: facts with their code points, and words for values.

A fact is an integer of 0 to 65535 or a short octet string; a truth is 0 or 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cardsync.policy.values import EventKind, ValueType

Facts = Mapping[str, int | bytes]
"""The facts known at an event, by name; what is not in it is unknown."""

LAST = 0x80  # the bit that makes of a fact what it was at the last success


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened.

    `argument` is elapsed minutes for TIMER; the identifier or a text of the entry for MENU; the
    name for MESSAGE; the AID for APPLICATION; the request's name for SYNCHRONIZED and REFUSED.
    """

    kind: EventKind
    argument: str | bytes | int | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact: its code point in a program, its name and its type."""

    number: int
    name: str
    type: ValueType


_REMEMBERED = (
    Fact(0x01, "imei", ValueType.TEXT),
    Fact(0x02, "imeisv", ValueType.TEXT),
    Fact(0x03, "profile", ValueType.OCTETS),
    Fact(0x04, "language", ValueType.TEXT),
    Fact(0x05, "network.mcc", ValueType.NUMBER),
    Fact(0x06, "network.mnc", ValueType.NUMBER),
    Fact(0x07, "network.technology", ValueType.TECHNOLOGY),
    Fact(0x08, "network.roaming", ValueType.TRUTH),
    Fact(0x09, "network.status", ValueType.SERVICE),
)

_MOMENTARY = (
    Fact(0x0A, "battery", ValueType.NUMBER),
    Fact(0x0B, "connected_time", ValueType.DURATION),
    Fact(0x0C, "since_last.synchronization", ValueType.DURATION),
    Fact(0x10, "result.ok", ValueType.TRUTH),
    Fact(0x11, "result.general", ValueType.NUMBER),
    Fact(0x12, "result.additional", ValueType.NUMBER),
    Fact(0x13, "result.native", ValueType.NUMBER),
)

_LAST = tuple(Fact(LAST | fact.number, f"last.{fact.name}", fact.type) for fact in _REMEMBERED)

FACTS = {fact.number: fact for fact in (*_REMEMBERED, *_MOMENTARY, *_LAST)}
FACTS_BY_NAME = {fact.name: fact for fact in FACTS.values()}

TECHNOLOGIES = {  # TS 102 223 clause 8.61
    "GSM": 0x00,
    "UMTS": 0x03,
    "TETRA": 0x04,
    "CDMA2000": 0x06,
    "HRPD": 0x07,
    "LTE": 0x08,
    "EHRPD": 0x09,
    "NR": 0x0A,
}

SERVICES = {"NORMAL": 0x00, "LIMITED": 0x01, "NO_SERVICE": 0x02}  # TS 102 223 clause 8.27

UNITS = {"minute": 1, "minutes": 1, "hour": 60, "hours": 60, "day": 1440, "days": 1440}

WORDS: dict[str, tuple[ValueType, int]] = {
    **{name: (ValueType.TECHNOLOGY, value) for name, value in TECHNOLOGIES.items()},
    **{name: (ValueType.SERVICE, value) for name, value in SERVICES.items()},
    **{name: (ValueType.DURATION, value) for name, value in UNITS.items()},
}
