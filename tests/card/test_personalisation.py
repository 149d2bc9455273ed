"""Personalisation: from subscriber data to the files of a new card."""

import pytest

from cardsync.card.files import cell
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.secured import read_key_sets
from cardsync.errors import ConfigError
from mobiles import ICCID, IMSI, KEYS


@pytest.mark.parametrize(
    ("path", "octets"),
    [
        ("3F00/2FE2", "988812010000000010F7"),
        ("3F00/7FFF/6F07", "080910100000000071"),
        ("3F00/7FFF/6FAD", "00000002"),
        ("3F00/2F00", "61184F10A0000000871002FFFFFFFF8907090000" + "50045553494D" + "FF" * 12),
    ],
)
def test_contents(path: str, octets: str) -> None:
    """Digits lie in semi-octets, the lower half first. TS 31.102 clauses 4.2.2 and 4.2.18."""
    memory = personalise(Subscriber(ICCID, IMSI), [KEYS])

    assert octets.lower() == memory.read(cell(path)).hex()


def test_keys_are_kept() -> None:
    """The key sets of the operator are in the card. R-04."""
    assert {1: KEYS} == read_key_sets(personalise(Subscriber(ICCID, IMSI), [KEYS]))


@pytest.mark.parametrize(
    ("iccid", "imsi", "length"),
    [("1" * 18, IMSI, 2), ("x" * 19, IMSI, 2), (ICCID, "1" * 14, 2), (ICCID, IMSI, 4)],
)
def test_impossible(iccid: str, imsi: str, length: int) -> None:
    """Other lengths are refused with what was expected."""
    with pytest.raises(ConfigError, match="expected"):
        Subscriber(iccid, imsi, length)
