"""The application in its card, with a terminal around it: what it hears, decides and says."""

from dataclasses import replace

import pytest

from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.ota.application import (
    APPLICATION_TAR,
    DataGroup,
    GroupTag,
    ParameterUpdate,
    Trigger,
)
from cardsync.ota.packet import ResponseStatus
from cardsync.policy.explain import explain
from cardsync.policy.values import EventKind
from cardsync.terminal.handset import UnattendedHandset
from cardsync.toolkit import channels, envelope, network, objects
from cardsync.toolkit.codes import CommandType, EventCode
from cardsync.toolkit.commands import first
from cardsync.toolkit.information import (
    AccessTechnology,
    Language,
    LocationInformation,
    LocationStatus,
)
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.toolkit.synchronization_objects import CODE_POINTS, TargetDatabase
from mobiles import (
    ENDS,
    HEAD,
    LOADING,
    MENU,
    OTHER_IMEI,
    SYNC_NOW,
    Mobile,
    Sender,
    bare_card,
    card_with,
    compact,
    personalising,
    policy_group,
    program,
    receive,
    rule,
    trigger,
    variables,
)

HEAR = '{ set = { heard = "heard + 1" } }'
OPEN = channels.ChannelStatus(0x81, b"\0")
EVENTS: dict[EventCode, tuple[EventKind, tuple[objects.DataObject, ...]]] = {
    EventCode.LOCATION_STATUS: (EventKind.LOCATION_STATUS, (LocationStatus(0),)),
    EventCode.USER_ACTIVITY: (EventKind.USER_ACTIVITY, ()),
    EventCode.IDLE_SCREEN_AVAILABLE: (EventKind.IDLE_SCREEN, ()),
    EventCode.LANGUAGE_SELECTION: (EventKind.LANGUAGE_SELECTION, (Language("de"),)),
    EventCode.BROWSER_TERMINATION: (
        EventKind.BROWSER_TERMINATION,
        (objects.browser.BrowserTerminationCause(0),),
    ),
    EventCode.DATA_AVAILABLE: (EventKind.DATA_AVAILABLE, (OPEN, channels.ChannelDataLength(1))),
    EventCode.CHANNEL_STATUS: (EventKind.CHANNEL_STATUS, (OPEN,)),
    EventCode.ACCESS_TECHNOLOGY_CHANGE: (
        EventKind.ACCESS_TECHNOLOGY_CHANGE,
        (AccessTechnology((0x0A,)),),
    ),
    EventCode.NETWORK_REJECTION: (
        EventKind.NETWORK_REJECTION,
        (LocationInformation("001", "01"),),
    ),
    EventCode.DATA_CONNECTION_STATUS_CHANGE: (
        EventKind.DATA_CONNECTION_STATUS,
        (network.DataConnectionStatus(0),),
    ),
    EventCode.IMS_REGISTRATION: (EventKind.IMS_REGISTRATION, (network.ImsStatusCode(b"200"),)),
}


def mobile(*rules: str, card: Uicc | None = None) -> Mobile:
    """Give a mobile that is on, whose policy has these rules."""
    return Mobile(card or card_with(HEAD + "".join(rules) + ENDS)).on()


@pytest.mark.parametrize("code", EVENTS, ids=lambda code: code.name)
def test_events(code: EventCode) -> None:
    """The card asks for the events of its rules, and each reaches the policy. R-30, R-31."""
    kind, found = EVENTS[code]
    there = mobile(rule(f'"{kind.name.lower()}"', HEAR))
    told = there.equipment.event(code, *found, now=1.0)

    assert told
    assert 1 == variables(there.card)["heard"]


def test_event_list() -> None:
    """Events that no rule needs are not asked for; our own always is. TS 102 223 clause 6.4.16."""
    there = mobile(rule('"user_activity"', HEAR))
    events = first(there.fetched[0].parts, objects.EventList)

    assert CommandType.SET_UP_EVENT_LIST == there.fetched[0].details.type
    assert events is not None
    assert {
        EventCode.USER_ACTIVITY, EventCode.LOCATION_STATUS, EventCode.LANGUAGE_SELECTION,
        CODE_POINTS.event,
    } == set(events.events)  # fmt: skip


