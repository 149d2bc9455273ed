"""The machine's memory."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.faults import ProgramRefused
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.state import MachineState
from policy_texts import TABLES, compiled, policy, rule

RULES = (
    rule(1, '"timer"', '{ synchronize = "all" }', every="${interval}"),
    rule(2, '{ timer = "again" }', '{ report = "sms" }'),
    rule(3, '{ menu = "Go" }', '{ timer = { again = "2 h" } }'),
)
PROGRAM = compiled(policy(*RULES, tables=TABLES))
INITIAL = MachineState.initial(PROGRAM)
MINUTES = st.integers(0, 65535)
STATES = st.builds(
    MachineState,
    st.just(INITIAL.layout),
    st.tuples(MINUTES, MINUTES, st.text("aéя/:", max_size=9)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.tuples(MINUTES, MINUTES, MINUTES),
    st.tuples(MINUTES),
    st.tuples(MINUTES),
    st.integers(0, 1439),
    st.integers(0, 255),
    st.integers(0, 255),
    MINUTES,
)


def test_initial() -> None:
    """A program begins with its own values."""
    assert INITIAL.parameters == (30, 3, "en")
    assert INITIAL.variables == (0, 0, 60)
    assert (INITIAL.elapsed, INITIAL.remaining) == ((0,), (0,))


@settings(deadline=None)
@given(STATES)
def test_round_trip(state: MachineState) -> None:
    """The memory is read from its octets as it was."""
    assert state == MachineState.decode(state.encode())


@settings(deadline=None)
@given(st.data())
def test_octets_that_are_none(data: st.DataObject) -> None:
    """Changed or cut octets are refused, or are a memory again; nothing else happens."""
    octets = bytearray(INITIAL.encode())
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    octets = octets[: data.draw(st.integers(0, len(octets)))]
    found = INITIAL
    try:
        found = MachineState.decode(bytes(octets))
    except ProgramRefused:
        return

    assert found.encode() == bytes(octets)


def new_version(old: str, new: str) -> Program:
    """Compile the policy with one thing changed."""
    return compiled(policy(*RULES, tables=TABLES).replace(old, new))


USED = replace(
    INITIAL,
    parameters=(90, 3, "fi"),
    changed=(True, False, True),
    variables=(7, 1, 5),
    elapsed=(12,),
    remaining=(34,),
    minutes=600,
    synchronizations=2,
    sms=1,
    hidden=1,
)


def test_carried_to_a_new_version() -> None:
    """Variables, changed parameters, minutes and the day's counters survive. R-21."""
    found = USED.carried_to(new_version('"en"', '"sv"'))

    assert found == replace(USED, hidden=0)


def test_unchanged_parameters_take_the_new_default() -> None:
    """Only what was changed over the air outlives its policy."""
    found = replace(USED, changed=(False, False, False)).carried_to(new_version('"en"', '"sv"'))

    assert found.parameters == (30, 3, "sv")


@pytest.mark.parametrize(
    ("old", "new", "parameters", "variables"),
    [
        ("least = 3", "most = 3", (90, 3, "fi"), (7, 1, 5)),
        ('home = "en"', "home = 2", (90, 3, 2), (7, 1, 5)),
        ("count = 0", "other = 4", (90, 3, "fi"), (4, 1, 5)),
        ("asked = false", "asked = 2", (90, 3, "fi"), (7, 2, 5)),
        ("[variables]", "[variables]\nfirst = 9", (90, 3, "fi"), (9, 7, 1, 5)),
    ],
)
def test_what_changed_its_name_or_type_begins_anew(
    old: str, new: str, parameters: tuple[int | str, ...], variables: tuple[int, ...]
) -> None:
    """A value survives where name and type are the same in both versions. R-21."""
    found = USED.carried_to(new_version(old, new))

    assert (parameters, variables) == (found.parameters, found.variables)


def test_a_value_that_the_new_version_refuses_begins_anew() -> None:
    """A parameter may have become a part of a request in which its old value has no room."""
    program = new_version('"https://dm.example/s"', '"https://dm.example/${home}"')
    long = replace(USED, parameters=(90, 3, "x" * 190))

    assert long.carried_to(program).parameters == (90, 3, "en")


def test_timers_of_other_names_begin_anew() -> None:
    """Minutes are kept by the name of the rule or of the timer."""
    program = compiled(
        policy(
            rule(5, '"timer"', '{ timer = { later = "1 h" } }', every="1 h"),
            *RULES,
            tables=TABLES,
        )
    )
    found = USED.carried_to(program)

    assert (found.layout.periods, found.elapsed) == (("rule 5", "rule 1"), (0, 12))
    assert (found.layout.timers, found.remaining) == (("later", "again"), (0, 34))


def test_another_programs_memory() -> None:
    """A machine does not begin with the memory of another program."""
    with pytest.raises(Exception, match="carry it over first"):
        Machine(new_version("count = 0", "other = 4"), USED)
