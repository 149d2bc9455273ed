"""The operator as a real process: started, asked, killed in the middle, ended in order."""

import base64
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cardsync.errors import ConfigError
from cardsync.octets.semi import swapped
from cardsync.operator.server import OperatorConfig, run
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.embedded import EmbeddedPostgres
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import build_token, derive_token_key
from cardsync.syncml import auth, codec, record
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.memory import MemoryClientDatastore
from cardsync.syncml.record import Application, collection_digest, decode
from cardsync.transport.certificate import Certificate
from certificates import Authority

PROGRAM = """
import asyncio, sys
from pathlib import Path
from typing import Any
from cardsync.operator.server import OperatorConfig, run

async def beside(operator):
    try:
        await asyncio.sleep(600)
    finally:
        print("beside ended", flush=True)

run(
    OperatorConfig(Path(sys.argv[1]), port=int(sys.argv[2])),
    lambda operator: print(operator.url, flush=True),
    [beside],
)
print("ended", flush=True)
"""
IMEI = "IMEI:490154203237518"
ICCID = "8949000000000000017"
KID = bytes(range(16))


class Process:
    """The operator in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        """Start, and wait until it serves."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.home), str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url == f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """End it without a warning."""
        self.process.kill()
        self.process.communicate()

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Ask it to end; give its status and its last words."""
        self.process.send_signal(how)
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def operator(home: Path) -> Iterator[Process]:
    """Start an operator; nothing of it is left at the end."""
    process = Process(home)
    yield process
    process.kill()
    database = EmbeddedPostgres(home / "postgres")
    database.start()
    database.stop()


def import_card(home: Path) -> None:
    """Take a card in, beside the running operator."""
    embedded = EmbeddedPostgres(home / "postgres")
    keys = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, KID))
    with Database(embedded.start()) as database:
        cards = Cards(database, MasterKey.open(home / "master.key"))
        cards.import_card(ICCID, "262010000000001", None, (keys,), datetime.now(UTC))
    embedded.stop()


def post(url: str, body: bytes) -> bytes:
    """Send a message and give the reply."""
    request = urllib.request.Request(url, body, {"content-type": codec.WBXML})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return bytes(reply.read())


def get(operator: Process, path: str) -> Any:
    """Ask the API."""
    with urllib.request.urlopen(operator.url + path) as reply:
        return json.loads(reply.read())


def begin(url: str, store: MemoryClientDatastore, counter: int) -> ClientSession:
    """Begin a session with small messages, so that it has many."""
    iccid = swapped(ICCID).ljust(10, b"\xff")
    token = build_token(derive_token_key(KID), iccid, "devman", counter)
    request = DatabaseRequest(store, "devman", AlertCode.REFRESH_FROM_CLIENT, str(counter))
    account = auth.Account(auth.Scheme.BASIC, IMEI, base64.b64encode(token))
    config = ClientConfig(url, IMEI, str(counter), (request,), max_msg_size=8192, account=account)
    return ClientSession(config)


def send_and_kill(operator: Process, url: str, body: bytes, delay: float) -> bool:
    """Kill the operator `delay` seconds after a message was sent; say if a reply came before."""
    replies: list[bytes] = []

    def send() -> None:
        try:
            replies.append(post(url, body))
        except (OSError, urllib.error.URLError):
            return

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(delay)
    operator.kill()
    sender.join()
    return bool(replies)


def test_killed_in_the_middle_of_a_synchronization(operator: Process) -> None:
    """`kill -9` at different moments of a message: the session goes on, nothing lost or twice."""
    import_card(operator.home)
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for n in range(500):
        store.put(str(n), Application(f"package-{n}", f"Package {n}", "1.0", n).encode())
    client = begin(operator.url + "dm", store, 1)
    delays = {1: 0.004, 3: 0.008, 4: 0.015, 5: 0.03}
    sent = 0
    while (octets := client.data_to_send()) is not None:
        sent += 1
        if sent in delays:
            send_and_kill(operator, client.url, octets, delays[sent])
            operator.start()
        client.receive_data(post(client.url, octets))
    number = get(operator, "api/devices")[0]["device_id"]
    there = get(operator, f"api/devices/{number}")["databases"]
    log = get(operator, f"api/devices/{number}/log")
    here = collection_digest(decode(data) for data in store.items().values())

    assert client.result is not None
    assert 200 == client.result.status
    assert [{"name": "devman", "records": 500, "digest": here}] == there
    assert [(200, 500, 500)] == [(each["result"], each["added"], each["written"]) for each in log]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_order(operator: Process, how: signal.Signals) -> None:
    """A signal ends what runs beside, the server and the database, with status 0."""
    status = urllib.request.urlopen(operator.url + "healthz").status
    ended = operator.end(how)

    assert 200 == status
    assert (0, "beside ended\nended\n") == ended
    assert not EmbeddedPostgres(operator.home / "postgres").alive()


