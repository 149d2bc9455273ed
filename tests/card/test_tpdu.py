"""The card over T=0: what waits, what fits, and what whole commands would have given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.tpdu import TpduProcessor
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from mobiles import POLICY, bare_card, card_with

USIM = "00A4040410A0000000871002FFFFFFFF8907090000"


def exchange(*tpdus: str, policy: str = "") -> list[str]:
    """Exchange TPDUs with a card; give all answers in hexadecimal."""
    processor = TpduProcessor(card_with(policy) if policy else bare_card())
    return [processor.transact(bytes.fromhex(tpdu)).hex().upper() for tpdu in tpdus]


def test_what_comes_out_waits() -> None:
    """61 XX, then GET RESPONSE gives it, whole or in parts. TS 102 221 clause 7.3.1.1.4."""
    _, waits, whole = exchange("00A4040C10" + USIM[10:], USIM, "00C0000034")
    _, part, rest = exchange(USIM, "00C0000010", "00C0000024")

    assert "6134" == waits
    assert ("62", "9000", 2 * (0x34 + 2)) == (whole[:2], whole[-4:], len(whole))
    assert "6124" == part[-4:]
    assert whole == part[:-4] + rest


@pytest.mark.parametrize(
    ("tpdus", "expected"),
    [
        (["00A40004022FE2", "00C0000000"], "6C19"),
        (["00A40004022FE2", "00C0000020"], "6C19"),
        (["00A4000C022FE2", "00C0000010"], "6985"),
        (["00A40004022FE2", "80F2000C00", "00C0000019"], "6985"),
        (["00A4000C022FE2", "00B0000000"], "6C0A"),
        (["00A4000C022FE2", "00B000000B"], "6C0A"),
        (["00A4000C022FE2", "00B000000A"], "988812010000000010F79000"),
        (["00A4000C022F00", "00B2010400"], "6C26"),
        (["00A4000C022F00", "00B2000200", "00B2000226", "00B2000226"], "FF" * 38 + "9000"),
        (["80F2000000"], "6C25"),
        (["80F2000C00"], "9000"),
        (["80F2000C"], "9000"),
        (["0070000001"], "019000"),
        (["0070000000"], "6C01"),
        (["0070000000", "0070000001"], "019000"),
        (["0070000001", "0070800100"], "9000"),
        (["0020000100"], "63C3"),
        (["00A4000C022FE200"], "9000"),  # Le behind the data
        (["00A4000C022FE20000"], "6700"),
        (["00A4000C022F"], "6700"),
        (["00A4"], "6700"),
        ([""], "6700"),
        (["A0A40000022FE2"], "9F0F"),
        (["A0A40000022FE2", "A0C0000010"], "670F"),
        (["A0A40000022FE2", "A0C000000F"], "0000000A2FE204000FFF44010200009000"),
        (["A0A40000022FE2", "A0B0000000"], "670A"),
        (["A0A40000022F00", "A0B2010400"], "6726"),
        (["A0C0000010"], "6F00"),
        (["00A4040000"], "6135"),
        (["FFFFFFFFFF"], "6E00"),
    ],
)
def test_exchange(tpdus: list[str], expected: str) -> None:
    """What fits and what does not. TS 102 221 clause 7.3.1.1, TS 51.011 clause 9.4."""
    assert expected == exchange(*tpdus)[-1]


@pytest.mark.parametrize("cla", ["80", "A0"])
def test_a_command_waits_for_the_right_length(cla: str) -> None:
    """A FETCH with a wrong Le leaves the command where it is. TS 102 221 clause 7.4.2."""
    processor = TpduProcessor(card_with(POLICY))
    told = processor.transact(bytes.fromhex(f"{cla}10000009" + "FF" * 9))
    wrong = processor.transact(bytes.fromhex(f"{cla}12000000"))
    right = processor.transact(bytes.fromhex(f"{cla}120000{told[1]:02X}"))

    assert 0x91 == told[0]
    assert (bytes([0x6C if cla == "80" else 0x67, told[1]]), 0xD0) == (wrong, right[0])


def test_nothing_waits_before_the_profile() -> None:
    """No 91 XX before TERMINAL PROFILE. TS 102 223 clause 6.3."""
    answers = exchange("80F2000C00", "00A4000C022FE2", "00B000000A", policy=POLICY)

    assert ["9000"] * 3 == [answer[-4:] for answer in answers]


def test_reset() -> None:
    """What waited is gone."""
    processor = TpduProcessor(bare_card())
    processor.transact(bytes.fromhex("00A40004022FE2"))
    processor.reset()

    assert "6985" == processor.transact(bytes.fromhex("00C0000019")).hex()


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_octets(tpdus: list[bytes]) -> None:
    """Whatever comes, there is a status word."""
    processor = TpduProcessor(bare_card())
    for tpdu in tpdus:
        assert 2 <= len(processor.transact(tpdu)) <= 258


@settings(max_examples=100)
@given(
    st.sampled_from(["3F00", "2FE2", "2F00", "7FFF", "7F10", "6F07", "1234"]),
    st.sampled_from([Ins.READ_BINARY, Ins.READ_RECORD, Ins.STATUS]),
    st.integers(1, 255),
)
def test_as_whole_commands(identifier: str, ins: int, le: int) -> None:
    """Cut into TPDUs, an exchange gives what it gives whole."""
    card, processor = bare_card(), TpduProcessor(bare_card())
    select = CommandApdu(0x00, Ins.SELECT, 0, 4, bytes.fromhex(identifier))
    whole = card.transact(select.encode() + b"\0")
    waits = processor.transact(select.encode())
    if waits[0] == 0x61:
        waits = processor.transact(bytes([0, Ins.GET_RESPONSE, 0, 0, waits[1]]))

    assert whole == waits

    cla, p2 = (0x80, 0) if ins == Ins.STATUS else (0, 4 if ins == Ins.READ_RECORD else 0)
    apdu = CommandApdu(cla, ins, 0, p2, le=le).encode()
    first = card.transact(apdu)

    assert first == processor.transact(apdu)
    if ResponseApdu.decode(first).sw1 == 0x6C:
        again = apdu[:4] + first[1:2]
        assert card.transact(again) == processor.transact(again)
