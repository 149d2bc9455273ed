"""The card as a SIM: the instructions of CLA A0 upon the same files and PINs.

TS 51.011 clauses 8 and 9. For terminals and tools that know no UICC; the applications of a UICC
are not there for them, DF.GSM and DF.TELECOM are. Responses are whole; that a SIM says `9F XX`
and waits for GET RESPONSE is the transport's doing.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from cardsync.card.authentication import Authenticator
from cardsync.card.elementary import ElementaryFiles, Mode
from cardsync.card.instructions import Instructions
from cardsync.card.pin import ADM1, PIN1, PIN2, Pins
from cardsync.card.selection import FileError, Selection
from cardsync.card.tree import CURRENT_ADF
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu

SLEEP = 0xFA
_DF_GSM = "3F00/7F20"
_OK = ResponseApdu(SW.OK)
_CHV = {0x00: PIN1, 0x01: PIN1, 0x02: PIN2}
_ADM = {0x04, ADM1}
"""Numbers by which terminals present the administrator's code: level 4, or its reference."""
_PIN_LENGTH = 8
_WRONG_LENGTH = 0x6700  # the low octet says what would be right. Clause 9.4.6

# Status words of a UICC and what a SIM says for them. Clause 9.4
_STATUS_WORDS: dict[int, int] = {
    SW.NO_EF_SELECTED: 0x9400,
    SW.WRONG_P1_P2: 0x9402,
    SW.RECORD_NOT_FOUND: 0x9402,
    SW.FILE_NOT_FOUND: 0x9404,
    0x6282: 0x9404,
    0x6981: 0x9408,
    SW.REFERENCED_DATA_NOT_FOUND: 0x9802,
    SW.SECURITY_NOT_SATISFIED: 0x9804,
    0x6983: 0x9840,
    0x6984: 0x9810,
    SW.NOT_ENOUGH_MEMORY: 0x9240,
    SW.INCORRECT_P1_P2: 0x6B00,
    SW.FUNCTION_NOT_SUPPORTED: 0x9808,
    SW.INCORRECT_DATA: 0x6F00,
    SW.CONDITIONS_NOT_SATISFIED: 0x6F00,
}
_PIN_CONTRADICTION = {0x6984: 0x9808}
_PIN_INSTRUCTIONS = {
    Ins.VERIFY_PIN,
    Ins.CHANGE_PIN,
    Ins.DISABLE_PIN,
    Ins.ENABLE_PIN,
    Ins.UNBLOCK_PIN,
}


def translated(sw: int, ins: int) -> int:
    """Give what a SIM says where a UICC would say `sw`. TS 51.011 clause 9.4."""
    if sw >> 8 == 0x6C:
        return _WRONG_LENGTH | sw & 0xFF
    if sw & 0xFFF0 == 0x63C0:
        return 0x9804 if sw & 0x0F else 0x9840
    if ins in _PIN_INSTRUCTIONS and sw in _PIN_CONTRADICTION:
        return _PIN_CONTRADICTION[sw]
    return _STATUS_WORDS.get(sw, sw)


