"""Store and forward of the simulated message centre: one queue to a mobile, one to an ESME.

Both are in order, in memory, and retry: the mobile's until it answers or the message expires,
the ESME's until it answers. A queue runs as a task only while it holds something.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from cardsync.errors import CardsyncError, LocalError, PeerError
from cardsync.fleet.smsc_messages import acknowledgement_of, receipt_of
from cardsync.transport import sms
from cardsync.transport.smpp_bodies import DeliverSm, SubmitSm
from cardsync.transport.smpp_client import Link
from cardsync.transport.smpp_codes import CommandStatus, MessageState, status_name
from cardsync.transport.smpp_receipt import Receipt
from cardsync.transport.smpp_session import Answered

logger = logging.getLogger(__name__)

Radio: TypeAlias = Callable[[bytes], Awaitable[bytes | None]]
"""Takes an SMS-DELIVER to a mobile; gives the SMS-DELIVER-REPORT of its RP-ACK, None without."""

MEMORY_EXCEEDED = 22  # RP-cause, TS 24.011 clause 8.2.5.4
# TP-FCS after which a centre tries again: storage full, and the card busy with something else.
# TS 23.040 clause 9.2.3.22.
_TEMPORARY_FAILURES = frozenset({0xD0, 0xD3, 0xD4})
# An ESME that says so does not want the message another time. SMPP 3.4 clause 5.1.3.
_PERMANENT_REFUSALS = frozenset({CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN})


class RadioSilent(CardsyncError):
    """The mobile could not be reached, or nothing came back: the centre tries again."""


class RpError(PeerError):
    """An RP-ERROR: `answer` is its RP-cause, `user_data` the report in it. TS 24.011."""

    def __init__(self, cause: int, user_data: bytes | None = None) -> None:
        super().__init__(f"RP-ERROR with cause {cause}", answer=cause)
        self.user_data = user_data


class Leg(Enum):
    """Where something can be lost or said twice, and what it is there."""

    FROM_ESME = "PDU from an ESME"
    TO_ESME = "PDU to an ESME"
    TO_MOBILE = "SMS-DELIVER"
    FROM_MOBILE = "SMS-SUBMIT, SMS-DELIVER-REPORT, or no octets for an empty RP-ACK"


Fault: TypeAlias = Callable[[Leg, bytes], bool]


@dataclass(frozen=True, slots=True)
class Terms:
    """How the centre works. Times are seconds."""

    retry: float  # between two attempts
    radio_timeout: float  # for the answer of a mobile
    capacity: int  # messages, in each direction
    clock: Callable[[], datetime]
    drop: Fault | None = None
    repeat: Fault | None = None

    def copies(self, leg: Leg, octets: bytes) -> int:
        """Tell how often something passes: 1, or what the faults on demand say."""
        if self.drop is not None and self.drop(leg, octets):
            return 0
        return 2 if self.repeat is not None and self.repeat(leg, octets) else 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A message for a mobile, accepted from the ESME `system_id` and not yet ended."""

    system_id: str
    message_id: str
    message: SubmitSm
    deliver: sms.Deliver
    submitted: datetime
    expires: datetime


T = TypeVar("T")


