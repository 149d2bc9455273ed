"""Command packet and response packet in the clear. TS 102 225 clause 5, TS 31.115 clause 4.

Over SMS the octets begin behind the user data header: CPI (70) and RPI (71) are its information
elements, CHI and RHI do not exist, the packet length has two octets and the header length one.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError, PeerError

TAR_LENGTH = 3
HIGHEST_COUNTER = 0xFFFFFFFFFF
CLEAR_COMMAND = 10  # CPL, CHL, SPI, KIc, KID, TAR: what is never ciphered
CLEAR_RESPONSE = 6  # RPL, RHL, TAR
COMMAND_CHECKSUM = 16  # where RC/CC stands: behind CNTR and PCNTR
RESPONSE_CHECKSUM = 13  # behind CNTR, PCNTR and the status
_COMMAND_HEADER = 13  # CHL without RC/CC: SPI to PCNTR
_RESPONSE_HEADER = 10  # RHL without RC/CC: TAR to status
_LONGEST = 0xFFFF


class ResponseStatus(IntEnum):
    """Response status code. TS 102 225 clause 5.2, TS 31.115 clause 7 (0B and 0C)."""

    OK = 0x00
    CHECKSUM_FAILED = 0x01
    COUNTER_LOW = 0x02
    COUNTER_HIGH = 0x03
    COUNTER_BLOCKED = 0x04
    CIPHERING_ERROR = 0x05
    UNIDENTIFIED_SECURITY_ERROR = 0x06
    INSUFFICIENT_MEMORY = 0x07
    MORE_TIME = 0x08
    TAR_UNKNOWN = 0x09
    INSUFFICIENT_SECURITY_LEVEL = 0x0A
    RESPONSE_BY_SMS_SUBMIT = 0x0B
    RESPONSE_BY_USSD = 0x0C


class Integrity(IntEnum):
    """What proves that a packet is whole: nothing, RC, CC or DS."""

    NONE = 0
    REDUNDANCY_CHECK = 1
    CRYPTOGRAPHIC_CHECKSUM = 2
    DIGITAL_SIGNATURE = 3


class CounterRule(IntEnum):
    """What the receiving entity does with CNTR. TS 102 225 clause 5.1.1."""

    NONE = 0
    AVAILABLE = 1
    HIGHER = 2
    ONE_HIGHER = 3


class Proof(IntEnum):
    """When a proof of receipt is sent."""

    NONE = 0
    REQUIRED = 1
    ON_ERROR = 2


@dataclass(frozen=True, slots=True)
class SecurityLevel:
    """The first octet of the SPI: also a minimum security level. TS 102 226 clause 8.2.1.3.2.4."""

    integrity: Integrity = Integrity.CRYPTOGRAPHIC_CHECKSUM
    ciphered: bool = True
    counter: CounterRule = CounterRule.HIGHER

    def __int__(self) -> int:
        """Give the octet."""
        return self.counter << 3 | self.ciphered << 2 | self.integrity

    @classmethod
    def decode(cls, octet: int) -> Self:
        """Read the octet; its reserved bits are ignored."""
        return cls(Integrity(octet & 3), bool(octet & 4), CounterRule(octet >> 3 & 3))

    def admits(self, other: "SecurityLevel") -> bool:
        """Say whether a packet of the level `other` is at least as secure in every part."""
        return (
            other.integrity >= self.integrity
            and other.ciphered >= self.ciphered
            and other.counter >= self.counter
        )


@dataclass(frozen=True, slots=True)
class Spi:
    """Security parameter indication: of the command in `level`, of its proof in the rest.

    TS 102 225 clause 5.1.1; `proof_in_submit` is bit 6 of the second octet, TS 31.115 clause 4.2.
    """

    level: SecurityLevel = SecurityLevel()
    proof: Proof = Proof.REQUIRED
    proof_integrity: Integrity = Integrity.CRYPTOGRAPHIC_CHECKSUM
    proof_ciphered: bool = True
    proof_in_submit: bool = False

    def encode(self) -> bytes:
        """Give the two octets."""
        second = self.proof_in_submit << 5 | self.proof_ciphered << 4
        return bytes([int(self.level), second | self.proof_integrity << 2 | self.proof])

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read two octets, whose reserved bits are ignored; raise `PeerError` for proof 11."""
        second = octets[1]
        if second & 3 == 3:
            raise _malformed("SPI asks for the reserved kind of proof of receipt")
        return cls(
            SecurityLevel.decode(octets[0]),
            Proof(second & 3),
            Integrity(second >> 2 & 3),
            proof_ciphered=bool(second & 0x10),
            proof_in_submit=bool(second & 0x20),
        )

    def asks_proof(self, status: ResponseStatus) -> bool:
        """Say whether a proof of receipt with this status is wanted."""
        if self.proof is Proof.ON_ERROR:
            return status is not ResponseStatus.OK
        return self.proof is Proof.REQUIRED


def _malformed(message: str) -> PeerError:
    return PeerError(message, answer=ResponseStatus.UNIDENTIFIED_SECURITY_ERROR)


