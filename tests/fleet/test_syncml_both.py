"""Client and server show each other who they are, over HTTP, from session to session."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_http import HttpServer
from cardsync.fleet.syncml_server import Reply, Settings, SyncmlServer
from cardsync.syncml.auth import HMAC_HEADER, Account, Scheme, Unproved
from cardsync.syncml.events import SessionResult
from cardsync.terminal.databases.sources import open_source
from cardsync.transport.carrier import CarrierError, Failure
from cardsync.transport.http import HttpCarrier

BASIC, MD5, MAC = Scheme
SCHEMES = list(Scheme)
US, THEM = Account(None, "ü", b"one secret"), Account(MD5, "sörver", b"other secret")


class Line:
    """HTTP, which notes what goes each way, and loses replies."""

    def __init__(self) -> None:
        self.carrier = HttpCarrier()
        self.bodies: list[tuple[bytes, bytes]] = []
        self.macs: list[tuple[str | None, str | None]] = []
        self.loses = False
        self.forged = b"", b""

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Bring a message."""
        return self.exchange_beside(url, content_type, body, {})[:2]

    def exchange_beside(
        self, url: str, content_type: str, body: bytes, fields: Mapping[str, str]
    ) -> tuple[str, bytes, Mapping[str, str]]:
        """Bring a message with its MAC; where replies are lost, the first of each."""
        kind, reply, told = self.carrier.exchange_beside(url, content_type, body, fields)
        before = [sent for sent, _ in self.bodies]
        self.bodies.append((body, reply))
        self.macs.append((fields.get(HMAC_HEADER), told.get(HMAC_HEADER)))
        if self.loses and body not in before:
            raise CarrierError(Failure.UNREACHABLE, "lost")
        return kind, reply.replace(*self.forged), told


class Both:
    """A folder at each end, and HTTP between."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.line = Line()
        self.sources = {side: open_source(f"db={home / side}") for side in "cs"}
        self.serve(BASIC)
        self.http = HttpServer("127.0.0.1", 0, self.answer)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    def serve(self, scheme: Scheme, account: Account | None = THEM) -> None:
        """Ask clients for a scheme, and show an account."""
        settings = Settings({US.user: US.password}, scheme, account=account)
        self.heard = SyncmlServer([self.sources["s"]], settings)

    def answer(self, *message: Any) -> Reply:
        """Answer as whoever serves now."""
        return self.heard.serve(*message)

    def sync(self, account: Account | None, server: Account | None) -> SessionResult:
        """Synchronize once."""
        self.line.bodies.clear()
        self.line.macs.clear()
        order = Order(self.http.url, account=account, server=server)
        return synchronize(order, [self.sources["c"]], self.line, pause=lambda _: None)

    @property
    def items(self) -> tuple[list[str], list[str]]:
        """Give the items of both ends."""
        client, server = (sorted(p.name for p in (self.home / side).iterdir()) for side in "cs")
        return client, server

    def close(self) -> None:
        """Stop."""
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
        self.line.carrier.close()
        for source in self.sources.values():
            source.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """Give two folders with an item each."""
    made = Both(tmp_path)
    (tmp_path / "c" / "ours").write_text("our item")
    (tmp_path / "s" / "theirs").write_text("their item")
    yield made
    made.close()


@pytest.mark.parametrize("loses", [False, True])
@pytest.mark.parametrize("theirs", SCHEMES)
@pytest.mark.parametrize("ours", SCHEMES)
def test_every_scheme_both_ways(both: Both, ours: Scheme, theirs: Scheme, *, loses: bool) -> None:
    """Challenges both ways; the next session needs none of them, and a lost reply comes again."""
    both.serve(ours, replace(THEM, scheme=theirs))
    both.line.loses = loses
    accounts = replace(US, scheme=ours), replace(THEM, scheme=theirs)
    results = [both.sync(*accounts)]
    macs = list(both.line.macs)
    (both.home / "c" / "later").write_text("a later item")
    results.append(both.sync(*accounts))

    assert [200, 200] == [each.status for each in results]
    assert (["later", "ours", "theirs"],) * 2 == both.items
    assert 2 == results[1].round_trips
    assert results[0].round_trips > 2 or (ours, theirs) == (BASIC, BASIC)
    assert (ours is MAC) == any(sent for sent, _ in macs)
    assert (theirs is MAC) == any(got for _, got in macs)
    if theirs is MAC:
        assert all(got for _, got in both.line.macs)
    again = {sent: {reply for each, reply in both.line.bodies if each == sent}
             for sent, _ in both.line.bodies}  # fmt: skip
    assert loses is (len(both.line.bodies) == 2 * len(again))
    assert {1} == {len(replies) for replies in again.values()}


@pytest.mark.parametrize(
    "shown", [None, replace(THEM, password=b"guess"), replace(THEM, user="another")]
)
@pytest.mark.parametrize("wanted", SCHEMES)
@pytest.mark.parametrize("ours", SCHEMES)
def test_another_server(both: Both, ours: Scheme, wanted: Scheme, shown: Account | None) -> None:
    """A server that shows nothing, or something else, gets no item and gives none."""
    both.serve(ours, shown and replace(shown, scheme=wanted))
    result = both.sync(replace(US, scheme=ours), replace(THEM, scheme=wanted))

    assert result.status in {401, 407}
    assert isinstance(result.error, Unproved)
    assert (["ours"], ["theirs"]) == both.items
    assert not any(b"our item" in sent or b"their item" in got for sent, got in both.line.bodies)


def test_password_is_not_given_to_a_server_that_shows_nothing(both: Both) -> None:
    """Who leaves the scheme to the server shows it no password before it has shown its own."""
    both.serve(BASIC)
    result = both.sync(US, THEM)

    assert (401, 1) == (result.status, len(both.line.bodies))
    assert isinstance(result.error, Unproved)
    both.serve(MD5)
    assert 200 == both.sync(US, THEM).status


@pytest.mark.parametrize("wanted", [MD5, MAC])
def test_server_shows_what_is_asked_for(both: Both, wanted: Scheme) -> None:
    """A server of basic shows a digest or a MAC to who asks for it, in the next session at once."""
    both.serve(MD5, replace(THEM, scheme=BASIC))
    trips = [both.sync(US, replace(THEM, scheme=wanted)).round_trips for _ in range(2)]

    assert [5, 2] == trips
    assert (["ours", "theirs"],) * 2 == both.items


def test_reply_that_was_changed(both: Both) -> None:
    """Who asks for a MAC takes nothing of a reply that does not fit it."""
    both.serve(MAC, replace(THEM, scheme=MAC))
    both.line.forged = b"their item", b"evil. item"
    result = both.sync(replace(US, scheme=MAC), replace(THEM, scheme=MAC))

    assert 401 == result.status
    assert isinstance(result.error, Unproved)
    assert ["ours"] == both.items[0]


def test_strangers_learn_nothing_of_the_server(both: Both) -> None:
    """Neither its name nor its password, whatever the scheme."""
    for scheme in SCHEMES:
        both.serve(MD5, replace(THEM, scheme=scheme))
        assert 401 == both.sync(replace(US, password=b"guess", scheme=MD5), None).status
        said = b"".join(got for _, got in both.line.bodies)
        assert THEM.user.encode() not in said
        assert not any(got for _, got in both.line.macs)
