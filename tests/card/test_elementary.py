"""Elementary files: structures, record pointers, access rules that bite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card import profile
from cardsync.card.contents import Subscriber, write_files
from cardsync.card.elementary import (
    INCOMPATIBLE,
    INVALIDATED,
    MAXIMUM_REACHED,
    NOT_FOUND,
    ElementaryFiles,
    Mode,
)
from cardsync.card.memory import Memory
from cardsync.card.pin import ADM1, PIN1, PIN2, Code, Pin, Pins, digits, write_pin
from cardsync.card.selection import FileError, Selection
from cardsync.octets.apdu import SW

PIN, ADM = digits("1234"), b"ADMINKEY"


class Card:
    """A card's files, with one selection."""

    def __init__(self, *, pin: bool = False) -> None:
        self.memory = Memory()
        write_files(self.memory, profile.default(), Subscriber("8" * 19, "262010000000001"))
        write_pin(self.memory, PIN1, Pin(Code(PIN, 3, 3), Code(PIN, 10, 10), enabled=pin))
        write_pin(self.memory, PIN2, Pin(Code(PIN, 3, 3), Code(PIN, 10, 10)))
        write_pin(self.memory, ADM1, Pin(Code(ADM, 3, 3)))
        self.pins = Pins(self.memory)
        self.files = ElementaryFiles(self.memory, self.pins)
        self.at = Selection(self.files.tree)

    def select(self, path: str) -> "Card":
        """Select by path from the MF."""
        self.at.by_path(bytes.fromhex(path), from_mf=True)
        return self

    def read(self, number: int = 0, mode: int = Mode.ABSOLUTE) -> bytes:
        """Read a record."""
        return self.files.read_record(self.at, number, mode)

    def update(self, octets: bytes, number: int = 0, mode: int = Mode.ABSOLUTE) -> None:
        """Update a record."""
        self.files.update_record(self.at, number, mode, octets)


def refused(call: object, *arguments: object) -> int | None:
    """Give the answer of a call that is refused."""
    assert callable(call)
    with pytest.raises(FileError) as error:
        call(*arguments)
    return error.value.answer


def record(text: str, length: int = 28) -> bytes:
    """Give a record that begins with a text."""
    return text.encode().ljust(length, b"\xff")


def test_binary() -> None:
    """What is written is read, and nothing beside it changes. Clauses 11.1.3 and 11.1.4."""
    card = Card().select("7FFF6F7B")
    card.files.update_binary(card.at, 3, b"\x62\xf2\x10")

    assert b"\xff" * 3 + b"\x62\xf2\x10" + b"\xff" * 6 == card.files.read_binary(card.at, 0, 256)
    assert b"\x62\xf2" == card.files.read_binary(card.at, 3, 2)


def test_binary_refused() -> None:
    """Behind the end, too much, of records, and with nothing selected. Clause 10.2.1.5."""
    card = Card().select("7FFF6F7B")
    read, update = card.files.read_binary, card.files.update_binary

    assert (SW.WRONG_P1_P2, 0x6C0C, 0x6C02) == (
        refused(read, card.at, 12, 1),
        refused(read, card.at, 0, 13),
        refused(read, card.at, 10, 3),
    )
    assert (SW.WRONG_P1_P2, SW.WRONG_LENGTH, SW.WRONG_LENGTH) == (
        refused(update, card.at, 12, b"x"),
        refused(update, card.at, 11, b"xx"),
        refused(update, card.at, 0, b""),
    )
    assert INCOMPATIBLE == refused(card.read, 1)
    assert SW.NO_EF_SELECTED == refused(read, Card().at, 0, 1)
    assert INCOMPATIBLE == refused(read, card.select("7F106F3A").at, 0, 1)


def test_records() -> None:
    """Absolute, next and previous in a linear file. Clause 11.1.5."""
    card = Card().select("7F106F3A")
    for number, text in enumerate(("one", "two", "three"), 1):
        card.update(record(text), number)

    assert [record(text) for text in ("one", "two", "three")] == [
        card.read(mode=Mode.NEXT) for _ in range(3)
    ]
    assert record("two") == card.read(mode=Mode.PREVIOUS)
    assert record("two") == card.read(0)
    assert record("three") == card.read(3)
    assert record("two") == card.read(0)  # the absolute mode does not move the pointer


