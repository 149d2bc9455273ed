"""What two programs say differently: limits, parameters, requests, and rules by their names."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from cardsync.policy.facts import FACTS
from cardsync.policy.opcodes import Op, instructions
from cardsync.policy.program import Program
from cardsync.policy.quantities import show, show_minutes
from cardsync.policy.values import Action, DoSet, EventKind, Parameter, Request, Rule, minutes_of


def differences(old: Program, new: Program) -> Iterator[str]:
    """Give a line for each thing that is new, gone or different."""
    if (old.name, old.version) != (new.name, new.version):
        yield f"policy {old.name} {old.version} -> {new.name} {new.version}"
    for limit in ("synchronizations_per_day", "sms_per_day"):
        before, after = getattr(old.limits, limit), getattr(new.limits, limit)
        if before != after:
            yield f"{limit} {before} -> {after}"
    yield from _parameters(
        {parameter.name: parameter for parameter in old.parameters},
        {parameter.name: parameter for parameter in new.parameters},
    )
    yield from _requests(
        {request.name: request for request in old.requests},
        {request.name: request for request in new.requests},
    )
    yield from _rules(old, new)


def every(program: Program, rule: Rule) -> str:
    """Give a rule's period as a person reads it; nothing where it has none."""
    if rule.every is None:
        return ""
    return show_minutes(minutes_of(rule.every, program.default_values()))


def hears(rule: Rule) -> tuple[EventKind, str | bytes | None]:
    """Give the event that a rule listens to."""
    return rule.event, rule.argument


def _parameters(old: Mapping[str, Parameter], new: Mapping[str, Parameter]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"parameter {name!r} is gone"
        elif name not in old:
            yield f"parameter {name!r} is new"
        elif old[name] != new[name]:
            yield f"parameter {name!r} {_default(old[name])} -> {_default(new[name])}"


def _default(parameter: Parameter) -> str:
    value = parameter.default
    return repr(value) if isinstance(value, str) else show(value, parameter.type)


def _requests(old: Mapping[str, Request], new: Mapping[str, Request]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"request {name!r} is gone"
        elif name not in old:
            yield f"request {name!r} is new"
        elif old[name] != new[name]:
            keys = [
                field.name
                for field in fields(Request)
                if getattr(old[name], field.name) != getattr(new[name], field.name)
            ]
            yield f"request {name!r}: other {', '.join(keys)}"


def _rules(old: Program, new: Program) -> Iterator[str]:
    befores = {rule.name: rule for rule in old.rules}
    afters = {rule.name: rule for rule in new.rules}
    for name in dict.fromkeys((*befores, *afters)):
        if name not in afters:
            yield f"rule {name!r} is gone"
        elif name not in befores:
            yield f"rule {name!r} is new"
        else:
            told = list(_rule(old, befores[name], new, afters[name]))
            if told:
                yield f"rule {name!r}: {', '.join(told)}"
    if list(befores) != list(afters) and befores.keys() == afters.keys():
        yield "the rules are in another order"


def _rule(old: Program, before: Rule, new: Program, after: Rule) -> Iterator[str]:
    if hears(before) != hears(after):
        yield "another event"
    if every(old, before) != every(new, after):
        yield f"every {every(old, before) or 'event'} -> {every(new, after) or 'event'}"
    if _meaning(before.condition, old) != _meaning(after.condition, new):
        yield (
            "another condition"
            if before.condition and after.condition
            else ("a condition" if after.condition else "no condition")
        )
    if _actions(before, old) != _actions(after, new):
        yield "other actions"


def _actions(rule: Rule, program: Program) -> list[object]:
    """Give the actions such that those of two programs can be compared."""
    return [_action(action, program) for action in rule.actions]


def _action(action: Action, program: Program) -> object:
    if isinstance(action, DoSet):
        return action.variable, _meaning(action.code, program)
    return action


def _meaning(code: bytes, program: Program) -> list[tuple[Op, object]]:
    """Give stack code with names in place of places, which differ from program to program."""
    found: list[tuple[Op, object]] = []
    for one in instructions(code):
        operand: object = one.operand
        match one.op:
            case Op.LITERAL:
                operand = program.literals[one.operand]
            case Op.FACT:
                operand = FACTS[one.operand].name
            case Op.VARIABLE:
                operand = program.variables[one.operand].name
            case Op.PARAMETER:
                operand = program.parameters[one.operand].name
        found.append((one.op, operand))
    return found
