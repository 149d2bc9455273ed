"""Files of data objects: RETRIEVE DATA and SET DATA, block by block. TS 102 221 clause 11.3.

An object of a file (structure BER-TLV) is found by its tag. One that is longer than a command or
response goes in blocks; what was begun is kept with the selection, and any other instruction upon
files ends it. An object is in the file when its last block has come, and not before.
"""

from dataclasses import dataclass

from cardsync.card.access import Operation
from cardsync.card.elementary import WRONG_LE, ElementaryFiles
from cardsync.card.selection import FileError, Selection
from cardsync.card.tree import File, Structure
from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.octets.reader import Reader

MORE_AVAILABLE, MORE_EXPECTED = 0x62F1, 0x63F1  # clause 10.2.1
_FIRST, _NEXT, _AGAIN = 0x80, 0x00, 0x40  # of P2. Clauses 11.3.1.2 and 11.3.2.2
_BLOCK, _SHORT = 0xC0, 0x1F
_TAG_LIST = 0x5C
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Retrieval:
    """An object on its way out: what was told last begins at `told`, what follows at `next`."""

    octets: bytes
    told: int
    next: int


@dataclass(frozen=True, slots=True)
class Setting:
    """An object on its way in: what came of it."""

    octets: bytes


class ObjectFiles:
    """The instructions upon files of data objects."""

    def __init__(self, files: ElementaryFiles) -> None:
        self._files = files

    def retrieve(self, at: Selection, apdu: CommandApdu, *, exact: bool) -> ResponseApdu:
        """RETRIEVE DATA: an object with its tag and length, or a list of tags. Clause 11.3.1."""
        block = self._begin(at, apdu)
        file = self._files.file(at, Operation.READ, Structure.BER_TLV)
        if block == _FIRST:
            return self._told(at, Retrieval(self._found(file, apdu.data), 0, 0), 0, apdu, exact)
        going_on = at.transfer
        if not isinstance(going_on, Retrieval):
            raise FileError(SW.CONDITIONS_NOT_SATISFIED, "nothing was begun")
        if apdu.data:
            raise FileError(SW.WRONG_LENGTH, "a tag goes with the first block only")
        start = going_on.next if block == _NEXT else going_on.told
        return self._told(at, going_on, start, apdu, exact)

    def _told(
        self, at: Selection, whole: Retrieval, start: int, apdu: CommandApdu, exact: bool
    ) -> ResponseApdu:
        rest, wanted = whole.octets[start:], apdu.le or _LONGEST
        if exact and apdu.le is not None and apdu.le > len(rest) > 0:
            raise FileError(WRONG_LE | len(rest), "Le is more than is left")
        if not rest:
            raise FileError(SW.CONDITIONS_NOT_SATISFIED, "all of it was told")
        end = start + min(wanted, len(rest))
        at.transfer = Retrieval(whole.octets, start, end)
        more = end < len(whole.octets)
        return ResponseApdu(MORE_AVAILABLE if more else SW.OK, whole.octets[start:end])

    def _found(self, file: File, name: bytes) -> bytes:
        objects, tag = self._objects(file), _tag(name)
        if tag == _TAG_LIST:
            tags = [one.tag.to_bytes((one.tag.bit_length() + 7) // 8, "big") for one in objects]
            return tlv.encode(_TAG_LIST, b"".join(tags))
        for one in objects:
            if one.tag == tag:
                return one.encode()
        raise FileError(SW.REFERENCED_DATA_NOT_FOUND, "no such object")

    def set(self, at: Selection, apdu: CommandApdu) -> ResponseApdu:
        """SET DATA: put an object into the file, or take one away. Clause 11.3.2.

        A tag alone takes its object away.
        """
        block, begun = self._begin(at, apdu), at.transfer
        file = self._files.file(at, Operation.UPDATE, Structure.BER_TLV)
        if block == _AGAIN or not apdu.data:
            raise FileError(SW.INCORRECT_P1_P2 if apdu.data else SW.WRONG_LENGTH)
        if block == _NEXT and not isinstance(begun, Setting):
            raise FileError(SW.CONDITIONS_NOT_SATISFIED, "nothing was begun")
        before = begun.octets if block == _NEXT and isinstance(begun, Setting) else b""
        octets, at.transfer = before + apdu.data, None
        wanted = _length(octets)
        if wanted is None:
            self._remove(file, _tag(octets))
        elif len(octets) > wanted or wanted > file.size:
            raise FileError(SW.INCORRECT_DATA if wanted <= file.size else SW.NOT_ENOUGH_MEMORY)
        elif len(octets) < wanted:
            at.transfer = Setting(octets)
            return ResponseApdu(MORE_EXPECTED)
        else:
            self._put(file, tlv.decode_all(octets)[0])
        return ResponseApdu(SW.OK)

    def _begin(self, at: Selection, apdu: CommandApdu) -> int:
        """Give what P2 says of the block; select the file that the first one may name."""
        block, short = apdu.p2 & _BLOCK, apdu.p2 & _SHORT
        wrong = apdu.p1 or block == _BLOCK or apdu.p2 & ~(_BLOCK | _SHORT)
        if wrong or (short and block != _FIRST):
            raise FileError(SW.INCORRECT_P1_P2, "an unknown kind of block")
        if short:
            at.by_short(short)
        return block

    def _objects(self, file: File) -> tuple[tlv.Tlv, ...]:
        return tlv.decode_all(self._files.stored(file))

    def _put(self, file: File, made: tlv.Tlv) -> None:
        others = [one for one in self._objects(file) if one.tag != made.tag]
        self._store(file, [*others, made])

    def _remove(self, file: File, tag: int) -> None:
        objects = self._objects(file)
        others = [one for one in objects if one.tag != tag]
        if len(others) == len(objects):
            raise FileError(SW.REFERENCED_DATA_NOT_FOUND, "no such object")
        self._store(file, others)

    def _store(self, file: File, objects: list[tlv.Tlv]) -> None:
        octets = b"".join([one.encode() for one in objects])
        if len(octets) > file.size:
            raise FileError(SW.NOT_ENOUGH_MEMORY, "the file is full")
        self._files.store(file, octets)


def _tag(octets: bytes) -> int:
    """Read a tag that stands alone."""
    reader = Reader(octets)
    try:
        tag = tlv.decode_tag(reader)
        reader.finish()
    except PeerError as exc:
        raise FileError(SW.INCORRECT_DATA, "one tag is expected") from exc
    return tag


def _length(octets: bytes) -> int | None:
    """Give the length that an object will have with its tag, None where there is only a tag."""
    reader = Reader(octets)
    try:
        tlv.decode_tag(reader)
        if not len(reader):
            return None
        length = tlv.decode_length(reader)
    except PeerError as exc:
        raise FileError(SW.INCORRECT_DATA, "no tag and length begin it") from exc
    return reader.offset + length
