"""What a policy costs the card that runs it, beside the policy's own state, in the worst case.

Most of it is the orders of a day, on every rung of their ladders. The card keeps the session under
way, what it knows of terminals, its counters and a journal, each in places of its own
(docs/request-synchronization.md clause 14); a place is written once at most while an instruction
runs. What is counted is the worst terminal: each rung fails, at every attempt, each is answered
late, and the power is lost as often as is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cardsync.policy.program import Program
from cardsync.policy.values import (
    Action,
    DoBrowse,
    DoMenu,
    DoReport,
    DoSynchronize,
    DoTell,
    Request,
    Rung,
)

POWER_ON_COMMANDS = 12
"""Of an application at power-on: events, polls, up to seven questions, menu and two timers."""
BATTERY_QUESTIONS = 144
"""Every ten minutes, where a rule looks at the battery."""
MOST_STORED = 5
"""Attempts of a short message that terminal or network refused for now."""

_TAKEN = {Rung.BROWSER, Rung.BIP, Rung.SMS}  # the rungs that a card can take
_JOURNAL_PLACES = 16
_LINES = 4  # of the journal, for each session: given up, its result, a step down, a late answer
_COMMANDS = 6  # for each session: two timers, and a channel that is opened, used, closed twice


def commands_of(action: Action) -> int:
    """Give how many commands an action is; an order's own are those of its ladder."""
    match action:
        case DoTell() | DoBrowse() | DoMenu() | DoReport(Rung.SMS):
            return 1
        case DoSynchronize(_, ask):
            return int(ask is not None)
        case DoReport(Rung.BIP):
            return 3
    return 0


@dataclass(frozen=True, slots=True)
class _Order:
    """One order: `rungs` it can stand on, `attempts` in all, `sessions` that it may begin."""

    rungs: int
    attempts: int
    sessions: int

    @classmethod
    def of(cls, request: Request) -> "_Order":
        """Count an order of a request; the ladder is only gone down."""
        rungs = 1 + len(_TAKEN & set(request.fallback))
        tries = request.retry.attempts if request.retry else 1
        attempts = max(tries, MOST_STORED) if Rung.SMS in request.fallback else tries
        return cls(rungs, attempts, attempts - 1 + rungs)


def writes(program: Program, power_ons: int, reports: int) -> Mapping[str, int]:
    """Give the writes a day of each kind of place; `reports` are those that rules order."""
    orders = _orders(program)
    if not orders:
        return {"counters": reports, "journal": _in_turn(reports)}
    day = _orders_a_day(program)
    sessions = day * max(one.sessions for one in orders)
    return {
        "session": day * max(one.sessions + one.attempts for one in orders) + power_ons,
        # Tried, failed, answered late; a success of the native rung makes the failures older.
        "ladder": day * max(3 * one.rungs + one.attempts - 1 for one in orders),
        "counters": sessions + power_ons + reports,
        "journal": _in_turn(_LINES * sessions + 2 * power_ons + reports),
    }


def _orders_a_day(program: Program) -> int:
    """Give how many orders there are in a day, with the one that the day before has left."""
    return program.limits.synchronizations_per_day + 1


def _in_turn(lines: int) -> int:
    """Give the writes of a place of the journal; a line takes along what was mentioned before."""
    return -(-2 * lines // _JOURNAL_PLACES)


def commands(program: Program, power_ons: int) -> int:
    """Give the proactive commands a day that orders lead to."""
    orders = _orders(program)
    if not orders:
        return 0
    sessions = _orders_a_day(program) * max(one.sessions for one in orders)
    return _COMMANDS * (sessions + power_ons)


def _orders(program: Program) -> list[_Order]:
    """Give what each request costs that a rule orders."""
    ordered = {
        action.request
        for rule in program.rules
        for action in rule.actions
        if isinstance(action, DoSynchronize)
    }
    return [_Order.of(one) for one in program.requests if one.name in ordered]
