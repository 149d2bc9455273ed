"""Running stack code: values and facts in, one value and the comparisons that were false out.

Every operation is defined for every operand: calculation with anything but two numbers gives
unknown, a comparison with unknown is false. So verified code cannot fail, and it cannot run
longer than it is.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cardsync.policy.facts import FACTS, LAST, Facts
from cardsync.policy.opcodes import Instruction, Op, instructions
from cardsync.policy.values import LARGEST_NUMBER

Cell = int | bytes | None
"""A cell of the stack: a number, octets, or unknown."""

NO_SUCCESS = b""  # what a `last.` fact is before the first success: unlike everything

_FACT, _VARIABLE, _ADD = Op.FACT.value, Op.VARIABLE.value, Op.ADD.value
_EQUAL, _AND, _OR = Op.EQUAL.value, Op.AND.value, Op.OR.value
_ORDER: dict[int, Callable[[int, int], bool]] = {
    Op.LESS: operator.lt,
    Op.LESS_EQUAL: operator.le,
    Op.GREATER: operator.gt,
    Op.GREATER_EQUAL: operator.ge,
}


Ready = tuple[int, int, str, Cell, int]
"""Opcode; place, count or end of a jump; name of a fact; value put or absent fact's; steps."""

Code = tuple[Ready, ...]
"""Code made ready to run."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run went: its value, the comparisons found false with their sides, its steps.

    A comparison is named by its place among the instructions; the right side of a membership or
    of a lone truth is None.
    """

    value: Cell
    false: tuple[tuple[int, Cell, Cell], ...]
    steps: int


def prepare(code: bytes, literals: Sequence[bytes]) -> Code:
    """Make verified code ready to run: facts by name, jumps by place."""
    listed = tuple(instructions(code))
    places = {instruction.offset: place for place, instruction in enumerate(listed)}
    places[len(code)] = len(listed)
    return tuple(_ready(instruction, places, literals) for instruction in listed)


def _ready(instruction: Instruction, places: Mapping[int, int], literals: Sequence[bytes]) -> Ready:
    op, operand, cost = instruction.op, instruction.operand, instruction.steps
    match op:
        case Op.NUMBER8 | Op.NUMBER16:
            return op.value, 0, "", operand, cost
        case Op.LITERAL:
            return op.value, 0, "", literals[operand], cost
        case Op.FACT:
            absent = NO_SUCCESS if operand & LAST else None
            return op.value, 0, FACTS[operand].name, absent, cost
        case Op.AND | Op.OR:
            return op.value, places[instruction.next + operand], "", None, cost
    return op.value, operand, "", None, cost


def run(code: Code, facts: Facts, variables: Sequence[int], parameters: Sequence[Cell]) -> Run:
    """Run code to its end; there is no way back in it, so the end comes."""
    stack: list[Cell] = []
    false: list[tuple[int, Cell, Cell]] = []
    place, steps = 0, 0
    while place < len(code):
        op, number, name, value, cost = code[place]
        place += 1
        steps += cost
        if op >= _AND:
            if bool(stack[-1]) is (op == _OR):
                place = number
            else:
                stack.pop()
        elif op >= _EQUAL:
            held, left, right = _compare(op, number, stack)
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
    return value if not isinstance(value, int) else min(max(value, 0), LARGEST_NUMBER)


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
    if op >= Op.TRUE:
        left = stack.pop()
        return int(isinstance(left, int) and bool(left) is (op == Op.TRUE)), left, None
    if op >= Op.IN:
        members = stack[-count:]
        del stack[-count:]
        left = stack.pop()
        return _is_member(op, left, members), left, None
    right, left = stack.pop(), stack.pop()
    if left is None or right is None:
        return 0, left, right
    if op in _ORDER:
        ordered = isinstance(left, int) and isinstance(right, int) and _ORDER[op](left, right)
        return int(ordered), left, right
    return int((left == right) is (op == _EQUAL)), left, right


def _is_member(op: int, left: Cell, members: Sequence[Cell]) -> int:
    """With an unknown member nothing is known to be outside, and inside only what is found."""
    if left is None:
        return 0
    if op == Op.IN:
        return int(left in members)
    return int(left not in members and None not in members)
