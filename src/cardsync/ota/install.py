"""The INSTALL commands and the install parameters of a UICC application.

GlobalPlatform Card Specification 2.3 clause 11.5, TS 102 226 clause 8.2.1.3.2: in the parameters
C9 is for the application itself, EF are GlobalPlatform's system parameters, EA the UICC's.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins
from cardsync.octets.reader import Reader
from cardsync.ota.packet import TAR_LENGTH, SecurityLevel

CLA = 0x80
TRUSTED_PATH = bytes.fromhex("008000")
"""Privileges of an application that may speak to another one. GlobalPlatform 2.3 clause 6.6.1."""
_APPLICATION, _SYSTEM, _UICC = 0xC9, 0xEF, 0xEA
_VOLATILE, _NON_VOLATILE, _SIM_TOOLKIT = 0xC7, 0xC8, 0xCA
_UICC_TOOLKIT = 0x80
_BEFORE_MENU = 4  # priority, timers, longest text, number of entries
_MINIMUM_SPI1 = 0x01  # MSL parameter, clause 8.2.1.3.2.4


def malformed(message: str, answer: SW = SW.INCORRECT_DATA) -> PeerError:
    """Make the error of a malformed command, whose answer is a status word."""
    return PeerError(message, answer=answer)


def encode_lv(*fields: bytes) -> bytes:
    """Write fields, each behind its length of one octet."""
    if any(len(field) > 255 for field in fields):
        raise LocalError("a field is longer than 255 octets")
    return b"".join(bytes([len(field)]) + field for field in fields)


def _read_lv(data: bytes, count: int) -> tuple[bytes, ...]:
    """Read exactly `count` fields of length and value."""
    reader = Reader(data)
    try:
        fields = tuple(reader.octets(reader.uint8()) for _ in range(count))
        reader.finish()
    except PeerError as exc:
        raise malformed("the fields of INSTALL do not fit its length") from exc
    return fields


def read_tlvs(data: bytes) -> tuple[tlv.Tlv, ...]:
    """Read BER-TLVs; raise `PeerError` (6A80) where they are malformed."""
    try:
        return tlv.decode_all(data)
    except PeerError as exc:
        raise malformed("the data objects of the command are malformed") from exc


def check_aid(aid: bytes) -> None:
    """Raise `LocalError` for what is no AID."""
    if not 5 <= len(aid) <= 16:
        raise LocalError(f"an AID has 5 to 16 octets, not {len(aid)}")


def peer_aid(aid: bytes) -> bytes:
    """Give an AID that was read; raise `PeerError` (6A80) for what is none."""
    if not 5 <= len(aid) <= 16:
        raise malformed(f"an AID of {len(aid)} octets")
    return aid


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A place in the menu: `position` 0 is the last, `identifier` 0 says that any will do."""

    position: int = 0
    identifier: int = 0


