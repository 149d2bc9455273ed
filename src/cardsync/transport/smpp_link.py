"""One TCP connection that carries an SMPP session: the session decides, asyncio moves octets.

Both the client and a message centre stand on it. Nothing here waits: what the session tells is
handed to callbacks, what it has to say is written at once, and its timers are asyncio's.
"""

import asyncio
import logging
from typing import Protocol, TypeAlias, cast

from cardsync.errors import LocalError
from cardsync.transport.smpp import Request, Response
from cardsync.transport.smpp_bodies import Unbind
from cardsync.transport.smpp_codes import CommandStatus
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

_LINGER = 5.0  # seconds that a peer has to read our last words
_logger = logging.getLogger(__name__)

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
        self.name = endpoint(transport.get_extra_info("sockname"))
        self.peer = endpoint(transport.get_extra_info("peername"))
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
            _logger.warning("%s broke the standard: %s", self.peer, event.reason)

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


def endpoint(address: tuple[str, int]) -> str:
    """Write a socket's address as `host:port`."""
    return f"{address[0]}:{address[1]}"
