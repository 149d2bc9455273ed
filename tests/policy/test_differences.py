"""What two programs say differently."""

from cardsync.policy.differences import differences
from policy_texts import REQUEST, TABLES, compiled, example, policy, rule

HELLO = rule(1, '"poll"', '{ tell = "x" }', "language == 'fi' and count < 3")
SET = rule(2, '"idle_screen"', '{ set = { count = "count + 1" }, synchronize = "all" }')
PERIOD = rule(3, '"timer"', '{ tell = "x" }', every="${interval}")


def told(old: str, new: str) -> list[str]:
    """Compare two texts."""
    return list(differences(compiled(old), compiled(new)))


BASE = policy(HELLO, SET, PERIOD, tables=TABLES)


def test_the_same() -> None:
    """A program is not different from itself, nor where names have other places."""
    moved = TABLES.replace("count = 0\n", "").replace("[variables]", "[variables]\nother = 1")
    moved = moved.replace("[limits]", "count = 0\n[limits]")

    assert list(differences(example(), example())) == []
    assert told(BASE, policy(HELLO, SET, PERIOD, tables=moved)) == []


def test_head_and_limits() -> None:
    """Name and version, limits, parameters."""
    tables = TABLES.replace("sms_per_day = 3", "sms_per_day = 1").replace(
        'home = "en"', 'away = "sv"'
    )
    tables = tables.replace('interval = "30 min"', 'interval = "2 h"')
    new = policy(HELLO, SET, PERIOD, tables=tables.replace("least = 3", "least = 4"))

    assert told(BASE, new.replace("version = 1", "version = 2", 1)) == [
        "policy test 1 -> test 2",
        "sms_per_day 3 -> 1",
        "parameter 'interval' 30 min -> 2 h",
        "parameter 'least' 3 -> 4",
        "parameter 'home' is gone",
        "parameter 'away' is new",
        "rule 'rule 3': every 30 min -> 2 h",
    ]


def test_requests() -> None:
    """A request that is new, gone, or asks for something else."""
    other = REQUEST.replace("requests.all", "requests.other")
    changed = REQUEST.replace("two-way", "slow").replace("https://dm.example/s", "https://b/")

    assert told(BASE, BASE.replace("[[rules]]", other + "[[rules]]", 1)) == [
        "request 'other' is new"
    ]
    assert told(BASE.replace("[[rules]]", other + "[[rules]]", 1), BASE) == [
        "request 'other' is gone"
    ]
    assert told(BASE, BASE.replace(REQUEST, changed)) == ["request 'all': other type, target"]


def test_rules() -> None:
    """Rules by their names: new, gone, and what is different in one."""
    new = policy(
        rule(1, '"idle_screen"', '{ tell = "y" }', "language == 'fi' and count <= 3"),
        rule(2, '"idle_screen"', '{ set = { count = "count + 2" } }', "asked"),
        rule(4, '"timer"', '{ tell = "x" }', every="1 h"),
        tables=TABLES,
    )

    assert told(BASE, new) == [
        "rule 'rule 1': another event, another condition, other actions",
        "rule 'rule 2': a condition, other actions",
        "rule 'rule 3' is gone",
        "rule 'rule 4' is new",
    ]
    assert told(new, BASE)[1] == "rule 'rule 2': no condition, other actions"
    assert told(BASE, BASE.replace('every = "${interval}"', 'every = "2 h"')) == [
        "rule 'rule 3': every 30 min -> 2 h"
    ]
    assert told(
        BASE, BASE.replace('"timer"\n', '"poll"\n').replace('every = "${interval}"', "")
    ) == ["rule 'rule 3': another event, every 30 min -> event"]
    assert told(BASE, policy(SET, HELLO, PERIOD, tables=TABLES)) == [
        "the rules are in another order"
    ]
