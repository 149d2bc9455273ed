"""Our client and servers beside SyncEvolution's, in one run: the same vCards, the same kinds.

A client is a process from its start to its end. Servers are there before it; what they and the
client work, and the most memory they have, is of all processes they consist of, PostgreSQL's
included. tests/syncevolution.py starts SyncEvolution.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.operator import operator_process, prepare
from bench.watch import Cost, Watch, tree
from cardsync.operator.app import SYNCML_PATH
from cardsync.syncml import auth

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from syncevolution import PASSWORD, USER, Client, Peer, built

KINDS = ("refresh-from-client", "two-way", "slow", "refresh-from-server")
RUNS = ((100, KINDS), (1000, KINDS), (5000, KINDS[:1]))
"""So many cards, and what is done with them, one after the other: the first kind fills the server,
and all others find both sides equal."""

CARD_OCTETS = 300
_MAX_MESSAGE = "150000"
_PAIR, _ONE = 35.0, 200.0
"""Seconds after which no larger number of cards is begun by a client and a server, and after which
one synchronization is given up."""

_PROGRAMS = ("syncevolution", "syncevo-http-server", "dbus-daemon", "gcc")
_OCTETS = re.compile(r"(\d+) octets sent, (\d+) received")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; `octets` are those of all messages, where the client tells them."""

    client: str
    server: str
    kind: str
    count: int
    seconds: float
    costs: tuple[Cost, Cost]
    octets: int | None

    def __str__(self) -> str:
        """Give it as a line."""
        here, there = self.costs
        return (
            f"{self.client:13} {self.server:14} {self.kind:19} {self.count:>7,} "
            f"{self.seconds:7.2f} {self.count / self.seconds:8,.0f} "
            f"{here.processor:7.2f} {there.processor:7.2f} {here.memory:7.0f} {there.memory:7.0f} "
            f"{'-' if self.octets is None else format(self.octets, ','):>10}"
        )


HEAD = (
    f"{'client':13} {'server':14} {'kind':19} {'items':>7} {'seconds':>7} {'items/s':>8} "
    f"{'client':>7} {'server':>7} {'client':>7} {'server':>7} {'octets':>10}\n"
    f"{'':71} {'':11} {'processor s':>14} {'memory MB':>16}"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A database of a server, and who may use it."""

    url: str
    database: str
    device: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its processes, and how it gets a new database."""

    name: str
    pids: Callable[[], Iterable[int]]
    place: Callable[[], Place]


Synchronize = Callable[[str], "subprocess.Popen[str]"]
"""Begins to synchronize a folder in one of the kinds."""


def peers() -> Iterator[object]:
    """Run each client with each server."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        yield f"left out: {', '.join(missing)} not installed (tools/peers.sh)"
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # PostgreSQL may run as another account
        library = built(home)
        yield HEAD
        for number, (serve, client) in enumerate(product(_SERVERS, ("SyncEvolution", "cardsync"))):
            place = home / str(number)
            place.mkdir(mode=0o755)
            with serve(place) as server:  # anew, for what it may still do after the last session
                yield from _pair(client, server, place, library)


def _pair(client: str, server: Server, home: Path, library: Path) -> Iterator[object]:
    deadline = time.monotonic() + _PAIR
    for count, kinds in RUNS:
        if time.monotonic() > deadline:
            yield f"{client:13} {server.name:14} {count:,} items left out: {_PAIR:.0f} s are over"
            continue
        place = server.place()
        begun = home / f"{client}-{server.name}-{count}".replace(" ", "-")
        if client == "SyncEvolution":
            items, start = _their_client(begun, library, place)
        else:
            items = begun / "items"
            items.mkdir(parents=True)
            start = our_client(str(items), place)
        for number in range(count):
            (items / str(number)).write_bytes(card(number))
        for kind in kinds:
            yield run_once(client, server, kind, count, start)
            found = sum(1 for path in items.iterdir() if path.name[0] != ".")
            if found != count:
                raise RuntimeError(f"{found} items at the client, {count} were there")


def run_once(client: str, server: Server, kind: str, count: int, start: Synchronize) -> Row:
    """Synchronize once."""
    with Watch(server.pids) as there:
        begun, worked = time.perf_counter(), _reaped()
        process = start(kind)
        with Watch(lambda: tree(process.pid)) as here:
            try:
                said, _ = process.communicate(timeout=_ONE)
            finally:
                process.kill()
        seconds = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{client} with {server.name}, {kind}: {said}")
    cost = Cost(_reaped() - worked, here.cost.memory)
    told = _OCTETS.search(said)
    octets = int(told[1]) + int(told[2]) if told else None
    return Row(client, server.name, kind, count, seconds, (cost, there.cost), octets)


def _reaped() -> float:
    """Read the seconds that those have worked that we started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def card(number: int) -> bytes:
    """Make a vCard 3.0 of 300 octets."""
    head = (
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}@example.org\r\n"
        f"N:Family{number};Given{number};;;\r\nFN:Given{number} Family{number}\r\n"
        f"TEL;TYPE=CELL:+4915112{number:06}\r\nEMAIL:given{number}@example.com\r\nNOTE:"
    )
    tail = "\r\nEND:VCARD\r\n"
    return (head + "x" * (CARD_OCTETS - len(head) - len(tail)) + tail).encode()


