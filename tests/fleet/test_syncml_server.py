"""The stand-alone server: who may come in, whose session it is, what a peer cannot read."""

import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.errors import ConfigError
from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_doors import beside
from cardsync.fleet.syncml_http import PATH, HttpServer
from cardsync.fleet.syncml_server import Reply, Settings, SyncmlServer, _Device
from cardsync.syncml import auth, codec
from cardsync.syncml.elements import AlertCode, Version
from cardsync.terminal.databases.sources import Source, open_source
from cardsync.transport.carrier import CarrierError, Failure
from cardsync.transport.doors import Doors
from cardsync.transport.http import HttpCarrier
from cardsync.transport.obex_client import ObexCarrier
from cardsync.transport.wsp_client import WspCarrier

USERS = {"u": b"secret", "ü": b"secret"}
BASIC, MD5 = auth.Scheme.BASIC, auth.Scheme.MD5


DOORS = ["wsp", "wsp-connectionless", "obex"]


class Line:
    """A carrier to a server in this process; `lost` counts the replies that are lost first."""

    def __init__(self, server: SyncmlServer) -> None:
        self.server = server
        self.messages = 0
        self.lost = 0
        self.urls: list[str] = []

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Bring a message."""
        self.messages += 1
        self.urls.append(url)
        reply = self.server.serve(body, content_type, url.partition("?")[2])
        if self.lost:
            self.lost -= 1
            raise CarrierError(Failure.UNREACHABLE, "lost")
        assert 200 == reply.status
        return reply.content_type, reply.body


class Old(SyncmlServer):
    """A server that knows nothing but basic."""

    def __init__(self, source: Source) -> None:
        super().__init__([source], Settings(USERS, BASIC), clock=lambda: 1e10)

    def _authenticate(self, device: _Device, proof: auth.Proof | None) -> auth.AuthResult:
        known = proof if proof and proof.scheme is BASIC else None
        return super()._authenticate(device, known)


class Two:
    """A folder at each end, and the server between."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.sources = {side: open_source(f"db={home / side}") for side in "cs"}
        self.server = SyncmlServer([self.sources["s"]], settings)
        self.line = Line(self.server)
        self.order = Order("http://a.example/syncml", account=auth.Account(BASIC, "u", b"secret"))

    @property
    def client(self) -> Source:
        """The client's end."""
        return self.sources["c"]

    def sync(self, order: Order | None = None) -> int:
        """Synchronize; give the status."""
        made = order or self.order
        return synchronize(made, [self.client], self.line, pause=lambda _: None).status

    def close(self) -> None:
        """Close both."""
        for source in self.sources.values():
            source.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    """Give two folders, the client's with an item."""
    made = Two(tmp_path, Settings(USERS))
    (tmp_path / "c" / "a.txt").write_text("one")
    yield made
    made.close()


@pytest.mark.parametrize("content_type", [codec.XML, codec.WBXML])
@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("scheme", [BASIC, MD5])
def test_versions_and_representations(
    two: Two, version: Version, content_type: str, scheme: auth.Scheme
) -> None:
    """1.0, 1.1 and 1.2, XML and WBXML, Basic and MD5: the item arrives, and again nothing."""
    account = auth.Account(scheme, "u", b"secret")
    order = replace(two.order, version=version, content_type=content_type, account=account)

    assert [200, 200] == [two.sync(order), two.sync(order)]
    assert "one" == (two.home / "s" / "a.txt").read_text()


