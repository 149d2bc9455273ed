"""The HTTP carrier against servers of the standard library, well-behaved and not."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cardsync.errors import ConfigError, LocalError
from cardsync.transport.carrier import CarrierError, Failure
from cardsync.transport.http import HttpCarrier

WBXML = "application/vnd.syncml+wbxml"


class Echo(BaseHTTPRequestHandler):
    """Answers a POST with its own body; the path says what else happens."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[tuple[str, int], str, dict[str, str]]]

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.client_address, self.path, dict(self.headers)))  # type: ignore[attr-defined]  # the server of `serve`
        status, extra = ANSWERS.get(self.path, (200, {}))
        self.send_response(status)
        fields = {"Content-Type": self.headers["Content-Type"], "Content-Length": str(len(body))}
        for name, value in (fields | extra).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


LATER = datetime(2100, 1, 1, tzinfo=UTC)
ANSWERS: dict[str, tuple[int, dict[str, str]]] = {
    "/moved": (302, {"Location": "http://127.0.0.1:1/"}),
    "/busy": (503, {"Retry-After": "120"}),
    "/later": (503, {"Retry-After": format_datetime(LATER, usegmt=True)}),
    "/never": (503, {"Retry-After": "soon"}),
    "/unknown": (404, {}),
    "/packed": (200, {"Content-Encoding": "gzip"}),
}


class Server(ThreadingHTTPServer):
    """A server on a free port that notes what it has seen."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.seen: list[tuple[tuple[str, int], str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave."""


@contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server, with TLS where there is a context."""
    with Server() as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.url = server.url.replace("http:", "https:")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Give one server to all tests that only look at answers."""
    with serve() as running:
        yield running


@contextmanager
def says(
    *parts: bytes, pause: float = 0.0, times: int = 1, closed: threading.Event | None = None
) -> Iterator[str]:
    """Run a server that says something, whatever it is asked, and closes; so many times.

    It waits for nobody longer than five seconds; `closed` is set when it has closed.
    """

    def answer(connection: socket.socket) -> None:
        connection.settimeout(5)
        with connection, connection.makefile("rb") as request:
            length = 0
            for line in request:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                if line == b"\r\n":
                    break
            request.read(length)
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        if closed is not None:
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def run() -> None:
            for _ in range(times):
                with suppress(OSError):  # a client that leaves, or does not come
                    answer(listener.accept()[0])

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def failure(work: Callable[[], object]) -> CarrierError:
    """Give the error that an exchange ends with."""
    with pytest.raises(CarrierError) as caught:
        work()
    return caught.value


def test_exchange_on_one_connection(server: Server) -> None:
    """A message out, an answer back, its content type with it; the connection is kept."""
    server.seen.clear()
    with HttpCarrier() as carrier:
        first = carrier.exchange(server.url, WBXML, b"\x02\x9f\x53")
        second = carrier.exchange(server.url + "/again?s=1", "text/plain; charset=utf-8", b"")

    assert first == (WBXML, b"\x02\x9f\x53")
    assert second == ("text/plain; charset=utf-8", b"")
    (one, _, fields), (other, path, _) = server.seen
    assert one == other
    assert path == "/again?s=1"
    assert fields["User-Agent"] == "cardsync"
    assert fields["Accept-Encoding"] == "identity"


def test_connection_closed_in_between() -> None:
    """A server that closes behind its answer is connected to anew; one that is gone is told."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    closed = threading.Event()
    with HttpCarrier() as carrier:
        with says(answer, times=2, closed=closed) as url:
            first = carrier.exchange(url, WBXML, b"1")
            assert closed.wait(5)
            second = carrier.exchange(url, WBXML, b"2")
        gone = failure(lambda: carrier.exchange(url, WBXML, b"3"))

    assert [first, second] == [("", b"x")] * 2
    assert Failure.UNREACHABLE is gone.kind


@pytest.mark.parametrize(
    ("path", "status", "pause"),
    [("/moved", 302, None), ("/busy", 503, 120.0), ("/never", 503, None), ("/unknown", 404, None)],
)
def test_refused(server: Server, path: str, status: int, pause: float | None) -> None:
    """Every status but 2xx is an error with its number; redirections are not followed."""
    with HttpCarrier() as carrier:
        error = failure(lambda: carrier.exchange(server.url + path, WBXML, b"x"))

    assert (Failure.REFUSED, status, pause) == (error.kind, error.status, error.retry_after)


def test_retry_after_a_date(server: Server) -> None:
    """Retry-After may be a date. RFC 9110 clause 10.2.3."""
    with HttpCarrier() as carrier:
        error = failure(lambda: carrier.exchange(server.url + "/later", WBXML, b"x"))

    assert error.retry_after is not None
    assert error.retry_after == pytest.approx(LATER.timestamp() - time.time(), abs=60)


def test_unoffered_coding(server: Server) -> None:
    """An answer in a coding that was not offered is not unpacked."""
    with HttpCarrier() as carrier:
        error = failure(lambda: carrier.exchange(server.url + "/packed", WBXML, b"x"))

    assert Failure.GARBLED is error.kind


def test_too_large(server: Server) -> None:
    """An answer is bounded, whether it tells its length or not."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with HttpCarrier(largest=10) as carrier:
        carrier.exchange(server.url, WBXML, bytes(10))
        told = failure(lambda: carrier.exchange(server.url, WBXML, bytes(11)))
        with says(head, b"b\r\n12345678901\r\n") as url:
            untold = failure(lambda: carrier.exchange(url, WBXML, b""))

    assert [Failure.TOO_LARGE] * 2 == [told.kind, untold.kind]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Failure.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Failure.UNREACHABLE),
        (b"SSH-2.0-dropbear\r\n\r\n", Failure.GARBLED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Failure.GARBLED),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, Failure.GARBLED),
    ],
)
def test_bad_answers(answer: bytes, kind: Failure) -> None:
    """A connection that breaks, an answer that is none."""
    with HttpCarrier() as carrier, says(answer) as url:
        assert kind is failure(lambda: carrier.exchange(url, WBXML, b"x")).kind


