"""The device-management application as it travels: its image, its personalisation, its messages.

The image is the load file data block of LOAD (TS 102 226 clause 8.2.1, GlobalPlatform 2.3 clause
11.6); the policy and the parameters come in STORE DATA as data groupings (GlobalPlatform clause
11.11.3.2, DGI format); a secured packet to the TAR of the application carries messages.
What is loaded is data for the machine in the card, never code of a general kind.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets import tlv
from cardsync.octets.reader import Reader

PACKAGE_AID = bytes.fromhex("F06361726473796E63 0100")
"""Load file; F0 marks an AID without a registered provider (ISO/IEC 7816-4 clause 12.2.3)."""
MODULE_AID = bytes.fromhex("F06361726473796E63 0101")
REQUESTER_MODULE_AID = bytes.fromhex("F06361726473796E63 0102")
"""Another module: its instances may ask the device-management application for what it does."""
MODULES = (MODULE_AID, REQUESTER_MODULE_AID)
"""What can be installed from our load file."""
INSTANCE_AID = bytes.fromhex("F06361726473796E63 010101")
APPLICATION_TAR = bytes.fromhex("BFFF01")
"""One of the TARs for proprietary toolkit applications. TS 101 220 annex D."""
ISSUER_DOMAIN_TAR = bytes(3)
"""The issuer security domain, for remote application management. TS 101 220 annex D."""

MACHINE = 1
"""The level of the machine that runs policies."""
_MAGIC = b"CSYN"


@dataclass(frozen=True, slots=True)
class ApplicationImage:
    """What LOAD brings: a version, and the level of the machine that it needs."""

    version: tuple[int, int]
    machine: int
    name: str

    def encode(self) -> bytes:
        """Give the octets of the load file data block, without its tag C4."""
        return _MAGIC + bytes([*self.version, self.machine]) + self.name.encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the load file data block; raise `PeerError` if it is not one of ours."""
        reader = Reader(data)
        if reader.octets(len(_MAGIC)) != _MAGIC:
            raise PeerError("the load file is no image of the device-management application")
        major, minor, machine = reader.octets(3)
        try:
            return cls((major, minor), machine, reader.rest().decode())
        except UnicodeDecodeError as exc:
            raise PeerError("the name in the image is not UTF-8") from exc


class GroupTag(IntEnum):
    """Identifiers of the data groupings (DGI)."""

    POLICY = 0x0101
    PARAMETER = 0x0102
    OPERATOR_ADDRESS = 0x0103


@dataclass(frozen=True, slots=True)
class DataGroup:
    """One data grouping of personalisation."""

    tag: int
    data: bytes

    def encode(self) -> bytes:
        """Give tag, length (one octet, or FF and two) and data."""
        length = len(self.data)
        if length > 0xFFFF:
            raise LocalError(f"a data grouping of {length} octets is too long; at most 65535")
        size = bytes([length]) if length < 0xFF else b"\xff" + length.to_bytes(2, "big")
        return self.tag.to_bytes(2, "big") + size + self.data


def encode_groups(groups: Iterable[DataGroup]) -> bytes:
    """Join data groupings into what STORE DATA brings (`globalplatform.store_data_blocks`)."""
    return b"".join([group.encode() for group in groups])


def data_groups(whole: bytes) -> tuple[DataGroup, ...]:
    """Read the joined data fields of STORE DATA; raise `PeerError`."""
    reader, found = Reader(whole), []
    while len(reader):
        tag, length = reader.uint16(), reader.uint8()
        length = reader.uint16() if length == 0xFF else length
        found.append(DataGroup(tag, reader.octets(length)))
    return tuple(found)


def parameter_group(name: str, text: str) -> DataGroup:
    """Make the data grouping that gives a parameter of the policy a new value."""
    return DataGroup(GroupTag.PARAMETER, f"{name}={text}".encode())


def read_parameter(group: DataGroup) -> tuple[str, str]:
    """Read name and text of a parameter; raise `PeerError`."""
    try:
        name, equals, text = group.data.decode().partition("=")
    except UnicodeDecodeError as exc:
        raise PeerError("a parameter is not UTF-8") from exc
    if not equals or not name:
        raise PeerError("a parameter is written name=value")
    return name, text


class _MessageTag(IntEnum):
    TRIGGER = 0xC1
    PARAMETER = 0xC2


@dataclass(frozen=True, slots=True)
class Trigger:
    """A message by name, such as `sync-now`: an input of the policy."""

    name: str

    def encode(self) -> bytes:
        """Give the octets of the TLV."""
        return tlv.encode(_MessageTag.TRIGGER, self.name.encode())


@dataclass(frozen=True, slots=True)
class ParameterUpdate:
    """A new value of one parameter."""

    name: str
    text: str

    def encode(self) -> bytes:
        """Give the octets of the TLV."""
        return tlv.encode(_MessageTag.PARAMETER, f"{self.name}={self.text}".encode())


def decode_messages(data: bytes) -> tuple[Trigger | ParameterUpdate, ...]:
    """Read what a secured packet brought to the application; raise `PeerError`."""
    found: list[Trigger | ParameterUpdate] = []
    for one in tlv.decode_all(data):
        if one.tag == _MessageTag.PARAMETER:
            found.append(ParameterUpdate(*read_parameter(DataGroup(GroupTag.PARAMETER, one.value))))
        elif one.tag == _MessageTag.TRIGGER:
            found.append(Trigger(one.value.decode("ascii", "replace")))
        else:
            raise PeerError(f"tag {one.tag:02X} is no message of the application")
    return tuple(found)
