"""Running stack code: values and facts in, one value and the comparisons that were false out.

Every operation is defined for every operand: calculation with anything but two numbers gives
unknown, a comparison with unknown is false. So verified code cannot fail, and it cannot run
longer than it is.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cardsync.policy.facts import FACTS, LAST, Facts
from cardsync.policy.opcodes import Instruction, Op, instructions
from cardsync.policy.values import LARGEST_NUMBER

Cell = int | bytes | None
"""A cell of the stack: a number, octets, or unknown."""

NO_SUCCESS = b""  # what a `last.` fact is before the first success: unlike everything

_FACT, _VARIABLE, _ADD = Op.FACT.value, Op.VARIABLE.value, Op.ADD.value
_EQUAL, _IN, _TRUE = Op.EQUAL.value, Op.IN.value, Op.TRUE.value
_NOT_EQUAL, _AND, _OR = Op.NOT_EQUAL.value, Op.AND.value, Op.OR.value
_WHOLE = 0x40  # no octet of a program: a fact, what it is compared with, and the comparison
_ORDER: dict[int, Callable[[int, int], bool]] = {
    Op.LESS: operator.lt,
    Op.LESS_EQUAL: operator.le,
    Op.GREATER: operator.gt,
    Op.GREATER_EQUAL: operator.ge,
}


@dataclass(frozen=True, slots=True)
class _Whole:
    """A comparison of a fact with the fact `other`, or with `right`: a value, or members.

    With another fact `absent` is what that is where it is not known.
    """

    op: int
    other: str
    absent: Cell
    right: "Side"


Side = Cell | tuple[Cell, ...]
"""What stands right in a comparison: a cell, or the members of a set."""

Ready = tuple[int, int, str, Cell, int, _Whole | None]
"""Opcode; place, count or end; name of a fact; value put or absent fact's; steps; comparison."""

Code = tuple[Ready, ...]
"""Code made ready to run."""


class Run(NamedTuple):
    """How a run went: its value, the comparisons found false with their sides, its steps.

    A comparison is named by its place among the instructions; the right side of a membership or
    of a lone truth is None.
    """

    value: Cell
    false: tuple[tuple[int, Cell, Cell], ...]
    steps: int


def prepare(code: bytes, literals: Sequence[bytes]) -> Code:
    """Make verified code ready to run: facts by name, jumps by place, comparisons as a whole.

    The whole stands in the place of its first instruction; the others stay, so no place moves.
    """
    ready = _one_by_one(code, literals)
    return tuple(_whole(ready, place) or one for place, one in enumerate(ready))


def _one_by_one(code: bytes, literals: Sequence[bytes]) -> Code:
    listed = tuple(instructions(code))
    places = {instruction.offset: place for place, instruction in enumerate(listed)}
    places[len(code)] = len(listed)
    return tuple(_ready(instruction, places, literals) for instruction in listed)


def _ready(instruction: Instruction, places: Mapping[int, int], literals: Sequence[bytes]) -> Ready:
    op, operand, cost = instruction.op, instruction.operand, instruction.steps
    match op:
        case Op.NUMBER8 | Op.NUMBER16:
            return op.value, 0, "", operand, cost, None
        case Op.LITERAL:
            return op.value, 0, "", literals[operand], cost, None
        case Op.FACT:
            absent = NO_SUCCESS if operand & LAST else None
            return op.value, 0, FACTS[operand].name, absent, cost, None
        case Op.AND | Op.OR:
            return op.value, places[instruction.next + operand], "", None, cost, None
    return op.value, operand, "", None, cost, None


