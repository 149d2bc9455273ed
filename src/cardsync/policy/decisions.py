"""What the machine decides, and why: the values that it hands to the application."""

from dataclasses import dataclass

from cardsync.policy.facts import Event
from cardsync.policy.listing import Comparison
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one event: what to do, what to remember, why, and how long it took."""

    decisions: tuple[Decision, ...]
    state: MachineState
    reasons: tuple[Reason, ...]
    steps: int
