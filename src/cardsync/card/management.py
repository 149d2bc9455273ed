"""The issuer security domain on a logical channel: a tool manages the card from its reader.

GlobalPlatform Card Specification 2.3 clauses 10 and 11. What the card is may be asked by anybody;
whatever else is done comes through the secure channel.
"""

from collections.abc import Callable

from cardsync.card.card_data import management_data
from cardsync.card.domain import SecurityDomain
from cardsync.card.registry import OWN_AID, CardState
from cardsync.card.status import status_word
from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota.channel_level import SECURED_CLASS
from cardsync.ota.securechannel import EXTERNAL_AUTHENTICATE, INITIALIZE_UPDATE, CardChannel

_AIDS = (OWN_AID, bytes.fromhex("A000000003000000"))
"""Our AID, and that of the time before GlobalPlatform, by which some tools ask first."""
_SHORTEST_AID = 5
_SELECT_BY_NAME, _NO_DATA, _NEXT = 0x04, 0x0C, 0x02
_CLA = 0x80
_LONGEST_DATA = 255  # of a command. Clause 11.9.3.1
_FIRST_GET_STATUS = 0x10  # F2 with less in P1 is STATUS. TS 102 221 clause 11.1.2
_DIVERSIFICATION = 10
_CARD_LOCKED = 0x6283  # clause 11.9.3.2
_NO_PROOF = {SW.SECURITY_NOT_SATISFIED, 0x6300}
_INSTRUCTIONS = {
    Ins.GET_DATA,
    Ins.STATUS,
    Ins.INSTALL,
    Ins.LOAD,
    Ins.STORE_DATA,
    Ins.DELETE,
    Ins.PUT_KEY,
    Ins.SET_STATUS,
}


def is_selection(apdu: CommandApdu) -> bool:
    """Say whether an instruction selects the issuer security domain. Clause 11.9.

    A selection without a name means it too.
    """
    if not apdu.data and (apdu.ins, apdu.p1) == (Ins.SELECT, _SELECT_BY_NAME):
        return not apdu.p2 & _NEXT
    return is_by_name(apdu) and any(aid.startswith(apdu.data) for aid in _AIDS)


def is_by_name(apdu: CommandApdu) -> bool:
    """Say whether an instruction selects the first application whose AID begins so."""
    by_name = (apdu.ins, apdu.p1) == (Ins.SELECT, _SELECT_BY_NAME)
    return by_name and not apdu.p2 & _NEXT and len(apdu.data) >= _SHORTEST_AID


class LocalManagement:
    """The domain as it is selected on one channel, with the secure channel to its host."""

    def __init__(self, domain: Callable[[], SecurityDomain], iccid: bytes) -> None:
        self._domain = domain
        diversification = iccid[:_DIVERSIFICATION].ljust(_DIVERSIFICATION, b"\0")
        self._channel = CardChannel(domain().keys, OWN_AID, diversification)

    def selected(self, apdu: CommandApdu) -> ResponseApdu:
        """Answer SELECT: AID, recognition data, the longest command. Clause 11.9.3.1."""
        locked = self._domain().state >= CardState.CARD_LOCKED
        sw = _CARD_LOCKED if locked else SW.OK
        if apdu.p2 & 0x1C == _NO_DATA:
            return ResponseApdu(sw)
        kinds = {keys.kind for keys in self._domain().keys.keys().values()}
        special = management_data(kinds) + tlv.encode(0x9F65, bytes([_LONGEST_DATA]))
        body = tlv.encode(0x84, OWN_AID) + tlv.encode(0xA5, special)
        return ResponseApdu(sw, tlv.encode(0x6F, body))

    def do(self, apdu: CommandApdu) -> ResponseApdu | None:
        """Do an instruction of the domain; None for one of the card's others."""
        if not apdu.cla & 0x80:
            return None
        # The channel is no part of what is protected. Clause 11.1.4
        plain = CommandApdu(
            apdu.cla & SECURED_CLASS, apdu.ins, apdu.p1, apdu.p2, apdu.data, apdu.le
        )
        if apdu.ins == INITIALIZE_UPDATE:
            return self._initialize_update(plain)
        if apdu.ins == EXTERNAL_AUTHENTICATE:
            return self._external_authenticate(plain)
        if apdu.ins not in _INSTRUCTIONS or (
            apdu.ins == Ins.STATUS and apdu.p1 < _FIRST_GET_STATUS
        ):
            return None
        return self._managed(plain)

    def _initialize_update(self, apdu: CommandApdu) -> ResponseApdu:
        """Begin a session, unless the card or its keys are done with."""
        if self._domain().state is CardState.TERMINATED:
            raise PeerError("the card is terminated", answer=SW.CONDITIONS_NOT_SATISFIED)
        answer = self._channel.initialize_update(apdu)
        self._domain().keys.check_failures(self._channel.version)
        return ResponseApdu(SW.OK, answer)

    def _external_authenticate(self, apdu: CommandApdu) -> ResponseApdu:
        """Take the proof of the host; one that is wrong is counted, which an error would undo."""
        keys, version = self._domain().keys, self._channel.version
        try:
            self._channel.external_authenticate(apdu)
        except PeerError as exc:
            if exc.answer in _NO_PROOF:
                keys.count_failure(version)
            return ResponseApdu(status_word(exc))
        keys.forget_failures(version)
        return ResponseApdu(SW.OK)

    def _managed(self, apdu: CommandApdu) -> ResponseApdu:
        """Do a command of content management under the protection of the channel."""
        if not self._channel.is_open:
            if apdu.ins != Ins.GET_DATA or apdu.cla != _CLA:
                raise PeerError("no secure channel", answer=SW.SECURITY_NOT_SATISFIED)
            return self._domain().transact(apdu)
        opened = self._channel.open(apdu)
        response = self._domain().transact(opened, self._channel.key_cipher)
        return self._channel.protect_response(response)
