"""A server that speaks OBEX over TCP: what is put is handled, and what is got is its answer.

    async def handle(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        return 200, "application/vnd.syncml+wbxml", answer, {}

    async with ObexServer(handle, "0.0.0.0") as server:
        ...

The Put is answered when its message is handled: with success, or with the status that the
handler gives. The answer is kept until the next Put, so it may be got again.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport.carrier import NONE, Fields, Handler
from cardsync.transport.obex import Code, Limits, code_of
from cardsync.transport.obex_server_session import (
    Disconnected,
    GetAsked,
    PutAsked,
    ServerSession,
)

SERVER_LIMITS = Limits(body=300_000)

_CHUNK = 65_536
_Kept: TypeAlias = tuple[str, bytes, Fields]
_NOTHING: _Kept = ("", b"", NONE)
_LOG = logging.getLogger(__name__)


class ObexServer:
    """Serves OBEX on `port`; 0 takes any that is free, and `port` tells which.

    `url` is what the handler is told: OBEX carries no address. A connection that has brought no
    whole request for `idle` seconds is closed, whatever it dribbles; where there are `most` of
    them already, a new one takes the place of the one that has brought none for the longest time.
    """

    def __init__(
        self,
        handler: Handler,
        host: str = "127.0.0.1",
        port: int = 650,
        *,
        url: str = "",
        limits: Limits = SERVER_LIMITS,
        idle: float = 120.0,
        most: int = 64,
    ) -> None:
        self._handler = handler
        self._where = (host, port)
        self._url = url
        self._limits = limits
        self._idle = idle
        self._most = most
        self._server: asyncio.Server | None = None
        self._tasks: OrderedDict[asyncio.Task[None], None] = OrderedDict()

    @property
    def port(self) -> int:
        """The port that is open."""
        if self._server is None:
            return self._where[1]
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the port. Raises `OSError`."""
        self._server = await asyncio.start_server(self._take, *self._where)

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        if len(self._tasks) >= self._most:
            self._tasks.popitem(last=False)[0].cancel()
        self._tasks[task] = None
        try:
            await self._serve(reader, writer, task)
            writer.close()
        except asyncio.CancelledError:
            # By `stop` or for a newer one; streams of Python 3.11 complain of a cancelled task.
            _LOG.debug("a connection that had to go")
        except (OSError, TimeoutError):
            _LOG.debug("a connection that broke or fell silent")
        except PeerError as error:
            _LOG.debug("a connection of no use any more: %s", error)
        finally:
            self._tasks.pop(task, None)
            if not writer.is_closing():
                writer.transport.abort()  # `close` would wait for who does not read

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        session = ServerSession(secrets.randbelow(1 << 32), self._limits)
        answer = _NOTHING
        loop = asyncio.get_running_loop()
        end = loop.time() + self._idle
        while True:
            async with asyncio.timeout_at(end):
                octets = await reader.read(_CHUNK)
            if not octets:
                return
            session.receive_data(octets)
            for event in session.events():
                end = loop.time() + self._idle
                if task in self._tasks:
                    self._tasks.move_to_end(task)
                if isinstance(event, PutAsked):
                    answer = await self._put(session, event)
                elif isinstance(event, GetAsked):
                    _get(session, *answer)
                elif isinstance(event, Disconnected):
                    answer = _NOTHING
            writer.write(session.data_to_send())
            async with asyncio.timeout(self._idle):
                await writer.drain()

    async def _put(self, session: ServerSession, event: PutAsked) -> _Kept:
        try:
            status, kind, body, fields = await self._handler(
                self._url, event.content_type, event.body, event.fields
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the device gets an answer
            # The text of the error may hold a subscriber's data: its kind must do.
            _LOG.error("%s while a request was handled", type(error).__name__)
            status, kind, body, fields = 500, *_NOTHING
        taken = 200 <= status < 300
        with suppress(LocalError):  # the peer may have given it up meanwhile
            if taken:
                session.accept()
            else:
                session.refuse(code_of(status))
        return (kind, body, fields) if taken else _NOTHING


def _get(session: ServerSession, content_type: str, body: bytes, fields: Fields) -> None:
    if not content_type:
        session.refuse(Code.NOT_FOUND)
        return
    try:
        session.send(content_type, body, fields)
    except LocalError:
        with suppress(LocalError):
            session.refuse(Code.INTERNAL_SERVER_ERROR)
