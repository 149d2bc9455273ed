"""The stand-alone programs killed with -9 at every point at which they write or speak.

One end of a synchronization is a process of its own, killed before or after one of the calls
that change a disk or bring a message; then it is started again. Nothing may be lost, nothing may
be there twice.
"""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from cardsync.errors import ConfigError
from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.terminal.databases.sources import Source, open_source
from cardsync.transport.carrier import Carrier, CarrierError, Failure

FORK = multiprocessing.get_context("fork")
ORDER = Order("http://a.example/syncml", max_msg_size=2048)
NEVER = -1
KINDS = ("folder", "table")


@dataclass
class Fate:
    """Kills its process at one point; `passed` counts the points before it."""

    point: int = NEVER
    passed: int = 0

    def go_by(self) -> None:
        """Pass a point, or die at it."""
        if self.passed == self.point:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make the moments before and after a call points."""

        def call(*arguments: object, **named: object) -> object:
            self.go_by()
            done = function(*arguments, **named)
            self.go_by()
            return done

        return call

    def rule(self) -> None:
        """Take hold of this process."""
        for name in ("fsync", "replace", "rename", "unlink"):
            setattr(os, name, self.around(getattr(os, name)))
        fate = self

        class Mortal(sqlite3.Connection):
            """A connection whose every commit is a point, before and after."""

            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                """Execute a statement."""
                do = super().execute
                return fate.around(do)(sql) if sql == "COMMIT" else do(sql, *values)

        sqlite3.connect = partial(sqlite3.connect, factory=Mortal)  # type: ignore[assignment]  # for this process alone


class Ends:
    """Both ends in one folder, as `kinds` of client and server say: synchronized, and changed."""

    def __init__(self, home: Path, kinds: tuple[str, str]) -> None:
        self.home = home
        self.kinds = dict(zip("cs", kinds, strict=True))
        self._kept: dict[Path, bytes] = {}

    def keep(self) -> None:
        """Keep everything as it is now."""
        self._kept = {path: path.read_bytes() for path in self.home.rglob("*") if path.is_file()}

    def restore(self) -> None:
        """Let everything be as it was kept; what is still there remains the same file."""
        for path in self.home.rglob("*"):
            if path.is_file() and path not in self._kept:
                path.unlink()
        for path, octets in self._kept.items():
            path.write_bytes(octets)

    def open(self, side: str) -> Source:
        """Open one end."""
        place = self.home / side
        return open_source(f"db={place}" if self.kinds[side] == "folder" else f"db={place}.db#t")

    def change(self, side: str, name: str, data: bytes | None) -> None:
        """Change one end as its owner does."""
        if self.kinds[side] == "folder":
            path = self.home / side / name
            path.unlink() if data is None else path.write_bytes(data)
            return
        with closing(sqlite3.connect(self.home / f"{side}.db")) as connection:
            connection.execute("DELETE FROM t WHERE name = ?", (name,))
            if data is not None:
                connection.execute("INSERT INTO t VALUES (?, ?)", (name, data))
            connection.commit()

    def items(self, side: str) -> list[bytes]:
        """Give what is there, in order."""
        if self.kinds[side] == "folder":
            files = (self.home / side).iterdir()
            return sorted(each.read_bytes() for each in files if each.name[0] != ".")
        with closing(sqlite3.connect(self.home / f"{side}.db")) as connection:
            return sorted(row[0] for row in connection.execute("SELECT content FROM t"))

    def told(self, side: str) -> set[str]:
        """Give the names of what one end would tell the other as changed by its owner."""
        with closing(self.open(side)) as source:
            (peer,) = source.index.connection.execute("SELECT name FROM peers").fetchone()
            store = source.client(peer) if side == "c" else source.server(peer)
            return {each.identifier for each in store.changes(store.anchors()[0].token)}

    def server(self) -> tuple[Source, SyncmlServer]:
        """Start a server."""
        source = self.open("s")
        return source, SyncmlServer([source], Settings())

    def synchronize(self, carrier: Carrier) -> int:
        """Synchronize from the client's end; give the status, 0 if there was no way."""
        with closing(self.open("c")) as source, suppress(CarrierError):
            return synchronize(ORDER, [source], carrier, pause=lambda _: None).status
        return 0


class Direct:
    """A carrier to a server in this process."""

    def __init__(self, server: SyncmlServer) -> None:
        self.server = server

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Bring a message."""
        reply = self.server.serve(body, content_type, url.partition("?")[2])
        return reply.content_type, reply.body


class Piped:
    """A carrier to a server in another process, which is started again if it dies."""

    def __init__(self, ends: Ends, point: int) -> None:
        self.ends, self.passed = ends, 0
        self.start(point)

    def start(self, point: int) -> None:
        """Start the server."""
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=serve, args=(self.ends, point, theirs, self.pipe))
        self.process.start()
        theirs.close()

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Bring a message; no answer comes from a server that dies."""
        try:
            self.pipe.send((body, content_type, url.partition("?")[2]))
            kind, reply, self.passed = self.pipe.recv()
        except (EOFError, OSError) as exc:
            self.close()
            self.start(NEVER)
            raise CarrierError(Failure.UNREACHABLE, "it died") from exc
        return kind, reply

    def close(self) -> None:
        """Stop the server."""
        self.pipe.close()
        self.process.join()


def serve(ends: Ends, point: int, pipe: Connection, other: Connection) -> None:
    """Be a server that dies at a point; `other` is the far end of the pipe."""
    other.close()
    fate = Fate(point)
    fate.rule()
    _, server = ends.server()
    with suppress(EOFError):
        while True:
            body, kind, query = pipe.recv()
            fate.go_by()
            reply = server.serve(body, kind, query)
            fate.go_by()
            pipe.send((reply.content_type, reply.body, fate.passed))


