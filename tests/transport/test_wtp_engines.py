"""Initiator and responder back to back, with loss, repetition and reordering. WAP-224."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wtp
from cardsync.transport.wtp_codes import ProviderAbort, Trailer, TransactionClass
from cardsync.transport.wtp_initiator import Failed, Initiator, ResultReceived
from cardsync.transport.wtp_responder import Confirmed, Invoked, Responder
from cardsync.transport.wtp_responder import Failed as AnswerFailed
from cardsync.transport.wtp_sar import Limits
from transport.datagrams import Fate, Network, concatenated, faithful, unkind

SMALL = Limits(segment=10, group=3)
QUESTION = bytes(range(95))
ANSWER = bytes(reversed(range(120)))


def connected(fate: Fate = faithful, limits: Limits = SMALL) -> Network:
    """Give both ends; the right one answers with the reverse of what it is asked."""
    responder = Responder(limits)

    def answer(event: Any, now: float) -> None:
        if isinstance(event, Invoked) and event.tid is not None:
            responder.answer(event.tid, event.data[::-1] + b"!", now)

    return Network(Initiator(7, limits), responder, fate, answer)


def ask(network: Network, *questions: bytes) -> None:
    """Begin transactions, each when the one before is over."""
    assert isinstance(network.left, Initiator)
    for question in questions:
        network.left.invoke(question, network.now)
        told = len(network.told[0])
        network.run(until=lambda told=told: len(network.told[0]) > told)  # type: ignore[misc]  # a number of its own for each
    network.run()


def answers(network: Network) -> list[bytes]:
    """Give the results that the left side was told."""
    return [event.data for event in network.told[0] if isinstance(event, ResultReceived)]


def test_one_packet_each() -> None:
    """Invoke, verification, result, acknowledgement; then without verification. Clause 7.8."""
    network = connected()
    ask(network, b"one", b"two")

    assert [b"eno!", b"owt!"] == answers(network)
    assert [Invoked(7, b"one"), Confirmed(7), Invoked(8, b"two"), Confirmed(8)] == network.told[1]
    assert [
        ("left", "0a0007" + "02" + b"one".hex()),
        ("right", "1c8007"),
        ("left", "1c0007"),
        ("right", "128007" + b"eno!".hex()),
        ("left", "180007"),
        ("left", "0a0008" + "02" + b"two".hex()),
        ("right", "128008" + b"owt!".hex()),
        ("left", "180008"),
    ] == [(who, octets.hex()) for who, octets in network.sent]


def test_groups() -> None:
    """Ten packets go in groups of three, each acknowledged by its last. Clause 7.14."""
    network = connected()
    ask(network, b"", QUESTION)
    sent = [wtp.decode(octets) for octets in network.datagrams("left")][3:]
    trailers = [getattr(pdu, "trailer", None) for pdu in sent]

    assert [b"!", QUESTION[::-1] + b"!"] == answers(network)
    more, group, last = Trailer.MORE, Trailer.GROUP, Trailer.LAST
    assert [more, more, group] * 3 + [last] == trailers[:10]
    acks = [pdu for pdu in map(wtp.decode, network.datagrams("right")) if isinstance(pdu, wtp.Ack)]
    assert [2, 5, 8] == [ack.psn for ack in acks[1:]]


def exchanged(fate: Fate) -> Network:
    """Run two transactions, a short one and one of many packets, under a fate."""
    network = connected(fate)
    ask(network, b"short", QUESTION)
    return network


USUAL = len(exchanged(faithful).sent)


@pytest.mark.parametrize("delays", [(), (0.0, 0.0), (0.0, 0.5), (0.05,), (0.0, 4.0), (9.0,)])
def test_unkind_network_at_every_position(delays: tuple[float, ...]) -> None:
    """Whatever is lost, repeated or late, each question is told once and answered once."""
    for position in range(USUAL):
        network = exchanged(unkind(position, *delays))
        invoked = [event.data for event in network.told[1] if isinstance(event, Invoked)]

        assert [b"short", QUESTION] == sorted(invoked, key=len), position
        assert [b"trohs!", QUESTION[::-1] + b"!"] == sorted(answers(network), key=len), position


@pytest.mark.parametrize("seed", range(20))
def test_bad_network(seed: int) -> None:
    """A fifth is lost, a fifth is repeated, all of it is out of order: still once each."""
    dice = random.Random(seed)

    def fate(_number: int, _datagram: bytes) -> list[float]:
        copies = dice.choices([0, 1, 2], [1, 3, 1])[0]
        return [dice.random() for _ in range(copies)]

    network = connected(fate, Limits(segment=10, group=3, retries=30))
    ask(network, b"short", QUESTION)
    invoked = [event.data for event in network.told[1] if isinstance(event, Invoked)]

    assert [b"short", QUESTION] == sorted(invoked, key=len)
    assert [b"trohs!", QUESTION[::-1] + b"!"] == sorted(answers(network), key=len)


def test_sixty_thousand_octets_without_a_group() -> None:
    """A group of a long message is lost, each way, and sent again. Clause 7.14.3."""
    limits = Limits()
    question = random.Random(1).randbytes(60_000)

    def lose_a_group(number: int, _datagram: bytes) -> tuple[float, ...]:
        return () if number in range(20, 24) or number in range(70, 74) else (0.0,)

    network = connected(lose_a_group, limits)
    ask(network, b"", question)
    kinds = [type(wtp.decode(octets)) for _, octets in network.sent]

    assert question[::-1] + b"!" == answers(network)[1]
    assert 2 <= kinds.count(wtp.NegativeAck)
    assert len(network.sent) < 2 * (60_000 // 1400) + 60


def test_what_is_missing_is_named() -> None:
    """A packet inside a group is lost: it alone is asked for and sent again. Clause 8.3.7."""
    network = connected()
    ask(network, b"")
    first = len(network.sent)
    network.fate = unkind(first + 1)
    ask(network, QUESTION)
    pdus = [wtp.decode(octets) for _, octets in network.sent[first:]]

    assert wtp.NegativeAck(0x8008, (1,)) == pdus[3]
    assert wtp.SegmentedInvoke(8, 1, QUESTION[10:20], Trailer.MORE, rid=True) == pdus[4]


def test_hold_on() -> None:
    """An answer that takes its time: the peer is told, and does not ask again. Clause 7.3."""
    responder = Responder(SMALL)
    network = Network(Initiator(0, SMALL), responder)
    assert isinstance(network.left, Initiator)
    tid = network.left.invoke(b"think", network.now)
    network.run(20.0)

    assert ["0a0000", "1c8000", "1c0000", "188000"] == [
        octets[:3].hex() for _, octets in network.sent
    ]
    network.now += 20
    responder.answer(tid, b"thought", network.now)
    network.run(1.0)
    assert [ResultReceived(tid, b"thought")] == network.told[0]


def test_nobody_is_there() -> None:
    """After eight repetitions the transaction is given up. Clause 7.2."""
    network = connected(lambda _number, _datagram: ())
    ask(network, b"hello")

    assert [Failed(7, ProviderAbort.NORESPONSE, by_peer=False)] == network.told[0]
    assert 10 == len(network.sent)
    assert wtp.Abort(7, ProviderAbort.NORESPONSE) == wtp.decode(network.sent[-1][1])


def test_the_answer_is_never_confirmed() -> None:
    """The side that answers gives up too, and says so."""
    network = connected(lambda number, _datagram: (0.0,) if number < 4 else ())
    ask(network, b"hello")

    assert AnswerFailed(7, ProviderAbort.NORESPONSE) == network.told[1][-1]


def test_no_answer_at_all() -> None:
    """Who owes an answer and gives none ends the transaction after `Limits.answer` seconds."""
    network = Network(Initiator(0, SMALL), Responder(SMALL))
    ask(network, b"hello")

    assert [Failed(0, ProviderAbort.NORESPONSE)] == network.told[0]
    assert AnswerFailed(0, ProviderAbort.NORESPONSE) == network.told[1][-1]


def test_aborts() -> None:
    """Either side may end a transaction; the other one is told why. Clause 7.6."""
    initiator, responder = Initiator(0, SMALL), Responder(SMALL)
    network = Network(initiator, responder)
    one = initiator.invoke(b"one", network.now)
    network.run(0.5)
    initiator.abort(one, 0xE8)
    two = initiator.invoke(b"two", network.now)
    network.run(0.5)
    responder.abort(two, 0xE1)
    network.run()

    assert [Failed(two, 0xE1, user=True)] == network.told[0]
    assert AnswerFailed(one, 0xE8, user=True) in network.told[1]
    assert not responder.waits(two)


def test_old_invocation_comes_again() -> None:
    """What was told is not told again, even where it is forgotten. Clause 7.8.2."""
    network = connected()
    ask(network, b"one", b"two")
    first = network.sent[0][1]
    before = len(network.sent)
    network.right.receive_data(first, network.now)
    network.right.receive_data(wtp.encode(wtp.Invoke(6, b"older")), network.now)
    network.run()

    assert [
        wtp.Abort(0x8007, ProviderAbort.NORESPONSE),
        wtp.Ack(0x8006, tid_check=True),
        wtp.Abort(6, ProviderAbort.INVALIDTID),
    ] == [wtp.decode(octets) for _, octets in network.sent[before:]]
    assert 4 == len(network.told[1])


def test_what_is_remembered_is_bounded() -> None:
    """The oldest transactions are forgotten; a repetition of them is asked about."""
    network = connected()
    ask(network, *[b""] * 70)
    before = len(network.sent)
    for tid in (7, 70):
        network.right.receive_data(wtp.encode(wtp.Invoke(tid, b"")), network.now)
    network.run()

    sent = {wtp.decode(octets) for _, octets in network.sent[before:]}
    assert {
        wtp.Ack(0x8007, tid_check=True),
        wtp.Abort(0x8000 | 70, ProviderAbort.NORESPONSE),
    } < sent
    assert 140 == len(network.told[1])


def test_a_transaction_that_is_not_real() -> None:
    """Nobody answers the question whether it is: it is forgotten without a word."""
    responder = Responder(SMALL)
    responder.receive_data(wtp.encode(wtp.Invoke(1, b"", trailer=Trailer.GROUP)), 0.0)
    responder.receive_data(wtp.encode(wtp.SegmentedInvoke(1, 1, b"", Trailer.LAST)), 0.0)
    responder.receive_data(wtp.encode(wtp.Invoke(1, b"", rid=True)), 1.0)
    responder.handle_timer(31.0)

    assert [wtp.Ack(0x8001, tid_check=True)] * 2 == [
        wtp.decode(octets) for octets in responder.data_to_send()
    ]
    assert responder.next_timer() is None


def test_a_peer_that_falls_silent() -> None:
    """It said to hold on, and nothing more: the transaction is given up in the end."""
    initiator = Initiator(1, SMALL)
    initiator.invoke(b"", 0.0)
    initiator.receive_data(wtp.encode(wtp.Ack(0x8001)), 100.0)
    initiator.handle_timer(219.0)
    early = initiator.events()
    initiator.handle_timer(220.0)

    assert [] == early
    assert [Failed(1, ProviderAbort.NORESPONSE, by_peer=False)] == initiator.events()


def test_a_malformed_answer_ends_the_transaction() -> None:
    """What cannot be read of a transaction aborts it, on either side. Clause 9.2."""
    initiator, responder = Initiator(1, SMALL), Responder(SMALL)
    initiator.invoke(b"", 0.0)
    responder.receive_data(wtp.encode(wtp.Invoke(1, b"")), 0.0)
    responder.receive_data(wtp.encode(wtp.Ack(1, tid_check=True)), 0.0)
    for engine, octets in ((initiator, "188001ff"), (responder, "180001ff")):
        engine.data_to_send()
        with pytest.raises(PeerError):
            engine.receive_data(bytes.fromhex(octets), 0.0)

    assert [Failed(1, ProviderAbort.PROTOERR, by_peer=False)] == initiator.events()
    assert AnswerFailed(1, ProviderAbort.PROTOERR) == responder.events()[-1]


def test_packets_behind_the_last() -> None:
    """A message that goes on behind its end is a protocol error."""
    responder = Responder(SMALL)
    responder.receive_data(wtp.encode(wtp.Invoke(1, b"", trailer=Trailer.MORE)), 0.0)
    responder.receive_data(wtp.encode(wtp.Ack(1, tid_check=True)), 0.0)
    for psn, trailer in ((2, Trailer.LAST), (3, Trailer.MORE)):
        responder.receive_data(wtp.encode(wtp.SegmentedInvoke(1, psn, b"", trailer)), 0.0)

    assert wtp.Abort(0x8001, ProviderAbort.PROTOERR) == wtp.decode(responder.data_to_send()[-1])


def test_the_whole_group_is_missing() -> None:
    """A negative acknowledgement that names nothing means the whole group. Clause 8.3.7."""
    initiator = Initiator(1, SMALL)
    initiator.invoke(QUESTION, 0.0)
    initiator.data_to_send()
    initiator.receive_data(wtp.encode(wtp.NegativeAck(0x8001, ())), 0.0)
    again = [wtp.decode(octets) for octets in initiator.data_to_send()]

    assert [True] * 3 == [getattr(pdu, "rid", None) for pdu in again]


def test_tid_new_asks_again() -> None:
    """With TIDnew the last TID is not believed any more. Clause 7.8.3."""
    responder = Responder()
    for tid, tid_new in ((5, False), (6, True)):
        responder.receive_data(wtp.encode(wtp.Invoke(tid, b"", tid_new=tid_new)), 0.0)
        responder.receive_data(wtp.encode(wtp.Ack(tid, tid_check=True)), 0.0)

    assert 2 == sum(octets[0] == 0x1C for octets in responder.data_to_send())


def test_several_pdus_in_a_datagram() -> None:
    """They are taken one after the other. Clause 8.6."""
    responder = Responder(SMALL)
    parts = (wtp.Invoke(1, b"one"), wtp.Ack(1, tid_check=True), wtp.Invoke(2, b"two"))
    responder.receive_data(concatenated(*parts), 0.0)

    assert [Invoked(1, b"one"), Invoked(2, b"two")] == responder.events()


def test_class_0() -> None:
    """A transaction of class 0 is one datagram and owes nothing. Clause 6.1."""
    network = connected()
    assert isinstance(network.left, Initiator)
    network.left.tell(b"bye")
    network.run()

    assert [Invoked(None, b"bye")] == network.told[1]
    assert ["0a000700" + b"bye".hex()] == [octets.hex() for _, octets in network.sent]


def test_refusals_of_the_responder() -> None:
    """Class 1, a version, a packet that is no packet, too many at once. Clauses 8.3.4, 9.2."""
    responder = Responder(Limits(transactions=1))
    responder.receive_data(wtp.encode(wtp.Invoke(1, b"", TransactionClass.RELIABLE)), 0.0)
    for octets in ("0a000342", "0a000203", "0a00"):
        with pytest.raises(PeerError):
            responder.receive_data(bytes.fromhex(octets), 0.0)
    for tid in (4, 5):
        responder.receive_data(wtp.encode(wtp.Invoke(tid, b"")), 0.0)

    assert [
        wtp.Abort(0x8001, ProviderAbort.PROTOERR),
        wtp.Abort(0x8003, ProviderAbort.WTPVERSIONZERO),
        wtp.Abort(0x8002, ProviderAbort.PROTOERR),
        wtp.Ack(0x8004, tid_check=True),
        wtp.Abort(0x8005, ProviderAbort.CAPTEMPEXCEEDED),
    ] == [wtp.decode(octets) for octets in responder.data_to_send()]


def test_too_large() -> None:
    """A message longer than we take is refused, on either side. Clause 8.3.4.1."""
    narrow = Limits(segment=10, group=3, largest=50)
    asked = Network(Initiator(0, SMALL), Responder(narrow))
    ask(asked, b"")
    assert isinstance(asked.left, Initiator)
    asked.left.invoke(QUESTION, asked.now)
    asked.run(5.0)
    initiator, responder = Initiator(0, narrow), Responder(SMALL)
    answered = Network(
        initiator, responder, on_right=lambda e, now: responder.answer(e.tid, QUESTION, now)
        if isinstance(e, Invoked) and e.tid is not None else None
    )  # fmt: skip
    ask(answered, b"")

    assert Failed(1, ProviderAbort.MESSAGETOOLARGE) == asked.told[0][-1]
    assert Failed(0, ProviderAbort.MESSAGETOOLARGE, by_peer=False) == answered.told[0][-1]


def test_peer_without_segmentation() -> None:
    """Who sets GTR and TTR knows no segmentation: its result is one packet. Clause 8.2.3."""
    responder = Responder(SMALL)
    invoke = wtp.Invoke(1, b"", trailer=Trailer.UNSEGMENTED)
    responder.receive_data(wtp.encode(invoke), 0.0)
    responder.receive_data(wtp.encode(wtp.Ack(1, tid_check=True)), 0.0)
    responder.answer(1, QUESTION, 0.0)

    assert wtp.Result(0x8001, QUESTION, Trailer.UNSEGMENTED) == wtp.decode(
        responder.data_to_send()[-1]
    )


def test_local_errors() -> None:
    """What cannot be done is said before anything is sent."""
    initiator = Initiator(0, Limits(transactions=1))
    with pytest.raises(LocalError):
        initiator.invoke(bytes(17_000_000), 0.0)
    initiator.invoke(b"", 0.0)
    with pytest.raises(LocalError):
        initiator.invoke(b"", 0.0)
    with pytest.raises(LocalError):
        Responder().answer(1, b"", 0.0)


def test_initiator_serves_nothing() -> None:
    """A transaction that the peer begins is refused. Clause 8.3.4.1."""
    initiator = Initiator(0)
    initiator.receive_data(wtp.encode(wtp.Invoke(1, b"")), 0.0)

    assert [wtp.Abort(0x8001, ProviderAbort.NOTIMPLEMENTEDCL2)] == [
        wtp.decode(octets) for octets in initiator.data_to_send()
    ]


PDUS = st.binary(min_size=1, max_size=40)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), PDUS), max_size=12))
def test_whatever_comes(arrivals: list[tuple[bool, bytes]]) -> None:
    """Octets of any kind end in `PeerError` or in nothing, and the engines go on."""
    initiator, responder = Initiator(1, SMALL), Responder(SMALL)
    initiator.invoke(b"question", 0.0)
    now = 0.0
    for to_left, octets in arrivals:
        now += 0.5
        for engine in (initiator, responder):
            engine.handle_timer(now)
            try:
                # Half of them concern a transaction that there is.
                engine.receive_data(octets[:1] + b"\x80\x01" + octets[1:], now)
                engine.receive_data(octets if to_left else octets[:1] + b"\x00\x01" + octets, now)
            except PeerError:
                continue
            engine.data_to_send()
