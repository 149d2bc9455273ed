"""Packets and headers of OBEX, octet by octet, and both halves of a connection. IrOBEX 1.3."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.transport.obex import (
    TARGET,
    Code,
    Cutter,
    Framer,
    Header,
    HeaderId,
    Limits,
    Opcode,
    Packet,
    body_of,
    code_of,
    content_type_of,
    http_status,
    number_of,
    octets_of,
    type_header,
)
from cardsync.transport.obex_client_session import (
    ClientSession,
    Connected,
    Disconnected,
    Fetched,
    Refused,
    State,
    Step,
    Stored,
)
from cardsync.transport.obex_server_session import Disconnected as ServerDisconnected
from cardsync.transport.obex_server_session import GetAsked, PutAsked, ServerSession

WBXML = "application/vnd.syncml+wbxml"
TYPE = "42 0020" + WBXML.encode().hex() + "00"

PACKETS = [
    (Packet(0x80, (Header(HeaderId.TARGET, TARGET),), 0x8000),
     "80 0015 10 00 8000 46 000e" + TARGET.hex()),
    (Packet(0xA0, (Header(HeaderId.CONNECTION_ID, 1), Header(HeaderId.WHO, TARGET)), 1024),
     "a0 001a 10 00 0400 cb 00000001 4a 000e" + TARGET.hex()),
    (Packet(0x82, (type_header(WBXML), Header(HeaderId.END_OF_BODY, b"abc"))),
     "82 0029" + TYPE + "49 0006 616263"),
    (Packet(0x90, (Header(HeaderId.LENGTH, 300), Header(0x93, 7))), "90 000a c3 0000012c 93 07"),
    (Packet(0xA0), "a0 0003"),
]  # fmt: skip


@pytest.mark.parametrize(("packet", "octets"), PACKETS)
def test_packet(packet: Packet, octets: str) -> None:
    """Each packet has its octets, both ways. Clauses 2.1 and 3.1."""
    wire = bytes.fromhex(octets)

    assert wire == packet.encode()
    assert packet == Packet.decode(wire, connect=packet.largest is not None)
    assert len(wire) == (7 if packet.largest else 3) + sum(len(header) for header in packet.headers)


def test_headers() -> None:
    """What a header says, whoever wrote it."""
    headers = (Header(HeaderId.TYPE, b"text/x"), Header(HeaderId.BODY, b"a"), Header(0xC0, 3),
               Header(HeaderId.END_OF_BODY, b"b"))  # fmt: skip

    assert ("text/x", b"ab") == (content_type_of(headers), body_of(headers))
    assert (None, None) == (content_type_of(()), octets_of(headers, HeaderId.WHO))
    assert number_of(headers, HeaderId.LENGTH) is None


@pytest.mark.parametrize(
    "octets", ["82 0004 49", "82 0005 49 00", "82 0006 49 0002", "82 0007 49 0009 61", "80 0004 10",
               "82 0008 cb 0000", "82 0003 00", "82 01f7" + "8100" * 250],
)  # fmt: skip
def test_malformed(octets: str) -> None:
    """Headers that do not fill their packet are refused, and too many of them."""
    wire = bytes.fromhex(octets)
    with pytest.raises(PeerError):
        Packet.decode(wire, connect=wire[0] == 0x80)


def test_local_errors() -> None:
    """What cannot be written is said before."""
    with pytest.raises(LocalError):
        Packet(0x82, (Header(HeaderId.BODY, bytes(65_535 - 5)),)).encode()
    for content_type in ("\xe4", "a\nb"):
        with pytest.raises(LocalError):
            type_header(content_type)
    with pytest.raises(LocalError):
        Cutter((type_header("a" * 250),), b"", 255)


def test_framer() -> None:
    """Packets are cut from a stream of any pieces; a length out of bounds ends it."""
    framer = Framer(300)
    packets = []
    for octet in bytes.fromhex("a0 0003 90 0005 ffff"):
        framer.feed(bytes([octet]))
        if packet := framer.take():
            packets.append(packet)
    assert [b"\xa0\x00\x03", b"\x90\x00\x05\xff\xff"] == packets
    for bad in ("a0 0002", "a0 012d"):
        framer = Framer(300)
        framer.feed(bytes.fromhex(bad))
        with pytest.raises(PeerError):
            framer.take()


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, 0xA0), (404, 0xC4), (413, 0xCD), (503, 0xD3), (429, 0xC0), (599, 0xD0), (999, 0xD0)],
)
def test_codes(status: int, code: int) -> None:
    """The codes are those of HTTP, in a smaller space. Clause 3.2.1."""
    assert code == code_of(status)
    assert (http_status(code) == status) is (status not in {429, 599, 999})


def test_no_status() -> None:
    """What says to go on, and codes of databases, have no status of HTTP."""
    assert http_status(0x90) is None
    assert http_status(0xE0) is None


@given(st.binary(max_size=600), st.integers(255, 400))
def test_cutter(body: bytes, room: int) -> None:
    """Packets are never longer than the room; their bodies together are the body."""
    cutter = Cutter((type_header(WBXML),), body, room)
    got = b""
    while not cutter.done:
        packet = Packet(0x02, cutter.take())
        assert len(packet.encode()) <= room
        got += body_of(packet.headers)

    assert body == got


def test_cutter_with_no_room_for_a_body_at_first() -> None:
    """Headers that leave no room go alone."""
    cutter = Cutter((Header(0x46, bytes(248)),), b"abc", 255)

    assert 1 == len(cutter.take())
    assert (Header(HeaderId.END_OF_BODY, b"abc"),) == cutter.take()


# Both halves.


class Pair:
    """Two halves with a wire between them; the server answers with the body reversed."""

    def __init__(self, client: Limits | None = None, server: Limits | None = None) -> None:
        """Begin without a connection."""
        self.client = ClientSession(client)
        self.server = ServerSession(77, server)
        self.body = b""
        self.told: list[Any] = []
        self.asked: list[Any] = []
        self.packets = 0
        self.code: int | None = None

    def run(self) -> list[Any]:
        """Carry octets until there are none; give what the client was told."""
        told: list[Any] = []
        while octets := self.client.data_to_send():
            self.packets += 1
            self.server.receive_data(octets)
            for event in self.server.events():
                self._answer(event)
            self.client.receive_data(self.server.data_to_send())
            told += self.client.events()
        return told

    def _answer(self, event: Any) -> None:
        self.asked.append(event)
        if self.code is not None and not isinstance(event, ServerDisconnected):
            self.server.refuse(self.code)
        elif isinstance(event, PutAsked):
            self.body = event.body[::-1]
            self.server.accept()
        elif isinstance(event, GetAsked):
            self.server.send(event.content_type, self.body)

    def connect(self) -> None:
        """Connect."""
        self.client.connect()
        assert isinstance(self.run()[0], Connected)


@pytest.mark.parametrize("size", [0, 10, 300, 60_000])
@pytest.mark.parametrize(("mine", "others"), [(0x8000, 0x8000), (255, 0x8000), (0x8000, 300)])
def test_exchange(size: int, mine: int, others: int) -> None:
    """A message is put and its answer got, in packets that each side takes. Clause 3.3."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    pair = Pair(Limits(packet=mine), Limits(packet=others))
    pair.connect()
    pair.client.put(WBXML, body)
    stored = pair.run()
    pair.client.get(WBXML)
    fetched = pair.run()
    pair.client.disconnect()
    ended = pair.run()

    assert ([Stored()], [Fetched(WBXML, body[::-1])]) == (stored, fetched)
    assert [Disconnected()] == ended
    assert [PutAsked(WBXML, body), GetAsked(WBXML), ServerDisconnected()] == pair.asked
    assert State.NULL is pair.client.state
    assert pair.packets >= size // min(mine, others)


