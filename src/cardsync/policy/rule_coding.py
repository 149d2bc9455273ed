"""How rules and their actions become octets and again values. docs/policy.md has the tables."""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum

from cardsync.octets.reader import Reader
from cardsync.policy.coding import NOTHING, Strings, Writer
from cardsync.policy.values import (
    REPORT_MEANS,
    Action,
    DoBrowse,
    DoMenu,
    DoReport,
    DoSet,
    DoSynchronize,
    DoTell,
    DoTimer,
    EventKind,
    Request,
    Rule,
    Rung,
    Text,
    Variable,
)


class ActionTag(IntEnum):
    """The first octet of an action."""

    SYNCHRONIZE = 0x01
    TELL = 0x02
    REPORT = 0x03
    BROWSE = 0x04
    SET = 0x05
    TIMER = 0x06
    MENU = 0x07


class Places:
    """The names to which rules refer; their places in these tables go into the octets."""

    def __init__(
        self,
        variables: Iterable[Variable],
        menu: Iterable[Text],
        timers: Iterable[str],
        requests: Iterable[Request],
    ) -> None:
        self.variables = [variable.name for variable in variables]
        self.menu = [item.default for item in menu]
        self.timers = list(timers)
        self.requests = [request.name for request in requests]


_WITH_PLACE = {
    EventKind.MENU: "menu",
    EventKind.TIMER: "timers",
    EventKind.SYNCHRONIZED: "requests",
    EventKind.REFUSED: "requests",
}
_WITH_STRING = (EventKind.MESSAGE, EventKind.APPLICATION)
_ALWAYS = (EventKind.MENU, EventKind.MESSAGE, EventKind.APPLICATION)


def write_rule(rule: Rule, writer: Writer, places: Places) -> bytes:
    """Write a rule: name, event, argument, period, condition, actions."""
    octets = bytes([writer.name(rule.name), rule.event, _argument(rule, writer, places)])
    if rule.every is not None:
        octets += writer.minutes(rule.every)
    octets += bytes([len(rule.condition)]) + rule.condition + bytes([len(rule.actions)])
    return octets + b"".join(write_action(action, writer, places) for action in rule.actions)


def _argument(rule: Rule, writer: Writer, places: Places) -> int:
    if rule.argument is None:
        return NOTHING
    if isinstance(rule.argument, bytes):
        return writer.octets(rule.argument)
    if rule.event in _WITH_STRING:
        return writer.name(rule.argument)
    names: Sequence[str] = getattr(places, _WITH_PLACE[rule.event])
    return names.index(rule.argument)


def read_rule(reader: Reader, strings: Strings, places: Places) -> Rule:
    """Read what `write_rule` wrote."""
    name, event = strings.name(reader.uint8()), EventKind(reader.uint8())
    argument = _read_argument(reader.uint8(), event, strings, places)
    timed = event is EventKind.TIMER and argument is None
    every = strings.minutes(reader) if timed else None
    condition = reader.octets(reader.uint8())
    actions = tuple(read_action(reader, strings, places) for _ in range(reader.uint8()))
    return Rule(name, event, argument, every, condition, actions)


def _read_argument(
    number: int, event: EventKind, strings: Strings, places: Places
) -> str | bytes | None:
    if number == NOTHING and event not in _ALWAYS:
        return None
    if event is EventKind.APPLICATION:
        return strings.octets(number)
    if event is EventKind.MESSAGE:
        return strings.name(number)
    if event not in _WITH_PLACE:
        raise ValueError(f"the event {event.name} has no argument")
    names: Sequence[str] = getattr(places, _WITH_PLACE[event])
    return _place(names, number)


def _place(names: Sequence[str], number: int) -> str:
    if number >= len(names):
        raise ValueError(f"there is no {number} among {len(names)}")
    return names[number]


def write_action(action: Action, writer: Writer, places: Places) -> bytes:
    """Write an action: its tag and its operands."""
    tag, operands = _operands(action, writer, places)
    return bytes([tag, *operands])


def _operands(action: Action, writer: Writer, places: Places) -> tuple[ActionTag, Iterable[int]]:
    match action:
        case DoSynchronize(request, ask):
            text = NOTHING if ask is None else writer.text(ask)
            found = ActionTag.SYNCHRONIZE, [places.requests.index(request), text]
        case DoTell(text):
            found = ActionTag.TELL, [writer.text(text)]
        case DoReport(means):
            found = ActionTag.REPORT, [means]
        case DoBrowse(url):
            found = ActionTag.BROWSE, [writer.template(url)]
        case DoSet(variable, code):
            found = ActionTag.SET, [places.variables.index(variable), len(code), *code]
        case DoTimer(timer, after):
            found = ActionTag.TIMER, [places.timers.index(timer), *writer.minutes(after)]
        case DoMenu(item, shown):
            found = ActionTag.MENU, [places.menu.index(item), shown]
    return found


def read_action(reader: Reader, strings: Strings, places: Places) -> Action:
    """Read what `write_action` wrote."""
    readers: dict[ActionTag, Callable[[], Action]] = {
        ActionTag.SYNCHRONIZE: lambda: _read_synchronize(reader, strings, places),
        ActionTag.TELL: lambda: DoTell(strings.text(reader.uint8())),
        ActionTag.REPORT: lambda: _read_report(reader),
        ActionTag.BROWSE: lambda: DoBrowse(strings.template(reader.uint8())),
        ActionTag.SET: lambda: DoSet(
            _place(places.variables, reader.uint8()), reader.octets(reader.uint8())
        ),
        ActionTag.TIMER: lambda: DoTimer(
            _place(places.timers, reader.uint8()), strings.minutes(reader)
        ),
        ActionTag.MENU: lambda: DoMenu(_place(places.menu, reader.uint8()), bool(reader.uint8())),
    }
    return readers[ActionTag(reader.uint8())]()


def _read_synchronize(reader: Reader, strings: Strings, places: Places) -> DoSynchronize:
    request, ask = _place(places.requests, reader.uint8()), reader.uint8()
    return DoSynchronize(request, None if ask == NOTHING else strings.text(ask))


def _read_report(reader: Reader) -> DoReport:
    means = Rung(reader.uint8())
    if means not in REPORT_MEANS:
        raise ValueError(f"{means.name} cannot carry a report")
    return DoReport(means)
