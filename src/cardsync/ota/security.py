"""Keys, checksums, ciphering, padding and counters of secured packets. TS 102 225 clause 5.1.

Algorithms are those of clauses 5.1.2 and 5.1.3: AES in CBC and CMAC mode, triple DES in outer
CBC mode with two or three keys. Single DES belongs to cards from before Release 8; it is kept
because such cards are in the field, and it protects nothing.
"""

import hmac
import zlib
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from cardsync.errors import LocalError, PeerError
from cardsync.ota.packet import HIGHEST_COUNTER, CommandHeader, CounterRule, ResponseStatus

CHECKSUM_LENGTH = 8  # of CC; the four octets that AES may also have are too few for us


class Algorithm(IntEnum):
    """Bits 4 to 1 of KIc, and of KID for a CC. TS 102 225 clauses 5.1.2 and 5.1.3.1."""

    IMPLICIT = 0x0  # both sides know: the key's own
    DES = 0x1
    AES = 0x2
    TRIPLE_DES_2 = 0x5
    TRIPLE_DES_3 = 0x9


class Redundancy(IntEnum):
    """Bits 4 to 1 of KID for an RC. TS 102 225 clause 5.1.3.2."""

    CRC_16 = 0x1
    CRC_32 = 0x5


_KEY_LENGTHS = {
    Algorithm.DES: (8,),
    Algorithm.AES: (16, 24, 32),
    Algorithm.TRIPLE_DES_2: (16,),
    Algorithm.TRIPLE_DES_3: (24,),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the algorithm it is for; its octets are never shown."""

    algorithm: Algorithm
    octets: bytes = field(repr=False)
    _cipher: BlockCipherAlgorithm = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.octets) not in _KEY_LENGTHS.get(self.algorithm, ()):
            raise LocalError(f"{len(self.octets)} octets are no key for {self.algorithm.name}")
        object.__setattr__(self, "_cipher", self._make())

    def _make(self) -> BlockCipherAlgorithm:
        if self.algorithm is Algorithm.AES:
            return AES(self.octets)
        # K1 K2 K1 is triple DES with two keys, K K K is DES.
        return TripleDES((self.octets * 3)[:24])

    @property
    def block(self) -> int:
        """The block length in octets, 8 or 16."""
        return self._cipher.block_size // 8

    def encipher(self, octets: bytes) -> bytes:
        """Encipher whole blocks in CBC mode from a chaining value of zero."""
        encryptor = Cipher(self._cipher, modes.CBC(bytes(self.block))).encryptor()
        return encryptor.update(octets) + encryptor.finalize()

    def decipher(self, octets: bytes) -> bytes:
        """Decipher whole blocks in CBC mode from a chaining value of zero."""
        decryptor = Cipher(self._cipher, modes.CBC(bytes(self.block))).decryptor()
        return decryptor.update(octets) + decryptor.finalize()

    def checksum(self, octets: bytes) -> bytes:
        """Give the eight octets of CC: CMAC cut to its front, or the last block of DES CBC.

        For DES the octets are padded with zeros that are not sent. TS 102 225 clause 5.1.3.1.
        """
        if self.algorithm is Algorithm.AES:
            cmac = CMAC(self._cipher)
            cmac.update(octets)
            return cmac.finalize()[:CHECKSUM_LENGTH]
        return self.encipher(octets + bytes(-len(octets) % 8))[-CHECKSUM_LENGTH:]

    def padding(self, length: int) -> int:
        """Give the number of octets that fill `length` octets up to whole blocks."""
        return -length % self.block


@dataclass(frozen=True, slots=True)
class KeySet:
    """Key set `number` (1 to 15): the keys for ciphering and for checksums.

    One number for both, TS 102 225 annex A.
    """

    number: int
    kic: Key
    kid: Key

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 15:
            raise LocalError(f"key set number {self.number} is not 1 to 15")

    def kic_octet(self) -> int:
        """Give KIc: key set number and algorithm."""
        return self.number << 4 | self.kic.algorithm

    def kid_octet(self) -> int:
        """Give KID for a cryptographic checksum."""
        return self.number << 4 | self.kid.algorithm

    def is_kic(self, octet: int) -> bool:
        """Say whether KIc `octet` names this key set and its algorithm."""
        return octet >> 4 == self.number and octet & 0x0F in (self.kic.algorithm, 0)

    def is_kid(self, octet: int) -> bool:
        """Say whether KID `octet` names this key set and its algorithm."""
        return octet >> 4 == self.number and octet & 0x0F in (self.kid.algorithm, 0)


class PacketRejected(PeerError):
    """A secured packet failed a check; `status` is the answer owed (TS 102 225 clause 5.2).

    `header` is None where not even that could be read. `authenticated` tells that the checksum
    was right and a later check failed: only then may the answer be made with the card's keys.
    """

    def __init__(
        self,
        status: ResponseStatus,
        header: CommandHeader | None = None,
        *,
        counter: int = 0,
        authenticated: bool = False,
    ) -> None:
        super().__init__(f"secured packet rejected: {status.name}", answer=status)
        self.status = status
        self.header = header
        self.counter = counter
        self.authenticated = authenticated


def _crc_16_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        register = octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
        table.append(register)
    return tuple(table)


_CRC_16 = _crc_16_table()


def crc_16(octets: bytes) -> bytes:
    """CRC of the generator X^16 + X^12 + X^5 + 1, ISO/IEC 13239. TS 102 225 clause 5.1.3.2."""
    register = 0xFFFF
    for octet in octets:
        register = register >> 8 ^ _CRC_16[(register ^ octet) & 0xFF]
    return (register ^ 0xFFFF).to_bytes(2, "big")


def crc_32(octets: bytes) -> bytes:
    """CRC of 32 bits, ISO/IEC 13239. TS 102 225 clause 5.1.3.2."""
    return zlib.crc32(octets).to_bytes(4, "big")


REDUNDANCY = {Redundancy.CRC_16: (2, crc_16), Redundancy.CRC_32: (4, crc_32)}
"""Length in octets and function of each redundancy check."""


def same(first: bytes, second: bytes) -> bool:
    """Compare two checksums in a time that does not tell where they differ."""
    return hmac.compare_digest(first, second)


def counter_status(rule: CounterRule, received: int, last: int) -> ResponseStatus:
    """Say what a counter is against the `last` one taken. TS 102 225 clauses 5.1.1 and 5.1.4.

    With no counter, or one that is only available, any value passes and none is remembered.
    """
    if rule in (CounterRule.NONE, CounterRule.AVAILABLE):
        return ResponseStatus.OK
    if last >= HIGHEST_COUNTER:
        return ResponseStatus.COUNTER_BLOCKED
    if received <= last:
        return ResponseStatus.COUNTER_LOW
    if rule is CounterRule.ONE_HIGHER and received != last + 1:
        return ResponseStatus.COUNTER_HIGH
    return ResponseStatus.OK