def ask(ends: Ends, point: int, pipe: Connection, other: Connection) -> None:
    """Be a client that dies at a point; `other` is the far end of the pipe."""
    other.close()
    fate = Fate(point)
    fate.rule()

    class Line:
        """A carrier to the process that started this one."""

        def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
            """Bring a message."""
            fate.go_by()
            pipe.send((body, content_type, url.partition("?")[2]))
            answer: tuple[str, bytes] = pipe.recv()
            fate.go_by()
            return answer

    ends.synchronize(Line())
    pipe.send(fate.passed)


def kill_client(ends: Ends, point: int) -> int:
    """Kill the client at a point; give how many points it passed if it was not killed."""
    pipe, theirs = FORK.Pipe()
    process = FORK.Process(target=ask, args=(ends, point, theirs, pipe))
    process.start()
    theirs.close()
    source, server = ends.server()
    passed = 0
    with closing(source), closing(pipe), suppress(EOFError, ConnectionError):
        while isinstance(heard := pipe.recv(), tuple):
            reply = server.serve(*heard)
            pipe.send((reply.content_type, reply.body))
        passed = heard
    process.join()
    return passed


def kill_server(ends: Ends, point: int) -> int:
    """Kill the server at a point, and start it again; give how many points it passed."""
    with closing(Piped(ends, point)) as carrier:
        ends.synchronize(carrier)
        return carrier.passed


@pytest.fixture
def begun(tmp_path: Path, request: pytest.FixtureRequest) -> Ends:
    """Give two ends that were equal and have been changed since, in every way."""
    ends = Ends(tmp_path, request.param)
    for side in "cs":
        ends.open(side).close()
    for name in "abcde":
        ends.change("c", name, name.encode())
    source, server = ends.server()
    assert 200 == ends.synchronize(Direct(server))
    source.close()
    for side, changed, gone, new in (("c", "a", "b", "one"), ("s", "c", "d", "two")):
        ends.change(side, changed, changed.encode() + b" changed")
        ends.change(side, gone, None)
        ends.change(side, new, new.encode())
    ends.keep()
    return ends


OWN = {"c": {"a", "b", "one"}, "s": {"c", "d", "two"}}
EQUAL = sorted([b"a changed", b"c changed", b"e", b"one", b"two"])


@pytest.mark.parametrize("begun", [(one, two) for one in KINDS for two in KINDS], indirect=True)
@pytest.mark.parametrize("kill", [kill_client, kill_server])
def test_killed_at_every_point(begun: Ends, kill: Callable[[Ends, int], int]) -> None:
    """Whatever point it was, the next session makes both ends equal: no loss, no double. R-02.

    What came from the other end is never taken for a change of the owner: it would be sent back,
    and be there twice at a peer that does not look for equal items.
    """
    found = {}
    point, points = NEVER, 0
    while point < points:
        begun.restore()
        passed = kill(begun, point)
        points = points or passed
        told = begun.told("c"), begun.told("s")
        source, server = begun.server()
        status = begun.synchronize(Direct(server))
        source.close()
        of_owners = told[0] <= OWN["c"] and told[1] <= OWN["s"]
        if (of_owners, status, begun.items("c"), begun.items("s")) != (True, 200, EQUAL, EQUAL):
            found[point] = (told, status, begun.items("c"), begun.items("s"))
        point += 1

    assert points > 10
    assert {} == found


def full(source: Source) -> None:
    """Let the memory of a database grow no more, as on a full disk."""
    (pages,) = source.index.connection.execute("PRAGMA page_count").fetchone()
    source.index.connection.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize("side", ["c", "s"])
@pytest.mark.parametrize("begun", [(one, one) for one in KINDS], indirect=True)
def test_disk_that_is_full_in_the_middle(begun: Ends, side: str) -> None:
    """Said in words, and nothing of the message is done; with room again it goes on. R-02."""
    other = {"c": "s", "s": "c"}[side]
    begun.change(other, "large", b"x" * 200_000)
    ends = {each: begun.open(each) for each in "cs"}
    full(ends[side])
    line = Direct(SyncmlServer([ends["s"]], Settings()))
    with pytest.raises(ConfigError, match="full; nothing was changed"):
        synchronize(ORDER, [ends["c"]], line, pause=lambda _: None)
    there = begun.items(side)
    for source in ends.values():
        source.close()
    source, server = begun.server()
    status = begun.synchronize(Direct(server))
    source.close()

    assert 200 == status
    assert {b"x" * 200_000} == set(begun.items(side)) - {*there, *EQUAL}
    assert sorted([*EQUAL, b"x" * 200_000]) == begun.items("c") == begun.items("s")


@pytest.mark.parametrize("begun", [("folder", "folder")], indirect=True)
def test_folder_that_is_another_one_now(begun: Ends) -> None:
    """An empty folder in its place, as of a disk that is not mounted, deletes nothing elsewhere."""
    source, server = begun.server()
    (begun.home / "s").rename(begun.home / "away")
    with pytest.raises(ConfigError, match="not there"):
        begun.synchronize(Direct(server))
    (begun.home / "s").mkdir()
    with pytest.raises(ConfigError, match="another database"):
        begun.synchronize(Direct(server))
    (begun.home / "s").rmdir()
    (begun.home / "away").rename(begun.home / "s")
    status = begun.synchronize(Direct(server))
    source.close()

    assert (200, EQUAL, EQUAL) == (status, begun.items("c"), begun.items("s"))
