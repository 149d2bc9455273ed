"""A server that speaks WSP to devices, without a gateway between them.

    async def handle(url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        return 200, "application/vnd.syncml+wbxml", answer, {}

    async with WspServer(handle, "0.0.0.0") as server:
        ...

Two ports of UDP: one in connection mode over WTP, one without connection. Requests are handled
as many at a time as `workers`; what is above is told to come again.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wsp
from cardsync.transport.carrier import Handler
from cardsync.transport.wsp_client import resolve
from cardsync.transport.wsp_codes import status_code
from cardsync.transport.wsp_headers import fields_to_headers, headers_to_fields
from cardsync.transport.wsp_service import LARGEST_SESSION_ID, Call, Gone, Service, UnitService
from cardsync.transport.wtp_sar import Limits

Where: TypeAlias = tuple[Any, ...]
"""An address of the socket's: of IPv4 or IPv6."""

SERVER_LIMITS = Limits(largest=300_000, transactions=2)
PEERS = 1024
"""With these, peers that have shown who they are can make us hold at most 0.6 GB."""

_LOG = logging.getLogger(__name__)


class WspServer:
    """Serves WSP on `port` and, unless it is None, connectionless WSP on `unit_port`.

    Port 0 takes any that is free; `ports` tells which.
    """

    def __init__(
        self,
        handler: Handler,
        host: str = "127.0.0.1",
        port: int = 9201,
        unit_port: int | None = 9200,
        *,
        limits: Limits = SERVER_LIMITS,
        workers: int = 64,
        redirect: wsp.Redirect | None = None,
    ) -> None:
        first = secrets.randbelow(LARGEST_SESSION_ID)
        service = Service[Where](first, limits, peers=PEERS, redirect=redirect)
        workshop = _Workshop(handler, workers)
        self._workshop = workshop
        self._host = host
        self._ends: list[tuple[int, asyncio.DatagramProtocol]] = [
            (port, _Connected(service, workshop))
        ]
        if unit_port is not None:
            self._ends.append((unit_port, _Connectionless(UnitService[Where](), workshop)))
        self._transports: list[asyncio.DatagramTransport] = []

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that are open: in connection mode first."""
        return tuple(each.get_extra_info("sockname")[1] for each in self._transports)

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
        """Open the ports. Raises `OSError`."""
        for port, end in self._ends:
            self._transports.append(await self._open(port, end))

    async def _open(self, port: int, end: asyncio.DatagramProtocol) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        _, address = await asyncio.to_thread(resolve, self._host, port)
        transport, _ = await loop.create_datagram_endpoint(lambda: end, address[:2])
        return transport

    async def stop(self) -> None:
        """Close the ports, and let nothing go on."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()
        await self._workshop.stop()


class _Workshop:
    """Runs the handler for calls, a bounded number at a time."""

    def __init__(self, handler: Handler, workers: int) -> None:
        self._handler = handler
        self._workers = workers
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, call: Call[Where], deliver: Callable[[Call[Where], wsp.Reply], None]) -> None:
        """Have a call handled; the reply is delivered, at once where everybody is busy."""
        if len(self._tasks) >= self._workers:
            deliver(call, _plain(503))
            return
        task = asyncio.create_task(self._run(call, deliver))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(
        self, call: Call[Where], deliver: Callable[[Call[Where], wsp.Reply], None]
    ) -> None:
        request = call.request
        try:
            fields = headers_to_fields(request.headers)
            status, kind, body, beside = await self._handler(
                request.uri, request.content_type, request.body, fields
            )
            reply = wsp.Reply(status_code(status), kind, body, fields_to_headers(beside))
            deliver(call, reply)
        except LocalError as error:
            _LOG.warning("a reply that cannot be written: %s", error)
            deliver(call, _plain(500))
        except Exception as error:  # noqa: BLE001 - whatever it is, the device gets an answer
            # The text of the error may hold a subscriber's data: its kind must do.
            _LOG.error("%s while a request was handled", type(error).__name__)
            deliver(call, _plain(500))


def _plain(status: int) -> wsp.Reply:
    return wsp.Reply(status_code(status), "text/plain", b"")


class _Connected(asyncio.DatagramProtocol):
    """Connection mode: sessions and their timers."""

    def __init__(self, service: Service[Where], workshop: _Workshop) -> None:
        self._service = service
        self._workshop = workshop
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # an endpoint's transport is of this kind
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def datagram_received(self, data: bytes, addr: Where) -> None:
        try:
            self._service.receive_data(data, addr, time.monotonic())
        except PeerError as error:
            _LOG.debug("a datagram that cannot be read: %s", error)
        self._settle()

    def deliver(self, call: Call[Where], reply: wsp.Reply) -> None:
        """Send a reply."""
        self._service.reply(call, reply, time.monotonic())
        self._settle()

    def _expire(self) -> None:
        self._timer = None
        self._service.handle_timer(time.monotonic())
        self._settle()

    def _settle(self) -> None:
        for event in self._service.events():
            if not isinstance(event, Gone):
                self._workshop.take(event, self.deliver)
        _send_all(self._transport, self._service.data_to_send())
        due = self._service.next_timer()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - time.monotonic()), self._expire)


class _Connectionless(asyncio.DatagramProtocol):
    """Connectionless mode."""

    def __init__(self, service: UnitService[Where], workshop: _Workshop) -> None:
        self._service = service
        self._workshop = workshop
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # an endpoint's transport is of this kind
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None

    def datagram_received(self, data: bytes, addr: Where) -> None:
        try:
            self._service.receive_data(data, addr)
        except PeerError as error:
            _LOG.debug("a datagram that cannot be read: %s", error)
        for call in self._service.events():
            self._workshop.take(call, self.deliver)
        _send_all(self._transport, self._service.data_to_send())

    def deliver(self, call: Call[Where], reply: wsp.Reply) -> None:
        """Send a reply."""
        self._service.reply(call, reply)
        _send_all(self._transport, self._service.data_to_send())


def _send_all(
    transport: asyncio.DatagramTransport | None, datagrams: list[tuple[Where, bytes]]
) -> None:
    for where, datagram in datagrams:
        if transport is not None:
            transport.sendto(datagram, where)
