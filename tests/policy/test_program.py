"""Programs: octets both ways, and what a card refuses."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.octets.apdu import SW
from cardsync.policy.facts import Event
from cardsync.policy.faults import PolicyError, ProgramRefused
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.values import DoTimer, EventKind, Parameter, Rule, ValueType
from policy_texts import EXAMPLE, TABLES, compiled, example, policies, policy, rule

SMALL = bytes.fromhex(
    "43 50 01 008A 0001 00 06 02 00"  # CP, format, length, version, name, limits, literals
    "01 0039 08"  # eight strings
    "04 74657374 03 616C6C 04 696D6569 06 6465766D616E"
    "14 68747470733A2F2F646D2E6578616D706C652F73 06 72756C652031 02 4869 03 486569"
    "02 0001 00 03 0001 00"  # no parameters, no variables
    "04 0009 01 06 02 656E 06 6669 07"  # a text in two languages
    "05 0001 00 06 0001 00"  # no menu, no timers
    "07 0016 01 01 01 12 01 C8 02 03 04 03 0003 00 00 00 00000000 01 04 00"  # the request
    "08 000B 01 05 02 FF 03 041028 01 02 00"  # the rule
)
"""The program of docs/policy.md, octet for octet."""


def test_octets() -> None:
    """A small program, octet for octet as docs/policy.md has it."""
    text = policy(rule(1, '"poll"', '{ tell = { en = "Hi", fi = "Hei" } }', "result.ok"))
    program = compiled(text)

    assert program.encode() == SMALL
    assert program == Program.decode(SMALL)


def test_the_example_is_small() -> None:
    """The example takes some hundred octets and names itself by their SHA-256."""
    program = example()

    assert program == Program.decode(program.encode())
    assert len(program.encode()) == 565
    assert program.digest() == sha256(program.encode()).digest()
    assert program.menu_items == ((1, "Update my phone's data"),)
    assert program.events == {
        EventKind.PROFILE_DOWNLOAD,
        EventKind.TIMER,
        EventKind.MENU,
        EventKind.MESSAGE,
        EventKind.APPLICATION,
        EventKind.SYNCHRONIZED,
    }


@settings(max_examples=60, deadline=None)
@given(policies())
def test_round_trip(text: str) -> None:
    """Any program is read from its octets as it was."""
    try:
        program = compiled(text)
    except PolicyError:
        return

    assert program == Program.decode(program.encode())


FULL = compiled(
    policy(
        rule(
            1, '{ menu = { en = "Go", fi = "Mene" } }', '{ synchronize = "all", ask = "${home}?" }'
        ),
        rule(
            2, '"timer"', '{ set = { count = "count + least" } }', "language == 'fi'", "${interval}"
        ),
        rule(
            3,
            '{ timer = "again" }',
            '{ report = "sms", browse = "https://x" }',
            "asked or battery > 2",
        ),
        rule(4, '"refused"', '{ timer = { again = "1 d" }, menu = { hide = "Go" } }'),
        tables=TABLES,
    )
).encode()


@settings(deadline=None)
@given(st.data())
def test_a_mutated_program_is_refused_or_runs(data: st.DataObject) -> None:
    """Changed octets are refused with 6A80, or are a program that handles every event. O-8."""
    octets = bytearray(FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        machine = Machine(Program.decode(bytes(octets)))
    except ProgramRefused as exc:
        answer = exc.answer
        assert answer == SW.INCORRECT_DATA
        return
    for kind in EventKind:
        argument = 60 if kind is EventKind.TIMER else None
        assert machine.handle(Event(kind, argument), {"battery": 3, "language": b"fi"}).steps < 2000


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_octets_that_are_none(octets: bytes) -> None:
    """Octets at random are refused and nothing else happens."""
    with pytest.raises(ProgramRefused):
        Program.decode(octets)


@pytest.mark.parametrize("cut", range(0, 560, 7))
def test_cut_short(cut: int) -> None:
    """A program of which the end is missing is refused."""
    with pytest.raises(ProgramRefused):
        Program.decode(example().encode()[:cut])


def changed(**fields: object) -> Program:
    """Give the example with other fields."""
    return replace(example(), **fields)  # type: ignore[arg-type]  # the fields vary with the test


def only(made: Rule) -> tuple[Rule, ...]:
    """Give a program's rules: this one."""
    return (made,)


