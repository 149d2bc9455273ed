"""An ESME on asyncio: bound, kept bound, and no faster than the message centre likes.

    async with SmppClient("smsc.example", 2775, "gateway", password, on_deliver=take) as client:
        message_id = await client.submit(SubmitSm(...))

The connection comes back by itself, with pauses that double. A `submit` waits for it, for its
place in the window and for its time; what the centre throttles is sent again at half the rate.
Below it is `Link`, one TCP connection that carries a session: the session decides, asyncio
moves octets. A message centre stands on the same link.
"""

import asyncio
import logging
import ssl as tls
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self, TypeAlias, cast

from cardsync.errors import LocalError
from cardsync.transport.smpp import Request, Response
from cardsync.transport.smpp_bodies import (
    Bind,
    DeliverSm,
    DeliverSmResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
)
from cardsync.transport.smpp_codes import CommandId, CommandStatus
from cardsync.transport.smpp_errors import BindRefused, SubmitRefused, SubmitUnknown, Unreachable
from cardsync.transport.smpp_pace import Pace
from cardsync.transport.smpp_session import (
    Answered,
    Ended,
    Event,
    Limits,
    Requested,
    Role,
    Session,
    Unanswered,
)

logger = logging.getLogger(__name__)

_THROTTLED = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})
_ATTEMPTS = 6  # of one message that is throttled
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds between attempts to connect
_LINGER = 5.0  # seconds that a peer has to read our last words

Outcome: TypeAlias = Answered | Unanswered


class LinkUser(Protocol):
    """Who stands above a link. None of these may wait or raise."""

    def link_opened(self, link: "Link") -> None:
        """Learn that the connection stands; nothing is bound yet."""

    def link_requested(self, link: "Link", request: Requested) -> None:
        """Learn that the peer asks; `link.answer` or `link.refuse` owes it a reply."""

    def link_ended(self, link: "Link", reason: str) -> None:
        """Learn that the session is over."""


class Link(asyncio.Protocol):
    """A connection and its session. `peer` is `host:port` of the other end, `name` of ours."""

    def __init__(self, role: Role, user: LinkUser, limits: Limits | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.session = Session(role, self._loop.time(), limits)
        self.name = self.peer = ""
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._user = user
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}

    # What the user says.

    def ask(self, request: Request) -> asyncio.Future[Outcome]:
        """Send a request; the future gets its outcome. `LocalError` as `Session.ask` says.

        Do not cancel the future itself (use `asyncio.shield`): the window counts until then.
        """
        sequence = self.session.ask(request, self._loop.time())
        future = self._waiting[sequence] = self._loop.create_future()
        self._pump()
        return future

    def answer(self, sequence: int, response: Response) -> None:
        """Accept a request of the peer; nothing happens if the session has ended meanwhile."""
        if self.session.owes(sequence):
            self.session.answer(sequence, response)
            self._pump()

    def refuse(self, sequence: int, status: CommandStatus) -> None:
        """Refuse a request of the peer; nothing happens if the session has ended meanwhile."""
        if self.session.owes(sequence):
            self.session.refuse(sequence, status)
            self._pump()

    async def unbind(self) -> None:
        """End the session as the standard says, then the connection."""
        try:
            self.ask(Unbind())
        except LocalError:  # never bound, or ended already
            self.close()
        await asyncio.shield(self.closed)

    def close(self) -> None:
        """Close the connection behind what is still to be written, or hard after a while."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            self._loop.call_later(_LINGER, transport.abort)

    # What asyncio says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.name = _endpoint(transport.get_extra_info("sockname"))
        self.peer = _endpoint(transport.get_extra_info("peername"))
        self._user.link_opened(self)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Hand octets to the session."""
        self.session.receive_data(data, self._loop.time())
        self._pump()

    def connection_lost(self, _exc: Exception | None) -> None:
        """End, and tell all who wait."""
        self.session.receive_eof()
        self._pump()
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Hear nothing from a peer that does not listen: its answers would pile up here."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Hear again."""
        if self._transport is not None:
            self._transport.resume_reading()

    # Inside.

    def write(self, octets: bytes) -> None:
        """Write to the connection; overridden by who wants to see or lose PDUs."""
        if self._transport is not None:
            self._transport.write(octets)

    def _pump(self) -> None:
        for event in self.session.events():
            self._handle(event)
        octets = self.session.data_to_send()
        if octets:
            self.write(octets)
        if self.session.ended:
            self.close()
        self._arm()

    def _handle(self, event: Event) -> None:
        if isinstance(event, Requested):
            self._user.link_requested(self, event)
        elif isinstance(event, Answered | Unanswered):
            future = self._waiting.pop(event.sequence, None)
            if future is not None and not future.done():
                future.set_result(event)
        elif isinstance(event, Ended):
            self._user.link_ended(self, event.reason)
        else:
            logger.warning("%s broke the standard: %s", self.peer, event.reason)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.session.next_timer()
        if due is not None and self._transport is not None:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self.session.handle_timer(self._loop.time())
        self._pump()


def _endpoint(address: tuple[str, int]) -> str:
    """Write a socket's address as `host:port`."""
    return f"{address[0]}:{address[1]}"


