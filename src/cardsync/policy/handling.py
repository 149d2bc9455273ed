"""One event in the machine, from its rules to its outcome. Used by `machine` alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cardsync.policy.decisions import (
    Browse,
    Decision,
    Outcome,
    Report,
    SetMenu,
    StartTimer,
    Synchronize,
    Tell,
    Verdict,
)
from cardsync.policy.facts import Event, Facts
from cardsync.policy.interpreter import Cell, Code, Run, prepare, run
from cardsync.policy.listing import Listed, comparisons
from cardsync.policy.program import Program
from cardsync.policy.sizes import resolve
from cardsync.policy.state import MachineState, with_item
from cardsync.policy.templates import fill, fill_address
from cardsync.policy.values import (
    Action,
    DoBrowse,
    DoMenu,
    DoReport,
    DoSet,
    DoSynchronize,
    DoTell,
    DoTimer,
    ResolvedRequest,
    Rule,
    Rung,
    Text,
    minutes_of,
)


@dataclass(frozen=True, slots=True)
class ReadyRule:
    """A rule made ready to run; `period` is its place among the periods of the state.

    `places` are those of the variables in the state.
    """

    rule: Rule
    condition: Code
    listed: Mapping[int, Listed]
    sets: Mapping[bytes, Code]
    places: Mapping[str, int]
    period: int | None
    synchronizes: bool
    sms: int


def ready_rule(rule: Rule, period: int | None, program: Program) -> ReadyRule:
    """Make a rule of a program ready."""
    codes = {action.code for action in rule.actions if isinstance(action, DoSet)}
    return ReadyRule(
        rule,
        prepare(rule.condition, program.literals),
        comparisons(rule.condition, program),
        {code: prepare(code, program.literals) for code in codes},
        {variable.name: place for place, variable in enumerate(program.variables)},
        period,
        any(isinstance(action, DoSynchronize) for action in rule.actions),
        sum(action == DoReport(Rung.SMS) for action in rule.actions),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """What follows from the parameters' values as they are now.

    `values` are by name, for texts, `cells` by place, for code; `requests` by name, resolved.
    """

    values: Mapping[str, int | str]
    cells: tuple[Cell, ...]
    requests: Mapping[str, ResolvedRequest]

    @classmethod
    def of(cls, program: Program, state: MachineState) -> Self:
        """Give the settings of a program's memory."""
        names = (name for name, _ in state.layout.parameters)
        values = dict(zip(names, state.parameters, strict=True))
        return cls(
            values,
            tuple(v.encode() if isinstance(v, str) else v for v in state.parameters),
            {request.name: resolve(request, values) for request in program.requests},
        )