def _their_client(home: Path, library: Path, place: Place) -> tuple[Path, Synchronize]:
    client = Client(home, library, place.device)
    client.configure(
        place.url, place.database, databaseFormat="text/vcard", clientAuthType="basic",
        maxMsgSize=_MAX_MESSAGE, RetryInterval=f"{_ONE:.0f}", RetryDuration=f"{_ONE:.0f}",
    )  # fmt: skip
    return client.items, client.start


def our_client(items: str, place: Place) -> Synchronize:
    """Give `cardsync syncml sync` of a folder, or of a table as `FILE#TABLE`."""
    command = [
        sys.executable, "-m", "cardsync", "syncml", "sync", place.url, f"{place.database}={items}",
        "--user", USER, "--device", place.device, "--max-message", _MAX_MESSAGE,
        "--allow-slow", "--allow-emptying",
    ]  # fmt: skip

    def start(kind: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*command, "--type", kind],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"CARDSYNC_SYNCML_PASSWORD": PASSWORD},
        )

    return start


@contextmanager
def _theirs(home: Path) -> Iterator[Server]:
    """Run SyncEvolution's server."""
    (home / "peer").mkdir()
    peer = Peer(home / "peer")

    def place() -> Place:
        database, device, _ = peer.database(databaseFormat="text/vcard")
        return Place(peer.url, database, device)

    try:
        yield Server("SyncEvolution", peer.pids, place)
    finally:
        peer.stop()


@contextmanager
def our_server(home: Path) -> Iterator[Server]:
    """Run `cardsync syncml serve` over folders."""
    names = [f"cards{number}" for number in range(len(RUNS))]
    folders = [f"{name}={home / name}" for name in names]
    left = iter(names)
    command = ["syncml", "serve", "--port", "0", "--user", f"{USER}:{PASSWORD}", "--allow-emptying"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cardsync", *command, *folders], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        yield Server(
            "syncml serve", lambda: tree(process.pid), lambda: Place(url, name := next(left), name)
        )
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def _operator(home: Path) -> Iterator[Server]:
    """Run the operator, with vCards in its PostgreSQL."""
    left = iter(range(len(RUNS)))
    folder = home / "operator"
    prepare(folder, auth.Account(auth.Scheme.BASIC, USER, PASSWORD.encode()))
    with operator_process(folder, "bench.vcard_operator") as (url, pid):
        address = url.rstrip("/") + SYNCML_PATH
        yield Server(
            "operator", lambda: tree(pid), lambda: Place(address, "devman", f"device{next(left)}")
        )


_SERVERS = (_theirs, our_server, _operator)

BENCHMARKS: dict[str, Callable[[], Iterator[object]]] = {"peers": peers}
