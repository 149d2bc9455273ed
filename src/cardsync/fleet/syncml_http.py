"""HTTP for the stand-alone SyncML server: a few threads, bounded in size, time and number."""

import logging
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any

from cardsync.errors import ConfigError
from cardsync.fleet.syncml_server import MAX_MESSAGE, Reply
from cardsync.syncml.auth import HMAC_HEADER

PATH = "/syncml"
"""Where messages are posted."""

_CONNECTIONS = 64
_SECONDS = 60.0  # of silence on a connection
_AGAIN = "30"  # seconds after which a message that could not be served may come again
_PIECE = 65536  # octets that are read at once
_LINE, _FIELDS = 1024, 32  # octets of a line of a chunked body, lines behind its last chunk
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,6}")
_TEXT = "text/plain; charset=utf-8"
_LOG = logging.getLogger(__name__)

Serve = Callable[[bytes, str, str, str, str | None], Reply]
"""Answers a body, its content type, the query of the URL, the address that it came from, and its
`x-syncml-hmac`."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "cardsync"
    sys_version = ""
    timeout = _SECONDS
    wbufsize = -1  # head and body of an answer go in one segment
    disable_nagle_algorithm = True
    server: "HttpServer"

    def do_POST(self) -> None:
        """Answer a message."""
        length = ",".join({*self.headers.get_all("Content-Length", [])})
        coding = self.headers.get("Transfer-Encoding", "").strip().lower()
        if self.path.partition("?")[0].rstrip("/") != PATH:
            self._refuse(404, f"SyncML is at {PATH}")
        elif self.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            self._refuse(415, "no content encoding is understood")
        elif coding == "chunked" and not length:
            self._take(self._chunks())
        elif coding:
            self._refuse(400, "either a length or chunks")
        elif not (length.isascii() and length.isdecimal()):
            self._refuse(411, "how long is it?")
        elif len(length) > 9 or int(length) > MAX_MESSAGE:
            self._refuse(413, f"at most {MAX_MESSAGE} octets")
        else:
            self._take(self._octets(int(length)))

    def do_GET(self) -> None:
        """Tell what this is."""
        self._answer(Reply(405, _TEXT, b"SyncML: POST only\n"), Allow="POST")

    do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815  # names of the base class

    def _take(self, body: bytes | None) -> None:
        """Serve a body that came whole, in time."""
        if body is None:
            self._refuse(400, "the body is not what its head says")
        elif len(body) > MAX_MESSAGE:
            self._refuse(413, f"at most {MAX_MESSAGE} octets")
        else:
            self._serve(body)

    def _octets(self, length: int) -> bytes | None:
        """Read so many octets; None where they do not come in time."""
        body = bytearray()
        end = time.monotonic() + _SECONDS
        while len(body) < length and time.monotonic() < end:
            piece = self.rfile.read1(min(length - len(body), _PIECE))
            if not piece:
                return None
            body += piece
        return bytes(body) if len(body) == length else None

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
    """Listens; raises `ConfigError` where it cannot. Port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        self.serve = serve
        self._connections = BoundedSemaphore(_CONNECTIONS)
        try:
            super().__init__((host, port), _Handler)
        except OSError as exc:
            raise ConfigError(f"cannot listen on {host}:{port}: {exc.strerror}") from exc

    @property
    def url(self) -> str:
        """Where it serves."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}{PATH}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; beyond the bound it is closed."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that broke is the peer's affair."""
