"""Servers of WSP and OBEX under attack: memory is bounded, others are served, nothing is raised.

Datagrams and streams at random and mutated from real ones, half-open transactions, a slow client.
"""

import asyncio
import logging
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.transport import wsp, wtp
from cardsync.transport.carrier import Answered, Fields
from cardsync.transport.obex_client import ObexCarrier
from cardsync.transport.obex_server import ObexServer
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_client import WspCarrier
from cardsync.transport.wsp_server import PEERS, SERVER_LIMITS, WspServer
from cardsync.transport.wsp_service import Service, UnitService
from cardsync.transport.wtp_codes import ProviderAbort, Trailer
from cardsync.transport.wtp_sar import Limits

WBXML = "application/vnd.syncml+wbxml"
URL = "http://operator.example/dm"
MEGABYTE = 1 << 20
PATIENT = Limits(retry=0.3, retries=50)
"""Of a good client: a flood drowns its datagrams too."""
LIVELY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def handle(_url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
    """Answer with the body reversed."""
    return 200, content_type, body[::-1], fields


@dataclass
class Victim:
    """A server in a thread; `wrong` is what its event loop complains of."""

    server: WspServer | ObexServer
    wrong: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it listens."""
        return self.server.ports if isinstance(self.server, WspServer) else (self.server.port,)

    def serves(self) -> bool:
        """Say whether a good client is served, in each mode, and nothing was wrong meanwhile."""
        carriers: list[WspCarrier | ObexCarrier] = (
            [
                WspCarrier("127.0.0.1", port, connectionless=bool(mode), limits=PATIENT)
                for mode, port in enumerate(self.ports)
            ]
            if isinstance(self.server, WspServer)
            else [ObexCarrier("127.0.0.1", self.ports[0], timeout=20)]
        )
        for carrier in carriers:
            with carrier:
                assert (WBXML, b"cba" * 1000) == carrier.exchange(URL, WBXML, b"abc" * 1000)
        return not self.wrong


@contextmanager
def running(server: WspServer | ObexServer) -> Iterator[Victim]:
    """Run a server in a thread."""
    loop = asyncio.new_event_loop()
    victim = Victim(server)
    loop.set_exception_handler(lambda _, context: victim.wrong.append(context))
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield victim
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def by_wsp() -> Iterator[Victim]:
    """Give a server of WSP."""
    with running(WspServer(handle, port=0, unit_port=0)) as victim:
        yield victim


@pytest.fixture(scope="module")
def by_obex() -> Iterator[Victim]:
    """Give a server of OBEX."""
    with running(ObexServer(handle, port=0)) as victim:
        yield victim


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that nothing is logged that a person would have to look at."""
    yield

    assert [] == [one for one in caplog.records if one.levelno >= logging.WARNING]


def recorded(exchange: Callable[[Callable[[str, bytes], None]], None]) -> list[bytes]:
    """Give what a good client sends in one exchange."""
    heard: list[tuple[str, bytes]] = []
    exchange(lambda way, octets: heard.append((way, octets)))
    client = heard[0][0]
    return [octets for way, octets in heard if way == client]


Mutation = tuple[int, int, bytes, bool]
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 4000), st.binary(max_size=8), st.booleans()),
    min_size=1,
    max_size=20,
)
"""Which part, where, what stands there instead, and whether the rest is cut off."""


def mutated(parts: list[bytes], how: list[Mutation]) -> list[bytes]:
    """Give parts of an exchange, changed."""
    found = []
    for number, place, octets, cut in how:
        whole = parts[number % len(parts)]
        at = place % (len(whole) + 1)
        rest = b"" if cut else whole[at + len(octets) :]
        found.append(whole[:at] + octets + rest)
    return found


@LIVELY
@given(st.lists(st.binary(max_size=200), max_size=20), MUTATIONS, st.booleans())
def test_datagrams(
    by_wsp: Victim, noise: list[bytes], how: list[Mutation], connectionless: bool
) -> None:
    """Datagrams at random, and those of a session of which octets are others."""
    port = by_wsp.ports[connectionless]

    def exchange(tap: Callable[[str, bytes], None]) -> None:
        with WspCarrier("127.0.0.1", port, connectionless=connectionless, tap=tap) as carrier:
            carrier.exchange(URL, WBXML, bytes(3000))

    good = recorded(exchange)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in noise + mutated(good, how) + mutated(good, how)[::-1]:
            stranger.sendto(datagram, ("127.0.0.1", port))

    assert by_wsp.serves()


