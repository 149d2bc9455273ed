"""The worst case of programs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy.bound import EVENTS_A_DAY, KILOBYTES, WAKE_UPS, bound, table
from cardsync.policy.decisions import Report, Synchronize
from cardsync.policy.facts import Event, Facts
from cardsync.policy.faults import PolicyError
from cardsync.policy.machine import Machine
from cardsync.policy.program import event_steps
from cardsync.policy.request_source import CATEGORIES
from cardsync.policy.values import EventKind, Rung
from policy_texts import (
    FACTS,
    TABLES,
    compiled,
    events,
    example,
    lean_policies,
    policies,
    policy,
    rule,
)


def test_the_example() -> None:
    """What the example takes, rule by rule and in all, as docs/policy.md prints it."""
    found = bound(example())

    assert list(table(found)) == [
        (
            "rule                                      octets       steps         RAM  writes/day"
            "     SMS/day      KB/day"
        ),
        *(
            f"{name:36}  {octets:10}  {steps:10}  {ram:10}  {writes:10}  {sms:10}  {kilobytes:10}"
            for name, octets, steps, ram, writes, sms, kilobytes in (
                ("the phone has changed", 20, 9, 262, 6, 2, 144),
                ("regular", 31, 14, 265, 1, 2, 24),
                ("the subscriber asks", 8, 2, 256, 6, 2, 144),
                ("the operator asks", 8, 2, 256, 6, 2, 144),
                ("another application of the card asks", 8, 2, 256, 6, 2, 144),
                ("done", 15, 6, 42, 6, 0, 0),
                ("failed", 16, 7, 6, 6, 0, 0),
                ("failed for the third time", 12, 5, 197, 2, 2, 0),
                ("the whole program", 565, 18, 291, 115, 2, 144),
            )
        ),
        "2.4 years until 100000 writes of one place, the session",
        "842 commands a day for the terminal at most",
    ]


@settings(max_examples=80, deadline=None)
@given(policies(), st.lists(st.tuples(events(), FACTS), max_size=15))
def test_no_run_takes_more_steps(text: str, trace: list[tuple[Event, Facts]]) -> None:
    """No run of any policy on any events takes more steps than promised. O-8."""
    try:
        program = compiled(text)
    except PolicyError:
        return
    machine, promised = Machine(program), bound(program)
    for event, facts in trace:
        outcome = machine.handle(event, facts)

        assert outcome.steps <= event_steps(program, event.kind) <= promised.steps
        machine = machine.at(outcome.state)


@settings(max_examples=40, deadline=None)
@given(policies() | lean_policies(), st.data())
def test_no_day_takes_more(text: str, data: st.DataObject) -> None:
    """A day of events as often as assumed writes, sends and orders no more than promised. O-8."""
    try:
        program = compiled(text)
    except PolicyError:
        return
    machine, promised = Machine(program), bound(program)
    facts = data.draw(FACTS)
    writes, messages, orders, minute, told = 0, 0, 0, 0, 0
    others = [kind for kind in program.events if kind is not EventKind.TIMER]
    times = {kind: min(EVENTS_A_DAY.get(kind, 5), 60) for kind in others}
    while minute < 1440:
        due = told + machine.next_timer_minutes(machine.state)
        minute = min(due, minute + 24)
        happened = [Event(kind, _argument(kind)) for kind, left in times.items() if left]
        times = {kind: left - 1 for kind, left in times.items() if left}
        if minute >= due:
            happened.insert(0, Event(EventKind.TIMER, minute - told))
            told = minute
        for event in happened:
            outcome = machine.handle(event, facts)
            writes += outcome.state is not machine.state
            machine = machine.at(outcome.state)
            if minute >= 1440:
                break  # the next day has begun
            messages += outcome.decisions.count(Report(Rung.SMS))
            orders += sum(isinstance(one, Synchronize) for one in outcome.decisions)

    assert writes <= promised.writes
    assert messages <= promised.sms
    assert orders <= 5


def _argument(kind: EventKind) -> str | None:
    arguments = {
        EventKind.MENU: "Update",
        EventKind.MESSAGE: "now",
        EventKind.APPLICATION: "A0000000871004FF33FF018900000100",
        EventKind.SYNCHRONIZED: "all",
    }
    return arguments.get(kind)


USUAL = 1 + WAKE_UPS + EVENTS_A_DAY[EventKind.PROFILE_DOWNLOAD]
"""Writes of a day on which nothing is due: its end, waking up, being switched on."""


def writes(*rules: str) -> int:
    """Give the writes a day of the state of a policy with these rules."""
    return dict(bound(compiled(policy(*rules, tables=TABLES))).places)["state"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule(1, '"poll"', '{ tell = "x" }')], USUAL),
        ([rule(1, '"poll"', "{ set = { count = 1 } }")], USUAL + 2880),
        ([rule(1, '"poll"', '{ synchronize = "all", set = { count = 1 } }')], USUAL + 5),
        ([rule(1, '"poll"', '{ report = "sms" }')], USUAL + 3),
        ([rule(1, '"poll"', '{ report = "bip" }')], USUAL + 2880),
        ([rule(1, '"poll"', '{ report = "ussd" }')], USUAL),
        (
            [
                rule(1, '"poll"', '{ menu = { hide = "Update" } }'),
                rule(2, '{ menu = "Update" }', '{ tell = "x" }'),
            ],
            USUAL + 2880,
        ),
        ([rule(1, '"timer"', '{ tell = "x" }', every="${interval}")], USUAL + 48),
        ([rule(1, '"timer"', '{ tell = "x" }', every="30 d")], USUAL + 1),
        (
            [
                rule(1, '"refused"', '{ timer = { again = "30 min" } }'),
                rule(2, '{ timer = "again" }', '{ tell = "x" }'),
            ],
            USUAL + 5 + 5 + 5,
        ),
        (
            [
                rule(1, '"poll"', '{ timer = { again = "30 min" } }'),
                rule(2, '{ timer = "again" }', '{ timer = { again = "1 h" } }'),
            ],
            USUAL + 2880 + 2880 + 48,
        ),
        ([rule(1, '"refused"', '{ timer = { again = "0 min" } }')], USUAL + 5 + 5),
        (
            [
                rule(n, '"menu_"'.replace("menu_", "idle_screen"), "{ set = { count = 1 } }")
                for n in range(3)
            ],
            USUAL + 96,
        ),
    ],
)
def test_writes(rules: list[str], expected: int) -> None:
    """Each counting of minutes, and each event that a rule remembers; once an event."""
    assert expected == writes(*rules)


def test_the_tables_are_whole() -> None:
    """Every event has its rate, every category its cost."""
    counted = {EventKind.TIMER, EventKind.SYNCHRONIZED, EventKind.REFUSED}

    assert set(EventKind) - counted == set(EVENTS_A_DAY)
    assert set(CATEGORIES.values()) == set(KILOBYTES)
