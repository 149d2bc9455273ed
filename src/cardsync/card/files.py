"""MF, ADF.USIM and the files in them: selection, access rules, reading and updating.

TS 102 221 clauses 8 and 11.1, TS 31.102 clause 4. A file is a row of a table; what it contains
lies in the memory of the card. The template that SELECT answers is TS 102 221 clause 11.1.1.3.
"""

from dataclasses import dataclass
from enum import Enum

from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW

USIM_AID = bytes.fromhex("A0000000871002FFFFFFFF8907090000")
MF = "3F00"
ADF_USIM = "7FFF"


class Access(Enum):
    """Who may do a thing. Rules are referenced in EF.ARR, TS 102 221 clause 9.2."""

    ALWAYS = 1
    TERMINAL = 2
    NEVER = 3


class FileError(PeerError):
    """An instruction for a file cannot be done; `answer` is the status word."""

    def __init__(self, sw: SW) -> None:
        super().__init__(f"file: {sw.name}", answer=sw)


@dataclass(frozen=True, slots=True)
class File:
    """A row of the file table: `record` is the length of a record, 0 for a transparent file."""

    path: str
    size: int = 0
    record: int = 0
    short: int = 0
    read: Access = Access.ALWAYS
    update: Access = Access.NEVER
    directory: bool = False

    @property
    def identifier(self) -> bytes:
        """The two octets of the file identifier."""
        return bytes.fromhex(self.path[-4:])

    @property
    def parent(self) -> str:
        """The path of the directory that holds the file."""
        return self.path[:-5]


def _usim(
    identifier: str, size: int, short: int = 0, *, record: int = 0, update: Access = Access.NEVER
) -> File:
    return File(f"{MF}/{ADF_USIM}/{identifier}", size, record, short, update=update)


FILES = {
    file.path: file
    for file in (
        File(MF, directory=True),
        File(f"{MF}/2F00", 38, record=38, short=0x1E),  # EF.DIR
        File(f"{MF}/2FE2", 10, short=0x02),  # EF.ICCID
        File(f"{MF}/2F05", 4, short=0x05, update=Access.TERMINAL),  # EF.PL
        File(f"{MF}/2F06", 60, record=30, short=0x06),  # EF.ARR
        File(f"{MF}/{ADF_USIM}", directory=True),
        _usim("6F07", 9, 0x07),  # EF.IMSI
        _usim("6F38", 16, 0x04),  # EF.UST
        _usim("6FAD", 4, 0x03),  # EF.AD
        _usim("6F46", 17),  # EF.SPN
        _usim("6F05", 4, 0x02, update=Access.TERMINAL),  # EF.LI
        _usim("6F78", 2, 0x06),  # EF.ACC
        _usim("6F7E", 11, 0x0B, update=Access.TERMINAL),  # EF.LOCI
        _usim("6F73", 14, 0x0C, update=Access.TERMINAL),  # EF.PSLOCI
        _usim("6F7B", 12, 0x0D, update=Access.TERMINAL),  # EF.FPLMN
        _usim("6F31", 1, 0x12),  # EF.HPPLMN
        _usim("6F42", 28, record=28, update=Access.TERMINAL),  # EF.SMSP
    )
}


def cell(path: str) -> str:
    """Name the cell of memory that holds the content of a file."""
    return f"file:{path}"


