"""Instructions upon files, PINs and challenges, as a terminal gives them one after the other."""

import pytest

from cardsync.card.milenage import Milenage
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.uicc import Uicc
from mobiles import ICCID, IMSI

CODES = Codes("1234", "5678", "11111111", "22222222", b"ADMINKEY", pin1_enabled=True)
KEYS = Milenage(bytes(16), bytes(range(16)))
RAND = bytes(range(16))
USIM, VERIFY = "00A4040C07A0000000871002", "002000010831323334FFFFFFFF"
ADMINISTRATOR = "0020000A08" + b"ADMINKEY".hex()


@pytest.fixture
def card() -> Uicc:
    """Give a card whose PIN is on, with a subscriber key."""
    return Uicc(personalise(Subscriber(ICCID, IMSI), [], codes=CODES, keys=KEYS))


def answer(card: Uicc, *apdus: str) -> str:
    """Exchange APDUs; give the last answer in hexadecimal."""
    response = b""
    for apdu in apdus:
        response = card.transact(bytes.fromhex(apdu))
    return response.hex().upper()


def challenge(number: int) -> str:
    """Make the AUTHENTICATE of a network. TS 31.102 clause 7.1.2."""
    sqn = number.to_bytes(6, "big")
    hidden = bytes([a ^ b for a, b in zip(sqn, KEYS.vector(RAND).ak, strict=True)])
    autn = hidden + bytes(2) + KEYS.codes(RAND, sqn, bytes(2))[0]
    return f"0088008122 10{RAND.hex()} 10{autn.hex()}"


def test_authenticate(card: Uicc) -> None:
    """In the USIM, with its PIN: success with Kc, then synchronization failure. Clause 7.1.2."""
    vector = KEYS.vector(RAND)

    assert "6985" == answer(card, challenge(32))
    assert "6982" == answer(card, USIM, challenge(32))
    assert (
        f"DB08{vector.res.hex()}10{vector.ck.hex()}10{vector.ik.hex()}08{vector.kc.hex()}9000"
    ).upper() == answer(card, VERIFY, challenge(32))
    assert "DC0E" == answer(card, challenge(32))[:4]
    assert "9862" == answer(card, challenge(64)[:-2] + "00")[-4:]


def test_gsm_context(card: Uicc) -> None:
    """SRES and Kc where service 38 is there, 98 64 where it is not. TS 31.102 clause 7.1.2."""
    vector, run = KEYS.vector(RAND), f"008800801110{RAND.hex()}"
    expected = f"04{vector.sres.hex()}08{vector.kc.hex()}9000".upper()

    assert expected == answer(card, USIM, VERIFY, run)
    assert "9000" == answer(card, ADMINISTRATOR, "00D6840401" + "00", USIM)
    assert "9864" == answer(card, run)


def test_pins_hold_for_all_channels(card: Uicc) -> None:
    """What was presented on one channel opens the files of another. TS 102 221 clause 9.5."""
    answer(card, "0070000001", VERIFY)

    assert "089000" == answer(card, "01A4040C07A0000000871002", "01B0870001")


def test_reset_forgets_pins(card: Uicc) -> None:
    """After a reset the PIN is wanted again, and channels are closed."""
    answer(card, "0070000001", VERIFY)
    card.reset()

    assert "6982" == answer(card, USIM, "00B0870001")
    assert "6881" == answer(card, "01A4000C023F00")


def test_guesses_survive_a_reset(card: Uicc) -> None:
    """A reset gives no guess back. TS 102 221 clause 9.5.1."""
    wrong = "002000010839393939FFFFFFFF"
    told = []
    for _ in range(4):
        told.append(answer(card, wrong))
        card.reset()

    assert ["63C2", "63C1", "63C0", "6983"] == told


def test_a_fixed_number_needs_pin2(card: Uicc) -> None:
    """Each PIN opens its own. TS 31.102 clause 4.2.24."""
    update = "00DC01041C" + "41" * 28
    answer(card, VERIFY, "00A4080C047F106F3B")

    assert "6982" == answer(card, update)
    assert "9000" == answer(card, "002000810835363738FFFFFFFF", update)


def test_deactivate(card: Uicc) -> None:
    """The administrator takes a file out of use, by its identifier too. Clause 11.1.14."""
    answer(card, VERIFY, ADMINISTRATOR, USIM, "00040000026F46")

    assert "6984" == answer(card, "00B0000001")
    assert "9000" == answer(card, "0044000000")
    assert "019000" == answer(card, "00B0000001")


def test_wrong_le_moves_no_pointer(card: Uicc) -> None:
    """The record pointer stays where the length was wrong. TS 102 221 clause 11.1.5."""
    answer(card, "00A4000C022F00")

    assert "6C26" == answer(card, "00B2000210")
    assert "61" == answer(card, "00B2000226")[:2]


def test_search_by_short_identifier(card: Uicc) -> None:
    """P2 names the file and the way. TS 102 221 clause 11.1.7."""
    answer(card, VERIFY, "00A4080C047F105F3A", "00DC050C1C" + b"Otto".hex() + "FF" * 24)

    assert "059000" == answer(card, "00A2010C04" + b"Otto".hex())