def test_power_on() -> None:
    """First the events and polls, then the questions, then the decision. R-30, R-42."""
    there = mobile(rule('"profile_download"', when="imei != last.imei"))

    assert [
        CommandType.SET_UP_EVENT_LIST, CommandType.POLL_INTERVAL,
        *[CommandType.PROVIDE_LOCAL_INFORMATION] * 5,
        CODE_POINTS.command, CommandType.TIMER_MANAGEMENT,
    ] == there.types  # fmt: skip
    assert 1 == len(there.agent.orders)


def test_without_a_policy() -> None:
    """A card without application, or without policy, asks for nothing and fails at nothing."""
    installed = bare_card()
    receive(installed, Sender().messages(compact(*LOADING)))
    for card in (bare_card(), installed):
        there = Mobile(card).on()
        there.poll(3)
        there.equipment.choose(1, 2.0)
        there.equipment.change_language("de", 3.0)

        assert [] == there.types
        assert {"app:granted"} >= set(card.memory.names("app:"))


def test_another_phone() -> None:
    """The same card in another phone: its policy sees it by the IMEI. R-42."""
    there = mobile(rule('"profile_download"', when="imei != last.imei"))
    there.end(there.agent.references[0])
    there.forget()

    assert [] == there.on().agent.orders

    other = Mobile(there.card, imei=OTHER_IMEI).on()

    assert 1 == len(other.agent.orders)


def test_another_profile() -> None:
    """A change of the terminal's capabilities is an event. R-32."""
    there = mobile(rule('"profile_download"', when="profile != last.profile"))
    there.end(there.agent.references[0])
    there.forget()
    fewer = TerminalProfile.of(*[one for one in Feature if one is not Feature.LAUNCH_BROWSER])

    assert [] == there.on().agent.orders
    assert 1 == len(Mobile(there.card, profile=fewer).on().agent.orders)


@pytest.mark.parametrize("features", [(), (Feature.LOCAL_INFORMATION,)])
def test_modest_terminal(features: tuple[Feature, ...]) -> None:
    """What the terminal cannot tell is not asked; the decision comes all the same. R-32."""
    profile = TerminalProfile.of(Feature.PROFILE_DOWNLOAD, *features)
    card = card_with(HEAD + rule('"profile_download"', HEAR) + ENDS)
    there = Mobile(card, profile=profile).on(None)

    assert 2 * len(features) == there.types.count(CommandType.PROVIDE_LOCAL_INFORMATION)
    assert 1 == variables(card)["heard"]


def test_no_imei() -> None:
    """Without the IMEI of the terminal nothing is ordered; the journal says why."""
    profile = TerminalProfile.of(Feature.PROFILE_DOWNLOAD)
    there = Mobile(card_with(HEAD + rule('"profile_download"') + ENDS), profile=profile).on()

    assert [] == there.agent.orders
    assert "all: the terminal has no IMEI" in there.card.applet.journal


def test_language() -> None:
    """A change of the language is one event, after which the policy decides. R-10, R-42."""
    there = mobile(rule('"language_selection"', when="language == 'de'"))
    there.equipment.change_language("en", 1.0)

    assert [] == there.agent.orders

    there.equipment.change_language("de", 1.0)

    assert 1 == len(there.agent.orders)


def test_menu() -> None:
    """The user finds the entry in the menu and chooses it; one command follows. R-43."""
    there = mobile(MENU)

    assert ((1, "Update"),) == there.handset.items

    there.equipment.choose(1, 1.0)

    assert 1 == len(there.agent.orders)

    there.equipment.choose(7, 1.0)

    assert 1 == len(there.agent.orders)


def test_menu_help() -> None:
    """Who asks for help about an entry reads what it is; nothing is started. R-43."""
    there = mobile(MENU)
    told = envelope.menu_selection(1)
    asking = b"\x95\x00"  # help request, TS 102 223 clause 8.21
    data = told.encode()[:1] + bytes([told.encode()[1] + 2]) + told.encode()[2:] + asking
    there.equipment._exchange(CommandApdu(0x80, Ins.ENVELOPE, data=data))

    assert [] == there.agent.orders
    assert ["Update"] == there.handset.shown


