"""Remote command scripts: what a secured packet carries. TS 102 226 clause 5.

The compact format (clause 5.1) is a row of C-APDUs and answers for the last one; the expanded
format (clause 5.2) wraps each in a TLV and answers for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.octets.reader import Reader

MOST_COMMANDS = 255  # the number of executed ones has one octet

# Commands whose P3 is Le: a compact script does not say so otherwise.
_OUTGOING = {Ins.READ_BINARY, Ins.READ_RECORD, Ins.GET_RESPONSE, Ins.GET_DATA, Ins.FETCH}
_FIRST_GET_STATUS_P1 = 0x10  # F2 with a lower P1 is STATUS, TS 102 221 clause 11.1.2


class Tag(IntEnum):
    """Tags of the expanded format. TS 102 226 clause 5.2."""

    COMMAND = 0x22
    RESPONSE = 0x23
    EXECUTED = 0x80
    BAD_FORMAT = 0x90
    COMMAND_SCRIPT = 0xAA
    RESPONSE_SCRIPT = 0xAB
    COMMAND_SCRIPT_INDEFINITE = 0xAE
    RESPONSE_SCRIPT_INDEFINITE = 0xAF


class BadFormat(IntEnum):
    """Why an expanded script could not be read: the answer owed. TS 102 226 clause 5.2.2."""

    UNKNOWN_TAG = 0x01
    WRONG_LENGTH = 0x02
    LENGTH_NOT_FOUND = 0x03


def _is_outgoing(ins: int, p1: int) -> bool:
    return ins in _OUTGOING or (ins == Ins.STATUS and p1 < _FIRST_GET_STATUS_P1)


def encode_compact(commands: Sequence[CommandApdu]) -> bytes:
    """Write a compact script; raise `LocalError` for a command that the format cannot say.

    Behind data, Le can only be said of the last command: append GET RESPONSE elsewhere.
    """
    if not 1 <= len(commands) <= MOST_COMMANDS:
        raise LocalError(f"a script has 1 to {MOST_COMMANDS} commands, not {len(commands)}")
    last = len(commands) - 1
    return b"".join(_compact(apdu, last=place == last) for place, apdu in enumerate(commands))


def _compact(apdu: CommandApdu, *, last: bool) -> bytes:
    outgoing = _is_outgoing(apdu.ins, apdu.p1)
    if outgoing != (apdu.le is not None and not apdu.data):
        raise LocalError(f"INS {apdu.ins:02X} cannot be in a compact script in this case")
    if outgoing:
        return apdu.encode()
    if apdu.le is not None and not last:
        raise LocalError("Le behind data stands only in the last command of a compact script")
    return apdu.encode() if apdu.data else apdu.encode() + b"\x00"


def decode_compact(octets: bytes) -> tuple[CommandApdu, ...]:
    """Read a compact script; raise `PeerError` (6700) where its lengths do not fit."""
    reader, commands = Reader(octets), list[CommandApdu]()
    try:
        while len(reader):
            commands.append(_read_compact(reader))
    except PeerError as exc:
        raise PeerError("the compact script ends inside a command", answer=SW.WRONG_LENGTH) from exc
    if not 1 <= len(commands) <= MOST_COMMANDS:
        raise PeerError(f"a script of {len(commands)} commands", answer=SW.WRONG_LENGTH)
    return tuple(commands)


def _read_compact(reader: Reader) -> CommandApdu:
    cla, ins, p1, p2, p3 = reader.octets(5)
    if _is_outgoing(ins, p1):
        return CommandApdu(cla, ins, p1, p2, le=p3 or 256)
    data = reader.octets(p3)
    # One octet is no command: it is Le of the last one.
    le = (reader.uint8() or 256) if data and len(reader) == 1 else None
    return CommandApdu(cla, ins, p1, p2, data, le)


@dataclass(frozen=True, slots=True)
class CompactResponse:
    """How far a compact script went: status word and data of the last command executed.

    TS 102 226 clause 5.1.2.
    """

    executed: int
    sw: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Give the octets: additional response data of a proof of receipt."""
        return bytes([self.executed]) + self.sw.to_bytes(2, "big") + self.data

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the octets; raise `PeerError` where they are too few."""
        reader = Reader(octets)
        return cls(reader.uint8(), reader.uint16(), reader.rest())


def _wrap(definite: Tag, indefinite: Tag | None, body: bytes) -> bytes:
    if indefinite is None:
        return tlv.encode(definite, body)
    return bytes([indefinite, 0x80]) + body + b"\x00\x00"


def _unwrap(octets: bytes, definite: Tag, indefinite: Tag) -> tuple[tuple[tlv.Tlv, ...], bool]:
    """Give the TLVs of a scripting template, and whether its length is indefinite."""
    if octets[:2] == bytes([indefinite, 0x80]):
        if not octets.endswith(b"\x00\x00") or len(octets) < 4:
            raise PeerError("the template has no end", answer=BadFormat.LENGTH_NOT_FOUND)
        return _objects(octets[2:-2]), True
    if octets[:1] != bytes([definite]):
        raise PeerError("no scripting template", answer=BadFormat.UNKNOWN_TAG)
    outer = _objects(octets)
    if len(outer) != 1:
        raise PeerError("octets behind the template", answer=BadFormat.WRONG_LENGTH)
    return _objects(outer[0].value), False


def _objects(octets: bytes) -> tuple[tlv.Tlv, ...]:
    try:
        return tlv.decode_all(octets)
    except PeerError as exc:
        raise PeerError("the script is malformed", answer=BadFormat.WRONG_LENGTH) from exc


@dataclass(frozen=True, slots=True)
class ExpandedScript:
    """A command scripting template; `indefinite` is its length coding. TS 102 226 clause 5.2.1."""

    commands: tuple[CommandApdu, ...]
    indefinite: bool = False

    def encode(self) -> bytes:
        """Give the octets."""
        body = b"".join(tlv.encode(Tag.COMMAND, apdu.encode()) for apdu in self.commands)
        indefinite = Tag.COMMAND_SCRIPT_INDEFINITE if self.indefinite else None
        return _wrap(Tag.COMMAND_SCRIPT, indefinite, body)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read a template of C-APDUs; raise `PeerError` whose answer is a `BadFormat`.

        Immediate action, error action and script chaining are not offered, hence unknown tags.
        """
        objects, indefinite = _unwrap(octets, Tag.COMMAND_SCRIPT, Tag.COMMAND_SCRIPT_INDEFINITE)
        if any(item.tag != Tag.COMMAND for item in objects):
            raise PeerError("an object that is no C-APDU", answer=BadFormat.UNKNOWN_TAG)
        try:
            return cls(tuple(CommandApdu.decode(item.value) for item in objects), indefinite)
        except PeerError as exc:
            raise PeerError("a malformed C-APDU", answer=BadFormat.WRONG_LENGTH) from exc


