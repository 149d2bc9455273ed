"""HTTP for the stand-alone SyncML server: a few threads, bounded in size, time and number."""

import io
import logging
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock
from typing import Any
from urllib.parse import urlsplit

from cardsync.errors import ConfigError
from cardsync.fleet.syncml_server import MAX_MESSAGE, Reply
from cardsync.syncml.auth import HMAC_HEADER
from cardsync.transport.certificate import Certificate

PATH = "/syncml"
"""Where messages are posted."""

_CONNECTIONS = 64
_IDLE = 60.0
_HEAD = 15.0
_BODY = 30.0
_ANSWER = 60.0
"""Seconds for which a connection may wait between two requests, and for all of a request line with
its fields, of a body, of an answer, however slowly its octets come: each is over at a time."""
_ROOM = 1.0  # seconds for which a place may take to become free
_AGAIN = "30"  # seconds after which a message that could not be served may come again
_PIECE = 65536  # octets that are read at once
_LINE, _FIELDS = 1024, 32  # octets of a line of a chunked body, lines behind its last chunk
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,6}")
_TEXT = "text/plain; charset=utf-8"
_LOG = logging.getLogger(__name__)

Serve = Callable[[bytes, str, str, str, str | None], Reply]
"""Answers a body, its content type, the query of the URL, the address that it came from, and its
`x-syncml-hmac`."""