def test_event_that_nobody_asked_for() -> None:
    """An event that the card did not ask for is taken and means nothing."""
    there = mobile(MENU)
    before = there.card.memory.encode()
    told = envelope.event_download(EventCode.HCI_CONNECTIVITY).encode()

    assert b"\x90\0" == there.card.transact(CommandApdu(0x80, Ins.ENVELOPE, data=told).encode())
    assert before == there.card.memory.encode()


def test_menu_in_the_language() -> None:
    """The menu is in the terminal's language, and changes with it. R-67."""
    there = mobile(rule('{ menu = { en = "Update", de = "Aktualisieren" } }'))
    there.equipment.change_language("de", 1.0)

    assert ((1, "Aktualisieren"),) == there.handset.items

    there.on()

    assert ((1, "Aktualisieren"),) == there.handset.items


def test_hidden_entry() -> None:
    """An entry that the policy hid stays hidden after a reset."""
    there = mobile(
        MENU, rule('"user_activity"', '{ menu = { hide = "Update" } }'), rule('{ menu = "Other" }')
    )
    there.equipment.event(EventCode.USER_ACTIVITY, now=1.0)

    shown = there.handset.items
    there.handset.items = ()
    there.on()

    assert ((2, "Other"),) == shown == there.handset.items


def test_all_entries_hidden() -> None:
    """With every entry hidden the menu is taken away. TS 102 223 clause 6.4.8."""
    there = mobile(MENU, rule('"user_activity"', '{ menu = { hide = "Update" } }'))
    there.equipment.event(EventCode.USER_ACTIVITY, now=1.0)

    assert () == there.handset.items


def test_message() -> None:
    """A secured message is one more input of the policy; another name is not. R-34, R-45."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    there.message(trigger(sender, "something else"))

    assert [] == there.agent.orders

    there.message(trigger(sender))

    assert 1 == len(there.agent.orders)


def test_duplicates_start_one() -> None:
    """The same message twice, or two messages at a time, start one synchronization. R-45."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    messages = trigger(sender)
    for one in (messages, messages, trigger(sender), trigger(sender)):
        there.message(one)

    assert 1 == len(there.agent.orders)
    (reason,) = explain(there.card.applet.reasons)

    assert reason.endswith("did not fire: held back: a synchronization is under way")


def test_held_back_costs_nothing() -> None:
    """What was held back does not count against the limit of the day."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    for _ in range(30):
        there.message(trigger(sender))
    there.end(there.agent.references[0])
    there.message(trigger(sender))

    assert 2 == len(there.agent.orders)


def test_limit_of_the_day() -> None:
    """The policy's own limit is enforced by the card. O-8."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    for _ in range(30):
        there.message(trigger(sender))
        there.end(there.agent.references[-1])

    assert 20 == len(there.agent.orders)


def test_message_before_the_terminal_told_what_it_is() -> None:
    """A trigger that comes before the answers of the terminal waits for them."""
    card, sender = card_with(HEAD + SYNC_NOW + ENDS), Sender(start=10)
    for _ in range(6):
        receive(card, trigger(sender))
    card.transact(CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=b"\xff").encode())
    for _ in range(6):
        receive(card, trigger(sender))
    there = Mobile(card)
    while there.equipment._session.data_to_send() is not None:
        pass
    there.equipment.poll(1.0)

    assert [] == there.agent.orders  # this profile has no IMEI to tell

    fresh = card_with(HEAD + SYNC_NOW + ENDS)
    there = Mobile(fresh)
    fresh.transact(CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=there.profile.octets).encode())
    receive(fresh, trigger(Sender(start=10)))
    there.equipment.poll(1.0)

    assert 1 == len(there.agent.orders)


def test_parameter_over_the_air() -> None:
    """A new server address is in the next command. R-22."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    update = ParameterUpdate("server", "https://new.example/s").encode()
    report = there.message(sender.messages(update + Trigger("sync-now").encode(), APPLICATION_TAR))
    target = first(there.agent.orders[0].parts, TargetDatabase)

    assert ResponseStatus.OK == sender.proof(report, APPLICATION_TAR).status
    assert target is not None
    assert b"https://new.example/s" == target.device


@pytest.mark.parametrize("order", [1, -1])
def test_bad_message_starts_nothing(order: int) -> None:
    """A parameter that is wrong spoils the whole packet, the trigger beside it too. R-22."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    parts = [Trigger("sync-now").encode(), ParameterUpdate("server", "x" * 250).encode()]
    there.message(sender.messages(b"".join(parts[::order]), APPLICATION_TAR))

    assert [] == there.agent.orders


