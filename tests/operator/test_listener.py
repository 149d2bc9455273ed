"""The operator's port for reports, and a report on its whole way by each carrier. O-4."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from cardsync.errors import ConfigError
from cardsync.octets.semi import swapped
from cardsync.operator import listener as module
from cardsync.operator import reports
from cardsync.operator.listener import Listener, listen
from cardsync.operator.proofs import Arrival, Proofs
from cardsync.operator.reports import Reports
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.report import LONGEST_FRAME, Report, ReportReason, frame, secure_report
from cardsync.policy.values import Rung
from cardsync.terminal.channels import Channels
from cardsync.terminal.equipment import Equipment
from cardsync.terminal.links import sockets
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit.codes import CommandType
from cardsync.toolkit.objects import Result
from cardsync.transport.smpp_bodies import ESM_UDHI, Address, DeliverSm
from cardsync.transport.sms import Submit
from mobiles import (
    ENDS,
    HEAD,
    ICCID,
    IMEI,
    IMSI,
    KEYS,
    SYNC_NOW,
    Agent,
    Mobile,
    Sender,
    card_with,
    trigger,
    variables,
)

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
MSISDN = "491700000001"
OCTETS = swapped(ICCID.ljust(20, "F"))
REPORT = Report(ReportReason.FALLBACK, IMEI, language="de")


@pytest.fixture
def taker(database: Database) -> Reports:
    """Give what takes reports, with one card known."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, proof_part, journal")
    cards = Cards(database, MasterKey(secrets.token_bytes(32)))
    cards.import_card(ICCID, IMSI, f"+{MSISDN}", (KEYS,), NOW)
    return Reports(database, cards)


def kept(database: Database) -> list[reports.Received]:
    """Give the reports that were taken."""
    with database.transaction() as connection:
        return reports.recent(connection, ICCID)


def framed(counter: int) -> bytes:
    """Give a report as it goes over the stream."""
    return frame(OCTETS, secure_report(REPORT, KEYS, counter))