@pytest.mark.parametrize("theirs", [None, *auth.Scheme])
@pytest.mark.parametrize("ours", auth.Scheme)
@pytest.mark.parametrize("door", ["wsp", "wsp-connectionless", "obex"])
def test_users_by_other_carriers(
    two: Two, door: str, ours: auth.Scheme, theirs: auth.Scheme | None
) -> None:
    """Basic, digests and MACs both ways, beside messages of WSP and OBEX as beside those of HTTP.

    "This technique works identically on HTTP, WAP, and OBEX": OMA DM Security 1.2 clause 5.4.3.
    """
    own = theirs and auth.Account(theirs, "sörver", b"own secret")
    server = SyncmlServer([two.sources["s"]], Settings(USERS, account=own))
    account = auth.Account(ours, "ü", b"secret")
    place = ("127.0.0.1", 0)
    with beside(Doors(wsp=place, obex=place), server.serve) as urls:
        order = Order(urls[DOORS.index(door)], account=account, server=own)
        made = ObexCarrier() if door == "obex" else WspCarrier(connectionless=door != "wsp")
        with made as carrier:
            results = [synchronize(order, [two.client], carrier) for _ in range(2)]

    assert [200, 200] == [each.status for each in results]
    assert 2 == results[1].round_trips
    assert "one" == (two.home / "s" / "a.txt").read_text()


def test_mac_over_http(two: Two, caplog: pytest.LogCaptureFixture) -> None:
    """`x-syncml-hmac` with every message, the nonce kept for the next session; nothing is logged.

    OMA DM Security 1.2 clause 5.4.
    """
    caplog.set_level("DEBUG")
    heard: list[bytes] = []
    server = HttpServer("127.0.0.1", 0, two.server.serve)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    order = Order(server.url, account=auth.Account(auth.Scheme.MAC, "ü", b"secret"))
    wrong = replace(order, account=auth.Account(auth.Scheme.MAC, "ü", b"guess"))
    with HttpCarrier(tap=lambda _way, octets: heard.append(octets)) as carrier:
        results = [
            synchronize(each, [two.client], carrier) for each in (order, order, wrong, order)
        ]
    server.shutdown()
    thread.join()
    server.server_close()
    sent = [each for each in heard if each.startswith(b"POST")]

    assert [200, 200, 401, 200] == [each.status for each in results]
    assert all(b"x-syncml-hmac: algorithm=MD5" in each for each in sent)
    assert results[0].round_trips == results[1].round_trips + 1
    assert "one" == (two.home / "s" / "a.txt").read_text()
    assert not any(secret in caplog.text for secret in ("secret", "guess", "mac="))


@pytest.mark.parametrize(
    ("account", "status"),
    [
        (None, 407),
        (auth.Account(BASIC, "u", b"wrong"), 401),
        (auth.Account(MD5, "u", b"wrong"), 401),
        (auth.Account(BASIC, "nobody", b"secret"), 401),
        (auth.Account(BASIC, "nobody", b""), 401),
    ],
)
def test_who_may_not_come_in(two: Two, account: auth.Account | None, status: int) -> None:
    """401 and 407; nothing is written."""
    assert status == two.sync(replace(two.order, account=account))
    assert [] == list((two.home / "s").iterdir())


