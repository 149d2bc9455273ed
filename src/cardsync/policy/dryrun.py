"""Two programs on the events of many cards: what each would have done, for whom, and why.

Silent: lines of a recording in, a report out. Both programs hear the same events; each has its
own timers, memory and successes, see `trial`.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from cardsync.policy.bound import session_kilobytes
from cardsync.policy.differences import differences, every, hears
from cardsync.policy.explain import explain_one, show_event
from cardsync.policy.facts import Event
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.recording import Line
from cardsync.policy.trial import ENDS, Clock, Knowledge, Run, Told, waits_until
from cardsync.policy.values import (
    DoReport,
    DoSynchronize,
    DoTell,
    EventKind,
    Rule,
    Rung,
)

_MINUTES_A_DAY = 1440


class Load(NamedTuple):
    """What was done: sessions, what they are assumed to cost, messages, what the user met."""

    synchronizations: int = 0
    kilobytes: int = 0
    sms: int = 0
    questions: int = 0
    texts: int = 0

    def plus(self, other: "Load", times: int = 1) -> "Load":
        """Add another so many times; -1 takes it away."""
        return Load(*[mine + times * its for mine, its in zip(self, other, strict=True)])


_NOTHING = Load()


@dataclass(slots=True)
class Cause:
    """Why the programs differ: what changed by it, how often, in which cards, and one example."""

    why: str
    example: str
    change: Load = _NOTHING
    events: int = 0
    cards: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ChangedCard:
    """A card that does something else, and where that began."""

    card: str
    old: Load
    new: Load
    minute: int
    why: str


@dataclass(frozen=True, slots=True)
class Side:
    """One program in all: its name, what it made all cards do, how often each rule fired."""

    name: str
    load: Load
    active: int
    """Cards that were synchronized at least once."""
    fired: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a dry run; `days` is how long the recording is, at least one."""

    events: int
    cards: int
    days: float
    assume_success: bool
    old: Side
    new: Side
    differences: tuple[str, ...]
    causes: tuple[Cause, ...]
    changed: tuple[ChangedCard, ...]


class DryRun:
    """Takes the lines of a recording one after the other; `finish` gives the report."""

    def __init__(self, old: Program, new: Program, *, assume_success: bool) -> None:
        self._old, self._new = _Tried(old, "old"), _Tried(new, "new")
        self._assume = assume_success
        self._heard = {EventKind.TIMER, *ENDS, *old.events, *new.events}
        self._clock = Clock()
        self._cards: dict[str, _Card] = {}
        self._causes: dict[object, Cause] = {}
        self.events = 0

    def hear(self, line: Line) -> None:
        """Take a line; raise `ConfigError` where its minute lies before the card's last one."""
        minute = self._clock.read(line)
        card = self._cards.get(line.card)
        if card is None:
            card = self._cards[line.card] = self._begin(line, minute)
        self.events += 1
        before = waits_until(line, minute)
        old, new = card.old.wait(before), card.new.wait(before)
        card.knowledge.learn(line, minute)
        if line.event.kind in self._heard or line.history:  # most lines only tell facts
            old, new = old + card.old.hear(line, minute), new + card.new.hear(line, minute)
        if old or new:
            self._weigh(card, old, new)

    def finish(self) -> Report:
        """Let every card go on to the last minute of the recording, and report."""
        last = self._clock.last
        for card in self._cards.values():
            self._weigh(card, card.old.wait(last), card.new.wait(last))
        cards = self._cards.values()
        changed = [self._changed(card, *card.first) for card in cards if card.first]
        return Report(
            self.events,
            len(self._cards),
            max(1.0, (last - self._clock.first) / _MINUTES_A_DAY),
            self._assume,
            self._old.side([card.done[0] for card in cards]),
            self._new.side([card.done[1] for card in cards]),
            tuple(differences(self._old.program, self._new.program)),
            tuple(sorted(self._causes.values(), key=lambda cause: -cause.events)),
            tuple(sorted(changed, key=lambda one: (-_distance(one), one.card))),
        )

    def _begin(self, line: Line, minute: int) -> "_Card":
        begun = self._clock.begun(line, minute)
        knowledge = Knowledge(begun)
        runs = [
            Run(tried.machine, knowledge, begun, assume_success=self._assume)
            for tried in (self._old, self._new)
        ]
        return _Card(line.card, knowledge, *runs)

    def _changed(self, card: "_Card", minute: int, cause: Cause) -> ChangedCard:
        """Tell what a card does otherwise."""
        loads = self._old.load(card.done[0]), self._new.load(card.done[1])
        return ChangedCard(card.name, *loads, minute, cause.why)

    def _weigh(self, card: "_Card", old: Told, new: Told) -> None:
        """Add up what was done, and look for the causes of what was not done alike."""
        before, after = self._old.weigh(old), self._new.weigh(new)
        if not before and not after:
            return
        for done, acts in zip(card.done, (before, after), strict=True):
            for act in acts:
                done[act.rule] = done.get(act.rule, 0) + 1
        left, right = [act.load for act in before], [act.load for act in after]
        if left == right:
            return
        gone, come = _unlike(before, after)
        for act in gone:
            self._differ(card, act, -1, self._old, self._new, new)
        for act in come:
            self._differ(card, act, +1, self._new, self._old, old)

    def _differ(
        self, card: "_Card", act: "_Act", sign: int, mine: "_Tried", other: "_Tried", told: Told
    ) -> None:
        """Find out why the other program did not do what this one did."""
        key, why, example = _why(act, mine, other, told)
        cause = self._causes.get((sign, key))
        if cause is None:
            head = f"only {mine.word}: {act.rule!r}; {other.word}: {why}"
            place = f"card {card.name}, minute {act.minute}, {show_event(act.event)}"
            cause = Cause(head, f"{place}: {other.word}: {example}")
            self._causes[sign, key] = cause
        cause.events += 1
        cause.change = cause.change.plus(act.load, sign)
        cause.cards.add(card.name)
        card.first = card.first or (act.minute, cause)


