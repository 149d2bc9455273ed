"""The OBEX carrier and the OBEX server by TCP, and judged by others: libopenobex and tshark."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cardsync.errors import LocalError
from cardsync.octets import pcapng
from cardsync.transport import obex_client
from cardsync.transport.carrier import Answered, CarrierError, Failure, Fields
from cardsync.transport.obex import TARGET, Header, HeaderId, Limits, Packet, type_header
from cardsync.transport.obex_client import ObexCarrier
from cardsync.transport.obex_server import ObexServer
from peers import need
from syncml.pair import Pair
from transport.journeys import journey

WBXML = "application/vnd.syncml+wbxml"
PROGRAM = Path(__file__).parent / "openobex.py"
CONNECT = Packet(0x80, (Header(HeaderId.TARGET, TARGET),), 1024).encode()


async def handle(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
    """Answer with the body reversed; what the body says may happen besides."""
    if body == b"broken":
        raise ValueError("a subscriber's number")
    if body == b"slow":
        await asyncio.sleep(30)
    if body == b"unwritable":
        return 200, "a\nb", b"", fields
    if body == b"nothing":
        return 200, "", b"", fields
    return int(body) if body.isdigit() else 200, content_type, url.encode() + body[::-1], fields


@contextmanager
def serving(server: ObexServer) -> Iterator[int]:
    """Run a server in a thread; give its port."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.port
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Give the port of a server."""
    with serving(ObexServer(handle, port=0)) as number:
        yield number


def failure(carrier: ObexCarrier, body: bytes = b"") -> CarrierError:
    """Give the error of an exchange."""
    with carrier, pytest.raises(CarrierError) as caught:
        carrier.exchange("", WBXML, body)
    return caught.value


@pytest.mark.parametrize("size", [0, 900, 60_000])
@pytest.mark.parametrize("packet", [255, 0x8000])
def test_exchange(port: int, size: int, packet: int) -> None:
    """Body and content type go both ways, whatever the size, over one connection."""
    body = bytes(range(250)) * (size // 250 + 1)
    with ObexCarrier("127.0.0.1", port, limits=Limits(packet=packet)) as carrier:
        answers = [carrier.exchange("http://a/", WBXML, body) for _ in range(2)]

    assert [(WBXML, body[::-1])] * 2 == answers


def test_address_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host of its own the carrier goes where the address says, each time anew."""
    servers = [ObexServer(handle, port=0, url=name) for name in "12"]
    with serving(servers[0]) as first, serving(servers[1]) as second, ObexCarrier() as carrier:
        urls = [f"obex://127.0.0.1:{port}/dm?s=1" for port in (first, first, second)]
        answers = [carrier.exchange(url, WBXML, b"abc")[1] for url in urls]
        monkeypatch.setattr(obex_client, "PORT", first)
        answers.append(carrier.exchange("http://127.0.0.1:8080/dm", WBXML, b"abc")[1])

    assert [b"1cba", b"1cba", b"2cba", b"1cba"] == answers


def test_a_connection_that_was_long_unused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened anew: the peer may have closed it, and that is no failure of the exchange."""
    heard: list[bytes] = []
    monkeypatch.setattr(obex_client, "KEPT", -1.0)
    with ObexCarrier("127.0.0.1", port, tap=lambda _, octets: heard.append(octets)) as carrier:
        for _ in range(2):
            assert (WBXML, b"cba") == carrier.exchange("", WBXML, b"abc")

    assert 2 == sum(octets.startswith(b"\x80") for octets in heard)


@pytest.mark.parametrize(
    "url", ["https://a/", "http://a..b/", "wsp://a/", "obex:///", "obex://a:x"]
)
def test_addresses_that_are_none(url: str) -> None:
    """Nothing is sent for an address that is not OBEX's, and none of it is told."""
    with ObexCarrier() as carrier, pytest.raises(CarrierError) as caught:
        carrier.exchange(url, WBXML, b"")

    assert (Failure.UNSUPPORTED, "unsupported: no address of http or obex") == (
        caught.value.kind,
        str(caught.value),
    )


