"""Command and response APDU, short form, and the status words. TS 102 221 clause 10.

In the octets of a command APDU a last octet behind the data is Le, 00 standing for 256; a lone
fifth octet is Le when the case is 2 and Lc of nothing never occurs (ISO/IEC 7816-3 clause 12.1).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader


class Ins(IntEnum):
    """Instructions of TS 102 221 clause 10.1.2 and GlobalPlatform 2.3 clause 11."""

    DEACTIVATE_FILE = 0x04
    TERMINAL_PROFILE = 0x10
    FETCH = 0x12
    TERMINAL_RESPONSE = 0x14
    VERIFY_PIN = 0x20
    CHANGE_PIN = 0x24
    DISABLE_PIN = 0x26
    ENABLE_PIN = 0x28
    UNBLOCK_PIN = 0x2C
    INCREASE = 0x32
    ACTIVATE_FILE = 0x44
    MANAGE_CHANNEL = 0x70
    AUTHENTICATE = 0x88
    SEARCH_RECORD = 0xA2
    SELECT = 0xA4
    TERMINAL_CAPABILITY = 0xAA
    READ_BINARY = 0xB0
    READ_RECORD = 0xB2
    GET_RESPONSE = 0xC0
    ENVELOPE = 0xC2
    GET_DATA = 0xCA
    RETRIEVE_DATA = 0xCB
    UPDATE_BINARY = 0xD6
    PUT_KEY = 0xD8
    SET_DATA = 0xDB
    UPDATE_RECORD = 0xDC
    STORE_DATA = 0xE2
    DELETE = 0xE4
    INSTALL = 0xE6
    LOAD = 0xE8
    SET_STATUS = 0xF0
    STATUS = 0xF2  # the same octet is GET STATUS of GlobalPlatform


class SW(IntEnum):
    """Status words. TS 102 221 clause 10.2, GlobalPlatform 2.3 clause 11.1.3."""

    OK = 0x9000
    BUSY = 0x9300
    WARNING_NO_INFORMATION = 0x6200
    MEMORY_PROBLEM = 0x6581
    WRONG_LENGTH = 0x6700
    CHANNEL_NOT_SUPPORTED = 0x6881
    SECURITY_NOT_SATISFIED = 0x6982
    CONDITIONS_NOT_SATISFIED = 0x6985
    NO_EF_SELECTED = 0x6986
    INCORRECT_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    NOT_ENOUGH_MEMORY = 0x6A84
    INCORRECT_P1_P2 = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    WRONG_P1_P2 = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00
    TECHNICAL_PROBLEM = 0x6F00


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """A command to the card: `le` is 1 to 256, or None where no data is expected back."""

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = b""
    le: int | None = None

    def __post_init__(self) -> None:
        if len(self.data) > 255:
            raise LocalError(f"{len(self.data)} octets do not fit a short APDU; at most 255")
        if self.le is not None and not 1 <= self.le <= 256:
            raise LocalError(f"Le {self.le} is not 1 to 256")

    def encode(self) -> bytes:
        """Give the octets; an APDU of case 1 is its four header octets."""
        head = bytes([self.cla, self.ins, self.p1, self.p2])
        if self.data:
            head += bytes([len(self.data)]) + self.data
        return head if self.le is None else head + bytes([self.le & 0xFF])

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read a command APDU of any case; raise `PeerError` with `67 00` owed."""
        try:
            return cls._read(Reader(octets))
        except PeerError as exc:
            raise PeerError(str(exc), answer=SW.WRONG_LENGTH) from exc

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        cla, ins, p1, p2 = reader.octets(4)
        if len(reader) <= 1:
            le = reader.uint8() or 256 if len(reader) else None
            return cls(cla, ins, p1, p2, le=le)
        length = reader.uint8()
        data = reader.octets(length)
        if len(reader) > 1 or not length:
            raise PeerError(f"Lc {length} does not fit; {len(reader)} octets are behind the data")
        le = (reader.uint8() or 256) if len(reader) else None
        return cls(cla, ins, p1, p2, data, le)


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """What the card answers: up to 256 octets and a status word of 16 bits."""

    sw: int
    data: bytes = b""

    @property
    def sw1(self) -> int:
        """The first octet of the status word."""
        return self.sw >> 8

    @property
    def sw2(self) -> int:
        """The second octet of the status word."""
        return self.sw & 0xFF

    def encode(self) -> bytes:
        """Give the octets."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read a response APDU; raise `PeerError` if there is no status word."""
        if len(octets) < 2:
            raise PeerError(f"a response of {len(octets)} octets has no status word")
        return cls(int.from_bytes(octets[-2:], "big"), octets[:-2])
