"""Stack code read back as a person wrote it: what each comparison compares.

The machine names a comparison by its place; here is its text, so that reasons can be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cardsync.policy.facts import FACTS
from cardsync.policy.interpreter import NO_SUCCESS, Cell
from cardsync.policy.opcodes import COMPARISONS, Instruction, Op, instructions
from cardsync.policy.program import Program
from cardsync.policy.quantities import show
from cardsync.policy.values import ValueType

_SIGNS = {
    Op.ADD: "+",
    Op.SUBTRACT: "-",
    Op.MULTIPLY: "*",
    Op.EQUAL: "==",
    Op.NOT_EQUAL: "!=",
    Op.LESS: "<",
    Op.LESS_EQUAL: "<=",
    Op.GREATER: ">",
    Op.GREATER_EQUAL: ">=",
    Op.IN: "in",
    Op.NOT_IN: "not in",
    Op.TRUE: "is",
    Op.FALSE: "is",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: its text, its type, and what stands there literally if so."""

    text: str
    type: ValueType
    literal: Cell = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A comparison: `left sign right`; of a lone truth `right` is the wanted one."""

    left: Side
    sign: str
    right: Side

    def __str__(self) -> str:
        if self.sign == "is":
            return self.left.text if self.right.literal else f"not {self.left.text}"
        return f"{self.left.text} {self.sign} {self.right.text}"


def comparisons(code: bytes, program: Program) -> Mapping[int, Listed]:
    """Give the comparisons of verified code by their place among the instructions."""
    stack: list[Side] = []
    found: dict[int, Listed] = {}
    for place, instruction in enumerate(instructions(code)):
        taken = stack[len(stack) - instruction.taken :]
        del stack[len(stack) - instruction.taken :]
        if instruction.op in COMPARISONS:
            found[place] = _listed(instruction.op, taken)
            stack.append(Side("", ValueType.TRUTH))
        elif instruction.given:
            stack.append(_side(instruction, taken, program))
    return found


def _listed(op: Op, taken: list[Side]) -> Listed:
    left, *others = taken
    if op in (Op.TRUE, Op.FALSE):
        return Listed(left, _SIGNS[op], Side(op.name.lower(), ValueType.TRUTH, int(op is Op.TRUE)))
    kind = left.type if left.literal is None else others[0].type
    shown = [_retyped(side, kind) for side in others]
    if op in (Op.IN, Op.NOT_IN):
        text = "(" + ", ".join(side.text for side in shown) + ")"
        return Listed(left, _SIGNS[op], Side(text, kind, 0))
    return Listed(_retyped(left, kind), _SIGNS[op], shown[0])


def _retyped(side: Side, kind: ValueType) -> Side:
    """Show a literal in the terms of what it is compared with."""
    if side.literal is None:
        return side
    return Side(show(side.literal, kind), kind, side.literal)


def _side(instruction: Instruction, taken: list[Side], program: Program) -> Side:
    op, operand = instruction.op, instruction.operand
    match op:
        case Op.FACT:
            return Side(FACTS[operand].name, FACTS[operand].type)
        case Op.VARIABLE:
            variable = program.variables[operand]
            return Side(variable.name, variable.type)
        case Op.PARAMETER:
            parameter = program.parameters[operand]
            return Side(parameter.name, parameter.type)
        case Op.LITERAL:
            value = program.literals[operand]
            return Side(show(value, ValueType.TEXT), ValueType.TEXT, value)
        case Op.NUMBER8 | Op.NUMBER16:
            return Side(str(operand), ValueType.NUMBER, operand)
    left, right = taken
    kind = max(left.type, right.type)
    return Side(f"{left.text} {_SIGNS[op]} {right.text}", kind)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison that was false: what it says, and the values that its sides had.

    `right` is None for a membership or a lone truth, whose `listed.right` says what was wanted.
    """

    listed: Listed
    left: Cell
    right: Cell

    def __str__(self) -> str:
        left, right = self.listed.left, self.listed.right
        if self.listed.sign in ("==", "!=") and None not in (self.left, self.right):
            if right.text == f"last.{left.text}":
                return _since_last_success(left, self.left, self.right)
            if left.text == f"last.{right.text}":
                return _since_last_success(right, self.right, self.left)
        was = f"{left.text} was {show(self.left, left.type)}"
        if right.literal is not None:
            wanted = right.text if self.listed.sign in ("is", "==") else self._wanted()
            return f"{was} (wanted {wanted})"
        return f"{was} (wanted {self._wanted()}, which was {show(self.right, right.type)})"

    def _wanted(self) -> str:
        return f"{self.listed.sign} {self.listed.right.text}"


def _since_last_success(fact: Side, now: Cell, then: Cell) -> str:
    """Say plainly how a fact is and how it was at the last success."""
    was = f"{fact.text} was {show(now, fact.type)}"
    if now == then:
        return f"{was}, as at the last success"
    if then == NO_SUCCESS:
        return f"{was}, and there was no success yet"
    return f"{was}, at the last success {show(then, fact.type)}"
