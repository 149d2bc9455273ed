"""The terminal around a card: power-on, polls, events, timers, short messages; hostile cards."""

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.terminal.equipment import Equipment
from cardsync.terminal.handset import UnattendedHandset
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit import commands, envelope
from cardsync.toolkit.codes import CommandType, EventCode
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.information import LocationStatus
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import status_event
from cardsync.transport.sms import Address, Deliver, TimeStamp
from cardsync.transport.user_data import COMMAND_HEADER, UserData
from mobiles import (
    ALL_FEATURES,
    ICCID,
    IMEI,
    IMSI,
    NOON,
    POLICY,
    Agent,
    Mobile,
    Sender,
    bare_card,
    card_with,
    request,
    tpdu,
    trigger,
)

REFRESH = commands.command(CommandType.REFRESH, qualifier=4)


class Card:
    """A card of a script: `commands` are what it wants; `answers` are by instruction.

    `told` are the instructions that it got, `responses` what was answered to its commands.
    """

    def __init__(self, *wanted: ProactiveCommand, answers: dict[int, bytes] | None = None) -> None:
        self.waiting = [command.encode() for command in wanted]
        self.answers = answers or {}
        self.told: list[CommandApdu] = []
        self.responses: list[TerminalResponse] = []
        self.resets = 0

    def reset(self) -> bytes:
        """Count resets."""
        self.resets += 1
        return b""

    def transact(self, octets: bytes) -> bytes:
        """Answer as told; tell of commands that wait."""
        apdu = CommandApdu.decode(octets)
        self.told.append(apdu)
        if apdu.ins == Ins.FETCH:
            return self.waiting.pop(0) + b"\x90\0" if self.waiting else b"\x69\x85"
        if apdu.ins == Ins.TERMINAL_RESPONSE:
            self.responses.append(TerminalResponse.decode(apdu.data))
        if apdu.cla == 0x80 and self.waiting:
            return bytes([0x91, len(self.waiting[0]) & 0xFF])
        return self.answers.get(apdu.ins, b"\x90\0")

    def instructions(self, ins: int) -> list[CommandApdu]:
        """Give the instructions of one kind."""
        return [apdu for apdu in self.told if apdu.ins == ins]


def terminal(card: object, agent: Agent | None = None) -> Equipment:
    """Give a terminal with a card in it."""
    return Equipment(
        card,  # type: ignore[arg-type]  # it has the two methods
        UnattendedHandset(),
        agent or Agent(),
        Surroundings(IMEI),
        ALL_FEATURES,
    )


def test_power_on() -> None:
    """The files that a terminal reads, then the profile. TS 102 221 clause 14.1, R-03."""
    there = Mobile(bare_card()).on()
    profile = [apdu for apdu, _ in there.exchanges if apdu[1] == Ins.TERMINAL_PROFILE]

    assert (ICCID, IMSI) == (there.equipment.iccid, there.equipment.imsi)
    assert [CommandApdu(0x80, 0x10, data=ALL_FEATURES.octets).encode()] == profile


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {Ins.SELECT: b"\x6a\x82"},
        {Ins.SELECT: b"\x6e\x00", Ins.READ_RECORD: b"\x6e\x00", Ins.READ_BINARY: b"\x6e\x00"},
        {Ins.READ_RECORD: b"\x61\x05\x4f\xff\x01\x90\x00"},
        {Ins.READ_RECORD: b"\x61\x90\x00", Ins.READ_BINARY: b"\x90\x00"},
        {Ins.READ_RECORD: b"\xff" * 38 + b"\x90\x00"},
        dict.fromkeys(range(256), b""),
        dict.fromkeys(range(256), b"\x90"),
    ],
    ids=["empty", "no files", "no class", "short", "cut", "erased", "nothing", "half a word"],
)
def test_card_without_a_usim(answers: dict[int, bytes]) -> None:
    """A card that lacks what a terminal reads is powered on all the same, and given its profile."""
    card = Card(answers=answers)
    there = terminal(card)
    there.power_on(0.0)
    there.poll(1.0)

    assert "" == there.imsi
    assert 1 == len(card.instructions(Ins.TERMINAL_PROFILE))
    assert b"" == there.short_message(trigger(Sender())[0], 1.0)


