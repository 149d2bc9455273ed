"""An elementary file of the card as a collection: each record that is not empty is an item.

The terminal reads it with the rights that it has, on a logical channel of its own, by path from
the MF or, in `7FFF`, from the first application of EF.DIR (TS 102 221 clauses 8.4.2, 11.1.1). A
transparent file is one item. Nothing is written: what a peer wants to change is answered 405.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NoReturn

from cardsync.errors import ConfigError, PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.terminal.databases import phonebook

Exchange = Callable[[bytes], bytes]
"""Gives the response to a command APDU. It may be called between any two others."""

OCTETS: Final = "application/octet-stream"
CURRENT_ADF: Final = bytes.fromhex("7FFF")
_MF: Final = bytes.fromhex("3F00")
_DIRECTORY: Final = bytes.fromhex("2F00")
_OPEN, _CLOSE = 0x00, 0x80
_BY_IDENTIFIER, _BY_AID, _BY_PATH = 0x00, 0x04, 0x08
_RETURN_FCP, _NO_DATA = 0x04, 0x0C
_ABSOLUTE = 0x04
_TRANSPARENT, _LINEAR, _CYCLIC = 0x01, 0x02, 0x06
_SHAPE = 0x07  # of the file descriptor, with the bit of BER-TLV files. TS 102 221 clause 11.1.1.4.3
_BER_TLV = 0x38
_MOST_READ = 255
_TAKEN: Final = {0x90, 0x91}
_NOT_ALLOWED: Final = 405


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file is: of one piece, or of records; sizes in octets."""

    size: int
    record: int = 0
    records: int = 0

    @classmethod
    def of(cls, fcp: bytes) -> "Shape":
        """Read the answer to SELECT; raise `PeerError` for a file that is no such one."""
        found = {one.tag: one.value for top in tlv.decode_all(fcp) for one in _within(top)}
        descriptor = found.get(0x82, b"")
        if not descriptor or descriptor[0] & _BER_TLV == _BER_TLV:
            raise PeerError("a file whose structure is not known")
        if descriptor[0] & _SHAPE in {_LINEAR, _CYCLIC} and len(descriptor) >= 5:
            record, records = int.from_bytes(descriptor[2:4], "big"), descriptor[4]
            return cls(record * records, record, records)
        if descriptor[0] & _SHAPE != _TRANSPARENT:
            raise PeerError("a file whose structure is not known")
        return cls(int.from_bytes(found.get(0x80, b""), "big"))


