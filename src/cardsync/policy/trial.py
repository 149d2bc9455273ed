"""A program tried on what cards heard: the machine of each card, its clock and its memory.

What was recorded says when events came. Timers are the program's own, so they are not taken from
the recording but counted here, minute by minute, as the card counts them. What a card knows of
its last success follows from the trial too: another program would have synchronized at other
times. Several programs can be tried on one card; what the terminal told it is the same for all.
"""

from cardsync.errors import ConfigError
from cardsync.policy.decisions import Outcome, StartTimer, Synchronize
from cardsync.policy.facts import FACTS, LAST, Event
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.recording import Change, Line
from cardsync.policy.values import LARGEST_NUMBER, EventKind

Told = list[tuple[int, Outcome]]
"""What became of the events of one line: the minute of each, and its outcome."""

_REMEMBERED = {
    name: fact.name
    for fact in FACTS.values()
    if not fact.number & LAST and fact.number | LAST in FACTS
    for name in [FACTS[fact.number | LAST].name]
}
_CONNECTED, _SINCE, _STATUS = "connected_time", "since_last.synchronization", "network.status"
_SUCCESS: dict[str, int | bytes] = {
    "result.ok": 1,
    "result.general": 0,
    "result.additional": 0,
    "result.native": 200,
}
ENDS = (EventKind.SYNCHRONIZED, EventKind.REFUSED)
_NONE: Told = []


class Knowledge:
    """What the terminal has told a card, from the minute of its first line on."""

    __slots__ = ("_connected", "facts")

    def __init__(self, minute: int) -> None:
        self.facts: dict[str, int | bytes] = {}
        self._connected: int | None = minute  # since when there is service

    def learn(self, line: Line, minute: int) -> None:
        """Take what a line says is so now."""
        if line.event.kind is EventKind.PROFILE_DOWNLOAD and self._connected is not None:
            self._connected = minute
        changes = line.facts
        if not changes:
            return
        _change(self.facts, changes)
        if _STATUS in changes:
            if changes[_STATUS]:
                self._connected = None
            elif self._connected is None:
                self._connected = minute
        if _CONNECTED in changes:
            connected = changes[_CONNECTED]
            self._connected = minute - connected if isinstance(connected, int) else None

    def at(self, minute: int) -> dict[str, int | bytes]:
        """Give the facts as they are at a minute."""
        connected = 0 if self._connected is None else _cut(minute - self._connected)
        self.facts[_CONNECTED] = connected
        return self.facts


class Run:
    """One card under one program; what the card knows comes from its `Knowledge`.

    With `assume_success` every synchronization succeeds in the minute in which it was ordered;
    else lines tell how it went.
    """

    __slots__ = ("_assume", "_counted", "_due", "_has_succeeded", "_kinds", "_knowledge", "_last",
                 "_machine", "_success")  # fmt: skip

    def __init__(
        self, machine: Machine, knowledge: Knowledge, minute: int, *, assume_success: bool
    ) -> None:
        self._machine = machine
        self._knowledge = knowledge
        self._kinds = machine.program.events
        self._assume = assume_success
        self._counted = minute
        self._due = minute + machine.next_timer_minutes(machine.state)
        self._last: dict[str, int | bytes] = {_SINCE: LARGEST_NUMBER}
        self._success: int | None = None
        self._has_succeeded = False  # within the trial

    def wait(self, minute: int) -> Told:
        """Let the timers run out that are due up to a minute."""
        if self._due > minute:
            return _NONE
        told: Told = []
        while self._due <= minute:
            told += self._elapse(self._due)
        return told

    def hear(self, line: Line, minute: int) -> Told:
        """Decide about a line that the card has learnt, up to which it has waited."""
        _, _, event, _, history, results = line
        kind = event.kind
        if history and not self._has_succeeded:
            self._remember(history, minute)
        if kind is EventKind.TIMER:
            return self._elapse(minute) if self._counted < minute else _NONE
        if kind in ENDS:
            if self._assume:
                return _NONE
            if kind is EventKind.SYNCHRONIZED and results.get("result.ok"):
                self._succeed(minute)
        return self._decide(event, minute, results) if kind in self._kinds else _NONE

    def _remember(self, history: dict[str, Change], minute: int) -> None:
        """Take what the card knew of a success before the recording began."""
        _change(self._last, history)
        if _SINCE in history:
            since = history[_SINCE]
            self._success = minute - since if isinstance(since, int) else None

    def _elapse(self, minute: int) -> Told:
        """Count the minutes up to now."""
        gone, self._counted = minute - self._counted, minute
        told = self._decide(Event(EventKind.TIMER, gone), minute, {})
        self._due = minute + self._machine.next_timer_minutes(self._machine.state)
        return told

    def _decide(self, event: Event, minute: int, results: dict[str, int | bytes]) -> Told:
        if self._success is not None:
            self._last[_SINCE] = _cut(minute - self._success)
        facts = self._knowledge.at(minute) | self._last
        facts.update(results)
        machine = self._machine
        outcome = machine.handle(event, facts)
        if outcome.decisions:
            return self._act(event, minute, results, outcome)
        if outcome.state is not machine.state:
            self._machine = machine.at(outcome.state)
        return [(minute, outcome)]

    def _act(
        self, event: Event, minute: int, results: dict[str, int | bytes], outcome: Outcome
    ) -> Told:
        """Keep what was decided; minutes that belong to other timers are counted before."""
        starts = any(isinstance(one, StartTimer) for one in outcome.decisions)
        if starts and self._counted < minute:
            return self._elapse(minute) + self._decide(event, minute, results)
        self._machine = self._machine.at(outcome.state)
        if starts:
            self._due = minute + self._machine.next_timer_minutes(outcome.state)
        told = [(minute, outcome)]
        if self._assume:
            for decision in outcome.decisions:
                if isinstance(decision, Synchronize):
                    self._succeed(minute)
                    done = Event(EventKind.SYNCHRONIZED, decision.request.name)
                    told += self._decide(done, minute, _SUCCESS)
        return told

    def _succeed(self, minute: int) -> None:
        """Remember what is true now as what was true at the last success."""
        self._success, self._has_succeeded = minute, True
        facts = self._knowledge.facts
        self._last = {last: facts[name] for last, name in _REMEMBERED.items() if name in facts}


