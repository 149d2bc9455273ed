"""The ESME on asyncio, against a message centre that does what a test tells it to."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import pytest

from cardsync.errors import LocalError
from cardsync.transport.smpp import Pdu
from cardsync.transport.smpp_bodies import (
    Address,
    Bind,
    BindResp,
    DeliverSm,
    EnquireLink,
    EnquireLinkResp,
    SubmitSm,
    SubmitSmResp,
)
from cardsync.transport.smpp_client import Link, SmppClient
from cardsync.transport.smpp_codes import RESPONSE, CommandId, CommandStatus
from cardsync.transport.smpp_errors import BindRefused, SubmitRefused, SubmitUnknown, Unreachable
from cardsync.transport.smpp_session import Answered, Limits, Requested, Role, State

SUBMIT = SubmitSm(Address("1234"), Address("491711"), b"\2\x70\0data", 0x40, 0x7F, 0xF6)
PROOF = DeliverSm(Address("491711"), Address("1234"), b"\2\x71\0proof", 0x48, 0x7F, 0xF6)
PASSWORD = "s3cr3tpw"

Reaction = Callable[[Link, Requested], None]


def accept(link: Link, request: Requested) -> None:
    """Accept whatever is asked."""
    if isinstance(request.body, Bind):
        command = CommandId(request.body.command | RESPONSE)
        link.answer(request.sequence, BindResp(command, "centre"))
    else:
        link.answer(request.sequence, SubmitSmResp(f"m{request.sequence}"))


def refuse(status: CommandStatus) -> Reaction:
    """Refuse whatever is asked."""
    return lambda link, request: link.refuse(request.sequence, status)


def ignore(link: Link, request: Requested) -> None:
    """Say nothing."""


def hang_up(link: Link, request: Requested) -> None:
    """Break the connection."""
    del request
    link.close()


class Centre:
    """Reacts to binds and to submits as its two lists say, then accepts."""

    def __init__(self, *reactions: Reaction, binds: tuple[Reaction, ...] = ()) -> None:
        self.submits = list(reactions)
        self.binds = list(binds)
        self.links: list[Link] = []
        self.ended: list[str] = []
        self.got: list[object] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        limits = Limits(response_timeout=1)
        self._server = await loop.create_server(
            lambda: Link(Role.SMSC, self, limits), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, with what is connected."""
        self._server.close()
        for link in self.links:
            link.close()
            await link.closed

    def link_opened(self, link: Link) -> None:
        """Note a connection."""
        self.links.append(link)

    def link_requested(self, link: Link, request: Requested) -> None:
        """React."""
        self.got.append(request.body)
        reactions = self.binds if isinstance(request.body, Bind) else self.submits
        (reactions.pop(0) if reactions else accept)(link, request)

    def link_ended(self, link: Link, reason: str) -> None:
        """Note the end of a session."""
        del link
        self.ended.append(reason)

    def client(self, **settings: Any) -> SmppClient:
        """Give an ESME for this centre."""
        return SmppClient("127.0.0.1", self.port, "gateway", PASSWORD, **settings)