def postmaster(home: Path) -> int | None:
    """Give the number of the database's first process; None while there is none."""
    try:
        return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None


def is_well(operator: Process) -> bool:
    """Say whether the database answers."""
    try:
        return bool(urllib.request.urlopen(operator.url + "healthz").status == 200)
    except urllib.error.URLError:
        return False


def test_database_that_dies_is_started_again(operator: Process) -> None:
    """`kill -9` of the database under a running operator is healed without a person."""
    pid = postmaster(operator.home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    # One of its orphans may still answer.
    while postmaster(operator.home) in {pid, None} or not is_well(operator):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert pid != postmaster(operator.home)
    assert is_well(operator)


@contextmanager
def stopped_database(home: Path) -> Iterator[None]:
    """Stop PostgreSQL in order and let nobody start it again meanwhile."""
    with (home / "postgres" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.kill(postmaster(home) or os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 60
        while postmaster(home) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield


def refused(url: str, body: bytes) -> tuple[int, str | None]:
    """Send a message that is not taken; give the status and Retry-After."""
    with pytest.raises(urllib.error.HTTPError) as told:
        post(url, body)
    with told.value as answer:
        return answer.code, answer.headers["retry-after"]


def insist(url: str, body: bytes) -> bytes:
    """Send a message again for as long as the answer is 503."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return post(url, body)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 503 or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def test_database_that_is_stopped_in_the_middle_of_a_synchronization(operator: Process) -> None:
    """503 with Retry-After while PostgreSQL is down; then the session goes on, nothing is lost."""
    import_card(operator.home)
    store = MemoryClientDatastore("devman", record.CONTENT_TYPE, record.CONTENT_VERSION)
    for n in range(300):
        store.put(str(n), Application(f"package-{n}", f"Package {n}", "1.0", n).encode())
    client = begin(operator.url + "dm", store, 1)
    answers, sent = [], 0
    while (octets := client.data_to_send()) is not None:
        sent += 1
        if sent == 3:
            with stopped_database(operator.home):
                answers = [refused(client.url, octets) for _ in range(3)]
        client.receive_data(insist(client.url, octets))
    number = get(operator, "api/devices")[0]["device_id"]
    there = get(operator, f"api/devices/{number}")["databases"]
    here = collection_digest(decode(data) for data in store.items().values())

    assert [(503, "2")] * 3 == answers
    assert client.result is not None
    assert 200 == client.result.status
    assert [{"name": "devman", "records": 300, "digest": here}] == there


def test_port_that_is_taken(home: Path) -> None:
    """The error names the address and says what to do; no database was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*choose another port"):
            run(OperatorConfig(home, port=port))

    assert not (home / "postgres").exists()


def test_certificate_that_is_none(home: Path) -> None:
    """Told before anything runs: no such file, no key with it, a key of another one."""
    authority = Authority(home)
    ours, other = authority.issue("127.0.0.1"), authority.issue("operator.example")
    for chain, key in ((home / "none", ours), (authority.path, authority.path), (ours, other)):
        with pytest.raises(ConfigError, match="no certificate with its key"):
            run(OperatorConfig(home, port=0, certificate=Certificate(chain, key)))

    assert not (home / "postgres").exists()


def test_failure_beside_ends_the_server(server: str, home: Path) -> None:
    """What runs beside may fail: the server ends in order and the failure is told."""

    async def failing(_: object) -> None:
        raise RuntimeError("beside")

    with pytest.raises(RuntimeError, match="beside"):
        run(OperatorConfig(home, port=0, dsn=server), background=[failing])