def test_fetches_until_nothing_waits() -> None:
    """Every command is fetched and answered, in their order. TS 102 221 clause 7.4.2."""
    wanted = [
        commands.poll_interval(60),
        commands.set_up_event_list((3,)),
        commands.display_text("x"),
    ]
    card = Card(*wanted)
    there = terminal(card)
    there.power_on(0.0)

    assert [command.details.type for command in wanted] == [
        response.details.type for response in card.responses
    ]
    assert 60 == there.poll_seconds


def test_length_of_a_command() -> None:
    """`91 00` announces 256 octets. TS 102 221 clause 7.4.2."""
    text = commands.display_text("x" * 240)
    card = Card(text)
    terminal(card).power_on(0.0)

    assert [len(text.encode())] == [apdu.le for apdu in card.instructions(Ins.FETCH)] == [256]


def test_card_that_never_stops() -> None:
    """A card that always wants one thing more is left to its next poll."""
    card = Card(*[commands.command(CommandType.MORE_TIME)] * 1000)
    there = terminal(card)
    there.power_on(0.0)
    first = len(card.responses)
    there.poll(1.0)

    assert 10 < first < 64
    assert first < len(card.responses) < 130


def test_card_that_resets_for_ever() -> None:
    """A card that asks for a reset after each reset gets two, and more at its next poll."""
    card = Card(*[REFRESH] * 1000)
    there = terminal(card)
    there.power_on(0.0)

    assert 3 == card.resets

    there.poll(1.0)

    assert 5 == card.resets


def test_refresh() -> None:
    """UICC reset: events, timers and poll interval are forgotten. TS 102 223 clause 6.4.7."""
    card = Card(
        commands.set_up_event_list((3,)), commands.start_timer(1, 60), commands.poll_interval(255),
        REFRESH,
    )  # fmt: skip
    there = terminal(card)
    there.power_on(0.0)

    assert 2 == card.resets
    assert (None, 30.0) == (there.next_timer(), there.poll_seconds)
    assert not there.event(3, now=1.0)


def test_events_as_asked() -> None:
    """Only what the card asked for is told. TS 102 223 clause 7.5, R-30."""
    card = Card(commands.set_up_event_list((EventCode.LOCATION_STATUS,)))
    there = terminal(card)
    there.power_on(0.0)

    assert there.event(EventCode.LOCATION_STATUS, LocationStatus(0), now=1.0)
    assert not there.event(EventCode.USER_ACTIVITY, now=1.0)
    assert not there.change_language("de", 1.0)
    assert "de" == there.surroundings.language
    assert [envelope.event_download(3, LocationStatus(0)).encode()] == [
        apdu.data for apdu in card.instructions(Ins.ENVELOPE)
    ]


@pytest.mark.parametrize(
    ("answer", "taken"),
    [(b"\x90\0", True), (b"\x91\x0b", True), (b"\x93\0", False), (b"\x6f\0", False), (b"", False)],
)
def test_status_event(answer: bytes, *, taken: bool) -> None:
    """The end of a synchronization is told until the card takes it. R-63, O-3."""
    card = Card(answers={Ins.ENVELOPE: answer})
    there = terminal(card)
    there.power_on(0.0)

    assert taken is there.status_event(status_event(b"abcd", Result(0), None), 1.0)


def test_busy_card() -> None:
    """An envelope that is refused with 93 00 is brought again. TS 102 221 clause 14.6.6."""
    card = Card(answers={Ins.ENVELOPE: b"\x93\0"})
    there = terminal(card)
    there.power_on(0.0)
    there.choose(1, 1.0)
    card.answers.clear()
    there.poll(2.0)

    assert [envelope.menu_selection(1).encode()] * 2 == [
        apdu.data for apdu in card.instructions(Ins.ENVELOPE)
    ]


def test_timers() -> None:
    """Each timer is told when it has run out, and how long it ran. TS 102 223 clause 7.4."""
    card = Card(commands.start_timer(1, 60), commands.start_timer(2, 90))
    there = terminal(card)
    there.power_on(100.0)

    assert 160.0 == there.next_timer()

    there.handle_timer(159.0)
    there.handle_timer(195.0)

    assert [envelope.timer_expiration(n, 95).encode() for n in (1, 2)] == [
        apdu.data for apdu in card.instructions(Ins.ENVELOPE)
    ]
    assert there.next_timer() is None


