"""SyncEvolution as client of our server, and as server of our client. Requirements R-01, R-61.

Every kind of synchronization, both representations, all versions, both ways to show a password,
large objects, conflicts, and connections that are lost: the same contents on both sides.
"""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import syncevolution
from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_http import HttpServer
from cardsync.fleet.syncml_server import Reply, Settings, SyncmlServer
from cardsync.syncml import auth, codec
from cardsync.syncml.datastore import Rule
from cardsync.syncml.elements import Alert, AlertCode, Status, Version
from cardsync.syncml.events import SessionResult
from cardsync.syncml.notification import CONTENT_TYPES, Asked, Notification
from cardsync.syncml.status import StatusCode
from cardsync.terminal.databases.sources import Source, open_source
from cardsync.transport.carrier import CarrierError, Failure
from cardsync.transport.http import HttpCarrier
from peers import need
from syncevolution import PASSWORD, USER, Client, Peer, by_text, contents

MODES = {
    "two-way": AlertCode.TWO_WAY,
    "slow": AlertCode.SLOW,
    "one-way-from-client": AlertCode.ONE_WAY_FROM_CLIENT,
    "refresh-from-client": AlertCode.REFRESH_FROM_CLIENT,
    "one-way-from-server": AlertCode.ONE_WAY_FROM_SERVER,
    "refresh-from-server": AlertCode.REFRESH_FROM_SERVER,
}
LARGE = "".join(f"line {number} of a text of 100,000 octets: äöü\n" for number in range(2200))
WORDS = " ".join(LARGE.split())
SMALL = 12_000
"""Octets of a message in which a large object does not fit; SyncEvolution's least is 10,240."""


def changes(client: Path, server: Path) -> None:
    """Change, remove and add on both sides; before it both have a, b, c and d in this order."""
    by_text(client)["a"].write_text("a changed by the client\n")
    by_text(client)["b"].unlink()
    (client / "new-c").write_text("added by the client\n")
    by_text(server)["c"].write_text("c changed by the server\n")
    by_text(server)["d"].unlink()
    (server / "new-s").write_text("added by the server\n")


CLIENTS = ["a changed by the client", "added by the client", "c", "d"]
SERVERS = ["a", "added by the server", "b", "c changed by the server"]
BOTH = ["a changed by the client", "added by the client", "added by the server",
        "c changed by the server"]  # fmt: skip
OUTCOMES = {
    "two-way": (BOTH, BOTH),
    "one-way-from-client": (CLIENTS, BOTH),
    "refresh-from-client": (CLIENTS, CLIENTS),
    "one-way-from-server": (BOTH, SERVERS),
    "refresh-from-server": (SERVERS, SERVERS),
}
"""By the kind: what is at the client and at the server after changes on both sides."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for all that SyncEvolution keeps."""
    return tmp_path_factory.mktemp("syncevolution")


@pytest.fixture(scope="session")
def library(home: Path) -> Path:
    """Build the repair of the client once."""
    return syncevolution.built(home)


@pytest.fixture(scope="session")
def peer(home: Path) -> Iterator[Peer]:
    """Run SyncEvolution's server once for all tests."""
    (home / "peer").mkdir()
    running = Peer(home / "peer")
    yield running
    running.stop()


class _Gone(BaseException):
    """The connection shall close without an answer."""


class _Closing(HttpServer):
    """Our HTTP server, whose connections can close without an answer."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, which is closed in the end."""
        with suppress(_Gone):
            super().process_request_thread(request, client_address)


