"""Reading of rules."""

import pytest

from cardsync.policy.expressions import Literal
from cardsync.policy.faults import PolicyError
from cardsync.policy.rule_source import ActionSource, RuleSource, SetSource
from cardsync.policy.source import read
from cardsync.policy.values import (
    DoBrowse,
    DoMenu,
    DoReport,
    DoSynchronize,
    DoTell,
    DoTimer,
    EventKind,
    Rung,
    Text,
    ValueType,
)
from policy_texts import AID, policy, rule

TABLES = """\
[parameters]
wait = "1 h"
host = "https://h.example"
many = 3
[variables]
count = 0
asked = false
pause = "1 h"
"""
TELL = '{ tell = "x" }'


def only_rule(*rules: str) -> RuleSource:
    """Read a policy and give its first rule."""
    return read(policy(*rules, tables=TABLES), "p.toml").rules[0]


def faults(*rules: str) -> list[str]:
    """Read a wrong policy; give its faults with lines that count from the first rule."""
    text = policy(*rules, tables=TABLES)
    first = text.split("\n").index("[[rules]]")
    with pytest.raises(PolicyError) as caught:
        read(text, "p.toml")
    return [
        f"{fault.where.line - first}:{fault.where.column}: " + str(fault).split(": ", 1)[1]
        for fault in caught.value.faults
    ]


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in EventKind
        if kind not in (EventKind.TIMER, EventKind.MENU, EventKind.MESSAGE, EventKind.APPLICATION)
    ],
)
def test_events_without_argument(kind: EventKind) -> None:
    """Every event of the language can have a rule. R-30, R-31."""
    assert kind is only_rule(rule(1, f'"{kind.name.lower()}"', TELL)).event


@pytest.mark.parametrize(
    ("on", "event", "argument"),
    [
        ('{ menu = "Go" }', EventKind.MENU, "Go"),
        ('{ menu = { en = "Go", fi = "Mene" } }', EventKind.MENU, "Go"),
        ('{ message = "sync-now" }', EventKind.MESSAGE, "sync-now"),
        (f'{{ application = "{AID}" }}', EventKind.APPLICATION, bytes.fromhex(AID)),
        ('{ timer = "again" }', EventKind.TIMER, "again"),
        ('{ synchronized = "all" }', EventKind.SYNCHRONIZED, "all"),
        ('{ refused = "all" }', EventKind.REFUSED, "all"),
    ],
)
def test_events_with_argument(on: str, event: EventKind, argument: str | bytes) -> None:
    """Menu entries, messages, applications, timers and results can be told apart. R-43 to R-45."""
    found = only_rule(rule(1, on, TELL), rule(2, '"poll"', '{ timer = { again = "1 h" } }'))

    assert (event, argument) == (found.event, found.argument)


@pytest.mark.parametrize(
    ("do", "actions"),
    [
        ('{ synchronize = "all" }', (DoSynchronize("all"),)),
        ('{ ask = "May we?", synchronize = "all" }', (DoSynchronize("all", Text("May we?")),)),
        (
            '{ tell = { en = "Hi", fi = "Hei" } }',
            (DoTell(Text("Hi", (("en", "Hi"), ("fi", "Hei")))),),
        ),
        ('{ set = { pause = "2 h" } }', (SetSource("pause", Literal(ValueType.DURATION, 120)),)),
        ('{ report = "ussd" }', (DoReport(Rung.USSD),)),
        ('{ browse = "${host}/x" }', (DoBrowse("${host}/x"),)),
        ('{ timer = { a = "10 min", b = "${wait}" } }', (DoTimer("a", 10), DoTimer("b", "wait"))),
        ('{ menu = { hide = "Go" } }', (DoMenu("Go", shown=False),)),
        ('{ menu = { show = "Go" }, tell = "x" }', (DoMenu("Go", shown=True), DoTell(Text("x")))),
    ],
)
def test_actions(do: str, actions: tuple[ActionSource, ...]) -> None:
    """Every action of the language, in the order written."""
    menu = rule(2, '{ menu = "Go" }', TELL)

    assert actions == only_rule(rule(1, '"poll"', do), menu).actions