class CardFile:
    """A file by its `path`, two octets a step; what is read stays until `stamps` looks again.

    Raises `ConfigError` where the terminal may not read it.
    """

    content_version = ""

    def __init__(self, exchange: Exchange, card: str, path: bytes) -> None:
        self._exchange = exchange
        self._card = card
        self._path = path
        self._is_phonebook = phonebook.is_phonebook(path)
        self.content_type = phonebook.CONTENT_TYPE if self._is_phonebook else OCTETS
        self.content_version = phonebook.CONTENT_VERSION if self._is_phonebook else ""
        try:
            self._items = self._read_all()
        except PeerError as exc:
            raise ConfigError(f"file {path.hex().upper()} of the card: {exc}") from exc

    def identity(self) -> str:
        """Give the card and the path."""
        return f"{self._card} {self._path.hex()}"

    def batch(self) -> nullcontext[None]:
        """Undo nothing: nothing is ever done."""
        return nullcontext()

    def stamps(self) -> Mapping[str, str]:
        """Read the file anew; a stamp is a digest of the content."""
        self._items = self._read_all()
        return {name: sha256(data).hexdigest() for name, data in self._items.items()}

    def read(self, name: str) -> bytes | None:
        """Give what was read."""
        return self._items.get(name)

    def write(self, name: str, data: bytes) -> NoReturn:
        """Refuse: the card's files are the card's."""
        raise PeerError(f"{name}: {len(data)} octets", answer=_NOT_ALLOWED)

    def name(self, wanted: str, data: bytes) -> NoReturn:
        """Refuse."""
        self.write(wanted, data)

    def remove(self, name: str) -> NoReturn:
        """Refuse."""
        self.write(name, b"")

    def type_of(self, data: bytes) -> str | None:
        """Say nothing: all items are of one type."""
        del data
        return None

    def likeness(self, data: bytes) -> bytes:
        """Give the whole content."""
        return data

    def merge(self, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge what is equal alone."""
        return ours if ours == theirs else None

    # --- inside -----------------------------------------------------------------------------

    def _read_all(self) -> dict[str, bytes]:
        """Read the file whole, on a channel that is closed behind it."""
        with self._channel() as channel:
            shape = self._select(channel)
            if shape.record:
                return dict(self._records(channel, shape))
            return {self._path[-2:].hex().upper(): self._binary(channel, shape.size)}

    @contextmanager
    def _channel(self) -> Iterator[int]:
        """Open a logical channel. TS 102 221 clause 11.1.17."""
        opened = self._do(CommandApdu(0x00, Ins.MANAGE_CHANNEL, _OPEN, 0, le=1))
        if len(opened) != 1 or not 1 <= opened[0] <= 3:
            raise PeerError("the card opens no channel")
        try:
            yield opened[0]
        finally:
            self._exchange(CommandApdu(0x00, Ins.MANAGE_CHANNEL, _CLOSE, opened[0]).encode())

    def _select(self, channel: int) -> Shape:
        """Select the file; what is below `7FFF` is below the application of EF.DIR."""
        path = self._path.removeprefix(_MF)
        if path.startswith(CURRENT_ADF):
            aid = self._application(channel)
            self._do(CommandApdu(channel, Ins.SELECT, _BY_AID, _NO_DATA, aid))
        found = self._do(CommandApdu(channel, Ins.SELECT, _BY_PATH, _RETURN_FCP, path, 256))
        return Shape.of(found)

    def _application(self, channel: int) -> bytes:
        """Give the AID in the first record of EF.DIR. TS 102 221 clause 13.1."""
        shape = CommandApdu(channel, Ins.SELECT, _BY_PATH, _RETURN_FCP, _DIRECTORY, 256)
        length = Shape.of(self._do(shape)).record
        record = self._do(CommandApdu(channel, Ins.READ_RECORD, 1, _ABSOLUTE, le=length))
        templates = tlv.decode_all(record.rstrip(b"\xff"))
        aids = [one.value for top in templates for one in _within(top) if one.tag == 0x4F]
        if not aids:
            raise PeerError("the card names no application")
        return aids[0]

    def _records(self, channel: int, shape: Shape) -> Iterator[tuple[str, bytes]]:
        for number in range(1, shape.records + 1):
            read = CommandApdu(channel, Ins.READ_RECORD, number, _ABSOLUTE, le=shape.record)
            record = self._do(read)
            if record.strip(b"\xff"):
                yield str(number), phonebook.card_of(record) if self._is_phonebook else record

    def _binary(self, channel: int, size: int) -> bytes:
        octets = b""
        while len(octets) < size:
            place, most = len(octets), min(_MOST_READ, size - len(octets))
            read = CommandApdu(channel, Ins.READ_BINARY, place >> 8, place & 0xFF, le=most)
            part = self._do(read)
            if not part:
                raise PeerError("the file ends before its size")
            octets += part
        return octets

    def _do(self, apdu: CommandApdu) -> bytes:
        """Exchange an APDU; raise `PeerError` with the status word that refuses it."""
        response = ResponseApdu.decode(self._exchange(apdu.encode()))
        if response.sw1 not in _TAKEN:
            raise PeerError(f"instruction {apdu.ins:02X} is refused with {response.sw:04X}")
        return response.data


def _within(top: tlv.Tlv) -> tuple[tlv.Tlv, ...]:
    return tlv.decode_all(top.value)
