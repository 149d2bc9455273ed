"""The card in a virtual reader: messages of vpcd, cut anywhere, over either protocol."""

from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.reader import Control, ReaderSession, Transmission, block_atr
from cardsync.card.uicc import ATR
from mobiles import bare_card


def message(octets: bytes) -> bytes:
    """Put the length before a message."""
    return len(octets).to_bytes(2, "big") + octets


def exchange(session: ReaderSession, octets: str) -> str:
    """Send a message; give the answer without its length."""
    session.receive_data(message(bytes.fromhex(octets)))
    return session.data_to_send()[2:].hex().upper()


def test_controls() -> None:
    """Only the request for the ATR is answered, however often it comes."""
    session = ReaderSession(bare_card())
    silent = [
        exchange(session, f"{one:02X}")
        for one in (Control.POWER_ON, Control.RESET, Control.POWER_OFF)
    ]

    assert ["", "", "", ""] == [*silent, exchange(session, "07")]
    assert [ATR.hex().upper()] * 3 == [exchange(session, "04") for _ in range(3)]


def test_reset_selects_the_mf() -> None:
    """The request for the ATR resets nothing; power and reset do."""
    session = ReaderSession(bare_card())
    exchange(session, "00A4000C022FE2")
    exchange(session, "04")

    assert "988812010000000010F79000" == exchange(session, "00B000000A")
    exchange(session, "02")
    assert "6986" == exchange(session, "00B000000A")


@pytest.mark.parametrize(
    ("transmission", "expected"), [(Transmission.T0, "6119"), (Transmission.T1, "6217")]
)
def test_protocol(transmission: Transmission, expected: str) -> None:
    """TPDUs over T=0, whole APDUs over T=1. TS 102 221 clause 7.3."""
    session = ReaderSession(bare_card(), transmission)

    assert expected == exchange(session, "00A40004022FE200")[:4]


def test_block_atr() -> None:
    """The ATR of T=1 names it first, and its check octet is right. ISO/IEC 7816-3 clause 8.2."""
    octets = block_atr(ATR)
    session = ReaderSession(bare_card(), Transmission.T1)

    assert 0 == reduce(xor, octets[1:])
    assert (1, ATR[6:-1]) == (octets[3] & 0x0F, octets[9:-1])
    assert octets.hex().upper() == exchange(session, "04")


def test_malformed_command_over_t1() -> None:
    """What is no APDU has a status word."""
    assert "6700" == exchange(ReaderSession(bare_card(), Transmission.T1), "00A4")


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_cut_anywhere(cuts: list[int]) -> None:
    """A stream says the same however it is cut."""
    commands = ["04", "00A4000C022FE2", "00B000000A", "01", "80F2000C"]
    stream = b"".join([message(bytes.fromhex(one)) for one in commands])
    whole, pieces = ReaderSession(bare_card()), ReaderSession(bare_card())
    whole.receive_data(stream)
    for cut in cuts:
        pieces.receive_data(stream[:cut])
        stream = stream[cut:]
    pieces.receive_data(stream)

    assert whole.data_to_send() == pieces.data_to_send()
    assert b"" == whole.data_to_send()
