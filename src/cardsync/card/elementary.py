"""Elementary files: reading, updating, searching and increasing, each where the rules allow it.

TS 102 221 clauses 8.2, 9.2 and 11.1.3 to 11.1.8. The rules are read from EF.ARR itself, so that
changing it changes them.
"""

from collections.abc import Mapping
from enum import IntEnum

from cardsync.card import access, tree
from cardsync.card.access import NEVER, Condition, Operation, Rule
from cardsync.card.memory import Memory
from cardsync.card.pin import Pin, Pins, read_pin, references
from cardsync.card.selection import FileError, Selection
from cardsync.card.templates import (
    ACTIVATED,
    DEACTIVATED,
    control_parameters,
    sim_file_header,
    sim_header,
)
from cardsync.card.tree import MF, TREE, File, Structure, Tree
from cardsync.octets.apdu import SW

_STATE = "state:"
_RULES_OF_MF, _RULES_OF_ADF = "2F06", "6F06"
INCOMPATIBLE = 0x6981  # command incompatible with file structure. Clause 10.2.1.5
INVALIDATED = 0x6984
MAXIMUM_REACHED = 0x9850  # INCREASE. Clause 10.2.1.5
NOT_FOUND = 0x6282  # unsuccessful search. Clause 10.2.1.2
WRONG_LE = 0x6C00  # the low octet says what would be right. Clause 10.2.1.5
_SEARCH_FROM_OFFSET = 0x00  # bit 4 of the search indication


class Mode(IntEnum):
    """How a record is meant: bits 3 to 1 of P2. TS 102 221 clause 11.1.5."""

    NEXT = 2
    PREVIOUS = 3
    ABSOLUTE = 4


