"""Expressions: Python's grammar, our types, never Python's evaluation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.expressions import (
    Arithmetic,
    Compared,
    Held,
    Joined,
    Literal,
    Member,
    Name,
    Scope,
    Wrong,
    condition,
    value_of_type,
)
from cardsync.policy.facts import FACTS_BY_NAME
from cardsync.policy.opcodes import Op
from cardsync.policy.values import ValueType

NAMES = {
    "count": Name(ValueType.NUMBER, Scope.VARIABLE, 0),
    "asked": Name(ValueType.TRUTH, Scope.VARIABLE, 1),
    "wait": Name(ValueType.DURATION, Scope.PARAMETER, 0),
    "home": Name(ValueType.TEXT, Scope.PARAMETER, 1),
}


def fact(name: str) -> Name:
    """Give a fact as expressions have it."""
    found = FACTS_BY_NAME[name]
    return Name(found.type, Scope.FACT, found.number)


COUNT = NAMES["count"]
ONE, TWO = Literal(ValueType.NUMBER, 1), Literal(ValueType.NUMBER, 2)
LESS = Compared(Op.LESS, COUNT, ONE)
NOT_LESS = Compared(Op.GREATER_EQUAL, COUNT, ONE)
IS_TWO, IS_NOT_TWO = Compared(Op.EQUAL, COUNT, TWO), Compared(Op.NOT_EQUAL, COUNT, TWO)
TECHNOLOGY = fact("network.technology")
LTE, NR = Literal(ValueType.TECHNOLOGY, 8), Literal(ValueType.TECHNOLOGY, 10)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("count < 1", LESS),
        ("not count < 1", NOT_LESS),
        ("not not count < 1", LESS),
        ("count < 1 and count == 2", Joined(Op.AND, (LESS, IS_TWO))),
        ("not (count < 1 and count == 2)", Joined(Op.OR, (NOT_LESS, IS_NOT_TWO))),
        ("not (count < 1 or count == 2)", Joined(Op.AND, (NOT_LESS, IS_NOT_TWO))),
        (
            "1 <= count <= 2",
            Joined(
                Op.AND,
                (Compared(Op.GREATER_EQUAL, COUNT, ONE), Compared(Op.LESS_EQUAL, COUNT, TWO)),
            ),
        ),
        (
            "not 1 <= count <= 2",
            Joined(Op.OR, (Compared(Op.LESS, COUNT, ONE), Compared(Op.GREATER, COUNT, TWO))),
        ),
        ("asked", Held(Op.TRUE, NAMES["asked"])),
        ("not network.roaming", Held(Op.FALSE, fact("network.roaming"))),
        ("network.technology in (LTE, NR)", Member(Op.IN, TECHNOLOGY, (LTE, NR))),
        ("not network.technology in [LTE]", Member(Op.NOT_IN, TECHNOLOGY, (LTE,))),
        ("language == home", Compared(Op.EQUAL, fact("language"), NAMES["home"])),
        (
            "profile == b'\\x4a'",
            Compared(Op.EQUAL, fact("profile"), Literal(ValueType.OCTETS, b"\x4a")),
        ),
        ("language == 'fi'", Compared(Op.EQUAL, fact("language"), Literal(ValueType.TEXT, b"fi"))),
        ("wait == 2 * hours", Compared(Op.EQUAL, NAMES["wait"], Literal(ValueType.DURATION, 120))),
        (
            "wait > 30 * days",
            Compared(Op.GREATER, NAMES["wait"], Literal(ValueType.DURATION, 43200)),
        ),
        (
            "count * minutes < wait",
            Compared(
                Op.LESS,
                Arithmetic(ValueType.DURATION, Op.MULTIPLY, COUNT, Literal(ValueType.DURATION, 1)),
                NAMES["wait"],
            ),
        ),
        (" \tcount\n < 1 ", LESS),
    ],
)
def test_conditions(text: str, tree: object) -> None:
    """Conditions are typed trees in which `not` stands no more; constants are calculated."""
    assert tree == condition(text, NAMES)


def test_values() -> None:
    """A variable takes a value of its own type."""
    double = Arithmetic(ValueType.NUMBER, Op.ADD, COUNT, ONE)

    assert double == value_of_type("count + 1", NAMES, ValueType.NUMBER)
    assert LESS == value_of_type("count < 1", NAMES, ValueType.TRUTH)
    assert NAMES["wait"] == value_of_type("wait", NAMES, ValueType.DURATION)


@pytest.mark.parametrize(
    ("text", "index", "what", "expected"),
    [
        (
            "imie == home",
            0,
            "unknown name 'imie'",
            "a fact, a parameter or a variable, perhaps 'im",
        ),
        ("count < 1 and last.imie != imei", 14, "unknown name 'last.imie'", "perhaps 'last.imei'"),
        ("'äö' == home and x", 17, "unknown name 'x'", "a fact"),
        ("profile == home", 11, "this is a text", "octets"),
        ("wait > 5", 7, "this is a number", "a duration, such as 5 * minutes"),
        ("network.technology == 8", 22, "this is a number", "a technology"),
        ("network.technology < LTE", 0, "no order is known of a technology", "== or !="),
        ("language < home", 0, "no order is known of a text", "== or !="),
        ("network.roaming == 1", 19, "a truth is not compared", "the name alone"),
        ("count", 0, "this is a number", "a comparison or a truth"),
        ("count + wait > wait", 0, "a number and a duration do not go together", "numbers or dur"),
        ("wait * wait > wait", 0, "a duration and a duration do not go", "numbers or durations"),
        ("46 * days > wait", 0, "this is 66240", "0 to 64800 minutes (45 days)"),
        ("1 - 2 == count", 0, "this is -1", "0 to 65535"),
        ("count == 65536", 9, "this is 65536", "0 to 65535"),
        ("count == -1", 9, "the policy's language has no such expression", "a fact, a parameter"),
        ("count / 2 == 1", 0, "the policy's language has no such expression", "a fact"),
        ("count == 1.5", 9, "this is 1.5", "a fact"),
        ("count == None", 9, "this is None", "a fact"),
        ("count == True", 9, "this is True", "a fact"),
        ("len(imei) == 1", 0, "the policy's language has no such expression", "a fact"),
        ("count in LTE", 9, "not a list of values", "1 to 8 values in parentheses"),
        ("count in ()", 9, "not a list of values", "1 to 8 values in parentheses"),
        ("count in (1, wait)", 13, "this is a duration", "a number"),
        ("count is count", 0, "a comparison with `is`", "== or !="),
        ("count <", 7, "not an expression (invalid syntax)", "a comparison of facts"),
        ("count < (1", 8, "not an expression ('(' was never closed)", "a comparison of facts"),
        ("count < 1 # or", 10, "a comment", "none within an expression"),
        ("home == '\\d'", 9, "not an expression", "a comparison"),
        ("home == '" + "x" * 65 + "'", 8, "65 octets", "at most 64 octets"),
        ("count == 1" + " " * 500, 500, "510 characters", "at most 500"),
        ("count\0", 6, "not an expression", "a comparison"),
        ("(lambda: count)() == 1", 0, "the policy's language has no such", "a fact"),
    ],
)
def test_what_is_no_condition(text: str, index: int, what: str, expected: str) -> None:
    """Everything else is refused at its character, with what was expected."""
    with pytest.raises(Wrong) as caught:
        condition(text, NAMES)

    assert caught.value.what.startswith(what)
    assert expected in caught.value.expected
    assert (index, text[:index]) == (caught.value.index, text[: caught.value.index])


def test_a_hash_in_a_text_is_no_comment() -> None:
    """A text may have the sign of a comment in it."""
    assert condition("home == '#1'", NAMES) == Compared(
        Op.EQUAL, NAMES["home"], Literal(ValueType.TEXT, b"#1")
    )


@settings(deadline=None)
@given(st.text("imeicount()<>=!.+-*,'\"\\ \n#andotr1", max_size=40))
def test_nothing_else_is_raised(text: str) -> None:
    """Any text is a condition or is refused at a character of its own."""
    index = 0
    try:
        condition(text, NAMES)
    except Wrong as exc:
        index = exc.index

    assert 0 <= index <= len(text)
