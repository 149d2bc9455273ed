"""What `cardsync syncml sync` does after a session that broke off, and what it does not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec
from cardsync.syncml.elements import Alert, AlertCode, Location, Message, Status, SyncHdr, Version
from cardsync.syncml.events import DatabaseResult
from cardsync.terminal.databases.sources import open_source
from cardsync.transport.carrier import CarrierError, Failure

ORDER = Order("http://a.example/syncml", max_msg_size=1600)


class Line:
    """A carrier to a server in this process, which breaks after some messages.

    A code in `refuses` is how the server answers the wish to go on, if it knows nothing of it.
    """

    def __init__(self, server: SyncmlServer, refuses: int | None) -> None:
        self.server = server
        self.refuses = refuses
        self.left = 1000
        self.asked: list[AlertCode | int] = []

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Bring a message, and its reply."""
        if not self.left:
            raise CarrierError(Failure.UNREACHABLE, "lost")
        self.left -= 1
        request = codec.decode(body, content_type)
        alerts = [each for each in request.commands if isinstance(each, Alert) and each.items]
        self.asked += [each.code for each in alerts]
        if self.refuses and alerts and alerts[0].code == AlertCode.RESUME:
            return content_type, _refusal(request, alerts[0], self.refuses, content_type)
        reply = self.server.serve(body, content_type, url.partition("?")[2])
        return reply.content_type, reply.body


def _refusal(request: Message, alert: Alert, code: int, content_type: str) -> bytes:
    sent = request.header
    header = SyncHdr(sent.session_id, 1, sent.source, Location(ORDER.url), sent.version)
    good = Status(1, 1, 0, "SyncHdr", 200)
    bad = Status(2, 1, alert.cmd_id, "Alert", code)
    return codec.encode(Message(header, (good, bad), final=True), content_type)


class Two:
    """A folder at each end, synchronized once; then a session that broke off after `left`."""

    def __init__(self, home: Path, refuses: int | None, left: int) -> None:
        self.sides = [home / "c", home / "s"]
        self.sources = [open_source(f"db={side}") for side in self.sides]
        self.line = Line(SyncmlServer([self.sources[1]], Settings()), refuses)
        for side in self.sides:
            for number in range(5):
                (side / f"{side.name}{number}").write_bytes(f"{side.name}{number} ".encode() * 400)
        assert 200 == self.sync().status
        for side in self.sides:
            for number in range(5, 9):
                (side / f"{side.name}{number}").write_bytes(f"{side.name}{number} ".encode() * 400)
        self.line.left = left
        with pytest.raises(CarrierError):
            self.sync()
        self.line.left = 1000
        self.line.asked.clear()

    def sync(self, version: Version = Version.V1_2) -> DatabaseResult:
        """Synchronize; give what became of the database."""
        order = replace(ORDER, version=version)
        result = synchronize(order, [self.sources[0]], self.line, pause=lambda _: None)
        return result.databases[0]

    def files(self) -> list[list[bytes]]:
        """Give what the files of each side hold."""
        return [
            sorted(e.read_bytes() for e in side.iterdir() if e.is_file()) for side in self.sides
        ]


@pytest.fixture
def refuses() -> int | None:
    """Give the status by which the server refuses to go on."""
    return None


@pytest.fixture
def left() -> int:
    """Give the number of messages that the second session had."""
    return 3


@pytest.fixture
def two(tmp_path: Path, refuses: int | None, left: int) -> Iterator[Two]:
    """Give two folders between which a session broke off."""
    made = Two(tmp_path, refuses, left)
    yield made
    for source in made.sources:
        source.close()


@pytest.mark.parametrize("refuses", [400, 404, 405, 406, 500, 501])
def test_server_does_not_know_how_to_go_on(two: Two) -> None:
    """The next session begins where the last good one ended: nothing is there twice.

    Were everything compared, what one side has changed would be a new item to the other one.
    """
    (two.sides[1] / "s0").write_bytes(b"changed by the server")
    (two.sides[1] / "s1").unlink()
    done = two.sync()

    assert (200, AlertCode.TWO_WAY) == (done.status, done.performed)
    assert [AlertCode.RESUME, AlertCode.TWO_WAY] == two.line.asked
    assert two.files()[0] == two.files()[1]
    assert 17 == len(two.files()[0])


@pytest.mark.parametrize("version", list(Version))
def test_session_goes_on(two: Two, version: Version) -> None:
    """In 1.2 by Alert 225; older ones know nothing of it, and lose nothing either."""
    done = two.sync(version)

    first = AlertCode.RESUME if version is Version.V1_2 else AlertCode.TWO_WAY
    assert (200, [first]) == (done.status, two.line.asked)
    assert two.files()[0] == two.files()[1]
    assert 18 == len(two.files()[0])


@pytest.mark.parametrize("left", [8])
def test_safety_stop_of_a_session_that_goes_on(two: Two) -> None:
    """Held back is held back: no comparison of everything brings back what a person deleted."""
    for path in two.sides[0].iterdir():
        path.unlink()

    assert 403 == two.sync().status
    assert 18 == len(two.files()[1])
    assert AlertCode.SLOW not in two.line.asked
