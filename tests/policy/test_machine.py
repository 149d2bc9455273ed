"""The policy machine: one event in, decisions out."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError
from cardsync.policy.decisions import (
    Browse,
    Decision,
    Outcome,
    Report,
    SetMenu,
    StartTimer,
    Synchronize,
    Tell,
)
from cardsync.policy.explain import explain
from cardsync.policy.facts import Event, Facts
from cardsync.policy.faults import LimitReached, PolicyError, ProgramRefused
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.state import MachineState
from cardsync.policy.values import Database, EventKind, Rung
from policy_texts import AID, FACTS, TABLES, compiled, events, example, policies, policy, rule

PHONE: Facts = {"imei": b"490154203237518", "profile": b"\xff\x01"}
SAME: Facts = {**PHONE, "last.imei": b"490154203237518", "last.profile": b"\xff\x01"}
CONNECTED: Facts = {"network.technology": 8, "network.roaming": 0, "connected_time": 20}


class Card:
    """A machine that remembers, as the application in the card does."""

    def __init__(self, program: Program) -> None:
        self.machine = Machine(program)

    def hears(
        self, kind: EventKind, argument: str | bytes | int | None = None, facts: Facts | None = None
    ) -> Outcome:
        """Handle an event and keep the memory."""
        outcome = self.machine.handle(Event(kind, argument), facts or {})
        self.machine = self.machine.at(MachineState.decode(outcome.state.encode()))
        return outcome

    def decides(
        self, kind: EventKind, argument: str | bytes | int | None = None, facts: Facts | None = None
    ) -> tuple[Decision, ...]:
        """Handle an event and give the decisions."""
        return self.hears(kind, argument, facts).decisions


def card(*rules: str, tables: str = TABLES) -> Card:
    """Give a card with a policy of these rules."""
    return Card(compiled(policy(*rules, tables=tables)))


def told(outcome: Outcome) -> list[str]:
    """Give the reasons in words."""
    return list(explain(outcome.reasons))


def test_another_phone() -> None:
    """A terminal that is not the one of the last success is asked to synchronize. R-42."""
    first = Card(example()).hears(EventKind.PROFILE_DOWNLOAD, facts=PHONE)
    again = Card(example()).hears(EventKind.PROFILE_DOWNLOAD, facts=SAME)
    (decision,) = first.decisions

    assert isinstance(decision, Synchronize)
    assert decision.ask == "Send your phone's data to the operator?"
    assert decision.request.target == Database("https://dm.operator.example/syncml", "devman")
    assert told(first) == ["profile_download: the phone has changed fired"]
    assert again.decisions == ()
    assert told(again) == [
        (
            "profile_download: the phone has changed did not fire: "
            'imei was "490154203237518", as at the last success; '
            "profile was FF01, as at the last success"
        )
    ]


def test_an_unknown_identity_decides_nothing() -> None:
    """Before the terminal has told who it is, no comparison with it holds."""
    outcome = Card(example()).hears(EventKind.PROFILE_DOWNLOAD, facts={"last.imei": b"49"})

    assert outcome.decisions == ()
    assert 'imei was unknown (wanted != last.imei, which was "49")' in told(outcome)[0]


def test_periods() -> None:
    """A period is due when its minutes are counted, and begins anew. R-33, R-42."""
    subject = Card(example())

    assert subject.decides(EventKind.TIMER, 1439, CONNECTED) == ()
    assert subject.machine.next_timer_minutes(subject.machine.state) == 1
    assert len(subject.decides(EventKind.TIMER, 1, CONNECTED)) == 1
    assert subject.machine.next_timer_minutes(subject.machine.state) == 1440
    assert subject.decides(EventKind.TIMER, 5, CONNECTED) == ()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"network.roaming": 1}, "network.roaming was true (wanted false)"),
        ({"network.technology": 3}, "network.technology was UMTS (wanted in (LTE, NR))"),
        ({"connected_time": 5}, "connected_time was 5 min (wanted > 5 min)"),
    ],
)
def test_every_decision_has_its_reason(facts: Facts, reason: str) -> None:
    """The comparison that was false is told with both values. R-41."""
    outcome = Card(example()).hears(EventKind.TIMER, 1440, {**CONNECTED, **facts})

    assert told(outcome) == [f"timer after 24 h: regular did not fire: {reason}"]


def test_the_subscriber_the_operator_and_another_application() -> None:
    """Each may ask; other entries, messages and applications may not. R-43, R-44, R-45."""
    subject = Card(example())

    assert len(subject.decides(EventKind.MENU, 1)) == 1
    assert len(subject.decides(EventKind.MENU, "Update my phone's data")) == 1
    assert len(subject.decides(EventKind.MESSAGE, "sync-now")) == 1
    assert len(subject.decides(EventKind.MESSAGE, b"sync-now")) == 1
    assert len(subject.decides(EventKind.APPLICATION, AID)) == 1
    for kind, argument in (
        (EventKind.MENU, 2),
        (EventKind.MENU, "Update"),
        (EventKind.MESSAGE, "sync"),
        (EventKind.MESSAGE, None),
        (EventKind.APPLICATION, bytes(16)),
        (EventKind.POLL, None),
    ):
        assert subject.decides(kind, argument) == ()


def test_the_third_failure_is_reported() -> None:
    """What a rule sets is seen by those after it; a success begins anew."""
    subject = Card(example())
    failed: Facts = {"result.ok": False}
    decided = [subject.decides(EventKind.SYNCHRONIZED, None, failed) for _ in range(4)]

    assert decided == [(), (), (Report(Rung.SMS),), ()]
    assert subject.decides(EventKind.SYNCHRONIZED, None, {"result.ok": 1}) == (
        Tell("Your phone is up to date."),
    )
    assert subject.machine.state.variables == (0,)


def test_limits_are_enforced() -> None:
    """No more synchronizations and short messages in a day than the policy allows. O-8."""
    rules = (rule(1, '"poll"', '{ synchronize = "all", set = { count = "count + 1" } }'),)
    subject = card(*rules, rule(2, '"refused"', '{ report = "sms" }'))
    decided = [len(subject.decides(EventKind.POLL)) for _ in range(7)]
    sent = [len(subject.decides(EventKind.REFUSED)) for _ in range(4)]

    assert decided == [1, 1, 1, 1, 1, 0, 0]
    assert sent == [1, 1, 1, 0]
    assert subject.machine.state.variables[0] == 5
    assert told(subject.hears(EventKind.POLL)) == [
        "poll: rule 1 did not fire: held back: synchronizations_per_day is 5"
    ]
    assert told(subject.hears(EventKind.REFUSED)) == [
        "refused: rule 2 did not fire: held back: sms_per_day is 3"
    ]
    subject.hears(EventKind.TIMER, 1439)
    assert subject.decides(EventKind.POLL) == ()
    subject.hears(EventKind.TIMER, 1)
    assert len(subject.decides(EventKind.POLL)) == 1


def test_one_synchronization_for_one_event() -> None:
    """The first rule wins; one that would order a second does nothing at all."""
    subject = card(
        rule(1, '"poll"', '{ synchronize = "all", ask = { en = "May we?", fi = "Saako?" } }'),
        rule(2, '"poll"', '{ synchronize = "all", tell = "Again" }'),
        rule(3, '"poll"', '{ tell = "Hello, ${home}" }'),
    )
    outcome = subject.hears(EventKind.POLL, facts={"language": b"fi"})

    assert [type(decision) for decision in outcome.decisions] == [Synchronize, Tell]
    assert outcome.decisions[0] == Synchronize(
        subject.machine.handle(Event(EventKind.POLL), {}).decisions[0].request,  # type: ignore[union-attr]  # it is a Synchronize
        "Saako?",
    )
    assert outcome.decisions[1] == Tell("Hello, en")
    assert told(outcome)[1] == (
        "poll: rule 2 did not fire: held back: this event has started a synchronization already"
    )


def test_named_timers() -> None:
    """A timer is started, ends once, can be stopped and started anew."""
    subject = card(
        rule(1, '"poll"', '{ timer = { again = "20 min" } }'),
        rule(2, '"refused"', '{ timer = { again = "0 min" } }'),
        rule(3, '{ timer = "again" }', '{ tell = "now" }'),
    )

    assert subject.decides(EventKind.TIMER, 20) == ()
    assert subject.decides(EventKind.POLL) == (StartTimer("again", 20),)
    assert subject.machine.next_timer_minutes(subject.machine.state) == 20
    assert subject.decides(EventKind.TIMER, 19) == ()
    assert subject.decides(EventKind.TIMER, 1) == (Tell("now"),)
    assert subject.decides(EventKind.TIMER, 20) == ()
    subject.hears(EventKind.POLL)
    assert subject.decides(EventKind.REFUSED) == (StartTimer("again", 0),)
    assert subject.decides(EventKind.TIMER, 20) == ()


def test_a_period_of_many_days() -> None:
    """A toolkit timer runs a day at most; longer ones are counted."""
    subject = card(rule(1, '"timer"', '{ tell = "now" }', every="30 d"))
    decided = []
    for _ in range(60):
        minutes = subject.machine.next_timer_minutes(subject.machine.state)
        assert minutes == 1440
        decided.append(len(subject.decides(EventKind.TIMER, minutes)))

    assert [number for number, count in enumerate(decided, 1) if count] == [30, 60]


def test_the_menu() -> None:
    """Entries are hidden and shown; texts follow the terminal's language. R-43, R-67."""
    subject = card(
        rule(1, '{ menu = { en = "Update", fi = "Päivitä" } }', '{ tell = "one" }'),
        rule(2, '{ menu = "Stop" }', '{ menu = { hide = "Update" } }'),
        rule(3, '"poll"', '{ menu = { show = "Update" } }'),
    )

    assert subject.machine.menu() == ((1, "Update"), (2, "Stop"))
    assert subject.machine.menu("fi") == ((1, "Päivitä"), (2, "Stop"))
    assert subject.decides(EventKind.MENU, "Päivitä") == (Tell("one"),)
    assert subject.decides(EventKind.MENU, 2) == (SetMenu(((2, "Stop"),)),)
    assert subject.decides(EventKind.MENU, 1) == ()
    assert subject.machine.menu() == ((2, "Stop"),)
    assert subject.decides(EventKind.POLL, None, {"language": b"fi"}) == (
        SetMenu(((1, "Päivitä"), (2, "Stop"))),
    )


