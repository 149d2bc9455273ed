"""The SMPP session: two halves back to back, with loss and repetition, and no socket."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError
from cardsync.transport.smpp import Framer, Pdu
from cardsync.transport.smpp_bodies import (
    Address,
    Bind,
    BindResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from cardsync.transport.smpp_codes import BINDS, RESPONSE, CommandId, CommandStatus
from cardsync.transport.smpp_session import (
    MAY_ASK,
    NEXT,
    Answered,
    Ended,
    Event,
    Limits,
    Requested,
    Role,
    Session,
    State,
    Unanswered,
    Violation,
)

SUBMIT = SubmitSm(Address("1234"), Address("491711"), b"\2\x70\0data")
DELIVER = DeliverSm(Address("491711"), Address("1234"), b"\2\x71\0proof")
BOUND = {
    CommandId.BIND_TRANSMITTER: State.BOUND_TX,
    CommandId.BIND_RECEIVER: State.BOUND_RX,
    CommandId.BIND_TRANSCEIVER: State.BOUND_TRX,
}


def pair(
    command: CommandId = CommandId.BIND_TRANSCEIVER, limits: Limits | None = None
) -> tuple[Session, Session]:
    """Give an ESME and a message centre that are bound, at time 0, without events."""
    esme, smsc = Session(Role.ESME, 0, limits), Session(Role.SMSC, 0, limits)
    esme.ask(Bind(command, "gateway", "secret"), 0)
    exchange(esme, smsc)
    for asked in smsc.events():
        assert isinstance(asked, Requested)
        smsc.answer(asked.sequence, BindResp(CommandId(command | RESPONSE), "centre"))
    exchange(esme, smsc)
    esme.events()
    return esme, smsc


def exchange(one: Session, other: Session, now: float = 0) -> None:
    """Carry octets both ways until both are silent."""
    while octets := (one.data_to_send(), other.data_to_send()):
        if octets == (b"", b""):
            return
        other.receive_data(octets[0], now)
        one.receive_data(octets[1], now)


def received(session: Session) -> list[Pdu]:
    """Give what a session says, as PDUs."""
    framer, found = Framer(), []
    framer.feed(session.data_to_send())
    while (frame := framer.take()) is not None:
        found.append(Pdu.decode(frame))
    return found


def say(session: Session, pdu: Pdu, now: float = 0) -> list[Pdu]:
    """Hand a PDU to a session and give what it says at once."""
    session.receive_data(pdu.encode(), now)
    return received(session)


@pytest.mark.parametrize("command", sorted(BINDS))
def test_bind(command: CommandId) -> None:
    """Each bind has its state on both sides. Clause 2.2."""
    esme, smsc = pair(command)

    assert BOUND[command] is esme.state
    assert BOUND[command] is smsc.state


def test_bind_refused_ends_the_esme() -> None:
    """A wrong password: ESME_RINVPASWD, and the centre stays open. Clause 4.1."""
    esme, smsc = Session(Role.ESME, 0), Session(Role.SMSC, 0)
    bind = Bind(CommandId.BIND_TRANSCEIVER, "gateway", "wrong")
    sequence = esme.ask(bind, 0)
    exchange(esme, smsc)
    smsc.refuse(sequence, CommandStatus.ESME_RINVPASWD)
    exchange(esme, smsc)

    refused = BindResp(CommandId.BIND_TRANSCEIVER_RESP, None)
    assert [
        Answered(1, bind, CommandStatus.ESME_RINVPASWD, refused),
        Ended("bind refused: ESME_RINVPASWD"),
    ] == esme.events()
    assert State.OPEN is smsc.state


def test_submit_is_answered_by_the_application() -> None:
    """Nothing is acknowledged before the application says so. Clause 4.4."""
    esme, smsc = pair()
    sequence = esme.ask(SUBMIT, 0)
    exchange(esme, smsc)

    assert [Requested(sequence, SUBMIT)] == smsc.events()
    assert esme.events() == []
    assert smsc.owes(sequence)

    smsc.answer(sequence, SubmitSmResp("17"))
    exchange(esme, smsc)

    assert [Answered(sequence, SUBMIT, 0, SubmitSmResp("17"))] == esme.events()


def test_proof_before_the_submit_response() -> None:
    """A deliver_sm about a message may come before the response to its submit_sm."""
    esme, smsc = pair()
    sequence = esme.ask(SUBMIT, 0)
    exchange(esme, smsc)
    smsc.ask(DELIVER, 0)
    exchange(esme, smsc)
    [proof] = esme.events()
    smsc.answer(sequence, SubmitSmResp("17"))
    exchange(esme, smsc)

    assert isinstance(proof, Requested)
    assert [Answered(sequence, SUBMIT, 0, SubmitSmResp("17"))] == esme.events()
    esme.answer(proof.sequence, DeliverSmResp())


@pytest.mark.parametrize(
    ("command", "role", "request_"),
    [
        (CommandId.BIND_RECEIVER, Role.ESME, SUBMIT),
        (CommandId.BIND_TRANSMITTER, Role.SMSC, DELIVER),
        (CommandId.BIND_TRANSCEIVER, Role.ESME, DELIVER),
        (CommandId.BIND_TRANSCEIVER, Role.SMSC, SUBMIT),
    ],
)
def test_out_of_turn(command: CommandId, role: Role, request_: SubmitSm | DeliverSm) -> None:
    """Table 2-1: refused on our side, answered ESME_RINVBNDSTS on the other."""
    esme, smsc = pair(command)
    ours, theirs = (esme, smsc) if role is Role.ESME else (smsc, esme)
    with pytest.raises(LocalError):
        ours.ask(request_, 0)

    [answer] = say(theirs, Pdu(request_, 9))

    assert (answer.sequence, answer.status) == (9, CommandStatus.ESME_RINVBNDSTS)


def test_out_of_turn_before_the_bind() -> None:
    """Even enquire_link is refused in OPEN; a second bind gets ESME_RALYBND."""
    smsc = Session(Role.SMSC, 0)
    bind = Bind(CommandId.BIND_RECEIVER, "gateway", "secret")
    refused = BindResp(CommandId.BIND_RECEIVER_RESP, None)

    assert [Pdu(EnquireLinkResp(), 1, CommandStatus.ESME_RINVBNDSTS)] == say(
        smsc, Pdu(EnquireLink(), 1)
    )
    assert say(smsc, Pdu(bind, 2)) == []
    assert [Pdu(refused, 3, CommandStatus.ESME_RALYBND)] == say(smsc, Pdu(bind, 3))
    smsc.answer(2, BindResp(CommandId.BIND_RECEIVER_RESP, "centre"))
    smsc.data_to_send()
    assert [Pdu(refused, 4, CommandStatus.ESME_RALYBND)] == say(smsc, Pdu(bind, 4))


def test_window() -> None:
    """Not more requests wait than the window holds; link requests are outside it. Clause 2.9."""
    esme, smsc = pair(limits=Limits(window=2))
    esme.ask(SUBMIT, 0)
    second = esme.ask(SUBMIT, 0)
    esme.ask(EnquireLink(), 0)
    with pytest.raises(LocalError):
        esme.ask(SUBMIT, 0)
    exchange(esme, smsc)
    smsc.refuse(second, CommandStatus.ESME_RMSGQFUL)
    exchange(esme, smsc)

    assert esme.free == 1
    assert CommandStatus.ESME_RMSGQFUL in [getattr(e, "status", None) for e in esme.events()]


def test_incoming_requests_are_bounded() -> None:
    """Above the bound a request is refused at once, and not kept."""
    esme, smsc = pair(limits=Limits(window=5, incoming=1))

    assert say(smsc, Pdu(SUBMIT, 90)) == []
    assert [Pdu(SubmitSmResp(None), 91, CommandStatus.ESME_RTHROTTLED)] == say(
        smsc, Pdu(SUBMIT, 91)
    )
    assert say(esme, Pdu(DELIVER, 90)) == []
    assert [Pdu(DeliverSmResp(), 91, CommandStatus.ESME_RX_T_APPN)] == say(esme, Pdu(DELIVER, 91))


def test_response_timeout() -> None:
    """A request without response is given up, once; the session lives on. Clause 7.2."""
    esme, _ = pair(limits=Limits(response_timeout=5))
    sequence = esme.ask(SUBMIT, 1)
    esme.data_to_send()

    assert esme.next_timer() == 6
    esme.handle_timer(5.9)
    assert esme.events() == []
    esme.handle_timer(6)
    assert [Unanswered(sequence, SUBMIT, "no response to SUBMIT_SM in time")] == esme.events()
    assert say(esme, Pdu(SubmitSmResp("late"), sequence)) == []
    [late] = esme.events()
    assert isinstance(late, Violation)
    assert State.BOUND_TRX is esme.state


def test_enquire_link_both_ways() -> None:
    """Silence makes each side ask, and the answer comes by itself. Clause 4.11."""
    for asking, answering in (pair(), pair()[::-1]):
        assert asking.next_timer() == 30
        asking.handle_timer(30)
        asking.handle_timer(31)
        exchange(asking, answering, 31)

        assert [EnquireLinkResp.command] == [
            e.response.command for e in asking.events() if isinstance(e, Answered)
        ]
        assert asking.next_timer() == 61


def test_dead_peer_ends_the_session() -> None:
    """An enquire_link that nobody answers ends it; what waited is told."""
    esme, _ = pair()
    esme.handle_timer(30)
    assert esme.next_timer() == 40
    sequence = esme.ask(SUBMIT, 35)
    esme.handle_timer(40)

    reason = "no response to ENQUIRE_LINK in time"
    events = esme.events()
    assert Unanswered(sequence, SUBMIT, reason) in events
    assert Ended(reason) == events[-1]
    assert State.CLOSED is esme.state
    assert esme.next_timer() is None


def test_octets_show_that_the_peer_lives() -> None:
    """A lost enquire_link_resp beside other traffic ends nothing."""
    esme, _ = pair()
    esme.handle_timer(30)
    say(esme, Pdu(DELIVER, 90), 35)
    esme.handle_timer(40)

    assert State.BOUND_TRX is esme.state


def test_no_bind_in_time() -> None:
    """The session_init_timer of clause 7.2."""
    smsc = Session(Role.SMSC, 100)

    assert smsc.next_timer() == 110
    smsc.handle_timer(110)
    assert [Ended("no bind within the time for it")] == smsc.events()


def test_bind_without_answer() -> None:
    """An ESME does not wait for ever either."""
    esme = Session(Role.ESME, 0)
    esme.ask(Bind(CommandId.BIND_RECEIVER, "gateway", "secret"), 0)
    esme.handle_timer(10)

    assert Ended("no response to BIND_RECEIVER in time") == esme.events()[-1]


@pytest.mark.parametrize("by_centre", [False, True])
def test_unbind(by_centre: bool) -> None:
    """Either side may end it; both are UNBOUND, and what waited is told. Clause 4.2."""
    one, other = pair()[:: -1 if by_centre else 1]
    message = DELIVER if by_centre else SUBMIT
    sequence = one.ask(message, 0)
    one.ask(Unbind(), 0)
    exchange(one, other)

    assert Ended("the peer unbound") == other.events()[-1]
    assert Unanswered(sequence, message, "unbound") in one.events()
    assert [one.state, other.state] == [State.UNBOUND] * 2
    assert not other.owes(sequence)
    one.receive_eof()
    assert State.CLOSED is one.state


def test_unbind_is_answered() -> None:
    """unbind_resp is the last thing said; what comes behind is dropped."""
    _, smsc = pair()

    assert [Pdu(UnbindResp(), 5)] == say(smsc, Pdu(Unbind(), 5))
    assert say(smsc, Pdu(SUBMIT, 6)) == []


def test_connection_lost() -> None:
    """What waited for an answer has none."""
    esme, _ = pair()
    sequence = esme.ask(SUBMIT, 0)
    esme.receive_eof()
    esme.receive_eof()

    reason = "the connection was lost"
    assert [Unanswered(sequence, SUBMIT, reason), Ended(reason)] == esme.events()
    esme.handle_timer(1000)
    with pytest.raises(LocalError):
        esme.ask(SUBMIT, 0)


def test_corrupt_length_ends_the_session() -> None:
    """generic_nack with ESME_RINVCMDLEN, then the end: no border is found again. Clause 4.3."""
    esme, smsc = pair()
    smsc.receive_data(bytes.fromhex("00010001"), 0)

    assert [Pdu(GenericNack(), 0, CommandStatus.ESME_RINVCMDLEN)] == received(smsc)
    assert State.CLOSED is smsc.state
    assert [Violation, Ended] == [type(event) for event in smsc.events()]
    assert not esme.ended


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (
            "00000010 000000AA 00000000 00000009",
            Pdu(GenericNack(), 9, CommandStatus.ESME_RINVCMDID),
        ),
        (
            "00000011 00000004 00000000 00000009 00",
            Pdu(GenericNack(), 9, CommandStatus.ESME_RINVCMDLEN),
        ),
        (
            "00000012 00000004 00000000 00000009 FF00",
            Pdu(SubmitSmResp(None), 9, CommandStatus.ESME_RINVSERTYP),
        ),
    ],
)
def test_malformed_request(octets: str, answer: Pdu) -> None:
    """A bad header is nacked, a bad field has its response; the session goes on. Clause 4.3."""
    _, smsc = pair()
    smsc.receive_data(bytes.fromhex(octets), 0)

    assert [answer] == received(smsc)
    assert State.BOUND_TRX is smsc.state


def test_malformed_response_settles_the_request() -> None:
    """A response that cannot be read is never answered; the request's outcome is unknown."""
    esme, _ = pair()
    sequence = esme.ask(SUBMIT, 0)
    esme.data_to_send()
    esme.receive_data(bytes.fromhex("00000010 80000004 00000000") + sequence.to_bytes(4, "big"), 0)

    assert esme.data_to_send() == b""
    assert [Violation, Unanswered] == [type(event) for event in esme.events()]
    esme.receive_data(bytes.fromhex("00000010 800000AA 00000000 00000009"), 0)
    assert esme.data_to_send() == b""