def test_octets_of_a_session() -> None:
    """The connection is for SYNCML-SYNC, and its number stands first. Binding clause 5."""
    client = ClientSession(Limits(packet=0x4000))
    client.connect()
    connect = client.data_to_send()
    client.receive_data(bytes.fromhex("a0 000c 10 00 0400 cb 00000009"))
    client.put(WBXML, b"abc")
    put = client.data_to_send()
    client.receive_data(bytes.fromhex("a0 0003"))
    client.get(WBXML)
    get = client.data_to_send()

    assert bytes.fromhex("80 0015 10 00 4000 46 000e" + TARGET.hex()) == connect
    assert bytes.fromhex(f"82 0033 cb 00000009 {TYPE} c3 00000003 49 0006 616263") == put
    assert bytes.fromhex(f"83 0028 cb 00000009 {TYPE}") == get
    assert [Connected(1024), Stored()] == client.events()


def test_refusals_of_the_handler() -> None:
    """What the application refuses comes back as its code; the connection goes on."""
    pair = Pair()
    pair.connect()
    pair.code = Code.SERVICE_UNAVAILABLE
    pair.client.put(WBXML, b"")
    put = pair.run()
    pair.client.get(WBXML)

    assert [Refused(Step.PUT, 0xD3)] == put
    assert [Refused(Step.GET, 0xD3)] == pair.run()
    assert State.IDLE is pair.client.state


def test_another_service() -> None:
    """A target that is not served is not found."""
    pair = Pair()
    pair.client = ClientSession(target=b"SYNCML-DM")
    pair.client.connect()

    assert [Refused(Step.CONNECT, Code.NOT_FOUND)] == pair.run()


def answers(*requests: Packet) -> list[int]:
    """Give the codes that a server answers requests with, of which it takes 1000 octets."""
    server = ServerSession(5, Limits(packet=0x800, body=1000))
    codes = []
    for request in requests:
        server.receive_data(request.encode())
        for event in server.events():
            if not isinstance(event, ServerDisconnected):
                server.accept()
        codes.append(server.data_to_send()[0])
    return codes


CONNECT = Packet(0x80, (Header(HeaderId.TARGET, TARGET),), 1024)


