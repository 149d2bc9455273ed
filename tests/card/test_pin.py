"""PINs: guesses are counted before they are compared, and nothing else opens a PIN."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.memory import Memory
from cardsync.card.pin import (
    ADM1,
    BLOCKED,
    INVALIDATED,
    PIN1,
    PIN2,
    Code,
    Pin,
    Pins,
    digits,
    read_pin,
    references,
    write_pin,
)
from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW

RIGHT, WRONG, OTHER, PUK = digits("1234"), digits("9999"), digits("87654321"), digits("11112222")


def memory(*, enabled: bool = True) -> Memory:
    """Give a card with both PINs and an administrative code."""
    made = Memory()
    for reference in (PIN1, PIN2):
        pin = Pin(Code(RIGHT, 3, 3), Code(PUK, 10, 10), enabled or reference == PIN2)
        write_pin(made, reference, pin)
    write_pin(made, ADM1, Pin(Code(b"ADMINKEY", 3, 3)))
    return made


def refused(call: object, *arguments: object) -> int | None:
    """Give the answer of a call that raises."""
    assert callable(call)
    with pytest.raises(PeerError) as raised:
        call(*arguments)
    return raised.value.answer


def test_verify() -> None:
    """The right PIN opens what it protects until the reset. TS 102 221 clause 11.1.9."""
    pins = Pins(memory())
    before = pins.satisfied(PIN1)
    status = pins.verify(PIN1, RIGHT)
    verified, other = pins.satisfied(PIN1), pins.satisfied(PIN2)
    pins.reset()

    assert (False, SW.OK, True, False) == (before, status, verified, other)
    assert not pins.satisfied(PIN1)


def test_guesses_are_counted() -> None:
    """Each wrong one costs, the right one restores all, the last one blocks. Clause 11.1.9."""
    card = memory()
    pins = Pins(card)

    assert [0x63C2, 0x63C1] == [pins.verify(PIN1, WRONG) for _ in range(2)]
    assert (0x63C1, SW.OK, 0x63C3) == (
        pins.verify(PIN1, b""),
        pins.verify(PIN1, RIGHT),
        pins.verify(PIN1, b""),
    )
    assert [0x63C2, 0x63C1, 0x63C0] == [pins.verify(PIN1, WRONG) for _ in range(3)]
    assert BLOCKED == refused(pins.verify, PIN1, RIGHT)
    assert not pins.satisfied(PIN1)


def test_a_wrong_guess_closes() -> None:
    """What was open is closed by a wrong guess. Clause 9.5.3."""
    pins = Pins(memory())
    pins.verify(PIN1, RIGHT)
    pins.verify(PIN1, WRONG)

    assert not pins.satisfied(PIN1)


def test_counters_survive() -> None:
    """A counter is in the memory before the answer is given."""
    card = memory()
    Pins(card).verify(PIN1, WRONG)
    again = Memory.decode(card.encode())

    assert 0x63C2 == Pins(again).verify(PIN1, b"")


def test_change() -> None:
    """The old one is needed, the new one opens. Clause 11.1.10."""
    pins = Pins(memory())

    assert (0x63C2, SW.OK) == (pins.change(PIN1, WRONG + OTHER), pins.change(PIN1, RIGHT + OTHER))
    assert (0x63C2, SW.OK) == (pins.verify(PIN1, RIGHT), pins.verify(PIN1, OTHER))


@pytest.mark.parametrize("new", [b"123\xff\xff\xff\xff\xff", b"12a4\xff\xff\xff\xff", b"\xff" * 8])
def test_a_new_pin_is_digits(new: bytes) -> None:
    """Others are refused before anything is compared. Clause 9.5.1."""
    card = memory()
    before = card.encode()

    assert SW.INCORRECT_DATA == refused(Pins(card).change, PIN1, RIGHT + new)
    assert before == card.encode()


def test_an_administrative_code_is_any_octets() -> None:
    """Eight octets of any value."""
    pins = Pins(memory())

    assert SW.OK == pins.change(ADM1, b"ADMINKEY" + bytes(8))
    assert SW.OK == pins.verify(ADM1, bytes(8))


def test_disable_and_enable() -> None:
    """A PIN that is off is satisfied; it cannot be presented. Clauses 11.1.11 and 11.1.12."""
    card = memory()
    pins = Pins(card)

    assert (0x63C2, SW.OK) == (pins.disable(PIN1, WRONG), pins.disable(PIN1, RIGHT))
    assert Pins(card).satisfied(PIN1)
    assert (INVALIDATED, INVALIDATED) == (
        refused(pins.verify, PIN1, RIGHT),
        refused(pins.disable, PIN1, RIGHT),
    )
    assert (0x63C2, SW.OK) == (pins.enable(PIN1, WRONG), pins.enable(PIN1, RIGHT))
    assert (False, INVALIDATED) == (
        Pins(card).satisfied(PIN1),
        refused(pins.enable, PIN1, RIGHT),
    )


def test_only_the_first_can_be_off() -> None:
    """The second PIN is always on. TS 31.102 clause 6.4."""
    assert SW.FUNCTION_NOT_SUPPORTED == refused(Pins(memory()).disable, PIN2, RIGHT)


def test_unblock() -> None:
    """The unblocking code gives a new PIN, which is on. Clause 11.1.13."""
    card = memory(enabled=False)
    pins = Pins(card)

    assert (0x63CA, 0x63C9) == (pins.unblock(PIN1, b""), pins.unblock(PIN1, WRONG + OTHER))
    assert (SW.OK, True, 0x63CA) == (
        pins.unblock(PIN1, PUK + OTHER),
        pins.satisfied(PIN1),
        pins.unblock(PIN1, b""),
    )
    assert (False, SW.OK) == (Pins(card).satisfied(PIN1), Pins(card).verify(PIN1, OTHER))


def test_unblocking_is_counted() -> None:
    """After ten wrong ones the PIN is lost."""
    pins = Pins(memory())

    assert [0x63C0 | left for left in range(9, -1, -1)] == [
        pins.unblock(PIN1, WRONG + OTHER) for _ in range(10)
    ]
    assert BLOCKED == refused(pins.unblock, PIN1, PUK + OTHER)


@pytest.mark.parametrize("name", ["verify", "change", "disable", "unblock"])
def test_other_lengths_and_references(name: str) -> None:
    """They are refused and no guess is spent. Clauses 11.1.9 to 11.1.13."""
    card = memory()
    before, call = card.encode(), getattr(Pins(card), name)

    assert SW.WRONG_LENGTH == refused(call, PIN1, RIGHT[1:])
    assert SW.REFERENCED_DATA_NOT_FOUND == refused(call, 0x07, RIGHT)
    assert before == card.encode()


def test_no_unblocking_code() -> None:
    """An administrative code cannot be unblocked."""
    assert SW.REFERENCED_DATA_NOT_FOUND == refused(Pins(memory()).unblock, ADM1, PUK + OTHER)


@given(st.lists(st.sampled_from([WRONG, RIGHT, OTHER, b""]), max_size=12))
@settings(max_examples=60, deadline=None)
def test_never_more_guesses_than_the_limit(guesses: list[bytes]) -> None:
    """Three wrong ones in a row end it, whatever else is tried."""
    pins, wrong = Pins(memory()), 0
    for guess in guesses:
        blocked = wrong == 3
        if blocked and guess:
            assert BLOCKED == refused(pins.verify, PIN1, guess)
            continue
        status = pins.verify(PIN1, guess)
        wrong = wrong if not guess else 0 if guess == RIGHT else wrong + 1

        assert status == (SW.OK if guess == RIGHT else 0x63C3 - wrong)


def test_cells() -> None:
    """What is written is read, and not shown."""
    card = memory()

    assert (PIN1, ADM1, PIN2) == references(card)
    assert Pin(Code(b"ADMINKEY", 3, 3)) == read_pin(card, ADM1)
    assert "ADMINKEY" not in repr(read_pin(card, ADM1))
    assert read_pin(card, 0x02) is None


@pytest.mark.parametrize("text", ["123", "123456789", "12e4", "١٢٣٤"])
def test_digits(text: str) -> None:
    """A PIN of a person is four to eight digits."""
    with pytest.raises(LocalError):
        digits(text)