def test_policy_over_the_air() -> None:
    """A new policy takes the old one's place and its variables; the terminal is asked anew. R-21.

    REFRESH with UICC reset, TS 102 223 clause 6.4.7.
    """
    there, sender = mobile(rule('"user_activity"', HEAR)), Sender(start=10)
    there.equipment.event(EventCode.USER_ACTIVITY, now=1.0)
    there.forget()
    new = HEAD.replace("version = 1", "version = 2") + rule('"idle_screen"', HEAR) + ENDS
    there.message(sender.messages(compact(*personalising(policy_group(new)))))
    there.equipment.event(EventCode.IDLE_SCREEN_AVAILABLE, now=1.0)

    assert CommandType.REFRESH == there.types[0]
    assert CommandType.SET_UP_EVENT_LIST == there.types[1]
    assert 2 == variables(there.card)["heard"]


def test_refresh_that_is_refused() -> None:
    """A terminal that does not refresh is set up anew without it."""
    there, sender = mobile(rule('"user_activity"', HEAR)), Sender(start=10)
    there.equipment._proactive._HANDLERS = {  # type: ignore[misc]  # a terminal that lacks it
        type_: handler
        for type_, handler in there.equipment._proactive._HANDLERS.items()
        if type_ != CommandType.REFRESH
    }
    new = HEAD.replace("version = 1", "version = 2") + rule('"idle_screen"', HEAR) + ENDS
    there.message(sender.messages(compact(*personalising(policy_group(new)))))

    assert there.equipment.event(EventCode.IDLE_SCREEN_AVAILABLE, now=1.0)
    assert 1 == variables(there.card)["heard"]


def test_load_install_personalise_decide() -> None:
    """The whole of steps A to D in one card, from nothing. R-20, R-40, R-50, R-68."""
    there, sender = Mobile(bare_card()).on(), Sender()
    text = HEAD + rule('"profile_download"', when="imei != last.imei") + ENDS
    there.message(sender.messages(compact(*LOADING, *personalising(policy_group(text)))))

    assert 1 == len(there.agent.orders)
    assert ("profile_download: profile_download fired",) == there.card.applet.journal


def test_the_user_agrees() -> None:
    """GET INKEY before the command; the answer yes sends it. R-65, R-66."""
    question = '{ synchronize = "all", ask = "Send your data?" }'
    there = mobile(rule('{ message = "sync-now" }', question))
    there.message(trigger(Sender(start=10)))

    assert ["Send your data?"] == there.handset.asked
    assert CommandType.GET_INKEY in there.types
    assert 1 == len(there.agent.orders)


@pytest.mark.parametrize("consent", [False, None])
def test_the_user_does_not_agree(*, consent: bool | None) -> None:
    """No, or no answer: no command; the policy hears of it and says what follows. R-66, O-6."""
    question = '{ synchronize = "all", ask = "Send your data?" }'
    there = Mobile(
        card_with(
            HEAD + rule('{ message = "sync-now" }', question) + rule('"refused"', HEAR) + ENDS
        ),
        handset=UnattendedHandset(consent),
    ).on()
    there.message(trigger(Sender(start=10)))

    assert [] == there.agent.orders
    assert 1 == variables(there.card)["heard"]


def test_the_question_is_asked_once() -> None:
    """While the user is asked, no other question is put to him."""
    question = '{ synchronize = "all", ask = "Send your data?" }'
    card = card_with(HEAD + rule('{ message = "sync-now" }', question) + ENDS)
    there, sender = Mobile(card).on(), Sender(start=10)
    for _ in range(3):
        receive(card, trigger(sender))
    there.equipment.poll(1.0)

    assert 1 == len(there.handset.asked)
    assert 1 == len(there.agent.orders)


def test_the_user_is_told() -> None:
    """The text comes after success only, in the language of the terminal. R-67."""
    there, sender = mobile(SYNC_NOW), Sender(start=10)
    there.equipment.change_language("de", 1.0)
    there.message(trigger(sender))
    there.end(there.agent.references[0], replace(objects.Result(0x3E), additional=b"\x05"))

    assert [] == there.handset.shown

    there.message(trigger(sender))
    there.end(there.agent.references[1])

    assert ["Alles auf dem Stand."] == there.handset.shown
    assert {"good": 1, "bad": 1, "heard": 0} == variables(there.card)


