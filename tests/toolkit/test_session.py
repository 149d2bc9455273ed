"""The two halves of the proactive session, back to back, over a link that loses and repeats."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.toolkit import commands
from cardsync.toolkit.codes import CommandType, GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import CommandDetails, Result, TextString
from cardsync.toolkit.session import (
    CARD_NEXT,
    TERMINAL_NEXT,
    CardSession,
    CommandAnswered,
    CommandAnsweredLate,
    CommandUnanswered,
    Happened,
    OutOfTurn,
    State,
    TerminalSession,
)

STATUS = CommandApdu(0x80, Ins.STATUS, 0, 0x0C)
ENVELOPE = CommandApdu(0x80, Ins.ENVELOPE, data=b"\xd7\0", le=256)
REFRESH = commands.command(CommandType.REFRESH, qualifier=4)
"""UICC reset."""


def text(content: str = "Toolkit Test 1") -> ProactiveCommand:
    """Give a command that shows a text."""
    return commands.display_text(content)


def performed(command: ProactiveCommand) -> TerminalResponse:
    """Give the response to it."""
    return TerminalResponse(command.details, Result(GeneralResult.PERFORMED))


class Card:
    """What a card does around its half: every answer carries the status word."""

    def __init__(self, patience: int = 3) -> None:
        self.session = CardSession(patience)
        self.happened: list[Happened] = []

    def transact(self, apdu: CommandApdu) -> ResponseApdu:
        """Answer FETCH, TERMINAL RESPONSE and STATUS."""
        if apdu.ins == Ins.STATUS:
            self.session.poll()
        data = b""
        if apdu.ins in {Ins.FETCH, Ins.TERMINAL_RESPONSE}:
            try:
                data = self.session.receive_data(apdu)
            except PeerError as exc:
                return ResponseApdu(exc.answer or 0)
        self.happened += self.session.events()
        return ResponseApdu(self.session.status_word, data)


class Terminal:
    """What a terminal does around its half: it polls, and does what is fetched."""

    def __init__(self, card: Card) -> None:
        self.session = TerminalSession()
        self.card = card
        self.done: list[ProactiveCommand] = []

    def poll(self, faults: Iterator[str]) -> None:
        """Send STATUS, then all that follows; a fault may befall each instruction."""
        apdu: CommandApdu | None = STATUS
        while apdu is not None:
            self.step(apdu, next(faults, ""))
            apdu = self.session.data_to_send()

    def send(self, envelope: CommandApdu) -> None:
        """Send what happened; the card may have no time for it."""
        self.take(self.card.transact(envelope), envelope)

    def step(self, apdu: CommandApdu, fault: str) -> None:
        """Exchange one instruction over the link."""
        if fault == "lost before" and apdu.ins != Ins.STATUS:
            self.session.repeat()
            return
        response = self.card.transact(apdu)
        if fault == "reset":
            self.reset()
        elif fault == "lost behind" and apdu.ins != Ins.STATUS:
            self.session.repeat()
        elif fault == "twice":
            self.card.transact(apdu)
            self.take(response, apdu)
        elif fault != "lost behind":
            self.take(response, apdu)

    def reset(self) -> None:
        """Reset the card: both halves begin anew."""
        self.card.session = CardSession(3)
        self.session.reset()

    def take(self, response: ResponseApdu, apdu: CommandApdu) -> None:
        """Look at a response, do what came."""
        self.session.receive_data(response, apdu)
        for fetched in self.session.events():
            command = ProactiveCommand.decode(fetched.octets)
            self.done.append(command)
            if command.details.type == CommandType.REFRESH:
                self.reset()
            else:
                self.session.respond(performed(command))


def test_one_command_through_the_whole_session() -> None:
    """91 XX, FETCH, TERMINAL RESPONSE, 90 00. TS 102 221 clause 7.4.2."""
    card, terminal = CardSession(), TerminalSession()

    assert card.idle
    assert 1 == card.offer(text())
    assert not card.idle
    assert 0x911C == card.status_word

    terminal.receive_data(ResponseApdu(card.status_word))
    fetch = terminal.data_to_send()

    assert bytes.fromhex("801200001C") == (fetch or STATUS).encode()
    assert fetch is not None

    octets = card.receive_data(fetch)
    terminal.receive_data(ResponseApdu(card.status_word, octets), fetch)
    (fetched,) = terminal.events()

    assert bytes.fromhex("D01A 8103012101 82028102 8D0F04") + b"Toolkit Test 1" == fetched.octets

    terminal.respond(performed(ProactiveCommand.decode(fetched.octets)))
    response = terminal.data_to_send()

    assert response is not None
    assert bytes.fromhex("801400000C 8103012101 82028281 830100") == response.encode()
    assert b"" == card.receive_data(response)

    terminal.receive_data(ResponseApdu(card.status_word), response)
    (answered,) = card.events()

    assert isinstance(answered, CommandAnswered)
    assert answered.response.performed
    assert (SW.OK, True, None) == (card.status_word, card.idle, terminal.data_to_send())


def test_a_command_of_256_octets() -> None:
    """XX is 00 then, and so is Le of FETCH; one octet more does not fit."""
    card, terminal = CardSession(), TerminalSession()
    room = 256 - len(text("").encode()) - 2  # the outer and the text's length take two octets more
    card.offer(text("a" * room))

    assert 0x9100 == card.status_word

    terminal.receive_data(ResponseApdu(card.status_word))
    fetch = terminal.data_to_send()

    assert fetch is not None
    assert (256, 256) == (fetch.le, len(card.receive_data(fetch)))
    with pytest.raises(LocalError, match="257 octets"):
        card.offer(text("a" * (room + 1)))


def test_commands_wait_in_their_order_and_are_counted_from_1_to_254() -> None:
    """TS 102 223 clause 8.6; and not more than can be told apart."""
    card = Card()
    terminal = Terminal(card)
    numbers = []
    for _ in range(4):
        numbers += [card.session.offer(text(str(index))) for index in range(64)]
        terminal.poll(iter(()))

    assert [*range(1, 255), 1, 2] == numbers
    assert numbers == [command.details.number for command in terminal.done]
    for _ in range(65):  # one is on its way, 64 wait
        card.session.offer(text())
    with pytest.raises(LocalError, match="wait already"):
        card.session.offer(text())


class Events(Card):
    """A card that has no time for an event while a command is with the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []

    def transact(self, apdu: CommandApdu) -> ResponseApdu:
        """Take an ENVELOPE, or say `93 00`. TS 102 221 clause 14.6.6."""
        if apdu.ins != Ins.ENVELOPE:
            return super().transact(apdu)
        if not self.session.idle:
            return ResponseApdu(SW.BUSY)
        self.heard.append(apdu.data)
        return ResponseApdu(self.session.status_word)