class SimInstructions:
    """The instructions of a SIM upon the files of a card, on its basic channel."""

    def __init__(self, instructions: Instructions) -> None:
        self._files: ElementaryFiles = instructions.files
        self._pins: Pins = instructions.pins
        self._authenticator: Authenticator = instructions.authenticator

    def do(self, at: Selection, apdu: CommandApdu, *, exact: bool) -> ResponseApdu | None:
        """Do an instruction; None for one that a SIM's file system does not have."""
        handler = self._HANDLERS.get(apdu.ins)
        return None if handler is None else handler(self, at, apdu, exact)

    def _select(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """SELECT by identifier, as the only way. Clause 8.1."""
        del exact
        identifier = apdu.data.hex().upper()
        if identifier == CURRENT_ADF or self._files.tree.application(at.directory.path):
            at.by_identifier(bytes.fromhex("3F00"))
        if apdu.p1 or apdu.p2 or len(apdu.data) != 2 or identifier == CURRENT_ADF:
            wrong = len(apdu.data) != 2
            raise FileError(_WRONG_LENGTH | 2 if wrong else SW.FILE_NOT_FOUND, "no such file")
        return ResponseApdu(SW.OK, self._files.sim_header(at.by_identifier(apdu.data)))

    def status(self, at: Selection, apdu: CommandApdu, *, exact: bool) -> ResponseApdu:
        """STATUS of the directory, as much of it as is asked for. Clause 8.2."""
        return _part(self._files.sim_header(at.directory), apdu, exact=exact)

    def _read_binary(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """READ BINARY. Clause 8.3."""
        octets = self._files.read_binary(at, apdu.p1 << 8 | apdu.p2, apdu.le or 256)
        return _part(octets, apdu, exact=exact)

    def _update_binary(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """UPDATE BINARY. Clause 8.4."""
        del exact
        self._files.update_binary(at, apdu.p1 << 8 | apdu.p2, apdu.data)
        return _OK

    def _read_record(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """READ RECORD. Clause 8.5."""
        length = at.file.record if at.file else 0
        if length and apdu.le not in {None, length} and (exact or apdu.le != 256):
            self._files.read_record(at, apdu.p1 or 1, Mode.ABSOLUTE)
            raise FileError(_WRONG_LENGTH | length, "Le is not the length of a record")
        return ResponseApdu(SW.OK, self._files.read_record(at, apdu.p1, apdu.p2))

    def _update_record(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """UPDATE RECORD. Clause 8.6."""
        del exact
        self._files.update_record(at, apdu.p1, apdu.p2, apdu.data)
        return _OK

    def _seek(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """SEEK; type 2 gives the number of the record. Clause 8.8."""
        del exact
        number = self._files.seek(at, apdu.p2 & 0x0F, apdu.data)
        if number is None:
            raise FileError(SW.FILE_NOT_FOUND, "no record begins so")
        return ResponseApdu(SW.OK, bytes([number])) if apdu.p2 >> 4 else _OK

    def _increase(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """INCREASE. Clause 8.9."""
        del exact
        return ResponseApdu(SW.OK, self._files.increase(at, apdu.data))

    def _pin(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """VERIFY, CHANGE, DISABLE, ENABLE and UNBLOCK CHV. Clauses 8.10 to 8.14.

        The administrator is verified in the same way.
        """
        del at, exact
        if apdu.ins == Ins.VERIFY_PIN and not apdu.p1 and apdu.p2 in _ADM:
            _check_length(apdu.data, _PIN_LENGTH)
            return ResponseApdu(self._pins.verify(ADM1, apdu.data))
        two = apdu.ins in {Ins.CHANGE_PIN, Ins.UNBLOCK_PIN}
        length = _PIN_LENGTH * 2 if two else _PIN_LENGTH
        first = 0x00 if apdu.ins == Ins.UNBLOCK_PIN else 0x01
        if apdu.p1 or apdu.p2 not in {first, 0x02}:
            raise FileError(SW.INCORRECT_P1_P2, "no such CHV")
        _check_length(apdu.data, length)
        methods: Mapping[int, Callable[[int, bytes], int]] = {
            Ins.VERIFY_PIN: self._pins.verify,
            Ins.CHANGE_PIN: self._pins.change,
            Ins.DISABLE_PIN: self._pins.disable,
            Ins.ENABLE_PIN: self._pins.enable,
            Ins.UNBLOCK_PIN: self._pins.unblock,
        }
        return ResponseApdu(methods[apdu.ins](_CHV[apdu.p2], apdu.data))

    def _invalidate(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """INVALIDATE. Clause 8.15."""
        del apdu, exact
        self._files.deactivate(at)
        return _OK

    def _rehabilitate(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """REHABILITATE. Clause 8.16."""
        del apdu, exact
        self._files.activate(at)
        return _OK

    def _run_gsm_algorithm(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """RUN GSM ALGORITHM, in DF.GSM and with CHV1 only. Clause 8.17."""
        del exact
        if not f"{at.directory.path}/".startswith(f"{_DF_GSM}/"):
            raise FileError(0x6981, "DF.GSM is not selected")
        if not self._pins.satisfied(PIN1):
            raise FileError(SW.SECURITY_NOT_SATISFIED, "CHV1 is missing")
        return ResponseApdu(SW.OK, self._authenticator.run_gsm_algorithm(apdu.data))

    def _sleep(self, at: Selection, apdu: CommandApdu, exact: bool) -> ResponseApdu:
        """SLEEP, an obsolete instruction. Clause 8.18."""
        del at, apdu, exact
        return _OK

    _HANDLERS: ClassVar["Mapping[int, _Handler]"] = {
        Ins.SELECT: _select,
        Ins.READ_BINARY: _read_binary,
        Ins.UPDATE_BINARY: _update_binary,
        Ins.READ_RECORD: _read_record,
        Ins.UPDATE_RECORD: _update_record,
        Ins.SEARCH_RECORD: _seek,
        Ins.INCREASE: _increase,
        Ins.VERIFY_PIN: _pin,
        Ins.CHANGE_PIN: _pin,
        Ins.DISABLE_PIN: _pin,
        Ins.ENABLE_PIN: _pin,
        Ins.UNBLOCK_PIN: _pin,
        Ins.DEACTIVATE_FILE: _invalidate,
        Ins.ACTIVATE_FILE: _rehabilitate,
        Ins.AUTHENTICATE: _run_gsm_algorithm,
        SLEEP: _sleep,
    }


_Handler = Callable[[SimInstructions, Selection, CommandApdu, bool], ResponseApdu]


def _check_length(codes: bytes, length: int) -> None:
    if len(codes) != length:
        raise FileError(_WRONG_LENGTH | length, "a code has 8 octets")


def _part(octets: bytes, apdu: CommandApdu, *, exact: bool) -> ResponseApdu:
    """Answer with as many octets as are asked for; raise where there are fewer. Clause 9.2."""
    wanted = apdu.le if apdu.le is not None and (exact or apdu.le != 256) else len(octets)
    if wanted > len(octets):
        raise FileError(_WRONG_LENGTH | len(octets) & 0xFF, "Le is too much")
    return ResponseApdu(SW.OK, octets[:wanted])
