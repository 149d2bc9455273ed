"""The WSP carrier and the WSP server, by sockets of this machine; and what goes wrong."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cardsync.errors import LocalError
from cardsync.transport import wsp, wsp_client, wtp
from cardsync.transport.carrier import Answered, CarrierError, Failure, Fields, Handler
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_client import WspCarrier
from cardsync.transport.wsp_codes import Reason
from cardsync.transport.wsp_headers import Header
from cardsync.transport.wsp_server import SERVER_LIMITS, WspServer
from cardsync.transport.wtp_codes import RESPONDER, ProviderAbort
from cardsync.transport.wtp_sar import Limits

WBXML = "application/vnd.syncml+wbxml"
URL = "http://operator.example/syncml?s=1"
HASTY = Limits(retry=0.05, retries=3)
BOTH = pytest.mark.parametrize("connectionless", [False, True])


async def handle(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
    """Answer with the body reversed; the address says what else happens."""
    if "broken" in url:
        raise ValueError("a subscriber's number")
    if "unwritable" in url:
        return 200, "a\nb", b"", fields
    if "slow" in url:
        await asyncio.sleep(30)
    status = int(url[-3:]) if url[-3:].isdigit() else 200
    return status, content_type, body[::-1], fields


@contextmanager
def running(server: WspServer) -> Iterator[tuple[int, ...]]:
    """Run a server in a thread; give its ports, in connection mode first."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.ports
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def serving(handler: Handler = handle, **options: int) -> Iterator[tuple[int, ...]]:
    """Run a server of both modes in a thread; give its ports."""
    server = WspServer(handler, port=0, unit_port=0, **options)  # type: ignore[arg-type]  # numbers only
    with running(server) as ports:
        yield ports


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, ...]]:
    """Give the ports of a server."""
    with serving() as both:
        yield both


