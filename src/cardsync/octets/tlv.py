"""BER-TLV and COMPREHENSION-TLV. TS 101 220 clause 7.1.

A length is one octet up to 127, then `81 xx`, `82 xx xx`, `83 xx xx xx`. A COMPREHENSION-TLV
tag is one octet whose top bit is the comprehension-required flag, or `7F` and two octets
whose top bit is the flag (the three-byte form).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cardsync.errors import LocalError, PeerError, ShortInput
from cardsync.octets.reader import Reader

_NOT_A_TAG = {0x00, 0x80, 0xFF}  # TS 101 220 clause 7.1.1.1
_THREE_OCTETS = 0x7F
_LONGEST = 0xFFFFFF


@dataclass(frozen=True, slots=True)
class Tlv:
    """A BER-TLV: `tag` as its octets read as one number (`81`, `9F70`), and its value."""

    tag: int
    value: bytes

    def encode(self) -> bytes:
        """Give the octets."""
        return encode(self.tag, self.value)


@dataclass(frozen=True, slots=True)
class ComprehensionTlv:
    """A COMPREHENSION-TLV: `tag` without the flag (1 to 7E, or 1 to 7FFF in three octets)."""

    tag: int
    value: bytes
    comprehension: bool = False
    three_octets: bool = False

    def encode(self) -> bytes:
        """Give the octets."""
        head = encode_comprehension_tag(
            self.tag, comprehension=self.comprehension, three_octets=self.three_octets
        )
        return head + encode_length(len(self.value)) + self.value


def encode_length(length: int) -> bytes:
    """Encode a length of 0 to FFFFFF in the fewest octets."""
    if 0 <= length < 0x80:
        return bytes([length])
    if not 0 <= length <= _LONGEST:
        raise LocalError(f"a TLV of {length} octets cannot be written; at most {_LONGEST}")
    size = (length.bit_length() + 7) // 8
    return bytes([0x80 | size]) + length.to_bytes(size, "big")


def decode_length(reader: Reader) -> int:
    """Read a length; raise `PeerError` for an indefinite or overlong one."""
    first = reader.uint8()
    if first < 0x80:
        return first
    size = first & 0x7F
    if not 1 <= size <= 3:
        raise PeerError(f"length octet {first:02X} at offset {reader.offset - 1} is not 00 to 83")
    return int.from_bytes(reader.octets(size), "big")


def encode(tag: int, value: bytes) -> bytes:
    """Encode one BER-TLV; `tag` is 1 to 3 octets read as one number."""
    head = tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")
    return head + encode_length(len(value)) + value


def decode_tag(reader: Reader) -> int:
    """Read a BER tag of one to three octets. ISO/IEC 8825-1 clause 8.1.2."""
    start, tag = reader.offset, reader.uint8()
    if tag & 0x1F != 0x1F:
        return tag
    for _ in range(2):
        octet = reader.uint8()
        tag = tag << 8 | octet
        if octet < 0x80:
            return tag
    raise PeerError(f"tag at offset {start} is longer than three octets")


def decode_one(reader: Reader) -> Tlv:
    """Read one BER-TLV."""
    tag = decode_tag(reader)
    return Tlv(tag, reader.octets(decode_length(reader)))


def decode_all(data: bytes) -> tuple[Tlv, ...]:
    """Read BER-TLVs to the end of `data`."""
    reader, found = Reader(data), []
    while len(reader):
        found.append(decode_one(reader))
    return tuple(found)


def encode_comprehension_tag(tag: int, *, comprehension: bool, three_octets: bool) -> bytes:
    """Encode the tag octets of a COMPREHENSION-TLV. TS 101 220 clause 7.1.1."""
    if three_octets:
        if not 0 < tag < 0x8000:
            raise LocalError(f"three-byte tag {tag:X} is not 1 to 7FFF")
        return bytes([_THREE_OCTETS]) + (tag | 0x8000 * comprehension).to_bytes(2, "big")
    if not 0 < tag < _THREE_OCTETS:
        raise LocalError(f"tag {tag:X} is not 1 to 7E; longer ones take the three-byte form")
    return bytes([tag | 0x80 * comprehension])


def split_comprehension(data: bytes) -> Iterator[tuple[int, bool, bool, bytes]]:
    """Yield tag, comprehension flag, form of three octets and value of each TLV of `data`.

    Raises `PeerError`; a length in more octets than it needs is refused, since the table of
    TS 101 220 clause 7.1.2 has only one way to write each length.
    """
    position, end = 0, len(data)
    while position < end:
        tag, position = data[position], position + 1
        if tag in _NOT_A_TAG:
            raise PeerError(f"{tag:02X} at offset {position - 1} is no COMPREHENSION-TLV tag")
        flag = 0x80
        if tag == _THREE_OCTETS:
            if end - position < 2:
                raise ShortInput(position, 2, end - position)
            tag, flag = data[position] << 8 | data[position + 1], 0x8000
            position += 2
            if not tag & ~flag:
                raise PeerError(f"7F{tag:04X} at offset {position - 3} is no COMPREHENSION-TLV tag")
        length = data[position] if position < end else 0x80
        position += 1
        if length >= 0x80:
            length, position = _long_length(data, position - 1)
        value = data[position : position + length]
        if len(value) < length:
            raise ShortInput(position, length, len(value))
        position += length
        yield tag & ~flag, tag >= flag, flag > 0x80, value


def _long_length(data: bytes, position: int) -> tuple[int, int]:
    """Read a length of more than one octet; give it and the position behind it."""
    reader = Reader(data, position)
    length = decode_length(reader)
    if len(encode_length(length)) != reader.offset - position:
        raise PeerError(f"length {length} at offset {position} is written in too many octets")
    return length, reader.offset


def walk_comprehension(data: bytes) -> Iterator[ComprehensionTlv]:
    """Yield the COMPREHENSION-TLVs of `data` in order; raise `PeerError`."""
    for tag, comprehension, three_octets, value in split_comprehension(data):
        yield ComprehensionTlv(tag, value, comprehension, three_octets)


def decode_comprehension(reader: Reader) -> ComprehensionTlv:
    """Read one COMPREHENSION-TLV; raise `PeerError`."""
    start, rest = reader.offset, reader.rest()
    for one in walk_comprehension(rest):
        reader.offset = start + len(one.encode())
        return one
    raise ShortInput(start, 1, 0)