class Ours:
    """Our server over a folder, in this process; it can lose replies and go silent."""

    def __init__(self, home: Path, settings: Settings, content_type: str) -> None:
        self.items = home / "ours"
        self.source = open_source(f"notes={self.items}", content_type)
        self._served = SyncmlServer([self.source], settings)
        self.lost: set[int] = set()
        self.gone_after: int | None = None
        self.slow_after: int | None = None
        self.bodies: list[bytes] = []
        self.replies: list[bytes] = []
        self._http = _Closing("127.0.0.1", 0, self._serve)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return self._http.url

    def _serve(self, body: bytes, content_type: str, query: str, *_origin: str | None) -> Reply:
        self.bodies.append(body)
        number = len(self.bodies)
        if self.gone_after is not None and number > self.gone_after:
            raise _Gone
        if self.slow_after is not None and number > self.slow_after:
            time.sleep(1)
        reply = self._served.serve(body, content_type, query)
        self.replies.append(reply.body)
        if number in self.lost:
            raise _Gone
        return reply

    def close(self) -> None:
        """Stop."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.source.close()


class Theirs:
    """SyncEvolution's client with our server."""

    def __init__(
        self, home: Path, library: Path, settings: Settings, content_type: str = "text/plain"
    ) -> None:
        self.server = Ours(home, settings, content_type)
        self.client = Client(home / "theirs", library, "their-device")

    def configure(self, **properties: str) -> None:
        """Tell the client of the server."""
        self.client.configure(self.server.url, "notes", **properties)

    def fill(self) -> None:
        """Put a, b, c and d into the client."""
        for name in "abcd":
            (self.client.items / name).write_text(f"{name}\n")

    @property
    def both(self) -> tuple[list[str], list[str]]:
        """Give the contents of client and server."""
        return contents(self.client.items), contents(self.server.items)


def settings(scheme: auth.Scheme = auth.Scheme.MD5, **more: object) -> Settings:
    """Give the settings of our server."""
    return replace(Settings({USER: PASSWORD.encode()}, scheme), **more)  # type: ignore[arg-type]  # any field


@pytest.fixture
def theirs(tmp_path: Path, library: Path) -> Iterator[Theirs]:
    """Give SyncEvolution's client with our server."""
    made = Theirs(tmp_path, library, settings())
    made.configure()
    yield made
    made.server.close()


WAYS = [
    ("1.2", "1", "md5"), ("1.2", "0", "basic"), ("1.1", "1", "basic"), ("1.1", "0", "md5"),
    ("1.0", "1", "basic"), ("1.0", "0", "md5"), ("1.0", "1", "md5"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "wbxml", "scheme"), WAYS)
def test_their_client_in_every_manner(
    tmp_path: Path, library: Path, version: str, wbxml: str, scheme: str
) -> None:
    """Versions, representations, credentials: slow, then changes of every kind both ways."""
    made = Theirs(tmp_path, library, settings(auth.Scheme[scheme.upper()]))
    made.configure(SyncMLVersion=version, enableWBXML=wbxml, clientAuthType=scheme)
    made.fill()
    made.client.sync("slow")
    changes(made.client.items, made.server.items)
    made.client.sync()
    made.server.close()

    assert (BOTH, BOTH) == made.both
    assert f"SyncML/{version}".encode() in made.server.replies[-1]
    assert (b"<?xml" in made.server.replies[-1]) == (wbxml == "0")


@pytest.mark.parametrize("mode", OUTCOMES)
def test_their_client_every_kind(theirs: Theirs, mode: str) -> None:
    """Alerts 200 to 205 of their client. Requirement R-53."""
    theirs.fill()
    theirs.client.sync("slow")
    changes(theirs.client.items, theirs.server.items)

    theirs.client.sync(mode)

    assert OUTCOMES[mode] == theirs.both


def test_their_client_slow_finds_what_is_equal(theirs: Theirs) -> None:
    """A slow synchronization of equal contents doubles nothing."""
    theirs.fill()
    for _ in range(2):
        theirs.client.sync("slow")

    assert (["a", "b", "c", "d"],) * 2 == theirs.both


