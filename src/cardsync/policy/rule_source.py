"""Reading `[[rules]]`: what happens, when it counts, and what is then done."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cardsync.policy.expressions import (
    Expression,
    Literal,
    Name,
    Truth,
    Wrong,
    condition,
    value_of_type,
)
from cardsync.policy.faults import Where
from cardsync.policy.quantities import looks_like_duration, minutes
from cardsync.policy.request_source import check_template
from cardsync.policy.tables import Table, one_of, perhaps
from cardsync.policy.values import (
    LARGEST_NUMBER,
    LONGEST_DURATION,
    REPORT_MEANS,
    SHORTEST_PERIOD,
    DoBrowse,
    DoMenu,
    DoReport,
    DoSynchronize,
    DoTell,
    DoTimer,
    EventKind,
    Parameter,
    Rung,
    Text,
    ValueType,
    Variable,
)

_E = TypeVar("_E")

_KEYS = ("name", "on", "every", "when", "do")
_EVENTS = {kind.name.lower(): kind for kind in EventKind}
_WITH_ARGUMENT = ("menu", "message", "application", "timer", "synchronized", "refused")
_ONLY_WITH_ARGUMENT = ("menu", "message", "application")
_ACTIONS = ("synchronize", "ask", "tell", "report", "browse", "set", "timer", "menu")
_MEANS = {rung.name.lower(): int(rung) for rung in REPORT_MEANS}
_PLACE = re.compile(r"\$\{([^{}]*)\}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_AID = re.compile(r"(?:[0-9A-Fa-f]{2}){5,16}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_A_WORD = "a word of 1 to 32 letters, digits, - . and _"
_A_PERIOD = f'a duration of "{SHORTEST_PERIOD} min" to "45 d", or "${{parameter}}"'


@dataclass(frozen=True, slots=True)
class SetSource:
    """A variable and the expression that it is set to."""

    variable: str
    value: Expression


ActionSource = DoSynchronize | DoTell | DoReport | DoBrowse | SetSource | DoTimer | DoMenu


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule whose expressions are trees; `menu` is the entry's text in every language."""

    name: str
    event: EventKind
    argument: str | bytes | None
    menu: Text | None
    every: int | str | None
    when: Truth | None
    actions: tuple[ActionSource, ...]
    where: Where = field(compare=False)


@dataclass(frozen=True, slots=True)
class Names:
    """What a rule may name."""

    known: Mapping[str, Name]
    parameters: dict[str, Parameter]
    variables: Mapping[str, Variable]
    requests: tuple[str, ...]
    timers: tuple[str, ...]
    menu: tuple[str, ...]


