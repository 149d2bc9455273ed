"""The short messages of the ladder: how many leave, how long they are, what waits. O-4."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.reporting import submit
from cardsync.ota.packet import HIGHEST_COUNTER
from cardsync.ota.report import LONGEST_REQUEST, Report, ReportReason, read_report, secure_report
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.toolkit.codes import CommandType, EventCode
from cardsync.toolkit.information import LocationStatus
from cardsync.toolkit.objects import Result
from cardsync.transport.sms import Submit
from cardsync.transport.user_data import LARGEST_OCTETS
from climbers import BY_SMS, HEAD_WITH, Bench
from mobiles import ENDS, IMEI, KEYS, OTHER_IMEI, RETRY, SYNC_NOW, Agent

TDES = bytes(range(24))
KEY_SETS = [
    KEYS,
    KeySet(2, Key(Algorithm.AES, bytes(range(32))), Key(Algorithm.AES, bytes(range(32)))),
    KeySet(3, Key(Algorithm.TRIPLE_DES_3, TDES), Key(Algorithm.TRIPLE_DES_3, TDES)),
]
REPORTS = st.builds(
    Report,
    st.sampled_from(ReportReason),
    st.sampled_from([None, IMEI, OTHER_IMEI]),
    st.sampled_from([None, "en", "de"]),
    st.none() | st.binary(min_size=8, max_size=8),
    st.none() | st.integers(0, 255),
    st.integers(0, 255),
    st.text(st.characters(categories=["L", "N"]), max_size=40),
    st.sampled_from([b"", b"\xff" * 8]),
)


@settings(deadline=None)
@given(REPORTS, st.sampled_from(KEY_SETS), st.integers(1, HIGHEST_COUNTER))
def test_any_report_is_one_message(report: Report, keys: KeySet, counter: int) -> None:
    """Whatever it says, under whatever key: 140 octets at most, and it is read again."""
    packet = secure_report(report, keys, counter)
    content = Submit.decode(submit("+358401234567", packet)).user_data
    read = read_report(content.data, {keys.number: keys}, {keys.number: counter - 1})

    assert content.length() <= LARGEST_OCTETS
    assert report.imei == read.report.imei
    assert report.request.startswith(read.report.request)


def test_longest_report() -> None:
    """With everything in it there is room left in 140 octets. TS 23.040 clause 9.2.3.16."""
    report = Report(
        ReportReason.OTHER_TERMINAL, IMEI, "de", bytes(8), 255, 255, "a" * LONGEST_REQUEST, bytes(8)
    )
    lengths = [
        Submit.decode(
            submit("+358401234567", secure_report(report, keys, HIGHEST_COUNTER))
        ).user_data.length()
        for keys in KEY_SETS
    ]

    assert {109} == set(lengths)
    assert max(lengths) <= LARGEST_OCTETS


@pytest.mark.parametrize("retry", ["", RETRY])
@pytest.mark.parametrize("known", [False, True], ids=["first", "worked before"])
def test_two_at_most(retry: str, known: bool) -> None:
    """A terminal that loses its power over each message gets two for one decision, no more."""
    policy = HEAD_WITH + retry + 'fallback = ["sms"]\n' + SYNC_NOW + ENDS
    bench = Bench(policy.replace("[limits]", "[limits]\nsms_per_day = 50"), Agent(Result(0x30)))
    if known:
        bench.trigger()
    bench.there.forget()
    bench.there.mute = {CommandType.SEND_SHORT_MESSAGE}
    bench.trigger()
    sent = bench.there.types.count(CommandType.SEND_SHORT_MESSAGE)
    for _ in range(6):
        bench.again(mute=bench.there.mute)
        bench.there.later(3600)
        bench.there.poll(25)
        sent += bench.there.types.count(CommandType.SEND_SHORT_MESSAGE)

    assert 2 == sent


@pytest.mark.parametrize("result", [Result(0x20, b"\0"), Result(0x21, b"\0")])
def test_refused_for_now(result: Result) -> None:
    """One that did not leave is tried again by a timer, five times at most; each one counts."""
    bench = Bench(BY_SMS.replace("[limits]", "[limits]\nsms_per_day = 50"), Agent(Result(0x30)))
    bench.there.results = {CommandType.SEND_SHORT_MESSAGE: result}
    bench.there.forget()
    bench.trigger()
    for _ in range(10):
        bench.there.later(1800)

    assert 5 == bench.there.types.count(CommandType.SEND_SHORT_MESSAGE)
    assert (0, 1) == bench.ends


def test_waiting_costs_nothing() -> None:
    """Without service for a day the memory is not written for the message that waits."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.there.equipment.event(EventCode.LOCATION_STATUS, LocationStatus(2), now=1.0)
    bench.trigger()
    before = bench.there.card.memory.generation
    for _ in range(5):
        bench.there.later(1800)

    assert [] == bench.there.equipment.outgoing()
    assert before == bench.there.card.memory.generation

    bench.there.equipment.event(EventCode.LOCATION_STATUS, LocationStatus(0), now=bench.there.now)

    assert 1 == len(bench.there.equipment.outgoing())
    assert (1, 0) == bench.ends


def test_learned_for_each_terminal() -> None:
    """What one kind of terminal lacks is not thought of another; back in the first it is known."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.trigger()
    bench.again(Agent(), imei=OTHER_IMEI)
    bench.trigger()

    assert 1 == len(bench.there.agent.orders)

    bench.there.end(bench.there.agent.references[-1])
    bench.again(Agent(Result(0x30)), imei=IMEI)
    bench.there.forget()

    assert 1 == len(bench.trigger())
    assert [] == bench.there.agent.orders


def test_other_software_in_the_same_terminal() -> None:
    """The same TAC with another software version is another kind: the command is tried anew."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.trigger()
    bench.again(software="02")
    bench.there.forget()
    bench.trigger()

    assert 1 == len(bench.there.agent.orders)

    bench.again(software="01")
    bench.there.forget()
    bench.trigger()

    assert [] == bench.there.agent.orders
