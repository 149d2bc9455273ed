"""Every event, fact and action of the policy's language, from its text to what the card does.

The text is compiled, loaded over the air into a card, and heard of by a terminal's APDUs alone.
"""

import pytest

from cardsync.card.asking import EVENTS
from cardsync.policy.facts import FACTS_BY_NAME
from cardsync.policy.values import EventKind
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit import objects
from cardsync.toolkit.codes import (
    AccessTechnologyCode,
    Battery,
    CommandType,
    EventCode,
    LocalInformation,
)
from cardsync.toolkit.information import AccessTechnology, LocationStatus
from cardsync.toolkit.synchronization_objects import Phase, Summary
from mobiles import (
    ENDS,
    HEAD,
    IMEI,
    MENU,
    SYNC_NOW,
    Mobile,
    Sender,
    card_with,
    rule,
    trigger,
    variables,
)

HEAR = '{ set = { heard = "heard + 1" } }'

FACTS = {  # a condition that holds of the terminal below, and one that does not
    "imei": ("imei == '490154203237518'", "imei != '490154203237518'"),
    "imeisv": ("imeisv == '4901542032375107'", "imeisv == '4901542032375101'"),
    "profile": ("profile != last.profile", "profile == b'\\\\x00'"),
    "language": ("language in ('en', 'fi')", "language == 'fi'"),
    "network.mcc": ("network.mcc == 262", "network.mcc == 1"),
    "network.mnc": ("network.mnc == 7", "network.mnc > 7"),
    "network.technology": ("network.technology in (LTE, NR)", "network.technology == GSM"),
    "network.roaming": ("network.roaming", "not network.roaming"),
    "network.status": ("network.status == NORMAL", "network.status == NO_SERVICE"),
    "battery": ("battery == 3", "battery < 3"),
    "connected_time": ("connected_time == 2 * minutes", "connected_time > 2 * minutes"),
    "since_last.synchronization": (
        "since_last.synchronization > 45 * days", "since_last.synchronization < 45 * days",
    ),
    "result.ok": ("not result.ok", "result.ok"),
    "result.general": ("result.general == 62", "result.general == 0"),
    "result.additional": ("result.additional == 5", "result.additional == 6"),
    "result.native": ("result.native == 401", "result.native == 0"),
}  # fmt: skip
"""The facts of docs/policy.md but for those of the last success."""

LAST = {
    "imei": "'490154203237518'",
    "imeisv": "'4901542032375107'",
    "language": "'en'",
    "network.mcc": "262",
    "network.mnc": "7",
    "network.technology": "LTE",
    "network.status": "NORMAL",
}


def mobile(*rules: str) -> Mobile:
    """Give a mobile abroad that has told everything, and was polled for two minutes."""
    there = Mobile(card_with(HEAD + "".join(rules) + SYNC_NOW + ENDS))
    there.equipment._proactive.surroundings = Surroundings(
        IMEI, mcc="262", mnc="07", software="07", battery=Battery.GOOD
    )
    there.on()
    there.equipment.event(EventCode.LOCATION_STATUS, LocationStatus(0), now=there.now)
    there.poll(4)
    return there


def heard(there: Mobile) -> int:
    """Let the user do something; say how often the rule has fired in all."""
    there.equipment.event(EventCode.USER_ACTIVITY, now=there.now)
    return variables(there.card)["heard"]


def synchronize(there: Mobile, sender: Sender, result: int = 0, more: bytes = b"") -> None:
    """Let the operator start a synchronization, and the terminal tell how it ended."""
    there.message(trigger(sender))
    summary = Summary(Phase.DONE, native=401 if result else 0)
    there.end(there.agent.references[-1], objects.Result(result, more), summary)


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str) -> None:
    """Each fact is asked of the terminal, learnt and compared. design: facts; R-30 to R-33."""
    right, wrong = FACTS[name]
    on = '"synchronized"' if name.startswith("result.") else '"user_activity"'
    counts = []
    for condition in (right, wrong):
        there = mobile(rule(on, HEAR, condition))
        if name.startswith("result."):
            synchronize(there, Sender(start=10), 0x3E, b"\5")
            counts.append(variables(there.card)["heard"])
        else:
            counts.append(heard(there))

    assert [1, 0] == counts


@pytest.mark.parametrize("name", LAST)
def test_facts_of_the_last_success(name: str) -> None:
    """Before the first success they are unlike everything; then they are what was true at it."""
    there, sender = (
        mobile(rule('"user_activity"', HEAR, f"last.{name} == {LAST[name]}")),
        Sender(start=10),
    )
    before = heard(there)
    synchronize(there, sender, 0x3E, b"\5")
    failed = heard(there)
    synchronize(there, sender)

    assert [0, 0, 1] == [before, failed, heard(there)]


@pytest.mark.parametrize("fact", ["profile", "network.roaming"])
def test_other_facts_of_the_last_success(fact: str) -> None:
    """The same of the profile, compared with itself, and of a truth."""
    condition = "profile == last.profile" if fact == "profile" else f"last.{fact}"
    there = mobile(rule('"user_activity"', HEAR, condition))
    before = heard(there)
    synchronize(there, Sender(start=10))

    assert [0, 1] == [before, heard(there)]