def test_ends_of_a_linear_file() -> None:
    """Nothing is before the first and behind the last. Clause 11.1.5."""
    card = Card().select("7F106F42")
    card.read(mode=Mode.PREVIOUS)  # the last one, where none was used before

    assert (SW.RECORD_NOT_FOUND, SW.RECORD_NOT_FOUND) == (
        refused(card.read, 0, Mode.NEXT),
        refused(card.read, 3),
    )
    card.select("7F106F42").read(mode=Mode.NEXT)
    assert SW.RECORD_NOT_FOUND == refused(card.read, 0, Mode.PREVIOUS)
    assert SW.RECORD_NOT_FOUND == refused(card.select("7F106F42").read, 0)
    assert SW.INCORRECT_P1_P2 == refused(card.read, 1, 1)
    assert SW.WRONG_LENGTH == refused(card.update, b"short", 1)


def test_update_next_and_previous() -> None:
    """They move the pointer and write where it is then. Clause 11.1.6."""
    card = Card().select("7F106F3A")
    card.update(record("a"), mode=Mode.NEXT)
    card.update(record("b"), mode=Mode.NEXT)
    card.update(record("c"), mode=Mode.PREVIOUS)

    assert (record("c"), record("b")) == (card.read(1), card.read(2))


def test_cyclic() -> None:
    """The newest record is the first, the oldest goes; pointers go round. Clause 8.2.2.4."""
    card = Card().select("7F106F44")
    for number in range(12):
        card.update(record(f"n{number}"), mode=Mode.PREVIOUS)

    assert [record("n11"), record("n2")] == [card.read(1), card.read(10)]
    assert [record("n2"), record("n11")] == [
        card.read(mode=Mode.PREVIOUS),
        card.read(mode=Mode.NEXT),
    ]
    assert INCOMPATIBLE == refused(card.update, record("x"), 1)


def test_increase() -> None:
    """The sum and what was added; a sum that is too much changes nothing. Clause 11.1.8."""
    card = Card().select("7FFF6F39")
    first = card.files.increase(card.at, bytes.fromhex("000005"))
    second = card.files.increase(card.at, bytes.fromhex("000102"))

    assert ("000005000005", "000107000102") == (first.hex(), second.hex())
    assert ["000107", "000005", "000000"] == [card.read(number).hex() for number in (1, 2, 3)]
    assert MAXIMUM_REACHED == refused(card.files.increase, card.at, bytes.fromhex("FFFFFF"))
    assert SW.WRONG_LENGTH == refused(card.files.increase, card.at, b"")
    assert "000107" == card.read(1).hex()
    assert INCOMPATIBLE == refused(card.files.increase, card.select("7FFF6F7B").at, b"\1")


def phone_book() -> Card:
    """Give a card with three names in its phone book."""
    card = Card().select("7F106F3A")
    for number, text in ((2, "Anna"), (4, "Joanna"), (90, "Anna")):
        card.update(record(text), number)
    return card


def test_search() -> None:
    """Numbers of the records that contain it, in either direction. Clause 11.1.7."""
    card = phone_book()
    search = card.files.search

    assert [2, 90] == list(search(card.at, 1, 4, b"Anna"))
    assert [2, 4, 90] == list(search(card.at, 1, 4, b"nna"))
    assert [4, 2] == list(search(card.at, 89, 5, b"nna"))
    assert [90] == list(search(card.at, 5, 4, b"Anna"))
    assert NOT_FOUND == refused(search, card.at, 1, 4, b"Otto")
    assert (SW.WRONG_LENGTH, SW.INCORRECT_P1_P2) == (
        refused(search, card.at, 1, 4, b"x" * 29),
        refused(search, card.at, 1, 7, b"Anna"),
    )


def test_search_points_to_the_first() -> None:
    """The record pointer stands on the first one found. Clause 11.1.7."""
    card = phone_book()
    card.files.search(card.at, 1, 4, b"Joanna")

    assert record("Joanna") == card.read(0)


def test_enhanced_search() -> None:
    """From an offset on, or behind the first occurrence of an octet. Clause 11.1.7."""
    card = phone_book()
    search = card.files.search

    assert [4] == list(search(card.at, 1, 6, b"\x04\x02anna"))
    assert [4] == list(search(card.at, 1, 6, b"\x0co" + b"anna"))
    assert [90, 4, 2] == list(search(card.at, 100, 6, b"\x05\x00nna"))
    assert SW.WRONG_LENGTH == refused(search, card.at, 1, 6, b"\x04\x02")


