"""Running stack code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.facts import FACTS
from cardsync.policy.interpreter import Cell, _one_by_one, prepare, run
from cardsync.policy.opcodes import COMPARISONS, Counts, Op, steps, verify

NUMBERS = st.integers(0, 65535)


def value(code: bytes, **facts: int | bytes) -> Cell:
    """Run code with one literal, `fi`, a variable of 7, a parameter of 9."""
    known = {name.replace("__", "."): found for name, found in facts.items()}
    return run(prepare(code, [b"fi"]), known, [7], [9]).value


def push(number: int) -> bytes:
    """Give the code that puts a number on the stack."""
    return bytes([Op.NUMBER16]) + number.to_bytes(2, "big")


BATTERY = bytes([Op.FACT, 0x0A])
ROAMING = bytes([Op.FACT, 0x08])
LANGUAGE = bytes([Op.FACT, 0x04])


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_calculation_saturates(a: int, b: int) -> None:
    """Sums, differences and products stay within 0 and 65535."""
    assert min(a + b, 65535) == value(push(a) + push(b) + bytes([Op.ADD]))
    assert max(a - b, 0) == value(push(a) + push(b) + bytes([Op.SUBTRACT]))
    assert min(a * b, 65535) == value(push(a) + push(b) + bytes([Op.MULTIPLY]))


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_comparisons(a: int, b: int) -> None:
    """Numbers compare as numbers."""
    found = [value(push(a) + push(b) + bytes([op])) for op in range(Op.EQUAL, Op.IN)]

    assert [a == b, a != b, a < b, a <= b, a > b, a >= b] == found


def test_what_is_put() -> None:
    """Literals, variables, parameters and facts."""
    assert value(bytes([Op.LITERAL, 0])) == b"fi"
    assert value(bytes([Op.VARIABLE, 0])) == 7
    assert value(bytes([Op.PARAMETER, 0])) == 9
    assert value(BATTERY, battery=3) == 3


def test_facts_saturate() -> None:
    """A fact that does not fit 16 bits is taken as the nearest that does."""
    assert value(BATTERY, battery=70000) == 65535
    assert value(BATTERY, battery=-1) == 0


@pytest.mark.parametrize("op", [*range(Op.EQUAL, Op.IN)])
def test_a_comparison_with_an_unknown_fact_is_false(op: int) -> None:
    """Whatever is compared, and on either side."""
    assert value(BATTERY + push(0) + bytes([op])) == 0
    assert value(push(0) + BATTERY + bytes([op])) == 0
    assert value(BATTERY + BATTERY + bytes([op])) == 0


def test_an_unknown_truth_is_neither() -> None:
    """Neither `network.roaming` nor `not network.roaming` holds while it is unknown."""
    assert value(ROAMING + bytes([Op.TRUE])) == 0
    assert value(ROAMING + bytes([Op.FALSE])) == 0
    assert value(ROAMING + bytes([Op.FALSE]), network__roaming=0) == 1


def test_membership() -> None:
    """In some values, or in none of them; nothing is known of an unknown fact."""
    members = push(8) + push(10)

    assert value(BATTERY + members + bytes([Op.IN, 2]), battery=10) == 1
    assert value(BATTERY + members + bytes([Op.IN, 2]), battery=9) == 0
    assert value(BATTERY + members + bytes([Op.NOT_IN, 2]), battery=9) == 1
    assert value(BATTERY + members + bytes([Op.IN, 2])) == 0
    assert value(BATTERY + members + bytes([Op.NOT_IN, 2])) == 0
    assert value(push(1) + BATTERY + bytes([Op.NOT_IN, 1])) == 0
    assert value(BATTERY + BATTERY + bytes([Op.IN, 1]), battery=9) == 1
    assert value(LANGUAGE + bytes([Op.LITERAL, 0, Op.IN, 1]), language=b"fi") == 1


def test_before_the_first_success() -> None:
    """What was true at the last success is unlike everything while there was none."""
    last = bytes([Op.FACT, 0x84])

    assert value(LANGUAGE + last + bytes([Op.NOT_EQUAL]), language=b"fi") == 1
    assert value(LANGUAGE + last + bytes([Op.EQUAL]), language=b"fi") == 0
    assert value(bytes([Op.FACT, 0x85]) + push(0) + bytes([Op.GREATER_EQUAL])) == 0


def test_octets_do_not_calculate() -> None:
    """Octets in a calculation give unknown; in an order they are false."""
    assert value(bytes([Op.LITERAL, 0]) + push(1) + bytes([Op.ADD])) is None
    assert value(bytes([Op.LITERAL, 0]) + push(1) + bytes([Op.LESS])) == 0


def test_short_circuit_and_reasons() -> None:
    """What is not needed is not run; what was false is told with both sides."""
    both = ROAMING + bytes([Op.TRUE, Op.AND, 6]) + BATTERY + push(1) + bytes([Op.EQUAL])
    either = ROAMING + bytes([Op.TRUE, Op.OR, 6]) + BATTERY + push(1) + bytes([Op.EQUAL])

    found = run(prepare(both, []), {"network.roaming": 0}, [], [])
    assert (found.value, found.false, found.steps) == (0, ((1, 0, None),), 3)
    found = run(prepare(either, []), {"network.roaming": 1}, [], [])
    assert (found.value, found.false, found.steps) == (1, (), 3)
    found = run(prepare(either, []), {"network.roaming": 0, "battery": 2}, [], [])
    assert (found.value, found.false, found.steps) == (0, ((1, 0, None), (5, 2, 1)), 6)


INSTRUCTIONS = st.one_of(
    st.builds(lambda n: bytes([Op.NUMBER8, n]), st.integers(0, 255)),
    st.builds(lambda n: bytes([Op.FACT, n]), st.sampled_from(sorted(FACTS))),
    st.sampled_from([bytes([Op.LITERAL, 0]), bytes([Op.VARIABLE, 0]), bytes([Op.PARAMETER, 0])]),
    st.sampled_from([bytes([op]) for op in range(Op.ADD, Op.FALSE + 1) if op in set(Op)]).map(
        lambda octets: octets + b"\x02" if octets[0] in (Op.IN, Op.NOT_IN) else octets
    ),
    st.builds(lambda op, n: bytes([op, n]), st.sampled_from([Op.AND, Op.OR]), st.integers(1, 9)),
)


@settings(deadline=None)
@given(
    st.lists(INSTRUCTIONS, max_size=12).map(b"".join),
    st.dictionaries(
        st.sampled_from([fact.name for fact in FACTS.values()]),
        st.integers(0, 65535) | st.binary(max_size=3),
    ),
)
def test_verified_code_cannot_fail(code: bytes, facts: dict[str, int | bytes]) -> None:
    """Code that passes verification runs to its end, in no more steps than counted. O-8."""
    try:
        verify(code, Counts(1, 1, 1))
    except ValueError:
        return
    found = run(prepare(code, [b"fi"]), facts, [7], [9])

    assert found.steps <= steps(code)
    assert found == run(_one_by_one(code, [b"fi"]), facts, [7], [9])


@settings(deadline=None)
@given(
    st.sampled_from([BATTERY, LANGUAGE, bytes([Op.FACT, 0x84])]),
    st.lists(
        st.sampled_from([push(3), bytes([Op.LITERAL, 0]), BATTERY, bytes([Op.FACT, 0x84])]),
        max_size=3,
    ),
    st.sampled_from(sorted(COMPARISONS)),
    st.dictionaries(
        st.sampled_from(["battery", "language", "last.language"]),
        st.sampled_from([3, 4, -1, 70000, 65535, b"fi", b"en", b""]),
    ),
)
def test_a_comparison_as_a_whole(
    left: bytes, right: list[bytes], op: int, facts: dict[str, int | bytes]
) -> None:
    """A comparison that is done at once gives what its instructions give one by one."""
    operand = bytes([len(right)]) if op in (Op.IN, Op.NOT_IN) else b""
    code = left + b"".join(right) + bytes([op]) + operand
    try:
        verify(code, Counts(1, 0, 0))
    except ValueError:
        return

    assert run(_one_by_one(code, [b"fi"]), facts, [], []) == run(
        prepare(code, [b"fi"]), facts, [], []
    )
