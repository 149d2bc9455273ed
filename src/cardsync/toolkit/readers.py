"""Data objects of files, further card readers, AT commands and containers of eCAT.

TS 102 223 clause 8.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

from cardsync.octets.apdu import CommandApdu, ResponseApdu
from cardsync.octets.reader import Reader
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode
from cardsync.toolkit.data_object import (
    Characters,
    Code,
    DataObject,
    Fields,
    Octets,
    known,
    of_event,
)

_ECAT = (
    CommandType.COMMAND_CONTAINER,
    CommandType.ENCAPSULATED_SESSION_CONTROL,
    of_event(EventCode.PROFILE_CONTAINER),
    of_event(EventCode.SECURED_PROFILE_CONTAINER),
    EnvelopeTag.ENVELOPE_CONTAINER,
    EnvelopeTag.TERMINAL_APPLICATION,
)

_MF, _ADF = b"\x3f\x00", b"\x7f\xff"


@known(0x12)
@dataclass(frozen=True, slots=True)
class FileList(DataObject):
    """How many files, and their full paths one behind the other. TS 102 223 clause 8.18."""

    number: int
    octets: bytes

    @property
    def paths(self) -> tuple[bytes, ...]:
        """The paths; each begins with the MF (3F00) or the current ADF (7FFF).

        "Each of these must be at least 4 octets", so that 7FFF behind 3F00 goes on with it.
        """
        files = [self.octets[at : at + 2] for at in range(0, len(self.octets), 2)]
        starts = [
            2 * at
            for at, file in enumerate(files)
            if file == _MF or (file == _ADF and files[at - 1 : at] != [_MF])
        ]
        return tuple([self.octets[a:b] for a, b in pairwise([*starts, len(self.octets)])])

    def value(self) -> bytes:
        """Give number and paths."""
        return bytes([self.number]) + self.octets

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read number and paths."""
        reader = Reader(value)
        number = reader.uint8()
        if len(reader) % 2:
            raise ValueError("a file identifier has two octets")
        return cls(number, reader.rest())


@known(0x20)
@dataclass(frozen=True, slots=True)
class CardReaderStatus(Fields):
    """A reader, bits 1 to 3, and how it is, bits 4 to 8. TS 102 223 clause 8.33."""

    status: int

    @property
    def reader(self) -> int:
        """The reader, 0 to 7."""
        return self.status & 0x07

    @property
    def removable(self) -> bool:
        """Whether the reader can be taken off."""
        return bool(self.status & 0x08)

    @property
    def present(self) -> bool:
        """Whether the reader is there."""
        return bool(self.status & 0x10)

    @property
    def id1(self) -> bool:
        """Whether it takes cards of the size ID-1."""
        return bool(self.status & 0x20)

    @property
    def card_present(self) -> bool:
        """Whether there is a card in it."""
        return bool(self.status & 0x40)

    @property
    def card_powered(self) -> bool:
        """Whether the card has power."""
        return bool(self.status & 0x80)


@known(0x3A)
@dataclass(frozen=True, slots=True)
class CardReaderIdentifier(Characters):
    """The name of a reader. TS 102 223 clause 8.57."""


@known(0x21)
@dataclass(frozen=True, slots=True)
class CardAtr(Octets):
    """The answer to reset of a card in a reader. TS 102 223 clause 8.34."""


@known(0x22)
@dataclass(frozen=True, slots=True)
class CApdu(Octets):
    """A command for a card in a reader. TS 102 223 clause 8.35."""

    LENGTHS: ClassVar[range] = range(4, 0x10000)

    @property
    def apdu(self) -> CommandApdu:
        """The command; raises `PeerError` if it is malformed."""
        return CommandApdu.decode(self.octets)


@known(0x23)
@dataclass(frozen=True, slots=True)
class RApdu(Octets):
    """What a card in a reader answered. TS 102 223 clause 8.36."""

    LENGTHS: ClassVar[range] = range(2, 0x10000)

    @property
    def apdu(self) -> ResponseApdu:
        """Data and status word."""
        return ResponseApdu.decode(self.octets)


@known(0x2F)
@dataclass(frozen=True, slots=True)
class Aid(Octets):
    """The identifier of an application, 5 to 16 octets. TS 102 223 clause 8.60."""

    LENGTHS: ClassVar[range] = range(1, 17)


@dataclass(frozen=True, slots=True)
class _Modem(DataObject):
    """The shape of what is said to or by a modem, one octet a character."""

    text: str

    def value(self) -> bytes:
        """Give the characters."""
        return self.text.encode("latin-1")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet a character."""
        return cls(value.decode("latin-1"))


@known(0x28)
@dataclass(frozen=True, slots=True)
class AtCommand(_Modem):
    """A command for the modem, as TS 27.007 has it. TS 102 223 clause 8.40."""


@known(0x29)
@dataclass(frozen=True, slots=True)
class AtResponse(_Modem):
    """What the modem answered. TS 102 223 clause 8.41."""


@known(0x3A, CommandType.REFRESH)
@dataclass(frozen=True, slots=True)
class RefreshEnforcementPolicy(Code):
    """What a refresh may interrupt: bit 1 menus, 2 a data call, 3 a voice call. Clause 8.103."""


@known(0x3B)
@dataclass(frozen=True, slots=True)
class FileUpdateInformation(Octets):
    """What changed in a file. TS 101 220 table 7.23."""


@known(0x3B, CommandType.REFRESH)
@dataclass(frozen=True, slots=True)
class ApplicationSpecificRefreshData(Octets):
    """What an application adds to a refresh. TS 102 223 clause 8.107."""


@known(0x12, CommandType.LSI_COMMAND)
@dataclass(frozen=True, slots=True)
class LsiNumbers(Octets):
    """Logical secure elements. TS 102 223 clause 8.108."""


@known(0x0E, *_ECAT)
@dataclass(frozen=True, slots=True)
class EcatClientProfile(Octets):
    """What an eCAT client can do. TS 101 220 table 7.23."""


@known(0x0F, *_ECAT)
@dataclass(frozen=True, slots=True)
class EcatClientIdentity(Octets):
    """Which eCAT client. TS 101 220 table 7.23."""


@known(0x10, *_ECAT)
@dataclass(frozen=True, slots=True)
class EncapsulatedEnvelopeType(Octets):
    """Which envelope is inside. TS 101 220 table 7.23."""


@known(0x12, *_ECAT)
@dataclass(frozen=True, slots=True)
class CatServiceList(Octets):
    """What the card offers an eCAT client. TS 101 220 table 7.23."""


@known(0x21, *_ECAT)
@dataclass(frozen=True, slots=True)
class EcatSequenceNumber(Octets):
    """The type of command, 2 bits, and a counter, 22 bits. TS 102 223 clause 8.98."""

    LENGTHS: ClassVar[range] = range(3, 4)


@known(0x22, *_ECAT)
@dataclass(frozen=True, slots=True)
class EncryptedTlvList(Octets):
    """Objects that are enciphered. TS 102 223 clause 8.99."""


@known(0x23, *_ECAT)
@dataclass(frozen=True, slots=True)
class SaTemplate(Octets):
    """What a security association is made of. TS 102 223 clause 8.101."""


@known(0x60)
@dataclass(frozen=True, slots=True)
class Mac(Octets):
    """A code of authentication. TS 102 223 clause 8.100."""


@known(0x61)
@dataclass(frozen=True, slots=True)
class EmergencyCall(Octets):
    """An emergency call. TS 101 220 table 7.23."""