class _Stream(io.RawIOBase):
    """What a client sends, until `end`; raises `TimeoutError` then."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._end = clock() + _HEAD

    def allow(self, seconds: float) -> None:
        """Let the client send for so long from now on."""
        self._end = self._clock() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("too slow")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _path(target: str) -> str:
    """Give the path of a request's target, which may be the whole address. RFC 9112 section 3.2."""
    try:
        return urlsplit(target).path.rstrip("/")
    except ValueError:
        return ""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "cardsync"
    sys_version = ""
    wbufsize = -1  # head and body of an answer go in one segment
    disable_nagle_algorithm = True
    server: "HttpServer"

    def setup(self) -> None:
        """Bound the time for everything that is read."""
        super().setup()
        self._stream = _Stream(self.connection, self.server.clock)
        self.rfile = self._buffered = io.BufferedReader(self._stream, _PIECE)

    def handle_one_request(self) -> None:
        """Wait for a request, then take its head in the time of a head; not long for the first."""
        try:
            first = self._buffered.peek(1)
        except OSError:  # TimeoutError is one
            first = b""
        if first:
            self._stream.allow(_HEAD)
            super().handle_one_request()
            self._stream.allow(_IDLE)
            self.server.waits(self.connection)
        else:
            self.close_connection = True

    def parse_request(self) -> bool:
        """Read the head; whoever has sent one keeps its place."""
        is_good = super().parse_request()
        return self.server.serves(self.connection) and is_good

    def do_POST(self) -> None:
        """Answer a message."""
        length = ",".join({*self.headers.get_all("Content-Length", [])})
        coding = self.headers.get("Transfer-Encoding", "").strip().lower()
        if _path(self.path) != PATH:
            self._refuse(404, f"SyncML is at {PATH}")
        elif self.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            self._refuse(415, "no content encoding is understood")
        elif coding == "chunked" and not length:
            self._take(self._chunks)
        elif coding:
            self._refuse(400, "either a length or chunks")
        elif not (length.isascii() and length.isdecimal()):
            self._refuse(411, "how long is it?")
        elif len(length) > 9 or int(length) > MAX_MESSAGE:
            self._refuse(413, f"at most {MAX_MESSAGE} octets")
        else:
            self._take(lambda: self._octets(int(length)))

    def handle_expect_100(self) -> bool:
        """Ask for the body now: the answer to the head must not wait for that to the whole."""
        expected = super().handle_expect_100()
        self.wfile.flush()
        return expected

    def do_GET(self) -> None:
        """Tell what this is."""
        self._answer(Reply(405, _TEXT, b"SyncML: POST only\n"), Allow="POST")

    do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815  # names of the base class

    def _take(self, read: Callable[[], bytes | None]) -> None:
        """Serve a body that comes whole, in time."""
        self._stream.allow(_BODY)
        try:
            body = read()
        except TimeoutError:
            self._refuse(408, f"a body in more than {_BODY:g} seconds")
            return
        if body is None:
            self._refuse(400, "the body is not what its head says")
        elif len(body) > MAX_MESSAGE:
            self._refuse(413, f"at most {MAX_MESSAGE} octets")
        else:
            self._serve(body)

    def _octets(self, length: int) -> bytes | None:
        """Read so many octets; None where the client ends before."""
        body = bytearray()
        while len(body) < length:
            piece = self.rfile.read1(min(length - len(body), _PIECE))
            if not piece:
                return None
            body += piece
        return bytes(body)

    def _chunks(self) -> bytes | None:
        """Read a chunked body, as far as its bound. RFC 9112 section 7.1."""
        body = bytearray()
        while len(body) <= MAX_MESSAGE:
            head = self.rfile.readline(_LINE).partition(b";")[0].strip()
            if not _CHUNK.fullmatch(head):
                return None
            size = int(head, 16)
            if not size:
                return bytes(body) if self._trailer() else None
            piece = self._octets(size + 2)
            if piece is None or piece[-2:] != b"\r\n":
                return None
            body += piece[:-2]
        return bytes(body)

    def _trailer(self) -> bool:
        """Pass over the fields behind the last chunk; False where they have no end."""
        lines = (self.rfile.readline(_LINE) for _ in range(_FIELDS))
        return any(line in (b"\r\n", b"\n") for line in lines)

    def _serve(self, body: bytes) -> None:
        try:
            query, origin = self.path.partition("?")[2], str(self.client_address[0])
            kind = self.headers.get("Content-Type", "")
            mac = self.headers.get(HMAC_HEADER)
            if mac is not None:
                mac = mac.encode("latin-1").decode(errors="replace")
            reply = self.server.serve(body, kind, query, origin, mac)
        except ConfigError as exc:  # the disk is full, or a database in use elsewhere
            _LOG.warning("a message is refused: %s", exc)
            self._answer(Reply(503, _TEXT, b"try again later\n"), **{"Retry-After": _AGAIN})
            return
        except Exception:  # noqa: BLE001  # whatever it is, the peer gets an answer
            _LOG.exception("a message could not be served")
            reply = Reply(500, _TEXT, b"internal error\n")
        self._answer(reply)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without reading the body; what is left of it must not be taken for a request."""
        self.close_connection = True
        self._answer(Reply(status, _TEXT, f"{reason}\n".encode()), Connection="close")

    def _answer(self, reply: Reply, **headers: str) -> None:
        self.connection.settimeout(_ANSWER)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        if reply.mac is not None:
            self.send_header(HMAC_HEADER, reply.mac.encode().decode("latin-1"))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of the base class
        """Log nothing by itself: a query carries a key."""


class HttpServer(ThreadingHTTPServer):
    """Listens; raises `ConfigError` where it cannot. Port 0 takes a free one.

    Where all places are taken, a new connection gets that of the one that has waited longest for
    its request, or for the end of its head.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        host: str,
        port: int,
        serve: Serve,
        clock: Callable[[], float] = time.monotonic,
        certificate: Certificate | None = None,
    ) -> None:
        self.serve = serve
        self.clock = clock
        self._tls = None if certificate is None else certificate.context()
        self._waiting: dict[socket.socket, None] = {}
        self._lock = Lock()
        self._connections = BoundedSemaphore(_CONNECTIONS)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as exc:
            reason = getattr(exc, "strerror", None) or "a port is 0 to 65535"
            raise ConfigError(f"cannot listen on {host}:{port}: {reason}") from exc

    @property
    def url(self) -> str:
        """Where it serves."""
        host, port = self.server_address[:2]
        return f"{'http' if self._tls is None else 'https'}://{host!s}:{port}{PATH}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; its handshake is part of its first head, and waits for nobody here."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; where there is no place it is closed."""
        if not self._connections.acquire(blocking=False) and not self._make_room():
            self.shutdown_request(request)
            return
        self.waits(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.serves(request)
            self._connections.release()

    def waits(self, connection: socket.socket) -> None:
        """Note that a connection has no request: another one may have its place."""
        with self._lock:
            self._waiting[connection] = None

    def serves(self, connection: socket.socket) -> bool:
        """Note that a connection keeps its place; False if it has lost it."""
        with self._lock:
            had_place = connection in self._waiting
            self._waiting.pop(connection, None)
        return had_place

    def _make_room(self) -> bool:
        """Close the connection that has waited longest; say whether there was one."""
        with self._lock:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            del self._waiting[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)  # its thread ends at once
        return self._connections.acquire(timeout=_ROOM)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that broke is the peer's affair."""
