"""What is wrong with a policy, and where: file, line, column, key, and what was expected."""

from collections.abc import Iterable
from dataclasses import dataclass

from cardsync.errors import ConfigError, LocalError, PeerError
from cardsync.octets.apdu import SW


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a policy: `line` and `column` count characters from 1, `key` is a dotted key.

    An entry of an array of tables has its number in brackets, the first being `rules[1]`.
    """

    filename: str
    line: int
    column: int
    key: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; `expected` is empty where `what` says all."""

    where: Where
    what: str
    expected: str = ""

    def __str__(self) -> str:
        place = self.where
        key = f"{place.key}: " if place.key else ""
        end = f"; expected {self.expected}" if self.expected else ""
        return f"{place.filename}:{place.line}:{place.column}: {key}{self.what}{end}"


class PolicyError(ConfigError):
    """A policy cannot be used; `faults` are all that was found, in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        ordered = sorted(faults, key=lambda fault: (fault.where.line, fault.where.column))
        super().__init__("\n".join(str(fault) for fault in ordered))
        self.faults = tuple(ordered)


class ProgramRefused(PeerError):
    """Octets that should be a program, its state or a parameter are not usable in this card.

    The answer owed is the status word `6A80`, incorrect parameters in the data field
    (GlobalPlatform 2.3 clause 11.1.3).
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, answer=SW.INCORRECT_DATA)


class LimitReached(LocalError):
    """The card's own daily limit forbids what was asked; nothing was sent."""
