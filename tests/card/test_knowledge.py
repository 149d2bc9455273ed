"""What the application knows: facts, time, the last success."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.card.knowledge import Knowledge
from cardsync.card.memory import Memory
from cardsync.toolkit.commands import Part
from cardsync.toolkit.information import (
    AccessTechnology,
    DateTime,
    Imei,
    Language,
    LocationInformation,
    LocationStatus,
)
from cardsync.toolkit.objects import DataObject
from cardsync.toolkit.profile import Feature, TerminalProfile
from mobiles import IMEI, bare_card


def knowing(*found: DataObject) -> Knowledge:
    """Give what is known after these objects."""
    knowledge = Knowledge(bare_card().memory)
    learn(knowledge, *found)
    return knowledge


def learn(knowledge: Knowledge, *found: DataObject) -> None:
    """Tell it objects."""
    knowledge.learn(tuple([Part(one) for one in found]))


def at(day: int, hour: int = 0, minute: int = 0, zone: int = 0xFF) -> DateTime:
    """Give a time in November 2026."""
    return DateTime(2026, 11, day, hour, minute, 0, zone)


@pytest.mark.parametrize(
    ("found", "name", "expected"),
    [
        (Imei(IMEI), "imei", IMEI.encode()),
        (Language("de"), "language", b"de"),
        (LocationInformation("001", "01"), "network.mcc", 1),
        (LocationInformation("001", "01"), "network.roaming", 0),
        (LocationInformation("001", "02"), "network.roaming", 1),
        (LocationInformation("262", "01"), "network.mcc", 262),
        (LocationStatus(2), "network.status", 2),
        (AccessTechnology((8, 3)), "network.technology", 8),
    ],
)
def test_facts(found: DataObject, name: str, expected: int | bytes) -> None:
    """What the terminal tells becomes a fact. R-30, R-31."""
    assert expected == knowing(found).facts()[name]


def test_nothing_is_invented() -> None:
    """What was not told is not known; a success that never was is longer ago than any period."""
    never = {"connected_time": 0, "since_last.synchronization": 0xFFFF}

    assert never == knowing().facts()
    assert knowing().imei is None
    assert "" == knowing().language


def test_profile() -> None:
    """Another profile is another fact, of eight octets. R-32."""
    knowledge = knowing()
    profiles = [TerminalProfile.of(Feature.REFRESH), TerminalProfile.of(Feature.DISPLAY_TEXT)]
    found = []
    for profile in profiles:
        knowledge.profile(profile)
        found.append(knowledge.facts()["profile"])

    assert 2 == len(set(found))
    assert [8, 8] == [len(fact) for fact in found if isinstance(fact, bytes)]


def test_last_success() -> None:
    """What was true at the last success is known after a reset. R-42."""
    memory = bare_card().memory
    knowledge = Knowledge(memory)
    learn(knowledge, Imei(IMEI), Language("de"), at(1))
    knowledge.succeeded()
    later = Knowledge(Memory.decode(memory.encode()))
    learn(later, at(3, 1), Language("en"))
    facts = later.facts()

    assert (IMEI.encode(), b"de") == (facts["last.imei"], facts["last.language"])
    assert 49 * 60 == facts["since_last.synchronization"]


def test_since_last_goes_on() -> None:
    """Time that polls count is added to what the terminal told at power-on. R-42."""
    knowledge = knowing(at(1))
    knowledge.succeeded()
    for _ in range(2 * 60 * 24 * 30):
        knowledge.passed(30)

    assert 30 * 24 * 60 == knowledge.facts()["since_last.synchronization"]


def test_clock_that_was_set_back() -> None:
    """No time is less than none."""
    knowledge = knowing(at(9))
    knowledge.succeeded()
    learn(knowledge, at(1))

    assert 0 == knowledge.facts()["since_last.synchronization"]


@pytest.mark.parametrize(
    ("before", "after", "minutes"),
    [
        (at(1, 12), at(1, 13), 60),
        (at(30), DateTime(2026, 12, 1, 0, 0, 0), 1440),
        (DateTime(2028, 2, 28, 0, 0, 0), DateTime(2028, 3, 1, 0, 0, 0), 2880),
        (at(1, 12, 0, 0x00), at(1, 14, 0, 0x80), 0),  # two hours east of it: the same moment
        (at(1, 12, 0, 0x00), at(1, 10, 0, 0x88), 0),  # two hours west of it
        (DateTime(2000, 1, 1, 0, 0, 0), DateTime(2099, 1, 1, 0, 0, 0), 0xFFFF),
    ],
)
def test_minutes_across_a_reset(before: DateTime, after: DateTime, minutes: int) -> None:
    """The time that the terminal tells bridges a power-off. TS 102 223 clause 8.39."""
    memory = bare_card().memory
    knowledge = Knowledge(memory)
    learn(knowledge, before)
    knowledge.mark()
    later = Knowledge(memory)
    learn(later, before, after)

    assert minutes == later.since_mark()


def test_without_time() -> None:
    """Where no time is told nothing is marked, and nothing went by."""
    knowledge = knowing()
    knowledge.mark()

    assert not knowledge.has_time
    assert 0 == knowledge.since_mark()


STEPS = st.lists(
    st.one_of(
        st.just(("poll", 30.0)),
        st.tuples(st.just("timer"), st.floats(0, 7200)),
        st.tuples(st.just("status"), st.sampled_from([0.0, 1.0, 2.0])),
    ),
    max_size=60,
)


@given(STEPS)
def test_connected_time(steps: list[tuple[str, float]]) -> None:
    """Connected time follows a reference clock, to the minute; out of service ends it. R-33."""
    knowledge, reference, in_service = knowing(), 0.0, True
    for what, number in steps:
        if what == "status":
            in_service = number == 0
            reference = reference if in_service else 0.0
            learn(knowledge, LocationStatus(int(number)))
        else:
            reference += number * in_service
            knowledge.passed(number)

    told = knowledge.facts()["connected_time"]
    assert isinstance(told, int)
    assert abs(told - reference / 60) <= 1


def test_longest() -> None:
    """A fact has 16 bits."""
    knowledge = knowing()
    knowledge.passed(1e9)

    assert 0xFFFF == knowledge.facts()["connected_time"]