FAULTS = ["", "lost before", "lost behind", "twice", "reset"]


@given(st.lists(st.sampled_from(FAULTS), max_size=12))
def test_loss_repetition_and_reset_at_every_step(faults: list[str]) -> None:
    """Whatever befalls the link, the card ends idle and hears of each command once at most."""
    card = Card()
    terminal = Terminal(card)
    offered = [card.session.offer(text(str(index))) for index in range(3)]
    following = iter(faults)
    for _ in range(30):
        terminal.poll(following)

    told = [happened.command.details.number for happened in card.happened]

    assert card.session.idle
    assert told == sorted(set(told))
    assert "reset" in faults or offered == told


ACTS = ["offer", "refresh", "event", "poll"]


@example(["offer", "event", "poll"], ["", "", "", "lost before"])
@example(["offer", "event", "poll"], ["", "", "", "lost behind"])
@given(st.lists(st.sampled_from(ACTS), max_size=12), st.lists(st.sampled_from(FAULTS), max_size=20))
def test_events_that_find_the_card_busy(acts: list[str], faults: list[str]) -> None:
    """However instructions are lost or repeated, an event gets through; a reset alone ends it.

    REFRESH resets the card in the middle. TS 102 223 clause 6.4.7, TS 102 221 clause 14.6.6.
    """
    card = Events()
    terminal = Terminal(card)
    following, told = iter(faults), list[bytes]()
    for number, act in enumerate(acts):
        if act == "event":
            told.append(bytes([0xD7, 1, number]))
            terminal.send(CommandApdu(0x80, Ins.ENVELOPE, data=told[-1], le=256))
        elif act == "poll":
            terminal.poll(following)
        else:
            card.session.offer(text() if act == "offer" else REFRESH)
    for _ in range(30):
        terminal.poll(iter(()))

    assert card.session.idle
    assert set(card.heard) <= set(told)
    assert {"reset", "refresh"} & {*faults, *acts} or set(told) == set(card.heard)
    assert {"lost behind", "twice"} & set(faults) or len(card.heard) == len(set(card.heard))


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_at_each_step(fault: str, step: int) -> None:
    """STATUS, FETCH, TERMINAL RESPONSE and what follows: each is lost, repeated or cut off."""
    card = Card()
    terminal = Terminal(card)
    card.session.offer(text("a"))
    card.session.offer(text("b"))
    terminal.poll(iter([""] * step + [fault]))
    for _ in range(8):
        terminal.poll(iter(()))

    assert card.session.idle
    assert fault == "reset" or [1, 2] == [one.command.details.number for one in card.happened]


