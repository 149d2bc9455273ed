"""Many WSP clients of one server, and requests without a session. WAP-230 clauses 7.1, 7.2."""

from collections.abc import Callable

import pytest

from cardsync.errors import LocalError, PeerError
from cardsync.transport import wsp
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_client_session import ClientSession, Connected, Ended, Replied
from cardsync.transport.wsp_codes import status_code
from cardsync.transport.wsp_service import Call, Gone, Service, UnitService
from cardsync.transport.wtp_sar import Limits

WBXML = "application/vnd.syncml+wbxml"
POST = wsp.Post("http://a/", WBXML, b"abc")
REPLY = wsp.Reply(0x20, WBXML, b"cba")
ASKED = Capabilities()


class Town:
    """A service and clients of it, by name, with nothing between them but a clock."""

    def __init__(self, **bounds: int) -> None:
        """Begin without clients."""
        self.service = Service[str](100, Limits(), peers=bounds.get("peers", 10))
        self.clients: dict[str, ClientSession] = {}
        self.told: list[Call[str] | Gone[str]] = []
        self.now = 0.0

    def client(self, name: str) -> ClientSession:
        """Add a client with a session."""
        client = self.clients[name] = ClientSession(1, ASKED)
        client.connect(self.now)
        self.settle()
        assert any(isinstance(event, Connected) for event in client.events())
        return client

    def settle(self) -> None:
        """Carry datagrams until there are none."""
        quiet = False
        while not quiet:
            quiet = True
            for name, client in self.clients.items():
                for datagram in client.data_to_send():
                    quiet = False
                    self.service.receive_data(datagram, name, self.now)
            for name, datagram in self.service.data_to_send():
                quiet = False
                if name in self.clients:
                    self.clients[name].receive_data(datagram, self.now)
        self.told += self.service.events()

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.service.handle_timer(self.now)
        for client in self.clients.values():
            client.handle_timer(self.now)
        self.settle()


def test_each_has_its_own_session() -> None:
    """Calls of several clients are told apart, and answered in any order."""
    town = Town()
    clients = [town.client(name) for name in "ab"]
    for client in clients:
        client.invoke(POST, town.now)
    town.settle()
    calls = [event for event in town.told if isinstance(event, Call)]
    for call in reversed(calls):
        town.service.reply(call, REPLY, town.now)
    town.settle()

    assert [Call("a", 2, POST), Call("b", 2, POST)] == calls
    assert [[Replied(2, REPLY)], [Replied(2, REPLY)]] == [client.events() for client in clients]


def test_timers_of_many() -> None:
    """The service wants to be called at the time of the first of its clients."""
    town = Town()
    for name in "ab":
        town.client(name).invoke(POST, town.now)
        town.settle()
        town.turn(0.3)
    due = town.service.next_timer()
    town.turn(0.5)
    town.turn(200.0)
    town.turn(200.0)

    assert due == pytest.approx(1.0)
    assert {Gone("a", 2), Gone("b", 2)} == set(town.told[2:])
    assert town.service.next_timer() is None


def test_who_was_silent_longest_is_forgotten() -> None:
    """The number of clients is bounded; who is forgotten learns it, and connects again."""
    town = Town(peers=2)
    first = town.client("a")
    first.invoke(POST, town.now)
    town.settle()
    town.client("b")
    town.client("c")
    town.turn(30.0)

    assert Gone("a", 2) in town.told
    assert isinstance(first.events()[-1], Ended)
    town.clients["a"] = again = ClientSession(900, ASKED)
    again.connect(town.now)
    town.settle()
    assert Connected(103, ASKED, ()) == again.events()[0]


def test_strangers_drive_nobody_out() -> None:
    """Datagrams from forged addresses forget each other, not who has a session."""
    town = Town(peers=3)
    client = town.client("a")
    for number in range(20):
        town.service.receive_data(bytes.fromhex("0a000102"), f"stranger {number}", town.now)
    town.settle()
    client.invoke(POST, town.now)
    town.settle()

    assert [Call("a", 2, POST)] == town.told
    assert not any(isinstance(event, Ended) for event in client.events())


def test_late_replies_are_passed_over() -> None:
    """A reply to nobody is nothing; what cannot be written is our error."""
    town = Town()
    client = town.client("a")
    town.service.reply(Call("nobody", 1, POST), REPLY, town.now)
    town.service.reply(Call("a", 77, POST), REPLY, town.now)
    client.invoke(POST, town.now)
    town.settle()

    with pytest.raises(LocalError):
        town.service.reply(Call("a", 2, POST), wsp.Reply(0x20, "a\nb", b""), town.now)
    with pytest.raises(PeerError):
        town.service.receive_data(b"", "a", town.now)


# Without a session.


def refused_or_not(call: Callable[[], None]) -> bool:
    """Say whether a call raises `PeerError`."""
    try:
        call()
    except PeerError:
        return True
    return False


def test_unit() -> None:
    """One datagram each way; a repetition is passed over while the first is thought about."""
    service = UnitService[str]()
    for _ in range(2):
        service.receive_data(wsp.unit(9, POST), "a")
    calls = service.events()
    service.reply(calls[0], REPLY)
    service.receive_data(wsp.unit(9, POST), "a")

    assert [Call("a", 9, POST)] == calls == service.events()
    assert [("a", wsp.unit(9, REPLY))] == service.data_to_send()


def test_unit_of_other_kinds() -> None:
    """GET is not allowed; what is no request gets no answer, what cannot be read neither."""
    service = UnitService[str]()
    service.receive_data(wsp.unit(1, wsp.Get("http://a/")), "a")
    service.receive_data(wsp.unit(2, REPLY), "a")

    assert refused_or_not(lambda: service.receive_data(b"\x01\x60\xff", "a"))
    not_allowed = wsp.Reply(status_code(405), "text/plain", b"")
    assert [("a", wsp.unit(1, not_allowed))] == service.data_to_send()
    assert [] == service.events()


def test_unit_that_is_too_long() -> None:
    """What does not fit into a datagram becomes an error of the server."""
    service = UnitService[str](largest=100)
    service.receive_data(wsp.unit(1, POST), "a")
    service.reply(service.events()[0], wsp.Reply(0x20, WBXML, bytes(200)))
    _, pdu = wsp.read_unit(service.data_to_send()[0][1])

    assert isinstance(pdu, wsp.Reply)
    assert status_code(500) == pdu.status
