"""A simulated message centre: SMPP 3.4 on one side, a callback for each mobile on the other.

    async with Smsc([Account("gateway", "secret", ("1234",))]) as smsc:
        smsc.attach("491711", radio)        # async def radio(tpdu: bytes) -> bytes | None
        ...                                 # an ESME binds to 127.0.0.1, smsc.port

It stores and forwards as a real one does, in memory and of bounded size; it is meant for
demonstrations and tests, where it also loses and repeats things on demand.
"""

import asyncio
import functools
import hmac
import itertools
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeAlias

from cardsync.errors import PeerError
from cardsync.fleet.smsc_messages import deliver_of, deliver_sm_of, read_time
from cardsync.fleet.smsc_queues import (
    EsmeQueue,
    Fault,
    Leg,
    MobileQueue,
    Radio,
    RadioSilent,
    RpError,
    Stored,
    Terms,
)
from cardsync.transport import sms
from cardsync.transport.smpp import Framer, MalformedPdu
from cardsync.transport.smpp_bodies import (
    VERSION,
    Bind,
    BindResp,
    DeliverSm,
    SubmitSm,
    SubmitSmResp,
    Tlv,
)
from cardsync.transport.smpp_client import Link
from cardsync.transport.smpp_codes import RESPONSE, CommandId, CommandStatus, Tag
from cardsync.transport.smpp_session import Limits, Requested, Role, State

MOST_LINKS = 64
# RP-causes of TS 24.011 clause 8.2.5.4.
UNASSIGNED_NUMBER, CONGESTION, SEMANTICALLY_INCORRECT = 1, 42, 95

Tap: TypeAlias = Callable[[str, bytes], None]
"""Hears each PDU's exact octets, with `from>to`, both as `host:port`."""


@dataclass(frozen=True, slots=True)
class Account:
    """An ESME that may bind, and the numbers whose mobile-originated messages it gets."""

    system_id: str
    password: str = field(repr=False)
    addresses: tuple[str, ...] = ()


