"""The worst case of a program: octets, steps, memory, writes, short messages, kilobytes.

Everything is counted from the program's octets and from `EVENTS_A_DAY`, so a card or an operator
comes to the same figures. Steps are exact upper bounds: no run takes more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from cardsync.policy import card_bound, opcodes, sizes
from cardsync.policy.faults import Fault, PolicyError, Where
from cardsync.policy.program import (
    LONGEST_PROGRAM,
    MOST_STEPS,
    Program,
    event_steps,
    rule_steps,
)
from cardsync.policy.values import (
    MINUTES_A_DAY,
    Action,
    DoMenu,
    DoReport,
    DoSet,
    DoSynchronize,
    DoTimer,
    EventKind,
    Request,
    Rule,
    Rung,
    minutes_of,
)

WRITES = 100_000
"""Writes that one place of a card's non-volatile memory is good for."""

EVENTS_A_DAY = {
    EventKind.PROFILE_DOWNLOAD: 24,  # the terminal is switched on or reset every hour
    EventKind.POLL: 2880,  # STATUS every 30 seconds
    EventKind.MENU: 24,
    EventKind.MESSAGE: 24,
    EventKind.APPLICATION: 24,
    EventKind.LOCATION_STATUS: 480,  # a new cell or loss of service every three minutes
    EventKind.ACCESS_TECHNOLOGY_CHANGE: 240,
    EventKind.NETWORK_REJECTION: 96,
    EventKind.LANGUAGE_SELECTION: 4,
    EventKind.USER_ACTIVITY: 96,  # the terminal tells once each time it is asked to
    EventKind.IDLE_SCREEN: 96,
    EventKind.BROWSER_TERMINATION: 24,
    EventKind.DATA_AVAILABLE: 96,
    EventKind.CHANNEL_STATUS: 96,
    EventKind.DATA_CONNECTION_STATUS: 240,
    EventKind.IMS_REGISTRATION: 96,
}
"""How often an event is assumed in a day.

TIMER is not assumed: it follows from the periods and the day's end. SYNCHRONIZED and REFUSED come
at most once for each synchronization that the limits allow.
"""

WAKE_UPS = 6
"""TIMER events of a day at which nothing is due: a card that cannot ask for the time lets the
terminal wake it every four hours, so that a reset loses no more than that."""

KILOBYTES = {
    0x0001: 1,  # identity
    0x0002: 1,  # language
    0x0004: 1,  # sounds
    0x0008: 8,  # settings
    0x0010: 4,  # applications, by name
    0x0020: 2,  # their versions
    0x0040: 2,  # their sizes
    0x0080: 2,  # games
    0x0100: 1,  # network
    0x0200: 1,  # battery
}
"""What a category is assumed to cost when all of it is sent, both ways together."""

SESSION_KILOBYTES = 2
"""What a synchronization is assumed to cost before its first item."""

_CELL = 3  # octets: what it is, and 16 bits
_FRAME = 16  # octets: program counter, rule, event, steps, flags


@dataclass(frozen=True, slots=True)
class CardLimits:
    """What a card has for a policy: the compiler refuses what needs more."""

    octets: int = LONGEST_PROGRAM // 2
    steps: int = MOST_STEPS // 2
    ram: int = 1024
    writes_a_day: int = WRITES // (2 * 365)  # two years until a place is worn out
    kilobytes_a_day: int = 1024


