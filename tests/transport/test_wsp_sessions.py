"""A WSP client and a server back to back over a network of every kind. WAP-230 clause 7.1."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wsp, wtp
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_client_session import (
    ClientSession,
    Connected,
    Ended,
    Failed,
    Redirected,
    Refused,
    Replied,
)
from cardsync.transport.wsp_client_session import State as ClientState
from cardsync.transport.wsp_codes import Options, PduType, Reason, status_code
from cardsync.transport.wsp_headers import text_header
from cardsync.transport.wsp_server_session import Dropped, Requested, ServerSession, State
from cardsync.transport.wtp_codes import ProviderAbort, Trailer, TransactionClass
from cardsync.transport.wtp_sar import Limits
from transport.datagrams import Fate, Network, faithful, unkind

WBXML = "application/vnd.syncml+wbxml"
URL = "http://operator.example/syncml"
SMALL = Limits(segment=60, group=3)
ASKED = Capabilities(client_sdu=100_000, server_sdu=100_000)


class Pair(Network):
    """A client and a server that answers with the body reversed."""

    def __init__(
        self,
        fate: Fate = faithful,
        limits: Limits = SMALL,
        asked: Capabilities = ASKED,
        redirect: wsp.Redirect | None = None,
    ) -> None:
        """Begin with no session."""
        self.client = ClientSession(7, asked, (text_header("User-Agent", "test"),), limits)
        self.server = ServerSession(42, limits, redirect)
        super().__init__(self.client, self.server, fate, self._answer)
        self.silent = False

    def _answer(self, event: Any, now: float) -> None:
        if isinstance(event, Requested) and not self.silent:
            reply = wsp.Reply(0x20, event.request.content_type, event.request.body[::-1])
            self.server.reply(event.method, reply, now)

    def exchange(self, *bodies: bytes) -> None:
        """Connect, and post one body after the other."""
        self.client.connect(self.now)
        self.run(until=lambda: self.told[0])
        for number, body in enumerate(bodies, 2):
            self.client.invoke(wsp.Post(URL, WBXML, body), self.now)
            self.run(until=lambda number=number: len(self.told[0]) == number)  # type: ignore[misc]  # a number of its own for each
        self.run()

    @property
    def replies(self) -> list[bytes]:
        """What the client was answered."""
        return [event.reply.body for event in self.told[0] if isinstance(event, Replied)]


def test_session() -> None:
    """Connect, two methods, disconnect: what each side is told."""
    pair = Pair()
    pair.exchange(b"one", bytes(500))
    pair.client.disconnect()
    pair.run()

    assert Connected(42, ASKED, ()) == pair.told[0][0]
    assert [b"eno", bytes(500)] == pair.replies
    assert [wsp.Post(URL, WBXML, b"one"), wsp.Post(URL, WBXML, bytes(500))] == [
        event.request for event in pair.told[1]
    ]
    assert (ClientState.NULL, State.NULL) == (pair.client.state, pair.server.state)
    assert bytes.fromhex("0a000a00052a") == pair.sent[-1][1]


USUAL = 34


def test_the_usual_number_of_datagrams() -> None:
    """The session of the next test has as many datagrams as it takes positions."""
    pair = Pair()
    pair.exchange(b"one", bytes(500))

    assert USUAL == len(pair.sent)


@pytest.mark.parametrize("delays", [(), (0.0, 0.0), (0.0, 0.5), (0.05,), (0.0, 6.0), (9.0,)])
def test_unkind_network_at_every_position(delays: tuple[float, ...]) -> None:
    """Whatever is lost, repeated or late, each body is posted once and answered once."""
    long = bytes(range(250)) * 2
    for position in range(USUAL):
        pair = Pair(unkind(position, *delays))
        pair.exchange(b"one", long)

        assert [b"one", long] == [event.request.body for event in pair.told[1]], position
        assert [b"eno", long[::-1]] == pair.replies, position


def test_sixty_thousand_octets() -> None:
    """A message of 60,000 octets, of which every seventh datagram is lost."""
    body = random.Random(2).randbytes(60_000)
    pair = Pair(lambda number, _datagram: () if number % 7 == 5 else (0.0,), Limits())
    pair.exchange(body)

    assert [body[::-1]] == pair.replies


def test_default_size() -> None:
    """Without negotiation a PDU has at most 1400 octets, either way. Clause 8.3.2.1."""
    pair = Pair(limits=Limits(), asked=Capabilities())
    pair.exchange(bytes(1300))
    with pytest.raises(LocalError):
        pair.client.invoke(wsp.Post(URL, WBXML, bytes(1400)), pair.now)
    long = Pair(limits=Limits(), asked=Capabilities(server_sdu=5000))
    long.exchange(bytes(3000))

    assert [bytes(1300)] == pair.replies
    assert [Failed(8, Reason.MRUEXCEEDED)] == long.told[0][1:]


def test_server_takes_less() -> None:
    """What the server grants holds: it is said before anything is sent."""
    pair = Pair(limits=Limits(largest=2000))
    pair.exchange()
    with pytest.raises(LocalError):
        pair.client.invoke(wsp.Post(URL, WBXML, bytes(2000)), pair.now)

    assert Capabilities(2000, 2000) == pair.told[0][0].capabilities


def test_several_methods_at_once() -> None:
    """As many as both agree on; pushes and suspension are not granted. Clause 8.3.2.3."""
    asked = Capabilities(0, 0, Options.SESSION_RESUME, 9, 1)
    pair = Pair(limits=Limits(transactions=2), asked=asked)
    pair.silent = True
    pair.exchange()
    first, second = (pair.client.invoke(wsp.Post(URL, WBXML, b""), pair.now) for _ in range(2))
    with pytest.raises(LocalError):
        pair.client.invoke(wsp.Post(URL, WBXML, b""), pair.now)
    pair.run(1.0)
    for method in (second, first):
        pair.server.reply(method, wsp.Reply(0x20, WBXML, b""), pair.now)
    pair.run()

    assert Capabilities(1 << 20, 1 << 20, Options(0), 2, 0) == pair.told[0][0].capabilities
    assert [second, first] == [event.method for event in pair.told[0][1:]]


def test_redirect() -> None:
    """A server that is elsewhere says where. Clause 6.3.3.1."""
    redirect = wsp.Redirect((wsp.Address(bytes([192, 0, 2, 1]), 9201),), permanent=True)
    pair = Pair(redirect=redirect)
    pair.exchange()

    assert [Redirected(redirect)] == pair.told[0]
    assert ClientState.NULL is pair.client.state


def test_a_method_that_is_given_up() -> None:
    """The server is told; its late reply is passed over. Clause 6.3.3.9."""
    pair = Pair()
    pair.silent = True
    pair.exchange()
    method = pair.client.invoke(wsp.Post(URL, WBXML, b"one"), pair.now)
    pair.run(1.0)
    pair.client.abort(method)
    pair.run()
    pair.server.reply(method, wsp.Reply(0x20, WBXML, b""), pair.now)
    pair.run()

    assert [Dropped(method)] == pair.told[1][1:]
    assert 1 == len(pair.told[0])


def test_disconnected_while_a_method_waits() -> None:
    """The end of a session is the end of its methods, on both sides."""
    pair = Pair()
    pair.silent = True
    pair.exchange()
    method = pair.client.invoke(wsp.Post(URL, WBXML, b"one"), pair.now)
    pair.run(1.0)
    pair.client.disconnect()
    pair.run()

    assert Dropped(method) in pair.told[1]
    assert State.NULL is pair.server.state


def test_a_server_that_has_forgotten() -> None:
    """A method outside of a session ends with DISCONNECT: the session is over. Table 13."""
    pair = Pair()
    pair.exchange()
    pair.right = pair.server = ServerSession(43, SMALL)
    method = pair.client.invoke(wsp.Post(URL, WBXML, b"one"), pair.now)
    pair.run()

    assert [Failed(method, Reason.DISCONNECT), Ended(Reason.DISCONNECT)] == pair.told[0][1:]
    assert ClientState.NULL is pair.client.state
    assert [] == pair.told[1]


def test_connecting_again() -> None:
    """A client that connects again has lost its session: what waited is dropped."""
    pair = Pair()
    pair.silent = True
    pair.exchange()
    pair.client.invoke(wsp.Post(URL, WBXML, b"one"), pair.now)
    pair.run(1.0)
    pair.left = ClientSession(500, ASKED)
    pair.left.connect(pair.now)
    pair.run(1.0)

    assert [Requested, Dropped] == [type(event) for event in pair.told[1]]
    assert Connected(42, ASKED, ()) == pair.told[0][-1]


def answer_to(data: bytes, tcl: TransactionClass = TransactionClass.RESULT) -> list[wtp.Pdu]:
    """Give what a connected server sends for the octets of a PDU of WSP."""
    server = ServerSession(1, SMALL)
    for tid, octets in ((1, wsp.Connect(Capabilities()).encode()), (2, data)):
        kind = tcl if tid == 2 else TransactionClass.RESULT
        server.receive_data(wtp.encode(wtp.Invoke(tid, octets, kind)), 0.0)
        server.receive_data(wtp.encode(wtp.Ack(tid, tid_check=True)), 0.0)
    return [wtp.decode(octets) for octets in server.data_to_send()][2:]


def test_what_a_server_does_not_serve() -> None:
    """GET is not allowed; what is no request at all is a protocol error. Clause 7.1.5."""
    resume = answer_to(bytes([PduType.RESUME, 5]))
    garbled = answer_to(b"\x60\xff")
    wrong = answer_to(wsp.Reply(0x20, WBXML, b"").encode())
    got = answer_to(wsp.Get("http://a/").encode())

    assert [wtp.Abort(0x8002, Reason.DISCONNECT, user=True)] == resume
    assert [wtp.Abort(0x8002, Reason.PROTOERR, user=True)] == garbled == wrong
    assert [wtp.Result(0x8002, wsp.Reply(status_code(405), "text/plain", b"").encode())] == got
    assert [] == answer_to(bytes([PduType.SUSPEND, 1]), TransactionClass.UNRELIABLE)
    assert [] == answer_to(b"\x60\xff", TransactionClass.UNRELIABLE)


def told_after(result: bytes) -> list[Any]:
    """Give what a client is told whose Connect has a result."""
    client = ClientSession(0, ASKED)
    client.connect(0.0)
    client.receive_data(wtp.encode(wtp.Result(0x8000, result)), 0.0)
    return client.events()


def test_no_session() -> None:
    """A refusal, nonsense, an abort, silence: each is told once."""
    client = ClientSession(0, ASKED)
    client.connect(0.0)
    client.receive_data(wtp.encode(wtp.Abort(0x8000, Reason.CONNECTERR, user=True)), 0.0)
    silence = Pair(lambda _number, _datagram: ())
    silence.exchange()

    assert [Refused(503)] == told_after(wsp.Reply(status_code(503), "text/plain", b"").encode())
    assert [Refused(reason=Reason.PROTOERR)] == told_after(b"")
    assert [Refused(reason=Reason.PROTOERR)] == told_after(wsp.Disconnect(1).encode())
    assert [Refused(reason=Reason.CONNECTERR)] == client.events()
    assert [Refused(reason=ProviderAbort.NORESPONSE)] == silence.told[0]


@pytest.mark.parametrize("octets", [b"", wsp.Disconnect(1).encode()])
def test_a_reply_that_is_none(octets: bytes) -> None:
    """What is no Reply fails the method."""
    client = ClientSession(0, ASKED)
    client.connect(0.0)
    reply = wsp.ConnectReply(1, Capabilities(method_mor=0)).encode()
    client.receive_data(wtp.encode(wtp.Result(0x8000, reply)), 0.0)
    method = client.invoke(wsp.Get("http://a/"), 0.0)
    client.receive_data(wtp.encode(wtp.Result(0x8000 | method, octets)), 0.0)

    assert Failed(method, Reason.PROTOERR, by_peer=False) == client.events()[-1]


def test_out_of_turn() -> None:
    """What the table lacks cannot be asked for."""
    client = ClientSession(0, ASKED)
    client.disconnect()
    with pytest.raises(LocalError):
        client.invoke(wsp.Get("http://a/"), 0.0)
    client.connect(0.0)
    with pytest.raises(LocalError):
        client.connect(0.0)
    client.disconnect()

    assert wtp.Abort(0, Reason.DISCONNECT, user=True) == wtp.decode(client.data_to_send()[-1])
    assert ClientState.NULL is client.state


def test_a_long_reply_to_a_peer_without_segmentation() -> None:
    """It is not sent: the peer learns why."""
    server = ServerSession(1, Limits())
    connect = wsp.Connect(Capabilities(client_sdu=0)).encode()
    post = wsp.Post(URL, WBXML, b"").encode()
    for tid, octets in ((1, connect), (2, post)):
        invoke = wtp.Invoke(tid, octets, trailer=Trailer.UNSEGMENTED)
        server.receive_data(wtp.encode(invoke), 0.0)
        server.receive_data(wtp.encode(wtp.Ack(tid, tid_check=True)), 0.0)
    server.reply(2, wsp.Reply(0x20, WBXML, bytes(70_000)), 0.0)

    assert wtp.Abort(0x8002, Reason.MRUEXCEEDED, user=True) == wtp.decode(server.data_to_send()[-1])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_whatever_comes(contents: list[bytes], known: bool) -> None:
    """Octets of any kind in a transaction end in `PeerError` or in nothing."""
    client, server = ClientSession(1, ASKED), ServerSession(1, SMALL)
    client.connect(0.0)
    for tid, octets in enumerate(contents, 2):
        invoke = wtp.Invoke(tid, octets, TransactionClass(2 if known else 0))
        for engine, datagram in (
            (server, wtp.encode(invoke)),
            (server, wtp.encode(wtp.Ack(tid, tid_check=True))),
            (client, wtp.encode(wtp.Result(0x8000 | tid - 1, octets))),
            (client, octets),
        ):
            try:
                engine.receive_data(datagram, float(tid))
            except PeerError:
                continue
        client.events()
        server.events()
