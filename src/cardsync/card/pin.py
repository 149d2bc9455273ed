"""PINs: who the user or the administrator is, and how often one may guess.

TS 102 221 clauses 9.5 and 11.1.9 to 11.1.13. A wrong guess is no error that is undone: its
counter is written first, in the same instruction, so the methods give a status word where a guess
was made and raise only where none was.
"""

import hmac
from dataclasses import dataclass, field, replace
from typing import Self

from cardsync.card.memory import Memory
from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW
from cardsync.octets.reader import Reader

PIN1, PIN2 = 0x01, 0x81
"""Key references of the application PIN and the second one. TS 102 221 clause 9.5.1."""
ADM1 = 0x0A
_FIRST_ADM, _LAST_ADM = 0x0A, 0x0E
_CELL = "pin:"
_LENGTH = 8
_PADDING = 0xFF
_LEFT = 0x63C0  # the lowest four bits are the number of guesses that are left
BLOCKED, INVALIDATED = 0x6983, 0x6984  # clause 10.2.1.5


@dataclass(frozen=True, slots=True)
class Code:
    """Eight octets that must be presented, and how many wrong guesses of `limit` are `left`."""

    octets: bytes = field(repr=False)
    limit: int
    left: int

    def __post_init__(self) -> None:
        if len(self.octets) != _LENGTH or not 0 <= self.left <= self.limit <= 15:
            raise LocalError("a PIN has 8 octets and at most 15 guesses")

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        return self.octets + bytes([self.limit, self.left])

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the octets of the cell."""
        return cls(reader.octets(_LENGTH), reader.uint8(), reader.uint8())


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN and its unblocking code (None where there is none)."""

    code: Code
    unblock: Code | None = None
    enabled: bool = True

    def encode(self) -> bytes:
        """Give the octets of the cell."""
        head = bytes([self.enabled]) + self.code.encode()
        return head + (self.unblock.encode() if self.unblock else b"")

    @classmethod
    def decode(cls, cell: bytes) -> Self:
        """Read the octets of the cell."""
        reader = Reader(cell)
        enabled, code = bool(reader.uint8()), Code.decode(reader)
        return cls(code, Code.decode(reader) if len(reader) else None, enabled)


def digits(text: str) -> bytes:
    """Write four to eight digits as the eight octets of a PIN. TS 102 221 clause 9.5.1."""
    if not (4 <= len(text) <= _LENGTH and text.isascii() and text.isdigit()):
        raise LocalError("a PIN is four to eight digits")
    return text.encode().ljust(_LENGTH, bytes([_PADDING]))


def write_pin(memory: Memory, reference: int, pin: Pin) -> None:
    """Put a PIN into the memory of a card."""
    memory.write(f"{_CELL}{reference:02x}", pin.encode())


def read_pin(memory: Memory, reference: int) -> Pin | None:
    """Give a PIN of a card, None if it has none with this reference."""
    cell = memory.read(f"{_CELL}{reference:02x}")
    return Pin.decode(cell) if cell else None


def references(memory: Memory) -> tuple[int, ...]:
    """Give the key references of all PINs of a card, rising."""
    return tuple([int(name[len(_CELL) :], 16) for name in memory.names(_CELL)])