@dataclass(frozen=True, slots=True)
class ToolkitParameters:
    """UICC toolkit application specific parameters. TS 102 226 clause 8.2.1.3.2.2.1.

    `priority` 1 (highest) to 255; at most 8 `timers`, 7 `channels` and 8 `services`;
    `menu_text` is the longest text of a menu entry in octets; `minimum` None admits any packet.
    """

    priority: int = 0xFF
    timers: int = 0
    menu_text: int = 0
    menu_entries: tuple[MenuEntry, ...] = ()
    channels: int = 0
    minimum: SecurityLevel | None = None
    tars: tuple[bytes, ...] = ()
    services: int = 0

    def __post_init__(self) -> None:
        if self.timers > 8 or self.channels > 7 or self.services > 8:
            raise LocalError("more timers, channels or services than a UICC has")
        if not 1 <= self.priority <= 0xFF or not 0 <= self.menu_text <= 0xFF:
            raise LocalError("priority is 1 to 255, a menu text has at most 255 octets")
        if any(len(tar) != TAR_LENGTH for tar in self.tars):
            raise LocalError("a TAR is three octets")

    def encode(self) -> bytes:
        """Give the octets, those inside the tag 80."""
        octets = bytes([self.priority, self.timers, self.menu_text, len(self.menu_entries)])
        for entry in self.menu_entries:
            octets += bytes([entry.position, entry.identifier])
        level = b"" if self.minimum is None else bytes([_MINIMUM_SPI1, int(self.minimum)])
        octets += bytes([self.channels, len(level)]) + level
        tars = b"".join(self.tars)
        return octets + bytes([len(tars)]) + tars + bytes([self.services])

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the octets; raise `PeerError` (6A80). Services may be left out."""
        reader = Reader(octets)
        try:
            priority, timers, menu_text, entries = reader.octets(4)
            menu = tuple(MenuEntry(*reader.octets(2)) for _ in range(entries))
            channels = reader.uint8()
            level = _read_level(reader.octets(reader.uint8()))
            tars = _read_tars(reader.octets(reader.uint8()))
            services = reader.uint8() if len(reader) else 0
            reader.finish()
            return cls(priority, timers, menu_text, menu, channels, level, tars, services)
        except (PeerError, LocalError) as exc:
            raise malformed("malformed toolkit parameters") from exc


def _read_level(octets: bytes) -> SecurityLevel | None:
    if not octets:
        return None
    if len(octets) != 2 or octets[0] != _MINIMUM_SPI1:
        raise malformed("a minimum security level of an unknown kind")
    return SecurityLevel.decode(octets[1])


def _read_tars(octets: bytes) -> tuple[bytes, ...]:
    if len(octets) % TAR_LENGTH:
        raise malformed("TAR values are not whole")
    starts = range(0, len(octets), TAR_LENGTH)
    return tuple(octets[start : start + TAR_LENGTH] for start in starts)


@dataclass(frozen=True, slots=True)
class InstallParameters:
    """All install parameters; objects that we do not know are ignored.

    `volatile` and `non_volatile` are memory quotas in octets (up to 65535), `sim_toolkit` the
    octets of the older SIM file access and toolkit parameters (CA).
    """

    application: bytes = b""
    toolkit: ToolkitParameters | None = None
    volatile: int | None = None
    non_volatile: int | None = None
    sim_toolkit: bytes | None = None

    def __post_init__(self) -> None:
        if any(not 0 <= quota <= 0xFFFF for quota in (self.volatile or 0, self.non_volatile or 0)):
            raise LocalError("a memory quota is 0 to 65535 octets")

    def encode(self) -> bytes:
        """Give the octets."""
        quotas = ((_NON_VOLATILE, self.non_volatile), (_VOLATILE, self.volatile))
        system = b"".join(
            tlv.encode(tag, quota.to_bytes(2, "big")) for tag, quota in quotas if quota is not None
        )
        if self.sim_toolkit is not None:
            system += tlv.encode(_SIM_TOOLKIT, self.sim_toolkit)
        octets = tlv.encode(_APPLICATION, self.application)
        if system:
            octets += tlv.encode(_SYSTEM, system)
        if self.toolkit is not None:
            toolkit = tlv.encode(_UICC_TOOLKIT, self.toolkit.encode())
            octets += tlv.encode(_UICC, toolkit)
        return octets

    def any_toolkit(self) -> ToolkitParameters | None:
        """Give the toolkit parameters; those of a SIM (CA) where there are none of a UICC.

        They are the same behind the access domain, but channels, least security and TARs may be
        left out. TS 102 226 clause 8.2.1.3.2.2.
        """
        if self.toolkit is not None or self.sim_toolkit is None:
            return self.toolkit
        reader = Reader(self.sim_toolkit)
        try:
            reader.octets(reader.uint8())
        except PeerError as exc:
            raise malformed("an access domain that ends too early") from exc
        octets = reader.rest()
        whole = _BEFORE_MENU + 2 * octets[_BEFORE_MENU - 1] + 3 if octets[_BEFORE_MENU - 1 :] else 0
        return ToolkitParameters.decode(octets.ljust(whole, b"\0"))

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the octets; raise `PeerError` (6A80) where they are malformed or C9 is missing."""
        outer = _read(octets)
        if _APPLICATION not in outer:
            raise malformed("install parameters without C9")
        system, uicc = _read(outer.get(_SYSTEM, b"")), _read(outer.get(_UICC, b""))
        toolkit = uicc.get(_UICC_TOOLKIT)
        return cls(
            outer[_APPLICATION],
            None if toolkit is None else ToolkitParameters.decode(toolkit),
            _quota(system.get(_VOLATILE)),
            _quota(system.get(_NON_VOLATILE)),
            system.get(_SIM_TOOLKIT),
        )


