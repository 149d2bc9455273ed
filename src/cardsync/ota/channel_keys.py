"""Keys of a secure channel, and how keys travel in PUT KEY.

GlobalPlatform Card Specification 2.3 clauses 11.8 and B.5, Amendment D clause 7.2. A key is sent
ciphered under a data encryption key, with a check value of three octets.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW
from cardsync.ota.key_commands import KeyBlock

_CHECK = 3  # octets of a key check value
INVALID_CHECK = 0x9485  # "invalid key check value". Clause 11.8.3.2


class KeyKind(IntEnum):
    """The coding of a key's type. GlobalPlatform 2.3 clause 11.1.8."""

    DES = 0x80
    AES = 0x88

    @property
    def lengths(self) -> tuple[int, ...]:
        """Give the lengths in octets that a key of this kind may have."""
        return (16, 24, 32) if self is KeyKind.AES else (16, 24)

    @property
    def block(self) -> int:
        """Give the octets of a block."""
        return 16 if self is KeyKind.AES else 8


@dataclass(frozen=True, slots=True)
class ChannelKeys:
    """Static keys of a security domain: `version` 1 to 127, for ciphering, checksums, key data."""

    version: int
    kind: KeyKind
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.version <= 0x7F:
            raise LocalError(f"key version {self.version} is not 1 to 127")
        lengths = {len(key) for key in (self.enc, self.mac, self.dek)}
        if len(lengths) != 1 or not lengths <= set(self.kind.lengths):
            raise LocalError(f"three {self.kind.name} keys of one length are expected")

    def __iter__(self) -> Iterator[bytes]:
        """Give the keys in the order of their identifiers 1, 2 and 3."""
        return iter((self.enc, self.mac, self.dek))


@dataclass(frozen=True, slots=True)
class KeyCipher:
    """A key that ciphers other keys: DES each block for itself, AES in CBC mode from zero.

    GlobalPlatform 2.3 clause E.4.7, Amendment D clause 6.2.8, TS 102 226 clause 8.2.1.5.
    """

    kind: KeyKind
    key: bytes = field(repr=False)

    def wrap(self, kind: KeyKind, key: bytes) -> KeyBlock:
        """Cipher a key for PUT KEY; an AES key, or one that is padded, is behind its length.

        Amendment D clause 7.2.
        """
        encryptor, padding = self._cipher().encryptor(), bytes(-len(key) % self.kind.block)
        component = encryptor.update(key + padding) + encryptor.finalize()
        if kind is KeyKind.AES or padding:
            component = bytes([len(key)]) + component
        return KeyBlock(kind, component, check_value(kind, key))

    def unwrap(self, block: KeyBlock) -> tuple[KeyKind, bytes]:
        """Give kind and octets of a key; raise `PeerError` (6A80, or 9485 for its check)."""
        try:
            kind = KeyKind(block.kind)
        except ValueError as exc:
            raise _malformed() from exc
        component, length = block.component, len(block.component)
        if length % self.kind.block == 1:  # its length stands before it; some leave that out
            length, component = component[0], component[1:]
        if length not in kind.lengths or len(component) != length + -length % self.kind.block:
            raise _malformed()
        decryptor = self._cipher().decryptor()
        key = (decryptor.update(component) + decryptor.finalize())[:length]
        if block.check and not hmac.compare_digest(block.check, check_value(kind, key)):
            raise PeerError("the key does not fit its check value", answer=INVALID_CHECK)
        return kind, key

    def _cipher(self) -> "Cipher[modes.CBC | modes.ECB]":
        if self.kind is KeyKind.AES:
            return Cipher(AES(self.key), modes.CBC(bytes(16)))
        return Cipher(triple_des(self.key), modes.ECB())  # noqa: S305  # as the standard says


def _malformed() -> PeerError:
    return PeerError("a malformed key", answer=SW.INCORRECT_DATA)


def triple_des(key: bytes) -> BlockCipherAlgorithm:
    """Give the algorithm for a key of 8 (DES itself), 16 or 24 octets."""
    return TripleDES((key * 3)[:24])


def encipher_block(kind: KeyKind, key: bytes, block: bytes) -> bytes:
    """Encipher one block."""
    algorithm = AES(key) if kind is KeyKind.AES else triple_des(key)
    encryptor = Cipher(algorithm, modes.ECB()).encryptor()  # noqa: S305  # one block hides nothing
    return encryptor.update(block) + encryptor.finalize()


def check_value(kind: KeyKind, key: bytes) -> bytes:
    """Give the check value of a key: a block of 01 under AES, of 00 under DES. Clause B.5."""
    block = b"\1" * 16 if kind is KeyKind.AES else bytes(8)
    return encipher_block(kind, key, block)[:_CHECK]


def pad(octets: bytes, block: int) -> bytes:
    """Fill up with 80 and zeros to whole blocks; there is always an 80. Clause B.2.3."""
    return octets + b"\x80" + bytes(-(len(octets) + 1) % block)


def unpad(octets: bytes) -> bytes:
    """Take the padding away; raise `PeerError` (6982) where there is none."""
    found = octets.rstrip(b"\0")
    if not found.endswith(b"\x80"):
        raise PeerError("no padding", answer=SW.SECURITY_NOT_SATISFIED)
    return found[:-1]