def test_seek() -> None:
    """A SIM finds records that begin so. TS 51.011 clause 8.8."""
    card = phone_book()
    found = [card.files.seek(card.at, kind, b"Anna") for kind in (0, 2, 2, 3, 1)]

    assert [2, 90, None, 2, 90] == found


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("7FFF6F07", SW.SECURITY_NOT_SATISFIED, None),  # PIN1
        ("2FE2", None, None),  # always
        ("7F106F54", SW.SECURITY_NOT_SATISFIED, SW.SECURITY_NOT_SATISFIED),  # ADM1
    ],
)
def test_reading_needs_the_pin(path: str, before: int | None, after: int | None) -> None:
    """The rule decides, and the PIN opens. Clause 9.1."""
    card = Card(pin=True).select(path)
    for expected in (before, after):
        if expected:
            assert expected == refused(card.files.read_binary, card.at, 0, 1)
        else:
            assert 1 == len(card.files.read_binary(card.at, 0, 1))
        card.pins.verify(PIN1, PIN)


def test_updating_needs_its_own() -> None:
    """PIN2 for fixed dialling numbers, the administrator for IMSI, nobody for ICCID."""
    card = Card()
    number, imsi, iccid = (path for path in ("7F106F3B", "7FFF6F07", "2FE2"))

    assert SW.SECURITY_NOT_SATISFIED == refused(card.select(number).update, record("x"), 1)
    card.pins.verify(PIN2, PIN)
    card.update(record("x"), 1)
    update = card.files.update_binary
    assert SW.SECURITY_NOT_SATISFIED == refused(update, card.select(imsi).at, 0, b"\x08")
    card.pins.verify(ADM1, ADM)
    update(card.select(imsi).at, 0, b"\x08")
    assert SW.SECURITY_NOT_SATISFIED == refused(update, card.select(iccid).at, 0, b"\x08")


def test_the_rules_are_those_of_the_file() -> None:
    """Whoever may change EF.ARR changes what is allowed. Clause 9.2.7."""
    card = Card()
    card.pins.verify(ADM1, ADM)
    rules = card.select("7FFF6F06").at.file
    imsi = card.files.tree.files["3F00/7FFF/6F07"]
    assert rules is not None
    card.update(bytes.fromhex("8001029000").ljust(rules.record, b"\xff"), imsi.rule)

    assert SW.SECURITY_NOT_SATISFIED == refused(
        card.files.read_binary, card.select("7FFF6F07").at, 0, 1
    )


def test_deactivated() -> None:
    """Such a file is neither read nor written until it is activated. Clause 11.1.14."""
    card = Card().select("7F106F3A")
    assert SW.SECURITY_NOT_SATISFIED == refused(card.files.deactivate, card.at)
    card.pins.verify(ADM1, ADM)
    card.files.deactivate(card.at)

    assert INVALIDATED == refused(card.read, 1)
    assert b"\x8a\x01\x04" in card.files.control_parameters(card.at.target)
    card.files.activate(card.at)
    assert record("") == card.read(1)


def test_links() -> None:
    """A file of DF.GSM is the file of the USIM. TS 31.102 annex."""
    card = Card().select("7FFF6F7B")
    card.files.update_binary(card.at, 0, b"\x62\xf2\x10")

    assert b"\x62\xf2\x10" == card.files.read_binary(card.select("7F206F7B").at, 0, 3)


def test_what_is_told() -> None:
    """The rule's file and record, in the application and outside. Clause 11.1.1.4.7."""
    card = Card()
    inside, outside = (card.select(path).at.target for path in ("7FFF6F07", "2FE2"))

    assert b"\x8b\x03\x6f\x06" in card.files.control_parameters(inside)
    assert b"\x8b\x03\x2f\x06" in card.files.control_parameters(outside)
    assert (22, 15) == (
        len(card.files.sim_header(card.files.tree.master)),
        len(card.files.sim_header(outside)),
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "update"]), st.integers(0, 12), st.integers(0, 7)),
        max_size=30,
    )
)
def test_pointers_stay_in_the_file(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is asked, the record pointer is on a record or on none."""
    card = CARD.select("7F106F44")
    for what, number, mode in steps:
        try:
            if what == "read":
                card.read(number, mode)
            else:
                card.update(record("x"), number, mode)
        except FileError:
            continue

        assert 0 <= card.at.record <= 10


CARD = Card()
