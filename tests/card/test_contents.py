"""Files of one subscriber."""

from typing import Any

import pytest

from cardsync.card import access, profile
from cardsync.card.access import ALWAYS, NEVER, Condition, Operation
from cardsync.card.contents import Subscriber, make, write_files
from cardsync.card.memory import Memory
from cardsync.errors import ConfigError
from vectors import load

ADMINISTRATOR = Condition(keys=frozenset({0x0A}))
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
        ("home_areas", 8, "62F2100000FFFE01"),
        ("network_name", 8, "430584E3B09C0CFF"),
        ("display", 0, "A305800362F210"),
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
        {"provider": "Київ"},
        {"provider": "[x]" * 4},
    ],
)
def test_impossible(wrong: dict[str, str]) -> None:
    """Other data are refused with what was expected."""
    with pytest.raises(ConfigError):
        Subscriber(**({"iccid": ICCID, "imsi": IMSI} | wrong))  # type: ignore[arg-type]  # a sample


def files_of_other_cards(name: str) -> list[tuple[str, Any]]:
    """Give contents of real files and what another hand reads in them."""
    found = load("uicc_tlv_ef.json")["ef"]
    return [(one["hex"].lower(), one["decoded"]) for one in found if one["class"].endswith(name)]


def test_as_on_other_cards() -> None:
    """IMSI, home PLMN and service centre as real cards have them. TS 31.102 clause 4.2."""
    for octets, decoded in files_of_other_cards("ts_51_011.EF_IMSI"):
        assert octets == make("imsi", Subscriber(ICCID, decoded["imsi"]), 0).hex()
    for octets, ((plmn),) in files_of_other_cards("EF_PLMNsel"):
        imsi = (plmn["mcc"] + plmn["mnc"]).ljust(15, "0")
        assert octets == make("home", Subscriber(ICCID, imsi, len(plmn["mnc"])), 0).hex()
    others = [octets for octets, _ in files_of_other_cards("EF_SMSP")]
    made = make("centre", Subscriber(ICCID, IMSI, centre="+49301234567"), 52).hex()

    assert made.ljust(104, "f") in others


def test_rules_of_other_cards() -> None:
    """Records of EF.ARR are read as another hand reads them. TS 102 221 clause 9.2.4."""
    names = {"read_search_compare": Operation.READ, "update_erase": Operation.UPDATE}
    who = {"always": ALWAYS, "never": NEVER, "control_reference_template": ADMINISTRATOR}
    for octets, decoded in files_of_other_cards("EF_ARR"):
        found = access.decode(bytes.fromhex(octets))
        for mode, condition in decoded:
            for name in set(mode.get("access_mode", ())) & set(names):
                assert who[next(iter(condition))] == found[names[name]]
