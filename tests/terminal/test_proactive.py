"""What the terminal does for each command of a card, and what it answers to the others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import ConfigError
from cardsync.octets import tlv
from cardsync.terminal.handset import Answer, UnattendedHandset
from cardsync.terminal.proactive import Proactive, Surroundings
from cardsync.toolkit import commands, information, objects
from cardsync.toolkit.codes import CommandType, GeneralResult, LocalInformation, TimeUnit
from cardsync.toolkit.commands import Part, ProactiveCommand, TerminalResponse, first
from cardsync.toolkit.objects import CommandDetails, Duration, Result, TimerIdentifier, TimerValue
from cardsync.toolkit.synchronization import Qualifier
from cardsync.toolkit.synchronization_objects import CODE_POINTS, SessionReference
from mobiles import IMEI, NOON, PERFORMED, Agent, request

CONSENT = "Synchronize the data of this device?"


def terminal(agent: Agent | None = None, handset: UnattendedHandset | None = None) -> Proactive:
    """Give a terminal."""
    made = Proactive(handset or UnattendedHandset(), agent or Agent(), Surroundings(IMEI))
    made.local_time = NOON
    return made


def answer(command: ProactiveCommand, there: Proactive | None = None) -> TerminalResponse:
    """Let a terminal do a command; give its answer, read from its octets."""
    response = (there or terminal()).perform(command.encode())
    assert response is not None
    return TerminalResponse.decode(response.encode())


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (LocalInformation.IMEI, information.Imei(IMEI)),
        (LocalInformation.LANGUAGE, information.Language("en")),
        (LocalInformation.LOCATION, information.LocationInformation("001", "01", b"\0\1\0\1")),
        (LocalInformation.ACCESS_TECHNOLOGY, information.AccessTechnology((8,))),
        (LocalInformation.DATE_TIME, NOON),
    ],
)
def test_local_information(what: LocalInformation, expected: objects.DataObject) -> None:
    """What it knows of itself. TS 102 223 clause 6.4.15, R-30."""
    response = answer(commands.provide_local_information(what))

    assert GeneralResult.PERFORMED == response.result.general
    assert expected == first(response.parts, type(expected))


def test_local_information_that_is_not_there() -> None:
    """What it does not know is beyond its capabilities."""
    for what in (LocalInformation.BATTERY, LocalInformation.NETWORK_MEASUREMENT):
        response = answer(commands.provide_local_information(what))

        assert GeneralResult.BEYOND_CAPABILITIES == response.result.general


def test_poll_interval() -> None:
    """The interval is taken and told. TS 102 223 clause 6.4.6."""
    there = terminal()
    response = answer(commands.poll_interval(60), there)

    assert 60 == there.poll_seconds
    assert Duration(TimeUnit.SECONDS, 60) == first(response.parts, Duration)


def test_polling_off() -> None:
    """No polls any more, until the card is reset. TS 102 223 clause 6.4.14."""
    there = terminal()
    answer(commands.command(CommandType.POLLING_OFF), there)

    assert float("inf") == there.poll_seconds

    there.reset()

    assert 30 == there.poll_seconds


def test_timers() -> None:
    """Started, asked, stopped. TS 102 223 clauses 4.10 and 6.4.21."""
    there = terminal()
    there.now = 100.0
    answer(commands.start_timer(3, 600), there)
    there.now = 160.0
    asked = commands.command(CommandType.TIMER_MANAGEMENT, TimerIdentifier(3), qualifier=2)
    stopped = commands.command(CommandType.TIMER_MANAGEMENT, TimerIdentifier(3), qualifier=1)

    assert {3: (700.0, 100.0)} == there.timers
    assert TimerValue(540) == first(answer(asked, there).parts, TimerValue)
    assert TimerValue(540) == first(answer(stopped, there).parts, TimerValue)
    assert {} == there.timers
    for command in (asked, stopped):
        assert GeneralResult.CONTRADICTION_WITH_TIMER == answer(command, there).result.general


@pytest.mark.parametrize(
    ("consent", "result", "yes"),
    [(True, 0x00, True), (False, 0x00, False), (None, 0x12, False)],
)
def test_question(*, consent: bool | None, result: int, yes: bool) -> None:
    """Yes, no, and no answer. TS 102 223 clause 6.4.2, R-66."""
    response = answer(commands.ask_yes_no("Really?"), terminal(handset=UnattendedHandset(consent)))

    assert result == response.result.general
    assert yes is commands.is_yes(response)


def test_another_key() -> None:
    """Other keys than yes and no are beyond this handset."""
    command = commands.command(CommandType.GET_INKEY, objects.TextString.of("Key?"))

    assert GeneralResult.BEYOND_CAPABILITIES == answer(command).result.general


def test_text_and_menu() -> None:
    """DISPLAY TEXT and SET UP MENU reach the handset. R-67, R-43."""
    handset = UnattendedHandset()
    there = terminal(handset=handset)
    answer(commands.display_text("Grüße"), there)
    answer(commands.set_up_menu("Operator", ((1, "Update"), (2, "Ελλάδα"))), there)

    assert ["Grüße"] == handset.shown
    shown = handset.items
    answer(commands.set_up_menu("Operator", ((0, ""),)), there)

    assert ((1, "Update"), (2, "Ελλάδα")) == shown
    assert () == handset.items


def test_browser() -> None:
    """A handset without a browser says so."""
    command = commands.launch_browser("https://a.example/")

    assert GeneralResult.BEYOND_CAPABILITIES == answer(command).result.general


def test_event_list() -> None:
    """Another list takes the place of the one before; an empty one takes all away."""
    there = terminal()
    for events in ((3, 7, 0xF5), ()):
        answer(commands.set_up_event_list(events), there)

        assert events == there.event_list


def test_short_messages_to_be_sent() -> None:
    """They wait to be sent, but no more than sixteen. TS 102 223 clause 6.4.10."""
    there = terminal()
    results = [
        answer(commands.send_short_message(b"\x01\0"), there).result.general for _ in range(40)
    ]

    assert [0x00] * 16 + [0x20] * 24 == results
    assert 16 == len(there.outgoing)


def test_reset() -> None:
    """REFRESH with UICC reset is answered by the reset alone. TS 102 223 clause 6.4.7."""
    there = terminal()

    assert there.perform(commands.command(CommandType.REFRESH, qualifier=4).encode()) is None
    assert there.reset_asked
    assert PERFORMED == answer(commands.command(CommandType.REFRESH, qualifier=3)).result


def test_order() -> None:
    """It goes to the agent, whose answer is the card's. R-58, R-62."""
    agent = Agent(Result(0x20, b"\x71"))
    response = answer(request(), terminal(agent))

    assert [b"abcd"] == agent.references
    assert Result(0x20, b"\x71") == response.result
    assert SessionReference(b"abcd") == first(response.parts, SessionReference)