def test_fetch_again_gives_the_same() -> None:
    """A command whose answer was lost is fetched again, octet for octet."""
    card = CardSession()
    card.offer(text())
    fetch = CommandApdu(0x80, Ins.FETCH, le=28)

    assert card.receive_data(fetch) == card.receive_data(fetch)


def test_a_command_that_is_never_answered() -> None:
    """After so many polls it counts as unanswered, and the next one has its turn."""
    card = CardSession(patience=3)
    card.offer(text("a"))
    card.offer(text("b"))
    card.poll()
    card.receive_data(CommandApdu(0x80, Ins.FETCH, le=256))
    card.poll()
    card.poll()

    assert ([], SW.OK) == (card.events(), card.status_word)

    card.poll()
    (happened,) = card.events()

    assert isinstance(happened, CommandUnanswered)
    assert (1, 0x91) == (happened.command.details.number, card.status_word >> 8)

    card.receive_data(CommandApdu(0x80, Ins.FETCH, le=256))
    card.poll()
    card.poll()

    assert [] == card.events()


def fetched(card: CardSession) -> ProactiveCommand:
    """Fetch a command."""
    return ProactiveCommand.decode(card.receive_data(CommandApdu(0x80, Ins.FETCH, le=256)))


def answer(card: CardSession, command: ProactiveCommand) -> None:
    """Bring the response of a command."""
    response = performed(command).encode()
    card.receive_data(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=response))


def test_a_command_that_is_abandoned() -> None:
    """Only one that is fetched, and of these types; the next one has its turn at once."""
    card = CardSession()
    card.offer(text("a"))
    card.offer(text("b"))

    assert not card.abandon({CommandType.DISPLAY_TEXT})

    first = fetched(card)

    assert not card.abandon({CommandType.GET_INKEY})
    assert card.abandon({CommandType.DISPLAY_TEXT})
    assert [CommandUnanswered(first)] == card.events()
    assert 0x91 == card.status_word >> 8
    assert 2 == fetched(card).details.number


@pytest.mark.parametrize("point", ["pending", "fetched", "idle"])
def test_a_late_answer(point: str) -> None:
    """It is that of the old command, wherever the next one stands, and is taken once."""
    card = CardSession()
    card.offer(text("a"))
    old = fetched(card)
    card.abandon({CommandType.DISPLAY_TEXT})
    card.events()
    if point != "idle":
        card.offer(text("b"))
    following = fetched(card) if point == "fetched" else None
    answer(card, old)

    assert [CommandAnsweredLate(old, performed(old))] == card.events()
    assert (point == "idle") == card.idle

    with pytest.raises(PeerError):
        answer(card, old)

    if following is not None:
        answer(card, following)

        assert [CommandAnswered(following, performed(following))] == card.events()


def test_numbers_come_again() -> None:
    """After 254 commands a number is given again: its response is of the new command alone."""
    card = CardSession()
    card.offer(text("a"))
    old = fetched(card)
    card.abandon({CommandType.DISPLAY_TEXT})
    for _ in range(253):
        card.offer(text("b"))
        answer(card, fetched(card))
    card.events()
    card.offer(text("c"))
    new = fetched(card)

    assert old.details == new.details

    answer(card, new)

    assert [CommandAnswered(new, performed(new))] == card.events()


