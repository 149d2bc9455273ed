"""The card as a SIM: CLA A0. TS 51.011 clauses 8 and 9."""

import pytest

from cardsync.card.authentication import write_keys
from cardsync.card.memory import Memory
from cardsync.card.milenage import Milenage
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.sim import translated
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from mobiles import ICCID, IMSI, POLICY, card_with

CODES = Codes("1234", "5678", "11111111", "22222222", b"ADMINKEY", pin1_enabled=True)
PIN, PUK = b"1234\xff\xff\xff\xff".hex(), b"11111111".hex()
DIRECTORY = "61184F10A0000000871002FFFFFFFF890709000050045553494D" + "FF" * 12 + "9000"
WRONG = b"9999\xff\xff\xff\xff".hex()
VERIFY = f"A020000108{PIN}"


def sim(*, pin: bool = False) -> Uicc:
    """Give a card with all codes, its PIN on or off."""
    codes = CODES if pin else Codes("1234", "5678", "11111111", "22222222", b"ADMINKEY")
    return Uicc(personalise(Subscriber(ICCID, IMSI), [], codes=codes))


def answer(card: Uicc, *apdus: str) -> str:
    """Exchange APDUs; give the last answer in hexadecimal."""
    response = b""
    for apdu in apdus:
        response = card.transact(bytes.fromhex(apdu))
    return response.hex().upper()


@pytest.mark.parametrize(
    ("apdus", "expected"),
    [
        (["A0A40000023F00"], "000000003F0001000000000009B102050600838A838A9000"),
        (["A0A40000027F20"], "000000007F2002000000000009B1001C0600838A838A9000"),
        (["A0A40000022FE2"], "0000000A2FE204000FFF44010200009000"),
        (["A0A40000027F10", "A0A40000026F3A"], "00000AF06F3A040011FF440102011C9000"),
        (["A0A40000027F20", "A0A40000026F39"], "0000000F6F390440121F44010203039000"),
        (["A0A40000027F20", "A0A40000026F07", "A0B0000009"], "0809101000000000719000"),
        (["A0A40000027FFF"], "9404"),
        (["A0A40000021234"], "9404"),
        (["A0A40400023F00"], "9404"),
        (["A0A40000013F"], "6702"),
        (["A0B0000001"], "9400"),
        (["A0A40000022FE2", "A0B0000001"], "989000"),
        (["A0A40000022FE2", "A0B000000B"], "670A"),
        (["A0A40000022FE2", "A0B0000A01"], "9402"),
        (["A0A40000022FE2", "A0D6000001AA"], "9804"),
        (["A0A40000022FE2", "A0B2010401"], "9408"),
        (["A0A40000022F00", "A0B2010401"], "6726"),
        (["A0A40000022F00", "A0B2030426"], "9402"),
        (["A0A40000022F00", "A0B2010226"], DIRECTORY),
        (["A0A40000022F00", "A0B2010726"], "6B00"),
        (["A0F2000016"], "000000003F0001000000000009B102050600838A838A9000"),
        (["A0F200000D"], "000000003F00010000000000099000"),
        (["A0F2000017"], "6716"),
        (["A0A40000027F10", "A0A40000026F3A", "A0A200000141"], "9404"),
        (["A0A40000027F20", "A0A40000026F39", "A032000003000007"], "0000070000079000"),
        (["A0A40000027F20", "A0A40000026F39", "A032000003000007", "A032000003FFFFFF"], "9850"),
        (["A0A40000027F20", "A0D6000001AA"], "9400"),
        (["A0FA000000"], "9000"),
        (["A0E6000000"], "6D00"),
        (["A088000010" + "00" * 16], "9408"),
        (["A0A40000027F20", "A088000010" + "00" * 16], "6F00"),
        (["A0A40000022F05", "A004000000"], "9804"),
        (["A0C2000000"], "6F00"),
        (["A012000010"], "6F00"),
    ],
)  # fmt: skip
def test_exchange(apdus: list[str], expected: str) -> None:
    """Instructions and what they answer. TS 51.011 clauses 9.2 and 9.4."""
    assert expected == answer(sim(), *apdus)


def test_verify() -> None:
    """Access needs CHV1; wrong ones are counted, then it is blocked. Clauses 8.10 and 9.4.5."""
    card, imsi = sim(pin=True), ["A0A40000027F20", "A0A40000026F07", "A0B0000001"]

    assert "9804" == answer(card, *imsi)
    assert "9804" == answer(card, f"A020000108{WRONG}")
    assert "31" == answer(card, "A0F2000016")[26:28]  # the characteristics: CHV1 is on
    assert "82" == answer(card, "A0F2000016")[36:38]  # guesses left
    assert "9000" == answer(card, VERIFY)
    assert "089000" == answer(card, *imsi)
    assert ["9804", "9804", "9840"] == [answer(card, f"A020000108{WRONG}") for _ in range(3)]
    assert "9840" == answer(card, VERIFY)


def test_unblock() -> None:
    """UNBLOCK CHV names the first one by 00. Clause 8.14."""
    card = sim(pin=True)
    for _ in range(3):
        answer(card, f"A020000108{WRONG}")

    assert "9804" == answer(card, f"A02C000010{WRONG}{PIN}")
    assert "9000" == answer(card, f"A02C000010{PUK}{PIN}")
    assert "6B00" == answer(card, f"A02C000110{PUK}{PIN}")
    assert "9000" == answer(card, VERIFY)


