"""Card content management over the air: GlobalPlatform commands as objects, both ways.

GlobalPlatform Card Specification 2.3 clause 11, with the install parameters of the UICC, TS 102
226 clause 8. `encode` gives the command APDU, `decode` reads one; a malformed one raises
`PeerError` whose answer is the status word. Le is left out, as a compact script wants it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins
from cardsync.ota.install import (
    CLA,
    InstallForInstall,
    InstallForLoad,
    InstallForMakeSelectable,
    InstallForPersonalization,
    check_aid,
    encode_lv,
    malformed,
    peer_aid,
    read_tlvs,
)
from cardsync.ota.key_commands import KEY_TAGS, DeleteKey, PutKey

_LAST = 0x80
_LOAD_FILE = 0xC4
_AID = 0x4F
_LARGEST_BLOCK = 255


def _blocks(data: bytes, size: int) -> tuple[bytes, ...]:
    if not 1 <= size <= _LARGEST_BLOCK or not data or len(data) > 256 * size:
        raise LocalError(f"{len(data)} octets cannot be cut into at most 256 blocks of {size}")
    return tuple(data[start : start + size] for start in range(0, len(data), size))


@dataclass(frozen=True, slots=True)
class Load:
    """LOAD: block `number` (0 to 255) of a load file. Clause 11.6."""

    number: int
    data: bytes
    last: bool = False

    def encode(self) -> CommandApdu:
        """Give the command."""
        p1 = _LAST if self.last else 0
        return CommandApdu(CLA, Ins.LOAD, p1, self.number, self.data)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        if apdu.p1 & 0x7F:
            raise malformed(f"P1 {apdu.p1:02X} of LOAD is reserved", SW.INCORRECT_P1_P2)
        if not apdu.data:
            raise malformed("a LOAD without data", SW.WRONG_LENGTH)
        return cls(apdu.p2, apdu.data, bool(apdu.p1 & _LAST))


def load_blocks(load_file: bytes, size: int = 240) -> tuple[Load, ...]:
    """Cut a load file data block, wrapped in its tag C4, into LOAD commands of `size` octets."""
    blocks = _blocks(tlv.encode(_LOAD_FILE, load_file), size)
    last = len(blocks) - 1
    return tuple(Load(number, block, number == last) for number, block in enumerate(blocks))


def load_file_of(blocks: bytes) -> bytes:
    """Give the load file data block from the joined data of all LOAD commands."""
    objects = read_tlvs(blocks)
    if not objects or objects[-1].tag != _LOAD_FILE:
        raise malformed("the load file has no data block C4")
    return objects[-1].value


@dataclass(frozen=True, slots=True)
class StoreData:
    """STORE DATA: block `number` (0 to 255) of data for an application. Clause 11.11.

    `form` is bits 7 to 1 of P1: how the data are ciphered and structured, 0 says nothing of it.
    """

    number: int
    data: bytes
    last: bool = False
    form: int = 0

    def encode(self) -> CommandApdu:
        """Give the command."""
        p1 = (_LAST if self.last else 0) | self.form
        return CommandApdu(CLA, Ins.STORE_DATA, p1, self.number, self.data)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        if not apdu.data:
            raise malformed("a STORE DATA without data", SW.WRONG_LENGTH)
        return cls(apdu.p2, apdu.data, bool(apdu.p1 & _LAST), apdu.p1 & 0x7F)


def store_data_blocks(data: bytes, size: int = 240, form: int = 0) -> tuple[StoreData, ...]:
    """Cut data into STORE DATA commands of at most `size` octets."""
    blocks = _blocks(data, size)
    last = len(blocks) - 1
    return tuple(StoreData(at, block, at == last, form) for at, block in enumerate(blocks))


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE an application or load file, with what was made from it if `related`. Clause 11.2."""

    aid: bytes
    related: bool = False

    def __post_init__(self) -> None:
        check_aid(self.aid)

    def encode(self) -> CommandApdu:
        """Give the command."""
        p2 = 0x80 if self.related else 0
        return CommandApdu(CLA, Ins.DELETE, 0, p2, tlv.encode(_AID, self.aid))

    @classmethod
    def read(cls, objects: tuple[tlv.Tlv, ...], *, related: bool) -> Self:
        """Read the objects of the command."""
        if not objects or objects[0].tag != _AID:
            raise malformed("DELETE names no AID")
        return cls(peer_aid(objects[0].value), related)


def _read_delete(apdu: CommandApdu) -> Delete | DeleteKey:
    """Read DELETE of either kind: what it names tells which."""
    if apdu.p1 or apdu.p2 & 0x7F:
        raise malformed("P1 or P2 of DELETE is reserved", SW.INCORRECT_P1_P2)
    objects = read_tlvs(apdu.data)
    if objects and objects[0].tag in KEY_TAGS:
        return DeleteKey.read(objects)
    return Delete.read(objects, related=bool(apdu.p2))


class RegistryPart(IntEnum):
    """P1 of GET STATUS: what is asked for. Clause 11.4.2.1."""

    ISSUER_SECURITY_DOMAIN = 0x80
    APPLICATIONS = 0x40
    LOAD_FILES = 0x20
    LOAD_FILES_AND_MODULES = 0x10


