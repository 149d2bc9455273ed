"""The stand-alone server's HTTP: methods, targets, heads, connections as clients have them."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardsync.fleet.syncml_http import PATH, HttpServer
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec
from cardsync.syncml.elements import Location, Message, SyncHdr
from cardsync.terminal.databases.sources import open_source

MESSAGE = Message(SyncHdr("1", 1, Location("http://a.example/syncml"), Location("d")), (), True)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Give the port of a server."""
    source = open_source(f"notes={tmp_path / 's'}")
    server = HttpServer("127.0.0.1", 0, SyncmlServer([source], Settings()).serve)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()
    source.close()


class Connection:
    """A connection on which a client says octets by heart."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read an answer: status, head, body."""
        status = int(self.file.readline().split()[1])
        head: dict[str, str] = {}
        while (line := self.file.readline().strip().decode()) != "":
            name, _, value = line.partition(":")
            head[name.lower()] = value.strip()
        return status, head, self.file.read(int(head.get("content-length", "0")))

    def close(self) -> None:
        """Close it."""
        self.file.close()
        self.socket.close()


@pytest.fixture
def line(port: int) -> Iterator[Connection]:
    """Give a connection."""
    made = Connection(port)
    yield made
    made.close()


def request(
    kind: str = codec.XML, target: str = PATH, version: str = "1.1", *, more: str = ""
) -> bytes:
    """Write a request with a message."""
    body = codec.encode(MESSAGE, codec.known(kind))
    head = f"POST {target} HTTP/{version}\r\nHost: a.example\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: {kind}\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize(
    "target",
    [
        "/syncml",
        "/syncml/",
        "/syncml?x=y",
        "http://a.example/syncml",
        "HTTP://A.EXAMPLE:80/syncml?s=x",
    ],
)
def test_targets(line: Connection, target: str) -> None:
    """The whole address, as to a proxy, is as good as the path. RFC 9112 section 3.2.2."""
    line.socket.sendall(request(target=target))

    assert 200 == line.answer()[0]


@pytest.mark.parametrize("target", ["/", "/syncml/x", "http://a.example/", "http://[/syncml", "*"])
def test_other_targets(line: Connection, target: str) -> None:
    """404, with the path that is meant."""
    line.socket.sendall(request(target=target))
    status, _, body = line.answer()

    assert (404, b"SyncML is at /syncml\n") == (status, body)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_methods(line: Connection, method: str) -> None:
    """405 and Allow: POST. RFC 9110 section 15.5.6."""
    line.socket.sendall(f"{method} /syncml HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    status, head, _ = line.answer()

    assert (405, "POST") == (status, head["allow"])


def test_head(line: Connection) -> None:
    """The same without a body."""
    line.socket.sendall(b"HEAD /syncml HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    octets = line.file.read()

    assert octets.startswith(b"HTTP/1.1 405 ")
    assert octets.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (codec.XML, 200),
        (codec.WBXML, 200),
        ("Application/VND.SyncML+XML", 200),
        ("application/vnd.syncml+xml; charset=utf-8", 200),
        (' application/vnd.syncml+wbxml ;charset="UTF-8"', 200),
        ("application/vnd.syncml-xml", 200),
        ("text/xml", 200),
        ("application/xml;charset=UTF-8", 200),
    ],
)
def test_content_types(line: Connection, kind: str, status: int) -> None:
    """In whatever letters, with parameters; the answer has the type of the question."""
    line.socket.sendall(request(kind, more="Accept: text/html\r\nAccept-Charset: x\r\n"))
    answered, head, _ = line.answer()

    assert (status, codec.media_type(kind)) == (answered, head["content-type"])


@pytest.mark.parametrize("kind", ["", "text/plain", "application/vnd.syncml.dm+xml", "multipart/x"])
def test_other_content_types(line: Connection, kind: str) -> None:
    """415."""
    line.socket.sendall(request().replace(codec.XML.encode(), kind.encode(), 1))

    assert 415 == line.answer()[0]


def test_expect(line: Connection) -> None:
    """100 before the body comes. RFC 9110 section 10.1.1."""
    head, _, body = request(more="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    line.socket.sendall(head + b"\r\n\r\n")
    assert 100 == line.answer()[0]
    line.socket.sendall(body)

    assert 200 == line.answer()[0]


def test_pipelined(line: Connection) -> None:
    """Two at once are answered one after the other, on the one connection."""
    line.socket.sendall(request() + request(codec.WBXML))

    assert [codec.XML, codec.WBXML] == [line.answer()[1]["content-type"] for _ in range(2)]


@pytest.mark.parametrize(
    ("version", "more", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive\r\n", True),
    ],
)
def test_kept_or_closed(line: Connection, version: str, more: str, kept: bool) -> None:
    """As the client wants it."""
    line.socket.sendall(request(version=version, more=more))
    assert 200 == line.answer()[0]
    if kept:
        line.socket.sendall(request())
    assert kept == bool(line.file.readline())
