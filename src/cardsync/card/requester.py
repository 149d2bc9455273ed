"""Another application of the card: on its channel, or at its TAR, it asks for a synchronization.

It stands for whatever else lives in the card (a wallet, an identity). It can do one thing, and
that only through its domain: the domain looks at its privileges, the device-management
application at its policy. It hears whether it was let, never what came of it.
"""

from collections.abc import Callable

from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu

ASK = 0x52
"""Its one instruction, of class 8X and without data."""
_CLASS = 0xFC  # all but the channel
_CLA = 0x80
_NO_DATA = 0x0C  # P2 of SELECT


class Requester:
    """One instance; `ask` is given its AID, and raises `PeerError` where it has no right."""

    def __init__(self, aid: bytes, ask: Callable[[bytes], None]) -> None:
        self._aid = aid
        self._ask = ask

    def selected(self, apdu: CommandApdu) -> ResponseApdu:
        """Answer SELECT with the AID. GlobalPlatform 2.3 clause 11.9.3.1."""
        if apdu.p2 & 0x1C == _NO_DATA:
            return ResponseApdu(SW.OK)
        return ResponseApdu(SW.OK, tlv.encode(0x6F, tlv.encode(0x84, self._aid)))

    def do(self, apdu: CommandApdu) -> ResponseApdu | None:
        """Ask; None for an instruction of the card's others."""
        if (apdu.cla & _CLASS, apdu.ins) != (_CLA, ASK):
            return None
        self._ask(self._aid)
        return ResponseApdu(SW.OK)