def test_the_handler_is_told_an_address() -> None:
    """OBEX carries none: it is that of the server."""
    with (
        serving(ObexServer(handle, port=0, url="obex:")) as port,
        ObexCarrier("127.0.0.1", port) as carrier,
    ):
        assert (WBXML, b"obex:cba") == carrier.exchange("", WBXML, b"abc")


def test_statuses(port: int) -> None:
    """What the handler refuses, breaks at or cannot say; the connection goes on."""
    errors = []
    with ObexCarrier("127.0.0.1", port) as carrier:
        for body in (b"404", b"503", b"broken", b"nothing", b"unwritable"):
            with pytest.raises(CarrierError) as caught:
                carrier.exchange("", WBXML, body)
            errors.append((caught.value.kind, caught.value.status))
        assert (WBXML, b"cba") == carrier.exchange("", WBXML, b"abc")

    assert [(Failure.REFUSED, status) for status in (404, 503, 500, 404, 500)] == errors


def test_no_answer_in_time(port: int) -> None:
    """The time is for the whole exchange; the next one has a new connection."""
    carrier = ObexCarrier("127.0.0.1", port, timeout=0.2)

    assert Failure.TIMED_OUT is failure(carrier, b"slow").kind
    with carrier:
        assert (WBXML, b"cba") == carrier.exchange("", WBXML, b"abc")


def test_nobody_is_there() -> None:
    """A port that nobody has open, a name that nobody has, no time at all."""
    with socket.create_server(("127.0.0.1", 0)) as end:
        port = end.getsockname()[1]

    assert Failure.UNREACHABLE is failure(ObexCarrier("127.0.0.1", port)).kind
    assert Failure.UNREACHABLE is failure(ObexCarrier("no.such.host.invalid")).kind
    assert Failure.TIMED_OUT is failure(ObexCarrier("127.0.0.1", port, timeout=0.0)).kind


def test_too_large(port: int) -> None:
    """More than the server takes, and more than we take."""
    asked = failure(ObexCarrier("127.0.0.1", port), bytes(400_000))
    taken = failure(ObexCarrier("127.0.0.1", port, limits=Limits(body=100)), bytes(1000))

    assert (Failure.REFUSED, 413) == (asked.kind, asked.status)
    assert Failure.TOO_LARGE is taken.kind


def test_a_content_type_that_cannot_be_written(port: int) -> None:
    """That is a mistake of ours, and disturbs nothing."""
    with ObexCarrier("127.0.0.1", port) as carrier:
        with pytest.raises(LocalError):
            carrier.exchange("", "a\nb", b"")
        assert (WBXML, b"cba") == carrier.exchange("", WBXML, b"abc")


@contextmanager
def peer(*answers: bytes) -> Iterator[int]:
    """Run a socket that gives an answer to each thing that it reads, then closes."""
    with socket.create_server(("127.0.0.1", 0)) as end:

        def serve() -> None:
            link, _ = end.accept()
            with link, suppress(OSError):
                for answer in answers:
                    link.recv(65_536)
                    link.sendall(answer)
                link.recv(65_536)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield end.getsockname()[1]
        finally:
            thread.join(5)


YES = Packet(0xA0, (), 1024).encode()


@pytest.mark.parametrize(
    ("answers", "kind", "status"),
    [
        ((b"\xc4\x00\x03",), Failure.REFUSED, 404),
        ((b"\xe0\x00\x03",), Failure.GARBLED, None),
        ((b"\xa0\x00\x05\x10\x00",), Failure.GARBLED, None),
        ((b"\xa0\x00\x02",), Failure.GARBLED, None),
        ((YES, b"\x90\x00\x03"), Failure.GARBLED, None),
        ((YES,), Failure.UNREACHABLE, None),
        ((YES, b"\xa0\x00\x03", b"\xc4\x00\x03"), Failure.REFUSED, 404),
        ((), Failure.UNREACHABLE, None),
    ],
)
def test_what_a_peer_may_do(answers: tuple[bytes, ...], kind: Failure, status: int | None) -> None:
    """Whatever the other side does is one kind of error."""
    with peer(*answers) as port:
        error = failure(ObexCarrier("127.0.0.1", port, timeout=5))

    assert (kind, status) == (error.kind, error.status)