@pytest.mark.parametrize(("consent", "result"), [(True, "00"), (False, "2200"), (None, "12")])
@pytest.mark.parametrize(("alpha", "text"), [("Send it?", "Send it?"), ("", CONSENT)])
def test_order_that_the_user_has_to_confirm(
    alpha: str, text: str, *, consent: Answer, result: str
) -> None:
    """The agent decides when the user is asked; with words of the terminal's own if need be.

    docs/request-synchronization.md clause 4.4, RS-14.
    """
    agent, handset = Agent(asks=True), UnattendedHandset(consent)
    part = Part(objects.AlphaIdentifier(alpha), comprehension=False)
    response = answer(request(part, flags=Qualifier.CONFIRM), terminal(agent, handset))

    assert result == response.result.value().hex()
    assert [text] == handset.asked


def test_user_is_not_asked_by_the_terminal() -> None:
    """An order that the agent refuses or knows already: no question. RS-15."""
    agent, handset = Agent(Result(0x3E, b"\x07")), UnattendedHandset()
    response = answer(request(flags=Qualifier.CONFIRM), terminal(agent, handset))

    assert Result(0x3E, b"\x07") == response.result
    assert [] == handset.asked


def test_icon_that_cannot_be_shown() -> None:
    """It gives `04` in place of `00`; a refusal stays what it is. RS-16."""
    icon = Part(objects.texts.IconIdentifier(0, 1), comprehension=False)
    refusing = terminal(Agent(Result(0x22, b"\0")))

    assert Result(0x04) == answer(request(icon)).result
    assert Result(0x22, b"\0") == answer(request(icon), refusing).result


