"""An ESME on asyncio: bound, kept bound, and no faster than the message centre likes.

    async with SmppClient("smsc.example", 2775, "gateway", password, on_deliver=take) as client:
        message_id = await client.submit(SubmitSm(...))

The connection comes back by itself, with pauses that double. A `submit` waits for it, for its
place in the window and for its time; what the centre throttles is sent again at half the rate.
"""

import asyncio
import logging
import ssl as tls
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from cardsync.errors import CardsyncError, PeerError
from cardsync.transport.smpp_bodies import Bind, DeliverSm, DeliverSmResp, SubmitSm, SubmitSmResp
from cardsync.transport.smpp_codes import CommandId, CommandStatus, status_name
from cardsync.transport.smpp_link import Link, Outcome
from cardsync.transport.smpp_session import Answered, Limits, Requested, Role

_logger = logging.getLogger(__name__)
_THROTTLED = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})
_ATTEMPTS = 6  # of one message that is throttled
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds between attempts to connect


class BindRefused(PeerError):
    """The message centre does not let us in; `answer` is its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the message centre refused the bind: {status_name(status)}")
        self.status = status


class SubmitRefused(PeerError):
    """The message centre refused a message, which is nowhere but with us; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the message centre refused the message: {status_name(status)}")
        self.status = status


class SubmitUnknown(CardsyncError):
    """No response came: the message may be on its way or not. Sending again may double it."""


class Unreachable(CardsyncError):
    """The message centre could not be reached and bound to in the time allowed."""


class Pace:
    """How many messages a second: `ceiling` at most, halved when throttled, regained slowly."""

    FLOOR = 0.5  # messages a second; below it nothing would be learned any more
    HOLD = 1.0  # seconds in which several refusals count as one: they are of one window
    REGAIN = 0.01  # of the ceiling, for each message that was accepted

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        self.rate = ceiling
        self._next = 0.0
        self._held = 0.0

    def reserve(self, now: float) -> float:
        """Take the next place, and give the seconds until then."""
        start = max(now, self._next)
        self._next = start + 1 / self.rate
        return start - now

    def slower(self, now: float) -> None:
        """Halve the rate: the centre had too much."""
        if now >= self._held:
            self._held = now + self.HOLD
            self.rate = max(self.FLOOR, self.rate / 2)

    def faster(self) -> None:
        """Go a little faster: a message was accepted."""
        self.rate = min(self.ceiling, self.rate + self.ceiling * self.REGAIN)


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
        self._inbox: asyncio.Queue[tuple[Link, Requested]] = asyncio.Queue()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def __repr__(self) -> str:
        state = "bound" if self.is_bound else "not bound"
        return f"<SmppClient {self._bind.system_id} at {self._host}:{self._port}, {state}>"

    @property
    def is_bound(self) -> bool:
        """Whether messages can go at this moment."""
        return self._bound.is_set()

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
        """Unbind and close; a message that still waits for its response ends unknown."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        link, self._link = self._link, None
        self._bound.clear()
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
            while self._link is None:
                await self._bound.wait()
            future = self._link.ask(message)
        except BaseException:
            self._window.release()
            raise
        # The place in the window is free when the request is settled, not when a caller leaves.
        future.add_done_callback(lambda _: self._window.release())
        return await asyncio.shield(future)

    # What the link says.

    def link_opened(self, link: Link) -> None:
        """Nothing to do: `_connect` goes on."""

    def link_requested(self, link: Link, request: Requested) -> None:
        """Queue a message for the callback; the session bounds how many can wait."""
        self._inbox.put_nowait((link, request))

    def link_ended(self, link: Link, reason: str) -> None:
        """Note that nothing can be sent for now."""
        if link is self._link:
            _logger.info("session with %s ended: %s", link.peer, reason)
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
                _logger.warning("%s", error)
            except (OSError, Unreachable) as error:
                _logger.info("%s:%s cannot be reached: %s", self._host, self._port, error)
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
            _logger.exception("a delivered message could not be taken")
            link.refuse(sequence, CommandStatus.ESME_RX_T_APPN)
        else:
            link.answer(sequence, DeliverSmResp())
