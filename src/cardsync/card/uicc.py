"""The card: `reset` and `transact` are its whole face.

TS 102 221 clauses 10 and 11, and TS 51.011 for terminals that speak CLA A0. An instruction is
found in a table by its octet; it runs in one transaction of memory, so that what is refused has
changed nothing. Nothing that comes from outside makes `transact` raise: it always answers with a
status word.
"""

from collections.abc import Callable, Collection
from typing import ClassVar

from cardsync.card.applet import Applet
from cardsync.card.channels import SIM, Channel, MessageClass
from cardsync.card.domain import SecurityDomain
from cardsync.card.elementary import WRONG_LE
from cardsync.card.files import MF, cell
from cardsync.card.instructions import Instructions
from cardsync.card.management import LocalManagement, is_by_name, is_selection
from cardsync.card.memory import Memory
from cardsync.card.object_files import MORE_AVAILABLE, MORE_EXPECTED
from cardsync.card.registry import CardState
from cardsync.card.remote_files import RemoteFiles
from cardsync.card.requester import Requester
from cardsync.card.secured import SecuredMessages
from cardsync.card.sim import SimInstructions, translated
from cardsync.card.status import status_word
from cardsync.card.synchronizing import Answered
from cardsync.errors import CardsyncError, LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.toolkit import commands
from cardsync.toolkit.codes import EnvelopeTag
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.envelope import Envelope, tpdu_of
from cardsync.toolkit.profile import TerminalProfile
from cardsync.toolkit.session import CardSession, CommandAnswered, CommandAnsweredLate

ATR = bytes.fromhex("3B9E96801FC78031E073FE211B664353594E4331A5")
"""T=0 and T=15, TA1 96; historical bytes: card data and capabilities, "CSYNC1". Clause 6.3."""
_OK = ResponseApdu(SW.OK)
_POLL = 0x00  # P1 of a STATUS that tells nothing else. Clause 11.1.2
_MOST_WAITING = 32  # commands that the terminal has not fetched; with more it is told to wait
_PENDING = 0x91
_WHATEVER = 256
_NO_SECURE_MESSAGING = 0x6882
_PROPRIETARY = {Ins.INCREASE, Ins.TERMINAL_CAPABILITY, Ins.RETRIEVE_DATA, Ins.SET_DATA}
"""Instructions upon files whose class is 8X; all others have 0X. Clause 10.1.2."""