def test_their_client_large_objects(tmp_path: Path, library: Path) -> None:
    """Objects of 100 KB in chunks, both ways, and none of our messages over the limit."""
    made = Theirs(tmp_path, library, settings(max_message=SMALL))
    made.configure(maxMsgSize=str(SMALL))
    made.fill()
    (made.client.items / "large").write_text(LARGE)
    made.client.sync("slow")
    (made.server.items / "also").write_text("at the server " + LARGE)
    made.client.sync()
    made.server.close()

    both = sorted(["a", "b", "c", "d", WORDS, "at the server " + WORDS])
    assert (both, both) == made.both
    assert max(map(len, made.server.replies)) <= SMALL
    assert len(made.server.replies) > 20
    for reply in made.server.replies:
        (tmp_path / "reply").write_bytes(reply)
        judged = subprocess.run(
            [need("wbxml2xml"), "-o", "-", tmp_path / "reply"], check=False, capture_output=True
        )
        assert judged.returncode == 0


def card(number: int, note: str) -> str:
    """Write a vCard 3.0."""
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"UID:card-{number}@example.org", f"FN:Given {number}",
             f"N:Family;Given {number};;;", f"NOTE:{note}", "END:VCARD", ""]  # fmt: skip
    return "\r\n".join(lines)


def notes(folder: Path) -> list[str]:
    """Give name and note of each card: SyncEvolution writes cards anew in its own order."""
    cards = [path.read_text() for path in folder.iterdir() if path.name[0] != "."]
    return sorted(" ".join(sorted(re.findall(r"(?:FN|NOTE)[^:]*:([^\r\n]*)", c))) for c in cards)


@pytest.mark.parametrize("wbxml", ["0", "1"])
def test_their_client_line_ends_and_blanks(tmp_path: Path, library: Path, wbxml: str) -> None:
    """Chunks that end between CR and LF, and blanks at both ends: nothing is lost either way.

    Their client counts and writes the ends of lines as CR LF, and puts one behind each item.
    """
    made = Theirs(tmp_path, library, settings(max_message=SMALL))
    made.configure(maxMsgSize=str(SMALL), enableWBXML=wbxml)
    sent = {f"{number}" + "\n" * (number + 1) + "a\n" * (3000 + number) for number in range(4)}
    given = {"  both ends  ", "\ttab", "\n\nlines\n\n", " "}
    for number, text in enumerate(sent):
        (made.client.items / f"c{number}").write_text(text)
    for number, text in enumerate(given):
        (made.server.items / f"s{number}").write_text(text)
    made.client.sync("slow")
    made.server.close()
    theirs = {path.read_text() for path in made.client.items.iterdir()}  # CR LF is read as LF
    ours = {path.read_text() for path in made.server.items.iterdir()}

    assert sent | {f"{text}\n" for text in given} == theirs
    assert {f"{text}\n" for text in sent} | given == ours


def test_their_client_with_cards(tmp_path: Path, library: Path) -> None:
    """A folder of ours that takes any type: vCards, changed on both sides, then slow."""
    made = Theirs(tmp_path, library, settings(), content_type="*/*")
    made.configure(databaseFormat="text/vcard")
    for number in range(6):
        (made.client.items / str(number)).write_text(card(number, "first"), newline="")
    made.client.sync("slow")
    (made.client.items / "1").write_text(card(1, "of the client"), newline="")
    (made.client.items / "2").unlink()
    (ours,) = [p for p in made.server.items.iterdir() if "Given 3" in p.read_text()]
    ours.write_text(card(3, "of the server"), newline="")
    (made.server.items / "new").write_text(card(7, "added"), newline="")
    made.client.sync()
    both = notes(made.client.items), notes(made.server.items)
    made.client.sync("slow")
    made.server.close()

    expected = ["Given 0 first", "Given 1 of the client", "Given 3 of the server",
                "Given 4 first", "Given 5 first", "Given 7 added"]  # fmt: skip
    assert (expected, expected) == both
    assert (expected, expected) == (notes(made.client.items), notes(made.server.items))


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (Rule.CLIENT_WINS, ["of the client"]),
        (Rule.SERVER_WINS, ["of the server"]),
        (Rule.DUPLICATE, ["of the client", "of the server"]),
    ],
)
def test_their_client_conflict(tmp_path: Path, library: Path, rule: Rule, left: list[str]) -> None:
    """One item changed on both sides: the rule decides, both sides are equal. O-9."""
    made = Theirs(tmp_path, library, settings(rule=rule))
    made.configure()
    (made.client.items / "a").write_text("a\n")
    made.client.sync("slow")
    (made.client.items / "a").write_text("of the client\n")
    next(made.server.items.iterdir()).write_text("of the server\n")
    made.client.sync()
    made.server.close()

    assert (left, left) == made.both


