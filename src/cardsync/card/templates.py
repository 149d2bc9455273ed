"""What SELECT and STATUS tell of a file: the FCP template, and the header of a 2G SIM.

TS 102 221 clause 11.1.1.3, TS 51.011 clause 9.2.1.
"""

from collections.abc import Mapping

from cardsync.card.access import NEVER, Condition, Operation, Rule
from cardsync.card.pin import ADM1, PIN1, PIN2, Pin
from cardsync.card.tree import MF, File, Structure, Tree
from cardsync.octets import tlv

_DATA_CODING = 0x21
_CHARACTERISTICS = b"\x71"  # all supply voltages, the clock may be stopped. Clause 11.1.1.4.6.1
_OBJECTS = b"\x01"  # of a file of data objects: coded by DER. Clause 11.1.1.4.6
_TERMINAL_CAPABILITY = b"\x01"  # it is supported. Clause 11.1.1.4.6.6
ACTIVATED, DEACTIVATED = 0x05, 0x04
_SIM_CHARACTERISTICS, _CHV1_DISABLED = 0x31, 0x80
_SIM_MF, _SIM_DF, _SIM_EF = 0x01, 0x02, 0x04
_SIM_STRUCTURES = {
    Structure.TRANSPARENT: 0,
    Structure.LINEAR: 1,
    Structure.CYCLIC: 3,
    Structure.BER_TLV: 0,  # a SIM has none; it cannot be read as one
}
_SIM_LEVELS = {PIN1: 0x1, PIN2: 0x2, ADM1: 0x4}
_SIM_ALWAYS, _SIM_NEVER = 0x0, 0xF
_INCREASE_ALLOWED = 0x40


def control_parameters(file: File, rules: str, state: int, pins: Mapping[int, Pin]) -> bytes:
    """Give the FCP template; `rules` is the identifier of EF.ARR, `state` the life cycle."""
    body = tlv.encode(0x82, _descriptor(file)) + tlv.encode(0x83, file.identifier)
    if file.aid:
        body += tlv.encode(0x84, file.aid)
    if file.directory:
        special = tlv.encode(0x80, _CHARACTERISTICS)
        if file.path == MF:
            special += tlv.encode(0x87, _TERMINAL_CAPABILITY)
        body += tlv.encode(0xA5, special)
    if file.structure is Structure.BER_TLV:
        size = file.size.to_bytes(2, "big")
        body += tlv.encode(0xA5, tlv.encode(0x84, _OBJECTS) + tlv.encode(0x86, size))
    body += tlv.encode(0x8A, bytes([state]))
    body += tlv.encode(0x8B, bytes.fromhex(rules) + bytes([file.rule]))
    if file.directory:
        return tlv.encode(0x62, body + tlv.encode(0xC6, _pin_status(pins)))
    body += tlv.encode(0x80, file.size.to_bytes(2, "big"))
    short = bytes([file.short << 3]) if file.short else b""
    return tlv.encode(0x62, body + tlv.encode(0x88, short))


def _descriptor(file: File) -> bytes:
    """Describe structure and records. TS 102 221 clause 11.1.1.4.3."""
    octets = bytes([file.structure, _DATA_CODING])
    if not file.record:
        return octets
    return octets + file.record.to_bytes(2, "big") + bytes([file.records])


def _pin_status(pins: Mapping[int, Pin]) -> bytes:
    """Say of each PIN whether it is on: a bit each, then the references. Clause 9.5.2."""
    order = sorted(pins, key=lambda reference: (reference & 0x0F, reference))
    bits = sum(0x80 >> place for place, one in enumerate(order) if pins[one].enabled)
    references = b"".join([tlv.encode(0x83, bytes([one])) for one in order])
    return tlv.encode(0x90, bytes([bits])) + references


def sim_header(file: File, tree: Tree, pins: Mapping[int, Pin]) -> bytes:
    """Give the 22 octets of a directory as a SIM tells them. TS 51.011 clause 9.2.1."""
    inside = [one for one in tree.children(file.path) if not one.aid]
    directories = sum(one.directory for one in inside)
    kind = _SIM_MF if file.path == MF else _SIM_DF
    chv1 = pins.get(PIN1)
    characteristics = _SIM_CHARACTERISTICS
    if chv1 is None or not chv1.enabled:
        characteristics |= _CHV1_DISABLED
    specific = bytes([characteristics, directories, len(inside) - directories, len(pins) * 2, 0])
    specific += b"".join([_chv_status(pins.get(one)) for one in (PIN1, PIN2)])
    return bytes(4) + file.identifier + bytes([kind]) + bytes(5) + bytes([len(specific)]) + specific


def _chv_status(pin: Pin | None) -> bytes:
    """Say how many guesses are left of a CHV and of its unblocking code."""
    if pin is None:
        return bytes(2)
    unblock = 0x80 | pin.unblock.left if pin.unblock else 0
    return bytes([0x80 | pin.code.left, unblock])


def sim_file_header(file: File, state: int, rule: Rule) -> bytes:
    """Give the 15 octets of an EF as a SIM tells them. TS 51.011 clause 9.2.1."""
    levels = [_level(rule.get(one, NEVER)) for one in _SIM_ORDER]
    read, update, increase, rehabilitate, invalidate = levels
    cyclic = file.structure is Structure.CYCLIC and increase != _SIM_NEVER
    conditions = [read << 4 | update, increase << 4 | 0xF, rehabilitate << 4 | invalidate]
    octets = bytes(2) + file.size.to_bytes(2, "big") + file.identifier
    octets += bytes([_SIM_EF, _INCREASE_ALLOWED if cyclic else 0, *conditions])
    structure = _SIM_STRUCTURES[file.structure]
    return octets + bytes([int(state == ACTIVATED), 2, structure, file.record])


_SIM_ORDER = (
    Operation.READ,
    Operation.UPDATE,
    Operation.INCREASE,
    Operation.ACTIVATE,
    Operation.DEACTIVATE,
)


def _level(condition: Condition) -> int:
    """Give the lowest level of a condition. TS 51.011 clause 11.3."""
    if condition.always:
        return _SIM_ALWAYS
    return min([_SIM_LEVELS.get(one, _SIM_NEVER) for one in condition.keys], default=_SIM_NEVER)