class Handling:
    """What happens while one event is handled; the memory is a working copy."""

    __slots__ = (
        "_before", "_busy", "_decisions", "_event", "_facts", "_hidden", "_program", "_remaining",
        "_settings", "_sms", "_started", "_synchronizations", "_touched", "_variables",
        "_verdicts", "steps",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        state: MachineState,
        settings: Settings,
        event: Event,
        facts: Facts,
        *,
        busy: bool = False,
    ) -> None:
        self._busy = busy
        self._program, self._before = program, state
        self._event, self._facts = event, facts
        self._settings = settings
        self._variables, self._remaining = state.variables, state.remaining
        self._hidden = state.hidden
        self._synchronizations, self._sms = state.synchronizations, state.sms
        self._started = self._touched = False
        self._decisions: list[Decision] = []
        self._verdicts: list[Verdict] = []
        self.steps = 0

    def consider(self, ready: ReadyRule) -> None:
        """Try a rule: its condition, the card's limits, then its actions."""
        if ready.condition:
            found = self._run(ready.condition)
            if not found.value:
                verdict = Verdict(ready.rule.name, False, ready.listed, found.false)
                self._verdicts.append(verdict)
                return
        held = self._held_back(ready)
        if held:
            notes = [held]
        else:
            notes = [note for action in ready.rule.actions if (note := self._act(action, ready))]
        verdict = Verdict(ready.rule.name, not held, ready.listed, (), tuple(notes))
        self._verdicts.append(verdict)

    def outcome(self) -> Outcome:
        """Give what came of it; the state is the very same where no action touched it."""
        state = self._before
        if self._touched:
            state = MachineState(
                state.layout,
                state.parameters,
                state.changed,
                self._variables,
                state.elapsed,
                self._remaining,
                state.minutes,
                self._synchronizations,
                self._sms,
                self._hidden,
            )
        decisions, verdicts = tuple(self._decisions), tuple(self._verdicts)
        return Outcome(decisions, state, self.steps, self._event, verdicts)

    def _run(self, code: Code) -> Run:
        found = run(code, self._facts, self._variables, self._settings.cells)
        self.steps += found.steps
        return found

    def _held_back(self, ready: ReadyRule) -> str:
        """Say what forbids a rule to fire, or nothing: then all of it may be done."""
        limits = self._program.limits
        if ready.synchronizes and self._busy:
            return "held back: a synchronization is under way"
        if ready.synchronizes and self._started:
            return "held back: this event has started a synchronization already"
        if ready.synchronizes and self._synchronizations >= limits.synchronizations_per_day:
            return f"held back: synchronizations_per_day is {limits.synchronizations_per_day}"
        if ready.sms and self._sms + ready.sms > limits.sms_per_day:
            return f"held back: sms_per_day is {limits.sms_per_day}"
        return ""

    def _act(self, action: Action, ready: ReadyRule) -> str:
        """Do one action; give a note where it could not be done."""
        self.steps += 1
        match action:
            case DoSynchronize():
                self._synchronize(action)
            case DoTell(text):
                self._decisions.append(Tell(self._say(text)))
            case DoReport(means):
                self._sms += means is Rung.SMS
                self._touched |= means is Rung.SMS
                self._decisions.append(Report(means))
            case DoBrowse(url):
                self._decisions.append(Browse(fill_address(url, self._settings.values)))
            case DoSet(variable, code):
                return self._set(variable, ready, code)
            case DoTimer(timer, after):
                self._timer(timer, after)
            case DoMenu(item, shown):
                self._menu(item, shown=shown)
        return ""

    def _synchronize(self, action: DoSynchronize) -> None:
        ask = None if action.ask is None else self._say(action.ask)
        self._decisions.append(Synchronize(self._settings.requests[action.request], ask))
        self._synchronizations += 1
        self._started = self._touched = True

    def _set(self, variable: str, ready: ReadyRule, code: bytes) -> str:
        value = self._run(ready.sets[code]).value
        if not isinstance(value, int):
            return f"{variable} was not set: its value is unknown"
        place = ready.places[variable]
        self._touched |= self._variables[place] != value
        self._variables = with_item(self._variables, place, value)
        return ""

    def _timer(self, timer: str, after: int | str) -> None:
        minutes = minutes_of(after, self._settings.values)
        place = self._program.timers.index(timer)
        self._touched |= self._remaining[place] != minutes
        self._remaining = with_item(self._remaining, place, minutes)
        self._decisions.append(StartTimer(timer, minutes))

    def _menu(self, item: str, *, shown: bool) -> None:
        names = [text.default for text in self._program.menu]
        bit = 1 << names.index(item)
        hidden = self._hidden & ~bit if shown else self._hidden | bit
        self._touched |= hidden != self._hidden
        self._hidden = hidden
        items = visible_menu(self._program, hidden, self._language(), self._settings.values)
        self._decisions.append(SetMenu(items))

    def _language(self) -> str:
        language = self._facts.get("language")
        return language.decode("ascii", "replace") if isinstance(language, bytes) else ""

    def _say(self, text: Text) -> str:
        return fill(text.in_language(self._language()), self._settings.values)


def visible_menu(
    program: Program, hidden: int, language: str, values: Mapping[str, int | str]
) -> tuple[tuple[int, str], ...]:
    """Give identifiers and texts of the entries that are not hidden."""
    return tuple(
        (number + 1, fill(item.in_language(language), values))
        for number, item in enumerate(program.menu)
        if not hidden >> number & 1
    )