def test_browse_report_and_set() -> None:
    """The other actions, in the order written."""
    do = '{ browse = "https://dm.example/${home}", report = "bip", set = { asked = true } }'
    subject = card(rule(1, '"idle_screen"', do))

    assert subject.decides(EventKind.IDLE_SCREEN) == (
        Browse("https://dm.example/en"),
        Report(Rung.BIP),
    )
    assert subject.machine.state.variables == (0, 1, 60)


def test_a_variable_is_not_set_to_the_unknown() -> None:
    """What cannot be calculated is not set; the reason says so."""
    subject = card(rule(1, '"poll"', '{ set = { count = "battery + 1" } }'))
    outcome = subject.hears(EventKind.POLL)

    assert outcome.state == MachineState.initial(subject.machine.program)
    assert told(outcome) == ["poll: rule 1 fired: count was not set: its value is unknown"]


def test_results_by_request() -> None:
    """A rule may listen to the result of one request alone."""
    subject = card(
        rule(1, '{ synchronized = "all" }', '{ tell = "all" }'),
        rule(2, '"synchronized"', '{ tell = "any" }'),
    )

    assert subject.decides(EventKind.SYNCHRONIZED, "all") == (Tell("all"), Tell("any"))
    assert subject.decides(EventKind.SYNCHRONIZED, "other") == (Tell("any"),)


