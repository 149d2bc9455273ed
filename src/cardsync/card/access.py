"""Access rules of files: the records of EF.ARR, both ways.

TS 102 221 clauses 9.2 and 13.4, ISO/IEC 7816-4 clause 9.3. A record is a row of pairs: what may be
done (access mode) and who may do it (security condition). What a record does not mention nobody
may do, and a record that cannot be read lets nobody do anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cardsync.card.pin import ADM1, PIN1, PIN2
from cardsync.errors import ConfigError, PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import Ins

_MODE, _MODE_INSTRUCTION = 0x80, 0x84
_ALWAYS, _NEVER, _ANY_OF, _REFERENCE = 0x90, 0x97, 0xA0, 0xA4
_KEY, _USAGE = 0x83, 0x95
_USER_KNOWLEDGE = b"\x08"


class Operation(Enum):
    """What is done to an EF; the value is its bit in an access mode byte, 0 for INCREASE."""

    READ = 0x01
    UPDATE = 0x02
    DEACTIVATE = 0x08
    ACTIVATE = 0x10
    INCREASE = 0x00


@dataclass(frozen=True, slots=True)
class Condition:
    """Who may: everybody, or whoever presented one of the keys; nobody if there are none."""

    always: bool = False
    keys: frozenset[int] = frozenset()


ALWAYS, NEVER = Condition(always=True), Condition()

_NAMES = {
    "ALW": ALWAYS,
    "PIN1": Condition(keys=frozenset({PIN1})),
    "PIN2": Condition(keys=frozenset({PIN2})),
    "ADM1": Condition(keys=frozenset({ADM1})),
    "NEV": NEVER,
}

Rule = Mapping[Operation, Condition]


def rule(text: str) -> dict[Operation, Condition]:
    """Read the access of a file as a person writes it: `READ UPDATE`, or with INCREASE behind.

    Each is ALW, PIN1, PIN2, ADM1 or NEV. An administrator may deactivate and activate what he may
    not be kept from. Raises `ConfigError`.
    """
    try:
        found = [_NAMES[word] for word in text.split()]
    except KeyError as exc:
        raise ConfigError(f"access {text!r}: {exc} is none of {', '.join(_NAMES)}") from exc
    if not 2 <= len(found) <= 3:
        raise ConfigError(f"access {text!r}: two or three conditions are expected, read and update")
    made = dict(zip((Operation.READ, Operation.UPDATE, Operation.INCREASE), found, strict=False))
    made[Operation.DEACTIVATE] = made[Operation.ACTIVATE] = _NAMES["ADM1"]
    return made


def encode(made: Rule) -> bytes:
    """Write a record of EF.ARR; operations with the same condition share a pair."""
    modes: dict[Condition, int] = {}
    octets = b""
    for operation, condition in made.items():
        if operation is not Operation.INCREASE:
            modes[condition] = modes.get(condition, 0) | operation.value
    for condition, mode in modes.items():
        octets += tlv.encode(_MODE, bytes([mode])) + _encode_condition(condition)
    if Operation.INCREASE in made:
        octets += tlv.encode(_MODE_INSTRUCTION, bytes([Ins.INCREASE]))
        octets += _encode_condition(made[Operation.INCREASE])
    return octets


def _encode_condition(condition: Condition) -> bytes:
    if condition.always:
        return tlv.encode(_ALWAYS, b"")
    found = [
        tlv.encode(_REFERENCE, tlv.encode(_KEY, bytes([key])) + tlv.encode(_USAGE, _USER_KNOWLEDGE))
        for key in sorted(condition.keys)
    ]
    if not found:
        return tlv.encode(_NEVER, b"")
    return found[0] if len(found) == 1 else tlv.encode(_ANY_OF, b"".join(found))


@lru_cache(maxsize=256)
def decode(record: bytes) -> Rule:
    """Read a record of EF.ARR, filled up with FF; what is malformed allows nothing."""
    made: dict[Operation, Condition] = {}
    wanted: list[Operation] = []
    try:
        objects = tlv.decode_all(record.rstrip(b"\xff"))
    except PeerError:
        return {}
    for item in objects:
        if item.tag & 0xF0 == 0x80:
            wanted = _operations(item)
        else:
            condition = _condition(item)
            made |= {operation: condition for operation in wanted if operation not in made}
    return made


def _operations(item: tlv.Tlv) -> list[Operation]:
    """Give the operations that an access mode object names; of others we have none."""
    if item.tag == _MODE and len(item.value) == 1:
        return [one for one in Operation if one.value & item.value[0]]
    if item.tag == _MODE_INSTRUCTION and bytes([Ins.INCREASE]) == item.value:
        return [Operation.INCREASE]
    return []


def _condition(item: tlv.Tlv) -> Condition:
    """Read a security condition; one that we do not know is never met."""
    try:
        if item.tag == _ALWAYS:
            return ALWAYS
        if item.tag == _REFERENCE:
            found = {one.tag: one.value for one in tlv.decode_all(item.value)}
            return Condition(keys=frozenset(found.get(_KEY, b"")[:1]))
        if item.tag == _ANY_OF:
            parts = [_condition(one) for one in tlv.decode_all(item.value)]
            keys = frozenset[int]().union(*[part.keys for part in parts])
            return Condition(any(part.always for part in parts), keys)
    except PeerError:
        return NEVER
    return NEVER
