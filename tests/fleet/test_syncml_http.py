"""HTTP of the stand-alone server: what slow and silent clients can hold, and for how long."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cardsync.fleet import syncml_http
from cardsync.fleet.syncml_http import HttpServer
from cardsync.fleet.syncml_server import Reply
from cardsync.transport.certificate import Certificate
from cardsync.transport.http import HttpCarrier
from certificates import Authority

HEAD = b"POST /syncml HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.syncml+xml\r\n"
WHOLE = HEAD + b"Content-Length: 5\r\n\r\nhello"


class Server:
    """A server that says hello, and its clock, which stands unless it is turned."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.now = 0.0
        self.held = threading.Event()
        self.served = threading.Semaphore(0)
        self.http = HttpServer("127.0.0.1", 0, self.serve, lambda: self.now, certificate)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        self.open: list[socket.socket] = []

    def serve(self, body: bytes, _type: str, query: str, _from: str, _mac: str | None) -> Reply:
        """Answer, at once or when it is let go."""
        if query == "hold":
            self.served.release()
            self.held.wait(30)
        return Reply(200, "text/plain", body)

    def connect(self, octets: bytes) -> socket.socket:
        """Begin to talk."""
        host, port = "127.0.0.1", self.http.server_address[1]
        connection = socket.create_connection((host, port), timeout=30)
        connection.sendall(octets)
        self.open.append(connection)
        return connection

    def wait_until_all_wait(self) -> None:
        """Wait until each place is that of a connection without a request."""
        end = time.monotonic() + 30
        while len(self.http._waiting) < syncml_http._CONNECTIONS:
            assert time.monotonic() < end
            time.sleep(0.01)

    def close(self) -> None:
        """Stop."""
        self.held.set()
        for connection in self.open:
            connection.close()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server."""
    made = Server()
    yield made
    made.close()


def status(connection: socket.socket) -> int:
    """Read the status of an answer; 0 where the connection was closed instead."""
    try:
        line = connection.recv(4096).partition(b"\r\n")[0].split()
    except ConnectionError:
        return 0
    return int(line[1]) if line else 0


@pytest.mark.parametrize("begun", [b"", b"P", HEAD, b"POST /syncml HTTP/1.1\r\nX: "])
def test_head_octet_by_octet(server: Server, begun: bytes) -> None:
    """Request line and fields have their time together: it is over however steadily they come."""
    slow = server.connect(begun)
    server.now += syncml_http._HEAD + syncml_http._IDLE
    slow.sendall(b"X")

    assert 0 == status(slow)


@pytest.mark.parametrize("form", [b"Content-Length: 99999", b"Transfer-Encoding: chunked"])
def test_body_octet_by_octet(server: Server, form: bytes) -> None:
    """A body has its time, too; whoever takes longer is told so."""
    slow = server.connect(HEAD + form + b"\r\n\r\n9999\r\n")
    while not select.select([slow], [], [], 0.02)[0]:
        server.now += syncml_http._BODY
        with suppress(ConnectionError):  # it may just have been closed
            slow.sendall(b"2")

    assert 408 == status(slow)


@pytest.mark.parametrize("begun", [b"", b"P", HEAD, WHOLE])
def test_place_of_who_waits_longest(server: Server, begun: bytes) -> None:
    """64 clients that say nothing, or something slowly, keep nobody out, not for a moment."""
    idle = [server.connect(begun) for _ in range(syncml_http._CONNECTIONS)]
    if begun == WHOLE:
        assert {200} == {status(each) for each in idle}
    server.wait_until_all_wait()
    honest = [status(server.connect(WHOLE)) for _ in range(8)]
    closed, _, _ = select.select(idle, [], [], 30)

    assert [200] * 8 == honest
    assert 0 == status(closed[0])


def test_who_is_served_keeps_its_place(server: Server) -> None:
    """64 that are being served lose nothing to one more, which is closed."""
    request = WHOLE.replace(b"/syncml ", b"/syncml?hold ")
    busy = [server.connect(request) for _ in range(syncml_http._CONNECTIONS)]
    for _ in busy:
        assert server.served.acquire(timeout=30)

    assert 0 == status(server.connect(WHOLE))
    server.held.set()
    assert {200} == {status(each) for each in busy}


def test_tls(tmp_path: Path) -> None:
    """With a certificate it is HTTPS; who speaks plainly, or says nothing, keeps nobody out."""
    authority = Authority(tmp_path)
    pem = authority.issue("127.0.0.1")
    server = Server(Certificate(pem, pem))
    try:
        silent, plain = server.connect(b""), server.connect(WHOLE)
        with HttpCarrier(verify=authority.path) as carrier:
            kind, body = carrier.exchange(server.http.url, "application/vnd.syncml+xml", b"hello")
        refused = plain.recv(1000)
        silent.close()
    finally:
        server.close()

    assert server.http.url.startswith("https://127.0.0.1:")
    assert ("text/plain", b"hello") == (kind, body)
    assert not refused.startswith(b"HTTP")