def test_browse() -> None:
    """The policy may open a page. LAUNCH BROWSER, TS 102 223 clause 6.4.26."""
    there = mobile(rule('{ menu = "Page" }', '{ browse = "https://dm.operator.example/" }'))
    there.equipment.choose(1, 1.0)

    assert CommandType.LAUNCH_BROWSER in there.types


def test_report_that_this_card_does_not_send() -> None:
    """A report that the card cannot send is recorded, not forgotten."""
    there = mobile(rule('{ menu = "Report" }', '{ report = "sms" }'))
    there.equipment.choose(1, 1.0)

    assert (
        "a report by SMS was wanted: the policy has no report_number" in there.card.applet.journal
    )


def test_every_day() -> None:
    """A period of the policy is kept by a timer of the terminal. R-42, TS 102 223 clause 6.4.21."""
    there = mobile(rule('"timer"', every="${interval}"))
    due = there.equipment.next_timer()
    assert due is not None
    for _ in range(3):
        there.later(24 * 3600)
        there.end(there.agent.references[-1])

    assert 24 * 3600 == due
    assert 3 == len(there.agent.orders)


def test_period_across_resets() -> None:
    """A phone that is switched off and on twice a day is asked once a day. R-42."""
    there = mobile(rule('"timer"', every="${interval}"))
    orders = 0
    for half in range(1, 9):
        there.now += 12 * 3600
        there.forget()
        day, hour = divmod(12 + 12 * half, 24)
        there.on(replace(there.equipment._proactive.local_time, day=22 + day, hour=hour))  # type: ignore[type-var]  # it is set
        for reference in there.agent.references:
            there.end(reference)
            orders += 1

    assert 4 == orders


def test_period_without_a_clock() -> None:
    """Where the terminal cannot tell the time, a reset loses four hours at most."""
    card = card_with(HEAD + rule('"timer"', every="${interval}") + ENDS)
    there = Mobile(card).on(None)
    for _ in range(6):
        there.later(4 * 3600)

    assert 1 == len(there.agent.orders)

    there.end(there.agent.references[0])
    for _ in range(6):
        there.later(4 * 3600)
        there.on(None)
        there.end(there.agent.references[-1])

    assert 2 == len(set(there.agent.references))


def test_period_without_timers() -> None:
    """Where the terminal has no timers its polls count. TS 102 221 clause 14.5.2."""
    there = Mobile(card_with(HEAD + rule('"timer"', every="1 h") + ENDS))
    there.meddle = _without_timers
    there.on()
    there.poll(120)

    assert [] == there.agent.orders

    there.poll(12)

    assert 1 == len(there.agent.orders)


def _without_timers(apdu: bytes, response: bytes) -> bytes:
    """Let a started timer never be seen by the terminal."""
    if apdu[1] == Ins.FETCH and response[5:6] == bytes([CommandType.TIMER_MANAGEMENT]):
        return response[:5] + b"\x77" + response[6:]
    return response


def test_named_timer() -> None:
    """A timer of the policy runs beside a period, and neither takes minutes from the other."""
    there = mobile(
        rule('"timer"', '{ set = { good = "good + 1" } }', every="3 h"),
        rule('"user_activity"', '{ timer = { soon = "20 min" } }'),
        rule('{ timer = "soon" }', HEAR),
    )
    there.poll(2 * 120)
    there.equipment.event(EventCode.USER_ACTIVITY, now=there.now)
    there.later(19 * 60)

    assert 0 == variables(there.card)["heard"]

    there.later(60)

    assert 1 == variables(there.card)["heard"]
    assert 0 == variables(there.card)["good"]

    there.later(40 * 60)

    assert 1 == variables(there.card)["good"]


def test_connected_time() -> None:
    """The interval is the terminal's own; the time connected is counted in it. R-33."""
    there = Mobile(
        card_with(HEAD + rule('"user_activity"', HEAR, "connected_time >= 10 * minutes") + ENDS)
    )
    there.meddle = _polls_each_minute
    there.on()
    for _ in range(9):
        there.equipment.poll(there.now)
    there.equipment.event(EventCode.USER_ACTIVITY, now=1.0)

    assert 0 == variables(there.card)["heard"]

    there.equipment.poll(there.now)
    there.equipment.event(EventCode.USER_ACTIVITY, now=1.0)

    assert 1 == variables(there.card)["heard"]