@dataclass(frozen=True, slots=True)
class RuleBound:
    """The worst case of one rule; `octets` are those of its record, `ram` of its own stack."""

    rule: str
    octets: int
    steps: int
    ram: int
    writes: int
    sms: int
    kilobytes: int


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst case of a program: per event (`steps`, `ram`) and per day (the others).

    `places` are the kinds of places of the memory with the writes of each; `commands` are those
    for the terminal.
    """

    octets: int
    steps: int
    ram: int
    places: tuple[tuple[str, int], ...]
    sms: int
    kilobytes: int
    commands: int
    rules: tuple[RuleBound, ...]

    @property
    def writes(self) -> int:
        """Writes of the place that is written most."""
        return max(count for _, count in self.places)

    @property
    def worn(self) -> str:
        """The place that is written most."""
        return max(self.places, key=itemgetter(1))[0]

    @property
    def years(self) -> float:
        """Years until one place of the memory has been written `WRITES` times."""
        return WRITES / self.writes / 365

    def refuse_over(
        self, limits: CardLimits, whole: Where, places: Mapping[str, Where] | None = None
    ) -> None:
        """Raise `PolicyError` if this is more than a card has; it names the dearest rules.

        `places` are those of the rules by name, `whole` that of the policy.
        """
        worn = (
            f"writes a day of one place (the {self.worn}), which wear it out in "
            f"{self.years:.1f} years"
        )
        asked = (
            ("octets", self.octets, limits.octets, "octets"),
            ("steps", self.steps, limits.steps, "steps for one event"),
            ("ram", self.ram, limits.ram, "octets of RAM"),
            ("writes", self.writes, limits.writes_a_day, worn),
            ("kilobytes", self.kilobytes, limits.kilobytes_a_day, "kilobytes a day"),
        )
        faults = []
        for field, found, most, unit in asked:
            if found > most:
                dearest = max(self.rules, key=attrgetter(field))
                own = f"the dearest rule, {dearest.rule!r}, takes {getattr(dearest, field)}"
                where = (places or {}).get(dearest.rule, whole)
                faults.append(Fault(where, f"up to {found} {unit}; {own}", f"at most {most}"))
        if faults:
            raise PolicyError(faults)


def bound(program: Program) -> Bound:
    """Find the worst case of a program whose parameters have their own values."""
    rates = _Rates(program)
    rules = tuple(
        _rule_bound(program, rates, rule, octets)
        for rule, octets in zip(program.rules, program.rule_octets(), strict=True)
    )
    allowed = program.limits.synchronizations_per_day
    dearest = max((_kilobytes(request) for request in program.requests), default=0)
    return Bound(
        len(program.encode()),
        max(event_steps(program, kind) for kind in EventKind),
        _FRAME + _working_copy(program) + max(_menu(program), *(rule.ram for rule in rules)),
        (("state", rates.writes()), *_ladder_writes(program, rates).items()),
        min(program.limits.sms_per_day, sum(rule.sms for rule in rules)),
        min(allowed * dearest, sum(rule.kilobytes for rule in rules)),
        rates.commands(),
        rules,
    )


def table(found: Bound) -> Iterator[str]:
    """Write a bound as a table, a line for each rule and one for all."""
    head = ("rule", "octets", "steps", "RAM", "writes/day", "SMS/day", "KB/day")
    whole = RuleBound(
        "the whole program",
        found.octets,
        found.steps,
        found.ram,
        found.writes,
        found.sms,
        found.kilobytes,
    )
    names = max(len(rule.rule) for rule in (*found.rules, whole))
    yield f"{head[0]:{names}}" + "".join(f"  {title:>10}" for title in head[1:])
    for rule in (*found.rules, whole):
        figures = (rule.octets, rule.steps, rule.ram, rule.writes, rule.sms, rule.kilobytes)
        yield f"{rule.rule:{names}}" + "".join(f"  {figure:>10}" for figure in figures)
    yield f"{found.years:.1f} years until {WRITES} writes of one place, the {found.worn}"
    yield f"{found.commands} commands a day for the terminal at most"


class _Rates:
    """How often a day rules may fire, and the memory be written."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._values = program.default_values()

    def events(self, kind: EventKind) -> int:
        """How often an event other than TIMER comes."""
        return EVENTS_A_DAY.get(kind, self._program.limits.synchronizations_per_day)

    def fires(self, rule: Rule) -> int:
        """How often a rule may fire; one that orders or sends is held by the limits."""
        rate = self._tried(rule)
        if any(isinstance(action, DoSynchronize) for action in rule.actions):
            rate = min(rate, self._program.limits.synchronizations_per_day)
        if DoReport(Rung.SMS) in rule.actions:
            rate = min(rate, self._program.limits.sms_per_day)
        return rate

    def writes_of(self, rule: Rule) -> int:
        """How often a rule makes the memory be written; a timer is written each time it ends."""
        if rule.event is EventKind.TIMER:
            return self._tried(rule)
        return self.fires(rule) if any(map(_is_remembered, rule.actions)) else 0

    def writes(self) -> int:
        """How often the memory is written: once an event at most."""
        program = self._program
        total = self._counted()
        for kind in set(EventKind) - {EventKind.TIMER}:
            found = sum(self.writes_of(rule) for rule in program.rules if rule.event is kind)
            total += min(found, self.events(kind))
        if any(Rung.SMS in request.fallback for request in program.requests):
            total += program.limits.sms_per_day
        return total

    def commands(self) -> int:
        """How many commands the terminal is given: for what rules say, timers, and orders."""
        program = self._program
        power_ons = EVENTS_A_DAY[EventKind.PROFILE_DOWNLOAD]
        total = power_ons * card_bound.POWER_ON_COMMANDS + self._counted()
        for rule in program.rules:
            total += self.fires(rule) * sum(map(card_bound.commands_of, rule.actions))
        total += EVENTS_A_DAY[EventKind.MENU] + EVENTS_A_DAY[EventKind.LANGUAGE_SELECTION]
        total += card_bound.BATTERY_QUESTIONS if "battery" in program.facts else 0
        return total + card_bound.commands(program, power_ons)

    def reports(self) -> int:
        """How often rules make the card report."""
        return sum(
            self.fires(rule)
            for rule in self._program.rules
            if any(isinstance(action, DoReport) for action in rule.actions)
        )

    def _counted(self) -> int:
        """How often minutes are counted, which is written each time.

        When a day, a period or a timer ends, at power-on, before an event starts a timer, and
        when the terminal wakes the card for nothing else.
        """
        program = self._program
        total = 1 + WAKE_UPS + EVENTS_A_DAY[EventKind.PROFILE_DOWNLOAD]
        total += sum(self._ends(timer) for timer in program.timers)
        total += sum(self._tried(rule) for rule in program.rules if rule.every is not None)
        for kind in set(EventKind) - {EventKind.TIMER}:
            rules = [rule for rule in program.rules if rule.event is kind and _starts_timer(rule)]
            total += min(self.events(kind), sum(map(self.fires, rules)))
        return total

    def _tried(self, rule: Rule) -> int:
        if rule.every is not None:
            return _times_a_day(minutes_of(rule.every, self._values))
        if rule.event is EventKind.TIMER:
            return self._turns(str(rule.argument))
        return self.events(rule.event)

    def _starts(self, timer: str) -> Iterator[tuple[Rule, int]]:
        for rule in self._program.rules:
            for action in rule.actions:
                if isinstance(action, DoTimer) and action.timer == timer:
                    yield rule, minutes_of(action.after, self._values)

    def _turns(self, timer: str) -> int:
        """How often a timer could end if it were started again at once each time."""
        shortest = min((after for _, after in self._starts(timer) if after), default=0)
        return _times_a_day(shortest) if shortest else 0

    def _ends(self, timer: str) -> int:
        """How often a timer ends: not more often than it is started."""
        return min(self._turns(timer), sum(self.fires(rule) for rule, _ in self._starts(timer)))


