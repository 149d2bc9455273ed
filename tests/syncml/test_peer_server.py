"""`cardsync syncml sync` and a server of another making, in many manners, over their whole life."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.syncml import auth, codec
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.events import Counts, DatabaseResult
from cardsync.terminal.databases.sources import open_source
from syncml.peer_server import URL, Manners, Server

LARGE = b"large " * 1500
XML = Order(URL, content_type=codec.XML)
OLD = Order(URL, version=Version.V1_0)
MANNERS = {
    "plain": (Manners(), Order(URL)),
    "xml": (Manners(get=True), XML),
    "1.0": (Manners(prefix=""), OLD),
    "1.0 in xml": (Manners(ok=True), replace(OLD, content_type=codec.XML)),
    "1.1": (Manners(both=True), Order(URL, version=Version.V1_1)),
    "basic": (Manners(auth="basic"), OLD),
    "md5 of 1.0": (Manners(auth="md5"), OLD),
    "md5": (Manners(auth="md5", resp_uri="sync?s=1"), XML),
    "a nonce with each message": (Manners(auth="md5", fresh=True), Order(URL)),
    "little memory": (Manners(max_msg=2000, chunk=800), replace(XML, max_msg_size=2500)),
    "an item a message": (Manners(per_message=1, names=False), Order(URL)),
    "pieces": (Manners(chunk=1000, at_item=True), XML),
    "pieces of base64": (Manners(chunk=999, base64=True), Order(URL)),
    "new by Replace": (Manners(verb="Replace"), Order(URL)),
    "all in one": (Manners(within="Atomic"), Order(URL)),
    "one after the other": (Manners(within="Sequence", per_message=2), XML),
    "a status later": (Manners(late=True), Order(URL)),
    "strange anchors": (Manners(anchor=" <&ä> %d "), XML),
    "no end": (Manners(ends=False), Order(URL)),
    "strange names": (Manners(guid="a/../b %d?x=1&y=<é>", base64=True), XML),
    "the client wins": (Manners(wins="client"), Order(URL)),
    "both win": (Manners(wins="duplicate"), Order(URL)),
}


class Life:
    """A folder, its client, and the server."""

    def __init__(self, home: Path, manners: Manners, order: Order) -> None:
        self.home = home / "c"
        self.source = open_source(f"db={self.home}")
        self.server = Server(manners)
        account = auth.Account(None, "u", b"secret") if manners.auth else None
        self.order = replace(order, account=account)
        large = LARGE[: 500 if order.version is Version.V1_0 else None]
        for number in range(6):
            self.server.put(f"server {number}\r\n".encode())
            self.write(f"c{number}", f"client {number}\nä & <b>".encode())
        self.server.put(large)
        self.write("large", b"x " + large)

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the client."""
        (self.home / name).write_bytes(data)

    def path(self, data: bytes) -> Path:
        """Give the file that holds this."""
        return next(each for each in self.home.iterdir() if each.read_bytes() == data)

    def sync(self, kind: AlertCode = AlertCode.TWO_WAY) -> DatabaseResult:
        """Synchronize; both sides are equal then, and nothing was odd."""
        order = replace(self.order, kind=kind)
        (result,) = synchronize(order, [self.source], self.server).databases
        assert (200, []) == (result.status, self.server.notes)
        files = sorted(each.read_bytes() for each in self.home.iterdir())
        assert files == sorted(self.server.items.values())
        return result

    def is_quiet(self) -> bool:
        """Say whether nothing goes either way now."""
        result = self.sync()
        return (result.sent, result.received) == (Counts(), Counts())


@pytest.fixture(params=MANNERS)
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    """Give a client and a server, each with items, that know nothing of each other."""
    made = Life(tmp_path, *MANNERS[request.param])
    yield made
    made.source.close()


def test_life_with_a_server(life: Life) -> None:
    """Equal after each session, each change once, the sessions between them empty. DS 1.2."""
    server = life.server
    first = life.sync()
    assert (Counts(added=7), Counts(added=7)) == (first.sent, first.received)
    assert life.is_quiet()
    server.put(b"changed by the server", server.name(b"server 0\r\n"))
    server.drop(server.name(b"server 1\r\n"))
    server.put(b"new")
    life.write("c0", b"changed by the client")
    (life.home / "c1").unlink()
    life.write("new at the client", b"new here")
    then = life.sync()

    assert (Counts(1, 1, 1), Counts(1, 1, 1)) == (then.sent, then.received)
    assert life.is_quiet()


def test_both_change(life: Life) -> None:
    """Who wins is the server's to say; what one deletes and the other changes stays."""
    server = life.server
    life.sync()
    for number, text in ((0, b"ours"), (2, b"changed there, deleted here")):
        server.put(text, server.name(f"server {number}\r\n".encode()))
    life.path(b"server 0\r\n").write_bytes(b"theirs")
    life.path(b"server 2\r\n").unlink()
    server.drop(server.name(b"server 3\r\n"))
    life.path(b"server 3\r\n").unlink()
    life.sync()
    held = set(server.items.values()) & {b"ours", b"theirs"}
    winners = {"server": {b"ours"}, "client": {b"theirs"}, "duplicate": {b"ours", b"theirs"}}

    assert winners[server.manners.wins] == held
    assert b"changed there, deleted here" in server.items.values()
    assert life.is_quiet()


def test_everything_is_compared(life: Life) -> None:
    """A slow synchronization of what is equal leaves it as it is, and agrees on it anew."""
    life.sync()
    number = len(life.server.items)
    life.sync(AlertCode.SLOW)

    assert number == len(life.server.items)
    assert life.is_quiet()