def test_all_facts_are_here() -> None:
    """No fact of the language is left out of these tests."""
    last = {f"last.{name}" for name in {*LAST, "profile", "network.roaming"}}

    assert set(FACTS_BY_NAME) == FACTS.keys() | last


def test_only_what_the_policy_looks_at_is_asked() -> None:
    """Battery and IMEISV are asked for only by a policy that looks at them."""
    there = mobile(rule('"user_activity"', HEAR))

    assert not {LocalInformation.BATTERY, LocalInformation.IMEISV} & set(asked(there))


def asked(there: Mobile) -> list[int]:
    """Give what the card asked for by PROVIDE LOCAL INFORMATION."""
    wanted = CommandType.PROVIDE_LOCAL_INFORMATION
    return [one.details.qualifier for one in there.fetched if one.details.type == wanted]


def test_battery_is_asked_again() -> None:
    """No event tells of the battery: what is known of it is ten minutes old at most."""
    there = mobile(rule('"poll"', '{ synchronize = "all" }', "battery < 2"))
    there.poll(20)

    assert 2 == asked(there).count(LocalInformation.BATTERY)

    own = there.equipment.surroundings
    there.equipment._proactive.surroundings = Surroundings(own.imei, battery=Battery.LOW)
    there.poll(20)

    assert 1 == len(there.agent.orders)


def test_technology_is_kept_true() -> None:
    """A policy that looks at the technology hears of its change, though no rule is for that."""
    there = mobile(rule('"user_activity"', HEAR, "network.technology == NR"))
    told = AccessTechnology((AccessTechnologyCode.NG_RAN,))
    taken = there.equipment.event(EventCode.ACCESS_TECHNOLOGY_CHANGE, told, now=1.0)

    assert taken
    assert 1 == heard(there)


def test_all_events_are_heard() -> None:
    """What is no event of the terminal is told to the policy by the card itself."""
    own = {
        EventKind.PROFILE_DOWNLOAD, EventKind.POLL, EventKind.TIMER, EventKind.MENU,
        EventKind.MESSAGE, EventKind.APPLICATION, EventKind.SYNCHRONIZED, EventKind.REFUSED,
    }  # fmt: skip

    assert set(EventKind) - own == set(EVENTS.values())


def test_menu_is_shown_again() -> None:
    """The policy hides an entry of its menu, and shows it again."""
    there = mobile(
        MENU, rule('{ menu = "Other" }', '{ menu = { hide = "Update" } }'),
        rule('"user_activity"', '{ menu = { show = "Update" } }'),
    )  # fmt: skip
    there.equipment.choose(2, 1.0)
    hidden = there.handset.items
    heard(there)

    assert ((2, "Other"),) == hidden
    assert ((1, "Update"), (2, "Other")) == there.handset.items


def test_report_by_ussd() -> None:
    """The card has no USSD; a policy that wants it is told so, and nothing else happens."""
    there = mobile(rule('"user_activity"', '{ report = "ussd" }'))
    heard(there)

    assert there.card.applet.journal[-1].startswith("a report by USSD was wanted")


def test_one_event_does_all_that_the_rules_say() -> None:
    """In the order written; what a rule sets is seen by those after it; one synchronization."""
    there = mobile(
        rule('"user_activity"', '{ set = { heard = 5 }, tell = "One.", synchronize = "all" }'),
        rule('{ menu = "x" }', '{ tell = "Never." }'),
        rule('"user_activity"', '{ tell = "Two.", synchronize = "all" }', "heard == 5", "").replace(
            "user_activity ", "user_activity again"
        ),
    )
    heard(there)

    assert ["One."] == there.handset.shown
    assert 1 == len(there.agent.orders)


def test_a_timer_that_is_started_all_the_time() -> None:
    """It takes no minutes from a period, though no whole one goes by between two of its starts."""
    there = mobile(
        rule('"poll"', '{ timer = { soon = "20 min" } }'),
        rule('"timer"', HEAR, every="1 h"),
        rule('{ timer = "soon" }', '{ tell = "Never." }'),
    )
    there.poll(2 * 60 * 3)

    assert 3 == variables(there.card)["heard"]
    assert [] == there.handset.shown


def test_what_is_only_mentioned_costs_no_write() -> None:
    """Rules that fire stand in the journal until the next reset, and wear nothing out."""
    there = mobile(rule('"poll"', '{ tell = "Here." }'))
    before = there.card.memory.generation
    there.poll(50)

    assert ["poll: poll fired"] == list(there.card.applet.journal)
    assert before == there.card.memory.generation

    there.card.reset()

    assert not there.card.applet.journal


def test_a_request_that_this_card_cannot_write() -> None:
    """The card has no EID: its policy hears at the next poll that nothing came of it."""
    text = (HEAD + SYNC_NOW + ENDS).replace('device = "imei"', 'device = "eid"', 1)
    there = Mobile(card_with(text)).on()
    there.message(trigger(Sender(start=10)))
    there.poll()

    assert [] == there.agent.orders
    assert 1 == variables(there.card)["bad"]
