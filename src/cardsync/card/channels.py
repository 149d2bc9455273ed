"""The class octet, and the logical channels that it names.

TS 102 221 clauses 8.7, 10.1.1 and 11.1.17. Each channel has a selection of its own; what was
presented as PIN holds for all. The basic channel is always open.
"""

from dataclasses import dataclass
from typing import Protocol

from cardsync.card.selection import Selection
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu

SIM = 0xA0
"""CLA of TS 51.011: the terminal takes the card for a SIM."""
MOST = 4
"""Channels of the card, as its ATR says."""
_CHANNEL, _SECURE_MESSAGING = 0x03, 0x0C
_PROPRIETARY_SECURED = 0x04  # as GlobalPlatform does it
_FURTHER = {0x40, 0x60, 0xC0, 0xE0}  # channels 4 to 19
_NO_SECURE_MESSAGING = 0x6882


@dataclass(frozen=True, slots=True)
class MessageClass:
    """What CLA says: the channel, whether the instruction is of 8X, whether it is secured."""

    channel: int
    proprietary: bool
    secured: bool = False

    @classmethod
    def decode(cls, cla: int) -> "MessageClass":
        """Read CLA 0X or 8X; raise `PeerError`: 6881 for further channels, 6E00 for others."""
        if cla & 0xF0 in _FURTHER:
            raise PeerError("channels 4 to 19 are not there", answer=SW.CHANNEL_NOT_SUPPORTED)
        if cla & 0xF0 not in {0x00, 0x80}:
            raise PeerError(f"class {cla:02X}", answer=SW.CLA_NOT_SUPPORTED)
        messaging = cla & _SECURE_MESSAGING
        if messaging not in {0, _PROPRIETARY_SECURED}:
            raise PeerError("secure messaging of ISO", answer=_NO_SECURE_MESSAGING)
        return cls(cla & _CHANNEL, bool(cla & 0x80), bool(messaging))


class Selected(Protocol):
    """An application that takes the instructions of a channel itself."""

    def do(self, apdu: CommandApdu) -> ResponseApdu | None:
        """Do an instruction; None for one that is not the application's."""


@dataclass(slots=True)
class Channel:
    """A channel: what is selected in the file system, and the application that took it over."""

    number: int
    selection: Selection
    application: Selected | None = None


class Channels:
    """The channels that are open."""

    def __init__(self, basic: Selection) -> None:
        self._open = {0: Channel(0, basic)}

    def get(self, number: int) -> Channel:
        """Give a channel; raise `PeerError` (6881) if it is not open."""
        try:
            return self._open[number]
        except KeyError as exc:
            raise PeerError("the channel is not open", answer=SW.CHANNEL_NOT_SUPPORTED) from exc

    def manage(self, origin: Channel, apdu: CommandApdu, basic: Selection) -> bytes:
        """MANAGE CHANNEL: open one, or close one; give the number if the card chose it.

        A channel that is opened from the basic one begins at `basic`, from another one where
        that stands. Raises `PeerError`: 6A86, 6A81 where none is left.
        """
        if (apdu.p1, apdu.p2) == (0x00, 0x00):
            free = [number for number in range(1, MOST) if number not in self._open]
            if not free:
                raise PeerError("all channels are open", answer=SW.FUNCTION_NOT_SUPPORTED)
            self._begin(free[0], origin, basic)
            return bytes(free[:1])
        if apdu.p1 not in {0x00, 0x80} or not 1 <= apdu.p2 < MOST:
            raise PeerError("no such channel", answer=SW.INCORRECT_P1_P2)
        if apdu.p1 == 0x80:
            self.get(apdu.p2)
            del self._open[apdu.p2]
        elif apdu.p2 in self._open:
            raise PeerError("the channel is open", answer=SW.INCORRECT_P1_P2)
        else:
            self._begin(apdu.p2, origin, basic)
        return b""

    def _begin(self, number: int, origin: Channel, basic: Selection) -> None:
        selection = basic if origin.number == 0 else origin.selection.copy()
        self._open[number] = Channel(number, selection)