@contextmanager
def peer(answer: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """Run a socket that answers each datagram with others; give its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                datagram, where = end.recvfrom(65536)
                if datagram == b"stop":
                    return
                for octets in answer(datagram):
                    end.sendto(octets, where)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield end.getsockname()[1]
        finally:
            end.sendto(b"stop", end.getsockname())
            thread.join()


def failure(carrier: WspCarrier, url: str = URL, body: bytes = b"") -> CarrierError:
    """Give the error of an exchange."""
    with carrier, pytest.raises(CarrierError) as caught:
        carrier.exchange(url, WBXML, body)
    return caught.value


@BOTH
@pytest.mark.parametrize("size", [0, 900, 60_000])
def test_exchange(ports: tuple[int, ...], connectionless: bool, size: int) -> None:
    """Body and content type go both ways, whatever the size; a second time too."""
    body = bytes(range(251)) * (size // 251 + 1)
    carrier = WspCarrier("127.0.0.1", ports[connectionless], connectionless=connectionless)
    with carrier:
        answers = [carrier.exchange(URL, f"{WBXML}; charset=utf-8", body) for _ in range(2)]

    assert [(f"{WBXML}; charset=utf-8", body[::-1])] * 2 == answers


@BOTH
def test_address_of_a_server(connectionless: bool) -> None:
    """An address of WSP goes to its host and port, not to a gateway; it is told as one of HTTP."""
    told: list[str] = []

    async def tell(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        told.append(url)
        return 200, content_type, body, fields

    with serving(handler=tell) as first, serving(handler=tell) as second:
        here, there = (f"wsp://127.0.0.1:{both[connectionless]}/s?a=1" for both in (first, second))
        with WspCarrier("gateway.invalid", connectionless=connectionless) as carrier:
            for url in (here, here, there):
                assert (WBXML, b"abc") == carrier.exchange(url, WBXML, b"abc")

    assert [url.replace("wsp:", "http:") for url in (here, here, there)] == told


def test_host_of_an_address(ports: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a gateway an address of HTTP goes to its host, at the usual port of WSP."""
    monkeypatch.setattr(wsp_client, "CONNECTION_PORT", ports[0])
    with WspCarrier() as carrier:
        assert (WBXML, b"a") == carrier.exchange("http://127.0.0.1:8080/s", WBXML, b"a")
        with pytest.raises(CarrierError) as caught:
            carrier.exchange("https://127.0.0.1/s", WBXML, b"a")

    assert Failure.UNSUPPORTED is caught.value.kind


def test_name_of_this_machine(ports: tuple[int, ...]) -> None:
    """A server at 127.0.0.1 is found by name where IPv6 has the name, too; and one at the name."""
    with running(WspServer(handle, "localhost", 0, None)) as named:
        for port in (ports[0], named[0]):
            with WspCarrier() as carrier:
                answer = carrier.exchange(f"wsp://localhost:{port}/s", WBXML, b"abc")
            assert (WBXML, b"cba") == answer


def test_a_session_that_was_long_unused(
    ports: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is begun anew: the peer may have forgotten it."""
    heard: list[bytes] = []
    monkeypatch.setattr(wsp_client, "KEPT", -1.0)
    with WspCarrier("127.0.0.1", ports[0], tap=lambda _, octets: heard.append(octets)) as carrier:
        for _ in range(2):
            assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")

    begun = [pdu.data[0] for pdu in map(wtp.decode, heard) if isinstance(pdu, wtp.Invoke)]
    assert [1, 0x60, 5, 1, 0x60, 5] == begun  # Connect, Post, Disconnect


def test_by_another_gateway(ports: tuple[int, ...]) -> None:
    """A carrier of its own goes by another gateway."""
    with WspCarrier("gateway.invalid").by("127.0.0.1", ports[0]) as carrier:
        assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")


@BOTH
def test_statuses(ports: tuple[int, ...], connectionless: bool) -> None:
    """A status that is not 2xx is a refusal; the session goes on without it."""
    errors = []
    with WspCarrier("127.0.0.1", ports[connectionless], connectionless=connectionless) as carrier:
        for path in ("/404", "/302", "/unwritable", "/broken"):
            with pytest.raises(CarrierError) as caught:
                carrier.exchange(URL + path, WBXML, b"")
            errors.append((caught.value.kind, caught.value.status))
        assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")

    assert [(Failure.REFUSED, status) for status in (404, 302, 500, 500)] == errors


@BOTH
def test_busy(connectionless: bool) -> None:
    """Above its bound the server says that it has no time."""
    with serving(workers=0) as ports:
        carrier = WspCarrier("127.0.0.1", ports[connectionless], connectionless=connectionless)
        error = failure(carrier)

    assert (Failure.REFUSED, 503) == (error.kind, error.status)


@BOTH
def test_no_answer_in_time(ports: tuple[int, ...], connectionless: bool) -> None:
    """The time is for the whole exchange; the next one is not disturbed."""
    carrier = WspCarrier(
        "127.0.0.1", ports[connectionless], connectionless=connectionless, timeout=0.2
    )
    error = failure(carrier, URL + "/slow")

    assert Failure.TIMED_OUT is error.kind
    with carrier:
        assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")


@BOTH
def test_nobody_is_there(connectionless: bool) -> None:
    """A port that nobody has open."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        port = end.getsockname()[1]
    error = failure(WspCarrier("127.0.0.1", port, connectionless=connectionless, timeout=5))

    assert Failure.UNREACHABLE is error.kind


def test_no_such_host() -> None:
    """A name that nobody has."""
    assert Failure.UNREACHABLE is failure(WspCarrier("no.such.host.invalid")).kind


@BOTH
@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://a..b/", "http://a/ b", "http://a/\N{SNOWMAN}", "/syncml", ""]
)
def test_addresses_that_are_none(connectionless: bool, url: str) -> None:
    """Only http and https, and what can be written; nothing is sent."""
    error = failure(WspCarrier("127.0.0.1", 1, connectionless=connectionless), url)

    assert Failure.UNSUPPORTED is error.kind
    assert "\N{SNOWMAN}" not in str(error)


def test_a_content_type_that_cannot_be_written() -> None:
    """That is a mistake of ours."""
    with WspCarrier("127.0.0.1", 1) as carrier, pytest.raises(LocalError):
        carrier.exchange(URL, "a\nb", b"")


@BOTH
def test_too_large_to_send(ports: tuple[int, ...], connectionless: bool) -> None:
    """More than a datagram, or than the server takes: nothing is sent."""
    carrier = WspCarrier("127.0.0.1", ports[connectionless], connectionless=connectionless)
    error = failure(carrier, body=bytes(SERVER_LIMITS.largest))

    assert Failure.TOO_LARGE is error.kind


def test_too_large_to_take(ports: tuple[int, ...]) -> None:
    """An answer longer than we take is refused by the server already."""
    error = failure(WspCarrier("127.0.0.1", ports[0], limits=Limits(largest=500)), body=bytes(450))

    assert Failure.TOO_LARGE is error.kind


def test_tap(ports: tuple[int, ...]) -> None:
    """Every datagram is heard, with the ends between which it goes."""
    heard: list[tuple[str, bytes]] = []
    with WspCarrier(
        "127.0.0.1", ports[1], connectionless=True, tap=lambda *said: heard.append(said)
    ) as carrier:
        carrier.exchange(URL, WBXML, b"abc")
    (out, asked), (back, answered) = heard

    assert f"127.0.0.1:{ports[1]}" == out.split(">")[1] == back.split(">")[0]
    assert (b"abc", b"cba") == (asked[-3:], answered[-3:])


def test_redirect(ports: tuple[int, ...]) -> None:
    """A gateway that sends us elsewhere is left, for good if it says so."""
    there = wsp.Address(bytes([127, 0, 0, 1]), ports[0])
    asked: list[bytes] = []

    def answer(datagram: bytes) -> list[bytes]:
        asked.append(datagram)
        pdu = wtp.decode(datagram)
        redirect = wsp.Redirect((wsp.Address(b"12345"), there), permanent=True)
        if isinstance(pdu, wtp.Invoke):
            return [wtp.encode(wtp.Result(pdu.tid | RESPONDER, redirect.encode()))]
        return []

    with peer(answer) as port, WspCarrier("127.0.0.1", port) as carrier:
        assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")
        carrier.close()
        assert (WBXML, b"ed") == carrier.exchange(URL, WBXML, b"de")
    assert 2 == len(asked)  # the question and its acknowledgement


@pytest.mark.parametrize("addresses", [(wsp.Address(bytes([127, 0, 0, 1])),), ()])
def test_redirect_to_nowhere(addresses: tuple[wsp.Address, ...]) -> None:
    """In a circle, or to no address."""
    redirect = wsp.Redirect(addresses)

    def answer(datagram: bytes) -> list[bytes]:
        pdu = wtp.decode(datagram)
        if isinstance(pdu, wtp.Invoke):
            return [wtp.encode(wtp.Result(pdu.tid | RESPONDER, redirect.encode()))]
        return []

    with peer(answer) as port:
        error = failure(WspCarrier("127.0.0.1", port))

    assert Failure.UNREACHABLE is error.kind


def results(*after_connect: Callable[[int], wtp.Pdu]) -> Callable[[bytes], list[bytes]]:
    """Accept a session, then answer methods with what is given; the Connect if it is one."""
    accepted = wsp.ConnectReply(1, Capabilities()).encode()

    def answer(datagram: bytes) -> list[bytes]:
        pdu = wtp.decode(datagram)
        if not isinstance(pdu, wtp.Invoke):
            return []
        tid = pdu.tid | RESPONDER
        if pdu.data[:1] == b"\x01" and len(after_connect) == 1:
            return [wtp.encode(wtp.Result(tid, accepted))]
        return [wtp.encode(after_connect[-1](tid))]

    return answer


def aborted(reason: int, user: bool = False) -> Callable[[int], wtp.Pdu]:
    """Give an abort."""
    return lambda tid: wtp.Abort(tid, reason, user)


def replied(status: int, *headers: Header) -> Callable[[int], wtp.Pdu]:
    """Give a reply."""
    reply = wsp.Reply(status, "text/plain", b"", headers).encode()
    return lambda tid: wtp.Result(tid, reply)


RETRY = Header("Retry-After", bytes.fromhex("0281a0"))
STRANGE = Header("Retry-After", bytes.fromhex("0290a0"))


@pytest.mark.parametrize(
    ("answer", "kind", "status", "pause"),
    [
        (results(aborted(ProviderAbort.CAPTEMPEXCEEDED)), Failure.REFUSED, 503, None),
        (results(aborted(Reason.MOREXCEEDED, True)), Failure.REFUSED, 503, None),
        (results(aborted(Reason.DISCONNECT, True)), Failure.UNREACHABLE, None, None),
        (results(aborted(Reason.MRUEXCEEDED, True)), Failure.TOO_LARGE, None, None),
        (results(aborted(ProviderAbort.PROTOERR)), Failure.GARBLED, None, None),
        (results(lambda tid: wtp.Result(tid, b"")), Failure.GARBLED, None, None),
        (results(replied(0x7F)), Failure.GARBLED, None, None),
        (results(replied(0x63, RETRY)), Failure.REFUSED, 503, 32.0),
        (results(replied(0x63, STRANGE)), Failure.REFUSED, 503, None),
        (results(aborted(Reason.CONNECTERR, True), aborted(Reason.CONNECTERR, True)),
         Failure.UNREACHABLE, None, None),
        (results(replied(0x43), replied(0x43)), Failure.REFUSED, 403, None),
        (lambda _datagram: [b"", b"\xff\xff\xff\xff"], Failure.TIMED_OUT, None, None),
    ],
)  # fmt: skip
def test_what_a_peer_may_do(
    answer: Callable[[bytes], list[bytes]],
    kind: Failure,
    status: int | None,
    pause: float | None,
) -> None:
    """Whatever a gateway does in connection mode is one kind of error."""
    with peer(answer) as port:
        error = failure(WspCarrier("127.0.0.1", port, timeout=5, limits=HASTY))

    assert (kind, status, pause) == (error.kind, error.status, error.retry_after)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda datagram: [datagram[:1] + b"\x04"], Failure.GARBLED),
        (lambda datagram: [bytes([datagram[0] ^ 1]) + b"\x04\x20\x01\x83"], Failure.TIMED_OUT),
        (lambda datagram: [datagram], Failure.TIMED_OUT),
        (lambda datagram: [datagram[:1] + b"\x04\x62\x00"], Failure.REFUSED),
    ],
)
def test_what_a_peer_may_do_connectionless(
    answer: Callable[[bytes], list[bytes]], kind: Failure
) -> None:
    """The same without a connection: what answers another transaction is passed over."""
    with peer(answer) as port:
        carrier = WspCarrier("127.0.0.1", port, connectionless=True, timeout=0.3)

        assert kind is failure(carrier).kind


