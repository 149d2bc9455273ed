"""The memory of the card: all of a transaction or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card.memory import Memory
from cardsync.errors import PeerError

CELLS = st.dictionaries(st.text(max_size=20), st.binary(max_size=300), max_size=8)


def filled(cells: dict[str, bytes]) -> Memory:
    """Make a memory of these cells."""
    memory = Memory()
    for name, octets in cells.items():
        memory.write(name, octets)
    return memory


@given(CELLS)
def test_image(cells: dict[str, bytes]) -> None:
    """What was written is read from the image; an empty cell is none."""
    memory = Memory.decode(filled(cells).encode())

    assert {n: o for n, o in cells.items() if o} == {n: memory.read(n) for n in memory.names("")}
    assert filled(cells).encode() == memory.encode()


def fail(memory: Memory) -> None:
    """Change cells in a transaction that fails."""
    with memory.transaction():
        memory.write("a", b"")
        memory.write("inner", b"3")
        raise PeerError("no")


def test_transaction_undoes_all() -> None:
    """A block that raises has changed no cell, nor the generation."""
    memory = filled({"a": b"1", "b": b"2"})
    before, generation = memory.encode(), memory.generation
    with pytest.raises(PeerError):
        fail(memory)

    assert (before, generation) == (memory.encode(), memory.generation)


def test_transaction_within_another() -> None:
    """What fails within undoes itself alone."""
    memory = Memory()
    with memory.transaction():
        memory.write("outer", b"1")
        with pytest.raises(PeerError):
            fail(memory)

    assert ("outer",) == memory.names("")


def test_generation_rises_with_each_change() -> None:
    """Whoever keeps the image sees by it that there is something to write."""
    memory = filled({"a": b"1"})
    before = memory.generation
    memory.write("a", b"1")
    memory.write("nothing", b"")

    assert before == memory.generation

    memory.write("a", b"2")

    assert before < memory.generation


@pytest.mark.parametrize(
    "image", [b"", b"CSMEM", b"PSMEM2", b"CSMEM2\x05ab", b"CSMEM2\x01a\0\0\5x"]
)
def test_no_image(image: bytes) -> None:
    """Other octets are refused."""
    with pytest.raises(PeerError):
        Memory.decode(image)


def test_image_of_another_version() -> None:
    """It is refused as what it is, before a cell of it is read."""
    with pytest.raises(PeerError, match="another version"):
        Memory.decode(b"CSMEM1\x01a\0\0\1x")
