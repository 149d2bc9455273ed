"""The policy machine: one event in, decisions out, at most so many steps.

Silent: time reaches it as minutes counted by the card, facts as arguments, and what it is to
remember goes out as a new state, which the card writes before it acts. The same machine runs in
the card and in the operator's dry run.
"""

from collections.abc import Mapping
from dataclasses import replace

from cardsync.errors import LocalError
from cardsync.policy.decisions import Outcome
from cardsync.policy.facts import Event, Facts
from cardsync.policy.faults import LimitReached, ProgramRefused
from cardsync.policy.handling import (
    Handling,
    ReadyRule,
    Settings,
    ready_rule,
    visible_menu,
)
from cardsync.policy.program import Program
from cardsync.policy.quantities import minutes
from cardsync.policy.state import Layout, MachineState
from cardsync.policy.values import LARGEST_NUMBER, MINUTES_A_DAY, EventKind, ValueType, minutes_of

Due = str | bytes | frozenset[str | int] | None
"""What is due at an event: its argument, or for TIMER places of periods and timers' names."""


class Machine:
    """A program with its memory; it is never changed, `at` gives one with another memory."""

    __slots__ = ("_ready", "_settings", "program", "state")

    def __init__(self, program: Program, state: MachineState | None = None) -> None:
        self.program = program
        self._ready = _ready(program)
        self.state = MachineState.initial(program) if state is None else state
        if self.state.layout != Layout.of(program):
            raise LocalError("this state belongs to another program; carry it over first")
        self._settings = Settings.of(program, self.state)

    def at(self, state: MachineState) -> "Machine":
        """Give the machine of the same program with this memory, which is one of its own."""
        other = object.__new__(Machine)
        other.program, other._ready, other.state = self.program, self._ready, state
        other._settings = self._settings_of(state)
        return other

    def _settings_of(self, state: MachineState) -> Settings:
        same = state.parameters is self.state.parameters
        return self._settings if same else Settings.of(self.program, state)

    def handle(self, event: Event, facts: Facts, *, busy: bool = False) -> Outcome:
        """Try the rules of this event in their order.

        `busy` says that a synchronization is under way: no rule begins another. The machine
        stays as it was; `LocalError` if the event's argument is not of its kind.
        """
        state = self.state
        due: Due = _argument(event)
        if event.kind is EventKind.TIMER:
            state, due = self._count(event)
        elif event.kind is EventKind.MENU:
            due = self._entry(event)
        rules = self._ready.get(event.kind)
        if rules is None:
            return Outcome((), state, 0, event)
        handling = Handling(self.program, state, self._settings, event, facts, busy=busy)
        for ready in rules:
            handling.steps += 1
            if _is_due(ready, due):
                handling.consider(ready)
        return handling.outcome()

    def listens(self, event: Event) -> bool:
        """Say whether a rule is for this event and its argument; not for TIMER and MENU."""
        due = _argument(event)
        return any(_is_due(ready, due) for ready in self._ready.get(event.kind, ()))

    def next_timer_minutes(self, state: MachineState) -> int:
        """Give the minutes, 1 to 1440, after which a TIMER event is wanted at the latest.

        A day's end is wanted even without timers: the counters of the day begin anew.
        """
        values = self._settings_of(state).values
        wanted = [MINUTES_A_DAY - state.minutes]
        wanted += [minutes for minutes in state.remaining if minutes]
        for ready in self._ready.get(EventKind.TIMER, ()):
            if ready.period is not None and ready.rule.every is not None:
                period = minutes_of(ready.rule.every, values)
                wanted.append(period - state.elapsed[ready.period])
        return max(1, min(wanted))

    def menu(self, language: str = "") -> tuple[tuple[int, str], ...]:
        """Give identifiers and texts of the menu as it is now, in this language."""
        return visible_menu(self.program, self.state.hidden, language, self._settings.values)

    def with_parameter(self, name: str, value: str | bytes) -> MachineState:
        """Change a parameter over the air; its value comes as text (UTF-8).

        A duration is written as in a policy, `12 h`. `ProgramRefused` if there is no such
        parameter, the value is not of its type, or a command would not fit any more.
        """
        kind = dict(self.state.layout.parameters).get(name)
        if kind is None:
            raise ProgramRefused(f"parameter refused: there is no {name!r}")
        try:
            text = value.decode() if isinstance(value, bytes) else value
            return self.state.with_value(self.program, name, _typed(kind, text))
        except ValueError as exc:
            raise ProgramRefused(f"parameter refused: {exc}") from exc

    @property
    def sms_left(self) -> int:
        """How many short messages may still be sent today."""
        return max(0, self.program.limits.sms_per_day - self.state.sms)

    def with_sms(self, count: int = 1) -> MachineState:
        """Count short messages that the application is about to send for a fallback.

        `LimitReached` if the policy's `sms_per_day` forbids them.
        """
        if count > self.sms_left:
            raise LimitReached(f"sms_per_day is {self.program.limits.sms_per_day}")
        return replace(self.state, sms=self.state.sms + count)

    def _count(self, event: Event) -> tuple[MachineState, frozenset[str | int]]:
        """Count the minutes that have gone by; give what is due: places and timers' names."""
        gone = event.argument
        if not isinstance(gone, int) or gone < 0:
            raise LocalError(f"{gone!r} are no elapsed minutes")
        state, due = self.state, set[str | int]()
        values = self._settings.values
        elapsed = [min(minutes + gone, LARGEST_NUMBER) for minutes in state.elapsed]
        for ready in self._ready.get(EventKind.TIMER, ()):
            every, place = ready.rule.every, ready.period
            if place is None or every is None:
                continue
            if elapsed[place] >= minutes_of(every, values):
                elapsed[place] = 0
                due.add(place)
        remaining = [max(0, minutes - gone) for minutes in state.remaining]
        for name, before, after in zip(
            self.program.timers, state.remaining, remaining, strict=True
        ):
            if before and not after:
                due.add(name)
        return _later(state, gone, tuple(elapsed), tuple(remaining)), frozenset(due)

    def _entry(self, event: Event) -> str | None:
        """Give the default text of the menu entry that was chosen, None if it is not shown."""
        for number, item in enumerate(self.program.menu):
            chosen = event.argument == number + 1 or event.argument in item.all
            if chosen and not self.state.hidden >> number & 1:
                return item.default
        return None


