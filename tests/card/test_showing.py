"""A card in words, without a secret."""

from cardsync.card import showing
from cardsync.card.making import make
from cardsync.card.memory import Memory
from mobiles import ICCID, IMSI, POLICY, card_with


def test_who_it_is() -> None:
    """Identity, PINs, keys, applications and policy."""
    lines = "\n".join(showing.card(card_with(POLICY).memory))

    for expected in (ICCID, IMSI, "PIN1  off, 3 of 3", "ADM1  none", "key set 1: AES", "BFFF01"):
        assert expected in lines
    assert "policy" in lines


def test_no_secret_is_shown() -> None:
    """No key, no code: neither of the card nor of its files."""
    made = make({"iccid": ICCID, "imsi": IMSI}, lambda length: bytes(range(0x41, 0x41 + length)))
    lines = "\n".join([*showing.card(made.memory), *showing.files(made.memory)])

    assert "channel 20: DES, 0 sessions" in lines
    assert "channel 30: AES" in lines
    for secret in ("414243", "ABCDE", made.told["codes"]["pin1"] + ",", made.told["codes"]["puk1"]):
        assert secret not in lines


def test_files() -> None:
    """Each file has its line; a long content is cut."""
    lines = list(showing.files(card_with(POLICY).memory))
    (imsi,) = [line for line in lines if line.startswith("3F00/7FFF/6F07 ")]

    assert imsi.endswith("9  080910100000000071")
    assert any(line.endswith("...") for line in lines)


def test_an_empty_card() -> None:
    """A memory without cells is shown as one."""
    assert "IMSI  " in list(showing.card(Memory()))
