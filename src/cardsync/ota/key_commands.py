"""PUT KEY and DELETE of keys. GlobalPlatform Card Specification 2.3 clauses 11.2 and 11.8."""

from dataclasses import dataclass
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins
from cardsync.octets.reader import Reader
from cardsync.ota.install import CLA, encode_lv, malformed

_KEY_IDENTIFIER, _KEY_VERSION = 0xD0, 0xD2
KEY_TAGS = frozenset({_KEY_IDENTIFIER, _KEY_VERSION})
"""With one of these begins a DELETE of keys."""


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """A key of PUT KEY: type (80 DES, 88 AES), ciphered component and check value.

    Clause 11.8.2.3; the component of an AES key begins with the key's length (Amendment D).
    """

    kind: int
    component: bytes
    check: bytes = b""

    def __repr__(self) -> str:
        """Show no key, not even a ciphered one."""
        return f"KeyBlock(kind={self.kind:#04x}, {len(self.component)} octets)"


@dataclass(frozen=True, slots=True)
class PutKey:
    """PUT KEY: the keys of `version`, from `identifier` on, instead of `replaces` (0: none).

    Clause 11.8.
    """

    replaces: int
    identifier: int
    version: int
    keys: tuple[KeyBlock, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise LocalError("PUT KEY without a key")

    def encode(self) -> CommandApdu:
        """Give the command."""
        p2 = self.identifier | (0x80 if len(self.keys) > 1 else 0)
        data = bytes([self.version]) + b"".join(
            bytes([key.kind]) + encode_lv(key.component, key.check) for key in self.keys
        )
        return CommandApdu(CLA, Ins.PUT_KEY, self.replaces, p2, data)

    @classmethod
    def decode(cls, apdu: CommandApdu) -> Self:
        """Read the command."""
        reader, keys = Reader(apdu.data), list[KeyBlock]()
        try:
            version = reader.uint8()
            while len(reader) or not keys:
                kind = reader.uint8()
                component = reader.octets(reader.uint8())
                keys.append(KeyBlock(kind, component, reader.octets(reader.uint8())))
        except PeerError as exc:
            raise malformed("the keys of PUT KEY are malformed") from exc
        if (len(keys) > 1) != (apdu.p2 >= 0x80):
            raise malformed(f"P2 {apdu.p2:02X} of PUT KEY", SW.INCORRECT_P1_P2)
        return cls(apdu.p1, apdu.p2 & 0x7F, version, tuple(keys))


@dataclass(frozen=True, slots=True)
class DeleteKey:
    """DELETE the keys of `version`, or only the one with `identifier`. Clause 11.2.2.3.2."""

    version: int
    identifier: int | None = None

    def encode(self) -> CommandApdu:
        """Give the command."""
        data = tlv.encode(_KEY_VERSION, bytes([self.version]))
        if self.identifier is not None:
            data = tlv.encode(_KEY_IDENTIFIER, bytes([self.identifier])) + data
        return CommandApdu(CLA, Ins.DELETE, 0, 0, data)

    @classmethod
    def read(cls, objects: tuple[tlv.Tlv, ...]) -> Self:
        """Read the objects of the command; keys are named by version, never by identifier alone."""
        found = {item.tag: item.value for item in objects}
        version, identifier = found.get(_KEY_VERSION, b""), found.get(_KEY_IDENTIFIER)
        if len(version) != 1 or (identifier is not None and len(identifier) != 1):
            raise malformed("DELETE names no version of keys")
        return cls(version[0], None if identifier is None else identifier[0])