class _Queue(Generic[T]):
    """Hands one thing after the other to `_forward`, which returns when it is done with it.

    `settled` hears of each that has left.
    """

    def __init__(self, terms: Terms, settled: Callable[[], None]) -> None:
        self._terms = terms
        self._settled = settled
        self._waiting: deque[T] = deque()
        self._alert = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Give the number of things not yet done with."""
        return len(self._waiting)

    def put(self, thing: T) -> None:
        """Queue a thing; who puts has looked at the capacity."""
        self._waiting.append(thing)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End the task; what waits is lost with the memory that it is in."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            await self._forward(self._waiting[0])
            self._waiting.popleft()
            self._settled()

    async def _forward(self, thing: T) -> None:
        raise NotImplementedError

    async def _pause(self, seconds: float) -> None:
        """Wait for the next attempt, or until somebody has come who was missing."""
        try:
            async with asyncio.timeout(seconds):
                await self._alert.wait()
        except TimeoutError:
            return


class MobileQueue(_Queue[Stored]):
    """What is to be delivered to one mobile; `post` takes what an ESME shall hear of it."""

    def __init__(
        self, terms: Terms, settled: Callable[[], None], post: Callable[[str, DeliverSm], None]
    ) -> None:
        super().__init__(terms, settled)
        self._post = post
        self._radio: Radio | None = None

    def attach(self, radio: Radio | None) -> None:
        """Let messages go through `radio`, at once; None where the mobile is away."""
        self._radio = radio
        if radio is not None:
            self._alert.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost without this queue."""
        return self._radio is None and not self._waiting

    async def _forward(self, thing: Stored) -> None:
        while (left := (thing.expires - self._terms.clock()).total_seconds()) > 0:
            self._alert.clear()
            state = await self._attempt(thing)
            if state is not None:
                self._finish(thing, state)
                return
            await self._pause(min(left, self._terms.retry))
        self._finish(thing, MessageState.EXPIRED)

    def _finish(self, stored: Stored, state: MessageState) -> None:
        receipt = Receipt(stored.message_id, state)
        told = receipt_of(stored.message, receipt, stored.submitted, self._terms.clock())
        if told is not None:
            self._post(stored.system_id, told)

    async def _attempt(self, stored: Stored) -> MessageState | None:
        """Try once; give the final state, or None to try again."""
        tpdu = replace(stored.deliver, more_messages=len(self._waiting) > 1).encode()
        state = None
        for _ in range(self._terms.copies(Leg.TO_MOBILE, tpdu)):
            state = await self._send(stored, tpdu) or state
        return state

    async def _send(self, stored: Stored, tpdu: bytes) -> MessageState | None:
        if self._radio is None:
            return None
        error = None
        try:
            async with asyncio.timeout(self._terms.radio_timeout):
                report = await self._radio(tpdu)
        except (RadioSilent, TimeoutError):
            return None
        except RpError as rp_error:
            error, report = rp_error, rp_error.user_data
        copies = self._terms.copies(Leg.FROM_MOBILE, report or b"")
        return self._conclude(stored, report, error, copies) if copies else None

    def _conclude(
        self, stored: Stored, octets: bytes | None, error: RpError | None, copies: int
    ) -> MessageState | None:
        report = sms.DeliverReport()
        if octets:
            try:
                report = sms.DeliverReport.decode(octets, failed=error is not None)
            except PeerError as exc:
                # The RP layer said how it ended; only what the report would add is missing.
                logger.warning("a mobile's report cannot be read: %s", exc)
        if report.failure in _TEMPORARY_FAILURES:
            return None
        if error is not None and error.answer == MEMORY_EXCEEDED:
            return None
        if report.user_data.header or report.user_data.data:
            for _ in range(copies):
                told = acknowledgement_of(stored.message, stored.message_id, report)
                self._post(stored.system_id, told)
        return MessageState.DELIVERED if error is None else MessageState.UNDELIVERABLE


class EsmeQueue(_Queue[DeliverSm]):
    """What is to be told to one ESME, over whichever of its receiving links is there."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms, lambda: None)
        self._links: list[Link] = []

    def opened(self, link: Link) -> None:
        """Let messages go through `link`."""
        self._links.append(link)
        self._alert.set()

    def closed(self, link: Link) -> None:
        """Let no more messages go through `link`."""
        if link in self._links:
            self._links.remove(link)

    async def _forward(self, thing: DeliverSm) -> None:
        while True:
            self._alert.clear()
            status = await self._tell(thing)
            if status == CommandStatus.ESME_ROK:
                return
            if status in _PERMANENT_REFUSALS:
                logger.warning("an ESME refuses a message for good: %s", status_name(status))
                return
            await self._pause(self._terms.retry)

    async def _tell(self, message: DeliverSm) -> int:
        """Send once; give the status, or that of a system error where there is no answer."""
        if not self._links:
            return CommandStatus.ESME_RSYSERR
        try:
            outcome = await asyncio.shield(self._links[0].ask(message))
        except LocalError:  # it is leaving, and has said so already
            return CommandStatus.ESME_RSYSERR
        return outcome.status if isinstance(outcome, Answered) else CommandStatus.ESME_RSYSERR