async def send(port: int, octets: bytes) -> bytes:
    """Send octets to the port; give what comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def play(taker: Reports, scenario: Callable[[int, Listener], Coroutine[None, None, None]]) -> None:
    """Run a scenario with a listener on a free port."""

    async def run() -> None:
        listener = Listener(taker, clock=lambda: NOW)
        async with await listener.start(listen("127.0.0.1", 0)) as server:
            await scenario(server.sockets[0].getsockname()[1], listener)

    asyncio.run(run())


def test_frames(database: Database, taker: Reports) -> None:
    """Frames are taken one after the other, four on a connection; nothing is answered."""

    async def scenario(port: int, listener: Listener) -> None:
        answer = await send(port, b"".join([framed(counter) for counter in range(1, 7)]))

        assert b"" == answer
        assert {"taken": 4} == listener.arrivals

    play(taker, scenario)

    assert [4, 3, 2, 1] == [one.counter for one in kept(database)]
    assert {"bip"} == {one.carrier for one in kept(database)}


@pytest.mark.parametrize(
    "octets",
    [b"", b"\0", b"\0\0", b"\0\x0a" + bytes(10), b"GET / HTTP/1.1\r\n\r\n", framed(1)[:-1],
     (LONGEST_FRAME + 1).to_bytes(2, "big") + bytes(LONGEST_FRAME + 1)],
    ids=["nothing", "half", "none", "no packet", "a browser", "cut", "too long"],
)  # fmt: skip
def test_no_frame(database: Database, taker: Reports, octets: bytes) -> None:
    """What is no frame ends the connection and nothing else."""

    async def scenario(port: int, listener: Listener) -> None:
        assert b"" == await send(port, octets)
        assert not listener.arrivals

        await send(port, framed(1))

        assert {"taken": 1} == listener.arrivals

    play(taker, scenario)

    assert 1 == len(kept(database))


def test_refused(database: Database, taker: Reports) -> None:
    """A replayed frame is refused, and ends the connection that brought it."""

    async def scenario(port: int, listener: Listener) -> None:
        await send(port, framed(2) + framed(2) + framed(3))

        assert {"taken": 1, "refused": 1} == listener.arrivals

    play(taker, scenario)

    assert 1 == len(kept(database))


def test_slow(taker: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that takes too long is closed; above the limit none is served."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)

    async def scenario(port: int, listener: Listener) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\0")

        assert b"" == await asyncio.wait_for(reader.read(), 5)
        writer.close()

        monkeypatch.setattr(module, "MOST_CONNECTIONS", 0)
        await send(port, framed(1))

        assert not listener.arrivals

    play(taker, scenario)


def test_port_in_use(taker: Reports) -> None:
    """A port that is not free is said so."""

    async def scenario(port: int, _: Listener) -> None:
        with pytest.raises(ConfigError, match=str(port)):
            listen("127.0.0.1", port)

    play(taker, scenario)


# The whole way: card, terminal, operator.


@contextmanager
def listening(taker: Reports) -> Iterator[int]:
    """Run a listener in a thread; give its port."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ports: list[int] = []

    async def start() -> asyncio.Server:
        server = await Listener(taker, clock=lambda: NOW).start(listen("127.0.0.1", 0))
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        return server

    def run() -> None:
        server = loop.run_until_complete(start())
        loop.run_forever()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(5)
    yield ports[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def mobile(policy: str, channels: Channels | None = None) -> Mobile:
    """Give a mobile whose terminal has not the command; `channels` are those of its card."""
    there = Mobile(card_with(policy), Agent(Result(0x31)))
    there.equipment = Equipment(
        there, there.handset, there.agent, Surroundings(IMEI), there.profile, channels
    )
    return there.on()


def policy(*parameters: str, fallback: str) -> str:
    """Write a policy with these parameters and fallbacks."""
    head = HEAD.replace("[variables]", "\n".join([*parameters, "[variables]"]))
    return head + f"fallback = [{fallback}]\n" + SYNC_NOW + ENDS


def until_kept(database: Database, count: int) -> list[reports.Received]:
    """Wait until so many reports are there."""
    for _ in range(100):
        if len(kept(database)) >= count:
            break
        threading.Event().wait(0.05)
    return kept(database)


def test_by_a_channel(database: Database, taker: Reports) -> None:
    """Card, OPEN CHANNEL, a TCP connection, the operator's port: the report is in the database."""
    with listening(taker) as port:
        there = mobile(
            policy(f'report_address = "127.0.0.1:{port}"', fallback='"bip", "sms"'),
            Channels(sockets.connect),
        )
        sender = Sender(start=10)
        there.forget()
        there.message(trigger(sender))
        (first,) = until_kept(database, 1)
        types = there.types
        there.forget()
        there.message(trigger(sender))
        second, _ = until_kept(database, 2)

    bip = [CommandType.OPEN_CHANNEL, CommandType.SEND_DATA, CommandType.CLOSE_CHANNEL]

    assert bip == [one for one in types if one in bip]
    assert ("bip", IMEI, 1, "all") == (first.carrier, first.imei, first.steps, first.request)
    assert ("bip", 0) == (second.carrier, second.steps)
    assert [] == there.agent.orders
    assert [] == there.equipment.outgoing()
    assert 2 == variables(there.card)["good"]


def test_channel_that_fails(database: Database, taker: Reports) -> None:
    """A server that is away: the short message, by which both steps are told. RS-39, RS-42."""
    there = mobile(
        policy(
            'report_address = "127.0.0.1:1"', 'report_number = "+2210"', fallback='"bip", "sms"'
        ),
        Channels(sockets.connect),
    )
    there.message(trigger(Sender(start=10)))
    (tpdu,) = there.equipment.outgoing()
    octets = Submit.decode(tpdu).user_data.encode()
    told = DeliverSm(Address(MSISDN), Address("2210"), octets, esm_class=ESM_UDHI)
    proofs = Proofs(database, taker._cards)

    assert Arrival.REPORT is proofs.receive(told, NOW)
    assert Arrival.FORGED is proofs.receive(told, NOW)

    (report,) = kept(database)

    assert ("sms", IMEI, 1 | 1 << Rung.BIP) == (report.carrier, report.imei, report.steps)


@pytest.mark.parametrize("address", ["-", "127.0.0.1", "server:80", "127.0.0.1:99999", "[::1]"])
def test_no_address(address: str) -> None:
    """Without a good address no channel is opened, and the journal says why."""
    there = mobile(
        policy(f'report_address = "{address}"', fallback='"bip"'), Channels(sockets.connect)
    )
    there.message(trigger(Sender(start=10)))

    assert CommandType.OPEN_CHANNEL not in there.types
    assert "all: bip: the policy has no report_address" in there.card.applet.journal