@given(st.lists(st.sampled_from(("offer", "fetch", "answer", "abandon", "poll", "late"))))
def test_every_command_has_one_end(steps: list[str]) -> None:
    """Whatever happens in whatever order: answered or unanswered, once; a late answer behind."""
    card, late, current = CardSession(patience=3), list[ProactiveCommand](), None
    happened: list[Happened] = []
    for step in steps:
        if step == "offer" and len(card._queue) < 60:
            card.offer(text())
        elif step == "fetch" and card.status_word != SW.OK:
            current = fetched(card)
        elif step == "answer" and current is not None:
            answer(card, current)
            current = None
        elif step == "late" and late:
            answer(card, late.pop(0))
        elif step == "poll":
            card.poll()
        elif step == "abandon":
            card.abandon({CommandType.DISPLAY_TEXT})
        for one in card.events():
            happened.append(one)
            if isinstance(one, CommandUnanswered):
                late.append(one.command)
                current = None
    ended = [one.command for one in happened if not isinstance(one, CommandAnsweredLate)]
    afterwards = [one.command for one in happened if isinstance(one, CommandAnsweredLate)]
    given_up = [one.command for one in happened if isinstance(one, CommandUnanswered)]

    assert list(range(1, len(ended) + 1)) == [one.details.number for one in ended]
    assert given_up[: len(afterwards)] == afterwards


@pytest.mark.parametrize(
    "details",
    [CommandDetails(2, CommandType.DISPLAY_TEXT), CommandDetails(1, CommandType.GET_INKEY)],
)
def test_a_response_of_another_command_is_refused(details: CommandDetails) -> None:
    """Number and type must be those of the command; the command stays with the terminal."""
    card = CardSession()
    card.offer(text())
    card.receive_data(CommandApdu(0x80, Ins.FETCH, le=28))
    wrong = TerminalResponse(details, Result(GeneralResult.PERFORMED)).encode()
    with pytest.raises(PeerError) as caught:
        card.receive_data(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=wrong))

    assert (SW.INCORRECT_DATA, []) == (caught.value.answer, card.events())
    assert not card.idle


def test_a_response_that_cannot_be_read_is_refused() -> None:
    """The status word is `6A80`; the terminal may answer again."""
    card = CardSession()
    card.offer(text())
    card.receive_data(CommandApdu(0x80, Ins.FETCH, le=28))
    with pytest.raises(PeerError) as caught:
        card.receive_data(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=b"\x81\x03"))

    assert SW.INCORRECT_DATA == caught.value.answer

    good = performed(
        ProactiveCommand.decode(card.receive_data(CommandApdu(0x80, Ins.FETCH, le=28)))
    )
    card.receive_data(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=good.encode()))

    assert card.idle


def test_what_is_out_of_turn_for_the_card() -> None:
    """The table lacks it: FETCH of nothing, a response to nothing, a response before FETCH."""
    card = CardSession()
    for offered in (False, True):
        if offered:
            card.offer(text())
        for ins in Ins:
            if (State.PENDING if offered else State.IDLE, ins) in CARD_NEXT:
                continue
            with pytest.raises(OutOfTurn) as caught:
                card.receive_data(CommandApdu(0x80, ins))

            assert SW.CONDITIONS_NOT_SATISFIED == caught.value.answer


def test_a_terminal_that_swallows_a_command() -> None:
    """It leaves the command without a response and fetches the next one. RS-43."""
    card, terminal = CardSession(), TerminalSession()
    card.offer(text("a"))
    terminal.receive_data(ResponseApdu(card.status_word))
    fetch = terminal.data_to_send()
    assert fetch is not None
    terminal.receive_data(ResponseApdu(SW.OK, card.receive_data(fetch)), fetch)
    terminal.forget()
    card.offer(text("b"))
    card.abandon({CommandType.DISPLAY_TEXT})
    terminal.receive_data(ResponseApdu(card.status_word))

    assert fetch == terminal.data_to_send()


