"""The policy as a person writes it: values out, or every fault with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.faults import PolicyError
from cardsync.policy.source import read
from cardsync.policy.values import (
    Database,
    EventKind,
    Limits,
    Parameter,
    Retry,
    Rung,
    ValueType,
    Variable,
)
from policy_texts import EXAMPLE, HEAD, REQUEST, policy, rule

RULE = rule(1, '"poll"', '{ tell = "x" }')


def faults(text: str) -> list[str]:
    """Read a text that is wrong and give the lines of its error."""
    with pytest.raises(PolicyError) as caught:
        read(text, "p.toml")
    return str(caught.value).splitlines()


def test_the_example() -> None:
    """The example of the design is read into values, key by key."""
    found = read(EXAMPLE.read_text(), "fleet-inventory.toml")
    request = found.requests[0].request

    assert (found.name, found.version) == ("fleet-inventory", 7)
    assert found.parameters == (
        Parameter("interval", ValueType.DURATION, 1440),
        Parameter("server", ValueType.TEXT, "https://dm.operator.example/syncml"),
    )
    assert found.variables == (Variable("failures", ValueType.NUMBER, 0),)
    assert found.limits == Limits(6, 2)
    assert (request.protocol, request.version, request.representation) == (1, 0x12, 1)
    assert request.transports == (4, 3, 1)
    assert request.type == 0xCB
    assert request.source == Database("imei", "devman")
    assert request.target == Database("${server}", "devman")
    assert request.categories == 0b10011
    assert request.notify == 1
    assert request.fallback == (Rung.BROWSER, Rung.BIP, Rung.SMS)
    assert request.retry == Retry(3, 10, 2, 20)
    assert [rule.event for rule in found.rules] == [
        EventKind.PROFILE_DOWNLOAD,
        EventKind.TIMER,
        EventKind.MENU,
        EventKind.MESSAGE,
        EventKind.APPLICATION,
        EventKind.SYNCHRONIZED,
        EventKind.SYNCHRONIZED,
        EventKind.SYNCHRONIZED,
    ]
    assert found.rules[1].every == "interval"
    assert found.rules[4].argument == bytes.fromhex("A0000000871004FF33FF018900000100")


def test_categories_without_the_key() -> None:
    """Identity and language are sent where the policy names no categories."""
    assert read(policy(RULE), "p").requests[0].request.categories == 0b11


def test_every_fault_is_told_at_once() -> None:
    """One reading tells all that is wrong, in the order of the file, with line and column."""
    text = EXAMPLE.read_text()
    for old, new in (
        ("version = 7", "version = 0\nversoin = 1"),
        ('"refresh-from-client"', '"refresh"'),
        ("${server}", "${sever}"),
        ("imei != last.imei", "imie != last.imei"),
        ("> 5 * minutes", "> 5"),
        ('when = "failures == 3"', 'whem = "failures == 3"'),
    ):
        text = text.replace(old, new)

    assert faults(text) == [
        "p.toml:5:11: version: this is 0; expected an integer of 1 to 65535",
        (
            "p.toml:6:1: versoin: unknown key; expected one of policy, version, parameters, "
            "variables, limits, requests, rules, perhaps 'version'"
        ),
        (
            "p.toml:22:14: requests.inventory.type: this is 'refresh'; expected one of agent, "
            "two-way, slow, one-way-from-client, refresh-from-client, one-way-from-server, "
            "refresh-from-server"
        ),
        (
            "p.toml:24:28: requests.inventory.target.device: no parameter 'sever'; "
            "expected one of the parameters"
        ),
        (
            "p.toml:33:9: rules[1].when: unknown name 'imie'; expected a fact, a parameter or a "
            "variable, perhaps 'imei'"
        ),
        "p.toml:40:86: rules[2].when: this is a number; expected a duration, such as 5 * minutes",
        (
            "p.toml:73:1: rules[8].whem: unknown key; expected one of name, on, every, when, do, "
            "perhaps 'when'"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("policy = ", "p.toml:1:10: "),
        ('policy = "x"\nversion 1\n', "p.toml:2:9: "),
        ('policy = "x"\npolicy = "y"', "p.toml:2:13: "),
        ("a = [\n1,\n", "p.toml:3:1: "),
    ],
)
def test_syntax(text: str, place: str) -> None:
    """What is no TOML is told with the place at which it stops being TOML."""
    assert faults(text)[0].startswith(place)
    assert faults(text)[0].endswith("; expected TOML 1.0")


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("[parameters]\nimei = 1\n", "p.toml:4:1: parameters.imei: this name has a meaning"),
        ("[parameters]\nminutes = 1\n", "p.toml:4:1: parameters.minutes: this name has a"),
        ("[parameters]\nBad = 1\n", "p.toml:4:1: parameters.Bad: no name"),
        ("[parameters]\nnot = 1\n", "p.toml:4:1: parameters.not: no name"),
        ("[parameters]\nx = 65536\n", "p.toml:4:5: parameters.x: this is 65536; expected an int"),
        ("[parameters]\nx = true\n", "p.toml:4:5: parameters.x: this is true; expected a text"),
        ('[parameters]\nx = "46 d"\n', "p.toml:4:5: parameters.x: this is '46 d'; expected a dur"),
        ('[parameters]\nx = "a\\u0001"\n', "p.toml:4:7: parameters.x: control character U+0001"),
        ('[parameters]\nx = "${y}"\n', "p.toml:4:5: parameters.x: this is '${y}'; expected one"),
        ("[variables]\nx = 1.5\n", "p.toml:4:5: variables.x: this is 1.5; expected an integer"),
        ('[variables]\nx = "text"\n', "p.toml:4:5: variables.x: this is 'text'; expected an int"),
        ("[variables]\nx = -1\n", "p.toml:4:5: variables.x: this is -1; expected an integer of"),
        ("[parameters]\nx=1\n[variables]\nx=1\n", "p.toml:6:1: variables.x: a parameter has this"),
        ("[limits]\nsms = 1\n", "p.toml:4:1: limits.sms: unknown key; expected one of synch"),
        ("[limits]\nsms_per_day = 256\n", "p.toml:4:15: limits.sms_per_day: this is 256; expec"),
        ("limits = 3\n", "p.toml:3:10: limits: this is 3; expected a table of limits"),
    ],
)
def test_faults_of_tables(tables: str, told: str) -> None:
    """Names, types and ranges of parameters, variables and limits are checked."""
    assert faults(policy(RULE, tables=tables))[0].startswith(told)


def test_variables_of_every_type() -> None:
    """A variable is a number, a truth or a duration."""
    tables = '[variables]\na = 3\nb = true\nc = "1 d"\n'

    assert read(policy(RULE, tables=tables), "p").variables == (
        Variable("a", ValueType.NUMBER, 3),
        Variable("b", ValueType.TRUTH, 1),
        Variable("c", ValueType.DURATION, 1440),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["p.toml:1:1: policy is missing", "p.toml:1:1: version is missing", "p.toml:1:1: ru"]),
        (HEAD + "rules = 3\n", ["p.toml:3:9: rules: this is 3; expected an array of tables"]),
        (HEAD + "rules = []\n", ["p.toml:3:9: rules: 0 rules; expected 1 to 64 rules"]),
        (HEAD.replace('"test"', '"a b"') + RULE, ["p.toml:1:10: policy: this is 'a b'; expected"]),
    ],
)
def test_faults_of_the_whole(text: str, told: list[str]) -> None:
    """What must be there and is not is told at the table that lacks it."""
    found = faults(text)

    assert len(told) == len(found)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


def test_too_much() -> None:
    """A text beyond reason is refused before it is read; so is one nested beyond reason."""
    assert faults("#" * 65537) == ["p.toml:1:1: 65537 characters; expected at most 65536"]
    assert faults("a = " + "[" * 30000) == [
        "p.toml:1:1: arrays or tables within each other; expected fewer"
    ]


def test_too_many() -> None:
    """There is a most of everything."""
    tables = "[parameters]\n" + "".join(f"p{number} = 1\n" for number in range(17))

    assert faults(policy(RULE, tables=tables)) == [
        "p.toml:3:2: parameters: 17 parameters; expected at most 16"
    ]


@settings(deadline=None)
@given(st.data())
def test_nothing_else_is_raised(data: st.DataObject) -> None:
    """A mutated policy is read, or refused with faults that each have a place in the file."""
    text = EXAMPLE.read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.text('"=[]{}.,\n 1aé$', max_size=4)) + text[end:]
    try:
        read(text, "p.toml")
    except PolicyError as exc:
        lines = text.replace("\r\n", "\n").split("\n")
        for fault in exc.faults:
            place = fault.where

            assert 1 <= place.line <= len(lines) + 1
            assert 1 <= place.column <= len([*lines, ""][place.line - 1]) + 1


def test_request_is_reused_by_name() -> None:
    """A policy without requests may still tell, report and count."""
    assert read(HEAD + RULE, "p").requests == ()
    assert read(HEAD + REQUEST + RULE, "p").requests[0].request.name == "all"