@pytest.mark.parametrize("lost", [2, 3, 4])  # the very first message it sends once only
def test_their_client_repeats_what_was_lost(theirs: Theirs, lost: int) -> None:
    """A reply that is lost: the client sends the message again and gets the same reply."""
    theirs.fill()
    theirs.server.lost = {lost}
    (theirs.server.items / "s").write_text("s\n")
    theirs.client.sync("slow")

    assert (["a", "b", "c", "d", "s"],) * 2 == theirs.both


@pytest.mark.parametrize("after", [2, 3, 4, 6])
def test_their_client_comes_back_after_a_break(tmp_path: Path, library: Path, after: int) -> None:
    """The connection is gone for good in the middle: the next session doubles nothing."""
    made = Theirs(tmp_path, library, settings(max_message=SMALL))
    made.configure(maxMsgSize=str(SMALL), RetryDuration="0")
    for number in range(40):
        (made.client.items / f"c{number}").write_text(f"client {number}\n" * 60)
    for number in range(20):
        (made.server.items / f"s{number}").write_text(f"server {number}\n" * 60)
    made.server.gone_after = after
    running = made.client.start("slow")
    running.communicate(timeout=60)
    made.server.gone_after = None
    first = len(made.server.replies)
    made.client.sync()
    begun = made.server.replies[first : first + 2]  # the first may ask for another digest
    made.server.close()

    assert running.returncode != 0
    assert {200} == {code for reply in begun for code in alerts(reply)} - {401}
    assert b"225" in made.server.bodies[-len(made.server.replies[first:])]
    assert 60 == len(made.both[0])
    assert made.both[0] == made.both[1]


def alerts(reply: bytes) -> list[int]:
    """Give the statuses of Alerts in a reply."""
    found = [each for each in codec.decode(reply, codec.WBXML).commands if isinstance(each, Status)]
    return [each.code for each in found if each.cmd == "Alert"]


def test_their_client_suspended_by_a_person(tmp_path: Path, library: Path) -> None:
    """An interrupt in the middle, then a session that goes on: nothing is doubled."""
    made = Theirs(tmp_path, library, settings(max_message=SMALL))
    made.configure(maxMsgSize=str(SMALL))
    for number in range(60):
        (made.client.items / f"c{number}").write_text(f"client {number}\n" * 60)
    made.server.slow_after = 3
    running = made.client.start("slow")
    deadline = time.monotonic() + 30
    while len(made.server.bodies) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    made.server.slow_after = None
    made.client.sync()
    made.server.close()

    assert running.returncode != 0
    assert 60 == len(made.both[0])
    assert made.both[0] == made.both[1]