def _ready(program: Program) -> Mapping[EventKind, tuple[ReadyRule, ...]]:
    """Make the rules ready, by event; periods are counted in the order of the rules."""
    ready: dict[EventKind, tuple[ReadyRule, ...]] = {}
    periods = 0
    for rule in program.rules:
        place = periods if rule.every is not None else None
        periods += rule.every is not None
        ready[rule.event] = (*ready.get(rule.event, ()), ready_rule(rule, place, program))
    return ready


def _is_due(ready: ReadyRule, due: Due) -> bool:
    """Say whether a rule listens to this event with its argument."""
    if isinstance(due, frozenset):
        return (ready.rule.argument if ready.period is None else ready.period) in due
    return ready.rule.argument is None or ready.rule.argument == due


def _argument(event: Event) -> str | bytes | None:
    """Give the argument as rules have it: a name, or the octets of an AID."""
    argument = event.argument
    if event.kind is EventKind.APPLICATION and isinstance(argument, str):
        return bytes.fromhex(argument)
    if event.kind is not EventKind.APPLICATION and isinstance(argument, bytes):
        return argument.decode("utf-8", "replace")
    return None if isinstance(argument, int) else argument


def _later(
    state: MachineState, gone: int, elapsed: tuple[int, ...], remaining: tuple[int, ...]
) -> MachineState:
    """Let minutes go by; at the end of a day its counters begin anew."""
    day, minutes_of_day = divmod(state.minutes + gone, MINUTES_A_DAY)
    return MachineState(
        state.layout,
        state.parameters,
        state.changed,
        state.variables,
        elapsed,
        remaining,
        minutes_of_day,
        0 if day else state.synchronizations,
        0 if day else state.sms,
        state.hidden,
    )


def _typed(kind: ValueType, text: str) -> int | str:
    """Read a parameter's value; `ValueError` if it is not of its type."""
    if kind is ValueType.TEXT:
        return text
    if kind is ValueType.DURATION:
        return minutes(text)
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise ValueError(f"{text!r} is no number")
    return int(text)
