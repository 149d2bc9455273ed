"""The card: `reset` and `transact` are its whole face.

TS 102 221 clauses 10 and 11. An instruction is found in a table by its octet; it runs in one
transaction of memory, so that what is refused has changed nothing. Nothing that comes from
outside makes `transact` raise: it always answers with a status word.
"""

from collections.abc import Callable
from typing import ClassVar

from cardsync.card.applet import Applet
from cardsync.card.domain import SecurityDomain
from cardsync.card.files import FileSystem
from cardsync.card.memory import Memory
from cardsync.card.secured import SecuredMessages
from cardsync.card.status import status_word
from cardsync.card.synchronizing import Answered
from cardsync.errors import CardsyncError, LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.toolkit import commands
from cardsync.toolkit.codes import EnvelopeTag
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.envelope import Envelope, tpdu_of
from cardsync.toolkit.profile import TerminalProfile
from cardsync.toolkit.session import CardSession, CommandAnswered

ATR = bytes.fromhex("3B9E96801FC78031E073FE211B664353594E4331A5")
"""T=0 and T=15, TA1 96; historical bytes: card data and capabilities, "CSYNC1". Clause 6.3."""
_CLASSES = {0x00, 0x80}
_OK = ResponseApdu(SW.OK)
_POLL = 0x00  # P1 of a STATUS that tells nothing else. Clause 11.1.2
_MOST_WAITING = 32  # commands that the terminal has not fetched; with more it is told to wait


class Uicc:
    """A card over its memory; the same memory gives the same card."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._files = FileSystem(memory)
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
        self._files.reset()
        self._secured.reset()
        self._session = CardSession()
        self._start()
        return ATR

    def _start(self) -> None:
        self._applet = Applet(self._memory)
        self._domain = SecurityDomain(self._memory, self._applet)
        self._answered: dict[int, Answered] = {}

    def transact(self, octets: bytes) -> bytes:
        """Give the response to a command APDU."""
        try:
            with self._memory.transaction():
                response = self._instruction(CommandApdu.decode(octets))
        except CardsyncError as exc:
            return ResponseApdu(status_word(exc)).encode()
        if response.sw == SW.OK:
            response = ResponseApdu(self._session.status_word, response.data)
        return response.encode()

    def _instruction(self, apdu: CommandApdu) -> ResponseApdu:
        if apdu.cla not in _CLASSES:
            return ResponseApdu(SW.CLA_NOT_SUPPORTED)
        handler = self._INSTRUCTIONS.get((apdu.cla, apdu.ins))
        if handler is None:
            return ResponseApdu(SW.INS_NOT_SUPPORTED)
        response = handler(self, apdu)
        self._run_applet()
        return response

    def _run_applet(self) -> None:
        """Tell the application what became of its commands, and offer those it has now."""
        for happened in self._session.events():
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

    def _select(self, apdu: CommandApdu) -> ResponseApdu:
        """SELECT by identifier, AID or path. TS 102 221 clause 11.1.1."""
        methods: dict[int, Callable[[], bytes]] = {
            0x00: lambda: self._files.select_identifier(apdu.data),
            0x04: lambda: self._files.select_aid(apdu.data),
            0x08: lambda: self._files.select_path(apdu.data, from_mf=True),
            0x09: lambda: self._files.select_path(apdu.data, from_mf=False),
        }
        method = methods.get(apdu.p1)
        if method is None:
            return ResponseApdu(SW.INCORRECT_P1_P2)
        template = method()
        return _OK if apdu.p2 & 0x1C == 0x0C else ResponseApdu(SW.OK, template)

    def _status(self, apdu: CommandApdu) -> ResponseApdu:
        """STATUS, the terminal's poll. TS 102 221 clause 11.1.2."""
        self._session.poll()
        if apdu.p1 == _POLL and len(self._answered) < _MOST_WAITING:
            self._applet.polled()
        return _OK if apdu.p2 == 0x0C else ResponseApdu(SW.OK, self._files.template())

    def _read_binary(self, apdu: CommandApdu) -> ResponseApdu:
        offset = self._offset(apdu)
        return ResponseApdu(SW.OK, self._files.read_binary(offset, apdu.le or 256))

    def _update_binary(self, apdu: CommandApdu) -> ResponseApdu:
        self._files.update_binary(self._offset(apdu), apdu.data)
        return _OK

    def _offset(self, apdu: CommandApdu) -> int:
        """Find the offset; P1 with bit 8 names a short file identifier. Clause 11.1.3."""
        if apdu.p1 & 0x80:
            self._files.by_short(apdu.p1 & 0x1F)
            return apdu.p2
        return apdu.p1 << 8 | apdu.p2

    def _read_record(self, apdu: CommandApdu) -> ResponseApdu:
        return ResponseApdu(SW.OK, self._files.read_record(self._record(apdu)))

    def _update_record(self, apdu: CommandApdu) -> ResponseApdu:
        self._files.update_record(self._record(apdu), apdu.data)
        return _OK

    def _record(self, apdu: CommandApdu) -> int:
        """Find the record in absolute mode; P2 may name a file. Clause 11.1.5."""
        if apdu.p2 & 0x07 != 0x04:
            raise PeerError("only the absolute mode is known", answer=SW.INCORRECT_P1_P2)
        if apdu.p2 >> 3:
            self._files.by_short(apdu.p2 >> 3)
        return apdu.p1

    def _terminal_profile(self, apdu: CommandApdu) -> ResponseApdu:
        """Begin anew with what the terminal can do: what waited for it before is void."""
        profile = TerminalProfile(apdu.data)
        self._session = CardSession()
        self._start()
        self._applet.powered_on(profile)
        return _OK

    def _fetch(self, apdu: CommandApdu) -> ResponseApdu:
        return ResponseApdu(SW.OK, self._session.receive_data(apdu))

    def _terminal_response(self, apdu: CommandApdu) -> ResponseApdu:
        self._session.receive_data(apdu)
        return _OK

    def _envelope(self, apdu: CommandApdu) -> ResponseApdu:
        told = Envelope.decode(apdu.data)
        if len(self._answered) >= _MOST_WAITING:
            raise PeerError("fetch what waits first", answer=SW.BUSY)
        if told.tag != EnvelopeTag.SMS_PP_DOWNLOAD:
            self._applet.told(told)
            return _OK
        received = self._secured.receive_data(tpdu_of(told), self._domain.handlers())
        for tpdu in received.submits:
            self._session.offer(commands.send_short_message(tpdu))
        return ResponseApdu(SW.OK, received.report)

    _INSTRUCTIONS: ClassVar[dict[tuple[int, int], "_Instruction"]] = {
        (0x00, Ins.SELECT): _select,
        (0x00, Ins.READ_BINARY): _read_binary,
        (0x00, Ins.READ_RECORD): _read_record,
        (0x00, Ins.UPDATE_BINARY): _update_binary,
        (0x00, Ins.UPDATE_RECORD): _update_record,
        (0x80, Ins.STATUS): _status,
        (0x80, Ins.TERMINAL_PROFILE): _terminal_profile,
        (0x80, Ins.FETCH): _fetch,
        (0x80, Ins.TERMINAL_RESPONSE): _terminal_response,
        (0x80, Ins.ENVELOPE): _envelope,
    }


_Instruction = Callable[[Uicc, CommandApdu], ResponseApdu]
