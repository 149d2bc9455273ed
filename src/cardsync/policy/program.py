"""The program: what the compiler makes of a policy and what runs in the card.

Octets both ways, and verification before anything runs: a `Program` that exists is valid, its
code ends, its references are in range and its commands fit. docs/policy.md has the format.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Self, TypeVar

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader
from cardsync.policy import coding, opcodes, rule_coding, sizes
from cardsync.policy.facts import FACTS, LAST
from cardsync.policy.faults import ProgramRefused
from cardsync.policy.templates import is_line
from cardsync.policy.values import (
    LARGEST_NUMBER,
    LONGEST_DURATION,
    SHORTEST_PERIOD,
    DoSet,
    DoTimer,
    EventKind,
    Limits,
    Parameter,
    Request,
    Rule,
    Text,
    ValueType,
    Variable,
)

MAGIC = b"CP"
FORMAT = 1
LONGEST_PROGRAM = 4096
MOST_STEPS = 2000  # for one event
MOST_PARAMETERS = 16
MOST_VARIABLES = 32
MOST_MENU_ITEMS = 16  # what is hidden is a mask of 16 bits
MOST_TIMERS = 8
MOST_REQUESTS = 16
MOST_RULES = 64
LONGEST_TEXT = 200  # octets of a parameter


class Section(IntEnum):
    """The tags of a program's sections, in their order."""

    STRINGS = 1
    PARAMETERS = 2
    VARIABLES = 3
    TEXTS = 4
    MENU = 5
    TIMERS = 6
    REQUESTS = 7
    RULES = 8