class SmppClient:
    """An ESME. `on_deliver` makes a message durable: the centre hears ESME_ROK once it returns.

    Where it raises, or there is none, the centre hears ESME_RX_T_APPN and keeps the message.
    `rate` is messages a second at most; `connect_timeout` seconds until the first bind.
    """

    def __init__(
        self,
        host: str,
        port: int,
        system_id: str,
        password: str,
        *,
        on_deliver: Callable[[DeliverSm], Awaitable[None]] | None = None,
        mode: CommandId = CommandId.BIND_TRANSCEIVER,
        system_type: str = "",
        address_range: str = "",
        limits: Limits | None = None,
        rate: float = 1000.0,
        connect_timeout: float = 30.0,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        self._bind = Bind(mode, system_id, password, system_type, address_range=address_range)
        self._host, self._port, self._ssl = host, port, ssl
        self._on_deliver = on_deliver
        self._limits = limits or Limits(incoming=100)
        self._connect_timeout = connect_timeout
        self.pace = Pace(rate)
        self._window = asyncio.Semaphore(self._limits.window)
        self._bound = asyncio.Event()
        self._link: Link | None = None
        self._is_closed = False
        self._inbox: asyncio.Queue[tuple[Link, Requested]] = asyncio.Queue()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def __repr__(self) -> str:
        state = "bound" if self.is_bound else "not bound"
        return f"<SmppClient {self._bind.system_id} at {self._host}:{self._port}, {state}>"

    @property
    def is_bound(self) -> bool:
        """Whether messages can go at this moment."""
        return self._link is not None

    async def __aenter__(self) -> Self:
        """Bind; raise `BindRefused`, or `Unreachable` when the time for it is over."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._connect_until_bound(give_up_when_refused=True)
        except TimeoutError as exc:
            message = f"no bind at {self._host}:{self._port} within {self._connect_timeout:g} s"
            raise Unreachable(message) from exc
        self._tasks = tuple(
            asyncio.create_task(work()) for work in (self._stay_bound, self._take_deliveries)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unbind and close; a message without its response ends unknown, others `Unreachable`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        link, self._link = self._link, None
        self._is_closed = True
        self._bound.set()  # whoever waits learns that nothing will come
        if link is not None:
            await link.unbind()

    async def submit(self, message: SubmitSm) -> str:
        """Send one message and give the centre's name for it.

        Waits as long as it takes; `asyncio.timeout` around it bounds that. Raises
        `SubmitRefused`, also when it was throttled again and again, and `SubmitUnknown`.
        """
        status: int = CommandStatus.ESME_ROK
        for _ in range(_ATTEMPTS):
            outcome = await self._ask(message)
            if not isinstance(outcome, Answered):
                raise SubmitUnknown(outcome.reason)
            status = outcome.status
            if status == CommandStatus.ESME_ROK and isinstance(outcome.response, SubmitSmResp):
                self.pace.faster()
                return outcome.response.message_id or ""
            if status not in _THROTTLED:
                break
            self.pace.slower(asyncio.get_running_loop().time())
        raise SubmitRefused(status)

    async def _ask(self, message: SubmitSm) -> Outcome:
        await self._window.acquire()
        try:
            await asyncio.sleep(self.pace.reserve(asyncio.get_running_loop().time()))
            future = (await self._bound_link()).ask(message)
        except BaseException:
            self._window.release()
            raise
        # The place in the window is free when the request is settled, not when a caller leaves.
        future.add_done_callback(lambda _: self._window.release())
        return await asyncio.shield(future)

    async def _bound_link(self) -> Link:
        while self._link is None:
            if self._is_closed:
                raise Unreachable("the client was closed; the message was not sent")
            await self._bound.wait()
        return self._link

    # What the link says.

    def link_opened(self, link: Link) -> None:
        """Nothing to do: `_connect` goes on."""

    def link_requested(self, link: Link, request: Requested) -> None:
        """Queue a message for the callback; the session bounds how many can wait."""
        self._inbox.put_nowait((link, request))

    def link_ended(self, link: Link, reason: str) -> None:
        """Note that nothing can be sent for now."""
        if link is self._link:
            logger.info("session with %s ended: %s", link.peer, reason)
            self._link = None
            self._bound.clear()

    # Tasks.

    async def _stay_bound(self) -> None:
        while True:
            link = self._link
            if link is not None:
                await asyncio.shield(link.closed)
            await asyncio.sleep(_FIRST_PAUSE)  # a centre that ends what it accepted is not stormed
            await self._connect_until_bound(give_up_when_refused=False)

    async def _connect_until_bound(self, *, give_up_when_refused: bool) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._connect()
            except BindRefused as error:
                if give_up_when_refused:
                    raise
                logger.warning("%s", error)
            except (OSError, Unreachable) as error:
                logger.info("%s:%s cannot be reached: %s", self._host, self._port, error)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: Link(Role.ESME, self, self._limits), self._host, self._port, ssl=self._ssl
        )
        try:
            outcome = await link.ask(self._bind)
        except LocalError as exc:
            raise Unreachable("the connection was closed at once") from exc
        except asyncio.CancelledError:
            link.close()
            raise
        if not isinstance(outcome, Answered):
            raise Unreachable(outcome.reason)
        if outcome.status != CommandStatus.ESME_ROK:
            raise BindRefused(outcome.status)
        if link.session.ended:
            raise Unreachable("the session ended at once")
        self._link = link
        self._bound.set()

    async def _take_deliveries(self) -> None:
        while True:
            link, request = await self._inbox.get()
            # Where the session has ended meanwhile, the centre sends the message again.
            if link.session.owes(request.sequence) and isinstance(request.body, DeliverSm):
                await self._take(link, request.sequence, request.body)

    async def _take(self, link: Link, sequence: int, message: DeliverSm) -> None:
        if self._on_deliver is None:
            link.refuse(sequence, CommandStatus.ESME_RX_T_APPN)
            return
        try:
            await self._on_deliver(message)
        except Exception:
            # Whatever went wrong in there, the message is not durable: the centre keeps it.
            logger.exception("a delivered message could not be taken")
            link.refuse(sequence, CommandStatus.ESME_RX_T_APPN)
        else:
            link.answer(sequence, DeliverSmResp())
