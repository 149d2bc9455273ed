"""The card's side of a virtual reader: the messages of vpcd.

Each message, both ways, is a length of two octets, most significant first, and as many octets.
From the reader a single octet is a control, of which only the request for the ATR is answered;
whatever is longer is a command. What the ATR offers first decides what a command is: TPDUs of T=0,
or whole APDUs of T=1.
"""

from enum import IntEnum
from functools import reduce
from operator import xor
from typing import Protocol

from cardsync.card.status import status_word
from cardsync.card.tpdu import TpduProcessor
from cardsync.errors import CardsyncError
from cardsync.octets.apdu import CommandApdu, ResponseApdu

_LENGTH = 2
_BLOCK_INTERFACE = bytes.fromhex("81B1FE451FC7")
"""TD1 and TD2 of T=1, TA3 and TB3 (IFSC 254, waiting times), TD3 and TA4 of T=15."""


class Control(IntEnum):
    """What a message of one octet asks for."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


class Transmission(IntEnum):
    """The transmission protocol of a card. ISO/IEC 7816-3 clause 8.2.3."""

    T0 = 0
    T1 = 1


class Card(Protocol):
    """A card that is put into the reader."""

    def reset(self) -> bytes:
        """Reset it; give its ATR."""

    def respond(self, apdu: CommandApdu, *, exact: bool = False) -> ResponseApdu:
        """Give the response to a command."""


def block_atr(atr: bytes) -> bytes:
    """Give the ATR of the same card over T=1 alone. ISO/IEC 7816-3 clause 8.2."""
    historical = atr[-(atr[1] & 0x0F) - 1 : -1]
    octets = atr[:3] + _BLOCK_INTERFACE + historical
    return octets + bytes([reduce(xor, octets[1:])])


class ReaderSession:
    """A card in a reader: octets from the reader in, octets to it out."""

    def __init__(self, card: Card, transmission: Transmission = Transmission.T0) -> None:
        self._card = card
        self._transmission = transmission
        self._processor = TpduProcessor(card)
        self._received = bytearray()
        self._outbox = bytearray()
        self._reset()

    def receive_data(self, data: bytes) -> None:
        """Take octets of the stream, cut anywhere."""
        self._received += data
        while (message := self._message()) is not None:
            self._take(message)

    def data_to_send(self) -> bytes:
        """Give what is to be sent to the reader."""
        octets = bytes(self._outbox)
        self._outbox.clear()
        return octets

    def _message(self) -> bytes | None:
        """Cut the next whole message off."""
        if len(self._received) < _LENGTH:
            return None
        end = _LENGTH + int.from_bytes(self._received[:_LENGTH], "big")
        if len(self._received) < end:
            return None
        message = bytes(self._received[_LENGTH:end])
        del self._received[:end]
        return message

    def _take(self, message: bytes) -> None:
        if len(message) > 1:
            self._send(self._command(message))
        elif message == bytes([Control.ATR]):
            self._send(self._atr)
        elif message in {bytes([Control.POWER_ON]), bytes([Control.RESET])}:
            self._reset()

    def _reset(self) -> None:
        atr = self._card.reset()
        self._atr = atr if self._transmission is Transmission.T0 else block_atr(atr)
        self._processor.reset()

    def _command(self, message: bytes) -> bytes:
        if self._transmission is Transmission.T0:
            return self._processor.transact(message)
        try:
            return self._card.respond(CommandApdu.decode(message)).encode()
        except CardsyncError as exc:
            return ResponseApdu(status_word(exc)).encode()

    def _send(self, octets: bytes) -> None:
        self._outbox += len(octets).to_bytes(_LENGTH, "big") + octets