def _read(octets: bytes) -> dict[int, bytes]:
    return {item.tag: item.value for item in read_tlvs(octets)}


def _quota(value: bytes | None) -> int | None:
    if value is None:
        return None
    if len(value) != 2:
        raise malformed(f"a memory quota of {len(value)} octets")
    return int.from_bytes(value, "big")


@dataclass(frozen=True, slots=True)
class InstallForLoad:
    """INSTALL [for load]: a load file with this AID will come. Clause 11.5.2.3.1."""

    P1: ClassVar[int] = 0x02

    load_file: bytes
    security_domain: bytes = b""
    digest: bytes = b""
    parameters: bytes = b""
    token: bytes = b""

    def __post_init__(self) -> None:
        check_aid(self.load_file)

    def encode(self) -> CommandApdu:
        """Give the command."""
        fields = (self.load_file, self.security_domain, self.digest, self.parameters, self.token)
        return CommandApdu(CLA, Ins.INSTALL, self.P1, 0, encode_lv(*fields))

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        load_file, *others = _read_lv(apdu.data, 5)
        return cls(peer_aid(load_file), *others)


@dataclass(frozen=True, slots=True)
class InstallForInstall:
    """INSTALL [for install], and [for make selectable] at once if `selectable`. Clause 11.5.2.3.2.

    `privileges` are 1 or 3 octets.
    """

    P1: ClassVar[int] = 0x0C
    P1_ALONE: ClassVar[int] = 0x04

    load_file: bytes
    module: bytes
    application: bytes
    parameters: InstallParameters
    privileges: bytes = b"\x00"
    token: bytes = b""
    selectable: bool = True

    def __post_init__(self) -> None:
        for aid in (self.load_file, self.module, self.application):
            check_aid(aid)
        if len(self.privileges) not in (1, 3):
            raise LocalError("privileges have 1 or 3 octets")

    def encode(self) -> CommandApdu:
        """Give the command."""
        data = encode_lv(
            self.load_file,
            self.module,
            self.application,
            self.privileges,
            self.parameters.encode(),
            self.token,
        )
        return CommandApdu(CLA, Ins.INSTALL, self.P1 if self.selectable else self.P1_ALONE, 0, data)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        load_file, module, application, privileges, parameters, token = _read_lv(apdu.data, 6)
        if len(privileges) not in (1, 3):
            raise malformed(f"privileges of {len(privileges)} octets")
        return cls(
            peer_aid(load_file),
            peer_aid(module),
            peer_aid(application),
            InstallParameters.decode(parameters),
            privileges,
            token,
            apdu.p1 == cls.P1,
        )


@dataclass(frozen=True, slots=True)
class InstallForMakeSelectable:
    """INSTALL [for make selectable] of what is installed already. Clause 11.5.2.3.3."""

    P1: ClassVar[int] = 0x08

    application: bytes

    def __post_init__(self) -> None:
        check_aid(self.application)

    def encode(self) -> CommandApdu:
        """Give the command."""
        data = encode_lv(b"", b"", self.application, b"\x00", b"", b"")
        return CommandApdu(CLA, Ins.INSTALL, self.P1, 0, data)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command; privileges, parameters and token that it brings say nothing new."""
        return cls(peer_aid(_read_lv(apdu.data, 6)[2]))


@dataclass(frozen=True, slots=True)
class InstallForPersonalization:
    """INSTALL [for personalization]: STORE DATA goes to this application. Clause 11.5.2.3.6."""

    P1: ClassVar[int] = 0x20

    application: bytes

    def __post_init__(self) -> None:
        check_aid(self.application)

    def encode(self) -> CommandApdu:
        """Give the command."""
        data = encode_lv(b"", b"", self.application, b"", b"", b"")
        return CommandApdu(CLA, Ins.INSTALL, self.P1, 0, data)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        return cls(peer_aid(_read_lv(apdu.data, 6)[2]))
