"""The files of a card as a table: what there is, how it is built, which rule guards it.

TS 102 221 clause 8. A card keeps its table as octets in its memory; cards of one profile share
the table that is read from them. Contents of files are cells of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

from cardsync.errors import ConfigError
from cardsync.octets.reader import Reader

TREE = "tree"
"""The cell of memory that holds the table."""
MF = "3F00"
CURRENT_ADF = "7FFF"
"""The identifier of the ADF of the application that is active. TS 102 221 clause 8.3."""


class Structure(IntEnum):
    """The file descriptor byte of a shareable file. TS 102 221 clause 11.1.1.4.3."""

    DIRECTORY = 0x78
    TRANSPARENT = 0x41
    LINEAR = 0x42
    CYCLIC = 0x46
    BER_TLV = 0x79


@dataclass(frozen=True, slots=True)
class File:
    """A row: `size` in octets (up to 65535), `record` the length of a record (up to 255, else 0).

    `short` is the short file identifier (1 to 30, 0 for none), `rule` the record of EF.ARR (1 to
    254), `link` the path of the file whose content this one shares, `aid` that of an application.
    """

    path: str
    structure: Structure
    size: int = 0
    record: int = 0
    short: int = 0
    rule: int = 1
    name: str = ""
    link: str = ""
    aid: bytes = b""

    def __post_init__(self) -> None:
        if self.directory:
            return
        if not 1 <= self.size <= 0xFFFF or not 0 <= self.record <= 255 or not 0 <= self.short <= 30:
            raise ConfigError(f"{self.path}: a size, record length or short identifier is too much")
        if (self.structure in {Structure.LINEAR, Structure.CYCLIC}) is not (self.record > 0):
            raise ConfigError(f"{self.path}: a file of records, and no other, has a record length")
        if self.record and (self.size % self.record or self.size // self.record > 254):
            raise ConfigError(f"{self.path}: 1 to 254 whole records are expected")

    @property
    def directory(self) -> bool:
        """Whether files are in it."""
        return self.structure is Structure.DIRECTORY

    @property
    def identifier(self) -> bytes:
        """The two octets of the file identifier."""
        return bytes.fromhex(self.path[-4:])

    @property
    def parent(self) -> str:
        """The path of the directory that holds the file."""
        return self.path[:-5]

    @property
    def records(self) -> int:
        """The number of records."""
        return self.size // self.record if self.record else 0

    @property
    def cell(self) -> str:
        """The cell of memory that holds the content."""
        return f"file:{self.link or self.path}"

    def encode(self) -> bytes:
        """Give the octets of the row."""
        numbers = [self.structure, self.size >> 8, self.size & 0xFF]
        numbers += [self.record, self.short, self.rule]
        link = bytes.fromhex(self.link.replace("/", ""))
        fields = (bytes.fromhex(self.path.replace("/", "")), link, self.aid, self.name.encode())
        return bytes(numbers) + b"".join([bytes([len(field)]) + field for field in fields])

    @classmethod
    def decode(cls, reader: Reader) -> "File":
        """Read a row."""
        structure, size = Structure(reader.uint8()), reader.uint16()
        record, short, rule = reader.octets(3)
        path, link, aid, name = (reader.octets(reader.uint8()) for _ in range(4))
        text = name.decode("utf-8", "replace")
        return cls(_path(path), structure, size, record, short, rule, text, _path(link), aid)


def _path(octets: bytes) -> str:
    text = octets.hex().upper()
    return "/".join([text[at : at + 4] for at in range(0, len(text), 4)])


class Tree:
    """All files of a card, by path, by directory, by short identifier."""

    def __init__(self, files: Iterable[File]) -> None:
        self.files = {file.path: file for file in files}
        self.applications = tuple([file for file in self.files.values() if file.aid])
        self._short = {
            (file.parent, file.short): file for file in self.files.values() if file.short
        }
        self._children: dict[str, list[File]] = {}
        for file in self.files.values():
            self._children.setdefault(file.parent, []).append(file)
        self._check()

    def _check(self) -> None:
        """Raise `ConfigError` for a tree that no card can be."""
        if MF not in self.files:
            raise ConfigError("a card has a master file, 3F00")
        for file in self.files.values():
            if file.path != MF and not self._is_directory(file.parent):
                raise ConfigError(f"{file.path}: {file.parent} is no directory")
            if file.link and self._shape(file) != self._shape(self.files.get(file.link)):
                raise ConfigError(f"{file.path}: {file.link} is no file of the same structure")

    def _is_directory(self, path: str) -> bool:
        return path in self.files and self.files[path].directory

    @staticmethod
    def _shape(file: File | None) -> tuple[object, ...]:
        return () if file is None else (file.structure, file.size, file.record)

    @property
    def master(self) -> File:
        """The MF."""
        return self.files[MF]

    def children(self, path: str) -> tuple[File, ...]:
        """Give what is in a directory."""
        return tuple(self._children.get(path, ()))

    def by_short(self, directory: str, short: int) -> File | None:
        """Give the file of a directory that has a short identifier."""
        return self._short.get((directory, short))

    def application(self, path: str) -> File | None:
        """Give the ADF in which a path lies, None outside of any."""
        for one in self.applications:
            if path == one.path or path.startswith(f"{one.path}/"):
                return one
        return None

    @cached_property
    def octets(self) -> bytes:
        """The octets of the table, the same object for all cards of a profile."""
        return b"".join([file.encode() for file in self.files.values()])


@lru_cache(maxsize=64)
def decode(octets: bytes) -> Tree:
    """Read the table of a card."""
    reader, files = Reader(octets), list[File]()
    while len(reader):
        files.append(File.decode(reader))
    return Tree(files)