def test_timer_that_the_card_stops_at_another() -> None:
    """What the card does at one timer's end may end or renew another; nothing fails."""
    for command in (commands.start_timer(2, 600), REFRESH):
        card = Card(commands.start_timer(1, 60), commands.start_timer(2, 60))
        there = terminal(card)
        there.power_on(0.0)
        card.waiting = [command.encode()]
        there.handle_timer(60.0)

        assert 1 == len(card.instructions(Ins.ENVELOPE))


def test_clock_that_was_set_back() -> None:
    """A timer cannot have run for less than nothing, nor for more than a day."""
    card = Card(commands.start_timer(1, 60))
    there = terminal(card)
    there.power_on(0.0)
    there.handle_timer(1e9)

    assert (
        envelope.timer_expiration(1, 24 * 3600).encode() == card.instructions(Ins.ENVELOPE)[0].data
    )


def test_short_message_for_the_card() -> None:
    """A short message with the header of SIM data download goes to the card. R-31."""
    there, sender = Mobile(card_with(POLICY)).on(), Sender(start=10)
    report = there.message(trigger(sender))

    assert b"\x02\x71\x00" == report[:3]
    assert 1 == len(there.agent.orders)


@pytest.mark.parametrize(
    ("protocol", "coding"), [(0x00, 0xF6), (0x7F, 0xF5), (0x7F, 0x04), (0x41, 0x00)]
)
def test_short_message_for_somebody_else(protocol: int, coding: int) -> None:
    """By TP-PID and TP-DCS the terminal knows what is not the card's. TS 31.111 clause 7.1.1.1."""
    there = Mobile(card_with(POLICY)).on()
    there.forget()
    content = UserData(b"x" * 20, COMMAND_HEADER if coding != 0x00 else ())
    message = Deliver(Address("1"), TimeStamp(bytes(7)), content, protocol, coding).encode()

    assert b"" == there.message([message])
    assert [] == there.exchanges


@pytest.mark.parametrize("message", [b"", b"\0", b"\x01" + bytes(20), bytes(300), b"\xff" * 170])
def test_short_message_that_is_none(message: bytes) -> None:
    """Octets of a network that are no SMS-DELIVER do not reach the card, nor fail."""
    there = Mobile(card_with(POLICY)).on()
    there.forget()

    assert b"" == there.message([message])
    assert [] == there.exchanges


def test_service_that_the_card_does_not_have() -> None:
    """Without service 28 in EF.UST nothing is passed on. TS 31.102 clause 4.2.8."""
    card = card_with(POLICY)
    card.memory.write("file:3F00/7FFF/6F38", bytes(16))
    there = Mobile(card).on()

    assert b"" == there.message([tpdu(UserData(b"", COMMAND_HEADER))])


def test_menu_and_language() -> None:
    """What the user does reaches the card. R-43, R-10."""
    card = Card(commands.set_up_event_list((EventCode.LANGUAGE_SELECTION,)))
    there = terminal(card)
    there.power_on(0.0)
    there.choose(3, 1.0)

    assert there.change_language("fr", 1.0)
    assert 2 == len(card.instructions(Ins.ENVELOPE))
    with pytest.raises(ValueError, match="letters"):
        there.change_language("french", 1.0)
    assert "fr" == there.surroundings.language


def test_outgoing() -> None:
    """What the card wants to have sent is given once."""
    card = Card(commands.send_short_message(b"\x01\0\0"))
    there = terminal(card)
    there.power_on(0.0)

    assert [b"\x01\0\0"] == there.outgoing()
    assert [] == there.outgoing()


def test_order_is_answered_at_once() -> None:
    """REQUEST SYNCHRONIZATION is answered when the agent has said yes or no. O-1, R-60."""
    agent, card = Agent(Result(0x3E, b"\x07")), Card(request())
    terminal(card, agent).power_on(0.0)

    assert [Result(0x3E, b"\x07")] == [response.result for response in card.responses]


def test_local_time() -> None:
    """The time is what the caller says; without it the card is told that it is not known."""
    for time, expected in ((NOON, 0x00), (None, 0x30)):
        card = Card(commands.command(CommandType.PROVIDE_LOCAL_INFORMATION, qualifier=3))
        terminal(card).power_on(0.0, time)

        assert [expected] == [response.result.general for response in card.responses]


