"""Profiles: the file tree as a person writes it."""

import re
from pathlib import Path

import pytest

from cardsync.card import access, profile, tree
from cardsync.card.access import ALWAYS, NEVER, Condition, Operation
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.tree import File, Structure, Tree
from cardsync.card.uicc import Uicc
from cardsync.errors import ConfigError
from mobiles import ICCID, IMSI

SMALL = """
services = [28]
[[directory]]
path = "3F00"
name = "MF"
files = [
  { id = "2F06", name = "EF.ARR", access = "ALW ADM1", made = "rules" },
  { id = "6F01", name = "A", size = 4, access = "ALW NEV", content = "0102" },
  { id = "6F02", name = "B", record = 3, records = 3, access = "PIN1 PIN2", BC },
  { id = "6F03", name = "C", access = "PIN1 PIN2", link = "3F00/6F02" },
  { id = "6F04", name = "D", size = 4, access = "ALW NEV", made = "services" },
]
""".replace("BC", 'blank = "00", content = ["01"]')


def test_small() -> None:
    """Sizes, contents and rules follow from what is written."""
    found = profile.parse(SMALL)
    files = found.tree.files
    rules = files["3F00/2F06"]

    assert (Structure.TRANSPARENT, 4) == (files["3F00/6F01"].structure, files["3F00/6F01"].size)
    assert bytes.fromhex("0102FFFF") == found.contents["3F00/6F01"]
    assert bytes.fromhex("01FFFF00FFFF00FFFF") == found.contents["3F00/6F02"]
    assert (9, 3, "file:3F00/6F02") == (
        files["3F00/6F03"].size,
        files["3F00/6F03"].record,
        files["3F00/6F03"].cell,
    )
    assert bytes.fromhex("00000008") == found.contents["3F00/6F04"]
    assert (4, 4 * rules.record) == (rules.records, len(found.contents["3F00/2F06"]))
    assert files["3F00/6F02"].rule == files["3F00/6F03"].rule


def test_rules_are_those_written() -> None:
    """Each record of EF.ARR says what the access of its files says. TS 102 221 clause 9.2.7."""
    found = profile.parse(SMALL)
    rules, content = found.tree.files["3F00/2F06"], found.contents["3F00/2F06"]
    start = (found.tree.files["3F00/6F01"].rule - 1) * rules.record
    record = access.decode(content[start : start + rules.record])

    assert (ALWAYS, NEVER) == (record[Operation.READ], record[Operation.UPDATE])
    assert Condition(keys=frozenset({0x0A})) == record[Operation.DEACTIVATE]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("3F00/6F02", "3F00/6F99", "there is no"),
        ('id = "6F03"', 'id = "6F02"', "twice"),
        ('id = "6F03"', 'id = "6f0x"', "identifiers"),
        ('content = "0102"', 'content = "0102030405"', "longer"),
        ('content = "0102"', 'content = "01x2"', "hexadecimal"),
        ('content = "0102"', 'made = "gold"', "none of"),
        ('access = "PIN1 PIN2", link', 'access = "PIN9 PIN2", link', "PIN9"),
        ("size = 4,", "size = -4,", "number"),
        ("size = 4,", "", "too much"),
        ("size = 4,", "size = 70000,", "too much"),
        ("records = 3", "records = 255", "254"),
        ("services = [28]", "services = [33]", "service 33"),
        ("services = [28]", 'services = ["28"]', "numbers"),
        ('path = "3F00"', 'path = "3F00/7F10/7F11"', "there is no"),
        ('name = "MF"', "name = 3", "text"),
        ("blank =", "blink =", "unknown"),
        ("[[directory]]", "[[directory", "profile"),
        ("[[directory]]", "[directory]", "expected"),
    ],
)
def test_malformed(old: str, new: str, why: str) -> None:
    """What is wrong is told, with the file where it is."""
    assert old in SMALL
    with pytest.raises(ConfigError, match=why):
        profile.parse(SMALL.replace(old, new, 1))


def test_links_have_the_same_shape() -> None:
    """A file shares the content of one of its own structure only."""
    files = [
        File("3F00", Structure.DIRECTORY),
        File("3F00/6F01", Structure.TRANSPARENT, 4),
        File("3F00/6F02", Structure.TRANSPARENT, 5, link="3F00/6F01"),
    ]
    with pytest.raises(ConfigError, match="structure"):
        Tree(files)


