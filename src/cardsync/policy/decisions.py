"""What the machine decides, and why: the values that it hands to the application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cardsync.policy.facts import Event
from cardsync.policy.interpreter import Cell
from cardsync.policy.listing import Comparison, Listed
from cardsync.policy.state import MachineState
from cardsync.policy.values import ResolvedRequest, Rung


@dataclass(frozen=True, slots=True)
class Synchronize:
    """Order this synchronization; where `ask` is a text, only if the user agrees to it."""

    request: ResolvedRequest
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """Show the user a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """Speak to the operator by BIP, SMS or USSD; one short message is already counted."""

    means: Rung


@dataclass(frozen=True, slots=True)
class Browse:
    """Open an address in the terminal's browser."""

    url: str


@dataclass(frozen=True, slots=True)
class StartTimer:
    """A named timer was started, or stopped with 0 minutes; ask for the next timer again."""

    name: str
    minutes: int


@dataclass(frozen=True, slots=True)
class SetMenu:
    """The menu is now this: identifiers and texts in the terminal's language."""

    items: tuple[tuple[int, str], ...]


Decision = Synchronize | Tell | Report | Browse | StartTimer | SetMenu


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule fired or did not.

    `comparisons` are those found false where its condition did not hold; `notes` say what else
    kept it, or an action of it, from being done.
    """

    event: Event
    rule: str
    fired: bool
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()


class Verdict(NamedTuple):
    """What became of one rule: a `Reason` that is not yet put in words.

    `false` are the comparisons found false, by their places in `listed`, with their sides.
    """

    rule: str
    fired: bool
    listed: Mapping[int, Listed]
    false: tuple[tuple[int, Cell, Cell], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one event: what to do, what to remember, how long it took, and why."""

    decisions: tuple[Decision, ...]
    state: MachineState
    steps: int
    event: Event
    verdicts: tuple[Verdict, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why each rule that the event concerned fired or did not."""
        return tuple([self._reason(verdict) for verdict in self.verdicts])

    def _reason(self, verdict: Verdict) -> Reason:
        false = [Comparison(verdict.listed[place], *sides) for place, *sides in verdict.false]
        return Reason(self.event, verdict.rule, verdict.fired, tuple(false), verdict.notes)
