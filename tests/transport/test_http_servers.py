"""Servers of HTTP that are not like the others, as small ones that say octets by heart."""

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest

from cardsync.transport.carrier import CarrierError, Failure
from cardsync.transport.http import HttpCarrier

KIND = "application/vnd.syncml+wbxml"
BODY = b"an answer"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


class Said:
    """A server that gives each request the next answer, on any number of connections."""

    def __init__(self, listener: socket.socket, answers: list[bytes]) -> None:
        self.listener = listener
        self.answers = answers
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/sync"

    def run(self) -> None:
        """Serve until all answers are given."""
        while self.answers:
            with suppress(OSError), self.listener.accept()[0] as connection:
                connection.settimeout(5)
                with connection.makefile("rb") as file:
                    while self.answers and self._answer(connection, file):
                        pass

    def _answer(self, connection: socket.socket, file: object) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()  # type: ignore[attr-defined]  # a file
            if not line:
                return False
            head += line
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        self.requests.append(head + file.read(length))  # type: ignore[attr-defined]  # a file
        answer = self.answers.pop(0).replace(b"{url}", self.url.encode())
        connection.sendall(answer)
        return b"close" not in answer and b"HTTP/1.0" not in answer


@contextmanager
def says(*answers: bytes) -> Iterator[Said]:
    """Run a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        said = Said(listener, list(answers))
        thread = threading.Thread(target=said.run)
        thread.start()
        yield said
        said.answers.clear()
        with suppress(OSError):
            socket.create_connection(listener.getsockname(), timeout=1).close()
        thread.join()


def refused(
    server: AbstractContextManager[Said], *, largest: int = 1 << 20, redirections: int = 0
) -> tuple[Said, CarrierError]:
    """Give how an exchange fails."""
    carrier = HttpCarrier(timeout=5, largest=largest, redirections=redirections)
    with server as said, carrier, pytest.raises(CarrierError) as caught:
        carrier.exchange(said.url, KIND, b"x")
    return said, caught.value


PACKED = gzip.compress(BODY)
ANSWERS = {
    "length": OK + LENGTH + b"\r\n" + BODY,
    "100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\n" + BODY,
    "102": b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n" * 3 + OK + LENGTH + b"\r\n" + BODY,
    "chunks": OK
    + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nan \r\n6;x=y\r\nanswer\r\n0\r\nT: v\r\n\r\n",
    "close": OK + b"Connection: close\r\n\r\n" + BODY,
    "1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "1.0 kept": b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + LENGTH + b"\r\n" + BODY,
    "202": b"HTTP/1.1 202 Accepted\r\n" + LENGTH + b"\r\n" + BODY,
    "no reason": b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\n" + BODY,
    "cases": OK + b"content-length: 9\r\nCONNECTION: Keep-Alive\r\n\r\n" + BODY,
    "identity": OK + LENGTH + b"Content-Encoding: Identity\r\n\r\n" + BODY,
    "gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
    "x-gzip": OK + b"Content-Encoding: X-GZIP\r\nConnection: close\r\n\r\n" + PACKED,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    """Two messages one after the other, whatever becomes of the connection."""
    with says(ANSWERS[name], ANSWERS[name]) as said, HttpCarrier(timeout=5) as carrier:
        answers = [carrier.exchange(said.url, KIND, b"x")[1] for _ in range(2)]

    assert [BODY, BODY] == answers


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"Content-Encoding: gzip\r\n", Failure.GARBLED),
        (b"Content-Encoding: br\r\n", Failure.GARBLED),
    ],
)
def test_codings_that_cannot_be_read(head: bytes, kind: Failure) -> None:
    """No gzip, or one that breaks off, or another coding."""
    for body in (BODY, PACKED[:-9]):
        answer = OK + head + b"Connection: close\r\n\r\n" + body
        _, error = refused(says(answer))

        assert kind is error.kind


def test_bomb() -> None:
    """What is unpacked is bounded as what is not."""
    packed = gzip.compress(bytes(50_000_000))
    answer = OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + packed
    _, error = refused(says(answer), largest=1000)

    assert Failure.TOO_LARGE is error.kind


def test_cookies() -> None:
    """What a load balancer sets comes back to it with the next message."""
    first = OK + b"Set-Cookie: route=7; Path=/\r\n" + LENGTH + b"\r\n" + BODY
    with says(first, ANSWERS["length"]) as said, HttpCarrier(timeout=5) as carrier:
        carrier.exchange(said.url, KIND, b"x")
        carrier.exchange(said.url, KIND, b"y")

    assert b"cookie" not in said.requests[0].lower()
    assert b"cookie: route=7" in said.requests[1].lower()


def moved(code: int, there: str) -> bytes:
    """Lead elsewhere."""
    told = f"HTTP/1.1 {code} Moved\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
    return told.encode()


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("there", ["/sync/", "other?x=y", "{url}/there"])
def test_other_path(code: int, there: str) -> None:
    """A redirection within the server is followed, with the message as it was, if it may be."""
    with (
        says(moved(code, there), ANSWERS["length"]) as said,
        HttpCarrier(timeout=5, redirections=3) as carrier,
    ):
        answer = carrier.exchange(said.url, KIND, b"the message")

    assert BODY == answer[1]
    assert [b"POST", b"POST"] == [each[:4] for each in said.requests]
    assert said.requests[1].endswith(b"\r\n\r\nthe message")


@pytest.mark.parametrize(
    ("code", "there"),
    [
        (303, "/sync/"),
        (307, ""),
        (307, "/sync"),
        (307, "http://127.0.0.2/sync"),
        (307, "http://127.0.0.1:1/sync"),
        (307, "ftp://127.0.0.1/sync"),
        (307, "http://[/"),
        (300, "/sync/"),
    ],
)
def test_not_followed(code: int, there: str) -> None:
    """Elsewhere the password in the message is nobody's; nor is what came nowhere."""
    said, error = refused(says(moved(code, there)), redirections=3)

    assert (Failure.REFUSED, code) == (error.kind, error.status)
    assert 1 == len(said.requests)


def test_round_and_round() -> None:
    """Three are followed, no more."""
    answers = [moved(307, f"/{number}") for number in range(9)]
    said, error = refused(says(*answers), redirections=3)

    assert 307 == error.status
    assert 4 == len(said.requests)