@dataclass(frozen=True, slots=True)
class ExpandedResponse:
    """A response scripting template: the R-APDUs, how many commands ran, what was unreadable.

    TS 102 226 clause 5.2.2.
    """

    responses: tuple[ResponseApdu, ...]
    executed: int | None = None
    bad_format: BadFormat | None = None
    indefinite: bool = False

    def encode(self) -> bytes:
        """Give the octets."""
        parts = [tlv.encode(Tag.RESPONSE, apdu.encode()) for apdu in self.responses]
        if self.executed is not None:
            size = max(1, (self.executed.bit_length() + 7) // 8)
            parts.insert(0, tlv.encode(Tag.EXECUTED, self.executed.to_bytes(size, "big")))
        if self.bad_format is not None:
            parts.append(tlv.encode(Tag.BAD_FORMAT, bytes([self.bad_format])))
        indefinite = Tag.RESPONSE_SCRIPT_INDEFINITE if self.indefinite else None
        return _wrap(Tag.RESPONSE_SCRIPT, indefinite, b"".join(parts))

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read a template of R-APDUs; raise `PeerError`. Objects of other tags are passed over."""
        objects, indefinite = _unwrap(octets, Tag.RESPONSE_SCRIPT, Tag.RESPONSE_SCRIPT_INDEFINITE)
        responses, executed, bad_format = list[ResponseApdu](), None, None
        for item in objects:
            if item.tag == Tag.RESPONSE:
                responses.append(ResponseApdu.decode(item.value))
            elif item.tag == Tag.EXECUTED:
                executed = int.from_bytes(item.value, "big")
            elif item.tag == Tag.BAD_FORMAT:
                bad_format = _bad_format(item.value)
        return cls(tuple(responses), executed, bad_format, indefinite)


def _bad_format(value: bytes) -> BadFormat:
    try:
        (code,) = value
        return BadFormat(code)
    except ValueError as exc:
        raise PeerError(f"bad format {value.hex()} is unknown") from exc
