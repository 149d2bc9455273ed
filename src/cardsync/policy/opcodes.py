"""The stack code of conditions and values: opcodes, their operands, and their verification.

A cell of the stack is a number of 16 bits, a reference to octets, or unknown. Jumps go forward
only, so a run is never longer than its code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from cardsync.policy.facts import FACTS

DEEPEST_STACK = 12  # cells
LONGEST_CODE = 255  # octets; a length and a jump are one octet


class Op(IntEnum):
    """What the machine can do; the comment is the stack before and after."""

    NUMBER8 = 0x01  # -> a ; operand of one octet
    NUMBER16 = 0x02  # -> a ; operand of two octets
    LITERAL = 0x03  # -> a ; operand: string of the program
    FACT = 0x04  # -> a ; operand: code point of the fact
    VARIABLE = 0x05  # -> a ; operand: place of the variable
    PARAMETER = 0x06  # -> a ; operand: place of the parameter
    ADD = 0x10  # a b -> c ; 65535 at most
    SUBTRACT = 0x11  # a b -> c ; 0 at least
    MULTIPLY = 0x12  # a b -> c ; 65535 at most
    EQUAL = 0x20  # a b -> truth
    NOT_EQUAL = 0x21  # a b -> truth
    LESS = 0x22  # a b -> truth
    LESS_EQUAL = 0x23  # a b -> truth
    GREATER = 0x24  # a b -> truth
    GREATER_EQUAL = 0x25  # a b -> truth
    IN = 0x26  # a b1 ... bn -> truth ; operand: n
    NOT_IN = 0x27  # a b1 ... bn -> truth ; operand: n
    TRUE = 0x28  # a -> truth ; a is not 0
    FALSE = 0x29  # a -> truth ; a is 0
    AND = 0x30  # truth -> truth where it is false, and jump ; truth -> where it is true
    OR = 0x31  # truth -> truth where it is true, and jump ; truth -> where it is false


COMPARISONS = frozenset(range(Op.EQUAL, Op.FALSE + 1))
_OPERANDS = {
    Op.NUMBER8: 1,
    Op.NUMBER16: 2,
    Op.LITERAL: 1,
    Op.FACT: 1,
    Op.VARIABLE: 1,
    Op.PARAMETER: 1,
    Op.IN: 1,
    Op.NOT_IN: 1,
    Op.AND: 1,
    Op.OR: 1,
}
_PUSHES = frozenset(range(Op.NUMBER8, Op.PARAMETER + 1))
_SINGLE = frozenset({Op.TRUE, Op.FALSE})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction at `offset` of its code; the next one is at `next`."""

    offset: int
    op: Op
    operand: int
    next: int

    @property
    def steps(self) -> int:
        """What it costs: one step, and one more for each further member."""
        return self.operand if self.op in (Op.IN, Op.NOT_IN) else 1

    @property
    def taken(self) -> int:
        """How many cells it takes from the stack, where a jump is not taken."""
        if self.op in (Op.IN, Op.NOT_IN):
            return self.operand + 1
        if self.op in _PUSHES:
            return 0
        return 1 if self.op in _SINGLE or self.op in (Op.AND, Op.OR) else 2

    @property
    def given(self) -> int:
        """How many cells it puts there, where a jump is not taken."""
        return 0 if self.op in (Op.AND, Op.OR) else 1


@dataclass(frozen=True, slots=True)
class Counts:
    """How many literals, variables and parameters a program has."""

    literals: int
    variables: int
    parameters: int


def instructions(code: bytes) -> Iterator[Instruction]:
    """Split code; raise `ValueError` for an unknown opcode or a missing operand."""
    offset = 0
    while offset < len(code):
        op = Op(code[offset])
        end = offset + 1 + _OPERANDS.get(op, 0)
        if end > len(code):
            raise ValueError(f"{op.name} at {offset} has no operand")
        operand = int.from_bytes(code[offset + 1 : end], "big")
        yield Instruction(offset, op, operand, end)
        offset = end


def steps(code: bytes) -> int:
    """Give the steps of the longest run: every instruction once."""
    return sum(instruction.steps for instruction in instructions(code))


def verify(code: bytes, counts: Counts) -> int:
    """Give the greatest depth of the stack; raise `ValueError` if the code may not run.

    Jumps end on an instruction or right behind the last, with the same depth as its other
    ways; references are in range; one cell is left at the end.
    """
    if len(code) > LONGEST_CODE:
        raise ValueError(f"code of {len(code)} octets is longer than {LONGEST_CODE}")
    depth = deepest = 0
    expected: dict[int, int] = {}
    for instruction in instructions(code):
        if expected.pop(instruction.offset, depth) != depth:
            raise ValueError(f"two ways to {instruction.offset} leave different stacks")
        _verify_operand(instruction, counts)
        if depth < instruction.taken:
            raise ValueError(f"{instruction.op.name} at {instruction.offset} finds no operand")
        if instruction.op in (Op.AND, Op.OR):
            target = instruction.next + instruction.operand
            if expected.setdefault(target, depth) != depth:
                raise ValueError(f"two ways to {target} leave different stacks")
        depth += instruction.given - instruction.taken
        deepest = max(deepest, depth)
    if expected.pop(len(code), depth) != depth or depth != 1 or expected:
        raise ValueError("the code does not leave one value, or a jump ends nowhere")
    if deepest > DEEPEST_STACK:
        raise ValueError(f"the stack grows to {deepest}, more than {DEEPEST_STACK}")
    return deepest


def _verify_operand(instruction: Instruction, counts: Counts) -> None:
    op, operand = instruction.op, instruction.operand
    known = {
        Op.LITERAL: operand < counts.literals,
        Op.FACT: operand in FACTS,
        Op.VARIABLE: operand < counts.variables,
        Op.PARAMETER: operand < counts.parameters,
        Op.IN: operand > 0,
        Op.NOT_IN: operand > 0,
        Op.AND: operand > 0,
        Op.OR: operand > 0,
    }
    if not known.get(op, True):
        raise ValueError(f"{op.name} at {instruction.offset} cannot have operand {operand}")