@LIVELY
@given(st.lists(st.binary(max_size=200), max_size=5), MUTATIONS)
def test_streams(by_obex: Victim, noise: list[bytes], how: list[Mutation]) -> None:
    """Streams at random, and those of a session of which octets are others."""

    def exchange(tap: Callable[[str, bytes], None]) -> None:
        with ObexCarrier("127.0.0.1", by_obex.ports[0], tap=tap) as carrier:
            carrier.exchange(URL, WBXML, bytes(3000))

    good = recorded(exchange)
    for stream in (noise, [good[0], *mutated(good, how)]):
        with socket.create_connection(("127.0.0.1", by_obex.ports[0])) as link:
            for octets in stream:
                with suppress(OSError):  # it has had enough
                    link.sendall(octets)

    assert by_obex.serves()


@LIVELY
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=60)), max_size=40))
def test_silent_services(arrivals: list[tuple[int, bytes]]) -> None:
    """Octets of any kind from several peers end in `PeerError` or in nothing."""
    service, unit = Service[int](1, SERVER_LIMITS, peers=3), UnitService[int]()
    for now, (peer, octets) in enumerate(arrivals):
        with suppress(PeerError):
            service.receive_data(octets, peer, float(now))
        with suppress(PeerError):
            unit.receive_data(octets, peer)
        service.handle_timer(float(now))


@contextmanager
def bounded(most: int) -> Iterator[None]:
    """See that what is done leaves no more than so many octets behind."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < most


def test_half_open_transactions() -> None:
    """1,000 senders begin transactions and prove nothing: 16 MB at most, others are served.

    Each begins four, the one with much to keep, as only a true sender may.
    """
    heads = [wtp.encode(wtp.Invoke(tid, bytes(1300), trailer=Trailer.GROUP)) for tid in range(3)]
    greedy = wtp.encode(wtp.Invoke(3, bytes(60_000), trailer=Trailer.GROUP))
    with running(WspServer(handle, port=0, unit_port=0)) as victim, bounded(16 * MEGABYTE):
        there = ("127.0.0.1", victim.ports[0])
        for number in range(1000):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for datagram in (*heads, greedy):
                    sender.sendto(datagram, there)
            if number % 250 == 249:
                assert victim.serves()


def test_much_is_kept_for_nobody_unproved() -> None:
    """A long first packet of an unknown sender is refused, of one who has proved himself taken."""
    service = Service[str](1, SERVER_LIMITS)
    greedy = wtp.Invoke(1, bytes(60_000), trailer=Trailer.GROUP)
    service.receive_data(wtp.encode(greedy), "peer", 0.0)
    refused = [wtp.decode(datagram) for _, datagram in service.data_to_send()]
    service.receive_data(
        wtp.encode(wtp.Invoke(2, wsp.Connect(Capabilities()).encode())), "peer", 0.0
    )
    service.receive_data(wtp.encode(wtp.Ack(2, tid_check=True)), "peer", 0.0)
    service.data_to_send()
    service.receive_data(wtp.encode(wtp.Invoke(3, bytes(60_000), trailer=Trailer.GROUP)), "peer", 0)
    taken = [wtp.decode(datagram) for _, datagram in service.data_to_send()]

    assert [wtp.Abort(0x8001, ProviderAbort.CAPTEMPEXCEEDED)] == refused
    assert [wtp.Ack(0x8003, 0)] == taken


def test_flood_of_forged_addresses() -> None:
    """20,000 datagrams, each from another address: who is forgotten leaves nothing behind."""
    service = Service[int](1, SERVER_LIMITS, peers=PEERS)
    datagram = wtp.encode(wtp.Invoke(7, bytes(100)))
    with bounded(12 * MEGABYTE):
        for peer in range(20_000):
            service.receive_data(datagram, peer, peer / 10_000)
            service.data_to_send()
            service.events()

    assert service.next_timer() is not None


def test_slow_clients() -> None:
    """Clients that dribble are closed, also before their time when others want their place."""
    with running(ObexServer(handle, port=0, idle=3.0, most=4)) as victim:
        slow = [socket.create_connection(("127.0.0.1", victim.ports[0])) for _ in range(4)]
        over = threading.Event()
        dribbling = threading.Thread(target=dribble, args=(slow, over))
        dribbling.start()
        try:
            assert victim.serves()  # one of them had to go
            for link in slow:  # and the others when their time was over
                link.settimeout(20)
                with suppress(ConnectionResetError):
                    assert b"" == link.recv(100)
        finally:
            over.set()
            dribbling.join()
            for link in slow:
                link.close()

        assert victim.serves()


def dribble(links: list[socket.socket], over: threading.Event) -> None:
    """Send one octet of a long packet now and then, on each connection."""
    packet = iter(b"\x82\x7f\xff" + bytes(30_000))
    while not over.wait(0.05):
        octet = bytes([next(packet)])
        for link in links:
            with suppress(OSError):
                link.send(octet)