def test_parameters_over_the_air() -> None:
    """A parameter is effective at the next decision, as text or as octets of it. R-22."""
    subject = Card(example())
    subject.machine = subject.machine.at(subject.machine.with_parameter("interval", b"2 h"))
    subject.machine = subject.machine.at(
        subject.machine.with_parameter("server", "https://new.example/s")
    )
    (decision,) = subject.decides(EventKind.TIMER, 120, CONNECTED)

    assert isinstance(decision, Synchronize)
    assert decision.request.target.device == "https://new.example/s"
    assert subject.machine.next_timer_minutes(subject.machine.state) == 120
    assert subject.machine.state.changed == (True, True)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("intervall", "2 h", "there is no 'intervall'"),
        ("interval", "2", "no duration"),
        ("interval", "46 d", "longer than 45 days"),
        ("interval", "5 min", "less than 15 min"),
        ("home", "", "not 1 to 200 octets"),
        ("home", "a\x01", "not 1 to 200 octets"),
        ("home", "x" * 201, "not 1 to 200 octets"),
        ("home", "x" * 200, "DISPLAY TEXT takes"),
        ("home", b"\xff", "utf-8"),
        ("least", "-1", "no number"),
        ("least", "65536", "least is 65536"),
        ("least", "٣", "no number"),
    ],
)
def test_parameters_that_are_refused(name: str, value: str | bytes, why: str) -> None:
    """A value of another type or out of range is refused; the machine stays as it was."""
    subject = card(
        rule(
            1,
            '"timer"',
            '{ tell = "Your language is ${home}, is it not? It is, it is, yes." }',
            every="${interval}",
        ),
    )
    before = subject.machine.state
    with pytest.raises(ProgramRefused, match=why):
        subject.machine.with_parameter(name, value)

    assert before == subject.machine.state