def test_generic_nack_settles_the_request() -> None:
    """A request that the peer could not read is answered with its status."""
    esme, _ = pair()
    sequence = esme.ask(SUBMIT, 0)
    say(esme, Pdu(GenericNack(), sequence, CommandStatus.ESME_RINVCMDLEN))

    expected = Answered(sequence, SUBMIT, CommandStatus.ESME_RINVCMDLEN, GenericNack())
    assert [expected] == esme.events()


def test_response_of_another_kind() -> None:
    """A response answers a request of its own kind only."""
    esme, _ = pair()
    sequence = esme.ask(SUBMIT, 0)
    say(esme, Pdu(UnbindResp(), sequence))

    assert [Violation("UNBIND_RESP answers nothing that waits")] == esme.events()
    assert State.BOUND_TRX is esme.state


def test_answers_must_fit() -> None:
    """We answer only what was asked, once, with its own response."""
    _, smsc = pair()
    say(smsc, Pdu(SUBMIT, 9))
    with pytest.raises(LocalError):
        smsc.answer(9, DeliverSmResp())
    smsc.answer(9, SubmitSmResp("17"))
    with pytest.raises(LocalError):
        smsc.answer(9, SubmitSmResp("17"))
    with pytest.raises(LocalError):
        smsc.refuse(9, CommandStatus.ESME_RSYSERR)