def _check_fields(tar: bytes, counter: int, padding: int) -> None:
    if len(tar) != TAR_LENGTH:
        raise LocalError(f"a TAR is three octets, not {len(tar)}")
    if not 0 <= counter <= HIGHEST_COUNTER:
        raise LocalError(f"counter {counter} does not fit five octets")
    if not 0 <= padding <= 0xFF:
        raise LocalError(f"{padding} octets of padding cannot be counted")


def _check_lengths(octets: bytes, fixed: int, name: str) -> None:
    """Check packet length and header length of a packet whose header has `fixed` octets."""
    if len(octets) < 3 + fixed:
        raise _malformed(f"{name} of {len(octets)} octets is too short")
    length, header = int.from_bytes(octets[:2], "big"), octets[2]
    if length != len(octets) - 2:
        raise _malformed(f"{name} says {length} octets and has {len(octets) - 2}")
    if not fixed <= header < length:
        raise _malformed(f"{name} has a header of {header} octets")


def _with_length(octets: bytes, name: str) -> bytes:
    if len(octets) > _LONGEST:
        raise LocalError(f"{name} of {len(octets)} octets is too long")
    return len(octets).to_bytes(2, "big") + octets


@dataclass(frozen=True, slots=True)
class CommandHeader:
    """The part of a command packet that is never ciphered."""

    spi: Spi
    kic: int
    kid: int
    tar: bytes

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the beginning of a command packet, its lengths unseen."""
        if len(octets) < CLEAR_COMMAND:
            raise _malformed(f"a command packet of {len(octets)} octets has no header")
        return cls(Spi.decode(octets[3:5]), octets[5], octets[6], octets[7:10])


@dataclass(frozen=True, slots=True)
class CommandPacket:
    """A deciphered command packet: `data` without its `padding` octets, `checksum` may be empty.

    TS 102 225 clause 5.1.
    """

    spi: Spi
    kic: int
    kid: int
    tar: bytes
    counter: int
    padding: int = 0
    checksum: bytes = b""
    data: bytes = b""

    def __post_init__(self) -> None:
        _check_fields(self.tar, self.counter, self.padding)

    def encode(self) -> bytes:
        """Give the octets from CPL on; padding is written as zeros."""
        return _with_length(
            b"".join(
                (
                    bytes([_COMMAND_HEADER + len(self.checksum)]),
                    self.spi.encode(),
                    bytes([self.kic, self.kid]),
                    self.tar,
                    self.counter.to_bytes(5, "big"),
                    bytes([self.padding]),
                    self.checksum,
                    self.data,
                    bytes(self.padding),
                )
            ),
            "command packet",
        )

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read octets from CPL on, deciphered; raise `PeerError` where they are malformed."""
        check_command_lengths(octets)
        header = CommandHeader.decode(octets)
        end, padding = 3 + octets[2], octets[15]
        if padding > len(octets) - end:
            raise _malformed(f"{padding} octets of padding in {len(octets) - end} of data")
        return cls(
            header.spi,
            header.kic,
            header.kid,
            header.tar,
            int.from_bytes(octets[10:15], "big"),
            padding,
            octets[COMMAND_CHECKSUM:end],
            octets[end : len(octets) - padding],
        )


def check_command_lengths(octets: bytes) -> None:
    """Raise `PeerError` where CPL or CHL does not fit; also true of a ciphered packet."""
    _check_lengths(octets, _COMMAND_HEADER, "command packet")


@dataclass(frozen=True, slots=True)
class ResponsePacket:
    """A deciphered response packet; TAR and CNTR are copies of the command's.

    TS 102 225 clause 5.2.
    """

    tar: bytes
    counter: int
    status: ResponseStatus
    padding: int = 0
    checksum: bytes = b""
    data: bytes = b""

    def __post_init__(self) -> None:
        _check_fields(self.tar, self.counter, self.padding)

    def encode(self) -> bytes:
        """Give the octets from RPL on; padding is written as zeros."""
        return _with_length(
            b"".join(
                (
                    bytes([_RESPONSE_HEADER + len(self.checksum)]),
                    self.tar,
                    self.counter.to_bytes(5, "big"),
                    bytes([self.padding, self.status]),
                    self.checksum,
                    self.data,
                    bytes(self.padding),
                )
            ),
            "response packet",
        )

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read octets from RPL on, deciphered; raise `PeerError` where they are malformed."""
        check_response_lengths(octets)
        end, padding = 3 + octets[2], octets[11]
        if padding > len(octets) - end:
            raise _malformed(f"{padding} octets of padding in {len(octets) - end} of data")
        try:
            status = ResponseStatus(octets[12])
        except ValueError as exc:
            raise _malformed(f"response status {octets[12]:02X} is reserved") from exc
        return cls(
            octets[3:6],
            int.from_bytes(octets[6:11], "big"),
            status,
            padding,
            octets[RESPONSE_CHECKSUM:end],
            octets[end : len(octets) - padding],
        )


def check_response_lengths(octets: bytes) -> None:
    """Raise `PeerError` where RPL or RHL does not fit; also true of a ciphered packet."""
    _check_lengths(octets, _RESPONSE_HEADER, "response packet")