def test_disable_and_enable() -> None:
    """What is off cannot be presented or put off. Clauses 8.12 and 8.13."""
    card = sim(pin=True)

    assert "9000" == answer(card, f"A026000108{PIN}")
    assert ["9808", "9808"] == [answer(card, VERIFY), answer(card, f"A026000108{PIN}")]
    assert "9808" == answer(card, f"A026000208{PIN}")
    assert "9000" == answer(card, f"A028000108{PIN}")
    assert "9808" == answer(card, f"A028000108{PIN}")


@pytest.mark.parametrize(
    ("apdu", "expected"),
    [
        ("A020000107" + "31" * 7, "6708"),
        ("A024000108" + "31" * 8, "6710"),
        (f"A020000308{PIN}", "6B00"),
    ],
)
def test_malformed_chv(apdu: str, expected: str) -> None:
    """Another length is told with the right one. Clause 9.4.6."""
    assert expected == answer(sim(), apdu)


@pytest.mark.parametrize("number", ["04", "0A"])
def test_administrator(number: str) -> None:
    """The administrator's code opens what only he may write; it is counted as any. Clause 11.3."""
    card = sim()

    assert "6708" == answer(card, f"A02000{number}00")
    assert "9804" == answer(card, f"A02000{number}08" + "39" * 8)
    assert "9804" == answer(card, "A0A40000027F20", "A0A40000026FAE", "A0D600000102")
    assert "9000" == answer(card, f"A02000{number}08" + b"ADMINKEY".hex())
    assert "9000" == answer(card, "A0D600000102")


def test_change() -> None:
    """The old one and the new one. Clause 8.11."""
    assert "9000" == answer(sim(pin=True), f"A024000110{PIN}{WRONG}", f"A020000108{WRONG}")


def test_seek() -> None:
    """Type 1 finds, type 2 tells the record too. Clause 8.8."""
    card, anna = sim(), b"Anna".hex()
    answer(card, "A0A40000027F10", "A0A40000026F3A", f"A0DC07041C{anna}" + "FF" * 24)

    assert "9000" == answer(card, f"A0A2000004{anna}")
    assert "079000" == answer(card, f"A0A2001004{anna}")
    assert "FF" not in answer(card, "A0B200041C")[:8]


def test_run_gsm_algorithm() -> None:
    """SRES and Kc, in DF.GSM and with CHV1. Clause 8.17."""
    card = sim(pin=True)
    write_keys(card.memory, Milenage(bytes(16), bytes(16)))
    run = "A088000010" + "00" * 16
    vector = Milenage(bytes(16), bytes(16)).vector(bytes(16))

    assert "9804" == answer(card, "A0A40000027F20", run)
    assert (vector.sres + vector.kc).hex().upper() + "9000" == answer(card, VERIFY, run)


def test_invalidate() -> None:
    """An administrator of the UICC lets the SIM invalidate. Clauses 8.15 and 9.4.5."""
    card = sim()
    answer(card, "0020000A08" + b"ADMINKEY".hex(), "A0A40000027F20", "A0A40000026F07")

    assert "9000" == answer(card, "A004000000")
    assert "9810" == answer(card, "A0B0000001")
    assert "00" == answer(card, "A0A40000026F07")[22:24]
    assert "9000" == answer(card, "A044000000")


def test_applications_are_left() -> None:
    """A terminal that goes on with CLA A0 in an application is back in the MF."""
    card = sim()
    answer(card, "00A4040C07A0000000871002")

    assert "9000" == answer(card, "A0A40000027F20")[-4:]


def test_toolkit() -> None:
    """The toolkit's instructions have CLA A0 too: a command waits, is fetched and answered.

    TS 51.014 clause 6.
    """
    card = card_with(POLICY)
    sw = ResponseApdu.decode(
        card.transact(CommandApdu(0xA0, Ins.TERMINAL_PROFILE, data=b"\xff" * 9).encode())
    ).sw

    assert 0x91 == sw >> 8
    assert f"67{sw & 0xFF:02X}" == answer(card, "A012000001")
    assert "D0" == answer(card, f"A0120000{sw & 0xFF:02X}")[:2]
    assert "91" == answer(card, "A01400000C810301050082028281830100")[:2]


@pytest.mark.parametrize(
    ("sw", "ins", "expected"),
    [
        (0x6C10, 0xB0, 0x6710),
        (0x63C2, 0x20, 0x9804),
        (0x63C0, 0x20, 0x9840),
        (0x6984, 0x20, 0x9808),
        (0x6984, 0xB0, 0x9810),
        (0x9300, 0xC2, 0x9300),
        (0x9110, 0xA4, 0x9110),
        (SW.OK, 0xA4, SW.OK),
    ],
)
def test_status_words(sw: int, ins: int, expected: int) -> None:
    """What a UICC says has its word of a SIM. TS 51.011 clause 9.4."""
    assert expected == translated(sw, ins)


def test_one_memory() -> None:
    """What CLA A0 writes CLA 00 reads."""
    card = sim()
    answer(card, "A0A40000027F10", "A0A40000026F42", "A0DC010428" + "AB" * 40)
    again = Uicc(Memory.decode(card.memory.encode()))

    assert "AB" * 40 + "9000" == answer(again, "00A4080C047F106F42", "00B2010428")
