"""The compiler: rules become a program, or are refused with reasons."""

import pytest

from cardsync.policy.bound import CardLimits
from cardsync.policy.compiler import compile_policy
from cardsync.policy.faults import PolicyError
from cardsync.policy.opcodes import Op, instructions
from cardsync.policy.source import read
from cardsync.policy.values import DoSet, DoTimer, Text
from policy_texts import EXAMPLE, GENEROUS, REQUEST, compiled, policy, rule

TABLES = '[parameters]\nwait = "1 h"\n[variables]\ncount = 0\n'
TELL = '{ tell = "x" }'


def code(when: str) -> list[tuple[Op, int]]:
    """Compile a condition and list its instructions."""
    program = compiled(policy(rule(1, '"poll"', TELL, when), tables=TABLES))
    return [(one.op, one.operand) for one in instructions(program.rules[0].condition)]


def test_code_of_a_condition() -> None:
    """The condition of the example: a membership, a truth, a comparison, joined by jumps."""
    when = (
        "network.technology in (LTE, NR) and not network.roaming and connected_time > 5 * minutes"
    )

    assert code(when) == [
        (Op.FACT, 0x07),
        (Op.NUMBER8, 8),
        (Op.NUMBER8, 10),
        (Op.IN, 2),
        (Op.AND, 10),
        (Op.FACT, 0x08),
        (Op.FALSE, 0),
        (Op.AND, 5),
        (Op.FACT, 0x0B),
        (Op.NUMBER8, 5),
        (Op.GREATER, 0),
    ]


def test_code_of_names_and_literals() -> None:
    """Large numbers take two octets; equal literals are kept once."""
    program = compiled(
        policy(
            rule(1, '"poll"', TELL, "language == 'fi' or language == 'sv'"),
            rule(2, '"poll"', '{ set = { count = "count + 300" } }', "last.language == 'fi'"),
            tables=TABLES,
        )
    )

    assert program.literals == (b"fi", b"sv")
    assert program.rules[1].condition == bytes([Op.FACT, 0x84, Op.LITERAL, 0, Op.EQUAL])
    assert program.rules[1].actions == (
        DoSet("count", bytes([Op.VARIABLE, 0, Op.NUMBER16, 1, 44, Op.ADD])),
    )


def test_menu_and_timers_are_gathered() -> None:
    """An entry of several rules stands once, with its translations; so does a timer."""
    program = compiled(
        policy(
            rule(1, '{ menu = "Go" }', '{ timer = { b = "1 h", a = "${wait}" } }'),
            rule(2, '{ menu = { en = "Go", fi = "Mene" } }', TELL),
            rule(3, '{ timer = "a" }', TELL),
            tables=TABLES,
        )
    )

    assert program.menu == (Text("Go", (("en", "Go"), ("fi", "Mene"))),)
    assert program.timers == ("b", "a")
    assert program.rules[0].actions == (DoTimer("b", 60), DoTimer("a", "wait"))


def refused(text: str, limits: CardLimits | None = None) -> list[str]:
    """Compile what must be refused and give the lines of the error."""
    with pytest.raises(PolicyError) as caught:
        compile_policy(read(text, "p.toml"), limits)
    return str(caught.value).splitlines()


def test_a_request_that_does_not_fit() -> None:
    """The byte count of each object is told, at the request. O-7."""
    text = EXAMPLE.read_text().replace("dm.operator.example", "dm." + "x" * 110 + ".example")

    assert refused(text) == [
        (
            "p.toml:18:11: requests.inventory: REQUEST SYNCHRONIZATION takes 258 octets "
            "(command details 5, device identities 4, "
            "synchronization protocol 7, transport list 7, synchronization type 5, "
            "source database 22, target database 151, notification 5, "
            "session reference 8, authentication reference 35, category mask 6); "
            "expected at most 256"
        )
    ]


def test_a_text_that_does_not_fit() -> None:
    """A text longer than DISPLAY TEXT can be is told at its rule."""
    (line,) = refused(policy(rule(1, '"poll"', f'{{ tell = "{"x" * 241}" }}')))

    assert line.startswith("p.toml:9:3: rules[1]: DISPLAY TEXT takes 257 octets (command details 5")


def test_a_question_that_does_not_fit() -> None:
    """The card asks by a GET INKEY of its own; a question too long for it is told at its rule."""
    ask = f'{{ en = "Yes?", fi = "{"x" * 241}" }}'
    (line,) = refused(policy(rule(1, '"poll"', f'{{ synchronize = "all", ask = {ask} }}')))

    assert line.startswith("p.toml:9:3: rules[1]: GET INKEY takes 257 octets (command details 5")


def test_expressions_that_are_too_long() -> None:
    """A condition has 255 octets at most, as its jumps have one octet; every such rule is told."""
    text = policy(
        rule(1, '"poll"', TELL, " or ".join(["c==999"] * 32)),
        rule(2, '"poll"', TELL, " or ".join(["c==999"] * 33)),
        rule(3, '"poll"', TELL, " or ".join(["c==999"] * 50)),
        rule(4, '"poll"', '{ set = { c = "' + "+".join("c" * 86) + '" } }'),
        tables="[variables]\nc = 0\n",
    )

    assert [line.split(": ", 1)[1] for line in refused(text, GENEROUS)] == [
        "rules[2]: an expression takes 262 octets, at most 255 fit; expected a shorter expression",
        "rules[3]: a condition takes more than 255 octets; expected a shorter expression",
        "rules[4]: an expression takes 257 octets, at most 255 fit; expected a shorter expression",
    ]


def test_too_much_for_the_format() -> None:
    """What the format cannot hold is told at the policy's name."""
    rules = [rule(n, f'{{ menu = "entry {n}" }}', TELL) for n in range(17)]

    assert refused(policy(*rules), GENEROUS)[0] == (
        "p.toml:1:1: policy: 17 menu entries are more than 16; expected a smaller policy"
    )


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (CardLimits(octets=500), "up to 565 octets; the dearest rule, 'regular', takes 31"),
        (CardLimits(steps=10), "up to 18 steps for one event; the dearest rule, 'regular', take"),
        (CardLimits(ram=100), "up to 291 octets of RAM; the dearest rule, 'regular', takes 265"),
        (
            CardLimits(writes_a_day=20),
            "up to 115 writes a day of one place (the session), which wear it out",
        ),
        (
            CardLimits(kilobytes_a_day=9),
            "up to 144 kilobytes a day; the dearest rule, 'the phone h",
        ),
    ],
)
def test_over_the_limits_of_the_card(limits: CardLimits, told: str) -> None:
    """What is too dear is refused, and the dearest rule is named with its place. O-8."""
    (line,) = refused(EXAMPLE.read_text(), limits)

    assert told in line
    assert line.startswith(("p.toml:29:3: rules[1]: ", "p.toml:35:3: rules[2]: "))


def test_a_rule_that_wears_the_card_out() -> None:
    """A variable set at every poll would wear the memory out within weeks. O-8."""
    (line,) = refused(policy(rule(1, '"poll"', '{ set = { count = "count + 1" } }'), tables=TABLES))

    assert line == (
        "p.toml:13:3: rules[1]: up to 2911 writes a day of one place (the state), which wear it "
        "out in 0.1 years; the dearest rule, 'rule 1', takes 2880; expected at most 136"
    )


def test_without_requests() -> None:
    """A policy need not synchronize at all."""
    text = policy(rule(1, '"poll"', TELL)).replace(REQUEST, "")

    assert compiled(text).requests == ()