class RuleReader:
    """Reads the rules of one policy in their order."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: set[str] = set()

    def read(self, table: Table) -> RuleSource:
        """Read one rule; faults go to the table's sheet."""
        table.only(*_KEYS)
        event, argument, menu = self._event(table)
        return RuleSource(
            self._name(table),
            event,
            argument,
            menu,
            self._period(table, event, argument),
            self._expression(table, "when", lambda text: condition(text, self._names.known)),
            self._actions(table),
            table.sheet.where(table.path),
        )

    def _name(self, table: Table) -> str:
        expected = "a name of 1 to 60 octets in one line, different for each rule"
        name = table.text("name", expected)
        if len(name.encode()) > 60 or "\n" in name or name in self._seen:
            table.wrong("name", expected)
        self._seen.add(name)
        return name

    def _event(self, table: Table) -> tuple[EventKind, str | bytes | None, Text | None]:
        value = table.values.get("on")
        expected = one_of(_EVENTS)
        if isinstance(value, str) and value in _EVENTS and value not in _ONLY_WITH_ARGUMENT:
            return _EVENTS[value], None, None
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _WITH_ARGUMENT:
            return self._event_with_argument(table.table("on", expected), next(iter(value)))
        if value is None:
            table.missing("on", expected)
        elif isinstance(value, str) and value in _ONLY_WITH_ARGUMENT:
            table.wrong("on", f'{{ {value} = "..." }}')
        elif isinstance(value, dict):
            table.wrong("on", "one key, " + one_of(_WITH_ARGUMENT))
        else:
            table.wrong("on", expected + perhaps(str(value), _EVENTS))
        return EventKind.POLL, None, None

    def _event_with_argument(
        self, on: Table, key: str
    ) -> tuple[EventKind, str | bytes | None, Text | None]:
        kind = _EVENTS[key]
        if kind is EventKind.MENU:
            menu = self._text(on, key, "the entry's text")
            return kind, menu.default, menu
        if kind is EventKind.APPLICATION:
            aid = on.text(key, "an AID of 10 to 32 hexadecimal digits")
            if _AID.fullmatch(aid):
                return kind, bytes.fromhex(aid), None
            on.wrong(key, "an AID of 10 to 32 hexadecimal digits")
            return kind, bytes(5), None
        if kind is EventKind.MESSAGE:
            message = on.text(key, _A_WORD)
            if not _WORD.fullmatch(message):
                on.wrong(key, _A_WORD)
            return kind, message, None
        choice = self._names.timers if kind is EventKind.TIMER else self._names.requests
        return kind, _reference(on, key, choice), None

    def _period(
        self, table: Table, event: EventKind, argument: str | bytes | None
    ) -> int | str | None:
        """Read `every`, which a timer without a name has and nothing else."""
        if event is not EventKind.TIMER or argument is not None:
            if "every" in table and "on" in table:
                table.wrong("every", 'none but for on = "timer"', "this event has no period")
            return None
        if "every" not in table:
            table.missing("every", _A_PERIOD)
            return SHORTEST_PERIOD
        return self._duration(table, "every", SHORTEST_PERIOD, _A_PERIOD)

    def _duration(self, table: Table, key: str, low: int, expected: str) -> int | str:
        """Read a duration or the place of a parameter that is one."""
        value = table.values[key]
        place = _PLACE.fullmatch(value) if isinstance(value, str) else None
        if place is None:
            return table.quantity(key, minutes, low, LONGEST_DURATION, expected)
        parameter = self._names.parameters.get(place[1])
        if parameter is None:
            what = f"no parameter {place[1]!r}"
            guess = perhaps(place[1], self._names.parameters)
            table.sheet.fault((*table.path, key), what, f"a parameter{guess}", index=2)
        elif parameter.type is not ValueType.DURATION:
            what = f"the parameter {place[1]!r} is a {parameter.type.name.lower()}"
            table.sheet.fault((*table.path, key), what, "a parameter that is a duration", index=2)
        elif int(parameter.default) < low:
            what = f"the parameter {place[1]!r} is {parameter.default} min"
            table.sheet.fault((*table.path, key), what, f"at least {low} min", index=2)
        return place[1]

    def _expression(self, table: Table, key: str, read: Callable[[str], _E]) -> _E | None:
        """Read an expression; what is wrong in it is noted at its character."""
        text = table.text(key, "an expression") if key in table else ""
        if not text:
            return None
        try:
            return read(text)
        except Wrong as exc:
            table.sheet.fault((*table.path, key), exc.what, exc.expected, index=exc.index)
            return None

    def _actions(self, table: Table) -> tuple[ActionSource, ...]:
        """Read `do`: its actions in the order written; `ask` belongs to `synchronize`."""
        expected = "a table of actions: " + ", ".join(_ACTIONS)
        if "do" not in table:
            table.missing("do", expected)
            return ()
        do = table.table("do", expected)
        do.only(*_ACTIONS)
        if not do.values and isinstance(table.values["do"], dict):
            table.wrong("do", expected, "no action")
        if "ask" in do and "synchronize" not in do:
            do.wrong("ask", "synchronize beside it", "nothing to ask for")
        readers: dict[str, Callable[[Table], tuple[ActionSource, ...]]] = {
            "synchronize": self._synchronize,
            "tell": lambda do: (DoTell(self._text(do, "tell", "a text or texts by language")),),
            "report": lambda do: (DoReport(Rung(do.word("report", _MEANS))),),
            "browse": self._browse,
            "set": self._set,
            "timer": self._timer,
            "menu": self._menu,
        }
        return tuple(action for key in do.values if key in readers for action in readers[key](do))

    def _synchronize(self, do: Table) -> tuple[ActionSource, ...]:
        request = _reference(do, "synchronize", self._names.requests)
        ask = self._text(do, "ask", "a question") if "ask" in do else None
        return (DoSynchronize(request, ask),)

    def _browse(self, do: Table) -> tuple[ActionSource, ...]:
        url = do.text("browse", "a URL")
        check_template(do, "browse", url, self._names.parameters)
        if url and ((":" not in url and "${" not in url) or "\n" in url):
            do.wrong("browse", "a URL")
        return (DoBrowse(url),)

    def _set(self, do: Table) -> tuple[ActionSource, ...]:
        table = do.table("set", "a table of variables and their new values")
        found = [self._set_one(table, name) for name in table.values]
        return tuple(action for action in found if action)

    def _set_one(self, table: Table, name: str) -> SetSource | None:
        variable = self._names.variables.get(name)
        if variable is None:
            expected = "one of the variables" + perhaps(name, self._names.variables)
            table.sheet.fault((*table.path, name), "no such variable", expected, key=True)
            return None
        kind, value = variable.type, table.values[name]
        if isinstance(value, bool) and kind is ValueType.TRUTH:
            return SetSource(name, Literal(kind, int(value)))
        if isinstance(value, int) and not isinstance(value, bool) and kind is ValueType.NUMBER:
            return SetSource(name, Literal(kind, table.integer(name, 0, LARGEST_NUMBER)))
        if isinstance(value, str) and kind is ValueType.DURATION and looks_like_duration(value):
            expected = "a duration of at most 45 days"
            number = table.quantity(name, minutes, 0, LARGEST_NUMBER, expected)
            return SetSource(name, Literal(kind, number))
        read = self._expression(
            table, name, lambda text: value_of_type(text, self._names.known, kind)
        )
        return SetSource(name, read) if read else None

    def _timer(self, do: Table) -> tuple[ActionSource, ...]:
        table = do.table("timer", 'a table of timers and durations, such as { again = "10 min" }')
        for name in table.values:
            if not _WORD.fullmatch(name):
                table.sheet.fault((*table.path, name), "no name", _A_WORD, key=True)
        expected = 'a duration of at most "45 d", "0 min" to stop it, or "${parameter}"'
        return tuple(
            DoTimer(name, self._duration(table, name, 0, expected)) for name in table.values
        )

    def _menu(self, do: Table) -> tuple[ActionSource, ...]:
        table = do.table("menu", "{ show = entry } or { hide = entry }")
        table.only("show", "hide")
        return tuple(
            DoMenu(_reference(table, key, self._names.menu), key == "show")
            for key in table.values
            if key in ("show", "hide")
        )

    def _text(self, table: Table, key: str, expected: str) -> Text:
        """Read a text, or a table of texts by language, the first of which is the default."""
        if not isinstance(table.values[key], dict):
            text = table.text(key, expected)
            check_template(table, key, text, self._names.parameters)
            return Text(text)
        inner = table.table(key, expected)
        texts = []
        for language in inner.values:
            if not _LANGUAGE.fullmatch(language):
                path = (*inner.path, language)
                table.sheet.fault(path, "no language", "two letters of ISO 639", key=True)
            text = inner.text(language, expected)
            check_template(inner, language, text, self._names.parameters)
            texts.append((language, text))
        if not texts:
            table.wrong(key, expected)
            return Text("")
        return Text(texts[0][1], tuple(texts))


def _reference(table: Table, key: str, choice: Sequence[str]) -> str:
    """Read the name of something that stands elsewhere in the policy."""
    name = table.text(key, "a name")
    if name and name not in choice:
        table.wrong(key, one_of(repr(word) for word in choice) + perhaps(name, choice))
    return name