def test_noise_and_silence() -> None:
    """A connection of no use, or that says nothing, is closed; above the bound none is taken."""
    with serving(ObexServer(handle, port=0, idle=0.2, most=2)) as port:
        links = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        links[0].sendall(b"\x82\xff\xff")
        links[1].sendall(CONNECT)
        for link in links:
            link.settimeout(5)
        assert b"" == links[0].recv(100)
        assert links[1].recv(100).startswith(b"\xa0")
        assert b"" == links[1].recv(100) == links[2].recv(100)
        for link in links:
            link.close()


def test_an_abort_behind_a_put(port: int) -> None:
    """Both come at once: the Put is handled, and the Abort alone is answered."""
    put = Packet(0x82, (type_header(WBXML), Header(HeaderId.END_OF_BODY, b"abc"))).encode()
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.settimeout(5)
        link.sendall(CONNECT)
        link.recv(100)
        link.sendall(put + b"\xff\x00\x03")

        assert b"\xa0\x00\x03" == link.recv(100)


def test_syncml_sessions() -> None:
    """Three SyncML sessions, with 200 items: both sides are equal."""
    pair = Pair()

    async def serve(_url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        return 200, content_type, pair.server.post(body), fields

    with serving(ObexServer(serve, port=0)) as port, ObexCarrier("127.0.0.1", port) as carrier:
        journey(pair, carrier, "obex:")


# Others.


@pytest.mark.peer("libopenobex")
@pytest.mark.parametrize("size", [900, 60_000])
def test_libopenobex_as_client(port: int, tmp_path: Path, size: int) -> None:
    """An independent client puts and gets through our server."""
    need("libopenobex")
    path = tmp_path / "message"
    path.write_bytes(bytes(range(250)) * (size // 250))
    command = [sys.executable, str(PROGRAM), "client", str(port), str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout

    assert path.read_bytes()[::-1] == answer


@pytest.mark.peer("libopenobex")
@pytest.mark.parametrize("size", [900, 60_000])
def test_libopenobex_as_server(size: int) -> None:
    """Our client puts and gets through an independent server; what it saw is the binding's."""
    need("libopenobex")
    body = bytes(range(250)) * (size // 250)
    command = [sys.executable, str(PROGRAM), "server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with ObexCarrier("127.0.0.1", port, timeout=10) as carrier:
            for _ in range(2):
                assert (WBXML, body[::-1]) == carrier.exchange("", WBXML, body)
        seen = server.stdout.read().split()

    # Connect with Target; Put with Type, Body, Length and number; Get with Type and number.
    assert ["0:46", *["2:42,48,c3,cb", "3:42,cb"] * 2, "1:cb"] == seen


@pytest.mark.peer("tshark")
def test_tshark_reads_our_packets(port: int, tmp_path: Path) -> None:
    """Packets of an exchange are to tshark what they are to us."""
    heard: list[tuple[str, bytes]] = []
    with ObexCarrier("127.0.0.1", port, tap=lambda *said: heard.append(said)) as carrier:
        carrier.exchange("", "text/x-vcard", bytes(900))
    stream = pcapng.TcpStream(5000, 650)
    packets = [*stream.opening()]
    for where, octets in heard:
        packets += stream.data(octets, from_client=where.endswith(f":{port}"))
    path = tmp_path / "obex.pcapng"
    path.write_bytes(pcapng.header() + b"".join(pcapng.packet(each, 0.0) for each in packets))
    fields: list[str] = []
    for name in ("_ws.malformed", "obex.opcode", "obex.resp_code", "obex.length", "obex.type"):
        fields += ["-e", name]
    command = [need("tshark"), "-r", str(path), "-d", "tcp.port==650,obex", "-T", "fields", *fields]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    connect, _, *others = [line.split("\t") for line in found.splitlines()][3:]

    # The answer to Connect is left out: over TCP tshark does not know that it is one, and
    # takes its fields for headers.
    assert ["", "0x00", "", "", ""] == connect
    assert [
        ["", "0x02", "", "900", "text/x-vcard"],
        ["", "", "0x20", "", ""],
        ["", "0x03", "", "", "text/x-vcard"],
        ["", "", "0x20", "900", "text/x-vcard"],
        ["", "0x01", "", "", ""],
        ["", "", "0x20", "", ""],
    ] == others