def test_nonce_serves_once(two: Two) -> None:
    """A digest that was seen on the wire opens nothing."""
    heard: list[bytes] = []
    exchange = two.line.exchange

    def listen(url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        heard.append(body)
        return exchange(url, content_type, body)

    two.line.exchange = listen  # type: ignore[method-assign]  # a tap on the line
    assert 200 == two.sync(replace(two.order, account=auth.Account(MD5, "u", b"secret")))
    first = codec.decode(heard[1], codec.WBXML)
    again = replace(first, header=replace(first.header, msg_id=1, session_id="9"))

    reply = two.server.serve(codec.encode(again, codec.WBXML), codec.WBXML)
    assert "code=401" in str(codec.decode(reply.body, codec.WBXML))


@pytest.mark.parametrize("scheme", [None, BASIC, MD5])
def test_password_itself(two: Two, scheme: auth.Scheme | None) -> None:
    """Shown to a server that asks for it by who left it the choice, who hears of it, once."""
    two.line.server = Old(two.sources["s"])
    order = replace(two.order, account=auth.Account(scheme, "u", b"secret"))
    heard: list[str] = []

    result = synchronize(order, [two.client], two.line, bare=heard.append)
    assert (401 if scheme is MD5 else 200) == result.status
    assert ([order.url] if scheme is None else []) == heard
    assert (scheme is MD5) == isinstance(result.error, auth.AsksForLess)


def test_server_that_could_more_the_last_time(two: Two) -> None:
    """Who was asked for a digest once shows no less by himself; by his own choice he does."""
    order = replace(two.order, account=auth.Account(None, "u", b"secret"))
    assert 200 == two.sync(order)
    two.line.server = Old(two.sources["s"])

    assert [401, 401] == [two.sync(order), two.sync(order)]
    assert 200 == two.sync(replace(order, account=auth.Account(BASIC, "u", b"secret")))


def test_no_way_from_tls_to_none(two: Two) -> None:
    """A server that names an address without TLS is not followed, and told so."""
    exchange = two.line.exchange

    def lead(url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        kind, octets = exchange(url, content_type, body)
        return kind, octets.replace(b"https:", b"http:/")

    two.line.exchange = lead  # type: ignore[method-assign]  # a switch on the line
    order = replace(two.order, url=f"https{two.order.url[4:]}", content_type=codec.WBXML)
    with pytest.raises(CarrierError, match="without TLS") as caught:
        two.sync(order)

    assert Failure.UNTRUSTED is caught.value.kind
    assert 1 == two.line.messages


def test_session_of_another_one(two: Two) -> None:
    """Who goes on with a session without its key has to show who he is: 407."""
    assert 200 == two.sync()
    key, second = two.line.urls[-1].partition("?")[2], two.line.messages
    assert second == 2
    assert key.startswith("s=")
    sent: list[bytes] = []
    exchange = two.line.exchange

    def listen(url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        sent.append(body)
        if len(sent) == 2:
            raise CarrierError(Failure.TIMED_OUT, "kept back")
        return exchange(url, content_type, body)

    two.line.exchange = listen  # type: ignore[method-assign]  # a tap on the line
    (two.home / "c" / "b.txt").write_text("two")
    with pytest.raises(CarrierError):
        synchronize(two.order, [two.client], two.line, pause=_give_up)
    reply = two.server.serve(sent[1], codec.WBXML, "s=guessed")

    assert "code=407" in str(codec.decode(reply.body, codec.WBXML))
    assert not (two.home / "s" / "b.txt").exists()


def _give_up(_seconds: float) -> None:
    raise CarrierError(Failure.TIMED_OUT, "no more")


def test_lost_replies_are_repeated(two: Two) -> None:
    """The same message gets the reply that it got; nothing is done twice."""
    two.line.lost = 2

    assert 200 == two.sync()
    assert ["a.txt"] == [path.name for path in (two.home / "s").iterdir()]


def test_server_that_begins_anew_in_the_middle(two: Two) -> None:
    """A restart forgets sessions, not what was agreed: the next session makes it good."""
    assert 200 == two.sync()
    two.line.server = SyncmlServer([two.sources["s"]], Settings(USERS), clock=lambda: 1e10)
    (two.home / "c" / "b.txt").write_text("two")
    (two.home / "s" / "a.txt").unlink()

    assert 200 == two.sync()
    assert ["b.txt"] == [path.name for path in (two.home / "c").iterdir()]
    assert ["b.txt"] == [path.name for path in (two.home / "s").iterdir()]


def test_server_that_forgets_the_session(two: Two) -> None:
    """A restart in the middle of a session: one more is begun at once, and makes both equal."""
    for number in range(9):
        (two.home / "c" / f"n{number}").write_bytes(b"%d" % number * 600)
    exchange = two.line.exchange

    def restart(url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        if two.line.messages == 4:
            two.line.server = SyncmlServer([two.sources["s"]], Settings(USERS), clock=lambda: 1e10)
        return exchange(url, content_type, body)

    two.line.exchange = restart  # type: ignore[method-assign]  # a switch on the line

    assert 200 == two.sync(replace(two.order, max_msg_size=1600))
    assert two.line.messages > 10
    assert 10 == len(list((two.home / "s").iterdir()))


def test_nonce_is_kept_for_the_next_session(two: Two) -> None:
    """A digest over the nonce given last is right at once: no session begins with a refusal."""
    order = replace(two.order, account=auth.Account(MD5, "u", b"secret"))
    trips = []
    for _ in range(2):
        before = two.line.messages
        assert 200 == two.sync(order)
        trips.append(two.line.messages - before)
    assert 401 == two.sync(replace(order, account=auth.Account(MD5, "u", b"wrong")))

    assert [3, 2] == trips
    assert 200 == two.sync(order)


@pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
def test_octets_that_are_no_text(two: Two, content_type: str) -> None:
    """Files of any octets, one of them in chunks, come as they are; XML carries them in base64."""
    whole = {"latin": "ä".encode("latin-1"), "zero": b"a\0b", "large": bytes(range(256)) * 1200}
    for name, octets in whole.items():
        (two.home / "c" / name).write_bytes(octets)

    assert 200 == two.sync(replace(two.order, content_type=content_type))
    assert whole == {name: (two.home / "s" / name).read_bytes() for name in whole}


def test_what_is_no_message(two: Two) -> None:
    """400 for octets that are none, 415 for another type."""
    assert [400, 400, 415] == [
        two.server.serve(b"\x02", codec.WBXML).status,
        two.server.serve(b"<x/>", codec.XML).status,
        two.server.serve(b"", "text/html").status,
    ]


def test_unknown_database(two: Two) -> None:
    """404 for the one, the other goes on."""
    other = open_source(f"other={two.home / 'o'}")
    result = synchronize(two.order, [two.client, other], two.line)
    other.close()

    assert [200, 404] == [each.status for each in result.databases]


def test_every_kind_over_http(two: Two) -> None:
    """Alerts 200 to 205 through a real socket; lines of HTTP that are wrong are answered."""
    http_server = HttpServer("127.0.0.1", 0, two.server.serve)
    thread = threading.Thread(target=http_server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with HttpCarrier() as carrier:
            for kind in [kind for kind in AlertCode if 200 <= kind <= 205]:
                order = replace(two.order, url=http_server.url, kind=kind)
                assert synchronize(order, [two.client], carrier).ok
        assert [405, 404, 411, 413, 415, 400] == list(_wrong(http_server.server_address[1]))
    finally:
        http_server.shutdown()
        thread.join()
        http_server.server_close()


def _wrong(port: int) -> Iterator[int]:
    long = str(1 << 30)
    for method, path, headers in (
        ("GET", PATH, {}),
        ("POST", "/else", {"Content-Length": "0"}),
        ("POST", PATH, {}),
        ("POST", PATH, {"Content-Length": long}),
        ("POST", PATH, {"Content-Length": "0", "Content-Type": "text/html"}),
        ("POST", PATH, {"Content-Length": "0", "Content-Type": codec.WBXML}),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.putrequest(method, path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        yield connection.getresponse().status
        connection.close()


def test_port_that_is_taken() -> None:
    """A mistake of the person, told."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError):
            HttpServer("127.0.0.1", taken.getsockname()[1], lambda *_: pytest.fail("served"))


def test_client_that_goes_away(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that closes while its answer is made is no fault of ours: nothing is logged."""
    served, answered = threading.Event(), threading.Event()

    def serve(*_told: object) -> Reply:
        served.set()
        answered.wait(10)
        return Reply(200, codec.WBXML, bytes(1 << 24))

    server = HttpServer("127.0.0.1", 0, serve)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nContent-Length: 1\r\n\r\nx".encode())
        assert served.wait(10)
    answered.set()
    server.shutdown()
    thread.join()
    server.daemon_threads = False
    server.server_close()

    assert [] == caplog.records


def test_person_does_not_wait_for_a_silent_server(two: Two) -> None:
    """Broken off although no answer comes any more: 214, and the next one goes on."""
    for number in range(9):
        (two.home / "c" / f"n{number}").write_bytes(b"%d" % number * 600)
    order = replace(two.order, max_msg_size=1600)
    ended: list[bool] = []

    def wants_end() -> bool:
        if two.line.messages > 3:
            ended.append(True)
            two.line.lost = 9
        return bool(ended)

    broken = synchronize(order, [two.client], two.line, pause=lambda _: None, wants_end=wants_end)
    two.line.lost = 0

    assert 214 == broken.status
    assert 200 == two.sync(order)
    assert 10 == len(list((two.home / "s").iterdir()))
