"""Texts, menus, icons. TS 102 223 clauses 8.2, 8.9 to 8.11, 8.15, 8.16, 8.31, 8.32."""

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit.codes import ToneCode
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.texts import (
    AlphaIdentifier,
    HelpRequest,
    Item,
    TextCoding,
    TextString,
    Tone,
)

ALPHA = [
    ("546F6F6C6B6974", "Toolkit", b""),
    ("800417041404200410", "ЗДРА", b""),
    ("810C089794A09092A1A292A399A295", "ЗДРАВСТВУЙТЕ", None),  # TS 31.124 27.22.4.5, 2.1
    ("82024E00AD80", "中一", None),  # 27.22.4.5, 5.1
    ("8104613831EB31", "81ル1", None),  # 27.22.4.5, 6.1
    ("41FF", "A", None),
    ("80D83DDE00", "😀", b""),
    ("", "", b""),
    ("80", "", None),
]


@pytest.mark.parametrize(("octets", "text", "written"), ALPHA)
def test_alpha_identifiers(octets: str, text: str, written: bytes | None) -> None:
    """Any coding is read and kept; what we write ourselves is in one of two."""
    value = bytes.fromhex(octets)
    found = AlphaIdentifier.read(value)

    assert AlphaIdentifier(text, value if written is None else b"") == found
    assert value == found.value()
    assert text == AlphaIdentifier.read(AlphaIdentifier(text).value()).text


TEXTS = [
    ("04546F6F6C6B69742054657374203 1", "Toolkit Test 1", 0x04),  # 27.22.4.1, 1.1
    ("00D4F79BBD4ED341D4F29C0E9A01", "Toolkit Test 3", 0x00),  # 27.22.4.1, 1.4
    ("080417041404200410", "ЗДРА", 0x08),
    ("F4557365724C6F67", "UserLog", 0xF4),  # 27.22.4.27, 2.1
    ("F0D4F29C0E", "Test", 0xF0),
    ("04", "", 0x04),
]


@pytest.mark.parametrize(("octets", "text", "coding"), TEXTS)
def test_text_strings(octets: str, text: str, coding: int) -> None:
    """Seven bits packed, eight bits, UCS2; the other bits of the scheme are kept."""
    value = bytes.fromhex(octets.replace(" ", ""))

    assert TextString(text, coding) == TextString.read(value)
    assert value == TextString(text, coding).value()


def test_null_text() -> None:
    """No octets are a null text, one octet is an empty one. Clause 8.15."""
    assert (b"", b"\x04") == (TextString("", None).value(), TextString("").value())
    assert TextString("", None) == TextString.read(b"")
    with pytest.raises(ValueError, match="null text"):
        TextString("a", None)


def test_padding_of_a_packed_text_is_kept() -> None:
    """Seven zero bits in place of a carriage return are read as padding and written again."""
    value = bytes.fromhex("00 31D98C56B3DD00")
    found = TextString.read(value)

    assert ("1234567", value) == (found.text, found.value())
    assert bytes.fromhex("00 31D98C56B3DD1A") == TextString("1234567", TextCoding.PACKED).value()


def test_the_coding_for_a_text() -> None:
    """Eight bits where the default alphabet is enough, else UCS2."""
    codings = [TextString.of(text).coding for text in ("Grüße", "Привет", "")]

    assert [TextCoding.OCTETS, TextCoding.UCS2, TextCoding.OCTETS] == codings


@pytest.mark.parametrize("octets", ["04FF", "0804", "2041"])
def test_texts_that_are_none(octets: str) -> None:
    """No septets, half a character, compressed."""
    with pytest.raises(PeerError):
        TextString.read(bytes.fromhex(octets))


def test_items() -> None:
    """Identifier 1 to 255 and a text; nothing at all is the null item. Clause 8.9."""
    assert Item(1, "Item 1") == Item.read(b"\1Item 1")
    assert (b"\xff", b"") == (Item(255, "").value(), Item(0, "").value())
    assert Item(0, "") == Item.read(b"")
    for identifier, text in ((0, "a"), (256, "")):
        with pytest.raises(ValueError, match="item"):
            Item(identifier, text)
    with pytest.raises(ValueError, match="item"):
        Item.read(b"\0a")


def test_tones() -> None:
    """A tone of the list has its name. Clause 8.16."""
    assert (ToneCode.GENERAL_BEEP, 0x99) == (Tone.read(b"\x10").code, Tone.read(b"\x99").code)


def test_objects_without_octets() -> None:
    """Help request says all by being there. Clause 8.21."""
    found: DataObject = HelpRequest.read(b"")

    assert bytes.fromhex("9500") == found.encode()
    with pytest.raises(ValueError, match="0 octets"):
        HelpRequest.read(b"\0")