def test_what_a_server_refuses() -> None:
    """Each has the code that clause 3.2.1 gives it."""
    here = Header(HeaderId.CONNECTION_ID, 5)
    body, kind = Header(HeaderId.END_OF_BODY, b"x"), type_header(WBXML)
    long = Header(HeaderId.BODY, bytes(900))

    assert [Code.FORBIDDEN] == answers(Packet(0x82, (kind, body)))
    assert [0xA0, 0xA0] == answers(CONNECT, Packet(0x82, (here, kind, body)))
    assert [0xA0, 0xA0] == answers(CONNECT, Packet(0x82, (kind, body)))
    strange = Header(HeaderId.CONNECTION_ID, 6)
    assert [0xA0, 0xD3] == answers(CONNECT, Packet(0x82, (strange, kind, body)))
    assert [0xA0, 0xC0] == answers(CONNECT, Packet(0x82, (here, body)))
    assert [0xA0, 0xD1] == answers(CONNECT, Packet(0x85, (here,)))
    assert [0xA0, 0x90, 0xCD] == answers(CONNECT, *[Packet(0x02, (here, long))],
                                         Packet(0x82, (kind, long)))  # fmt: skip
    assert [0xA0, 0x90, 0x90, 0x90, 0xCD] == answers(CONNECT, *[Packet(0x02, (long,))] * 4)
    assert [0xA0, 0x90, 0xA0, 0xA0] == answers(
        CONNECT, Packet(0x02, (kind, long)), Packet(0xFF), Packet(0x83, (kind,))
    )
    assert [0xA0, 0x90, 0xA0] == answers(CONNECT, Packet(0x02, (kind,)), Packet(0x83, (kind,)))
    assert [0xA0, 0x90, 0xA0] == answers(CONNECT, Packet(0x03, (here, kind)), Packet(0x83))
    assert [0xA0, 0xA0, 0xC3] == answers(CONNECT, Packet(0x81), Packet(0x82, (kind, body)))


def test_a_request_that_cannot_be_read() -> None:
    """It is a bad request, and the connection goes on."""
    server = ServerSession(5)
    server.receive_data(bytes.fromhex("82 0005 49 00"))
    server.receive_data(CONNECT.encode())

    assert bytes.fromhex("c0 0003 a0") == server.data_to_send()[:4]


def test_out_of_turn() -> None:
    """Nothing is answered that was not asked, nor asked before the answer."""
    server = ServerSession(5)
    for call in (server.accept, lambda: server.refuse(0xC0), lambda: server.send(WBXML, b"")):
        with pytest.raises(LocalError):
            call()
    server.receive_data(CONNECT.encode())
    server.receive_data(Packet(0x82, (type_header(WBXML),)).encode())
    with pytest.raises(PeerError):
        server.receive_data(Packet(0x83, (type_header(WBXML),)).encode())
    server.receive_data(Packet(Opcode.ABORT | 0x80).encode())
    with pytest.raises(LocalError):
        server.accept()

    client = ClientSession()
    for ask in (client.disconnect, lambda: client.put(WBXML, b""), lambda: client.get(WBXML)):
        with pytest.raises(LocalError):
            ask()


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (0, "a0 0003"),
        (1, "a0 0007 10 00 0400 a0 0003"),
        (1, "a0 0015 10 00 0400 4a 000e" + b"SYNCML-XXXX".hex()),
        (2, "90 0003"),
        (3, "90 0006 48 0003" * 2 + "90 0fa3 48 0fa0" + "00" * 3997),
    ],
)
def test_what_a_client_does_not_bear(asked: int, answer: str) -> None:
    """An answer to nothing, another service, more than there is, more than we take."""
    client = ClientSession(Limits(body=1000))
    if asked:
        client.connect()
    if asked > 1:
        client.receive_data(bytes.fromhex("a0 0007 10 00 0400"))
        client.put(WBXML, b"") if asked == 2 else client.get(WBXML)

    with pytest.raises(PeerError):
        client.receive_data(bytes.fromhex(answer))


def test_refused_without_fields() -> None:
    """Some that refuse a connection leave its fields out."""
    client = ClientSession()
    client.connect()
    client.receive_data(bytes.fromhex("c4 0003"))

    assert [Refused(Step.CONNECT, 0xC4)] == client.events()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=6))
def test_whatever_comes(packets: list[tuple[int, bytes]]) -> None:
    """Octets of any kind end in `PeerError` or in nothing, in both halves."""
    server, client = ServerSession(1, Limits(body=100)), ClientSession(Limits(body=100))
    client.connect()
    server.receive_data(CONNECT.encode())
    for code, content in packets:
        octets = bytes([code]) + (3 + len(content)).to_bytes(2, "big") + content
        for half in (server, client):
            try:
                half.receive_data(octets)
            except PeerError:
                return
        for event in server.events():
            if isinstance(event, PutAsked):
                server.accept()
            elif isinstance(event, GetAsked):
                server.send(WBXML, bytes(3))
        if client.state is State.IDLE:
            client.get(WBXML)
