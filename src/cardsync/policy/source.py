"""The policy as a person writes it: TOML to frozen values, every fault with its place.

`read` checks everything that can be known without the program: keys, types, ranges, names,
expressions. It collects all faults and raises one `PolicyError` that lists them.
"""

import keyword
import re
import tomllib
from dataclasses import dataclass

from cardsync.policy.expressions import Name, Scope
from cardsync.policy.facts import FACTS_BY_NAME, WORDS
from cardsync.policy.faults import Fault, PolicyError, Where
from cardsync.policy.positions import Positions
from cardsync.policy.program import (
    LONGEST_TEXT,
    MOST_PARAMETERS,
    MOST_REQUESTS,
    MOST_RULES,
    MOST_VARIABLES,
)
from cardsync.policy.quantities import looks_like_duration, minutes
from cardsync.policy.request_source import RequestReader, RequestSource
from cardsync.policy.rule_source import Names, RuleReader, RuleSource
from cardsync.policy.tables import Sheet, Table
from cardsync.policy.values import LARGEST_NUMBER, Limits, Parameter, ValueType, Variable

LONGEST_SOURCE = 0x10000  # characters

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_PLACE_OF_SYNTAX = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_A_NAME = "a name of 1 to 32 small letters, digits and _, that begins with a letter"
_TOP = ("policy", "version", "parameters", "variables", "limits", "requests", "rules")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy says; its expressions are trees, its names are resolved."""

    name: str
    version: int
    parameters: tuple[Parameter, ...]
    variables: tuple[Variable, ...]
    limits: Limits
    requests: tuple[RequestSource, ...]
    rules: tuple[RuleSource, ...]
    where: Where


def read(text: str, filename: str) -> Policy:
    """Read a policy; raise `PolicyError` with every fault that it has."""
    document = _parse(text, filename)
    sheet = Sheet(filename, Positions(text))
    top = Table(sheet, (), document)
    top.only(*_TOP)
    parameters = _parameters(top)
    variables = _variables(top, parameters)
    requests = _requests(top, parameters)
    names = _names(parameters, variables, requests, top)
    policy = Policy(
        _title(top),
        top.integer("version", 1, LARGEST_NUMBER),
        parameters,
        variables,
        _limits(top),
        requests,
        _rules(top, names),
        sheet.where(("policy",) if "policy" in document else ()),
    )
    if sheet.faults:
        raise PolicyError(sheet.faults)
    return policy


def _parse(text: str, filename: str) -> dict[str, object]:
    if len(text) > LONGEST_SOURCE:
        where = Where(filename, 1, 1, "")
        what = f"{len(text)} characters"
        raise PolicyError([Fault(where, what, f"at most {LONGEST_SOURCE}")])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        found = _PLACE_OF_SYNTAX.search(str(exc))
        if found and found[1]:
            line, column = int(found[1]), int(found[2])
        else:
            line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        what = _PLACE_OF_SYNTAX.sub("", str(exc))
        raise PolicyError([Fault(Where(filename, line, column, ""), what, "TOML 1.0")]) from exc
    except RecursionError as exc:
        where = Where(filename, 1, 1, "")
        raise PolicyError([Fault(where, "arrays or tables within each other", "fewer")]) from exc


def _title(top: Table) -> str:
    expected = "a name of 1 to 32 letters, digits, - . and _"
    name = top.text("policy", expected)
    if name and not _TITLE.fullmatch(name):
        top.wrong("policy", expected)
    return name


def _entries(top: Table, key: str, most: int, expected: str) -> Table:
    """Give one of the document's tables, with not more than `most` well-formed names."""
    table = top.table(key, expected)
    if len(table.values) > most:
        top.sheet.fault(table.path, f"{len(table.values)} {key}", f"at most {most}", key=True)
    for name in table.values:
        if not _NAME.fullmatch(name) or keyword.iskeyword(name):
            top.sheet.fault((*table.path, name), "no name", _A_NAME, key=True)
        elif key != "requests" and (name in FACTS_BY_NAME or name in WORDS):
            what = "this name has a meaning of its own"
            top.sheet.fault((*table.path, name), what, "another name", key=True)
    return table


def _parameters(top: Table) -> tuple[Parameter, ...]:
    table = _entries(top, "parameters", MOST_PARAMETERS, "a table of names and values")
    return tuple(_parameter(table, name) for name in table.values)


