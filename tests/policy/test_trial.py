"""A program tried on recorded events: its timers, its successes, what it knows."""

import pytest

from cardsync.errors import ConfigError
from cardsync.policy.decisions import StartTimer, Synchronize, Tell
from cardsync.policy.explain import explain, show_decision
from cardsync.policy.recording import LineReader
from cardsync.policy.trial import Told, Trial
from policy_texts import TABLES, compiled, example, policy, rule

LTE = {"network.technology": "LTE", "network.roaming": False, "network.status": "NORMAL"}
PHONE = {"imei": "490154203237518", "profile": "FF01"}


class Cards:
    """Some cards under one policy; by default its synchronizations succeed."""

    def __init__(self, text: str = "", *, assume: bool = True) -> None:
        program = compiled(text) if text else example()
        self._trial = Trial(program, assume_success=assume)
        self._reader = LineReader()

    def hear(self, event: str, minute: int | None = None, **more: object) -> Told:
        """Let a card hear an event."""
        fields: dict[str, object] = {"card": "a", "event": event, "minute": minute}
        return self._trial.hear(self._reader.read(fields | more))

    def told(self, event: str, minute: int | None = None, **more: object) -> list[str]:
        """Give the minute of each reason and its words."""
        told = self.hear(event, minute, **more)
        return [f"{at} {line}" for at, outcome in told for line in explain(outcome.reasons)]


def fired(lines: list[str]) -> list[str]:
    """Give what fired."""
    return [line.removesuffix(" fired") for line in lines if line.endswith(" fired")]


def test_a_phone_is_asked_once() -> None:
    """After the first success the same phone is as at the last success, another is not."""
    cards = Cards()

    assert fired(cards.told("profile_download", 0, facts=PHONE)) == [
        "0 profile_download: the phone has changed",
        "0 synchronized inventory: done",
    ]
    assert cards.told("profile_download", 5) == [
        (
            '5 profile_download: the phone has changed did not fire: imei was "490154203237518", '
            "as at the last success; profile was FF01, as at the last success"
        )
    ]
    assert fired(cards.told("profile_download", 9, facts={"imei": "350000000000000"}))


def test_timers_are_the_programs_own() -> None:
    """A period is counted whatever the recording says, with what was known at that time."""
    cards = Cards()
    cards.hear("location_status", 10, facts=LTE)

    assert cards.told("poll", 3000, facts={"network.roaming": True}) == [
        "1450 timer after 24 h: regular fired",
        "1450 synchronized inventory: done fired",
        "1450 synchronized inventory: failed did not fire: result.ok was true (wanted false)",
        (
            "1450 synchronized inventory: failed for the third time did not fire: "
            "failures was 0 (wanted 3)"
        ),
        *[
            line.replace("1450", "2890")
            for line in (
                "1450 timer after 24 h: regular fired",
                "1450 synchronized inventory: done fired",
                (
                    "1450 synchronized inventory: failed did not fire: "
                    "result.ok was true (wanted false)"
                ),
                (
                    "1450 synchronized inventory: failed for the third time did not fire: "
                    "failures was 0 (wanted 3)"
                ),
            )
        ],
    ]


def test_a_recorded_timer_tells_time() -> None:
    """What its line says is true when it runs out; without a minute it says how much went by."""
    cards = Cards()
    (line,) = cards.told("timer", argument=1440, facts=LTE | {"network.roaming": True})

    assert line == (
        "1440 timer after 24 h: regular did not fire: network.roaming was true (wanted false)"
    )
    assert cards.told("timer", 1440) == []


def test_a_started_timer_begins_with_its_rule() -> None:
    """Minutes that went by before belong to the timers that ran then."""
    text = policy(
        rule(1, '"idle_screen"', '{ timer = { again = "30 min" } }'),
        rule(2, '{ timer = "again" }', '{ tell = "x" }'),
        rule(3, '"timer"', '{ tell = "y" }', every="1 h"),
    )
    cards = Cards(text)
    cards.hear("poll", 0)
    (elapsed, _), (at, outcome) = cards.hear("idle_screen", 50)

    assert (elapsed, at) == (50, 50)
    assert outcome.decisions == (StartTimer("again", 30),)
    assert fired(cards.told("poll", 100)) == [
        "60 timer after 10 min: rule 3",
        "80 timer after 20 min: rule 2",
    ]


def test_as_recorded() -> None:
    """Lines tell how a synchronization went: what failed is not what was true at a success."""
    cards = Cards(assume=False)
    no = {"result.ok": False}

    assert len(cards.hear("profile_download", 0, facts=PHONE)) == 1
    told = [cards.told("synchronized", argument="inventory", facts=no) for _ in range(3)]
    assert [one[-1].split(": ")[-1] for one in told[:2]] == [
        "failures was 1 (wanted 3)",
        "failures was 2 (wanted 3)",
    ]
    assert fired(told[2])[1].endswith("failed for the third time")
    assert fired(cards.told("profile_download", 5))
    cards.hear("synchronized", 6, facts={"result.ok": True})
    assert not fired(cards.told("profile_download", 7))


