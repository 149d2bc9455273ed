"""The stand-alone server and a device of another making, in many manners, over its whole life."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import auth
from cardsync.terminal.databases.sources import Source, open_source
from syncml.peer_device import Device, Manners

LARGE = b"large " * 1500
MANNERS = {
    "plain": Manners(),
    "xml": Manners(binary=False),
    "1.0": Manners("1.0", base64=True),
    "1.0 in xml": Manners("1.0", binary=False, replaces=True, counts=False),
    "1.1": Manners("1.1", get=True, prefix=""),
    "1.1 in xml": Manners("1.1", binary=False, get=True, alone=True, last="empty"),
    "says nothing of itself": Manners(put=False, last="zero", max_msg=0),
    "device information alone": Manners(get=True, alone=True, put=False),
    "an item a message": Manners(per_message=1, names=False),
    "pieces": Manners("1.1", chunk=1000, binary=False),
    "pieces of base64": Manners(chunk=999, base64=True),
    "little memory": Manners(max_msg=2000, get=True),
    "little memory, xml": Manners("1.1", binary=False, max_msg=2500, get=True),
    "waits for the rest": Manners(max_msg=2500, asks=False),
    "everything twice": Manners("1.1", twice=True, per_message=2, max_msg=3000),
    "names late": Manners(maps="late", per_message=3, max_msg=3000),
    "one session for ever": Manners(session="1", keeps_url=True),
    "basic": Manners("1.0", auth="basic"),
    "md5 of 1.0": Manners("1.0", auth="md5", binary=False),
    "md5": Manners("1.1", auth="md5", session="7FFFFFFF"),
}


class Life:
    """A folder, its server, and the device."""

    def __init__(self, home: Path, manners: Manners) -> None:
        scheme = auth.Scheme.BASIC if manners.auth == "basic" else auth.Scheme.MD5
        settings = Settings({"u": b"secret"} if manners.auth else {}, scheme)
        self.home = home / "s"
        self.source: Source = open_source(f"db={self.home}")
        self._server = SyncmlServer([self.source], settings)
        self.device = Device(self._post, manners)
        for number in range(6):
            self.device.put(f"device {number}\r\n".encode())
            self.write(f"s{number}", f"server {number}\nä & <b>".encode())
        self.device.put(LARGE[: 500 if manners.version == "1.0" else None])
        self.write("large", b"y " + LARGE[: 500 if manners.version == "1.0" else None])

    def _post(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        reply = self._server.serve(body, content_type, url.partition("?")[2])
        assert 200 == reply.status
        return reply.content_type, reply.body

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the server."""
        (self.home / name).write_bytes(data)

    def path(self, data: bytes) -> Path:
        """Give the file that holds this."""
        return next(each for each in self.home.iterdir() if each.read_bytes() == data)

    def sync(self, kind: int = 200) -> tuple[int, int]:
        """Synchronize; both sides are equal then, and nothing was odd. Give what went each way."""
        self.device.sync(kind)
        assert [] == self.device.notes
        files = sorted(each.read_bytes() for each in self.home.iterdir())
        assert files == sorted(self.device.items.values())
        return self.device.sent, self.device.got


@pytest.fixture(params=MANNERS)
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    """Give a device and a server, each with items, that know nothing of each other."""
    made = Life(tmp_path, MANNERS[request.param])
    yield made
    made.source.close()


def test_life_of_a_device(life: Life) -> None:
    """Equal after each session, each change once, the sessions between them empty. DS 1.2."""
    device = life.device
    assert (7, 7) == life.sync()
    assert (0, 0) == life.sync()
    device.put(b"changed by the device", device.name(b"device 0\r\n"))
    device.drop(device.name(b"device 1\r\n"))
    device.put(b"new")
    life.write("s0", b"changed by the server")
    (life.home / "s1").unlink()
    life.write("new on the server", b"new there")

    assert (3, 3) == life.sync()
    assert (0, 0) == life.sync()


def test_both_change(life: Life) -> None:
    """The device wins; what one deletes and the other changes stays; then all is quiet again."""
    device = life.device
    life.sync()
    for number, text in ((0, b"theirs"), (2, b"changed here, deleted there")):
        device.put(text, device.name(f"device {number}\r\n".encode()))
    life.path(b"device 0\r\n").write_bytes(b"ours")
    life.path(b"device 2\r\n").unlink()
    for number in (3, 4):
        device.drop(device.name(f"device {number}\r\n".encode()))
    life.path(b"device 3\r\n").unlink()
    life.path(b"device 4\r\n").write_bytes(b"changed there, deleted here")
    life.sync()
    held = set(device.items.values())

    assert {b"theirs", b"changed here, deleted there"} <= held
    assert not {b"ours", b"device 3\r\n", b"device 4\r\n"} & held
    assert (0, 0) == life.sync()


def test_everything_is_compared(life: Life) -> None:
    """A slow synchronization of what is equal leaves it as it is, and agrees on it anew."""
    life.sync()
    number = len(life.device.items)

    assert (number, 0) == life.sync(201)
    assert number == len(life.device.items)
    assert (0, 0) == life.sync()
