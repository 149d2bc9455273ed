"""Long things in blocks: in any number of packets, repeated, interrupted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card.memory import Memory
from cardsync.card.pieces import Pieces
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW

AID = b"\xf0load"


@given(st.lists(st.binary(min_size=1, max_size=255), min_size=1, max_size=20), st.data())
def test_repeated_blocks(blocks: list[bytes], data: st.DataObject) -> None:
    """Any block that was taken may come again, after a reset too; the whole is the same.

    GlobalPlatform Card Specification 2.3 clause 11.6.
    """
    memory, whole = Memory(), None
    Pieces(memory, "load").begin(AID)
    for number, block in enumerate(blocks):
        pieces = Pieces(Memory.decode(memory.encode()), "load")
        memory = pieces._memory
        if number:
            again = data.draw(st.integers(0, number - 1))
            assert pieces.take(again, blocks[again], last=False) is None
        whole = pieces.take(number, block, last=number == len(blocks) - 1)

    assert (AID, b"".join(blocks)) == whole
    assert () == memory.names("load")


@pytest.mark.parametrize(
    ("number", "block"), [(2, b"c"), (0, b"other"), (255, b"c")], ids=["gap", "changed", "far"]
)
def test_out_of_turn(number: int, block: bytes) -> None:
    """A gap, or other content under a number that was taken, is refused; what came stays."""
    memory = Memory()
    pieces = Pieces(memory, "load")
    pieces.begin(AID)
    pieces.take(0, b"a", last=False)
    before = memory.encode()
    with pytest.raises(PeerError) as refused:
        pieces.take(number, block, last=False)

    assert SW.INCORRECT_P1_P2 == refused.value.answer
    assert before == memory.encode()


def test_nothing_announced() -> None:
    """A block without its beginning is refused."""
    with pytest.raises(PeerError) as refused:
        Pieces(Memory(), "load").take(0, b"a", last=True)

    assert SW.CONDITIONS_NOT_SATISFIED == refused.value.answer


def test_too_much() -> None:
    """More than 16 KB are refused with 6A84."""
    pieces = Pieces(Memory(), "load")
    pieces.begin(AID)
    for number in range(64):
        pieces.take(number, bytes(255), last=False)
    with pytest.raises(PeerError) as refused:
        pieces.take(64, bytes(255), last=False)

    assert SW.NOT_ENOUGH_MEMORY == refused.value.answer


def test_begin_anew() -> None:
    """A new beginning forgets what came."""
    pieces = Pieces(Memory(), "load")
    pieces.begin(AID)
    pieces.take(0, b"old", last=False)
    pieces.begin(AID)

    assert (AID, b"new") == pieces.take(0, b"new", last=True)
