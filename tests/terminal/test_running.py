"""Which carrier a session goes by. R-52, docs/request-synchronization.md clause 8.2."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cardsync.syncml.devinf import DevInf
from cardsync.terminal.agent import Agent, Identity
from cardsync.terminal.databases.management import ManagementDatabase
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.browser import Url
from cardsync.toolkit.commands import Part, ProactiveCommand
from cardsync.toolkit.objects import Result
from cardsync.transport.carrier import CarrierError, Failure
from mobiles import ICCID, IMEI, PERFORMED, request
from terminal.test_agent import ALL, DEVICE, RECORDS, URL, Server

T = so.Transport


@dataclass
class Way:
    """A carrier to the server; `fails` says after how many messages nobody is there."""

    server: Server
    fails: int | None = None
    kind: Failure = Failure.UNREACHABLE
    bodies: list[bytes] = field(default_factory=list)
    relays: list[tuple[str, int | None]] = field(default_factory=list)
    closed: int = 0

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Serve a message, or find nobody."""
        self.bodies.append(body)
        if self.fails is not None and len(self.bodies) > self.fails:
            raise CarrierError(self.kind, "nobody")
        return self.server.exchange(url, content_type, body)


class Gateway(Way):
    """A carrier that can go by another gateway."""

    def by(self, host: str, port: int | None) -> "Gateway":
        """Note it."""
        self.relays.append((host, port))
        return self

    def close(self) -> None:
        """Count it."""
        self.closed += 1


@dataclass
class Terminal:
    """An agent with a carrier for each transport."""

    path: Path
    server: Server = field(default_factory=Server)
    ways: dict[int, Way] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the ways."""
        self.database = ManagementDatabase(self.path)
        self.database.update(RECORDS, full=True)
        for one in (T.WSP, T.WSP_CONNECTIONLESS, T.HTTP, T.HTTPS, T.OBEX):
            kind = Gateway if one <= T.WSP_CONNECTIONLESS else Way
            self.ways[one] = kind(self.server)
        self.agent = Agent(
            Identity(IMEI, DevInf("1.2", DEVICE, "phone", ())),
            self.database,
            self.ways,
            lambda: 1_000_000.0,
            max_msg_size=65536,
        )

    def run(self, command: ProactiveCommand) -> Result:
        """Take an order and run it."""
        assert PERFORMED == self.agent.take(command, ICCID, lambda: None).result
        (order,) = self.agent.waiting()
        return self.agent.run(order)

    @property
    def used(self) -> dict[int, int]:
        """How many messages went by each transport."""
        return {one: len(way.bodies) for one, way in self.ways.items() if way.bodies}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Give a terminal."""
    made = Terminal(tmp_path / "devman.sqlite")
    yield made
    made.database.close()


def ordered(*transports: T, url: str = URL, proxy: str = "") -> ProactiveCommand:
    """Order a synchronization of everything by one of the transports."""
    target = so.TargetDatabase.of_uri(url, "devman")
    gateway = [Part(Url(proxy), False)] if proxy else []
    return request(so.TransportList(transports), target, ALL, *gateway)


@pytest.mark.parametrize("transport", [T.WSP, T.WSP_CONNECTIONLESS, T.HTTP, T.OBEX])
def test_each_transport(terminal: Terminal, transport: T) -> None:
    """The whole session goes by the transport that was ordered, and by no other."""
    assert PERFORMED == terminal.run(ordered(transport))
    assert {transport: terminal.server.exchanges} == terminal.used
    assert len(RECORDS) == len(terminal.server.records())


@pytest.mark.parametrize("kind", [Failure.UNREACHABLE, Failure.TIMED_OUT, Failure.UNSUPPORTED])
def test_next_in_the_list(terminal: Terminal, kind: Failure) -> None:
    """Where nobody is found, the same message goes by the next transport. TP-51, RS-11."""
    for one in (T.OBEX, T.WSP):
        terminal.ways[one].fails = 0
        terminal.ways[one].kind = kind

    assert PERFORMED == terminal.run(ordered(T.OBEX, T.WSP, T.HTTP, T.WSP_CONNECTIONLESS))
    assert {T.OBEX: 1, T.WSP: 1, T.HTTP: terminal.server.exchanges} == terminal.used
    assert 1 == len({terminal.ways[one].bodies[0] for one in (T.OBEX, T.WSP, T.HTTP)})


def test_nobody_at_all(terminal: Terminal) -> None:
    """The result is that of the last transport, by which the message was sent again."""
    for one in (T.WSP, T.HTTP):
        terminal.ways[one].fails = 0

    assert bytes.fromhex("2E02") == terminal.run(ordered(T.WSP, T.HTTP)).value()
    assert {T.WSP: 1, T.HTTP: 3} == terminal.used


def test_no_falling_back_within_a_session(terminal: Terminal) -> None:
    """What has brought an answer is used to the end, even where it breaks. Clause 8.2."""
    terminal.ways[T.WSP].fails = 1

    assert bytes.fromhex("2E02") == terminal.run(ordered(T.WSP, T.HTTP)).value()
    assert {T.WSP: 4} == terminal.used


@pytest.mark.parametrize(
    ("kind", "result"),
    [(Failure.UNTRUSTED, "3E06"), (Failure.GARBLED, "3E09"), (Failure.REFUSED, "3E09")],
)
def test_a_server_that_refuses_is_found(terminal: Terminal, kind: Failure, result: str) -> None:
    """An answer, or no trust, is no reason to try another transport."""
    terminal.ways[T.WSP].fails = 0
    terminal.ways[T.WSP].kind = kind

    assert bytes.fromhex(result) == terminal.run(ordered(T.WSP, T.HTTP)).value()
    assert {T.WSP: 1} == terminal.used


@pytest.mark.parametrize(
    ("transports", "url"),
    [
        ((T.COAP, T.SMS, T.BIP), URL),
        ((T.WSP, T.WSP_CONNECTIONLESS, T.HTTP, T.OBEX), URL.replace("http:", "https:")),
        ((T.HTTPS, T.HTTP), "wsp://dm.operator.example/s"),
    ],
)
def test_none_is_supported(terminal: Terminal, transports: tuple[T, ...], url: str) -> None:
    """`3E 04` at once, and nothing goes to the network; TLS is not given up. RS-04, RS-12."""
    response = terminal.agent.take(ordered(*transports, url=url), ICCID, lambda: None)

    assert bytes.fromhex("3E04") == response.result.value()
    assert ({}, ()) == (terminal.used, terminal.agent.waiting())


def test_gateway_of_the_command(terminal: Terminal) -> None:
    """A WAP gateway in the command goes before that of the terminal, and is closed at the end."""
    assert PERFORMED == terminal.run(ordered(T.WSP, proxy="wsp://gateway.example:9300"))

    way = terminal.ways[T.WSP]
    assert ([("gateway.example", 9300)], 1) == (way.relays, way.closed)


def test_messages_fit_a_datagram(terminal: Terminal) -> None:
    """Where a message may have to be one datagram, the server is asked for such answers."""
    terminal.run(ordered(T.HTTP, T.WSP_CONNECTIONLESS))

    assert b"60000" in terminal.ways[T.HTTP].bodies[0]