def test_short_messages_of_the_ladder() -> None:
    """The application counts what it sends for a fallback; the day's limit holds."""
    machine = Machine(example())
    assert machine.sms_left == 2
    machine = machine.at(machine.with_sms(2))
    assert machine.sms_left == 0
    with pytest.raises(LimitReached, match="sms_per_day is 2"):
        machine.with_sms()


def test_time_needs_a_number() -> None:
    """Elapsed minutes are a number that is not negative."""
    for argument in (None, -1, "again"):
        with pytest.raises(LocalError, match="no elapsed minutes"):
            Machine(example()).handle(Event(EventKind.TIMER, argument), {})


def test_the_machine_stays_as_it_was() -> None:
    """Handling changes nothing; the same trace gives the same decisions. R-41."""
    machine = Machine(example())
    first = machine.handle(Event(EventKind.MENU, 1), {})

    assert first == machine.handle(Event(EventKind.MENU, 1), {})
    assert machine.state == MachineState.initial(machine.program)
    assert first.state == replace(machine.state, synchronizations=1)


@settings(max_examples=60, deadline=None)
@given(policies(), st.lists(st.tuples(events(), FACTS), max_size=12))
def test_any_policy_with_any_events(text: str, trace: list[tuple[Event, Facts]]) -> None:
    """One synchronization for an event, the day's limits held, memory that can be kept. O-8."""
    try:
        machine = Machine(compiled(text))
    except PolicyError:
        return
    for event, facts in trace:
        outcome = machine.handle(event, facts)
        ordered = sum(isinstance(decision, Synchronize) for decision in outcome.decisions)

        assert ordered <= 1
        assert outcome.state.synchronizations <= 5
        assert outcome.state.sms <= 3
        assert outcome == machine.handle(event, facts)
        assert outcome.state == MachineState.decode(outcome.state.encode())
        assert 1 <= machine.next_timer_minutes(outcome.state) <= 1440
        assert all(line for line in explain(outcome.reasons))
        machine = machine.at(outcome.state)


def test_who_is_listened_to() -> None:
    """An application whose AID no rule names is nobody; another argument is another message."""
    machine = Machine(example())
    aid = "A0000000871004FF33FF018900000100"

    assert machine.listens(Event(EventKind.APPLICATION, aid))
    assert machine.listens(Event(EventKind.APPLICATION, bytes.fromhex(aid)))
    assert not machine.listens(Event(EventKind.APPLICATION, b"\xa0\0\0\0\x87"))
    assert machine.listens(Event(EventKind.MESSAGE, "sync-now"))
    assert not machine.listens(Event(EventKind.MESSAGE, "later"))
    assert not machine.listens(Event(EventKind.POLL))
