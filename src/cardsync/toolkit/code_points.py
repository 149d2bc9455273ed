"""Every code point of our own: the numbers that a standard would give.

REQUEST SYNCHRONIZATION was never standardized (docs/request-synchronization.md annex A), so its
numbers are experimental, and a laboratory may need others. A process has one set of them: what is
chosen is chosen before the rest of the toolkit, which builds its tables with them, is loaded.
"""

from dataclasses import dataclass, fields

from cardsync.errors import LocalError
from cardsync.toolkit.codes import CommandType, EventCode, GeneralResult


@dataclass(frozen=True, slots=True)
class CodePoints:
    """The numbers that a standard would give; `ValueError` says which one is somebody else's."""

    command: int = 0xF5
    """Type of command; F0 to FE are for proprietary use. TS 102 223 clause 9.4."""
    event: int = 0xF5
    """Event "synchronization status"."""
    temporary: int = 0x2E
    """General result "synchronization temporary problem"."""
    permanent: int = 0x3E
    """General result "synchronization error"."""
    tags: int = 0x7E00
    """The objects are this and their number, in the three-byte form."""
    profile_byte: int = 40
    """Byte of TERMINAL PROFILE, counted from 1."""

    def __post_init__(self) -> None:
        unassigned = {
            "command": frozenset(range(1, 0xFF)) - frozenset(CommandType),
            "event": frozenset(range(0x100)) - frozenset(EventCode),
            "temporary": frozenset(range(0x20, 0x30)) - frozenset(GeneralResult),
            "permanent": frozenset(range(0x30, 0x40)) - frozenset(GeneralResult),
            "tags": range(0x0100, 0x8000, 0x100),
            "profile_byte": range(40, 128),
        }
        for field in fields(self):
            number = getattr(self, field.name)
            if number not in unassigned[field.name]:
                raise ValueError(f"{field.name} {number:#x} is assigned or out of its range")


@dataclass(slots=True)
class _Choice:
    points: CodePoints
    used: bool = False


_CHOICE = _Choice(CodePoints())


def choose(points: CodePoints) -> None:
    """Take these for the whole process; `LocalError` if others were used already."""
    if _CHOICE.used and points != _CHOICE.points:
        raise LocalError("the code points are in use: they are chosen before the toolkit is loaded")
    _CHOICE.points = points


def in_use() -> CodePoints:
    """Give the code points of this process, which stay from now on."""
    _CHOICE.used = True
    return _CHOICE.points