def run(journey: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a coroutine; five seconds are more than any of them needs."""

    async def body() -> None:
        async with asyncio.timeout(5):
            await journey()

    asyncio.run(body())


def test_bind_submit_unbind() -> None:
    """The whole life of a session; the connection is closed at its end."""

    async def journey() -> None:
        async with Centre() as centre:
            async with centre.client(system_type="ota", address_range="^1234") as client:
                assert client.is_bound
                assert await client.submit(SUBMIT) == "m2"
            await centre.links[0].closed
            bind = Bind(
                CommandId.BIND_TRANSCEIVER, "gateway", PASSWORD, "ota", address_range="^1234"
            )
            assert [bind, SUBMIT] == centre.got
            assert ["the peer unbound"] == centre.ended

    run(journey)


def test_bind_refused() -> None:
    """A wrong password is told at once, and the connection is not kept."""

    async def journey() -> None:
        async with Centre(binds=(refuse(CommandStatus.ESME_RINVPASWD),)) as centre:
            with pytest.raises(BindRefused) as caught:
                async with centre.client():
                    pass
            assert CommandStatus.ESME_RINVPASWD == caught.value.status
            await centre.links[0].closed

    run(journey)


def test_nobody_there() -> None:
    """A centre that cannot be reached is tried again until the time is over."""

    async def journey() -> None:
        async with Centre() as centre:
            port = centre.port
        with pytest.raises(Unreachable):
            async with SmppClient("127.0.0.1", port, "gateway", PASSWORD, connect_timeout=0.2):
                pass

    run(journey)


def test_silent_bind() -> None:
    """A centre that accepts the connection and says nothing is no centre."""

    async def journey() -> None:
        async with Centre(binds=(ignore,)) as centre:
            with pytest.raises(Unreachable):
                async with centre.client(connect_timeout=0.1):
                    pass
            await centre.links[0].closed

    run(journey)


def test_late_centre() -> None:
    """A centre that comes later is found."""

    async def journey() -> None:
        async with Centre() as first:
            port = first.port
        centre = Centre()
        centre.port = port
        binding = asyncio.create_task(centre.client().__aenter__())
        await asyncio.sleep(0.05)
        async with centre:
            client = await binding
            assert await client.submit(SUBMIT) == "m2"
            await client.__aexit__(None, None, None)

    run(journey)


def test_refused_message() -> None:
    """Any refusal but throttling is the caller's business, at once."""

    async def journey() -> None:
        async with Centre(refuse(CommandStatus.ESME_RINVDSTADR)) as centre, centre.client() as one:
            with pytest.raises(SubmitRefused) as caught:
                await one.submit(SUBMIT)
            assert CommandStatus.ESME_RINVDSTADR == caught.value.status
            assert [SUBMIT] == centre.got[1:]

    run(journey)


@pytest.mark.parametrize("status", [CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL])
def test_throttled(status: CommandStatus) -> None:
    """The message is sent again, at half the rate."""

    async def journey() -> None:
        async with Centre(refuse(status)) as centre, centre.client(rate=200.0) as client:
            assert await client.submit(SUBMIT) == "m3"
            assert 100 <= client.pace.rate < 110
            assert [SUBMIT, SUBMIT] == centre.got[1:]

    run(journey)


def test_throttled_for_ever() -> None:
    """After some attempts the caller is told."""

    async def journey() -> None:
        no = [refuse(CommandStatus.ESME_RMSGQFUL)] * 10
        async with Centre(*no) as centre, centre.client() as client:
            with pytest.raises(SubmitRefused) as caught:
                await client.submit(SUBMIT)
            assert CommandStatus.ESME_RMSGQFUL == caught.value.status

    run(journey)


def test_unanswered_message() -> None:
    """No response in time: the outcome is unknown, the session lives on."""

    async def journey() -> None:
        limits = Limits(response_timeout=1)
        async with Centre(ignore) as centre, centre.client(limits=limits) as client:
            with pytest.raises(SubmitUnknown):
                await client.submit(SUBMIT)
            assert await client.submit(SUBMIT) == "m3"

    run(journey)


def test_reconnects() -> None:
    """A broken connection comes back; what waited for it goes then."""

    async def journey() -> None:
        async with Centre(hang_up) as centre, centre.client() as client:
            with pytest.raises(SubmitUnknown):
                await client.submit(SUBMIT)
            assert not client.is_bound
            assert await client.submit(SUBMIT) == "m2"
            assert len(centre.links) == 2

    run(journey)


def test_reconnects_although_refused_for_a_while() -> None:
    """A centre that still holds the old session (ESME_RALYBND) is asked again."""

    async def journey() -> None:
        binds = (accept, refuse(CommandStatus.ESME_RALYBND))
        async with Centre(hang_up, binds=binds) as centre, centre.client() as client:
            with pytest.raises(SubmitUnknown):
                await client.submit(SUBMIT)
            assert await client.submit(SUBMIT) == "m2"
            assert len(centre.links) == 3

    run(journey)


def test_unbound_by_the_centre() -> None:
    """A centre that unbinds is left, and bound to again."""

    async def journey() -> None:
        async with Centre() as centre, centre.client() as client:
            await centre.links[0].unbind()
            assert State.CLOSED is centre.links[0].session.state
            assert await client.submit(SUBMIT) == "m2"

    run(journey)


def test_window() -> None:
    """Never more messages wait than the window holds."""
    waiting: list[int] = []
    most = 0

    def hold(link: Link, request: Requested) -> None:
        nonlocal most
        waiting.append(request.sequence)
        most = max(most, len(waiting))

        def settle() -> None:
            waiting.remove(request.sequence)
            accept(link, request)

        asyncio.get_running_loop().call_later(0.01, settle)

    async def journey() -> None:
        limits = Limits(window=4)
        async with Centre(*[hold] * 20) as centre, centre.client(limits=limits) as client:
            names = await asyncio.gather(*(client.submit(SUBMIT) for _ in range(20)))
            assert len(set(names)) == 20

    run(journey)
    assert most == 4


def test_cancelled_submit_keeps_its_place_in_the_window() -> None:
    """A caller that leaves does not free what the centre still has to answer."""

    async def journey() -> None:
        limits = Limits(window=1, response_timeout=1)
        async with Centre(ignore) as centre, centre.client(limits=limits) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.submit(SUBMIT)
            assert await client.submit(SUBMIT) == "m3"

    run(journey)


def test_deliver_is_answered_when_it_is_durable() -> None:
    """The centre hears ESME_ROK when the callback has returned, not before."""
    release = asyncio.Event()
    taken: list[DeliverSm] = []

    async def take(message: DeliverSm) -> None:
        await release.wait()
        taken.append(message)

    async def journey() -> None:
        async with Centre() as centre, centre.client(on_deliver=take):
            asked = centre.links[0].ask(PROOF)
            await asyncio.sleep(0.05)
            assert not asked.done()
            release.set()
            outcome = await asked
            assert isinstance(outcome, Answered)
            assert CommandStatus.ESME_ROK == outcome.status
            assert [PROOF] == taken

    run(journey)


async def _fail(message: DeliverSm) -> None:
    del message
    raise OSError("disk full")


@pytest.mark.parametrize("callback", [None, _fail])
def test_deliver_that_is_not_taken(callback: Any) -> None:
    """The centre keeps what could not be made durable: ESME_RX_T_APPN."""

    async def journey() -> None:
        async with Centre() as centre, centre.client(on_deliver=callback):
            for _ in range(2):
                outcome = await centre.links[0].ask(PROOF)
                assert isinstance(outcome, Answered)
                assert CommandStatus.ESME_RX_T_APPN == outcome.status

    run(journey)


def test_proof_before_the_submit_response() -> None:
    """A proof of receipt may come before the response to the submit that it is about."""
    taken: list[DeliverSm] = []

    async def take(message: DeliverSm) -> None:
        taken.append(message)

    def prove_first(link: Link, request: Requested) -> None:
        link.ask(PROOF).add_done_callback(lambda _: accept(link, request))

    async def journey() -> None:
        async with Centre(prove_first) as centre, centre.client(on_deliver=take) as client:
            assert await client.submit(SUBMIT) == "m2"
            assert [PROOF] == taken

    run(journey)


def test_closed_under_a_waiting_submit() -> None:
    """Who waits for a connection when the client is closed learns that nothing was sent."""

    async def journey() -> None:
        async with Centre(hang_up) as centre:
            client = centre.client()
            async with client:
                with pytest.raises(SubmitUnknown):
                    await client.submit(SUBMIT)
                waiting = asyncio.create_task(client.submit(SUBMIT))
                left = asyncio.create_task(client.submit(SUBMIT))
                await asyncio.sleep(0.02)
                left.cancel()
            with pytest.raises(Unreachable):
                await waiting
            assert not client.is_bound

    run(journey)


def test_unbind_ends_what_waits_for_a_response() -> None:
    """A message whose response has not come when the client is closed ends unknown."""

    async def journey() -> None:
        async with Centre(ignore) as centre:
            async with centre.client() as client:
                waiting = asyncio.create_task(client.submit(SUBMIT))
                await asyncio.sleep(0.02)
            with pytest.raises(SubmitUnknown):
                await waiting

    run(journey)


def test_closed_at_once() -> None:
    """A listener that accepts and closes is tried again, not crashed upon."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def journey() -> None:
        server = await asyncio.start_server(close, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable):
            async with SmppClient("127.0.0.1", port, "gateway", PASSWORD, connect_timeout=0.3):
                pass
        server.close()

    run(journey)


def test_message_that_may_not_be_sent() -> None:
    """A receiver submits nothing: our mistake, and the place in the window is free again."""

    async def journey() -> None:
        settings = {"mode": CommandId.BIND_RECEIVER, "limits": Limits(window=1)}
        async with Centre() as centre, centre.client(**settings) as client:
            for _ in range(2):
                with pytest.raises(LocalError):
                    await client.submit(SUBMIT)

    run(journey)


def test_deliveries_of_a_lost_session_are_left_to_the_centre() -> None:
    """What could not be answered any more is not taken: the centre sends it again."""
    taken: list[DeliverSm] = []

    async def take(message: DeliverSm) -> None:
        await asyncio.sleep(0.05)
        taken.append(message)

    async def journey() -> None:
        async with Centre() as centre, centre.client(on_deliver=take) as client:
            for _ in range(3):
                centre.links[0].ask(PROOF)
            await asyncio.sleep(0.02)
            centre.links[0].close()
            await centre.links[0].closed
            await asyncio.sleep(0.02)
            assert await client.submit(SUBMIT) == "m2"
            await asyncio.sleep(0.1)
            assert [PROOF] == taken

    run(journey)


def test_peer_that_does_not_listen() -> None:
    """Who asks without reading is not read either, and nothing of it is lost."""
    question = Pdu(EnquireLink(), 1).encode()
    count = 60_000

    async def journey() -> None:
        async with Centre() as centre:
            reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
            bind = Bind(CommandId.BIND_TRANSCEIVER, "gateway", PASSWORD)
            writer.write(Pdu(bind, 1).encode())
            await reader.read(100)
            away = centre.links[0]._transport
            assert away is not None
            narrow = ((writer.transport, socket.SO_RCVBUF), (away, socket.SO_SNDBUF))
            for transport, option in narrow:
                own = transport.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, option, 65536)
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a deaf peer
            writer.write(question * count)
            async with asyncio.timeout(30):
                while away.is_reading():  # noqa: ASYNC110 - a transport tells nobody
                    await asyncio.sleep(0.01)
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            got = await reader.readexactly(len(question) * count)
            assert Pdu(EnquireLinkResp(), 1).encode() == got[-16:]
            writer.close()

    run(journey)


def deaf(data: bytes) -> None:
    """Hear nothing."""
    del data


def test_keeps_alive() -> None:
    """Silence is filled by enquire_link; a centre that is gone is noticed and bound to again."""

    async def journey() -> None:
        # Two seconds, so that a machine that pauses is not taken for a centre that is gone.
        limits = Limits(enquire_interval=0.05, response_timeout=2)
        async with Centre() as centre, centre.client(limits=limits) as client:
            await asyncio.sleep(0.4)
            assert len(centre.links) == 1
            centre.links[0].data_received = deaf  # type: ignore[method-assign]  # on purpose
            await centre.links[0].closed
            assert await client.submit(SUBMIT) == "m2"

    run(journey)


def test_password_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    """Not by repr, not by an error, not by the log."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    async def journey() -> None:
        async with Centre(hang_up) as centre, centre.client() as client:
            told.append(repr(client))
            with pytest.raises(SubmitUnknown) as caught:
                await client.submit(SUBMIT)
            told.append(repr(caught.value))

    run(journey)
    assert "gateway" in told[0]
    assert PASSWORD not in "".join(told) + caplog.text
