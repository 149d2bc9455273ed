"""Instructions upon files, PINs, channels and the network's challenge: TS 102 221 clause 11.1.

The toolkit's instructions are not here, nor those of a security domain.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from cardsync.card.authentication import Authenticator
from cardsync.card.channels import Channel, Channels
from cardsync.card.elementary import WRONG_LE, ElementaryFiles, Mode
from cardsync.card.memory import Memory
from cardsync.card.object_files import ObjectFiles
from cardsync.card.pin import PIN1, Pins
from cardsync.card.selection import FileError, Occurrence, Selection
from cardsync.card.tree import File
from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu

_OK = ResponseApdu(SW.OK)
_WHATEVER = 256  # Le 00: all there is, where the transport does not count octets itself
_NO_DATA = 0x0C  # P2 of SELECT and STATUS. Clauses 11.1.1.2 and 11.1.2.2
_SESSION, _TERMINATION = 0x60, 0x40  # of P2: activation, or the end. Clause 11.1.1.2
_NAME_ONLY = 0x01
_BY_IDENTIFIER, _PARENT, _BY_NAME, _FROM_MF, _FROM_CURRENT = 0x00, 0x03, 0x04, 0x08, 0x09
_GSM_CONTEXT, _USIM_CONTEXT = 0x80, 0x81
_UST, _GSM_ACCESS, _GSM_SECURITY = "6F38", 27, 38
_TERMINAL_CAPABILITY = 0xA9
_IN_BLOCKS = {Ins.RETRIEVE_DATA, Ins.SET_DATA}
WRONG_NAME_LENGTH = 0x6A87  # Lc inconsistent with P1 and P2
NOT_SUPPORTED_CONTEXT = 0x9864  # TS 31.102 clause 7.3


def whole(octets: bytes, apdu: CommandApdu, *, exact: bool) -> ResponseApdu:
    """Answer with octets if Le fits them, else raise with what would (6C XX).

    `exact` says that the transport counts octets itself, as T=0 does: 00 is 256 then.
    """
    if apdu.le is None or apdu.le == len(octets) or (apdu.le == _WHATEVER and not exact):
        return ResponseApdu(SW.OK, octets)
    raise FileError(WRONG_LE | len(octets) & 0xFF, "Le does not fit")


class Instructions:
    """The file system of a card with its PINs, its channels and its keys."""

    def __init__(self, memory: Memory, pins: Pins | None = None) -> None:
        self.pins = pins or Pins(memory)
        self.files = ElementaryFiles(memory, self.pins)
        self.objects = ObjectFiles(self.files)
        self.authenticator = Authenticator(memory)
        self.reset()

    def reset(self) -> None:
        """Close the channels, select the MF, forget what was presented."""
        self.pins.reset()
        self.channels = Channels(self.start())

    def do(self, channel: Channel, apdu: CommandApdu, *, exact: bool) -> ResponseApdu | None:
        """Do an instruction; None for one that is not of a file system."""
        handler = self._HANDLERS.get(apdu.ins)
        if apdu.ins not in _IN_BLOCKS:
            channel.selection.transfer = None
        return None if handler is None else handler(self, channel, apdu, exact)

    def at(self, selection: Selection, apdu: CommandApdu) -> ResponseApdu | None:
        """Do an instruction at a selection that is on no channel."""
        return self.do(Channel(0, selection), apdu, exact=False)

    # Selection

    def _select(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """SELECT, by every method. Clause 11.1.1."""
        del exact
        if apdu.p1 == _BY_NAME and apdu.p2 & _SESSION == _TERMINATION:
            channel.selection.terminate(apdu.data)
            channel.application = None
            return _OK
        file = self._selected(channel.selection, apdu)
        channel.application = None  # the file system has the channel again
        if apdu.p2 & 0x1C == _NO_DATA:
            return _OK
        return ResponseApdu(SW.OK, self.files.control_parameters(file))

    def _selected(self, at: Selection, apdu: CommandApdu) -> File:
        if apdu.p1 == _BY_NAME:
            if not apdu.data:
                raise FileError(WRONG_NAME_LENGTH, "a name is expected")
            return at.by_aid(apdu.data, Occurrence(apdu.p2 & 0x03))
        if apdu.p2 & 0x03:
            raise FileError(SW.INCORRECT_P1_P2, "an identifier has one occurrence")
        if apdu.p1 == _BY_IDENTIFIER:
            return at.by_identifier(apdu.data)
        if apdu.p1 == _PARENT:
            return at.parent()
        if apdu.p1 in {_FROM_MF, _FROM_CURRENT}:
            return at.by_path(apdu.data, from_mf=apdu.p1 == _FROM_MF)
        raise FileError(SW.INCORRECT_P1_P2, f"selection by {apdu.p1:02X}")

    def status(self, channel: Channel, apdu: CommandApdu, *, exact: bool) -> ResponseApdu:
        """STATUS of the current directory or application. Clause 11.1.2."""
        at = channel.selection
        if apdu.p1 > 2 or apdu.p2 not in {0x00, _NAME_ONLY, _NO_DATA}:
            raise FileError(SW.INCORRECT_P1_P2, "an unknown kind of STATUS")
        if apdu.p2 == _NO_DATA:
            return _OK
        if apdu.p2 == 0x00:
            return whole(self.files.control_parameters(at.directory), apdu, exact=exact)
        if at.application is None:
            raise FileError(SW.REFERENCED_DATA_NOT_FOUND, "no application is active")
        return whole(tlv.encode(0x84, at.application.aid), apdu, exact=exact)

    # Files

    def _read_binary(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """READ BINARY. Clause 11.1.3."""
        octets = self.files.read_binary(
            channel.selection, _offset(channel.selection, apdu), apdu.le or _WHATEVER
        )
        return whole(octets, apdu, exact=exact)

    def _update_binary(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """UPDATE BINARY. Clause 11.1.4."""
        del exact
        at = channel.selection
        self.files.update_binary(at, _offset(at, apdu), apdu.data)
        return _OK

    def _read_record(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """READ RECORD; with a wrong Le the record pointer stays. Clause 11.1.5."""
        mode, at = _mode(channel.selection, apdu), channel.selection
        length = at.file.record if at.file else 0
        if length and apdu.le not in {None, length} and (exact or apdu.le != _WHATEVER):
            self.files.read_record(
                at, apdu.p1 or 1, Mode.ABSOLUTE
            )  # what else is wrong comes first
            raise FileError(WRONG_LE | length, "Le is not the length of a record")
        return ResponseApdu(SW.OK, self.files.read_record(at, apdu.p1, mode))

    def _update_record(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """UPDATE RECORD. Clause 11.1.6."""
        del exact
        mode = _mode(channel.selection, apdu)
        self.files.update_record(channel.selection, apdu.p1, mode, apdu.data)
        return _OK

    def _search_record(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """SEARCH RECORD. Clause 11.1.7."""
        del exact
        mode = _mode(channel.selection, apdu)
        return ResponseApdu(SW.OK, self.files.search(channel.selection, apdu.p1, mode, apdu.data))

    def _increase(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """INCREASE. Clause 11.1.8."""
        del exact
        if apdu.p1 & 0x80:
            channel.selection.by_short(apdu.p1 & 0x1F)
        elif apdu.p1 or apdu.p2:
            raise FileError(SW.INCORRECT_P1_P2, "the current file is increased")
        return ResponseApdu(SW.OK, self.files.increase(channel.selection, apdu.data))

    def _deactivate(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """DEACTIVATE FILE. Clause 11.1.14."""
        del exact
        self.files.deactivate(_named(channel.selection, apdu))
        return _OK

    def _activate(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """ACTIVATE FILE. Clause 11.1.15."""
        del exact
        self.files.activate(_named(channel.selection, apdu))
        return _OK

    def _retrieve_data(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """RETRIEVE DATA. Clause 11.3.1."""
        return self.objects.retrieve(channel.selection, apdu, exact=exact)

    def _set_data(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """SET DATA. Clause 11.3.2."""
        del exact
        return self.objects.set(channel.selection, apdu)

    # PINs

    def _pin(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """VERIFY, CHANGE, DISABLE, ENABLE, UNBLOCK PIN. Clauses 11.1.9 to 11.1.13."""
        del channel, exact
        if apdu.p1:
            raise FileError(SW.INCORRECT_P1_P2, "P1 is 00")
        methods: Mapping[int, Callable[[int, bytes], int]] = {
            Ins.VERIFY_PIN: self.pins.verify,
            Ins.CHANGE_PIN: self.pins.change,
            Ins.DISABLE_PIN: self.pins.disable,
            Ins.ENABLE_PIN: self.pins.enable,
            Ins.UNBLOCK_PIN: self.pins.unblock,
        }
        return ResponseApdu(methods[apdu.ins](apdu.p2, apdu.data))

    # Authentication

    def _authenticate(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """AUTHENTICATE, in the USIM and with its PIN only. TS 31.102 clause 7.1."""
        del exact
        at = channel.selection
        application = self.files.tree.application(at.directory.path)
        if application is None:
            raise PeerError("no USIM is selected", answer=SW.CONDITIONS_NOT_SATISFIED)
        if not self.pins.satisfied(PIN1):
            raise PeerError("the PIN is missing", answer=SW.SECURITY_NOT_SATISFIED)
        if apdu.p1 or apdu.p2 not in {_GSM_CONTEXT, _USIM_CONTEXT}:
            raise PeerError("another context", answer=SW.INCORRECT_P1_P2)
        services = self.files.tree.files.get(f"{application.path}/{_UST}")
        if apdu.p2 == _USIM_CONTEXT:
            with_kc = self._has_service(services, _GSM_ACCESS)
            return ResponseApdu(SW.OK, self.authenticator.usim(apdu.data, with_kc=with_kc))
        if not self._has_service(services, _GSM_SECURITY):
            raise PeerError("service 38 is not there", answer=NOT_SUPPORTED_CONTEXT)
        return ResponseApdu(SW.OK, self.authenticator.gsm(apdu.data))

    def _has_service(self, table: File | None, number: int) -> bool:
        """Say whether EF.UST has a service. TS 31.102 clause 4.2.8."""
        octets = self.files.content(table) if table else b""
        place = (number - 1) // 8
        return place < len(octets) and bool(octets[place] >> (number - 1) % 8 & 1)

    # The rest

    def _manage_channel(self, channel: Channel, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """MANAGE CHANNEL. Clause 11.1.17."""
        if not apdu.p1 | apdu.p2:
            whole(b"\0", apdu, exact=exact)  # a wrong Le opens nothing
        return ResponseApdu(SW.OK, self.channels.manage(channel, apdu, self.start()))

    def start(self) -> Selection:
        """Give a selection that stands at the MF."""
        return Selection(self.files.tree)

    def _terminal_capability(
        self, channel: Channel, apdu: CommandApdu, exact: bool
    ) -> ResponseApdu:
        """TERMINAL CAPABILITY: what the terminal tells is heard. Clause 11.1.19."""
        del channel, exact
        try:
            (template,) = tlv.decode_all(apdu.data)
        except (PeerError, ValueError) as exc:
            raise PeerError("no template", answer=SW.INCORRECT_DATA) from exc
        if template.tag != _TERMINAL_CAPABILITY or apdu.p1 or apdu.p2:
            raise PeerError("another template", answer=SW.INCORRECT_DATA)
        return _OK

    _HANDLERS: ClassVar["Mapping[int, _Handler]"] = {
        Ins.SELECT: _select,
        Ins.READ_BINARY: _read_binary,
        Ins.UPDATE_BINARY: _update_binary,
        Ins.READ_RECORD: _read_record,
        Ins.UPDATE_RECORD: _update_record,
        Ins.SEARCH_RECORD: _search_record,
        Ins.INCREASE: _increase,
        Ins.RETRIEVE_DATA: _retrieve_data,
        Ins.SET_DATA: _set_data,
        Ins.DEACTIVATE_FILE: _deactivate,
        Ins.ACTIVATE_FILE: _activate,
        Ins.VERIFY_PIN: _pin,
        Ins.CHANGE_PIN: _pin,
        Ins.DISABLE_PIN: _pin,
        Ins.ENABLE_PIN: _pin,
        Ins.UNBLOCK_PIN: _pin,
        Ins.AUTHENTICATE: _authenticate,
        Ins.MANAGE_CHANNEL: _manage_channel,
        Ins.TERMINAL_CAPABILITY: _terminal_capability,
    }


_Handler = Callable[[Instructions, Channel, CommandApdu, bool], ResponseApdu]


def _offset(at: Selection, apdu: CommandApdu) -> int:
    """Find the offset; P1 with bit 8 names a short file identifier. Clause 11.1.3."""
    if apdu.p1 & 0x80:
        at.by_short(apdu.p1 & 0x1F)
        return apdu.p2
    return apdu.p1 << 8 | apdu.p2


def _mode(at: Selection, apdu: CommandApdu) -> int:
    """Give the mode of P2, which may name a file by its short identifier. Clause 11.1.5."""
    if apdu.p2 >> 3:
        at.by_short(apdu.p2 >> 3)
    return apdu.p2 & 0x07


def _named(at: Selection, apdu: CommandApdu) -> Selection:
    """Select the file that an instruction names, if it names one. Clause 11.1.14."""
    if apdu.p1 or apdu.p2:
        raise FileError(SW.INCORRECT_P1_P2, "the current file, or one by its identifier")
    if apdu.data:
        at.by_identifier(apdu.data)
    return at