@dataclass(frozen=True, slots=True)
class GetStatus:
    """GET STATUS of what begins with `aid` (may be empty). Clause 11.4.

    `tagged` False asks for entries in the older form, without tags.
    """

    part: RegistryPart
    aid: bytes = b""
    following: bool = False
    tagged: bool = True

    def encode(self) -> CommandApdu:
        """Give the command, which must be the last of a compact script for its Le."""
        p2 = self.tagged << 1 | self.following
        return CommandApdu(CLA, Ins.STATUS, self.part, p2, tlv.encode(_AID, self.aid), 256)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        try:
            part = RegistryPart(apdu.p1)
        except ValueError as exc:
            raise malformed(f"P1 {apdu.p1:02X}", SW.INCORRECT_P1_P2) from exc
        if apdu.p2 > 0x03:
            raise malformed(f"P2 {apdu.p2:02X}", SW.INCORRECT_P1_P2)
        objects = read_tlvs(apdu.data)
        if not objects or objects[0].tag != _AID or len(objects[0].value) > 16:
            raise malformed("GET STATUS names no AID")
        return cls(part, objects[0].value, bool(apdu.p2 & 1), tagged=bool(apdu.p2 & 2))


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One E3 of the answer to GET STATUS: AID, life cycle state, privileges, load file, modules.

    Clause 11.4.3.1; `load_file` is empty where the entry is a load file itself, whose `modules`
    may be told.
    """

    aid: bytes
    state: int
    privileges: bytes = b""
    load_file: bytes = b""
    modules: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """Give the octets."""
        parts = [(_AID, self.aid), (0x9F70, bytes([self.state]))]
        parts += [
            (tag, value)
            for tag, value in ((0xC5, self.privileges), (0xC4, self.load_file))
            if value
        ]
        parts += [(0x84, module) for module in self.modules]
        return tlv.encode(0xE3, b"".join(tlv.encode(tag, value) for tag, value in parts))

    def encode_untagged(self) -> bytes:
        """Give the octets of the older form: AID, state, the first privileges, any modules.

        GlobalPlatform 2.1.1 table 9-22.
        """
        octets = encode_lv(self.aid) + bytes([self.state, *(self.privileges[:1] or b"\0")])
        if self.modules:
            octets += bytes([len(self.modules)]) + encode_lv(*self.modules)
        return octets

    @classmethod
    def decode_all(cls, octets: bytes) -> tuple[Self, ...]:
        """Read all entries of an answer; raise `PeerError` where one lacks AID or state."""
        return tuple(cls._read(item) for item in read_tlvs(octets))

    @classmethod
    def _read(cls, item: tlv.Tlv) -> Self:
        inside = read_tlvs(item.value)
        found = {inner.tag: inner.value for inner in inside}
        modules = tuple(inner.value for inner in inside if inner.tag == 0x84)
        state = found.get(0x9F70, b"")
        if item.tag != 0xE3 or _AID not in found or len(state) != 1:
            raise malformed("a registry entry without AID or state")
        return cls(found[_AID], state[0], found.get(0xC5, b""), found.get(0xC4, b""), modules)


@dataclass(frozen=True, slots=True)
class SetStatus:
    """SET STATUS: give what has an AID another life cycle `state`. Clause 11.10."""

    part: RegistryPart
    aid: bytes
    state: int

    def encode(self) -> CommandApdu:
        """Give the command."""
        return CommandApdu(CLA, Ins.SET_STATUS, self.part, self.state, self.aid)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        try:
            part = RegistryPart(apdu.p1)
        except ValueError as exc:
            raise malformed(f"P1 {apdu.p1:02X}", SW.INCORRECT_P1_P2) from exc
        # What stands in the data field of a command to the card itself says nothing.
        own = part is RegistryPart.ISSUER_SECURITY_DOMAIN
        return cls(part, apdu.data if own else peer_aid(apdu.data), apdu.p2)


@dataclass(frozen=True, slots=True)
class GetData:
    """GET DATA: the object with a tag of one or two octets. Clause 11.3."""

    tag: int

    def encode(self) -> CommandApdu:
        """Give the command."""
        return CommandApdu(CLA, Ins.GET_DATA, self.tag >> 8, self.tag & 0xFF, le=256)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        return cls(apdu.p1 << 8 | apdu.p2)


Command = (
    InstallForLoad
    | InstallForInstall
    | InstallForMakeSelectable
    | InstallForPersonalization
    | Load
    | StoreData
    | Delete
    | DeleteKey
    | GetStatus
    | PutKey
    | SetStatus
    | GetData
)

Install = InstallForLoad | InstallForInstall | InstallForMakeSelectable | InstallForPersonalization
_INSTALL: dict[int, type[Install]] = {
    InstallForLoad.P1: InstallForLoad,
    InstallForInstall.P1: InstallForInstall,
    InstallForInstall.P1_ALONE: InstallForInstall,
    InstallForMakeSelectable.P1: InstallForMakeSelectable,
    InstallForPersonalization.P1: InstallForPersonalization,
}
_Other = Load | StoreData | GetStatus | PutKey | SetStatus | GetData
_OTHERS: dict[int, type[_Other]] = {
    Ins.LOAD: Load,
    Ins.STORE_DATA: StoreData,
    Ins.STATUS: GetStatus,
    Ins.PUT_KEY: PutKey,
    Ins.SET_STATUS: SetStatus,
    Ins.GET_DATA: GetData,
}


def decode(apdu: CommandApdu) -> Command:
    """Read a command of any kind; raise `PeerError` whose answer is the status word."""
    if apdu.cla != CLA:
        raise malformed(f"CLA {apdu.cla:02X}", SW.CLA_NOT_SUPPORTED)
    if apdu.ins == Ins.INSTALL:
        if apdu.p1 not in _INSTALL or apdu.p2:
            raise malformed(f"INSTALL {apdu.p1:02X} {apdu.p2:02X}", SW.INCORRECT_P1_P2)
        return _INSTALL[apdu.p1].decode(apdu)
    if apdu.ins == Ins.DELETE:
        return _read_delete(apdu)
    if apdu.ins not in _OTHERS:
        raise malformed(f"INS {apdu.ins:02X}", SW.INS_NOT_SUPPORTED)
    return _OTHERS[apdu.ins].decode(apdu)
