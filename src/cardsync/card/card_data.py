"""What GET DATA gives of a card. GlobalPlatform Card Specification 2.3 clause 11.3 and annex H.

TS 102 226 clause 8.2.1.7 adds the extended card resources.
"""

from collections.abc import Callable

from cardsync.card.files import MF, cell
from cardsync.card.key_store import DomainKeys
from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW
from cardsync.ota.channel_keys import KeyKind
from cardsync.ota.securechannel import SCP02_OPTION, SCP03_OPTION, first_choice

CAPACITY = 256 * 1024
"""Octets of non-volatile memory that a card tells of."""
_VOLATILE = 8 * 1024
_GLOBAL_PLATFORM = bytes.fromhex("2A864886FC6B")  # its object identifier
_VERSION = bytes([2, 3])
_ISSUER_OCTETS = 4
_PRODUCTION, _SERIAL, _SERIAL_OCTETS = 42, 12, 4
"""Length of the production life cycle data, and where the serial number is."""
_PROTOCOLS = {KeyKind.DES: bytes([4, 2, SCP02_OPTION]), KeyKind.AES: bytes([4, 3, SCP03_OPTION])}


def management_data(kinds: set[KeyKind]) -> bytes:
    """Give the card recognition data: GlobalPlatform 2.3 and its secure channels. Clause H.2."""
    body = _identifier(b"\1")
    body += tlv.encode(0x60, _identifier(b"\2" + _VERSION))
    body += tlv.encode(0x63, _identifier(b"\3"))
    for kind in sorted(kinds):
        body += tlv.encode(0x64, _identifier(_PROTOCOLS[kind]))
    return tlv.encode(0x73, body)


def _identifier(arc: bytes) -> bytes:
    return tlv.encode(0x06, _GLOBAL_PLATFORM + arc)


class CardData:
    """The data objects of a card."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._keys = DomainKeys(memory)

    def object(self, tag: int, applications: int) -> bytes:
        """Give an object with its tag; raise `PeerError` (6A88) for one that is not there."""
        makers: dict[int, Callable[[], bytes]] = {
            0x0042: lambda: self._iccid()[:_ISSUER_OCTETS],
            0x0045: self._iccid,
            0x0066: self.management,
            0x00C1: self._sequence,
            0x00CF: self._iccid,
            0x00E0: self._keys.information,
            0x9F7F: self._production,
            0xFF21: lambda: self._resources(applications),
        }
        if tag == 0x0073:
            return self.management()
        if tag not in makers:
            raise PeerError("no such object", answer=SW.REFERENCED_DATA_NOT_FOUND)
        return tlv.encode(tag, makers[tag]())

    def management(self) -> bytes:
        """Give the card recognition data, for the protocols of which there are keys."""
        return management_data({keys.kind for keys in self._keys.keys().values()})

    def _iccid(self) -> bytes:
        return self._memory.read(cell(f"{MF}/2FE2"))

    def _production(self) -> bytes:
        """Say when and by whom the chip was made: no one, only its serial number is known."""
        octets = bytearray(_PRODUCTION)
        octets[_SERIAL : _SERIAL + _SERIAL_OCTETS] = self._iccid()[-_SERIAL_OCTETS:]
        return bytes(octets)

    def _sequence(self) -> bytes:
        """Give the sequence counter of the keys that the card would choose. Clause 11.3.3.1."""
        first = first_choice(self._keys.keys())
        if first is None:
            raise PeerError("no keys", answer=SW.REFERENCED_DATA_NOT_FOUND)
        length = 2 if first.kind is KeyKind.DES else 3
        return self._keys.sequence(first.version).to_bytes(length, "big")

    def _resources(self, applications: int) -> bytes:
        """Say how many applications there are and how much memory. TS 102 226 clause 8.2.1.7.2."""
        free = max(0, CAPACITY - len(self._memory.encode()))
        parts = ((0x81, applications, 1), (0x82, free, 4), (0x83, _VOLATILE, 4))
        return b"".join(
            [tlv.encode(tag, value.to_bytes(size, "big")) for tag, value, size in parts]
        )
