"""The journal of the application: a few short lines that survive a reset."""

from cardsync.card.journal import Journal
from cardsync.card.memory import Memory


def test_last_lines() -> None:
    """Sixteen lines are kept, the newest last."""
    memory = Memory()
    for number in range(20):
        Journal(memory).note(f"line {number}")

    assert tuple(f"line {number}" for number in range(4, 20)) == Journal(memory).lines


def test_a_line_is_one_line() -> None:
    """What came from outside can neither begin a line of its own nor fill the memory."""
    memory = Memory()
    journal = Journal(memory)
    journal.note("a name\nwith a line feed " + "x" * 9000)

    assert 1 == len(journal.lines)
    assert 120 == len(journal.lines[0])


def test_the_same_is_written_once() -> None:
    """The same line again costs no write of the non-volatile memory."""
    memory = Memory()
    journal = Journal(memory)
    journal.note("held back")
    before = memory.generation
    journal.note("held back")

    assert before == memory.generation