def _ladder_writes(program: Program, rates: _Rates) -> Mapping[str, int]:
    power_ons = EVENTS_A_DAY[EventKind.PROFILE_DOWNLOAD]
    return card_bound.writes(program, power_ons, rates.reports())


def _times_a_day(period: int) -> int:
    return -(-MINUTES_A_DAY // max(1, period))


def _starts_timer(rule: Rule) -> bool:
    return any(isinstance(action, DoTimer) for action in rule.actions)


def _is_remembered(action: Action) -> bool:
    """Say whether an action changes the memory; a report does it by its counter."""
    reports = (DoReport(Rung.SMS), DoReport(Rung.BIP))
    return action in reports or isinstance(action, DoSynchronize | DoSet | DoTimer | DoMenu)


def _rule_bound(program: Program, rates: _Rates, rule: Rule, octets: int) -> RuleBound:
    requests = {request.name: request for request in program.requests}
    ordered = [
        requests[action.request] for action in rule.actions if isinstance(action, DoSynchronize)
    ]
    fires = rates.fires(rule)
    sms = rule.actions.count(DoReport(Rung.SMS)) * fires
    if any(Rung.SMS in request.fallback for request in ordered):
        sms = program.limits.sms_per_day
    return RuleBound(
        rule.name,
        octets,
        rule_steps(rule),
        _stack(program, rule) + _command(program, rule),
        rates.writes_of(rule),
        min(sms, program.limits.sms_per_day),
        fires * max((_kilobytes(request) for request in ordered), default=0),
    )


def _stack(program: Program, rule: Rule) -> int:
    counts = program.counts()
    codes = [action.code for action in rule.actions if isinstance(action, DoSet)]
    depths = [opcodes.verify(code, counts) for code in (rule.condition, *codes) if code]
    return _CELL * max(depths, default=0)


def _command(program: Program, rule: Rule) -> int:
    """Give the octets of the longest command that a rule makes the card build."""
    values = program.default_values()
    found = max(sizes.commands(rule, program.requests, values), default=0)
    shows = any(isinstance(action, DoMenu) for action in rule.actions)
    return max(found, _menu(program)) if shows else found


def _menu(program: Program) -> int:
    """Give the octets of the longest SET UP MENU, 0 for a policy without entries."""
    if not program.menu:
        return 0
    values = program.default_values()
    return max(map(sizes.total, sizes.menus(program.name, program.menu, values)))


def _working_copy(program: Program) -> int:
    """Give the octets of the memory's copy: the machine acts only after it was written."""
    counted = sum(rule.every is not None for rule in program.rules) + len(program.timers)
    return 2 * (len(program.variables) + counted) + 6


def session_kilobytes(request: Request) -> int:
    """Give what one session of a request is assumed to cost."""
    return SESSION_KILOBYTES + sum(
        cost for category, cost in KILOBYTES.items() if request.categories & category
    )


def _kilobytes(request: Request) -> int:
    """Give what a request may cost, all its attempts together."""
    return session_kilobytes(request) * (request.retry.attempts if request.retry else 1)
