"""The compiler: rules become a program; what does not fit or is not bounded is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cardsync.policy import sizes
from cardsync.policy.bound import CardLimits, bound
from cardsync.policy.expressions import (
    Arithmetic,
    Compared,
    Expression,
    Held,
    Joined,
    Literal,
    Member,
    Name,
    Value,
)
from cardsync.policy.faults import Fault, PolicyError, Where
from cardsync.policy.opcodes import Op
from cardsync.policy.program import Program
from cardsync.policy.rule_source import ActionSource, RuleSource, SetSource
from cardsync.policy.source import Policy
from cardsync.policy.values import (
    Action,
    DoSet,
    DoTimer,
    EventKind,
    Rule,
    Text,
)

_LONGEST_JUMP = 0xFF


def compile_policy(policy: Policy, limits: CardLimits | None = None) -> Program:
    """Compile a policy for cards with these limits; raise `PolicyError` if it does not fit."""
    literals = _Literals()
    rules = _rules(policy, literals)
    menu = _menu(policy.rules)
    timers = tuple(dict.fromkeys(_timers(rules)))
    requests = tuple(source.request for source in policy.requests)
    values = {parameter.name: parameter.default for parameter in policy.parameters}
    _refuse_misfits(policy, sizes.misfits(policy.name, menu, requests, rules, values))
    try:
        program = Program(
            policy.name,
            policy.version,
            policy.parameters,
            policy.variables,
            policy.limits,
            menu,
            timers,
            requests,
            rules,
            tuple(literals.numbers),
        )
    except ValueError as exc:
        raise PolicyError([Fault(policy.where, str(exc), "a smaller policy")]) from exc
    places = {rule.name: rule.where for rule in policy.rules}
    bound(program).refuse_over(limits or CardLimits(), policy.where, places)
    return program


@dataclass(slots=True)
class _Literals:
    """The octet strings of expressions, each once."""

    numbers: dict[bytes, int] = field(default_factory=dict)

    def number(self, octets: bytes) -> int:
        return self.numbers.setdefault(octets, len(self.numbers))


def _rules(policy: Policy, literals: _Literals) -> tuple[Rule, ...]:
    """Compile every rule; all that cannot be compiled is told at once."""
    rules, faults = [], []
    for source in policy.rules:
        try:
            rules.append(_rule(source, literals))
        except ValueError as exc:
            faults.append(Fault(source.where, str(exc), "a shorter expression"))
    if faults:
        raise PolicyError(faults)
    return tuple(rules)


def _rule(source: RuleSource, literals: _Literals) -> Rule:
    return Rule(
        source.name,
        source.event,
        source.argument,
        source.every,
        _code(source.when, literals) if source.when else b"",
        tuple(_action(action, literals) for action in source.actions),
    )


def _action(action: ActionSource, literals: _Literals) -> Action:
    if isinstance(action, SetSource):
        return DoSet(action.variable, _code(action.value, literals))
    return action


def _code(expression: Expression, literals: _Literals) -> bytes:
    """Give the stack code of an expression; raise `ValueError` if it is too long."""
    code = _emit(expression, literals)
    if len(code) > _LONGEST_JUMP:
        raise ValueError(f"an expression takes {len(code)} octets, at most {_LONGEST_JUMP} fit")
    return code


def _emit(expression: Expression, literals: _Literals) -> bytes:
    match expression:
        case Literal(_, value):
            return _literal(value, literals)
        case Name(_, scope, number):
            return bytes([scope, number])
        case Arithmetic(_, op, left, right) | Compared(op, left, right):
            return _emit(left, literals) + _emit(right, literals) + bytes([op])
        case Member(op, left, members):
            values: tuple[Value, ...] = (left, *members)
            return b"".join(_emit(value, literals) for value in values) + bytes([op, len(members)])
        case Held(op, operand):
            return _emit(operand, literals) + bytes([op])
        case Joined(op, parts):
            return _join(op, [_emit(part, literals) for part in parts])


def _literal(value: int | bytes, literals: _Literals) -> bytes:
    if isinstance(value, bytes):
        return bytes([Op.LITERAL, literals.number(value)])
    if value <= 0xFF:
        return bytes([Op.NUMBER8, value])
    return bytes([Op.NUMBER16]) + value.to_bytes(2, "big")


def _join(op: Op, parts: list[bytes]) -> bytes:
    """Join conditions from the last to the first: each may jump to the end of all."""
    code = parts[-1]
    for part in reversed(parts[:-1]):
        if len(code) > _LONGEST_JUMP:
            raise ValueError(f"a condition takes more than {_LONGEST_JUMP} octets")
        code = part + bytes([op, len(code)]) + code
    return code


def _menu(rules: Iterable[RuleSource]) -> tuple[Text, ...]:
    """Give the menu's entries in the order of their first rule, with all translations known."""
    items: dict[str, Text] = {}
    for rule in rules:
        if rule.menu and (rule.menu.default not in items or rule.menu.translations):
            items[rule.menu.default] = rule.menu
    return tuple(items.values())


def _timers(rules: Iterable[Rule]) -> Iterable[str]:
    """Give the names of timers in the order in which rules speak of them."""
    for rule in rules:
        if rule.event is EventKind.TIMER and isinstance(rule.argument, str):
            yield rule.argument
        for action in rule.actions:
            if isinstance(action, DoTimer):
                yield action.timer


def _refuse_misfits(policy: Policy, misfits: Iterable[sizes.Misfit]) -> None:
    requests = {source.request.name: source.where for source in policy.requests}
    rules = {rule.name: rule.where for rule in policy.rules}
    faults = [
        Fault(_owner(misfit, requests, rules), str(misfit), f"at most {sizes.LONGEST_COMMAND}")
        for misfit in misfits
    ]
    if faults:
        raise PolicyError(faults)


def _owner(
    misfit: sizes.Misfit, requests: Mapping[str, Where], rules: Mapping[str, Where]
) -> Where:
    return (requests if misfit.is_request else rules)[misfit.owner]
