"""The user: asked before, told after, in his language; his no is final for the period named.

The policy is `examples/policies/asks-first.toml`, as an operator would write it. R-65 to R-67, O-6.
"""

from pathlib import Path

import pytest

from cardsync.policy.bound import bound
from cardsync.policy.compiler import compile_policy
from cardsync.policy.source import read
from cardsync.terminal.handset import Answer, UnattendedHandset
from cardsync.toolkit.codes import EventCode, GeneralResult
from cardsync.toolkit.objects import Result
from mobiles import Agent, Mobile, card_with, variables

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "policies"
POLICY = (EXAMPLES / "asks-first.toml").read_text()
DAY = 24 * 3600
QUESTIONS = {
    "en": "Send your phone's data to the operator?",
    "fi": "Lähetetäänkö puhelimen tiedot operaattorille?",
    "de": "Daten des Telefons an den Betreiber senden?",
    "sv": "Send your phone's data to the operator?",
}
DONE = {
    "en": "Your phone is up to date.",
    "fi": "Puhelimesi on ajan tasalla.",
    "de": "Ihr Telefon ist auf dem neuesten Stand.",
    "sv": "Your phone is up to date.",
}
BUSY = Result(0x2E, b"\3\0\0")
"""The server is busy: worth another try."""


def mobile(answer: Answer = True) -> Mobile:
    """Give a mobile whose user gives this answer."""
    return Mobile(card_with(POLICY), Agent(), UnattendedHandset(answer)).on()


def idle(there: Mobile) -> None:
    """Let the screen become idle."""
    there.equipment.event(EventCode.IDLE_SCREEN_AVAILABLE, now=there.now)


@pytest.mark.parametrize("language", QUESTIONS)
def test_asked_and_told_in_his_language(language: str) -> None:
    """Question before and text after are in the phone's language, else in the first. R-66, R-67."""
    there = mobile()
    there.equipment.change_language(language, there.now)
    idle(there)
    there.end(there.agent.references[0])

    assert [QUESTIONS[language]] == there.handset.asked
    assert [DONE[language]] == there.handset.shown


@pytest.mark.parametrize(
    "answer",
    [
        False,
        None,
        Result(0x10),
        Result(GeneralResult.NO_RESPONSE_FROM_USER),
        Result(GeneralResult.TERMINAL_UNABLE, b"\1"),
    ],
    ids=["no", "silence", "terminated", "timeout", "busy screen"],
)
def test_no_is_final_for_the_period(answer: Answer) -> None:
    """No, or no answer: nothing is sent, and nobody is asked again for thirty days. O-6."""
    there = mobile(answer)
    for _ in range(29):
        idle(there)
        there.later(DAY)

    assert 1 == len(there.handset.asked)
    assert [] == there.agent.orders

    there.later(DAY)
    there.later(DAY)
    idle(there)

    assert 2 == len(there.handset.asked)


def test_no_is_final_over_a_reset() -> None:
    """Switching the phone off and on does not make it ask again."""
    there = mobile(False)
    idle(there)
    for _ in range(5):
        there.on()
        idle(there)

    assert 1 == len(there.handset.asked)
    assert 1 == variables(there.card)["refused"]


def test_no_is_not_for_the_menu() -> None:
    """Whoever asks himself is not asked, and gets what he wants."""
    there = mobile(False)
    idle(there)
    there.equipment.choose(1, there.now)
    there.end(there.agent.references[0])

    assert 1 == len(there.handset.asked)
    assert [DONE["en"]] == there.handset.shown


def test_attempts_back_off_before_he_is_told() -> None:
    """15, 60 and 240 minutes, a quarter more or less; only then is it told that it failed."""
    there = mobile()
    idle(there)
    waits: list[float] = []
    for _ in range(3):
        there.end(there.agent.references[-1], BUSY)
        attempts, begun = len(there.agent.orders), there.now
        while len(there.agent.orders) == attempts:
            there.later(60)
        waits.append((there.now - begun) / 60)

        assert [] == there.handset.shown
    there.end(there.agent.references[-1], BUSY)

    assert ["Your phone could not be updated."] == there.handset.shown
    assert all(
        0.74 * wanted <= waited <= 1.26 * wanted + 1
        for wanted, waited in zip((15, 60, 240), waits, strict=True)
    )
    assert 1 == len(there.handset.asked)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_examples_are_for_a_usual_card(path: Path) -> None:
    """Every example compiles within the usual limits and lasts for years."""
    assert bound(compile_policy(read(path.read_text(), path.name))).years > 2