class Smsc:
    """The message centre. `retry` seconds lie between attempts.

    `port` 0 takes a free one; a `listener` stands in its place.

    `capacity` bounds the messages stored for mobiles, and those for each ESME. `validity` is that
    of messages that say nothing. `drop` and `repeat` are asked for everything that crosses a
    `Leg`. `tap` hears binds with their passwords, as they are on the wire.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        listener: socket.socket | None = None,
        system_id: str = "cardsync-sim",
        retry: float = 1.0,
        radio_timeout: float = 45.0,
        capacity: int = 10_000,
        validity: timedelta = timedelta(days=1),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: Limits | None = None,
        tap: Tap | None = None,
        drop: Fault | None = None,
        repeat: Fault | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._listener = listener
        self.terms = Terms(retry, radio_timeout, capacity, clock, drop, repeat)
        self.limits = limits
        self.tap = tap
        self._system_id = system_id
        self._validity = validity
        self._accounts = {account.system_id: account for account in accounts}
        self._esmes = {system_id: EsmeQueue(self.terms) for system_id in self._accounts}
        self._mobiles: dict[str, MobileQueue] = {}
        self.stored = 0  # messages that wait for mobiles
        self._links: dict[Link, str] = {}  # and whose each is, once it is bound
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen; afterwards `port` is the one in use."""
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = {"host": self.host, "port": self.port}
        if self._listener is not None:
            where = {"sock": self._listener}
        self._server = await loop.create_server(lambda: _EsmeLink(self), **where)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unbind all and stop; what is still stored is lost."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(queue.stop() for queue in tuple(self._mobiles.values())))
        await asyncio.gather(*(queue.stop() for queue in self._esmes.values()))
        await asyncio.gather(*(link.unbind() for link in tuple(self._links)))

    @property
    def untold(self) -> int:
        """How many messages, receipts and acknowledgements wait for ESMEs."""
        return sum(len(queue) for queue in self._esmes.values())

    # The mobiles' side.

    def attach(self, msisdn: str, radio: Radio) -> None:
        """Register a mobile: what is stored for it goes to `radio` at once.

        `radio` takes an SMS-DELIVER and gives the SMS-DELIVER-REPORT of the RP-ACK or None; it
        raises `RadioSilent` where the mobile cannot be reached, `RpError` for an RP-ERROR.
        """
        self._mobile(msisdn).attach(radio)

    def detach(self, msisdn: str) -> None:
        """Take a mobile away; what comes for it is stored."""
        self._mobile(msisdn).attach(None)
        self._forget(msisdn)

    async def submit(self, msisdn: str, tpdu: bytes) -> None:
        """Take an SMS-SUBMIT from a mobile; returning is the RP-ACK, the ESME hears of it later.

        Raises `RpError` where it is refused, `RadioSilent` where it was lost on demand.
        """
        copies = self.terms.copies(Leg.FROM_MOBILE, tpdu)
        if not copies:
            raise RadioSilent("lost between mobile and message centre")
        try:
            submit = sms.Submit.decode(tpdu)
        except PeerError as exc:
            raise RpError(SEMANTICALLY_INCORRECT) from exc
        system_id = self._owner_of(submit.destination.number)
        for _ in range(copies):
            self._post(system_id, deliver_sm_of(msisdn, submit))

    def _owner_of(self, number: str) -> str:
        for account in self._accounts.values():
            if number in account.addresses:
                if len(self._esmes[account.system_id]) >= self.terms.capacity:
                    raise RpError(CONGESTION)
                return account.system_id
        raise RpError(UNASSIGNED_NUMBER)

    def _mobile(self, msisdn: str) -> MobileQueue:
        if msisdn not in self._mobiles:
            settled = functools.partial(self._settled, msisdn)
            self._mobiles[msisdn] = MobileQueue(self.terms, settled, self._post)
        return self._mobiles[msisdn]

    def _settled(self, msisdn: str) -> None:
        self.stored -= 1
        self._forget(msisdn)

    def _forget(self, msisdn: str) -> None:
        """Keep no queue of a mobile that is away and has nothing stored."""
        if self._mobiles[msisdn].is_idle:
            del self._mobiles[msisdn]

    def _post(self, system_id: str, message: DeliverSm) -> None:
        self._esmes[system_id].put(message)

    # The ESMEs' side.

    def link_opened(self, link: Link) -> None:
        """Count a connection, or close one too many."""
        if len(self._links) >= MOST_LINKS:
            link.close()
        else:
            self._links[link] = ""

    def link_requested(self, link: Link, request: Requested) -> None:
        """Answer a bind or a submit_sm."""
        if isinstance(request.body, Bind):
            self._bind(link, request.sequence, request.body)
        elif isinstance(request.body, SubmitSm):
            self._accept(link, request.sequence, request.body)

    def link_ended(self, link: Link, reason: str) -> None:
        """Forget a connection."""
        del reason
        system_id = self._links.pop(link, "")
        if system_id:
            self._esmes[system_id].closed(link)

    def _bind(self, link: Link, sequence: int, bind: Bind) -> None:
        account = self._accounts.get(bind.system_id)
        expected = account.password if account is not None else ""
        is_right = hmac.compare_digest(bind.password.encode(), expected.encode())
        if account is None:
            link.refuse(sequence, CommandStatus.ESME_RINVSYSID)
        elif not is_right:
            link.refuse(sequence, CommandStatus.ESME_RINVPASWD)
        else:
            version = Tlv(Tag.SC_INTERFACE_VERSION, bytes([VERSION]))
            command = CommandId(bind.command | RESPONSE)
            link.answer(sequence, BindResp(command, self._system_id, (version,)))
            self._links[link] = bind.system_id
            if link.session.state is not State.BOUND_TX:
                self._esmes[bind.system_id].opened(link)

    def _accept(self, link: Link, sequence: int, message: SubmitSm) -> None:
        untold = self._esmes[self._links[link]]
        if max(self.stored, len(untold)) >= self.terms.capacity:
            link.refuse(sequence, CommandStatus.ESME_RMSGQFUL)
            return
        now = self.terms.clock()
        try:
            deliver = deliver_of(message, now)
            expires = now + self._validity
            if message.validity_period:
                expires = read_time(message.validity_period, now)
        except PeerError as error:
            link.refuse(sequence, CommandStatus(error.answer or CommandStatus.ESME_RSYSERR))
            return
        name = str(next(self._numbers))
        link.answer(sequence, SubmitSmResp(name))
        self.stored += 1
        stored = Stored(self._links[link], name, message, deliver, now, expires)
        self._mobile(message.destination.digits).put(stored)


class _EsmeLink(Link):
    """A connection of which every PDU can be heard, lost or repeated, whole."""

    def __init__(self, smsc: Smsc) -> None:
        super().__init__(Role.SMSC, smsc, smsc.limits)
        self._smsc = smsc
        self._incoming = Framer()
        self._outgoing = Framer()

    def data_received(self, data: bytes) -> None:
        """Hand PDUs to the session one by one."""
        for frame in _frames(self._incoming, data):
            for _ in range(self._pass(Leg.FROM_ESME, f"{self.peer}>{self.name}", frame)):
                super().data_received(frame)

    def write(self, octets: bytes) -> None:
        """Write PDUs one by one."""
        for frame in _frames(self._outgoing, octets):
            for _ in range(self._pass(Leg.TO_ESME, f"{self.name}>{self.peer}", frame)):
                super().write(frame)

    def _pass(self, leg: Leg, way: str, frame: bytes) -> int:
        copies = self._smsc.terms.copies(leg, frame)
        if self._smsc.tap is not None:
            for _ in range(copies):
                self._smsc.tap(way, frame)
        return copies


def _frames(framer: Framer, data: bytes) -> list[bytes]:
    """Cut into PDUs; what is none goes as it is, the session knows what to say of it."""
    framer.feed(data)
    found = []
    try:
        while (frame := framer.take()) is not None:
            found.append(frame)
    except MalformedPdu:
        found.append(framer.drain())
    return found