def test_timed_out_by_silence() -> None:
    """A server that says nothing."""
    with HttpCarrier(timeout=0.1) as carrier, says(b"", pause=0.2) as url:
        assert Failure.TIMED_OUT is failure(lambda: carrier.exchange(url, WBXML, b"x")).kind


def test_timed_out_by_drops() -> None:
    """A server that says a little all the time gets no more time than another."""
    drops = [bytes([octet]) for octet in b"HTTP/1.1 200 OK\r\n"]
    started = time.monotonic()
    with HttpCarrier(timeout=0.15) as carrier, says(*drops, pause=0.06) as url:
        error = failure(lambda: carrier.exchange(url, WBXML, b"x"))
        took = time.monotonic() - started

    assert Failure.TIMED_OUT is error.kind
    assert took < 0.8


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/", "nonsense", "http://", "http://:x/?token=a", "http://a..b/?token=a", "https://xn--/",
    ],
)  # fmt: skip
def test_no_address(url: str) -> None:
    """What is no address of HTTP is refused, and not repeated in the error."""
    with HttpCarrier() as carrier:
        error = failure(lambda: carrier.exchange(url, WBXML, b"x"))

    assert Failure.UNSUPPORTED is error.kind
    assert "token" not in str(error)


def test_content_type_that_cannot_be_written(server: Server) -> None:
    """A header of ours that is none is our mistake."""
    with HttpCarrier() as carrier, pytest.raises(LocalError):
        carrier.exchange(server.url, "text/plain\r\nX: y", b"x")


def test_tap_hears_both_ways(server: Server) -> None:
    """The tap hears the exact octets, in order, with from and to."""
    heard: list[tuple[str, bytes]] = []
    with HttpCarrier(tap=lambda way, octets: heard.append((way, octets))) as carrier:
        carrier.exchange(server.url, WBXML, b"out")

    ways = [way for way, _ in heard]
    sent = b"".join(octets for way, octets in heard if way == ways[0])
    answered = b"".join(octets for way, octets in heard if way == ways[-1])
    here, there = ways[0].split(">")
    assert ways[-1] == f"{there}>{here}"
    assert there == f"127.0.0.1:{server.server_port}"
    assert sent.startswith(b"POST / HTTP/1.1\r\n")
    assert sent.endswith(b"\r\n\r\nout")
    assert answered.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answered.endswith(b"\r\n\r\nout")


def test_no_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used, one that is asked for is."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.seen.clear()
    with HttpCarrier() as carrier:
        carrier.exchange(server.url, WBXML, b"x")
    with HttpCarrier(proxy=server.url) as carrier:
        carrier.exchange("http://elsewhere.example/sync", WBXML, b"x")

    assert ["/", "http://elsewhere.example/sync"] == [path for _, path, _ in server.seen]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1, with its key in the same file."""
    import ipaddress  # noqa: PLC0415 - only here

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + secret)
    return path


def test_tls(certificate: Path) -> None:
    """A certificate is verified; the tap hears plain octets above TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    with serve(context) as server:
        with HttpCarrier() as carrier:
            untrusted = failure(lambda: carrier.exchange(server.url, WBXML, b"x"))
        with HttpCarrier(verify=certificate, tap=lambda _, octets: heard.append(octets)) as carrier:
            trusted = carrier.exchange(server.url, WBXML, b"x")

    assert Failure.UNTRUSTED is untrusted.kind
    assert trusted == (WBXML, b"x")
    assert heard[0].startswith(b"POST / HTTP/1.1\r\n")


def test_authorities_that_cannot_be_read(tmp_path: Path) -> None:
    """A file of authorities that is none is said to be so."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(ConfigError, match="PEM"):
            HttpCarrier(verify=path)