class Line:
    """Our client's way to their server; it can lose replies and go silent."""

    def __init__(self, carrier: HttpCarrier) -> None:
        self._carrier = carrier
        self.sent: list[bytes] = []
        self.lost: set[int] = set()
        self.gone_after: int | None = None
        self.ended_after: int | None = None

    def wants_end(self) -> bool:
        """Say whether the person wants it to end."""
        return self.ended_after is not None and len(self.sent) > self.ended_after

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Bring a message, unless it shall be lost."""
        self.sent.append(body)
        if self.gone_after is not None and len(self.sent) > self.gone_after:
            raise CarrierError(Failure.UNREACHABLE, "gone")
        reply = self._carrier.exchange(url, content_type, body)
        if len(self.sent) in self.lost:
            raise CarrierError(Failure.UNREACHABLE, "lost")
        return reply


class Mine:
    """Our client with SyncEvolution's server."""

    def __init__(self, home: Path, peer: Peer, **properties: str) -> None:
        name, device, self.server = peer.database(**properties)
        self.client = home / "mine"
        self.source: Source = open_source(f"{name}={self.client}", "text/plain")
        self._carrier = HttpCarrier()
        self.line = Line(self._carrier)
        account = auth.Account(auth.Scheme.BASIC, USER, PASSWORD.encode())
        self.order = Order(peer.url, account=account, device_id=device)

    def fill(self) -> None:
        """Put a, b, c and d into the client."""
        for name in "abcd":
            (self.client / name).write_text(f"{name}\n")

    def sync(self, mode: str = "two-way", /, **more: object) -> SessionResult:
        """Synchronize once."""
        order = replace(self.order, kind=MODES[mode], **more)  # type: ignore[arg-type]  # any field
        return synchronize(
            order,
            [self.source],
            self.line,
            pause=lambda _: None,
            wants_end=self.line.wants_end,
        )

    @property
    def both(self) -> tuple[list[str], list[str]]:
        """Give the contents of client and server."""
        return contents(self.client), contents(self.server)

    def close(self) -> None:
        """Stop."""
        self._carrier.close()
        self.source.close()


@pytest.fixture
def mine(tmp_path: Path, peer: Peer) -> Iterator[Mine]:
    """Give our client with SyncEvolution's server."""
    made = Mine(tmp_path, peer)
    yield made
    made.close()


@pytest.mark.parametrize(("version", "wbxml", "scheme"), WAYS)
def test_our_client_in_every_manner(mine: Mine, version: str, wbxml: str, scheme: str) -> None:
    """Versions, representations, credentials: slow, then changes of every kind both ways."""
    manner: dict[str, object] = {
        "version": next(each for each in Version if each.dtd == version),
        "content_type": codec.WBXML if wbxml == "1" else codec.XML,
        "account": auth.Account(auth.Scheme[scheme.upper()], USER, PASSWORD.encode()),
    }
    mine.fill()
    assert mine.sync("slow", **manner).ok
    changes(mine.client, mine.server)

    assert mine.sync(**manner).ok
    assert (BOTH, BOTH) == mine.both


def test_our_client_shows_nothing_unasked(mine: Mine) -> None:
    """Without a scheme their server asks, and gets what it asks for; it never needs to again."""
    mine.fill()
    account = auth.Account(None, USER, PASSWORD.encode())
    trips = [mine.sync(mode, account=account).round_trips for mode in ("slow", "two-way")]

    assert all(b"syncml:auth-basic" not in sent for sent in mine.line.sent)
    assert trips[0] > trips[1]
    assert mine.both[0] == mine.both[1]


@pytest.mark.parametrize("mode", OUTCOMES)
def test_our_client_every_kind(mine: Mine, mode: str) -> None:
    """Alerts 200 to 205 of our client. Requirement R-53."""
    mine.fill()
    assert mine.sync("refresh-from-client").ok
    changes(mine.client, mine.server)

    assert mine.sync(mode).ok
    assert OUTCOMES[mode] == mine.both


def test_our_client_large_objects(mine: Mine) -> None:
    """Objects of 100 KB in chunks, both ways, and none of our messages over the limit."""
    mine.fill()
    (mine.client / "large").write_text(LARGE)
    (mine.server / "also").write_text("at the server " + LARGE)

    assert mine.sync("slow", max_msg_size=SMALL).ok
    both = sorted(["a", "b", "c", "d", WORDS, "at the server " + WORDS])
    assert (both, both) == mine.both
    assert max(map(len, mine.line.sent)) <= SMALL
    assert len(mine.line.sent) > 20


def test_our_client_large_object_in_xml(mine: Mine) -> None:
    """The same from us in XML; their server cuts characters apart, and so writes no XML back."""
    (mine.client / "large").write_text(LARGE)

    assert mine.sync("slow", max_msg_size=SMALL, content_type=codec.XML).ok
    assert ([WORDS], [WORDS]) == mine.both
    assert max(map(len, mine.line.sent)) <= SMALL