def test_a_session_that_is_gone(ports: tuple[int, ...]) -> None:
    """The exchange that meets it fails; the next one has a new session."""
    with serving() as others:
        carrier = WspCarrier("127.0.0.1", others[0], timeout=5, limits=HASTY)
        carrier.exchange(URL, WBXML, b"")
    with carrier, pytest.raises(CarrierError) as caught:
        carrier.exchange(URL, WBXML, b"")
    assert Failure.UNREACHABLE is caught.value.kind

    with WspCarrier("127.0.0.1", ports[0]) as carrier:
        carrier.exchange(URL, WBXML, b"")
        assert carrier._session is not None
        octets = wsp.Disconnect(carrier._session._session_id).encode()
        carrier._session._transactions.tell(octets)
        with pytest.raises(CarrierError) as caught:
            carrier.exchange(URL, WBXML, b"")
        assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")
    assert Failure.UNREACHABLE is caught.value.kind


def test_server_without_connectionless_mode() -> None:
    """The second port may be left out; noise on a port disturbs nobody."""

    async def journey() -> tuple[int, ...]:
        async with WspServer(handle, port=0, unit_port=None) as server:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                for octets in (b"", b"\x00\xff", b"\xff" * 40):
                    end.sendto(octets, ("127.0.0.1", server.ports[0]))
            await asyncio.sleep(0.05)
            return server.ports

    assert 1 == len(asyncio.run(journey()))


def test_noise_on_both_ports(ports: tuple[int, ...]) -> None:
    """What cannot be read is passed over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        for port in ports:
            for octets in (b"", b"\x01\x60\xff", b"\xff" * 40):
                end.sendto(octets, ("127.0.0.1", port))
    with WspCarrier("127.0.0.1", ports[1], connectionless=True) as carrier:
        assert (WBXML, b"cba") == carrier.exchange(URL, WBXML, b"abc")