class Uicc:
    """A card over its memory; the same memory gives the same card."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._instructions = Instructions(memory)
        self._sim = SimInstructions(self._instructions)
        self._remote_files = RemoteFiles(memory)
        self._secured = SecuredMessages(memory)
        self._session = CardSession()
        self._start()

    @property
    def memory(self) -> Memory:
        """The non-volatile memory, to be kept by whoever holds the card."""
        return self._memory

    @property
    def applet(self) -> Applet:
        """The device-management application, to look at its decisions."""
        return self._applet

    def reset(self) -> bytes:
        """Forget everything that is not in memory; give the answer to reset."""
        self._instructions.reset()
        self._secured.reset()
        self._session = CardSession()
        self._start()
        return ATR

    def _start(self) -> None:
        self._applet = Applet(self._memory, self._abandon)
        self._domain = SecurityDomain(self._memory, self._applet)
        self._answered: dict[int, Answered] = {}
        self._profiled = False

    def transact(self, octets: bytes) -> bytes:
        """Give the response to a command APDU."""
        try:
            apdu = CommandApdu.decode(octets)
        except CardsyncError as exc:
            return ResponseApdu(status_word(exc)).encode()
        return self.respond(apdu).encode()

    def respond(self, apdu: CommandApdu, *, exact: bool = False) -> ResponseApdu:
        """Give the response to a command; `exact` says that Le 00 is 256 and nothing less.

        A terminal that has not told what it can do hears of no command that waits.
        """
        try:
            with self._memory.transaction():
                response = self._instruction(apdu, exact)
                self._run_applet()
        except CardsyncError as exc:
            response = ResponseApdu(status_word(exc))
        if apdu.cla == SIM:
            response = ResponseApdu(translated(response.sw, apdu.ins), response.data)
        if not self._profiled:
            return response
        if response.sw == SW.OK:
            return ResponseApdu(self._session.status_word, response.data)
        waits = self._session.status_word >> 8 == _PENDING
        in_blocks = response.sw in {MORE_AVAILABLE, MORE_EXPECTED}
        return ResponseApdu(response.sw + (in_blocks and waits), response.data)

    def _instruction(self, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        if apdu.cla == SIM:
            return self._as_sim(apdu, exact)
        told = MessageClass.decode(apdu.cla)
        channel = self._instructions.channels.get(told.channel)
        selected = self._select_application(channel, apdu)
        if selected is not None:
            return selected
        found = channel.application.do(apdu) if channel.application else None
        if found is not None:
            return found
        self._check_state(apdu)
        if told.secured:
            raise PeerError("no secure messaging with files", answer=_NO_SECURE_MESSAGING)
        if told.proprietary and apdu.ins in self._TOOLKIT:
            return self._TOOLKIT[apdu.ins](self, apdu, exact)
        if told.proprietary and apdu.ins == Ins.STATUS:
            self._polled(apdu)
            return self._instructions.status(channel, apdu, exact=exact)
        return self._upon_files(channel, told, apdu, exact)

    def _check_state(self, apdu: CommandApdu) -> None:
        """Raise `PeerError` (6985) for all but the management of a locked card.

        GlobalPlatform clauses 5.1.1.4 and 5.1.1.5: it is unlocked from the reader or over the air.
        """
        state, managed = self._domain.state, apdu.ins == Ins.ENVELOPE
        if state is CardState.TERMINATED or (state is CardState.CARD_LOCKED and not managed):
            raise PeerError("the card is locked", answer=SW.CONDITIONS_NOT_SATISFIED)

    def _select_application(self, channel: Channel, apdu: CommandApdu) -> ResponseApdu | None:
        """Let an application take a channel: the issuer security domain, or one of its own.

        None for those of the file system. GlobalPlatform 2.3 clause 11.9.
        """
        taker: LocalManagement | Requester | None = None
        if is_selection(apdu):
            iccid = self._memory.read(cell(f"{MF}/2FE2"))
            taker = LocalManagement(lambda: self._domain, iccid)
        elif is_by_name(apdu) and self._domain.state < CardState.CARD_LOCKED:
            taker = self._domain.requester(apdu.data)
        if taker is None:
            return None
        channel.application = taker
        return taker.selected(apdu)

    def _upon_files(
        self, channel: Channel, told: MessageClass, apdu: CommandApdu, exact: bool
    ) -> ResponseApdu:
        if told.proprietary is not (apdu.ins in _PROPRIETARY):
            raise PeerError("not with this class", answer=SW.INS_NOT_SUPPORTED)
        found = self._instructions.do(channel, apdu, exact=exact)
        return found or ResponseApdu(SW.INS_NOT_SUPPORTED)

    def _as_sim(self, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """Do an instruction of a terminal that takes the card for a SIM. TS 51.011."""
        self._check_state(apdu)
        at = self._instructions.channels.get(0).selection
        if apdu.ins in self._TOOLKIT:
            return self._TOOLKIT[apdu.ins](self, apdu, exact)
        if apdu.ins == Ins.STATUS:
            self._polled(apdu)
            return self._sim.status(at, apdu, exact=exact)
        found = self._sim.do(at, apdu, exact=exact)
        return found or ResponseApdu(SW.INS_NOT_SUPPORTED)

    def _run_applet(self) -> None:
        """Tell the application what became of its commands, and offer those it has now."""
        for happened in self._session.events():
            if isinstance(happened, CommandAnsweredLate):
                self._applet.answered_late(happened.command, happened.response)
                continue
            response = happened.response if isinstance(happened, CommandAnswered) else None
            answered = self._answered.pop(happened.command.details.number, None)
            if answered is not None:
                answered(response)
        while waiting := self._applet.commands():
            for command, answered in waiting:
                self._offer(command, answered)

    def _offer(self, command: ProactiveCommand, answered: Answered) -> None:
        try:
            number = self._session.offer(command)
        except (LocalError, ValueError):  # it does not fit, or a text has no coding for it
            answered(None)
        else:
            self._answered[number] = answered

    def _abandon(self, types: Collection[int]) -> bool:
        """Give up what the terminal does not answer; the application hears of it as of the rest."""
        return self._session.abandon(types)

    def _polled(self, apdu: CommandApdu) -> None:
        """Hear the terminal's poll. TS 102 221 clause 11.1.2."""
        self._session.poll()
        waiting = len(self._answered) >= _MOST_WAITING
        if apdu.p1 == _POLL and not waiting and not self._domain.still:
            self._applet.polled()

    def _terminal_profile(self, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """Begin anew with what the terminal can do: what waited for it before is void."""
        del exact
        profile = TerminalProfile(apdu.data)
        self._session = CardSession()
        self._start()
        self._profiled = True
        if not self._domain.still:
            self._applet.powered_on(profile)
        return _OK

    def _fetch(self, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """FETCH; with a wrong Le the command goes on waiting. Clause 11.2.3."""
        sw1, length = divmod(self._session.status_word, 0x100)
        whatever = apdu.le is None or (apdu.le == _WHATEVER and not exact)
        if sw1 == _PENDING and not whatever and apdu.le != (length or 256):
            raise PeerError("Le does not fit", answer=WRONG_LE | length)
        return ResponseApdu(SW.OK, self._session.receive_data(apdu))

    def _terminal_response(self, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        del exact
        self._session.receive_data(apdu)
        return _OK

    def _envelope(self, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        del exact
        told = Envelope.decode(apdu.data)
        if len(self._answered) >= _MOST_WAITING:
            raise PeerError("fetch what waits first", answer=SW.BUSY)
        if told.tag != EnvelopeTag.SMS_PP_DOWNLOAD:
            if not self._domain.still:
                self._applet.told(told)
            return _OK
        handlers = dict(self._domain.handlers())
        if self._domain.state is not CardState.CARD_LOCKED:
            handlers |= self._remote_files.handlers()
        received = self._secured.receive_data(tpdu_of(told), handlers)
        for tpdu in received.submits:
            self._session.offer(commands.send_short_message(tpdu))
        return ResponseApdu(SW.OK, received.report)

    _TOOLKIT: ClassVar[dict[int, "_Instruction"]] = {
        Ins.TERMINAL_PROFILE: _terminal_profile,
        Ins.FETCH: _fetch,
        Ins.TERMINAL_RESPONSE: _terminal_response,
        Ins.ENVELOPE: _envelope,
    }


_Instruction = Callable[[Uicc, CommandApdu, bool], ResponseApdu]
