"""What strangers send to the stand-alone server: bombs, false lengths, names of other files."""

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardsync.fleet.syncml_http import PATH, HttpServer
from cardsync.fleet.syncml_server import MAX_MESSAGE, Settings, SyncmlServer
from cardsync.syncml import auth, codec
from cardsync.syncml.elements import (
    Add,
    Alert,
    Anchor,
    Delete,
    Item,
    Location,
    Message,
    Meta,
    Replace,
    Status,
    Sync,
    SyncHdr,
)
from cardsync.terminal.databases.sources import Source, open_source

XML_HEAD = f"POST {PATH} HTTP/1.1\r\nContent-Type: {codec.XML}\r\n"
BODY = b"<a/>"
"""What is answered 400 as soon as it is read as a whole."""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    """Give a folder two levels down."""
    made = open_source(f"notes={tmp_path / 'a' / 's'}")
    yield made
    made.close()


@pytest.fixture
def port(source: Source) -> Iterator[int]:
    """Give the port of a server."""
    server = HttpServer("127.0.0.1", 0, SyncmlServer([source], Settings()).serve)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def _raw(port: int, octets: bytes) -> int:
    """Send octets; give the status of HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        return int(connection.makefile("rb").readline().split()[1])


def _post(port: int, body: bytes, path: str = PATH, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, body, {"Content-Type": codec.XML, **headers})
    status = connection.getresponse().status
    connection.close()
    return status


_BOMB = "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "document",
    [
        f'<!DOCTYPE SyncML [<!ENTITY a "aaaaaaaaaa">{_BOMB}]><SyncML>&i;</SyncML>',
        '<!DOCTYPE SyncML [<!ENTITY x SYSTEM "file:///etc/passwd">]><SyncML>&x;</SyncML>',
        '<!DOCTYPE SyncML [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><SyncML/>',
        '<!DOCTYPE SyncML SYSTEM "http://127.0.0.1:9/x.dtd"><SyncML/>',
        "<SyncML>" * 40,
    ],
)
def test_documents(port: int, document: str) -> None:
    """Entities, what is outside, depth: 400, at once, and nothing was fetched."""
    assert 400 == _post(port, document.encode())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("", 411),
        ("Content-Length: -1\r\n", 411),
        ("Content-Length: \u00b2\r\n", 411),
        ("Content-Length: 4\r\nContent-Length: 5\r\n", 411),
        (f"Content-Length: {MAX_MESSAGE + 1}\r\n", 413),
        (f"Content-Length: {'9' * 40}\r\n", 413),
        ("Content-Length: 5\r\n", 400),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 400),
        ("Content-Length: 4\r\nContent-Encoding: gzip\r\n", 415),
        ("Content-Length: 4\r\n", 400),
    ],
)
def test_lengths(port: int, head: str, status: int) -> None:
    """A body of four octets, and what its head says of it."""
    assert status == _raw(port, (XML_HEAD + head + "\r\n").encode("latin-1") + BODY)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"2\r\n<a\r\n2;x=y\r\n/>\r\n0\r\nTrailer: x\r\n\r\n", 400),
        (b"4\r\n<a/>\r\n0\r\n", 400),
        (b"4\r\n<a/>x\r\n0\r\n\r\n", 400),
        (b"FFFFFFFF\r\n", 400),
        (b"-1\r\n", 400),
        (b"x" * 5000, 400),
        (b"80000\r\n" + b"x" * 0x80000 + b"\r\n" + b"80001\r\n" + b"x" * 0x80001 + b"\r\n", 413),
    ],
)
def test_chunks(port: int, body: bytes, status: int) -> None:
    """RFC 9112 section 7.1: extensions and trailers are passed over, all else must be exact."""
    head = XML_HEAD + "Transfer-Encoding: chunked\r\n\r\n"

    assert status == _raw(port, head.encode() + body)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_message_comes_through(port: int, version: str, chunked: bool) -> None:
    """HTTP/1.0 and 1.1, with a length or in chunks, with and without a query or a slash."""
    octets = codec.encode(_message(1), codec.XML)
    told = b"%x\r\n%b\r\n0\r\n\r\n" % (len(octets), octets) if chunked else octets
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(octets)}"
    head = XML_HEAD.replace("/1.1", f"/{version}").replace(PATH, f"{PATH}/?x=y") + length

    assert 200 == _raw(port, f"{head}\r\n\r\n".encode() + told)


def test_many_connections(port: int) -> None:
    """Idle ones take their share and no more; when they are gone, others are served."""
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for each in idle:
        each.close()

    assert 400 == next(
        status for status in (_tried(port) for _ in range(200)) if status is not None
    )


def _tried(port: int) -> int | None:
    try:
        return _post(port, BODY)
    except (OSError, http.client.HTTPException):
        return None


# --- names ----------------------------------------------------------------------------------


def _message(number: int, *commands: Alert | Sync, device: str = "d") -> Message:
    said = (Location("http://a.example/syncml"), Location(device))
    return Message(SyncHdr("1", number, *said), tuple(commands), final=True)


def _statuses(server: SyncmlServer, message: Message, kind: str = codec.WBXML) -> list[int]:
    reply = server.serve(codec.encode(message, kind), kind)
    told = codec.decode(reply.body, kind)
    return [each.code for each in told.commands if isinstance(each, Status)]


def _alert(name: str = "notes") -> Alert:
    meta = Meta(anchor=Anchor("1"))
    return Alert(1, 201, (Item(Location(name), Location("x"), meta),))


NAMES = [
    "../../etc/passwd", "../escaped", "/etc/passwd", "..", ".", "", ".hidden", "a/b", "a\\..\\b",
    "nul\0.txt", "CON", "a" * 5000, "\u202egnp.exe", "x.txt", "X.TXT", ".s.cardsync", "%2e%2e%2fx",
    "~root", "-rf", "a\nb",
]  # fmt: skip
"""Names of items that would be somewhere else, or nowhere, or each other."""


def test_names_of_items(source: Source, tmp_path: Path) -> None:
    """Every item is a file of its own in the folder, whatever it is called."""
    server = SyncmlServer([source], Settings())
    items = tuple(
        Item(source=Location(name), data=f"item {at}".encode()) for at, name in enumerate(NAMES)
    )
    before = {*tmp_path.iterdir(), *(tmp_path / "a").iterdir()}
    _statuses(server, _message(1, _alert()))
    target = Location("notes"), Location("x")
    codes = _statuses(server, _message(2, Sync(1, *target, commands=(Add(2, items),))))

    assert {200, 201} >= set(codes)
    assert {f"item {at}" for at in range(len(NAMES))} == {
        path.read_text() for path in (tmp_path / "a" / "s").iterdir()
    }
    assert before == {*tmp_path.iterdir(), *(tmp_path / "a").iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_an_item(source: Source, name: str, tmp_path: Path) -> None:
    """What the device never had cannot be deleted by it, by whatever name."""
    outside = tmp_path / "escaped"
    outside.write_text("stays")
    server = SyncmlServer([source], Settings())
    _statuses(server, _message(1, _alert()))
    gone = Delete(2, (Item(target=Location(name), source=Location(name)),))
    sync = Sync(1, Location("notes"), Location("x"), commands=(gone,))
    codes = _statuses(server, _message(2, sync))

    assert 211 == codes[-1]
    assert "stays" == outside.read_text()


@pytest.mark.parametrize("name", ["../a/s", "..", "/etc", "notes/../notes", "nul\0", "a" * 70000])
def test_names_of_databases(source: Source, name: str) -> None:
    """There are those that a person named, and no others: 404."""
    assert 404 == _statuses(SyncmlServer([source], Settings()), _message(1, _alert(name)))[-1]


def test_link_in_a_folder(source: Source, tmp_path: Path) -> None:
    """A link that its owner put there is read; a peer that replaces the item replaces the link."""
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "a" / "s"
    (folder / "link.txt").symlink_to(outside)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "gone").symlink_to(tmp_path / "nothing")
    server = SyncmlServer([source], Settings())
    target = Location("notes"), Location("x")
    _statuses(server, _message(1, _alert()))
    same = Replace(2, (Item(source=Location("7"), data=b"mine"),))
    _statuses(server, _message(2, Sync(1, *target, commands=(same,))))
    _statuses(server, _message(3))
    anchor = Meta(anchor=Anchor("2", "1"))
    _statuses(server, _message(1, Alert(1, 200, (Item(*target, anchor),))))
    other = Replace(2, (Item(source=Location("7"), data=b"theirs"),))
    _statuses(server, _message(2, Sync(1, *target, commands=(other,))))

    assert "mine" == outside.read_text()
    assert "theirs" == (folder / "link.txt").read_text()
    assert not (folder / "link.txt").is_symlink()


def test_strangers_displace_nobody(source: Source) -> None:
    """A thousand devices without a password: who has one goes on with his session."""
    account = auth.Account(auth.Scheme.BASIC, "u", b"secret")
    server = SyncmlServer([source], Settings({"u": b"secret"}))
    first = _message(1, _alert())
    header = SyncHdr(
        "1",
        1,
        *(first.header.target, first.header.source),
        cred=auth.credential(account, first.header.version),
    )
    reply = server.serve(codec.encode(Message(header, first.commands, True), codec.XML), codec.XML)
    url = codec.decode(reply.body, codec.XML).header.resp_uri or ""
    for number in range(1000):
        assert 407 == _statuses(server, _message(1, _alert(), device=f"s{number}"))[0]
    sync = _message(2, Sync(1, Location("notes"), Location("x")))
    again = server.serve(codec.encode(sync, codec.XML), codec.XML, url.partition("?")[2])

    assert (
        400
        == server.serve(codec.encode(_message(1, device="d" * 2000), codec.XML), codec.XML).status
    )
    assert {200} == {
        e.code for e in codec.decode(again.body, codec.XML).commands if isinstance(e, Status)
    }