def _whole(ready: Code, place: int) -> Ready | None:
    """Take a fact, constants or one other fact, and a comparison for one, which runs faster."""
    op, _, name, absent, _, _ = ready[place]
    end = place + 1
    while op == _FACT and end < len(ready) and ready[end][0] < _FACT:
        end += 1
    members = ready[place + 1 : end]
    if not members and end < len(ready) and ready[end][0] == _FACT:
        members, end = ready[end : end + 1], end + 1
    if op != _FACT or end == len(ready) or not _EQUAL <= ready[end][0] < _AND:
        return None
    compared, count = ready[end][:2]
    wanted = 1 if compared < _IN else 0 if compared >= _TRUE else count
    other, value = (members[0][2], members[0][3]) if members else ("", None)
    is_set = _IN <= compared < _TRUE
    if len(members) != wanted or (is_set and other):
        return None
    right = tuple(one[3] for one in members) if is_set else value
    steps = sum(one[4] for one in ready[place : end + 1])
    return _WHOLE, end, name, absent, steps, _Whole(compared, other, value, right)


def run(code: Code, facts: Facts, variables: Sequence[int], parameters: Sequence[Cell]) -> Run:
    """Run code to its end; there is no way back in it, so the end comes."""
    stack: list[Cell] = []
    false: list[tuple[int, Cell, Cell]] = []
    place, steps = 0, 0
    while place < len(code):
        op, number, name, value, cost, whole = code[place]
        place += 1
        steps += cost
        if op >= _AND and whole is None:
            if bool(stack[-1]) is (op == _OR):
                place = number
            else:
                stack.pop()
        elif op >= _EQUAL:
            if whole is None:
                held, left, right = _compare(op, number, stack)
            else:
                held, left, right = _compare_fact(whole, facts, facts.get(name, value))
                place = number + 1
            stack.append(held)
            if not held:
                false.append((place - 1, left, right))
        elif op >= _ADD:
            right = stack.pop()
            stack.append(_calculate(op, stack.pop(), right))
        elif op == _FACT:
            stack.append(_in_range(facts.get(name, value)))
        elif op >= _VARIABLE:
            stack.append(variables[number] if op == _VARIABLE else parameters[number])
        else:
            stack.append(value)
    return Run(stack[-1], tuple(false), steps)


def _in_range(value: Cell) -> Cell:
    """Let a fact that does not fit 16 bits saturate as calculations do."""
    if isinstance(value, int) and not 0 <= value <= LARGEST_NUMBER:
        return min(max(value, 0), LARGEST_NUMBER)
    return value


def _calculate(op: int, left: Cell, right: Cell) -> Cell:
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    if op == _ADD:
        return min(left + right, LARGEST_NUMBER)
    if op == Op.SUBTRACT:
        return max(left - right, 0)
    return min(left * right, LARGEST_NUMBER)


def _compare(op: int, count: int, stack: list[Cell]) -> tuple[int, Cell, Cell]:
    """Take the operands of a comparison; give its truth, its left and its right side."""
    if op >= _TRUE:
        left = stack.pop()
        return _holds(op, left, None), left, None
    if op >= _IN:
        members = tuple(stack[-count:])
        del stack[-count:]
        left = stack.pop()
        return _holds(op, left, members), left, None
    right, left = stack.pop(), stack.pop()
    return _holds(op, left, right), left, right


def _compare_fact(whole: _Whole, facts: Facts, fact: Cell) -> tuple[int, Cell, Cell]:
    """Compare a fact as a whole; give the truth, the left and the right side."""
    left = _in_range(fact)
    if whole.other:
        right = _in_range(facts.get(whole.other, whole.absent))
        return _holds(whole.op, left, right), left, right
    side = whole.right
    return _holds(whole.op, left, side), left, None if isinstance(side, tuple) else side


def _holds(op: int, left: Cell, right: Side) -> int:
    """Say whether a comparison holds: 1 or 0; nothing holds of what is unknown."""
    if op <= _NOT_EQUAL:
        return int(left is not None and right is not None and (left == right) is (op == _EQUAL))
    if op >= _TRUE:
        return int(isinstance(left, int) and bool(left) is (op == _TRUE))
    if isinstance(right, tuple):
        return _is_member(op, left, right)
    return int(isinstance(left, int) and isinstance(right, int) and _ORDER[op](left, right))


def _is_member(op: int, left: Cell, members: tuple[Cell, ...]) -> int:
    """With an unknown member nothing is known to be outside, and inside only what is found."""
    if left is None:
        return 0
    if op == _IN:
        return int(left in members)
    return int(left not in members and None not in members)