class ElementaryFiles:
    """The files of a card over its memory; every access asks the rules and the PINs."""

    def __init__(self, memory: Memory, pins: Pins) -> None:
        self._memory = memory
        self._pins = pins
        self.tree: Tree = tree.decode(memory.read(TREE))

    # What is told of a file

    def control_parameters(self, file: File) -> bytes:
        """Give the FCP template of a file. Clause 11.1.1.3."""
        rules = self._rules_path(file)[-4:]
        return control_parameters(file, rules, self._state(file), self._all_pins())

    def sim_header(self, file: File) -> bytes:
        """Give what a SIM tells of a file. TS 51.011 clause 9.2.1."""
        if file.directory:
            return sim_header(file, self.tree, self._all_pins())
        return sim_file_header(file, self._state(file), self._rule(file))

    def _all_pins(self) -> Mapping[int, Pin]:
        found = {one: read_pin(self._memory, one) for one in references(self._memory)}
        return {one: pin for one, pin in found.items() if pin is not None}

    # Transparent files

    def read_binary(self, at: Selection, offset: int, length: int) -> bytes:
        """Read `length` octets, 256 for up to so many. Raises `FileError`."""
        file = self.file(at, Operation.READ, Structure.TRANSPARENT)
        if offset >= file.size:
            raise FileError(SW.WRONG_P1_P2, "the offset is behind the end")
        if length != 256 and offset + length > file.size:
            raise FileError(WRONG_LE | file.size - offset & 0xFF, "it ends before that")
        return self.content(file)[offset : offset + length]

    def update_binary(self, at: Selection, offset: int, octets: bytes) -> None:
        """Overwrite octets."""
        file = self.file(at, Operation.UPDATE, Structure.TRANSPARENT)
        if offset >= file.size:
            raise FileError(SW.WRONG_P1_P2, "the offset is behind the end")
        if offset + len(octets) > file.size or not octets:
            raise FileError(SW.WRONG_LENGTH, "it ends before that")
        content = self.content(file)
        self._write(file, content[:offset] + octets + content[offset + len(octets) :])

    # Files of records

    def read_record(self, at: Selection, number: int, mode: int) -> bytes:
        """Read a record; NEXT and PREVIOUS move the record pointer."""
        file = self.file(at, Operation.READ, Structure.LINEAR, Structure.CYCLIC)
        number = self._record(at, file, number, mode)
        if mode != Mode.ABSOLUTE:
            at.record = number
        return self._records(file)[number - 1]

    def update_record(self, at: Selection, number: int, mode: int, octets: bytes) -> None:
        """Overwrite a record; in a cyclic file the oldest becomes the first. Clause 11.1.6."""
        file = self.file(at, Operation.UPDATE, Structure.LINEAR, Structure.CYCLIC)
        if len(octets) != file.record:
            raise FileError(SW.WRONG_LENGTH, "a record of another length")
        if file.structure is Structure.CYCLIC:
            if mode != Mode.PREVIOUS:
                raise FileError(INCOMPATIBLE, "a cyclic file is updated in mode PREVIOUS")
            self._rotate(at, file, octets)
            return
        number = self._record(at, file, number, mode)
        if mode != Mode.ABSOLUTE:
            at.record = number
        records = self._records(file)
        records[number - 1] = octets
        self._write(file, b"".join(records))

    def increase(self, at: Selection, octets: bytes) -> bytes:
        """Add to the newest record and keep the sum as the newest. Clause 11.1.8.

        Gives the sum and what was added.
        """
        file = self.file(at, Operation.INCREASE, Structure.CYCLIC)
        if not 1 <= len(octets) <= min(file.record, 127):
            raise FileError(SW.WRONG_LENGTH, "more octets than a record has")
        total = int.from_bytes(self._records(file)[0], "big") + int.from_bytes(octets, "big")
        if total >> 8 * file.record:
            raise FileError(MAXIMUM_REACHED, "the sum is too much for a record")
        made = total.to_bytes(file.record, "big")
        self._rotate(at, file, made)
        return made + octets

    def search(self, at: Selection, start: int, mode: int, data: bytes) -> bytes:
        """Give the numbers of the records that contain a pattern. Clause 11.1.7.

        `mode` is 4 forward or 5 backward from record `start` (0: the current one), or 6, where
        the two first octets of `data` say how and from which offset. Raises `FileError` (6282)
        where none does.
        """
        file = self.file(at, Operation.READ, Structure.LINEAR, Structure.CYCLIC)
        offset, first = 0, None
        if mode == 6:
            mode, offset, first, data = _indication(data)
        if mode not in {4, 5} or not 1 <= len(data) <= file.record:
            raise FileError(SW.INCORRECT_P1_P2 if mode not in {4, 5} else SW.WRONG_LENGTH)
        start = self._record(at, file, start, Mode.ABSOLUTE) if start or at.record else 1
        order = range(start, file.records + 1) if mode == 4 else range(start, 0, -1)
        records = self._records(file)
        found = [one for one in order if _contains(records[one - 1], data, offset, first)]
        if not found:
            raise FileError(NOT_FOUND, "no record contains it")
        at.record = found[0]
        return bytes(found)

    def seek(self, at: Selection, kind: int, pattern: bytes) -> int | None:
        """Find a record that begins with a pattern, for a SIM. TS 51.011 clause 8.8.

        `kind` is 0 from the beginning, 1 from the end backwards, 2 and 3 from the next and the
        previous record on. Gives the number, None where none does.
        """
        file = self.file(at, Operation.READ, Structure.LINEAR)
        last = file.records
        orders = {
            0: range(1, last + 1),
            1: range(last, 0, -1),
            2: range(at.record + 1, last + 1),
            3: range((at.record or last + 1) - 1, 0, -1),
        }
        if kind not in orders:
            raise FileError(SW.INCORRECT_P1_P2, "an unknown kind of search")
        records = self._records(file)
        for number in orders[kind]:
            if records[number - 1].startswith(pattern):
                at.record = number
                return number
        return None

    # Life cycle

    def deactivate(self, at: Selection) -> None:
        """Invalidate a file until it is activated. Clause 11.1.14."""
        file = self.file(at, Operation.DEACTIVATE, *Structure, active=False)
        self._memory.write(_STATE + file.path, bytes([DEACTIVATED]))

    def activate(self, at: Selection) -> None:
        """Make a file usable again. Clause 11.1.15."""
        file = self.file(at, Operation.ACTIVATE, *Structure, active=False)
        self._memory.write(_STATE + file.path, b"")

    def is_active(self, file: File) -> bool:
        """Say whether a file is usable."""
        return self._state(file) == ACTIVATED

    # Beneath

    def content(self, file: File) -> bytes:
        """Give what is in a file, whoever asks."""
        return self._memory.read(file.cell).ljust(file.size, b"\xff")

    def stored(self, file: File) -> bytes:
        """Give what was put into a file of data objects, and nothing more."""
        return self._memory.read(file.cell)

    def store(self, file: File, octets: bytes) -> None:
        """Put other data objects into a file."""
        self._write(file, octets)

    def _write(self, file: File, content: bytes) -> None:
        self._memory.write(file.cell, content)

    def _records(self, file: File) -> list[bytes]:
        content = self.content(file)
        return [content[at : at + file.record] for at in range(0, file.size, file.record)]

    def _rotate(self, at: Selection, file: File, octets: bytes) -> None:
        """Put a record before the others of a cyclic file; the oldest goes."""
        self._write(file, octets + self.content(file)[: -file.record])
        at.record = 1

    def _record(self, at: Selection, file: File, number: int, mode: int) -> int:
        """Give the number of the record that is meant, from 1. Clause 11.1.5."""
        if mode == Mode.ABSOLUTE:
            number = number or at.record
        elif mode == Mode.NEXT:
            number = at.record + 1
        elif mode == Mode.PREVIOUS:
            number = at.record - 1 if at.record else file.records
        else:
            raise FileError(SW.INCORRECT_P1_P2, "an unknown mode")
        if file.structure is Structure.CYCLIC and mode != Mode.ABSOLUTE:
            number = (number - 1) % file.records + 1
        if not 1 <= number <= file.records:
            raise FileError(SW.RECORD_NOT_FOUND, "no such record")
        return number

    def file(
        self, at: Selection, operation: Operation, *structures: Structure, active: bool = True
    ) -> File:
        """Give the EF that is selected; raise `FileError` if it may not be used so."""
        file = at.file
        if file is None:
            raise FileError(SW.NO_EF_SELECTED, "no EF is selected")
        if file.structure not in structures:
            raise FileError(INCOMPATIBLE, "the structure of the file is another")
        condition = self._rule(file).get(operation, NEVER)
        if not self._met(condition):
            raise FileError(SW.SECURITY_NOT_SATISFIED, "the access condition is not met")
        if active and not self.is_active(file):
            raise FileError(INVALIDATED, "the file is deactivated")
        return file

    def _met(self, condition: Condition) -> bool:
        return condition.always or any(map(self._pins.satisfied, condition.keys))

    def _rule(self, file: File) -> Rule:
        """Read the rule of a file from EF.ARR; without one nothing is allowed."""
        rules = self.tree.files.get(self._rules_path(file))
        if rules is None or not 1 <= file.rule <= rules.records:
            return {}
        start = (file.rule - 1) * rules.record
        return access.decode(self.content(rules)[start : start + rules.record])

    def _rules_path(self, file: File) -> str:
        """Give the path of the EF.ARR that rules a file. Clause 9.2.7."""
        application = self.tree.application(file.path)
        if application is None or file is application:
            return f"{MF}/{_RULES_OF_MF}"
        return f"{application.path}/{_RULES_OF_ADF}"

    def _state(self, file: File) -> int:
        octets = self._memory.read(_STATE + file.path)
        return octets[0] if octets else ACTIVATED


def _indication(data: bytes) -> tuple[int, int, int | None, bytes]:
    """Read the search indication of an enhanced search. TS 102 221 clause 11.1.7.2.2.

    Gives the direction as a mode of a simple search, the offset, and the octet behind whose first
    occurrence the search begins, if it is that.
    """
    if len(data) < 3:
        raise FileError(SW.WRONG_LENGTH, "no search indication")
    how, where = data[0], data[1]
    mode = {0x04: 4, 0x05: 5}.get(how & 0x07, 0)
    if how & 0x08 == _SEARCH_FROM_OFFSET:
        return mode, where, None, data[2:]
    return mode, 0, where, data[2:]


def _contains(record: bytes, pattern: bytes, offset: int, first: int | None) -> bool:
    """Say whether a pattern is in a record, from an offset or behind an octet on."""
    if first is not None:
        offset = record.find(first) + 1
        if not offset:
            return False
    return record.find(pattern, offset) >= 0