def test_repeated_request_is_answered_once() -> None:
    """A request said twice while it waits is one request."""
    _, smsc = pair()
    say(smsc, Pdu(SUBMIT, 9))
    say(smsc, Pdu(SUBMIT, 9))

    assert [Requested(9, SUBMIT)] == smsc.events()


def test_sequence_numbers_come_round() -> None:
    """Behind 7FFFFFFF comes 1. Clause 5.1.4."""
    esme, _ = pair()
    esme._sequence = 0x7FFFFFFE

    assert [esme.ask(SUBMIT, 0), esme.ask(SUBMIT, 0)] == [0x7FFFFFFF, 1]


def test_table_is_closed() -> None:
    """Every state but the ends can be left, and no bind is possible twice."""
    reachable = {State.OPEN} | set(NEXT.values())

    assert {State.OPEN, *BOUND.values(), State.UNBOUND} == reachable
    assert {State.OPEN} == {state for (state, _), asks in MAY_ASK.items() if asks & BINDS}


class Wire:
    """Carries PDUs one way; loses and repeats them as the numbers say."""

    def __init__(self, chances: random.Random) -> None:
        self._chances = chances
        self._framer = Framer()

    def carry(self, source: Session, target: Session, now: float) -> None:
        """Carry all that `source` has to say."""
        self._framer.feed(source.data_to_send())
        while (frame := self._framer.take()) is not None:
            for _ in range(self._chances.choice((0, 1, 1, 1, 2))):
                target.receive_data(frame, now)