@dataclass(frozen=True, slots=True)
class Program:
    """A policy ready to run; `literals` are the octet strings to which code refers."""

    name: str
    version: int
    parameters: tuple[Parameter, ...]
    variables: tuple[Variable, ...]
    limits: Limits
    menu: tuple[Text, ...]
    timers: tuple[str, ...]
    requests: tuple[Request, ...]
    rules: tuple[Rule, ...]
    literals: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        _verify(self)

    @property
    def menu_items(self) -> tuple[tuple[int, str], ...]:
        """Identifier and default text of every menu entry; identifiers begin with 1."""
        return tuple((number, item.default) for number, item in enumerate(self.menu, 1))

    @property
    def events(self) -> frozenset[EventKind]:
        """The kinds of events for which there is a rule."""
        return frozenset(rule.event for rule in self.rules)

    @property
    def facts(self) -> frozenset[str]:
        """The facts at which its code looks; `last.` is left out of their names."""
        codes = [rule.condition for rule in self.rules]
        codes += [a.code for rule in self.rules for a in rule.actions if isinstance(a, DoSet)]
        found = (one for code in codes for one in opcodes.instructions(code))
        return frozenset(
            FACTS[one.operand & ~LAST].name for one in found if one.op is opcodes.Op.FACT
        )

    def default_values(self) -> dict[str, int | str]:
        """Give the parameters' values as the policy has them."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def counts(self) -> opcodes.Counts:
        """Give the counts against which code is verified."""
        return opcodes.Counts(len(self.literals), len(self.variables), len(self.parameters))

    def misfits(self, values: Mapping[str, int | str]) -> Iterator[sizes.Misfit]:
        """Find the commands that do not fit 256 octets when the parameters have these values."""
        return sizes.misfits(self.name, self.menu, self.requests, self.rules, values)

    def digest(self) -> bytes:
        """Give the SHA-256 of the octets, by which the operator knows what a card runs."""
        return sha256(self.encode()).digest()

    def encode(self) -> bytes:
        """Give the octets; `ValueError` if a count does not fit one octet."""
        name, records = self._records()
        body = b"".join(_section(tag, records[tag]) for tag in Section)
        limits = bytes([self.limits.synchronizations_per_day, self.limits.sms_per_day])
        version = self.version.to_bytes(2, "big")
        tail = version + bytes([name]) + limits + bytes([len(self.literals)]) + body
        return MAGIC + bytes([FORMAT]) + (len(tail) + 5).to_bytes(2, "big") + tail

    def rule_octets(self) -> tuple[int, ...]:
        """Give the octets of each rule's record; its strings stand elsewhere."""
        return tuple(len(record) for record in self._records()[1][Section.RULES])

    def _records(self) -> tuple[int, Mapping[Section, Sequence[bytes]]]:
        """Give the number of the program's name, and the records of every section."""
        writer = coding.Writer(self.literals, [parameter.name for parameter in self.parameters])
        places = rule_coding.Places(self.variables, self.menu, self.timers, self.requests)
        name = writer.name(self.name)
        records: dict[Section, Sequence[bytes]] = {
            Section.PARAMETERS: [coding.write_parameter(one, writer) for one in self.parameters],
            Section.VARIABLES: [coding.write_variable(one, writer) for one in self.variables],
            Section.MENU: [bytes([writer.text(item)]) for item in self.menu],
            Section.TIMERS: [bytes([writer.name(timer)]) for timer in self.timers],
            Section.REQUESTS: [coding.write_request(one, writer) for one in self.requests],
            Section.RULES: [rule_coding.write_rule(one, writer, places) for one in self.rules],
        }
        records[Section.TEXTS] = [coding.write_text(text, writer) for text in writer.texts]
        records[Section.STRINGS] = [bytes([len(octets)]) + octets for octets in writer.strings]
        return name, records

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read and verify a program; raise `ProgramRefused` if it may not run in this card."""
        try:
            program = _read(cls, octets)
        except (ValueError, PeerError) as exc:
            raise ProgramRefused(f"program refused: {exc}") from exc
        if program.encode() != octets:
            raise ProgramRefused("program refused: it is not written in the one way it should be")
        return program


_P = TypeVar("_P", bound=Program)
_T = TypeVar("_T")


def _section(tag: Section, records: Sequence[bytes]) -> bytes:
    if len(records) > 0xFF:
        raise ValueError(f"{len(records)} records in the section of {tag.name.lower()}")
    body = bytes([len(records)]) + b"".join(records)
    return bytes([tag]) + len(body).to_bytes(2, "big") + body


def _read(cls: type[_P], octets: bytes) -> _P:
    reader = Reader(octets)
    head, form, length = reader.octets(2), reader.uint8(), reader.uint16()
    if (head, form) != (MAGIC, FORMAT):
        raise ValueError(f"this is no program of format {FORMAT}")
    if length != len(octets) or length > LONGEST_PROGRAM:
        raise ValueError(f"{len(octets)} octets, {length} announced, {LONGEST_PROGRAM} possible")
    version, name = reader.uint16(), reader.uint8()
    limits = Limits(reader.uint8(), reader.uint8())
    literals = reader.uint8()
    strings = coding.Strings(_records(reader, Section.STRINGS, lambda r: r.octets(r.uint8())))
    if literals > len(strings.strings):
        raise ValueError(f"{literals} literals, but {len(strings.strings)} strings")
    strings.parameters = _records(
        reader, Section.PARAMETERS, lambda r: coding.read_parameter(r, strings)
    )
    variables = _records(reader, Section.VARIABLES, lambda r: coding.read_variable(r, strings))
    strings.texts = _records(reader, Section.TEXTS, lambda r: coding.read_text(r, strings))
    menu = _records(reader, Section.MENU, lambda r: strings.text(r.uint8()))
    timers = _records(reader, Section.TIMERS, lambda r: strings.name(r.uint8()))
    requests = _records(reader, Section.REQUESTS, lambda r: coding.read_request(r, strings))
    places = rule_coding.Places(variables, menu, timers, requests)
    rules = _records(reader, Section.RULES, lambda r: rule_coding.read_rule(r, strings, places))
    reader.finish()
    return cls(
        strings.name(name),
        version,
        strings.parameters,
        variables,
        limits,
        menu,
        timers,
        requests,
        rules,
        tuple(strings.strings[:literals]),
    )


def _records(reader: Reader, tag: Section, read: Callable[[Reader], _T]) -> tuple[_T, ...]:
    """Read one section: its tag, its length, the count of its records, the records."""
    found = reader.uint8()
    if found != tag:
        raise ValueError(f"section {found:02X} stands where {tag.name.lower()} should be")
    body = reader.sub(reader.uint16())
    records = tuple(read(body) for _ in range(body.uint8()))
    body.finish()
    return records


def rule_steps(rule: Rule) -> int:
    """Give the machine steps of the longest run of a rule: itself, its code, its actions."""
    code = [action.code for action in rule.actions if isinstance(action, DoSet)]
    return 1 + len(rule.actions) + sum(opcodes.steps(octets) for octets in (rule.condition, *code))


def event_steps(program: Program, kind: EventKind) -> int:
    """Give the machine steps of the longest run of all rules of an event."""
    return sum(rule_steps(rule) for rule in program.rules if rule.event is kind)


def _verify(program: Program) -> None:
    """Raise `ValueError` unless the program may run."""
    _verify_counts(program)
    for names in (
        [parameter.name for parameter in program.parameters]
        + [variable.name for variable in program.variables],
        [item.default for item in program.menu],
        list(program.timers),
        [request.name for request in program.requests],
        [rule.name for rule in program.rules],
        list(program.literals),
    ):
        if len(set(names)) < len(names):
            raise ValueError("a name stands for two things")
    for parameter in program.parameters:
        check_value(program, parameter, parameter.default)
    for rule in program.rules:
        _verify_rule(program, rule)
    for kind in EventKind:
        if event_steps(program, kind) > MOST_STEPS:
            raise ValueError(f"{kind.name} may take more than {MOST_STEPS} steps")
    for misfit in program.misfits(program.default_values()):
        raise ValueError(f"{misfit.owner!r}: {misfit}")
    length = len(program.encode())
    if length > LONGEST_PROGRAM:
        raise ValueError(f"a program of {length} octets is longer than {LONGEST_PROGRAM}")


def _verify_counts(program: Program) -> None:
    counts = (
        ("parameters", program.parameters, MOST_PARAMETERS),
        ("variables", program.variables, MOST_VARIABLES),
        ("menu entries", program.menu, MOST_MENU_ITEMS),
        ("timers", program.timers, MOST_TIMERS),
        ("requests", program.requests, MOST_REQUESTS),
        ("rules", program.rules, MOST_RULES),
    )
    for what, found, most in counts:
        if len(found) > most:
            raise ValueError(f"{len(found)} {what} are more than {most}")
    if not program.rules:
        raise ValueError("there is no rule")


def check_value(program: Program, parameter: Parameter, value: int | str) -> None:
    """Raise `ValueError` unless a parameter may have this value."""
    if isinstance(value, str):
        if not 1 <= len(value.encode()) <= LONGEST_TEXT or not is_line(value):
            raise ValueError(f"{parameter.name} is not 1 to {LONGEST_TEXT} octets of text")
    elif value > (LARGEST_NUMBER if parameter.type is ValueType.NUMBER else LONGEST_DURATION):
        raise ValueError(f"{parameter.name} is {value}")
    elif value < SHORTEST_PERIOD and any(rule.every == parameter.name for rule in program.rules):
        raise ValueError(f"{parameter.name} is {value} min, less than {SHORTEST_PERIOD} min")


def _verify_rule(program: Program, rule: Rule) -> None:
    """Check a rule's code and its period; references were resolved by their names."""
    counts = program.counts()
    if rule.condition:
        opcodes.verify(rule.condition, counts)
    if isinstance(rule.every, int) and not SHORTEST_PERIOD <= rule.every <= LONGEST_DURATION:
        raise ValueError(f"rule {rule.name!r} has a period of {rule.every} min")
    for action in rule.actions:
        if isinstance(action, DoSet):
            opcodes.verify(action.code, counts)
        elif isinstance(action, DoTimer) and _is_longer(action.after, LONGEST_DURATION):
            raise ValueError(f"rule {rule.name!r} starts a timer of {action.after} min")


def _is_longer(period: int | str, longest: int) -> bool:
    return isinstance(period, int) and period > longest
