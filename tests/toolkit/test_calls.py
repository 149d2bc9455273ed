"""Calls and messages. TS 102 223 clauses 8.1, 8.28, 8.44; TS 31.111 clauses 8.5, 8.14, 8.17."""

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit.calls import (
    Address,
    CellBroadcastPage,
    DtmfString,
    SsString,
    TransactionIdentifier,
    UssdString,
)
from cardsync.toolkit.data_object import DataObject

NUMBERS: list[tuple[str, DataObject]] = [
    ("91112233445566 77F8", Address("112233445566778")),
    ("81 89 67", Address("9876", 0x81)),
    ("91 10 32 04 21 43 65 1C 2C", Address("012340123456C1C2")),
    ("91", Address("")),
    ("91AA120A214365870921436587A901FB", SsString("**21*01234567890123456789*10#")),
    ("C1CCCCCCCC2C", DtmfString("1CCCCCCCCCC2")),
    ("C1F2", DtmfString("1C2")),
    ("80 90", TransactionIdentifier((0x80, 0x90))),
]


@pytest.mark.parametrize(("octets", "built"), NUMBERS)
def test_numbers_both_ways(octets: str, built: DataObject) -> None:
    """Type and plan, then semi-octets with `*`, `#` and pauses."""
    value = bytes.fromhex(octets)

    assert built == type(built).read(value)
    assert value == built.value()


@pytest.mark.parametrize("octets", ["91FFFF", "911F22", "9121FF"])
def test_a_filler_before_the_last_digit(octets: str) -> None:
    """Only the last half may be a filler; else octets would be lost."""
    with pytest.raises(ValueError, match="filler"):
        Address.read(bytes.fromhex(octets))


def test_ussd_strings() -> None:
    """Packed and in UCS2. TS 31.124 clause 27.22.4.12, sequences 1.1 and 1.3."""
    packed = UssdString.read(bytes.fromhex("F0 41E19058341E91"))
    cyrillic = UssdString(0x48, bytes.fromhex("04170414"))

    assert ("ABCDEFGH"[:8], "ЗД") == (packed.text, cyrillic.text)
    assert bytes.fromhex("4804170414") == cyrillic.value()
    with pytest.raises(PeerError):
        _ = UssdString(0x60, b"a").text
    with pytest.raises(ValueError, match="coding"):
        UssdString.read(b"")


def test_a_page_of_a_cell_broadcast() -> None:
    """Scope, code and update number; message; coding; page. TS 31.124 clause 27.22.5.2."""
    page = CellBroadcastPage.read(bytes.fromhex("C0111001 96 12") + b"content")

    assert (0xC011, 0x1001, 0x96, (1, 2), b"content") == (
        page.serial,
        page.identifier,
        page.coding,
        page.page,
        page.content,
    )
    for octets in (bytes(6), bytes(89)):
        with pytest.raises(ValueError, match="too few or too many"):
            CellBroadcastPage(octets)
