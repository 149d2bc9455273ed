"""Expressions of a policy: the boolean and integer part of Python's grammar, typed.

Python's own `ast` parses; nothing is ever evaluated by Python. `not` is pushed inward to the
comparisons (`not a < b` becomes `a >= b`), so that a comparison with an unknown fact is false
whichever way round it was written.
"""

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from cardsync.policy.facts import FACTS_BY_NAME, WORDS
from cardsync.policy.opcodes import Op
from cardsync.policy.tables import perhaps
from cardsync.policy.values import LARGEST_NUMBER, LONGEST_DURATION, ValueType

_LONGEST = 500  # characters
_LONGEST_LITERAL = 64  # octets
_MOST_MEMBERS = 8

_NEGATED = {
    Op.EQUAL: Op.NOT_EQUAL,
    Op.NOT_EQUAL: Op.EQUAL,
    Op.LESS: Op.GREATER_EQUAL,
    Op.GREATER_EQUAL: Op.LESS,
    Op.GREATER: Op.LESS_EQUAL,
    Op.LESS_EQUAL: Op.GREATER,
    Op.IN: Op.NOT_IN,
    Op.NOT_IN: Op.IN,
}
_MIRRORED = {
    Op.LESS: Op.GREATER,
    Op.LESS_EQUAL: Op.GREATER_EQUAL,
    Op.GREATER: Op.LESS,
    Op.GREATER_EQUAL: Op.LESS_EQUAL,
}
_COMPARISONS: dict[type[ast.cmpop], Op] = {
    ast.Eq: Op.EQUAL,
    ast.NotEq: Op.NOT_EQUAL,
    ast.Lt: Op.LESS,
    ast.LtE: Op.LESS_EQUAL,
    ast.Gt: Op.GREATER,
    ast.GtE: Op.GREATER_EQUAL,
    ast.In: Op.IN,
    ast.NotIn: Op.NOT_IN,
}
_ARITHMETIC: dict[type[ast.operator], Op] = {
    ast.Add: Op.ADD,
    ast.Sub: Op.SUBTRACT,
    ast.Mult: Op.MULTIPLY,
}
_COUNTED = (ValueType.NUMBER, ValueType.DURATION)
_A_VALUE = "a fact, a parameter, a variable, a number or a text"


class Scope(IntEnum):
    """Where a name belongs; the value is the opcode that reads it."""

    FACT = Op.FACT
    VARIABLE = Op.VARIABLE
    PARAMETER = Op.PARAMETER


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the expression itself."""

    type: ValueType
    value: int | bytes


@dataclass(frozen=True, slots=True)
class Name:
    """Something that has a name; `number` is its code point or its place in the program."""

    type: ValueType
    scope: Scope
    number: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A sum, a difference or a product; each saturates at 0 and 65535."""

    type: ValueType
    op: Op
    left: "Value"
    right: "Value"


Value = Literal | Name | Arithmetic


@dataclass(frozen=True, slots=True)
class Compared:
    """Two values compared."""

    op: Op
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Member:
    """A value that is one of some, or none of them."""

    op: Op
    left: Value
    members: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A truth, wanted true (`Op.TRUE`) or false (`Op.FALSE`)."""

    op: Op
    operand: Name


@dataclass(frozen=True, slots=True)
class Joined:
    """Two or more conditions of which all (`Op.AND`) or one (`Op.OR`) must hold."""

    op: Op
    parts: tuple["Truth", ...]


Truth = Compared | Member | Held | Joined
Expression = Value | Truth


class Wrong(Exception):
    """An expression is not usable; `index` is the offending character."""

    def __init__(self, index: int, what: str, expected: str) -> None:
        super().__init__(what)
        self.index, self.what, self.expected = index, what, expected


def condition(text: str, names: Mapping[str, Name]) -> Truth:
    """Read a condition; `names` are the parameters and variables. Raise `Wrong`."""
    return _Reader(text, names).truth(_parse(text), wanted=True)


def value_of_type(text: str, names: Mapping[str, Name], wanted: ValueType) -> Expression:
    """Read what a variable of the type `wanted` may be set to. Raise `Wrong`."""
    reader, node = _Reader(text, names), _parse(text)
    if wanted is ValueType.TRUTH:
        return reader.truth(node, wanted=True)
    found = reader.value(node)
    if found.type is not wanted:
        raise Wrong(reader.index(node), f"this is {_a(found.type)}", _a(wanted))
    return found


def _parse(text: str) -> ast.expr:
    """Let Python's grammar split the text; line feeds are blanks, comments are refused."""
    if len(text) > _LONGEST:
        raise Wrong(_LONGEST, f"{len(text)} characters", f"at most {_LONGEST}")
    if "\0" in text:  # not every Python says where it stands
        raise Wrong(text.index("\0") + 1, "not an expression (NUL)", "a comparison of facts")
    flat = text.replace("\n", " ").replace("\t", " ")
    body = flat.lstrip(" ")
    indent = len(flat) - len(body)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = ast.parse(body, mode="eval").body
    except SyntaxError as exc:
        at = indent + exc.offset - 1 if exc.offset else len(text)  # no offset: at the end
        if "escape" in exc.msg:  # Pythons differ on where it stands
            at = flat.index("\\")
        raise Wrong(at, f"not an expression ({exc.msg})", "a comparison of facts") from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise Wrong(0, "not an expression", "a comparison of facts") from exc
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset = indent + _characters(body, node.col_offset)
    _refuse_comment(tree, flat)
    return tree


