"""Personalisation: from subscriber data to the files of a new card."""

import pytest

from cardsync.card import profile
from cardsync.card.authentication import Authenticator
from cardsync.card.files import cell
from cardsync.card.milenage import Milenage
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.pin import ADM1, PIN1, Pins, read_pin
from cardsync.card.secured import read_key_sets
from cardsync.errors import ConfigError
from cardsync.octets.apdu import SW
from mobiles import ICCID, IMSI, KEYS


@pytest.mark.parametrize(
    ("path", "octets"),
    [
        ("3F00/2FE2", "988812010000000010F7"),
        ("3F00/7FFF/6F07", "080910100000000071"),
        ("3F00/7FFF/6FAD", "00000002"),
        ("3F00/2F00", "61184F10A0000000871002FFFFFFFF8907090000" + "50045553494D" + "FF" * 50),
    ],
)
def test_contents(path: str, octets: str) -> None:
    """Digits lie in semi-octets, the lower half first. TS 31.102 clauses 4.2.2 and 4.2.18."""
    memory = personalise(Subscriber(ICCID, IMSI), [KEYS])

    assert octets.lower() == memory.read(cell(path)).hex()


def test_keys_are_kept() -> None:
    """The key sets of the operator are in the card. R-04."""
    assert {1: KEYS} == read_key_sets(personalise(Subscriber(ICCID, IMSI), [KEYS]))


def test_codes() -> None:
    """The PIN is off unless it is wanted; without a code nobody is administrator. R-04."""
    memory = personalise(Subscriber(ICCID, IMSI), [])
    wanted = Codes("4321", "8765", "11111111", "22222222", b"ADMINKEY", pin1_enabled=True)
    other = personalise(Subscriber(ICCID, IMSI), [], codes=wanted)
    first, second = (Pins(one) for one in (memory, other))

    assert (True, False) == (first.satisfied(PIN1), second.satisfied(PIN1))
    assert (None, None) == (read_pin(memory, ADM1), getattr(read_pin(memory, PIN1), "unblock", 0))
    assert SW.OK == second.verify(PIN1, b"4321\xff\xff\xff\xff")
    assert SW.OK == second.verify(ADM1, b"ADMINKEY")
    assert 0x63CA == second.unblock(PIN1, b"")
    assert "4321" not in repr(wanted)


def test_subscriber_key() -> None:
    """With the subscriber's key the card answers its network. TS 33.102 clause 6.3."""
    keys = Milenage(bytes(16), bytes(16))
    memory = personalise(Subscriber(ICCID, IMSI), [], keys=keys)

    assert keys.vector(bytes(16)).sres == Authenticator(memory).run_gsm_algorithm(bytes(16))[:4]


def test_another_profile() -> None:
    """The files are those of the profile."""
    text = """
    [[directory]]
    path = "3F00"
    name = "MF"
    files = [{ id = "2FE2", name = "EF.ICCID", size = 10, access = "ALW NEV", made = "iccid" }]
    """
    memory = personalise(Subscriber(ICCID, IMSI), [], profile=profile.parse(text))

    assert ("file:3F00/2FE2",) == memory.names("file:")


@pytest.mark.parametrize(
    ("iccid", "imsi", "length"),
    [("1" * 18, IMSI, 2), ("x" * 19, IMSI, 2), (ICCID, "1" * 14, 2), (ICCID, IMSI, 4)],
)
def test_impossible(iccid: str, imsi: str, length: int) -> None:
    """Other lengths are refused with what was expected."""
    with pytest.raises(ConfigError, match="expected"):
        Subscriber(iccid, imsi, length)
