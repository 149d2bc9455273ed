"""Files of one subscriber."""

import pytest

from cardsync.card import profile
from cardsync.card.contents import Subscriber, make, write_files
from cardsync.card.memory import Memory
from cardsync.errors import ConfigError

ICCID, IMSI = "8988211000000000017", "262019876543217"


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        ("iccid", 0, "988812010000000010F7"),
        ("imsi", 0, "082926108967452371"),
        ("administrative", 0, "00000002"),
        ("provider", 0, "0163617264"),
        ("access_class", 0, "0080"),
        ("home", 0, "62F210"),
        ("home_access", 0, "62F210C880FFFFFF0000"),
        ("number", 16, "FFFF0791947121436587FFFFFFFFFFFF"),
        ("centre", 30, "FFFFFD" + "FF" * 12 + "0781947121436587" + "FF" * 4),
    ],
)
def test_made(name: str, record: int, expected: str) -> None:
    """Semi-octets, numbers and classes. TS 31.102 clause 4.2."""
    subscriber = Subscriber(ICCID, IMSI, 2, "+491712345678", "491712345678", "card")

    assert expected == make(name, subscriber, record).hex().upper()


def test_three_digits_of_mnc() -> None:
    """The third one shares its octet with MCC. TS 24.008 clause 10.5.1.13."""
    subscriber = Subscriber(ICCID, "310410123456789", 3)

    assert "130014" == make("home", subscriber, 0).hex()
    assert "00000003" == make("administrative", subscriber, 0).hex()


def test_what_is_not_known_is_not_there() -> None:
    """Without a number and a service centre their files are empty."""
    memory = Memory()
    write_files(memory, profile.default(), Subscriber(ICCID, IMSI))

    assert b"" == memory.read("file:3F00/7F10/6F40") == memory.read("file:3F00/7F10/6F42")
    assert b"\x01cardsync" + b"\xff" * 8 == memory.read("file:3F00/7FFF/6F46")


def test_a_profile_that_is_too_small() -> None:
    """What does not fit its file is told."""
    text = """
    [[directory]]
    path = "3F00"
    name = "MF"
    files = [{ id = "2FE2", name = "EF.ICCID", size = 9, access = "ALW NEV", made = "iccid" }]
    """
    with pytest.raises(ConfigError, match="2FE2"):
        write_files(Memory(), profile.parse(text), Subscriber(ICCID, IMSI))


@pytest.mark.parametrize(
    "wrong",
    [
        {"iccid": "1" * 18},
        {"iccid": "x" * 19},
        {"imsi": "1" * 14},
        {"imsi": "\u0661" * 15},
        {"mnc_length": 4},
        {"msisdn": "+"},
        {"msisdn": "1" * 21},
        {"centre": "abc"},
        {"provider": "x" * 17},
        {"provider": "Köln"},
    ],
)
def test_impossible(wrong: dict[str, str]) -> None:
    """Other data are refused with what was expected."""
    with pytest.raises(ConfigError):
        Subscriber(**({"iccid": ICCID, "imsi": IMSI} | wrong))  # type: ignore[arg-type]  # a sample