def _characters(text: str, octets: int) -> int:
    """Turn an offset in UTF-8 octets, as `ast` counts, into one in characters."""
    return octets if text.isascii() else len(text.encode()[:octets].decode())


def _refuse_comment(tree: ast.expr, text: str) -> None:
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    quoted = sum(str(value).count("#") for value in literals if isinstance(value, str | bytes))
    if text.count("#") > quoted:
        raise Wrong(text.index("#"), "a comment", "none within an expression")


def _a(kind: ValueType) -> str:
    """Name a type with its article; octets have none."""
    return "octets" if kind is ValueType.OCTETS else f"a {kind.name.lower()}"


class _Reader:
    """Turns Python's tree into ours; the first thing that does not fit raises `Wrong`."""

    def __init__(self, text: str, names: Mapping[str, Name]) -> None:
        self._text, self._names = text, names

    def index(self, node: ast.expr) -> int:
        """Give the character at which a node begins."""
        return node.col_offset

    def truth(self, node: ast.expr, *, wanted: bool) -> Truth:
        """Read what must be true, or false where `wanted` is not set."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.truth(node.operand, wanted=not wanted)
        if isinstance(node, ast.BoolOp):
            op = Op.AND if isinstance(node.op, ast.And) is wanted else Op.OR
            return Joined(op, tuple(self.truth(part, wanted=wanted) for part in node.values))
        if isinstance(node, ast.Compare):
            return self._comparison(node, wanted)
        found = self.value(node)
        if found.type is ValueType.TRUTH and isinstance(found, Name):
            return Held(Op.TRUE if wanted else Op.FALSE, found)
        raise Wrong(self.index(node), f"this is {_a(found.type)}", "a comparison or a truth")

    def value(self, node: ast.expr) -> Value:
        """Read a fact, a name, a literal or a calculation."""
        if isinstance(node, ast.Name | ast.Attribute):
            return self._name(node)
        if isinstance(node, ast.Constant):
            return self._literal(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node, _ARITHMETIC[type(node.op)])
        raise Wrong(self.index(node), "the policy's language has no such expression", _A_VALUE)

    def _comparison(self, node: ast.Compare, wanted: bool) -> Truth:
        """Read `a < b`, or a chain of them, which is all of its pairs."""
        operands = [node.left, *node.comparators]
        parts = tuple(
            self._compared(left, operator, right, wanted)
            for left, operator, right in zip(operands, node.ops, operands[1:], strict=False)
        )
        return parts[0] if len(parts) == 1 else Joined(Op.AND if wanted else Op.OR, parts)

    def _compared(
        self, left: ast.expr, operator: ast.cmpop, right: ast.expr, wanted: bool
    ) -> Truth:
        if type(operator) not in _COMPARISONS:
            raise Wrong(self.index(left), "a comparison with `is`", "== or !=")
        op = _COMPARISONS[type(operator)]
        op = op if wanted else _NEGATED[op]
        first = self.value(left)
        if op in (Op.IN, Op.NOT_IN):
            return Member(op, first, self._members(right, first))
        second = self.value(right)
        self._comparable(first, second, right)
        if op not in (Op.EQUAL, Op.NOT_EQUAL) and first.type not in _COUNTED:
            raise Wrong(self.index(left), f"no order is known of {_a(first.type)}", "== or !=")
        if isinstance(first, Literal):  # reasons speak of what was, and then of what was wanted
            return Compared(_MIRRORED.get(op, op), second, first)
        return Compared(op, first, second)

    def _members(self, node: ast.expr, left: Value) -> tuple[Value, ...]:
        if not isinstance(node, ast.Tuple | ast.List) or not 1 <= len(node.elts) <= _MOST_MEMBERS:
            expected = f"1 to {_MOST_MEMBERS} values in parentheses, `in (LTE, NR)` or `in (LTE,)`"
            raise Wrong(self.index(node), "not a list of values", expected)
        members = tuple(self.value(element) for element in node.elts)
        for element, member in zip(node.elts, members, strict=True):
            self._comparable(left, member, element)
        return members

    def _comparable(self, left: Value, right: Value, node: ast.expr) -> None:
        """Refuse apples with pears; a truth is not compared at all."""
        if ValueType.TRUTH in (left.type, right.type):
            raise Wrong(self.index(node), "a truth is not compared", "the name alone, or `not` it")
        if left.type is not right.type:
            hint = ", such as 5 * minutes" if left.type is ValueType.DURATION else ""
            raise Wrong(self.index(node), f"this is {_a(right.type)}", f"{_a(left.type)}{hint}")

    def _arithmetic(self, node: ast.BinOp, op: Op) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        kinds = {left.type, right.type}
        fits = kinds <= set(_COUNTED) and (
            len(kinds) == 1 if op is not Op.MULTIPLY else kinds != {ValueType.DURATION}
        )
        if not fits:
            what = f"{_a(left.type)} and {_a(right.type)} do not go together here"
            raise Wrong(self.index(node), what, "numbers or durations")
        kind = max(kinds)
        if isinstance(left, Literal) and isinstance(right, Literal):
            return self._folded(node, op, left, right)
        return Arithmetic(kind, op, left, right)

    def _folded(self, node: ast.BinOp, op: Op, first: Literal, second: Literal) -> Literal:
        """Calculate what is known already; here saturation would hide a mistake."""
        kind = max(first.type, second.type)
        left, right = int(first.value), int(second.value)
        value = {Op.ADD: left + right, Op.SUBTRACT: left - right, Op.MULTIPLY: left * right}[op]
        highest = LONGEST_DURATION if kind is ValueType.DURATION else LARGEST_NUMBER
        if not 0 <= value <= highest:
            unit = " minutes (45 days)" if kind is ValueType.DURATION else ""
            raise Wrong(self.index(node), f"this is {value}", f"0 to {highest}{unit}")
        return Literal(kind, value)

    def _name(self, node: ast.Name | ast.Attribute) -> Value:
        name = ast.unparse(node)
        if name in self._names:
            return self._names[name]
        if name in FACTS_BY_NAME:
            fact = FACTS_BY_NAME[name]
            return Name(fact.type, Scope.FACT, fact.number)
        if name in WORDS:
            return Literal(*WORDS[name])
        guess = perhaps(name, [*self._names, *FACTS_BY_NAME, *WORDS])
        expected = f"a fact, a parameter or a variable{guess}"
        raise Wrong(self.index(node), f"unknown name {name!r}", expected)

    def _literal(self, node: ast.Constant) -> Literal:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool):
            if value > LARGEST_NUMBER:
                raise Wrong(self.index(node), f"this is {value}", f"0 to {LARGEST_NUMBER}")
            return Literal(ValueType.NUMBER, value)
        kind = ValueType.TEXT if isinstance(value, str) else ValueType.OCTETS
        octets = value.encode() if isinstance(value, str) else value
        if not isinstance(octets, bytes):
            raise Wrong(self.index(node), f"this is {value!r}", _A_VALUE)
        if len(octets) > _LONGEST_LITERAL:
            expected = f"at most {_LONGEST_LITERAL} octets"
            raise Wrong(self.index(node), f"{len(octets)} octets", expected)
        return Literal(kind, octets)