class _Act(NamedTuple):
    """What a rule did."""

    minute: int
    event: Event
    rule: str
    load: Load


_Done = dict[str, int]
"""How often which rules did something."""


class _Card:
    """A card under both programs; `first` is where they began to differ."""

    __slots__ = ("done", "first", "knowledge", "name", "new", "old")

    def __init__(self, name: str, knowledge: Knowledge, old: Run, new: Run) -> None:
        self.name, self.knowledge, self.old, self.new = name, knowledge, old, new
        self.done: tuple[_Done, _Done] = {}, {}
        self.first: tuple[int, Cause] | None = None


class _Tried:
    """One of the programs, what its rules do, and how often each fired."""

    def __init__(self, program: Program, word: str) -> None:
        self.program, self.word = program, word
        self.machine = Machine(program)
        self.rules = {rule.name: rule for rule in program.rules}
        self._loads = {name: _load(rule, program) for name, rule in self.rules.items()}
        self._fired = dict.fromkeys(self.rules, 0)

    def weigh(self, told: Told) -> list[_Act]:
        """Count the rules that fired; give those that did something."""
        acts = []
        for minute, outcome in told:
            for verdict in outcome.verdicts:
                if verdict.fired:
                    rule = verdict.rule
                    self._fired[rule] += 1
                    load = self._loads[rule]
                    if load is not _NOTHING:
                        acts.append(_Act(minute, outcome.event, rule, load))
        return acts

    def load(self, done: _Done) -> Load:
        """Give what these rules, so often, did."""
        total = _NOTHING
        for name, times in done.items():
            total = total.plus(self._loads[name], times)
        return total

    def side(self, cards: list[_Done]) -> Side:
        """Give what all cards did."""
        orders = {name for name, load in self._loads.items() if load.synchronizations}
        return Side(
            f"{self.program.name} {self.program.version}",
            self.load(self._fired),
            sum(not orders.isdisjoint(done) for done in cards),
            self._fired,
        )


def _load(rule: Rule, program: Program) -> Load:
    """Give what a rule does when it fires; the very `_NOTHING` where it does nothing outside."""
    requests = {request.name: request for request in program.requests}
    orders = [action for action in rule.actions if isinstance(action, DoSynchronize)]
    load = Load(
        len(orders),
        sum(session_kilobytes(requests[order.request]) for order in orders),
        rule.actions.count(DoReport(Rung.SMS)),
        sum(order.ask is not None for order in orders),
        sum(isinstance(action, DoTell) for action in rule.actions),
    )
    return load if any(load) else _NOTHING


def _unlike(before: list[_Act], after: list[_Act]) -> tuple[list[_Act], list[_Act]]:
    """Take away what both did: first of rules of the same name, then the same of any rule."""
    gone, come = list(before), list(after)
    for by_name in (True, False):
        for act in tuple(gone):
            for other in come:
                if act.load == other.load and (not by_name or act.rule == other.rule):
                    gone.remove(act)
                    come.remove(other)
                    break
    return gone, come


def _why(act: _Act, mine: _Tried, other: _Tried, told: Told) -> tuple[object, str, str]:
    """Give a key for all that have this cause, the cause, and how it was this time."""
    name = act.rule
    rule, theirs = mine.rules[name], other.rules.get(name)
    if theirs is None:
        return (name, 0), "there is no such rule", "there is no such rule"
    if act.event.kind in ENDS:
        why = "nothing more was synchronized"
        return (name, 1), why, why
    found = [reason for _, outcome in told for reason in outcome.reasons if reason.rule == name]
    for reason in found:
        if not reason.fired:
            listed = tuple(id(one.listed) for one in reason.comparisons)
            wanted = [f"not ({one.listed})" for one in reason.comparisons]
            return (
                (name, listed, reason.notes),
                "; ".join([*wanted, *reason.notes]),
                explain_one(reason),
            )
    if hears(rule) != hears(theirs):
        why = "it hears another event"
    elif every(mine.program, rule) != every(other.program, theirs):
        why = f"every {every(other.program, theirs)}, {mine.word} {every(mine.program, rule)}"
    elif any(reason.event == act.event for reason in found):
        why = "it does something else"
    elif rule.event is EventKind.TIMER:
        why = "it was not due then"
    else:
        why = "it was not concerned"
    return (name, why), why, f"{name}: {why}"


def _distance(changed: ChangedCard) -> int:
    return sum(abs(mine - its) for mine, its in zip(changed.old, changed.new, strict=True))
