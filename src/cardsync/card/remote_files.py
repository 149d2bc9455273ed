"""Remote file management: the operator reads and writes files over the air.

TS 102 226 clause 7. A script comes to one of three TARs (TS 101 220 annex D): for the files as a
SIM has them, for those that applications share, for those of the USIM. Each script begins at the
MF, or at the ADF. Whoever has the keys of secured packets is administrator; what no one may, he
may not.
"""

from cardsync.card import scripts
from cardsync.card.channels import SIM, MessageClass
from cardsync.card.instructions import Instructions
from cardsync.card.memory import Memory
from cardsync.card.pin import Pins
from cardsync.card.secured import Handler, least_level
from cardsync.card.selection import Selection
from cardsync.card.sim import SimInstructions, translated
from cardsync.card.status import status_word
from cardsync.card.tree import CURRENT_ADF
from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.session import Accepted

SIM_TAR = bytes.fromhex("B00000")
SHARED_TAR = bytes.fromhex("B00010")
USIM_TAR = bytes.fromhex("B00011")
_WAITING, _WAITING_SIM = 0x6100, 0x9F00
_OFFERED = {
    Ins.SELECT, Ins.READ_BINARY, Ins.READ_RECORD, Ins.UPDATE_BINARY, Ins.UPDATE_RECORD,
    Ins.SEARCH_RECORD, Ins.INCREASE, Ins.VERIFY_PIN, Ins.CHANGE_PIN, Ins.DISABLE_PIN,
    Ins.ENABLE_PIN, Ins.UNBLOCK_PIN, Ins.DEACTIVATE_FILE, Ins.ACTIVATE_FILE, Ins.RETRIEVE_DATA,
    Ins.SET_DATA,
}  # fmt: skip
"""TS 102 226 clause 7.1."""


class _Administrator(Pins):
    """Whoever has the keys: every PIN counts as presented."""

    def satisfied(self, reference: int) -> bool:
        """Meet every condition that somebody can meet."""
        del reference
        return True


class RemoteFiles:
    """The applications that take scripts for files."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._instructions = Instructions(memory, _Administrator(memory))

    def handlers(self) -> dict[bytes, tuple[SecurityLevel, Handler]]:
        """Give who takes secured packets for files, with the least security."""
        return dict.fromkeys(
            (SIM_TAR, SHARED_TAR, USIM_TAR), (least_level(self._memory), self._run)
        )

    def _run(self, accepted: Accepted) -> bytes:
        script = _Script(self._memory, self._instructions, accepted.tar)
        announcement = _WAITING_SIM if accepted.tar == SIM_TAR else _WAITING
        return scripts.run(accepted.data, script.transact, announcement)


class _Script:
    """One script and its selection."""

    def __init__(self, memory: Memory, instructions: Instructions, tar: bytes) -> None:
        self._memory = memory
        self._instructions = instructions
        self._sim = SimInstructions(instructions) if tar == SIM_TAR else None
        self._at: Selection = instructions.start()
        if tar == USIM_TAR:
            self._at.by_identifier(bytes.fromhex(CURRENT_ADF))

    def transact(self, apdu: CommandApdu) -> ResponseApdu:
        """Do one command; what fails has changed nothing."""
        try:
            with self._memory.transaction():
                response = self._do(apdu)
        except CardsyncError as exc:
            response = ResponseApdu(status_word(exc))
        if self._sim:
            return ResponseApdu(translated(response.sw, apdu.ins), response.data)
        return response

    def _do(self, apdu: CommandApdu) -> ResponseApdu:
        if apdu.ins not in _OFFERED:
            raise PeerError("not offered", answer=SW.INS_NOT_SUPPORTED)
        if self._sim:
            if apdu.cla != SIM:
                raise PeerError("CLA A0 is expected", answer=SW.CLA_NOT_SUPPORTED)
            found = self._sim.do(self._at, apdu, exact=False)
        else:
            if MessageClass.decode(apdu.cla).channel:
                raise PeerError("no channels", answer=SW.CHANNEL_NOT_SUPPORTED)
            found = self._instructions.at(self._at, apdu)
        return found or ResponseApdu(SW.INS_NOT_SUPPORTED)
