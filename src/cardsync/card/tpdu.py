"""The card over the protocol T=0: five octets and data in, and GET RESPONSE for what comes out.

ISO/IEC 7816-3 clause 10, TS 102 221 clause 7.3.1.1, TS 51.011 clause 9.1. What an instruction
with data answers waits and is announced by `61 XX`, to a terminal that speaks CLA A0 by `9F XX`;
an Le that does not fit is answered by `6C XX`, or `67 XX`. Procedure octets are the reader's.
"""

from typing import Protocol

from cardsync.card.channels import SIM
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu

_HEADER = 5
_WAITING, _WAITING_SIM = 0x6100, 0x9F00
_WRONG_LE, _WRONG_LE_SIM = 0x6C00, 0x6700
_GET_CHALLENGE = 0x84
_OUTGOING = {
    Ins.READ_BINARY,
    Ins.READ_RECORD,
    Ins.STATUS,
    Ins.FETCH,
    Ins.GET_DATA,
    Ins.RETRIEVE_DATA,
    Ins.MANAGE_CHANNEL,
    _GET_CHALLENGE,
}
"""Instructions whose P3 is Le where no data follow, 00 standing for 256."""


class Answering(Protocol):
    """A card that takes whole commands."""

    def respond(self, apdu: CommandApdu, *, exact: bool = False) -> ResponseApdu:
        """Give the response to a command."""


class TpduProcessor:
    """Cuts the exchanges of a card into TPDUs."""

    def __init__(self, card: Answering) -> None:
        self._card = card
        self._waiting: ResponseApdu | None = None

    def reset(self) -> None:
        """Forget what waits."""
        self._waiting = None

    def transact(self, tpdu: bytes) -> bytes:
        """Give data and status word for a TPDU; whatever comes there is an answer."""
        if len(tpdu) == _HEADER - 1:
            tpdu += b"\0"
        if len(tpdu) < _HEADER:
            return ResponseApdu(SW.WRONG_LENGTH).encode()
        return self._exchange(tpdu[:_HEADER], tpdu[_HEADER:]).encode()

    def _exchange(self, header: bytes, data: bytes) -> ResponseApdu:
        cla, ins, p1, p2, p3 = header
        if ins == Ins.GET_RESPONSE:
            return self._get_response(cla, p3 or 256)
        self._waiting = None
        if data:
            # A reader that hands Le on behind the data means the same without it.
            if len(data) not in {p3, p3 + 1}:
                return ResponseApdu(SW.WRONG_LENGTH)
            return self._incoming(CommandApdu(cla, ins, p1, p2, data[:p3]))
        if ins in _OUTGOING and (p3 or ins != Ins.MANAGE_CHANNEL or not p1 | p2):
            return self._card.respond(CommandApdu(cla, ins, p1, p2, le=p3 or 256), exact=True)
        return self._incoming(CommandApdu(cla, ins, p1, p2, le=p3 or None))

    def _incoming(self, apdu: CommandApdu) -> ResponseApdu:
        """Do an instruction with data; what it gives waits for GET RESPONSE."""
        response = self._card.respond(apdu, exact=True)
        if not response.data:
            return response
        self._waiting = response
        return ResponseApdu(self._announced(apdu.cla, len(response.data)))

    def _announced(self, cla: int, length: int) -> int:
        return (_WAITING_SIM if cla == SIM else _WAITING) | min(length, 256) & 0xFF

    def _get_response(self, cla: int, length: int) -> ResponseApdu:
        """GET RESPONSE: as much as is asked for; the rest goes on waiting."""
        waiting = self._waiting
        if waiting is None:
            nothing = SW.TECHNICAL_PROBLEM if cla == SIM else SW.CONDITIONS_NOT_SATISFIED
            return ResponseApdu(nothing)
        if length > len(waiting.data):
            wrong = _WRONG_LE_SIM if cla == SIM else _WRONG_LE
            return ResponseApdu(wrong | len(waiting.data) & 0xFF)
        rest = waiting.data[length:]
        self._waiting = ResponseApdu(waiting.sw, rest) if rest else None
        sw = self._announced(cla, len(rest)) if rest else waiting.sw
        return ResponseApdu(sw, waiting.data[:length])