def test_what_is_out_of_turn_for_the_terminal() -> None:
    """Nothing to respond to, to leave, to repeat."""
    terminal = TerminalSession()
    with pytest.raises(OutOfTurn):
        terminal.respond(performed(text()))
    with pytest.raises(OutOfTurn):
        terminal.forget()
    with pytest.raises(OutOfTurn):
        terminal.repeat()

    terminal.receive_data(ResponseApdu(0x911C))
    fetch = terminal.data_to_send()
    terminal.receive_data(ResponseApdu(SW.OK, text().encode()), fetch)
    with pytest.raises(OutOfTurn):
        terminal.repeat()


def test_while_a_command_is_being_done_other_answers_change_nothing() -> None:
    """STATUS and ENVELOPE go on while a text is shown; 91 XX is for later then."""
    terminal = TerminalSession()
    terminal.receive_data(ResponseApdu(0x911C))
    terminal.receive_data(ResponseApdu(0x911C))  # FETCH was not even sent

    assert terminal.data_to_send() is not None

    terminal.receive_data(ResponseApdu(SW.OK, text().encode()))
    terminal.receive_data(ResponseApdu(0x9120))

    assert (1, None) == (len(terminal.events()), terminal.data_to_send())

    terminal.respond(performed(text()))
    terminal.receive_data(ResponseApdu(SW.OK))  # of an ENVELOPE that was under way

    assert terminal.data_to_send() is not None


def test_a_fetch_that_brings_nothing() -> None:
    """The card refused it: the terminal is where it was before."""
    terminal = TerminalSession()
    terminal.receive_data(ResponseApdu(0x911C))
    fetch = terminal.data_to_send()
    terminal.receive_data(ResponseApdu(SW.TECHNICAL_PROBLEM), fetch)

    assert ([], None) == (terminal.events(), terminal.data_to_send())

    terminal.receive_data(ResponseApdu(0x911C))

    assert fetch == terminal.data_to_send()


def test_an_envelope_that_the_card_is_too_busy_for() -> None:
    """`93 00`: it is brought again when the command is answered. TS 102 221 clause 14.6.6."""
    terminal = TerminalSession()
    terminal.receive_data(ResponseApdu(0x911C))
    fetch = terminal.data_to_send()
    terminal.receive_data(ResponseApdu(SW.OK, text().encode()), fetch)
    terminal.receive_data(ResponseApdu(SW.BUSY), ENVELOPE)

    assert terminal.data_to_send() is None

    terminal.respond(performed(text()))
    response = terminal.data_to_send()
    terminal.receive_data(ResponseApdu(SW.OK), response)

    assert ENVELOPE == terminal.data_to_send()

    terminal.receive_data(ResponseApdu(SW.BUSY), ENVELOPE)

    assert terminal.data_to_send() is None

    terminal.receive_data(ResponseApdu(SW.OK), STATUS)

    assert (ENVELOPE, None) == (terminal.data_to_send(), terminal.data_to_send())


def test_a_reset_forgets_everything() -> None:
    """What was fetched, what was refused, what was to be sent."""
    terminal = TerminalSession()
    terminal.receive_data(ResponseApdu(SW.BUSY), ENVELOPE)
    terminal.receive_data(ResponseApdu(0x911C))
    terminal.data_to_send()
    terminal.receive_data(ResponseApdu(SW.OK, text().encode()))
    terminal.reset()

    assert ([], None) == (terminal.events(), terminal.data_to_send())
    with pytest.raises(OutOfTurn):
        terminal.repeat()


def test_the_tables_end_where_they_begin() -> None:
    """From each state of a table an instruction leads on, or the session is at rest."""
    card = {state for state, _ in CARD_NEXT} | set(CARD_NEXT.values())
    terminal = {state for state, _ in TERMINAL_NEXT} | set(TERMINAL_NEXT.values())

    assert {State.IDLE, State.PENDING, State.FETCHED} == card
    assert set(State) == terminal


def test_a_question_with_two_answers() -> None:
    """GET INKEY in yes/no: 01 is yes. TS 31.124 clause 27.22.4.2, sequence 5.1."""
    yes = TerminalResponse.decode(bytes.fromhex("8103012204820282818301008D020401"))
    no = TerminalResponse.decode(bytes.fromhex("8103012204820282818301008D020400"))
    refused = TerminalResponse.decode(bytes.fromhex("810301220482028281830112"))

    assert [True, False, False] == [commands.is_yes(one) for one in (yes, no, refused)]
    assert TextString("£") == commands.yes_no(yes=True)
