"""Running a remote command script of either format, one command after the other.

TS 102 226 clause 5: a command that fails ends the script; the answer says how far it went.
"""

from collections.abc import Callable

from cardsync.card.status import status_word
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota import script

_EXPANDED = (script.Tag.COMMAND_SCRIPT, script.Tag.COMMAND_SCRIPT_INDEFINITE)
_GOES_ON = {0x90, 0x91, 0x61, 0x9F, 0x62, 0x63}  # success, more to come, warnings
_GUESSES_LEFT = 0x63C0

Transact = Callable[[CommandApdu], ResponseApdu]
"""Does one command; what fails has changed nothing."""


class _Waiting:
    """Does the commands of a script, and keeps what an answer has for GET RESPONSE.

    With `announcement` the answer to a command without Le is there for GET RESPONSE only, and the
    status word `61 XX`, to a script for a SIM `9F XX`, says how long it is. TS 102 226 clause 5.1.1
    """

    def __init__(self, transact: Transact, announcement: int) -> None:
        self._transact = transact
        self._announcement = announcement
        self._octets = b""

    def transact(self, apdu: CommandApdu) -> ResponseApdu:
        """Do one command."""
        if apdu.ins == Ins.GET_RESPONSE:
            return self._rest(apdu.le or 256)
        response = self._transact(apdu)
        self._octets = response.data
        if self._announcement and apdu.le is None and response.data:
            return ResponseApdu(self._announcement | len(response.data) & 0xFF)
        return response

    def _rest(self, length: int) -> ResponseApdu:
        octets, self._octets = self._octets[:length], self._octets[length:]
        if not octets:
            return ResponseApdu(SW.CONDITIONS_NOT_SATISFIED)
        return ResponseApdu(SW.OK, octets)


def run(data: bytes, transact: Transact, announcement: int = 0) -> bytes:
    """Run a script; give the additional response data of its proof of receipt."""
    transact = _Waiting(transact, announcement).transact
    if data[:1] and data[0] in _EXPANDED:
        return _expanded(data, transact)
    try:
        commands = script.decode_compact(data)
    except PeerError as exc:
        return script.CompactResponse(0, status_word(exc)).encode()
    executed, response = 0, ResponseApdu(SW.OK)
    for command in commands:
        executed, response = executed + 1, transact(command)
        if not _goes_on(response.sw):
            break
    return script.CompactResponse(executed, response.sw, response.data).encode()


def _expanded(data: bytes, transact: Transact) -> bytes:
    """Run an expanded script; its answer has the same coding of length. Clause 5.2.2."""
    indefinite = data[0] == script.Tag.COMMAND_SCRIPT_INDEFINITE
    responses: list[ResponseApdu] = []
    try:
        commands = script.ExpandedScript.decode(data).commands
    except PeerError as exc:
        bad = script.BadFormat(exc.answer or script.BadFormat.UNKNOWN_TAG)
        return script.ExpandedResponse((), bad_format=bad, indefinite=indefinite).encode()
    for command in commands:
        responses.append(transact(command))
        if not _goes_on(responses[-1].sw):
            break
    executed = None if indefinite else len(responses)
    return script.ExpandedResponse(tuple(responses), executed, indefinite=indefinite).encode()


def _goes_on(sw: int) -> bool:
    """Say whether a script goes on behind a status word: success and warnings."""
    return sw >> 8 in _GOES_ON and sw & 0xFFF0 != _GUESSES_LEFT
