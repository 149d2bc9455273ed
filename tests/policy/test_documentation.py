"""docs/policy.md and the code cannot drift: tables, figures and octets are read out of it."""

import json
import re
from pathlib import Path

from cardsync.policy.bound import EVENTS_A_DAY, bound, table
from cardsync.policy.facts import FACTS, FACTS_BY_NAME, LAST, SERVICES, TECHNOLOGIES
from cardsync.policy.opcodes import Op
from cardsync.policy.program import Section
from cardsync.policy.recording import LineReader
from cardsync.policy.rule_coding import ActionTag
from cardsync.policy.source import read
from cardsync.policy.values import EventKind
from policy_texts import compiled, example

TEXT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()


def rows(title: str) -> list[list[str]]:
    """Give the cells of the table whose head begins with these words."""
    lines = TEXT[TEXT.index(title) :].split("\n")[2:]
    found = lines[: next(n for n, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def test_events() -> None:
    """Every event with its code."""
    codes = {int(row[1]) for row in rows("| `on` | Code |")}
    named = {
        row[0].strip('`"'): int(row[1]) for row in rows("| `on` | Code |") if "{" not in row[0]
    }

    assert codes == {int(kind) for kind in EventKind}
    assert all(EventKind[name.upper()] == code for name, code in named.items() if " " not in name)


def test_facts() -> None:
    """Every fact with its code and type."""
    found = [row for row in rows("| Fact | Code |") if "last" not in row[0] or "since" in row[0]]

    assert [(row[0].strip("`"), int(row[1], 16), row[2]) for row in found] == [
        (fact.name, fact.number, fact.type.name.lower())
        for fact in FACTS.values()
        if not fact.number & LAST
    ]


def test_words() -> None:
    """Technologies and services with their values."""
    for fact, words in (("network.technology", TECHNOLOGIES), ("network.status", SERVICES)):
        (row,) = [row for row in rows("| Fact | Code |") if row[0] == f"`{fact}`"]

        assert {name: int(value) for name, value in re.findall(r"`(\w+)` (\d+)", row[3])} == words
        assert fact in FACTS_BY_NAME


def test_opcodes_sections_and_actions() -> None:
    """Every code point of the program."""
    for title, kind in (
        ("| Op | Name |", Op),
        ("| Tag | Section |", Section),
        ("| Tag | Action |", ActionTag),
    ):
        assert {row[1]: int(row[0], 16) for row in rows(title)} == {
            one.name: one.value for one in kind
        }


def test_events_a_day() -> None:
    """The rates that the bound assumes."""
    cells = [row[at : at + 2] for row in rows("| Event | A day |") for at in (0, 2)]
    found = {
        EventKind[name.upper()]: int(rate.split()[0])
        for names, rate in cells
        for name in names.split(", ")
        if name
    }

    assert found == EVENTS_A_DAY


def test_the_bound_of_the_example() -> None:
    """The table that the compiler prints."""
    assert "\n".join(table(bound(example()))) in TEXT


def test_the_program_of_the_example() -> None:
    """The small policy and its octets."""
    source = re.search(r"For example, the policy\n\n```toml\n(.*?)```", TEXT, re.DOTALL)
    octets = re.search(r"is the program\n\n```\n(.*?)```", TEXT, re.DOTALL)
    assert source
    assert octets

    assert compiled(source[1]).encode() == bytes.fromhex(octets[1])


def test_the_shortest_policy() -> None:
    """The first policy that a reader sees can be read."""
    source = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert source

    assert read(source[1], "policy.md").name == "greeting"


def test_the_recording() -> None:
    """Every line of the example can be read; every key of a line has its row."""
    example_lines = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert example_lines

    reader = LineReader()
    assert [EventKind.PROFILE_DOWNLOAD, EventKind.LOCATION_STATUS, EventKind.MENU] == [
        reader.read(json.loads(line)).event.kind for line in example_lines[1].splitlines()
    ]
    keys = [row[0].strip("`") for row in rows("| Key | | |\n| --- | --- | --- |\n| `card`")]
    assert keys == ["card", "minute", "event", "argument", "facts"]
