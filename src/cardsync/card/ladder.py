"""The ladder: by which means a request goes where the terminal has no native command.

docs/request-synchronization.md, degraded mode (clause 14). Rung 0 is the native command; the
others are those of the request's `fallback`, in its order. What worked and what did not is kept
for each kind of terminal: the eight digits of its TAC, and its software as four octets of a hash of
its profile and, where it tells that, of the version in its IMEISV.

A bit of the profile is a claim. With it, a native command that failed is tried again when the
memory of it has expired; without it, it is tried once for a terminal and never again. An attempt
is written down before it is made: a terminal that falls over it, or is silent until its next
power-on, is found out then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from cardsync.card.memory import Memory
from cardsync.octets.reader import Reader
from cardsync.policy.values import Rung
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import Permanent

NATIVE = 0
"""The rung of REQUEST SYNCHRONIZATION itself; the others are those of `Rung`."""

OFFERED = frozenset({NATIVE, Rung.BROWSER, Rung.BIP, Rung.SMS})
"""The rungs that this card can take. A host's agent announces itself as native."""

MOST_SUCCESSES = 20
"""After so many successes of the terminal by other rungs a failure is forgotten."""
MOST_DAYS = 30
"""After so many days, where the terminal tells the time, a failure is forgotten."""

_CELL = "app:ladder"
_STEPS = "app:ladder steps"
_MOST_TERMINALS = 8
_KEY = 8  # octets: TAC and software
_UNKNOWN_DAY = 0


class Mark(IntEnum):
    """What is known of a rung in a terminal."""

    TRIED = 1
    WORKED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True)
