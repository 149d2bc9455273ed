"""The SyncML endpoint as a plain ASGI function: what a stranger may cost is bounded here.

WSP and OBEX bring their messages to `Endpoint.answer`, which has the same bounds.

A body is refused by its announced length before it is read, counted while it is read, and must
come in time. The work is done in a few threads, as many as there are database connections.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import anyio.to_thread
import psycopg

from cardsync.operator.synchronization import Reply, Synchronization
from cardsync.syncml import auth, codec
from cardsync.transport.carrier import NONE, Answered, Fields

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""The three arguments of an ASGI application."""

MAX_BODY = 1 << 20
"""Octets: four times the MaxMsgSize that we announce, for peers that do not look at it."""
BODY_SECONDS = 30.0
TYPES = (codec.WBXML, codec.XML)

_LOG = logging.getLogger(__name__)
_TEXT = "text/plain; charset=utf-8"


class _Refused(Exception):
    """A request that is answered without being read to its end."""

    def __init__(self, status: int, reason: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        self.reply = Reply(status, _TEXT, f"{reason}\n".encode())
        self.headers = headers


class Endpoint:
    """POST of a SyncML message."""

    def __init__(self, synchronization: Synchronization, *, workers: int = 8) -> None:
        self._synchronization = synchronization
        self._limiter = anyio.CapacityLimiter(workers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: tuple[tuple[bytes, bytes], ...] = ()
        try:
            content_type = _check(scope)
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive)
            if body is None:
                return  # the other side is gone
            mac = dict(scope["headers"]).get(auth.HMAC_HEADER.encode())
            reply = await self.serve(
                body,
                content_type,
                scope["query_string"].decode("latin-1"),
                None if mac is None else mac.decode(errors="replace"),
            )
        except _Refused as refusal:
            reply, headers = refusal.reply, (*refusal.headers, (b"connection", b"close"))
        except TimeoutError:
            reply, headers = Reply(408, _TEXT, b"too slow\n"), ((b"connection", b"close"),)
        if reply.mac is not None:
            headers = ((auth.HMAC_HEADER.encode(), reply.mac.encode()),)
        if reply.status == 503:
            headers = ((b"retry-after", b"2"),)
        await _answer(send, reply, headers)

    async def answer(
        self, body: bytes, content_type: str, query: str | None, fields: Fields = NONE
    ) -> Answered:
        """Answer a message by another carrier; `query` is that of its address, if it has one."""
        if codec.known(content_type) not in TYPES:
            return 415, _TEXT, f"send {' or '.join(TYPES)}\n".encode(), NONE
        if len(body) > MAX_BODY:
            return 413, _TEXT, f"at most {MAX_BODY} octets\n".encode(), NONE
        reply = await self.serve(body, content_type, query, fields.get(auth.HMAC_HEADER))
        beside = NONE if reply.mac is None else {auth.HMAC_HEADER: reply.mac}
        return reply.status, reply.content_type, reply.body, beside

    async def serve(
        self, body: bytes, content_type: str, query: str | None, mac: str | None = None
    ) -> Reply:
        """Serve a message; what goes wrong inside is a status too."""
        try:
            return await anyio.to_thread.run_sync(
                self._synchronization.serve, body, content_type, query, mac, limiter=self._limiter
            )
        except psycopg.OperationalError as error:
            _LOG.warning("the database is not available: %s", type(error).__name__)
            return Reply(503, _TEXT, b"try again later\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, the device gets an answer
            # The text of the error may hold a subscriber's data: its kind and place must do.
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error).__name__
            _LOG.error("%s in %s line %s", kind, place.filename, place.lineno)
            return Reply(500, _TEXT, b"internal error\n")


def _check(scope: Scope) -> str:
    """Refuse what can be refused by the head of the request; give the content type."""
    if scope["method"] != "POST":
        raise _Refused(405, "only POST", (b"allow", b"POST"))
    headers: dict[bytes, bytes] = dict(scope["headers"])
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    if codec.known(content_type) not in TYPES:
        raise _Refused(415, f"send {' or '.join(TYPES)}")
    length = headers.get(b"content-length", b"")
    if not length and b"chunked" not in headers.get(b"transfer-encoding", b"").lower():
        raise _Refused(411, "how long is it?")
    if length and (not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY):
        raise _Refused(413, f"at most {MAX_BODY} octets")
    return content_type


async def _read(receive: Receive) -> bytes | None:
    """Read the body; None if the connection was closed first."""
    pieces, size = [], 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        piece = event.get("body", b"")
        size += len(piece)
        if size > MAX_BODY:
            raise _Refused(413, f"at most {MAX_BODY} octets")
        pieces.append(piece)
        if not event.get("more_body"):
            return b"".join(pieces)


async def _answer(send: Send, reply: Reply, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    own = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": reply.body})