def test_a_tree_has_a_master_file() -> None:
    """Without MF it is none."""
    with pytest.raises(ConfigError, match="3F00"):
        Tree([])


def test_default() -> None:
    """The default profile has what a modem and a reader tool ask for. TS 31.102 clause 4.2."""
    found = profile.default().tree
    names = {file.name for file in found.children("3F00/7FFF")}
    wanted = (
        "IMSI UST AD SPN MSISDN SMSP SMS SMSS LOCI PSLOCI EPSLOCI EHPLMN PLMNwAcT OPLMNwAcT "
        "HPLMNwAcT FPLMN HPPLMN ACC Keys KeysPS EST LI ECC CBMI START-HFN THRESHOLD NETPAR ARR"
    )

    assert set() == {f"EF.{name}" for name in wanted.split()} - names
    assert {"EF.DIR", "EF.ICCID", "EF.PL", "EF.ARR"} <= {
        file.name for file in found.children("3F00")
    }
    assert {"EF.ADN", "EF.PBR"} <= {file.name for file in found.children("3F00/7F10/5F3A")}


def test_default_has_data_download() -> None:
    """Service 28, without which terminals drop what is for the card. TS 31.102 clause 4.2.8."""
    table = profile.default().contents["3F00/7FFF/6F38"]

    assert table[(28 - 1) // 8] & 1 << (28 - 1) % 8


def test_short_identifiers() -> None:
    """They are those of the standard and differ in a directory. TS 31.102 annex H."""
    found = profile.default().tree
    seen = [(file.parent, file.short) for file in found.files.values() if file.short]

    assert len(seen) == len(set(seen))
    assert {"6F07": 7, "6F38": 4, "6FAD": 3, "6F7E": 11, "6FE3": 30} == {
        name: found.files[f"3F00/7FFF/{name}"].short
        for name in ("6F07", "6F38", "6FAD", "6F7E", "6FE3")
    }


def test_tables_survive_the_memory() -> None:
    """What is written into a card is read from it."""
    found = profile.default().tree

    assert list(found.files.values()) == list(tree.decode(found.octets).files.values())


PAGE = (Path(__file__).parents[2] / "docs" / "card-profile.md").read_text()


def test_page() -> None:
    """The profile of docs/card-profile.md makes a card; every key and everything made is named."""
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = profile.parse(text)
    card = Uicc(personalise(Subscriber(ICCID, IMSI), [], profile=found))
    path = [f"00A4000C02{one}" for one in ("7FFF", "6F07")]

    assert [b"\x90\0"] * 2 == [card.transact(bytes.fromhex(one)) for one in path]
    assert "080910100000000071" == card.transact(bytes.fromhex("00B0000009"))[:-2].hex()
    assert set() == {one for one in profile.MADE | profile._FILE_KEYS if f"`{one}`" not in PAGE}


def test_error_of_the_page() -> None:
    """The message of docs/card-profile.md is the one that is told."""
    text = SMALL.replace('"6F01", name = "A", size = 4, access = "ALW NEV",', '"6F01", name = "A",')
    with pytest.raises(ConfigError) as caught:
        profile.parse(text)

    assert str(caught.value).replace("6F01", "2FE2") in PAGE


SERVICES = {
    2: "6F3B 6F56", 3: "6F4B", 4: "6F49", 5: "6F4C", 10: "6F3C 6F43", 11: "6F47", 12: "6F42",
    13: "6F37 6F39 6F41", 15: "6F45", 16: "6F50", 17: "6F3E", 18: "6F3F", 19: "6F46", 20: "6F60",
    21: "6F40", 27: "5F3B/4F20 5F3B/4F52", 28: "", 29: "6F48", 33: "", 34: "6F56", 35: "6F57 6F56",
    38: "", 42: "6F61", 43: "6F62", 45: "6FC5", 46: "6FC6", 47: "6FC7 6FC8 6FC9", 48: "6FCA",
    49: "6FCB 6FCC", 51: "6FCD", 71: "6FD9", 73: "6FDB", 74: "6FDC", 85: "6FE3 6FE4",
    122: "5FC0/4F01 5FC0/4F02", 123: "5FC0/4F03 5FC0/4F04 5FC0/4F05",
}  # fmt: skip
"""The files that a service needs. TS 31.102 clauses 4.2 and 4.4."""
MANDATORY = "6F05 6F06 6F07 6F08 6F09 6F31 6F38 6F5B 6F5C 6F73 6F78 6F7B 6F7E 6FAD 6FB7 6FC4"
SIM_SERVICES = {
    2: "7F10/6F3A", 3: "7F10/6F3B", 4: "7F10/6F3C 7F10/6F43", 5: "7F20/6F37 7F20/6F39 7F20/6F41",
    7: "7F20/6F30", 9: "7F10/6F40", 10: "7F10/6F4A", 11: "7F10/6F4B", 12: "7F10/6F42",
    13: "7F10/6F44", 14: "7F20/6F45", 15: "7F20/6F3E", 16: "7F20/6F3F", 17: "7F20/6F46",
    18: "7F10/6F49", 19: "7F10/6F4C", 25: "7F20/6F48", 30: "7F20/6F50", 35: "7F10/6F47",
    38: "7F20/6F52 7F20/6F53", 43: "7F20/6F60", 44: "7F20/6F61", 45: "7F20/6F62",
    51: "7F20/6FC5", 52: "7F20/6FC6",
}  # fmt: skip
"""The same of a SIM; 1, 26, 27 and 29 need none. TS 51.011 clause 10.3.7."""


def numbers(content: bytes, width: int) -> set[int]:
    """Read a service table of `width` bits to a service."""
    bits = int.from_bytes(content, "little")
    return {place + 1 for place in range(len(content) * 8 // width) if bits >> place * width & 1}


def test_each_service_has_its_files() -> None:
    """A bit of EF.UST stands for files that are there, and those for a bit. TS 31.102 clause 4.2.8.

    What is always there is there as well.
    """
    found = profile.default()
    told = numbers(found.contents["3F00/7FFF/6F38"], 1)
    needed = " ".join([MANDATORY, *SERVICES.values()]).split()

    assert SERVICES.keys() == told
    assert set() == {f"3F00/7FFF/{one}" for one in needed} - found.tree.files.keys()
    optional = {file.path[10:] for file in found.tree.children("3F00/7FFF") if not file.directory}
    assert optional == {one for one in needed if len(one) == 4}


def test_each_service_of_a_sim_has_its_files() -> None:
    """The same of EF.SST, whose services have two bits. TS 51.011 clause 10.3.7."""
    found = profile.default()
    told = numbers(found.contents["3F00/7F20/6F38"], 2)
    needed = {f"3F00/{one}" for text in SIM_SERVICES.values() for one in text.split()}

    assert SIM_SERVICES.keys() | {1, 26, 27, 29} == told
    assert set() == needed - found.tree.files.keys()


def test_short_identifiers_of_the_standard() -> None:
    """Short identifiers are those that the standards give. TS 31.102 clause 4.7, TS 102 221 13."""
    given = {
        "2FE2": 2, "2F05": 5, "2F06": 6, "2F00": 0x1E, "2F08": 8,
        "7FFF/6FB7": 1, "7FFF/6F05": 2, "7FFF/6FAD": 3, "7FFF/6F38": 4, "7FFF/6F56": 5,
        "7FFF/6F78": 6, "7FFF/6F07": 7, "7FFF/6F08": 8, "7FFF/6F09": 9, "7FFF/6F60": 10,
        "7FFF/6F7E": 11, "7FFF/6F73": 12, "7FFF/6F7B": 13, "7FFF/6F48": 14, "7FFF/6F5B": 15,
        "7FFF/6F5C": 16, "7FFF/6F61": 17, "7FFF/6F31": 18, "7FFF/6F62": 19, "7FFF/6F06": 0x17,
        "7FFF/6FE4": 0x18, "7FFF/6FC5": 0x19, "7FFF/6FC6": 0x1A, "7FFF/6FCD": 0x1B,
        "7FFF/6FD9": 0x1D, "7FFF/6FE3": 0x1E,
    }  # fmt: skip
    found = profile.default().tree.files

    assert given == {path: found[f"3F00/{path}"].short for path in given}