class Terminal:
    """The kind of a terminal: eight digits, four octets; `claims` says that it has the bit."""

    tac: str
    software: bytes
    claims: bool

    @property
    def key(self) -> bytes:
        """Eight octets under which it is remembered."""
        return bytes.fromhex(self.tac) + self.software


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is known of a rung: since which day (0: unknown), for how many more successes."""

    mark: Mark
    left: int
    day: int


def climbs_down(result: Result) -> bool:
    """Say whether a result means "not with this terminal", and so the next rung (RS-39).

    Results 2X are temporary, 1X and 22 the user's, 32 and 36 are faults of ours that another
    rung would hide. Of the errors 3E one speaks of a source that the terminal does not have.
    """
    if result.general == so.CODE_POINTS.permanent:
        return result.additional[:1] == bytes([Permanent.SOURCE_UNKNOWN])
    return is_unsupported(result) or result.general == GeneralResult.BIP_ERROR


def is_unsupported(result: Result) -> bool:
    """Say whether a result is one of the terminal's kind, so that it is worth remembering.

    A channel that failed is not: a server that was away for an hour would cost every card its
    channel for a month.
    """
    return result.general in {
        GeneralResult.BEYOND_CAPABILITIES,
        GeneralResult.TYPE_NOT_UNDERSTOOD,
    }


class Ladder:
    """What is known of the terminals that the card was in, the last eight of them.

    `day` is the number of the day where the terminal has told the time, else 0.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def first(self, terminal: Terminal, fallback: Sequence[int], day: int = 0) -> int | None:
        """Give the rung to begin with: the first of which no failure is remembered.

        Where all failed before they are tried again, one for each decision of the policy: but
        not a native command that the terminal never claimed. None where nothing is left.
        """
        found = self.after(None, terminal, fallback, day)
        if found is not None:
            return found
        order = [rung for rung in _order(fallback) if rung != NATIVE or terminal.claims]
        return order[0] if order else None

    def after(
        self, rung: int | None, terminal: Terminal, fallback: Sequence[int], day: int = 0
    ) -> int | None:
        """Give the next rung behind `rung` in the order; None where there is none.

        The order is only gone down: none is tried twice for one decision (RS-40).
        """
        order = _order(fallback)
        behind = order[order.index(rung) + 1 :] if rung in order else order
        known = self._of(terminal)
        for one in behind:
            if not _rules_out(known.get(one), one, terminal, day):
                return one
        return None

    def mark_of(self, terminal: Terminal, rung: int) -> Mark | None:
        """Give what is remembered of a rung, expired or not."""
        found = self._of(terminal).get(rung)
        return found.mark if found else None

    def tried(self, terminal: Terminal, rung: int, day: int = 0) -> None:
        """Remember that a rung is being tried, unless more is known of it."""
        known = self._of(terminal)
        if rung not in known or known[rung].mark is Mark.FAILED:
            self._keep(terminal, known | {rung: _Memory(Mark.TRIED, MOST_SUCCESSES, day)})

    def worked(self, terminal: Terminal, rung: int, day: int = 0) -> None:
        """Remember that a rung worked; failures of others are a success older now."""
        older = {
            one: replace(found, left=max(0, found.left - 1)) if found.mark is Mark.FAILED else found
            for one, found in self._of(terminal).items()
        }
        self._keep(terminal, older | {rung: _Memory(Mark.WORKED, MOST_SUCCESSES, day)})

    def failed(self, terminal: Terminal, rung: int, day: int = 0) -> None:
        """Remember that a rung is not for this terminal."""
        known = self._of(terminal)
        self._keep(terminal, known | {rung: _Memory(Mark.FAILED, MOST_SUCCESSES, day)})

    def stepped(self, rung: int) -> None:
        """Remember a step down from a rung until a report has told it."""
        self._memory.write(_STEPS, bytes([self.steps | 1 << rung]))

    @property
    def steps(self) -> int:
        """The rungs that failed since the last report: bit n is rung n (RS-42)."""
        return int.from_bytes(self._memory.read(_STEPS), "big")

    def told(self) -> None:
        """Forget the steps: a report has told them."""
        self._memory.write(_STEPS, b"")

    def _of(self, terminal: Terminal) -> dict[int, _Memory]:
        return _decode(self._memory.read(_CELL)).get(terminal.key, {})

    def _keep(self, terminal: Terminal, known: dict[int, _Memory]) -> None:
        """Write what is known of a terminal; the one that was not heard of longest goes."""
        all_ = _decode(self._memory.read(_CELL))
        all_.pop(terminal.key, None)
        kept = list(all_.items())[1 - _MOST_TERMINALS :]
        self._memory.write(_CELL, _encode([*kept, (terminal.key, known)]))


def _order(fallback: Sequence[int]) -> list[int]:
    return [NATIVE, *[int(rung) for rung in fallback if rung in OFFERED]]


def _rules_out(found: _Memory | None, rung: int, terminal: Terminal, day: int) -> bool:
    """Say whether a failure is remembered and has not expired."""
    if found is None or found.mark is not Mark.FAILED:
        return False
    if rung == NATIVE and not terminal.claims:
        return True
    aged = _UNKNOWN_DAY not in {day, found.day} and day - found.day >= MOST_DAYS
    return found.left > 0 and not aged


def _encode(terminals: Sequence[tuple[bytes, dict[int, _Memory]]]) -> bytes:
    """Write each terminal: its key, number of rungs, for each rung four octets and the rung."""
    octets = b""
    for key, known in terminals:
        octets += key + bytes([len(known)])
        for rung, found in sorted(known.items()):
            octets += bytes([rung, found.mark, found.left]) + found.day.to_bytes(2, "big")
    return octets


def _decode(octets: bytes) -> dict[bytes, dict[int, _Memory]]:
    reader, found = Reader(octets), dict[bytes, dict[int, _Memory]]()
    while len(reader):
        known = found.setdefault(reader.octets(_KEY), {})
        for _ in range(reader.uint8()):
            rung = reader.uint8()
            known[rung] = _Memory(Mark(reader.uint8()), reader.uint8(), reader.uint16())
    return found
