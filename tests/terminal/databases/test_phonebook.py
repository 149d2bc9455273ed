"""Records of a phone book as vCards. TS 31.102 clause 4.4.2.3."""

import pytest

from cardsync.errors import PeerError
from cardsync.octets.text import encode_alpha
from cardsync.terminal.databases.phonebook import card_of, is_phonebook


def entry(name: str, tail: str, width: int = 14) -> bytes:
    """Write a record: the name, then length, type and digits, all filled up with FF."""
    digits = bytes.fromhex(tail)
    return encode_alpha(name).ljust(width, b"\xff") + digits.ljust(14, b"\xff")


@pytest.mark.parametrize(
    ("record", "name", "number"),
    [
        (entry("Alice", "07 91 5338214365F7"), "N:Alice", "TEL:+35831234567"),
        (entry("Help", "03 81 21F1"), "N:Help", "TEL:121"),
        (entry("Ärla", "02 81 F1"), "N;CHARSET=UTF-8:Ärla", "TEL:1"),
        (entry("Дом", "04 81 1AB2C3"), "N;CHARSET=UTF-8:Дом", "TEL:*12#3,"),
        (entry("a;b\\c", "02 81 F1"), r"N:a\;b\\c", "TEL:1"),
        (entry("nobody", "FF"), "N:nobody", ""),
        (entry("", "02 81 F1"), "N:", "TEL:1"),
        (entry("long", "0C 81 F1"), "N:long", ""),
    ],
)
def test_vcards(record: bytes, name: str, number: str) -> None:
    """Name in every coding of an alpha field, number with all its signs; what has none has none."""
    lines = card_of(record).decode().split("\r\n")

    assert ["BEGIN:VCARD", "VERSION:2.1", name, *([number] if number else []), "END:VCARD", ""] == (
        lines
    )


def test_line_ends_in_a_name() -> None:
    """A name cannot write lines of its own."""
    assert 5 == card_of(entry("a\r\nTEL:1", "02 81 F1")).count(b"\r\n")


def test_short_record() -> None:
    """A record without place for a number is refused."""
    with pytest.raises(PeerError):
        card_of(bytes(13))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("3F007F106F3A", True), ("3F007F106F40", True), ("7FFF6F3B", True),
        ("3F007F105F3A4F3A", True), ("3F007F105F3A4F30", False), ("3F002FE2", False),
    ],
)  # fmt: skip
def test_phone_books(path: str, *, expected: bool) -> None:
    """Files that have the coding of EF.ADN, by their paths."""
    assert expected is is_phonebook(bytes.fromhex(path))