def test_assumed_success_leaves_recorded_ends_out() -> None:
    """Where all succeeds, what the recording says of results belongs to another program."""
    assert Cards().hear("synchronized", 5, facts={"result.ok": False}) == []
    assert Cards().hear("refused", 5) == []


def test_history_before_the_recording() -> None:
    """What a line says of the last success counts until the trial has seen one itself."""
    text = policy(
        rule(1, '"poll"', '{ tell = "x" }', "since_last.synchronization >= 1 * hours"),
        rule(2, '"idle_screen"', '{ tell = "x" }', "last.imei == '35'"),
        rule(3, '"user_activity"', '{ synchronize = "all" }'),
    )
    cards = Cards(text)
    assert fired(cards.told("poll", 0))
    old = {"since_last.synchronization": 10, "last.imei": "35"}
    assert not fired(cards.told("poll", 0, facts=old))
    assert fired(cards.told("poll", 50))
    assert fired(cards.told("idle_screen", 50))
    assert not fired(cards.told("poll", 50, facts={"since_last.synchronization": None}))
    cards.hear("user_activity", 60, facts={"imei": "49"})
    assert not fired(cards.told("idle_screen", 60, facts=old))
    assert not fired(cards.told("poll", 119, facts=old))
    assert fired(cards.told("poll", 120))
    cards.hear("user_activity", 130, facts={"imei": None})
    told = cards.told("idle_screen", 131)
    assert told == ['131 idle_screen: rule 2 did not fire: last.imei was nothing (wanted "35")']


def test_connected_time() -> None:
    """It counts while there is service, from switching on; what a line says goes before."""
    text = policy(rule(1, '"poll"', '{ tell = "x" }', "connected_time == 45 * days"))
    cards = Cards(text)

    def minutes(minute: int, **facts: object) -> str:
        (line,) = cards.told("poll", minute, facts=facts)
        return line.split("connected_time was ")[1].split(" (")[0]

    assert minutes(10) == "0 min"
    assert minutes(15) == "5 min"
    cards.hear("profile_download", 20)
    assert minutes(25) == "5 min"
    assert minutes(30, **{"network.status": "NO_SERVICE"}) == "0 min"
    cards.hear("profile_download", 31)
    assert minutes(35) == "0 min"
    assert minutes(40, **{"network.status": "NORMAL"}) == "0 min"
    assert minutes(45, **{"network.status": "NORMAL"}) == "5 min"
    assert minutes(50, connected_time=30) == "30 min"
    assert minutes(55, connected_time=None) == "0 min"


def test_minutes_only_go_on() -> None:
    """A line that lies before the card's line before is an error; other cards do not matter."""
    cards = Cards()
    cards.hear("poll", 10)
    cards.hear("poll", 5, card="b")

    with pytest.raises(ConfigError, match="minute: 9 is before 10"):
        cards.hear("poll", 9)


def test_a_chain_of_synchronizations_ends_at_the_limit() -> None:
    """A policy that synchronizes whenever it has synchronized is held by its own limit."""
    text = policy(
        rule(1, '"poll"', '{ synchronize = "all" }'),
        rule(2, '"synchronized"', '{ synchronize = "all" }'),
        tables="[limits]\nsynchronizations_per_day = 255\n",
    )
    told = Cards(text).hear("poll", 0)
    orders = [one for _, outcome in told for one in outcome.decisions]

    assert len(orders) == 255
    assert all(isinstance(one, Synchronize) for one in orders)


def test_decisions_in_words() -> None:
    """Each decision is told as a person would."""
    text = policy(
        rule(
            1,
            '{ menu = "Go" }',
            '{ synchronize = "all", ask = "May we?", tell = "x", report = "sms", '
            'browse = "https://x/", timer = { again = "90 min" }, menu = { hide = "Other" } }',
        ),
        rule(2, '{ menu = "Other" }', '{ synchronize = "all", timer = { again = "0 min" } }'),
        tables=TABLES,
    )
    cards = Cards(text)
    (_, second), *_ = cards.hear("menu", 0, argument=2)
    (_, first), *_ = cards.hear("menu", 0, argument="Go")

    assert [show_decision(one) for one in (*first.decisions, *second.decisions)] == [
        "synchronize all with https://dm.example/s, after asking 'May we?'",
        "tell 'x'",
        "report by SMS",
        "open https://x/",
        "timer again in 90 min",
        "menu 'Go'",
        "synchronize all with https://dm.example/s",
        "stop timer again",
    ]
    assert Tell("x") in first.decisions