SAY = example().rules[5].actions


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"rules": ()}, "there is no rule"),
        ({"rules": example().rules * 2}, "a name stands for two things"),
        ({"timers": tuple("abcdefghi")}, "9 timers are more than 8"),
        ({"parameters": (Parameter("interval", ValueType.DURATION, 5),)}, "interval is 5 min"),
        ({"parameters": (Parameter("x", ValueType.TEXT, ""),)}, "x is not 1 to 200 octets"),
        ({"parameters": (Parameter("x", ValueType.DURATION, 65000),)}, "x is 65000"),
        ({"rules": only(Rule("x", EventKind.POLL, None, None, b"\x05\x09", SAY))}, "operand 9"),
        ({"rules": only(Rule("x", EventKind.TIMER, None, 5, b"", SAY))}, "a period of 5 min"),
        (
            {
                "timers": ("t",),
                "rules": only(Rule("x", EventKind.POLL, None, None, b"", (DoTimer("t", 65000),))),
            },
            "starts a timer of 65000 min",
        ),
        ({"literals": (b"x" * 300,)}, "takes 300 octets"),
        ({"literals": (b"x", b"x")}, "a name stands for two things"),
        ({"literals": tuple(bytes([n]) for n in range(256))}, "different strings"),
    ],
)
def test_what_cannot_be_a_program(fields: dict[str, object], why: str) -> None:
    """A program that exists is valid: counts, names, ranges, code."""
    with pytest.raises(ValueError, match=why):
        changed(**fields)


def test_too_many_steps() -> None:
    """No event takes more than 2000 steps, whatever the rules."""
    code = bytes.fromhex("0101") + b"\x28" * 250
    rules = tuple(
        Rule(f"rule {number}", EventKind.POLL, None, None, code, SAY) for number in range(8)
    )
    with pytest.raises(ValueError, match="POLL may take more than 2000 steps"):
        changed(rules=rules)


def test_a_request_that_does_not_fit_is_no_program() -> None:
    """What could never be sent is refused by the card too. O-7."""
    text = EXAMPLE.read_text().replace("dm.operator.example", "x" * 150)
    octets = example().encode()
    longer = octets.replace(b"\x22https://dm.operator.example/syncml", b"\xa2https://" + b"x" * 154)
    longer = longer[:3] + (len(octets) + 128).to_bytes(2, "big") + longer[5:]
    start = longer.index(b"\x01\x01\x68")
    with pytest.raises(ProgramRefused, match=r"takes .* octets"):
        Program.decode(longer[: start + 1] + (0x168 + 128).to_bytes(2, "big") + longer[start + 3 :])
    with pytest.raises(PolicyError, match=r"takes .* octets"):
        compiled(text)


def test_one_way_to_write() -> None:
    """Octets that say the same in another way are refused: a digest names one program."""
    octets = bytearray(
        compiled(
            policy(
                rule(1, '"poll"', '{ menu = { hide = "Go" } }'),
                rule(2, '{ menu = "Go" }', '{ tell = "x" }'),
            )
        ).encode()
    )
    place = octets.index(bytes([7, 0, 0]), 100)
    octets[place + 2] = 1
    assert Program.decode(bytes(octets)).rules
    octets[place + 2] = 2
    with pytest.raises(ProgramRefused, match="one way"):
        Program.decode(bytes(octets))


def test_facts() -> None:
    """What conditions and values look at, `last.` being of the same fact: so much is asked for."""
    text = policy(
        rule(1, '"poll"', '{ set = { count = "battery + 1" } }', "imei != last.imeisv"),
        rule(2, '"idle_screen"', '{ tell = "x" }'),
        tables=TABLES,
    )

    assert {"battery", "imei", "imeisv"} == compiled(text).facts


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (b"\x02\x00\x01\x00\x03\x00\x01\x00", "section 09 stands where parameters"),
        (b"\x08\x00\x0b\x01", "section 09 stands where rules"),
    ],
)
def test_sections_out_of_order(changed: bytes, told: str) -> None:
    """Another section than the next one is refused, and named."""
    place = SMALL.index(changed)
    octets = SMALL[:place] + b"\x09" + SMALL[place + 1 :]

    with pytest.raises(ProgramRefused, match=told):
        Program.decode(octets)


def test_too_long_for_any_card() -> None:
    """4096 octets at most: 64 rules that say different things in full length are too many."""
    texts = [f"{number:02}" + "x" * 120 for number in range(40)]
    rules = [rule(n, '"poll"', f'{{ tell = "{text}" }}') for n, text in enumerate(texts)]

    with pytest.raises(PolicyError, match="octets"):
        compiled(policy(*rules))