def test_our_client_conflict(mine: Mine) -> None:
    """One item changed on both sides: their server decides, both sides are equal. O-9."""
    (mine.client / "a").write_text("a\n")
    assert mine.sync("slow").ok
    (mine.client / "a").write_text("of the client\n")
    next(mine.server.iterdir()).write_text("of the server\n")

    assert mine.sync().ok
    assert mine.both[0] == mine.both[1]
    assert "of the" in mine.both[0][0]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_our_client_repeats_what_was_lost(mine: Mine, lost: int) -> None:
    """A reply that is lost: we send the same octets again, and their server answers the same."""
    mine.fill()
    mine.line.lost = {lost}
    (mine.server / "s").write_text("s\n")

    assert mine.sync("slow").ok
    assert (["a", "b", "c", "d", "s"],) * 2 == mine.both


@pytest.mark.parametrize("after", [2, 4])
def test_our_client_comes_back_after_a_break(mine: Mine, after: int) -> None:
    """The connection is gone for good in the middle: the next session doubles nothing."""
    for number in range(40):
        (mine.client / f"c{number}").write_text(f"client {number}\n" * 60)
    for number in range(20):
        (mine.server / f"s{number}").write_text(f"server {number}\n" * 60)
    mine.line.gone_after = after
    with pytest.raises(CarrierError):
        mine.sync("slow", max_msg_size=SMALL)
    mine.line.gone_after = None

    assert mine.sync(max_msg_size=SMALL).ok
    assert 60 == len(mine.both[0])
    assert mine.both[0] == mine.both[1]


def test_our_client_suspended_by_a_person(mine: Mine) -> None:
    """Alert 224 to their server in the middle, then Alert 225: nothing is lost or doubled."""
    for number in range(40):
        (mine.client / f"c{number}").write_text(f"client {number}\n" * 60)
    for number in range(20):
        (mine.server / f"s{number}").write_text(f"server {number}\n" * 60)

    mine.line.ended_after = 3
    broken = mine.sync("slow", max_msg_size=SMALL)
    mine.line.ended_after = None
    (last,) = [e for e in codec.decode(mine.line.sent[-1], codec.WBXML).commands
               if isinstance(e, Alert)]  # fmt: skip
    mine.line.sent.clear()
    result = mine.sync("slow", max_msg_size=SMALL)

    assert (StatusCode.CANCELLED, AlertCode.SUSPEND) == (broken.status, last.code)
    (first,) = [e for e in codec.decode(mine.line.sent[0], codec.WBXML).commands
                if isinstance(e, Alert)]  # fmt: skip
    assert (AlertCode.RESUME, True) == (first.code, result.ok)
    assert 60 == len(mine.both[0])
    assert mine.both[0] == mine.both[1]


def test_their_client_takes_our_notification(peer: Peer) -> None:
    """Package 0 of 1.2 by HTTP: it answers with package 1 of a session with the database named."""
    url = "http://sync.example.org/syncml"
    folder = peer.client(url, "notes")
    (folder / "a").write_text("a\n")
    asked = (Asked(AlertCode.TWO_WAY_BY_SERVER, "notes", CONTENT_TYPES["text/plain"]),)
    octets = Notification(url, 23, asked).encode(PASSWORD.encode(), b"nonce")

    with HttpCarrier() as carrier:
        kind, body = carrier.exchange(peer.url, "application/vnd.syncml.ds.notification", octets)

    first = codec.decode(body, kind)
    (alert,) = [each for each in first.commands if isinstance(each, Alert)]
    assert url == first.header.target.uri
    assert ["notes"] == [item.target.uri for item in alert.items if item.target]
    assert alert.code in {AlertCode.SLOW, AlertCode.TWO_WAY, AlertCode.TWO_WAY_BY_SERVER}