class Pins:
    """The PINs of a card and which of them were presented since the reset."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._verified: set[int] = set()

    def reset(self) -> None:
        """Forget what was presented."""
        self._verified.clear()

    def satisfied(self, reference: int) -> bool:
        """Say whether an access condition with this reference is met: verified or disabled."""
        if reference in self._verified:
            return True
        pin = read_pin(self._memory, reference)
        return pin is not None and not pin.enabled

    def verify(self, reference: int, data: bytes) -> int:
        """VERIFY PIN, clause 11.1.9: give `90 00`, or `63 CX` also where nothing is presented."""
        pin = self._pin(reference)
        if not data:
            return _LEFT | pin.code.left
        self._must_be(pin, enabled=True)
        return self._present(reference, pin, data)

    def change(self, reference: int, data: bytes) -> int:
        """CHANGE PIN, clause 11.1.10: the old one and the new one."""
        pin = self._pin(reference)
        self._must_be(pin, enabled=True)
        old, new = _two(data)
        _check_new(reference, new)
        status = self._present(reference, pin, old)
        if status == SW.OK:
            self._write(reference, replace(pin, code=_fresh(pin.code, new)))
        return status

    def disable(self, reference: int, data: bytes) -> int:
        """DISABLE PIN, clause 11.1.11: only the application PIN can be."""
        return self._switch(reference, data, on=False)

    def enable(self, reference: int, data: bytes) -> int:
        """ENABLE PIN, clause 11.1.12."""
        return self._switch(reference, data, on=True)

    def _switch(self, reference: int, data: bytes, *, on: bool) -> int:
        pin = self._pin(reference)
        if reference != PIN1:
            raise PeerError("this PIN is always on", answer=SW.FUNCTION_NOT_SUPPORTED)
        self._must_be(pin, enabled=not on)
        status = self._present(reference, pin, data)
        if status == SW.OK:
            self._write(reference, replace(pin, code=_fresh(pin.code), enabled=on))
        return status

    def unblock(self, reference: int, data: bytes) -> int:
        """UNBLOCK PIN, clause 11.1.13: the unblocking code and a new PIN, which is on then."""
        pin = self._pin(reference)
        if pin.unblock is None:
            raise PeerError("no unblocking code", answer=SW.REFERENCED_DATA_NOT_FOUND)
        if not data:
            return _LEFT | pin.unblock.left
        code, new = _two(data)
        _check_new(reference, new)
        if not pin.unblock.left:
            raise PeerError("the unblocking code is blocked", answer=BLOCKED)
        spent = replace(pin.unblock, left=pin.unblock.left - 1)
        self._write(reference, replace(pin, unblock=spent))
        if not hmac.compare_digest(pin.unblock.octets, code):
            return _LEFT | spent.left
        self._write(reference, Pin(_fresh(pin.code, new), _fresh(pin.unblock)))
        self._verified.add(reference)
        return SW.OK

    def _present(self, reference: int, pin: Pin, guess: bytes) -> int:
        """Compare a guess; the counter is down before it is compared."""
        if len(guess) != _LENGTH:
            raise PeerError(f"a PIN of {len(guess)} octets", answer=SW.WRONG_LENGTH)
        if not pin.code.left:
            raise PeerError("the PIN is blocked", answer=BLOCKED)
        spent = replace(pin.code, left=pin.code.left - 1)
        self._write(reference, replace(pin, code=spent))
        if not hmac.compare_digest(pin.code.octets, guess):
            self._verified.discard(reference)
            return _LEFT | spent.left
        self._write(reference, replace(pin, code=_fresh(pin.code)))
        self._verified.add(reference)
        return SW.OK

    def _pin(self, reference: int) -> Pin:
        pin = read_pin(self._memory, reference)
        if pin is None:
            raise PeerError("no such PIN", answer=SW.REFERENCED_DATA_NOT_FOUND)
        return pin

    def _must_be(self, pin: Pin, *, enabled: bool) -> None:
        if pin.enabled is not enabled:
            raise PeerError("the PIN is off" if enabled else "the PIN is on", answer=INVALIDATED)

    def _write(self, reference: int, pin: Pin) -> None:
        write_pin(self._memory, reference, pin)


def _fresh(code: Code, octets: bytes | None = None) -> Code:
    """Give a code with all its guesses, and with other octets if there are some."""
    return Code(code.octets if octets is None else octets, code.limit, code.limit)


def _two(data: bytes) -> tuple[bytes, bytes]:
    if len(data) != 2 * _LENGTH:
        raise PeerError(f"two PINs in {len(data)} octets", answer=SW.WRONG_LENGTH)
    return data[:_LENGTH], data[_LENGTH:]


def _check_new(reference: int, octets: bytes) -> None:
    """Raise `PeerError` if a user's new PIN is not four to eight digits, padded."""
    if _FIRST_ADM <= reference <= _LAST_ADM:
        return  # an administrative code is any eight octets
    found = octets.rstrip(bytes([_PADDING]))
    if len(found) < 4 or not found.isdigit():
        raise PeerError("a PIN is four to eight digits", answer=SW.INCORRECT_DATA)
