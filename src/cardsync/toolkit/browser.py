"""Data objects of the browser and of multimedia messages. TS 102 223 clause 8."""

from dataclasses import dataclass
from typing import Self

from cardsync.toolkit.codes import BearerCode
from cardsync.toolkit.data_object import Characters, Code, DataObject, Fields, Octets, code, known


@known(0x30)
@dataclass(frozen=True, slots=True)
class BrowserIdentity(Code):
    """Which browser: 0 the default one, 1 WML, 2 HTML, 3 XHTML, 4 cHTML. Clause 8.47."""


@known(0x31)
@dataclass(frozen=True, slots=True)
class Url(DataObject):
    """An address for the browser; empty is the default one. TS 102 223 clause 8.48."""

    url: str

    def value(self) -> bytes:
        """Give the value octets."""
        return self.url.encode("ascii")

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read seven-bit characters."""
        return cls(value.decode("ascii"))


@known(0x32)
@dataclass(frozen=True, slots=True)
class Bearer(DataObject):
    """Bearers for the browser, the preferred one first. TS 102 223 clause 8.49."""

    bearers: tuple[int, ...]

    def value(self) -> bytes:
        """Give one octet a bearer."""
        return bytes(self.bearers)

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet a bearer."""
        return cls(tuple([code(BearerCode, octet) for octet in value]))


@known(0x33)
@dataclass(frozen=True, slots=True)
class ProvisioningFileReference(Octets):
    """The path of a file with settings for the browser. TS 102 223 clause 8.50."""


@known(0x34)
@dataclass(frozen=True, slots=True)
class BrowserTerminationCause(Code):
    """0: the user ended it, 1: an error did. TS 102 223 clause 8.51."""


@known(0x64)
@dataclass(frozen=True, slots=True)
class BrowsingStatus(Characters):
    """The status line that the browser received. TS 102 223 clause 8.77."""


@known(0x66)
@dataclass(frozen=True, slots=True)
class FrameLayout(DataObject):
    """Frames: 1 beside each other, 2 one above the other, and their sizes. Clause 8.78."""

    layout: int
    sizes: tuple[int, ...]

    def value(self) -> bytes:
        """Give layout and one octet a frame."""
        return bytes([self.layout, *self.sizes])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read layout and one octet a frame."""
        layout, *sizes = value
        return cls(layout, tuple(sizes))


@known(0x67)
@dataclass(frozen=True, slots=True)
class FramesInformation(Octets):
    """The default frame, then identifier, height and width of each. Clause 8.79."""


@known(0x68)
@dataclass(frozen=True, slots=True)
class FrameIdentifier(Fields):
    """A frame of the display, 1 to 15; 0 is the whole. TS 102 223 clause 8.80."""

    identifier: int


@known(0x6A)
@dataclass(frozen=True, slots=True)
class MultimediaMessageReference(Characters):
    """Where the message waits. TS 102 223 clause 8.82."""


@known(0x6B)
@dataclass(frozen=True, slots=True)
class MultimediaMessageIdentifier(Octets):
    """Which message in the file. TS 102 223 clause 8.83."""


@known(0x6C)
@dataclass(frozen=True, slots=True)
class MultimediaMessageTransferStatus(Octets):
    """How the transfer went. TS 102 223 clause 8.84."""


@known(0x6E)
@dataclass(frozen=True, slots=True)
class MultimediaContentIdentifier(Octets):
    """Which part of the message. TS 102 223 clause 8.85."""


@known(0x6F)
@dataclass(frozen=True, slots=True)
class MultimediaMessageNotification(Octets):
    """What the network told of a message. TS 102 223 clause 8.86."""


@known(0x70)
@dataclass(frozen=True, slots=True)
class LastEnvelope(Fields):
    """Says that no envelope follows this one. TS 102 223 clause 8.87."""