def _polls_each_minute(_: bytes, response: bytes) -> bytes:
    """Let the card's POLL INTERVAL of 30 s arrive as one of 60 s."""
    return response.replace(b"\x84\x02\x01\x1e", b"\x84\x02\x01\x3c")


def test_status_of_another_kind_is_no_poll() -> None:
    """Only a STATUS that says nothing else counts as time. TS 102 221 clause 11.1.2."""
    there = mobile(rule('"poll"', HEAR))
    for p1 in (1, 2):
        there.card.transact(CommandApdu(0x80, Ins.STATUS, p1, 0x0C).encode())

    assert 0 == variables(there.card)["heard"]

    there.poll()

    assert 1 == variables(there.card)["heard"]


def test_reasons() -> None:
    """Every decision leaves its reason: which rule, and which comparison was false. R-41."""
    there = mobile(rule('"user_activity"', when="network.roaming"))
    there.equipment.event(EventCode.USER_ACTIVITY, now=1.0)
    (reason,) = there.card.applet.reasons

    assert not reason.fired
    assert ["network.roaming was false"] == [
        str(one).partition(" (")[0] for one in reason.comparisons
    ]


def test_the_same_again_gives_the_same() -> None:
    """Two cards that hear the same decide and say the same, octet by octet. R-41."""
    there = mobile(SYNC_NOW, MENU, rule('"timer"', every="1 h"))
    there.message(trigger(Sender(start=10)))
    there.end(there.agent.references[0])
    there.poll(130)
    twin = card_with(HEAD + "".join((SYNC_NOW, MENU, rule('"timer"', every="1 h"))) + ENDS)
    twin.reset()

    assert [response for _, response in there.exchanges] == [
        twin.transact(apdu) for apdu, _ in there.exchanges
    ]
    assert there.card.memory.encode() == twin.memory.encode()


def test_nothing_unless_the_card_asks() -> None:
    """Without an event of its policy the card never asks, and nothing is synchronized. R-06."""
    there = mobile(SYNC_NOW)
    there.poll(500)
    there.later(72 * 3600)

    assert [] == there.agent.orders


def test_terminal_that_never_fetches() -> None:
    """What waits for a terminal that does not fetch is bounded; it is told to wait with 93 00.

    TS 102 221 clause 10.2.1.3.
    """
    card = card_with(HEAD + rule('"location_status"', '{ tell = "Moved." }') + ENDS)
    card.transact(CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=b"\xff").encode())
    told = envelope.event_download(EventCode.LOCATION_STATUS, LocationStatus(0)).encode()
    words = {
        ResponseApdu.decode(card.transact(CommandApdu(0x80, Ins.ENVELOPE, data=told).encode())).sw
        for _ in range(200)
    }
    for _ in range(2000):
        card.transact(CommandApdu(0x80, Ins.STATUS, 0, 0x0C).encode())

    assert 0x9300 in words
    assert 33 >= len(card._answered)


def test_texts_that_wait_are_bounded() -> None:
    """A thousand texts from one packet do not fill the memory."""
    card = card_with(HEAD + rule('{ message = "x" }', '{ tell = "Hello." }') + ENDS)
    there = Mobile(card).on()
    many = Trigger("x").encode() * 1000
    there.message(Sender(start=10).messages(many, APPLICATION_TAR))

    assert 32 >= len(there.handset.shown)


def test_programs_with_one_octet_changed() -> None:
    """Whatever a program says that the card took, nothing fails when it runs."""
    text = HEAD + rule('"profile_download"') + SYNC_NOW + ENDS
    octets = program(text)
    for place in range(0, len(octets), 3):
        card, sender = card_with(text), Sender(start=10)
        changed = octets[:place] + bytes([octets[place] ^ 0x05]) + octets[place + 1 :]
        group = DataGroup(GroupTag.POLICY, changed)
        receive(card, sender.messages(compact(*personalising(group))))
        there = Mobile(card).on()
        there.message(trigger(sender))
        there.poll(2)

        assert CommandType.SET_UP_EVENT_LIST == there.types[0]