def _cut(minutes: int) -> int:
    return min(minutes, LARGEST_NUMBER)


def _change(facts: dict[str, int | bytes], changes: dict[str, Change]) -> None:
    for name, value in changes.items():
        if value is None:
            facts.pop(name, None)
        else:
            facts[name] = value


def waits_until(line: Line, minute: int) -> int:
    """Give the minute up to which timers run before a line is learnt.

    What the line of a timer says is already true when the timer runs out.
    """
    return minute - 1 if line.event.kind is EventKind.TIMER else minute


class Clock:
    """The minutes of the cards of a recording, each of which only goes on."""

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}
        self.first = self.last = 0

    def read(self, line: Line) -> int:
        """Read the minute of a line; raise `ConfigError` where it lies before the one before.

        A line that does not say is of the same minute as the card's line before; a timer's
        argument are the minutes since then.
        """
        before = self._minutes.get(line.card)
        minute = line.minute
        if minute is None:
            minute = (before or 0) + _gone(line)
        elif before is not None and minute < before:
            raise ConfigError(f"minute: {minute} is before {before}, the card's line before")
        if not self._minutes:
            self.first = minute
        self._minutes[line.card] = minute
        if minute > self.last:
            self.last = minute
        elif minute < self.first:
            self.first = minute
        return minute

    @staticmethod
    def begun(line: Line, minute: int) -> int:
        """Give the minute at which a card began whose first line is this one.

        The minutes that a timer tells lie before it.
        """
        return max(0, minute - _gone(line))


def _gone(line: Line) -> int:
    """Give the minutes that a timer's line tells, else 0."""
    gone = line.event.argument if line.event.kind is EventKind.TIMER else 0
    return gone if isinstance(gone, int) else 0


class Trial:
    """One program on the lines of many cards; used to explain what it decides."""

    def __init__(self, program: Program, *, assume_success: bool) -> None:
        self._machine = Machine(program)
        self._assume = assume_success
        self._cards: dict[str, tuple[Knowledge, Run]] = {}
        self._clock = Clock()
        self.minute = 0  # of the last line

    def hear(self, line: Line) -> Told:
        """Give what became of a line and of the timers before it."""
        minute = self.minute = self._clock.read(line)
        if line.card not in self._cards:
            begun = self._clock.begun(line, minute)
            knowledge = Knowledge(begun)
            run = Run(self._machine, knowledge, begun, assume_success=self._assume)
            self._cards[line.card] = knowledge, run
        knowledge, run = self._cards[line.card]
        told = run.wait(waits_until(line, minute))
        knowledge.learn(line, minute)
        return told + run.hear(line, minute)
