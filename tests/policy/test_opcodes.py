"""Stack code: split, counted, verified."""

import pytest

from cardsync.policy.opcodes import Counts, Op, instructions, steps, verify

COUNTS = Counts(literals=1, variables=2, parameters=1)
NUMBER = bytes([Op.NUMBER8, 1])


def code(*parts: bytes | int) -> bytes:
    """Join opcodes and octets."""
    return b"".join(part if isinstance(part, bytes) else bytes([part]) for part in parts)


def test_instructions() -> None:
    """An opcode is followed by its operand; the next instruction stands behind it."""
    found = list(instructions(bytes.fromhex("02 01 00  05 01  20")))

    assert [(0, Op.NUMBER16, 256), (3, Op.VARIABLE, 1), (5, Op.EQUAL, 0)] == [
        (one.offset, one.op, one.operand) for one in found
    ]


def test_steps() -> None:
    """Every instruction is a step; a membership is as many as it has members."""
    assert steps(code(NUMBER, NUMBER, NUMBER, NUMBER, Op.IN, 3)) == 7


@pytest.mark.parametrize(
    ("octets", "depth"),
    [
        (NUMBER, 1),
        (code(NUMBER, NUMBER, Op.EQUAL), 2),
        (code(NUMBER, NUMBER, NUMBER, Op.IN, 2), 3),
        (code(Op.FACT, 8, Op.TRUE, Op.AND, 3, Op.VARIABLE, 1, Op.TRUE), 1),
        (code(NUMBER * 12, bytes([Op.ADD]) * 11), 12),
    ],
)
def test_verified(octets: bytes, depth: int) -> None:
    """Code that leaves one value is accepted, with the depth of its stack."""
    assert depth == verify(octets, COUNTS)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "leave one value"),
        (b"\x00", "not a valid Op"),
        (b"\x07", "not a valid Op"),
        (code(Op.NUMBER16, 0), "no operand"),
        (code(NUMBER, NUMBER), "leave one value"),
        (code(Op.EQUAL), "finds no operand"),
        (code(NUMBER, Op.ADD), "finds no operand"),
        (code(NUMBER, Op.AND, 1, Op.NUMBER8, 1), "jump ends nowhere"),
        (code(NUMBER, Op.AND, 9, NUMBER), "jump ends nowhere"),
        (code(NUMBER, Op.OR, 0, NUMBER), "cannot have operand 0"),
        (code(NUMBER, Op.AND, 4, NUMBER, NUMBER, Op.ADD), "different stacks"),
        (code(NUMBER, NUMBER, Op.AND, 3, NUMBER, Op.ADD), "leave one value"),
        (code(NUMBER, Op.AND, 4, NUMBER, Op.AND, 2, NUMBER, NUMBER, Op.ADD), "different stacks"),
        (code(Op.LITERAL, 1), "cannot have operand 1"),
        (code(Op.VARIABLE, 2), "cannot have operand 2"),
        (code(Op.PARAMETER, 1), "cannot have operand 1"),
        (code(Op.FACT, 0x0D), "cannot have operand 13"),
        (code(Op.FACT, 0x8A), "cannot have operand 138"),
        (code(NUMBER, Op.IN, 0), "cannot have operand 0"),
        (code(NUMBER * 13, bytes([Op.ADD]) * 12), "grows to 13"),
        (NUMBER + bytes([Op.TRUE]) * 254, "longer than 255"),
    ],
)
def test_refused(octets: bytes, why: str) -> None:
    """Unknown opcodes, references out of range, wrong jumps and wrong stacks are refused. O-8."""
    with pytest.raises(ValueError, match=why):
        verify(octets, COUNTS)
