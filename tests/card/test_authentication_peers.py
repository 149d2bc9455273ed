"""The card authenticates with an authentication centre of another hand: osmo-auc-gen."""

import hashlib
import subprocess

import pytest

from cardsync.card.milenage import Milenage
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from mobiles import ICCID, IMSI
from peers import need

USIM = bytes.fromhex("00A4040C0CA0000000871002FFFFFFFF89")


def made(name: str) -> bytes:
    """Give sixteen octets that nobody has chosen."""
    return hashlib.sha256(name.encode()).digest()[:16]


K, OPC = made("K"), made("OPC")


def centre(rand: bytes, sqn: int, *options: str) -> dict[str, str]:
    """Let the centre make a challenge; give what it tells."""
    ran = subprocess.run(
        [need("osmo-auc-gen"), "-3", "-a", "MILENAGE", "-k", K.hex(), "-o", OPC.hex(),
         "-f", "8000", "-s", str(sqn), "-r", rand.hex(), *options],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    rows = [line.split(":\t") for line in ran.stdout.splitlines() if ":\t" in line]
    return {row[0]: row[1] for row in rows}


def card() -> Uicc:
    """Give a card with the same keys, whose USIM is selected."""
    there = Uicc(personalise(Subscriber(ICCID, IMSI), [], keys=Milenage(K, OPC)))
    there.transact(USIM)
    return there


def authenticate(there: Uicc, rand: bytes, autn: str) -> bytes:
    """Bring a challenge of 3G."""
    data = b"\x10" + rand + b"\x10" + bytes.fromhex(autn)
    apdu = CommandApdu(0, Ins.AUTHENTICATE, 0, 0x81, data, 256)
    response = ResponseApdu.decode(there.transact(apdu.encode()))

    assert 0x9000 == response.sw
    return response.data


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_challenge(name: str) -> None:
    """RES, CK, IK and Kc are those of the centre, and so is the answer of a SIM."""
    there, rand = card(), made(name)
    told = centre(rand, 32)
    answer = authenticate(there, rand, told["AUTN"])
    there.transact(bytes.fromhex("A0A40000027F20"))
    gsm = there.transact(bytes.fromhex("A088000010") + rand)

    assert f"db08{told['RES']}10{told['CK']}10{told['IK']}08{told['Kc']}" == answer.hex()
    assert f"{told['SRES']}{told['Kc']}9000" == gsm.hex()


def test_resynchronization() -> None:
    """A centre that fell behind learns the card's number from AUTS and is taken again."""
    there, rand = card(), made("behind")
    authenticate(there, rand, centre(rand, 3200)["AUTN"])
    failure = authenticate(there, rand, centre(rand, 64)["AUTN"])
    told = centre(rand, 64, "-A", failure[2:].hex())

    assert b"\xdc\x0e" == failure[:2]
    assert "3200" == told["SQN.MS"]
    assert b"\xdb" == authenticate(there, rand, told["AUTN"])[:1]