def _parameter(table: Table, name: str) -> Parameter:
    value = table.values[name]
    expected = f'a text, a duration such as "24 h", or an integer of 0 to {LARGEST_NUMBER}'
    if isinstance(value, int) and not isinstance(value, bool):
        number = table.integer(name, 0, LARGEST_NUMBER)
        return Parameter(name, ValueType.NUMBER, number)
    text = table.text(name, expected)
    if looks_like_duration(text):
        return Parameter(name, ValueType.DURATION, _duration(table, name))
    if len(text.encode()) > LONGEST_TEXT or "${" in text or "\n" in text:
        table.wrong(name, f"one line of at most {LONGEST_TEXT} octets without ${{...}}")
    return Parameter(name, ValueType.TEXT, text)


def _duration(table: Table, name: str) -> int:
    return table.quantity(name, minutes, 0, LARGEST_NUMBER, "a duration of at most 45 days")


def _variables(top: Table, parameters: tuple[Parameter, ...]) -> tuple[Variable, ...]:
    table = _entries(top, "variables", MOST_VARIABLES, "a table of names and first values")
    taken = {parameter.name for parameter in parameters}
    for name in taken & table.values.keys():
        what = "a parameter has this name"
        top.sheet.fault((*table.path, name), what, "another name", key=True)
    return tuple(_variable(table, name) for name in table.values)


def _variable(table: Table, name: str) -> Variable:
    value = table.values[name]
    if isinstance(value, bool):
        return Variable(name, ValueType.TRUTH, int(value))
    if isinstance(value, str) and looks_like_duration(value):
        return Variable(name, ValueType.DURATION, _duration(table, name))
    if not isinstance(value, int):
        expected = f'an integer of 0 to {LARGEST_NUMBER}, true, false or a duration such as "1 d"'
        table.wrong(name, expected)
        return Variable(name, ValueType.NUMBER, 0)
    return Variable(name, ValueType.NUMBER, table.integer(name, 0, LARGEST_NUMBER))


def _limits(top: Table) -> Limits:
    table = top.table("limits", "a table of limits")
    table.only("synchronizations_per_day", "sms_per_day")
    usual = Limits()
    return Limits(
        table.integer("synchronizations_per_day", 0, 255, usual.synchronizations_per_day),
        table.integer("sms_per_day", 0, 255, usual.sms_per_day),
    )


def _requests(top: Table, parameters: tuple[Parameter, ...]) -> tuple[RequestSource, ...]:
    table = _entries(top, "requests", MOST_REQUESTS, "a table of requests")
    reader = RequestReader(parameters)
    return tuple(reader.read(name, table.table(name, "a table")) for name in table.values)


def _names(
    parameters: tuple[Parameter, ...],
    variables: tuple[Variable, ...],
    requests: tuple[RequestSource, ...],
    top: Table,
) -> Names:
    known = {
        parameter.name: Name(parameter.type, Scope.PARAMETER, number)
        for number, parameter in enumerate(parameters)
    }
    known |= {
        variable.name: Name(variable.type, Scope.VARIABLE, number)
        for number, variable in enumerate(variables)
    }
    return Names(
        known,
        {parameter.name: parameter for parameter in parameters},
        {variable.name: variable for variable in variables},
        tuple(source.request.name for source in requests),
        tuple(_started_timers(top)),
        tuple(_menu_texts(top)),
    )


def _started_timers(top: Table) -> dict[str, None]:
    """Give the names of the timers that some rule starts, in the order of the rules."""
    names: dict[str, None] = {}
    for do in _tables_in_rules(top, "do"):
        timers = do.get("timer")
        names |= dict.fromkeys(timers if isinstance(timers, dict) else ())
    return names


def _menu_texts(top: Table) -> dict[str, None]:
    """Give the default texts of the menu, in the order of the rules."""
    texts: dict[str, None] = {}
    for on in _tables_in_rules(top, "on"):
        text = on.get("menu")
        text = next(iter(text.values()), None) if isinstance(text, dict) else text
        texts |= {text: None} if isinstance(text, str) else {}
    return texts


def _tables_in_rules(top: Table, key: str) -> list[dict[str, object]]:
    """Give the table under `key` of each rule that has one; faults are noted elsewhere."""
    rules = top.values.get("rules")
    rules = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    return [rule[key] for rule in rules if isinstance(rule.get(key), dict)]


def _rules(top: Table, names: Names) -> tuple[RuleSource, ...]:
    value = top.values.get("rules")
    if value is None:
        top.missing("rules", "at least one [[rules]]")
        return ()
    if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
        top.wrong("rules", "an array of tables, each beginning with [[rules]]")
        return ()
    if not 1 <= len(value) <= MOST_RULES:
        top.wrong("rules", f"1 to {MOST_RULES} rules", f"{len(value)} rules")
    reader = RuleReader(names)
    return tuple(
        reader.read(Table(top.sheet, ("rules", number), rule)) for number, rule in enumerate(value)
    )