class Sender:
    """An application that submits each message until it is acknowledged."""

    def __init__(self, session: Session, make: Callable[[bytes], SubmitSm | DeliverSm]) -> None:
        self.session = session
        self.make = make
        self.waiting = [bytes([number]) for number in range(10)]
        self.taken: list[bytes] = []

    def run(self, now: float) -> None:
        """Ask, answer, and handle what has happened."""
        self.session.handle_timer(now)
        while self.waiting and self.session.free:
            self.session.ask(self.make(self.waiting.pop(0)), now)
        for event in self.session.events():
            self._handle(event)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Requested):
            assert not isinstance(event.body, Bind)
            self.taken.append(event.body.short_message)
            is_submit = isinstance(event.body, SubmitSm)
            response = SubmitSmResp("1") if is_submit else DeliverSmResp()
            self.session.answer(event.sequence, response)
        elif isinstance(event, Unanswered) and isinstance(event.request, SubmitSm | DeliverSm):
            self.waiting.append(event.request.short_message)
        assert not isinstance(event, Ended)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_loss_and_repetition(seed: int) -> None:
    """Whatever is lost or repeated, every message arrives, and no session breaks."""
    limits = Limits(window=3, response_timeout=2, enquire_interval=1e6)
    sessions = pair(limits=limits)
    esme = Sender(sessions[0], lambda data: SubmitSm(Address(), Address("1"), data))
    smsc = Sender(sessions[1], lambda data: DeliverSm(Address(), Address("1"), data))
    up, down = Wire(random.Random(seed)), Wire(random.Random(seed + 1))
    now = 0.0
    while (esme.waiting or smsc.waiting or esme.session.free + smsc.session.free < 6) and now < 500:
        now += 1
        esme.run(now)
        up.carry(esme.session, smsc.session, now)
        smsc.run(now)
        down.carry(smsc.session, esme.session, now)

    everything = {bytes([number]) for number in range(10)}
    assert everything == set(smsc.taken)
    assert everything == set(esme.taken)
    assert State.BOUND_TRX is esme.session.state is smsc.session.state


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_random_octets_raise_nothing(octets: bytes, cuts: list[int]) -> None:
    """Whatever a peer sends, a session answers or ends; it never raises."""
    _, smsc = pair()
    borders = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    for start, end in pairwise(borders):
        smsc.receive_data(octets[start:end], 0)

    assert isinstance(smsc.events(), list)