class FileSystem:
    """The selection of one logical channel, and what is done to the file that is selected."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._directory = FILES[MF]
        self._selected: File | None = None

    def reset(self) -> None:
        """Go back to the MF."""
        self._directory, self._selected = FILES[MF], None

    def select_identifier(self, identifier: bytes) -> bytes:
        """Select by file identifier: in the directory, a directory above, or beside it."""
        name = identifier.hex().upper()
        near = (
            MF if name == MF else "",
            f"{self._directory.path}/{name}",
            f"{self._directory.parent}/{name}",
            f"{MF}/{name}" if name == ADF_USIM else "",
        )
        return self._select(near)

    def select_path(self, octets: bytes, *, from_mf: bool) -> bytes:
        """Select by path from the MF or from the current directory."""
        names = [octets[i : i + 2].hex().upper() for i in range(0, len(octets), 2)]
        start = MF if from_mf else self._directory.path
        return self._select(("/".join([start, *names]),))

    def select_aid(self, aid: bytes) -> bytes:
        """Select the USIM by its AID or by the beginning of it, at least five octets."""
        if len(aid) < 5 or not USIM_AID.startswith(aid):
            raise FileError(SW.FILE_NOT_FOUND)
        return self._select((f"{MF}/{ADF_USIM}",))

    def _select(self, paths: tuple[str, ...]) -> bytes:
        for path in paths:
            file = FILES.get(path)
            if file is None:
                continue
            self._selected = file
            if file.directory:
                self._directory, self._selected = file, None
            return self.template()
        raise FileError(SW.FILE_NOT_FOUND)

    def template(self) -> bytes:
        """Give the FCP template of what is selected. TS 102 221 clause 11.1.1.3."""
        file = self._selected or self._directory
        body = tlv.encode(0x82, _descriptor(file)) + tlv.encode(0x83, file.identifier)
        if file.path.endswith(ADF_USIM):
            body += tlv.encode(0x84, USIM_AID)
        body += tlv.encode(0xA5, tlv.encode(0x80, b"\x71")) if file.directory else b""
        body += tlv.encode(0x8A, b"\x05") + tlv.encode(0x8B, b"\x2f\x06" + _rule(file))
        if file.directory:
            return tlv.encode(0x62, body + tlv.encode(0xC6, bytes.fromhex("90010083010183010A")))
        body += tlv.encode(0x80, file.size.to_bytes(2, "big"))
        return tlv.encode(0x62, body + tlv.encode(0x88, _short(file)))

    def by_short(self, short: int) -> None:
        """Select the file of the current directory that has a short file identifier."""
        for file in FILES.values():
            if file.short == short and file.parent == self._directory.path:
                self._selected = file
                return
        raise FileError(SW.FILE_NOT_FOUND)

    def read_binary(self, offset: int, length: int) -> bytes:
        """Read up to `length` octets of a transparent file; 256 stands for all that is left."""
        file = self._file(records=False, write=False)
        if offset >= file.size:
            raise FileError(SW.WRONG_P1_P2)
        if length != 256 and offset + length > file.size:
            raise FileError(SW.WRONG_LENGTH)
        return self._content(file)[offset : offset + length]

    def read_record(self, number: int) -> bytes:
        """Read a record; they count from 1."""
        file = self._file(records=True, write=False)
        start = self._record(file, number)
        return self._content(file)[start : start + file.record]

    def update_binary(self, offset: int, octets: bytes) -> None:
        """Overwrite octets of a transparent file."""
        file = self._file(records=False, write=True)
        if offset + len(octets) > file.size:
            raise FileError(SW.WRONG_LENGTH)
        content = self._content(file)
        after = content[:offset] + octets + content[offset + len(octets) :]
        self._memory.write(cell(file.path), after)

    def update_record(self, number: int, octets: bytes) -> None:
        """Overwrite a record."""
        file = self._file(records=True, write=True)
        start = self._record(file, number)
        if len(octets) != file.record:
            raise FileError(SW.WRONG_LENGTH)
        content = self._content(file)
        after = content[:start] + octets + content[start + file.record :]
        self._memory.write(cell(file.path), after)

    def _record(self, file: File, number: int) -> int:
        if not 1 <= number <= file.size // file.record:
            raise FileError(SW.RECORD_NOT_FOUND)
        return (number - 1) * file.record

    def _file(self, *, records: bool, write: bool) -> File:
        file = self._selected
        if file is None:
            raise FileError(SW.NO_EF_SELECTED)
        if bool(file.record) is not records:
            raise FileError(SW.CONDITIONS_NOT_SATISFIED)
        if (file.update if write else file.read) is Access.NEVER:
            raise FileError(SW.SECURITY_NOT_SATISFIED)
        return file

    def _content(self, file: File) -> bytes:
        return self._memory.read(cell(file.path)).ljust(file.size, b"\xff")


def _descriptor(file: File) -> bytes:
    """Describe shareable DF, transparent or linear fixed EF. TS 102 221 clause 11.1.1.4.3."""
    if file.directory:
        return b"\x78\x21"
    if not file.record:
        return b"\x41\x21"
    count = file.size // file.record
    return b"\x42\x21" + file.record.to_bytes(2, "big") + bytes([count])


def _rule(file: File) -> bytes:
    return b"\x02" if file.update is Access.TERMINAL else b"\x01"


def _short(file: File) -> bytes:
    return bytes([file.short << 3]) if file.short else b""