class Hostile:
    """A card that answers anything: `answer` makes its octets."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.asked = 0

    def reset(self) -> bytes:
        """Answer a reset with anything."""
        return self.answer(b"")

    def transact(self, apdu: bytes) -> bytes:
        """Answer with anything."""
        self.asked += 1
        return self.answer(apdu)


def live(card: Hostile) -> None:
    """Do everything that a terminal does with a card."""
    there = terminal(card)
    there.power_on(0.0, NOON)
    now = 1.0
    for _ in range(3):
        there.poll(now)
        there.short_message(trigger(Sender())[0], now)
        for code in (3, 7, 0xF5, 0x0B):
            there.event(code, LocationStatus(0), now=now)
        there.choose(1, now)
        there.change_language("de", now)
        there.status_event(status_event(b"abcd", Result(0), None), now)
        due = there.next_timer()
        now = max(now + 30, min(due or now, now + 90_000))
        there.handle_timer(now)
        there.outgoing()


def anything(chance: random.Random) -> Iterator[bytes]:
    """Yield answers of a hostile card: words, noise, commands, broken commands."""
    known = [
        request(), REFRESH, commands.display_text("x" * 200), commands.start_timer(1, 1),
        commands.set_up_event_list(tuple(range(200))), commands.send_short_message(bytes(170)),
        commands.set_up_menu("m", ((1, "a"),)), commands.provide_local_information(1),  # type: ignore[arg-type]  # any number
        commands.poll_interval(1), commands.ask_yes_no("?"),
    ]  # fmt: skip
    while True:
        octets = bytearray(chance.choice(known).encode())
        kind = chance.randrange(6)
        if kind == 0:
            octets = bytearray(chance.randbytes(chance.choice([0, 1, 2, 30, 300])))
        elif kind == 1:
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        elif kind == 2:
            octets = octets[: chance.randrange(len(octets))]
        words = [
            b"\x91\x10",
            b"\x91\x00",
            b"\x90\x00",
            b"\x93\x00",
            b"\x6f\x00",
            b"\x62\x00",
            b"",
            b"\x9f",
        ]
        yield bytes(octets) + chance.choices(words, [8, 4, 4, 1, 1, 1, 1, 1])[0]


def test_hostile_cards() -> None:
    """Three hundred cards that answer anything: the terminal neither fails nor goes on for ever."""
    for seed in range(300):
        answers = anything(random.Random(seed))
        card = Hostile(lambda _, answers=answers: next(answers))  # type: ignore[misc]  # bound here
        live(card)

        assert card.asked < 6000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=260), min_size=1, max_size=20))
def test_any_answers(answers: list[bytes]) -> None:
    """The same with whatever hypothesis finds."""
    state = [0]

    def answer(_: bytes) -> bytes:
        state[0] += 1
        return answers[state[0] % len(answers)]

    live(Hostile(answer))


def test_real_card_behind_noise() -> None:
    """Octets that change on the contacts: neither side fails, and a power-on mends all."""
    chance = random.Random(7816)

    def noise(_: bytes, response: bytes) -> bytes:
        changed = bytearray(response)
        if chance.random() < 0.2:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)

    for start in range(10, 40):
        there, sender = Mobile(card_with(POLICY), meddle=noise), Sender(start=start)
        there.on()
        there.message(trigger(sender))
        there.poll(5)
        there.meddle = lambda _, response: response
        there.on()
        if not there.agent.orders:
            there.message(trigger(sender))

        assert there.agent.orders


def test_two_terminals_one_card() -> None:
    """Our card in another terminal, another card in our terminal: neither knows. R-03."""
    card = Card(request())
    there = terminal(card, agent := Agent())
    there.power_on(0.0)

    assert 1 == len(agent.orders)
    assert (
        ResponseApdu.decode(card_with(POLICY).transact(bytes.fromhex("8010000001FF"))).sw1 == 0x91
    )


def test_orders_are_those_of_the_card() -> None:
    """The agent hears whose order it is; a reset changes nothing, another card does. RS-22, RS-23.

    docs/request-synchronization.md clause 4.6.
    """
    number = bytes.fromhex("98001032547698103214") + b"\x90\0"
    card = Card(request(), answers={Ins.READ_BINARY: number})
    there = terminal(card, agent := Agent())
    for _ in range(2):
        there.power_on(0.0)

    assert (["89000123456789012341"], []) == (agent.cards, agent.gone)

    card.answers[Ins.READ_BINARY] = bytes(10) + b"\x90\0"
    there.power_on(1.0)

    assert ["89000123456789012341"] == agent.gone