def test_question_that_is_not_answered() -> None:
    """Help, back and the end of the session are told as such. TS 102 223 clause 6.8.2."""
    for general in (0x10, 0x11, 0x13):
        there = terminal(handset=UnattendedHandset(Result(general)))

        assert Result(general) == answer(commands.ask_yes_no("Really?"), there).result


def unknown(*, required: bool) -> Part:
    """Give an object that nobody knows."""
    return Part(objects.Unknown(0x7EFE, b"?", three_octets=True), required)


def test_object_that_must_be_understood() -> None:
    """An unknown object with the flag set: `32`, and nothing is done. TS 102 223 clause 6.10."""
    agent = Agent()

    assert Result(0x32) == answer(request(unknown(required=True)), terminal(agent)).result
    assert [] == agent.orders


def test_object_that_may_be_ignored() -> None:
    """An unknown object without it: done, with `01`, partial comprehension. Clause 6.10."""
    agent = Agent()
    response = answer(request(unknown(required=False)), terminal(agent))

    assert Result(0x01) == response.result
    assert 1 == len(agent.orders)


@pytest.mark.parametrize(
    ("type_", "result"),
    [(CommandType.PLAY_TONE, 0x30), (CommandType.OPEN_CHANNEL, 0x36), (0xEE, 0x31), (0xF6, 0x31)],
)
def test_commands_that_it_does_not_do(type_: int, result: int) -> None:
    """One that it knows and cannot: 30; one that it does not know: 31. TS 102 223 clause 6.8."""
    response = answer(commands.command(type_))

    assert (type_, result) == (response.details.type, response.result.general)


@pytest.mark.parametrize(
    ("octets", "details", "result"),
    [
        ("", (1, 0), 0x32),
        ("D1 09 8103012100 82028182", (1, 0x21), 0x32),
        ("D0 05 8103072100", (7, 0x21), 0x36),
        ("D0 09 8103072100 82028102", (7, 0x21), 0x36),
        ("D0 0B 8103072100 82028102 8D05", (7, 0x21), 0x32),
        ("D0 04 82028182", (1, 0), 0x36),
        ("D0 0C 8103070300 82028182 84010A", (7, 3), 0x32),
    ],
)
def test_unreadable(octets: str, details: tuple[int, int], result: int) -> None:
    """What cannot be read is answered with its details where they can be found. Clause 6.11."""
    response = terminal().perform(bytes.fromhex(octets))

    assert response is not None
    assert details == (response.details.number, response.details.type)
    assert result == response.result.general


@given(st.binary(max_size=256))
def test_any_octets(octets: bytes) -> None:
    """Whatever a card gives, there is an answer of less than 256 octets, or a reset."""
    response = terminal().perform(octets)

    assert response is None or len(response.encode()) <= 255


def test_mutated_commands() -> None:
    """Thousands of commands with changed octets: an answer each time."""
    chance, there = random.Random(102384), terminal()
    known = [
        commands.display_text("hello").encode(),
        commands.start_timer(1, 60).encode(),
        commands.set_up_menu("a", ((1, "b"),)).encode(),
        commands.send_short_message(bytes(20)).encode(),
        commands.poll_interval(3).encode(),
        commands.set_up_event_list((1, 2, 3)).encode(),
        request().encode(),
    ]
    for _ in range(5000):
        octets = bytearray(chance.choice(known))
        for _ in range(chance.randint(1, 3)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        response = there.perform(bytes(octets))

        assert response is None or tlv.walk_comprehension(response.encode())


@pytest.mark.parametrize(
    "surroundings",
    [
        {"imei": "1"}, {"imei": IMEI, "language": "eng"}, {"imei": IMEI, "mcc": "1"},
        {"imei": IMEI, "mnc": "xx"},
    ],
)  # fmt: skip
def test_impossible_terminal(surroundings: dict[str, str]) -> None:
    """A terminal that cannot be is a mistake in its settings."""
    with pytest.raises(ConfigError):
        Surroundings(**surroundings)  # type: ignore[arg-type]  # all of them texts


def test_code_points() -> None:
    """Our command has a type for proprietary use. TS 102 223 clause 9.4."""
    assert 0xF0 <= CODE_POINTS.command <= 0xFE
    assert CommandDetails(1, CODE_POINTS.command, 0) == request().details
