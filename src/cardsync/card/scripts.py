"""Running a remote command script of either format, one command after the other.

TS 102 226 clause 5: a command that fails ends the script; the answer says how far it went.
"""

from collections.abc import Callable

from cardsync.card.status import status_word
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.ota import script

_EXPANDED = (script.Tag.COMMAND_SCRIPT, script.Tag.COMMAND_SCRIPT_INDEFINITE)
_WARNINGS = {0x62, 0x63}
_GUESSES_LEFT = 0x63C0

Transact = Callable[[CommandApdu], ResponseApdu]
"""Does one command; what fails has changed nothing."""


def run(data: bytes, transact: Transact) -> bytes:
    """Run a script; give the additional response data of its proof of receipt."""
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
    responses: list[ResponseApdu] = []
    try:
        commands = script.ExpandedScript.decode(data).commands
    except PeerError as exc:
        bad = script.BadFormat(exc.answer or script.BadFormat.UNKNOWN_TAG)
        return script.ExpandedResponse((), bad_format=bad).encode()
    for command in commands:
        responses.append(transact(command))
        if not _goes_on(responses[-1].sw):
            break
    return script.ExpandedResponse(tuple(responses), len(responses)).encode()


def _goes_on(sw: int) -> bool:
    """Say whether a script goes on behind a status word: success and warnings."""
    if sw & 0xFFF0 == _GUESSES_LEFT:
        return False
    return sw == SW.OK or sw >> 8 in _WARNINGS