def test_periods() -> None:
    """A timer without a name has a period, in words or from a parameter."""
    assert only_rule(rule(1, '"timer"', TELL, every="2 d")).every == 2880
    assert only_rule(rule(1, '"timer"', TELL, every="${wait}")).every == "wait"


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ('"boot"', "3:6: rules[1].on: this is 'boot'; expected one of profile_download, poll"),
        ('"pol"', "3:6: rules[1].on: this is 'pol'; expected one of profile_download"),
        ('"menu"', "3:6: rules[1].on: this is 'menu'; expected { menu = \"...\" }"),
        ('{ poll = "x" }', "3:6: rules[1].on: this is a table; expected one key, one of menu"),
        ('{ menu = "a", message = "b" }', "3:6: rules[1].on: this is a table; expected one key"),
        ('{ application = "A000" }', "3:22: rules[1].on.application: this is 'A000'; expected an"),
        ('{ message = "a b" }', "3:18: rules[1].on.message: this is 'a b'; expected a word"),
        ('{ timer = "never" }', "3:16: rules[1].on.timer: this is 'never'; expected one of"),
        ('{ synchronized = "al" }', "3:23: rules[1].on.synchronized: this is 'al'; expected one "),
        ('{ menu = { e = "Go" } }', "3:17: rules[1].on.menu.e: no language; expected two letters"),
        ("{ menu = {} }", "3:15: rules[1].on.menu: this is a table; expected the entry's text"),
        ('"timer"', '1:3: rules[1]: every is missing; expected a duration of "15 min"'),
        ("1", "3:6: rules[1].on: this is 1; expected one of profile_download"),
    ],
)
def test_faults_of_events(on: str, told: str) -> None:
    """A wrong event is told with the choice."""
    assert faults(rule(1, on, TELL))[0].startswith(told)


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("{}", "4:6: rules[1].do: no action; expected a table of actions: synchronize, ask"),
        ('"tell"', "4:6: rules[1].do: this is 'tell'; expected a table of actions"),
        ('{ ask = "x", tell = "y" }', "4:14: rules[1].do.ask: nothing to ask for; expected synch"),
        ('{ tel = "x" }', "4:8: rules[1].do.tel: unknown key; expected one of synchronize, ask, t"),
        ('{ synchronize = "inventory" }', "4:22: rules[1].do.synchronize: this is 'inventory'"),
        ('{ tell = "" }', "4:15: rules[1].do.tell: this is ''; expected a text or texts by lang"),
        ('{ tell = "${wait}" }', "4:18: rules[1].do.tell: the parameter 'wait' is a duration"),
        ('{ report = "browser" }', "4:17: rules[1].do.report: this is 'browser'; expected one of"),
        ('{ browse = "nowhere" }', "4:17: rules[1].do.browse: this is 'nowhere'; expected a URL"),
        ("{ set = { conut = 1 } }", "4:16: rules[1].do.set.conut: no such variable; expected one"),
        ("{ set = { count = -1 } }", "4:24: rules[1].do.set.count: this is -1; expected an inte"),
        ("{ set = { count = true } }", "4:24: rules[1].do.set.count: this is true; expected an ex"),
        ('{ set = { count = "count +" } }', "4:32: rules[1].do.set.count: not an expression"),
        ('{ set = { count = "1 + wait" } }', "4:25: rules[1].do.set.count: a number and a durat"),
        ('{ set = { count = "pause" } }', "4:25: rules[1].do.set.count: this is a duration; exp"),
        ('{ timer = { a = "46 d" } }', "4:22: rules[1].do.timer.a: this is '46 d'; expected a du"),
        ('{ timer = { "a b" = "1 d" } }', "4:18: rules[1].do.timer.a b: no name; expected a word"),
        ('{ timer = { a = "${many}" } }', "4:25: rules[1].do.timer.a: the parameter 'many' is a"),
        ('{ menu = { hide = "Stop" } }', "4:24: rules[1].do.menu.hide: this is 'Stop'; expected"),
        ('{ menu = { drop = "Stop" } }', "4:17: rules[1].do.menu.drop: unknown key; expected one"),
    ],
)
def test_faults_of_actions(do: str, told: str) -> None:
    """A wrong action is told with what was expected, in an expression at its character."""
    assert faults(rule(1, '"poll"', do))[0].startswith(told)


@pytest.mark.parametrize(
    ("every", "told"),
    [
        ("5 min", "5:9: rules[1].every: this is '5 min'; expected a duration of \"15 min\" to"),
        ("${mnay}", "5:12: rules[1].every: no parameter 'mnay'; expected a parameter, perhaps 'ma"),
        ("${many}", "5:12: rules[1].every: the parameter 'many' is a number; expected a parame"),
    ],
)
def test_faults_of_periods(every: str, told: str) -> None:
    """A period is 15 minutes at least: each turn is written to non-volatile memory."""
    assert faults(rule(1, '"timer"', TELL, every=every))[0].startswith(told)


def test_a_parameter_that_is_too_short_a_period() -> None:
    """A parameter that a rule uses as its period is held to the same."""
    text = policy(
        rule(1, '"timer"', TELL, every="${wait}"), tables='[parameters]\nwait = "1 min"\n'
    )
    with pytest.raises(PolicyError, match=r"the parameter 'wait' is 1 min; expected at least 15"):
        read(text, "p.toml")


def test_other_faults_of_rules() -> None:
    """Names differ; a period needs a timer; what is missing is told at the rule."""
    assert faults(rule(1, '"poll"', TELL), rule(1, '"poll"', TELL)) == [
        (
            "6:8: rules[2].name: this is 'rule 1'; expected a name of 1 to 60 octets in one line, "
            "different for each rule"
        )
    ]
    assert faults(rule(1, '"poll"', TELL, every="1 h")) == [
        '5:9: rules[1].every: this event has no period; expected none but for on = "timer"'
    ]
    assert [line.split(";")[0] for line in faults('[[rules]]\nwhen = "x"\n')] == [
        "1:3: rules[1]: on is missing",
        "1:3: rules[1]: name is missing",
        "1:3: rules[1]: do is missing",
        "2:9: rules[1].when: unknown name 'x'",
    ]
