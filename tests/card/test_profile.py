"""Profiles: the file tree as a person writes it."""

import pytest

from cardsync.card import access, profile, tree
from cardsync.card.access import ALWAYS, NEVER, Condition, Operation
from cardsync.card.tree import File, Structure, Tree
from cardsync.errors import ConfigError

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
